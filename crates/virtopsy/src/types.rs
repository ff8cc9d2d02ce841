//! Types of a kernel: of a dump, or of files alone.

use std::path::Path;
use std::sync::Arc;

use virtopsy_debuginfo::TypeSource;
use virtopsy_kernel::{Error, FileTypes};

use crate::error::Result;
use crate::facts::{Asked, LayoutFacts};
use crate::{Options, Session};

/// How a type is laid out in a kernel of which there are files and no dump: those that the options
/// name as BTF or vmlinux, or a module's file alone.
///
/// `asked` is a type, `struct task_struct` or `pgd_t`, or a member, `task_struct.se.vruntime`. `module`
/// is a module's name or file. Without it, a type that the kernel's own do not know is not looked for
/// in modules.
///
/// # Errors
/// [`Error::NoSuch`] where the type or member is not there, with the names that are most like it;
/// [`Error::File`], [`Error::NoTypes`] where there are no types to ask.
pub fn layout(options: &Options, asked: &str, module: Option<&str>) -> Result<LayoutFacts> {
    let files = FileTypes::open(&options.kernel)?;
    let asked = Asked::parse(asked);
    let types = match (&files, module) {
        (Some(files), None) => files.kernel().clone(),
        (Some(files), Some(name)) => match file_of(name) {
            Some(path) => files.module_file(path)?,
            None => files.module(name)?,
        },
        (None, Some(name)) if file_of(name).is_some() => {
            FileTypes::lone_module_file(Path::new(name))?
        }
        (None, _) => {
            return Err(Error::NoTypes {
                why: "give a dump, --btf FILE or --vmlinux FILE; /sys/kernel/btf is the running kernel's BTF"
                    .into(),
            }
            .into());
        }
    };
    answer(&asked, &types, module)
}

/// Whether what names a module is a file.
fn file_of(module: &str) -> Option<&Path> {
    let path = Path::new(module);
    (module.contains('/') || path.is_file()).then_some(path)
}

fn answer(
    asked: &Asked<'_>,
    types: &Arc<dyn TypeSource>,
    module: Option<&str>,
) -> Result<LayoutFacts> {
    match asked.find(&**types)? {
        Some(id) => Ok(asked.answer(&**types, id, module)?),
        None => Err(asked.no_type(&**types).into()),
    }
}

impl Session {
    /// How a type is laid out in the crashed kernel. `asked` is a type or one member of it, as for
    /// [`layout`]. Where no module is named, a type that the kernel's own do not know is looked for in
    /// the loaded modules.
    ///
    /// # Errors
    /// As [`layout`]; where the kernel has no types.
    pub fn layout(&self, asked: &str, module: Option<&str>) -> Result<LayoutFacts> {
        let kernel = self.kernel()?;
        let asked = Asked::parse(asked);
        let modules = &kernel.modules().modules;
        if let Some(name) = module {
            let plain = name.replace('-', "_");
            let module = modules.iter().find(|module| module.name == plain);
            let module = module.ok_or_else(|| Error::NoSuch {
                what: "module",
                name: name.to_owned(),
                known: None,
            })?;
            return answer(&asked, module.types(kernel)?, Some(name));
        }
        let types = kernel.types()?;
        if let Some(id) = asked.find(&**types)? {
            return Ok(asked.answer(&**types, id, None)?);
        }
        for module in modules {
            if let Ok(types) = module.types(kernel)
                && let Some(id) = asked.find(&**types)?
            {
                return Ok(asked.answer(&**types, id, Some(&module.name))?);
            }
        }
        Err(asked.no_type(&**types).into())
    }
}
