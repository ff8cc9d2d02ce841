//! What debug information there is of a loaded module: its file, and its types.

use std::path::PathBuf;
use std::sync::Arc;

use virtopsy_debuginfo::{Btf, Dwarf, ElfFile, ReadFiles, TypeSource};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::module::Module;
use crate::module_btf;
use crate::options::TypesChoice;
use crate::tables::{Tables, TypesOrigin, remembered};

/// A module's file, and its path. `fetch`: whether servers are asked for it, where some are given.
///
/// # Errors
/// [`Error::NoSource`] where none is at hand, [`Error::File`] where it is of another build.
pub(crate) fn module_file(
    kernel: &Kernel,
    module: &Module,
    fetch: bool,
) -> Result<(PathBuf, ElfFile)> {
    let parts = &kernel.parts;
    let known = parts.files.as_ref();
    let named = known.and_then(|files| files.modules.get(&module.name));
    let id = module.build_id(kernel);
    let found = parts.search.module(
        id.as_deref(),
        named.map(PathBuf::as_path),
        fetch,
        &ReadFiles,
    );
    found.map_err(|rejected| match rejected.into_iter().last() {
        Some(last) => Error::File {
            path: last.path.display().to_string(),
            why: last.reason,
        },
        None => Error::NoSource {
            why: format!("no file of module {} is at hand", module.name),
        },
    })
}

/// Types of a module. Where the kernel's are BTF, so are they: the dump's copy comes first, for a
/// module's file is often packed. Where they are DWARF, only the file can have them.
pub(crate) fn module_types(
    kernel: &Kernel,
    module: &Module,
    fetch: bool,
) -> Result<Arc<dyn TypeSource>> {
    let mut tried = Vec::new();
    match module_btf::load(kernel, module) {
        Ok(types) => return Ok(types),
        Err(e) => tried.push(format!("its BTF: {e}")),
    }
    // Nothing is fetched for a kernel that has its own types: most of a report does without.
    let needed = matches!(kernel.types_origin(), Some(TypesOrigin::Dwarf));
    let in_file = module_file(kernel, module, fetch && needed)
        .and_then(|(_, elf)| file_types(&elf, &kernel.parts.tables));
    match in_file {
        Ok(types) => return Ok(types),
        Err(e) => tried.push(e.to_string()),
    }
    Err(Error::NoTypes {
        why: format!("module {}: {}", module.name, tried.join("; ")),
    })
}

/// Types of a module's file: BTF if the kernel's own are, else DWARF.
fn file_types(elf: &ElfFile, tables: &Tables) -> Result<Arc<dyn TypeSource>> {
    let btf = tables
        .own_btf()
        .filter(|_| tables.choice() != TypesChoice::Dwarf);
    if let Some(base) = btf
        && let Some(bytes) = elf.section_bytes(".BTF")?
    {
        return Ok(remembered(Arc::new(Btf::parse(bytes, Some(base))?)));
    }
    Ok(remembered(Arc::new(Dwarf::load(elf)?)))
}
