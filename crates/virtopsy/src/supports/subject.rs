//! A kernel that is asked what it has: of a dump, of files, or the one that runs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use virtopsy_debuginfo::{SymbolList, TypeSource, TypeSourceExt as _};
use virtopsy_kernel::declared::Member;
use virtopsy_kernel::{Error, FileTypes, Kernel};

use crate::Options;
use crate::era;
use crate::error::Result;

/// The running kernel's BTF, and its symbols.
const RUNNING: (&str, &str) = ("/sys/kernel/btf", "/proc/kallsyms");

/// Types of modules by name; `None`: they are not at hand.
type ModuleTypes = HashMap<String, Option<Arc<dyn TypeSource>>>;

/// What is asked.
pub(super) struct Subject<'k> {
    names: Symbols<'k>,
    types: Option<Arc<dyn TypeSource>>,
    files: Option<FileTypes>,
    modules: Mutex<ModuleTypes>,
    pub(super) types_from: Option<String>,
    pub(super) symbols_from: Option<String>,
}

enum Symbols<'k> {
    Kernel(&'k Kernel),
    List(SymbolList),
}

impl<'k> Subject<'k> {
    pub(super) fn of_kernel(kernel: &'k Kernel) -> Self {
        Subject {
            names: Symbols::Kernel(kernel),
            types: kernel.types().ok().cloned(),
            files: None,
            modules: Mutex::default(),
            types_from: kernel.types_origin().map(|origin| origin.to_string()),
            symbols_from: kernel.symbols().ok().map(|s| s.origin().to_string()),
        }
    }

    pub(super) fn of_files(options: &Options, symbols: Option<&Path>) -> Result<Subject<'k>> {
        let mut asked = options.kernel.clone();
        let runs = asked.vmlinux.is_none() && asked.btf.is_none() && symbols.is_none();
        if runs {
            asked.btf = Some(RUNNING.0.into());
        }
        let types = FileTypes::open(&asked)?;
        let from = symbols.or_else(|| runs.then(|| Path::new(RUNNING.1)));
        let (list, symbols_from) = match (from, &types) {
            (Some(path), _) => (list_of(path)?, Some(path.display().to_string())),
            (None, Some(types)) => match types.symbol_list()? {
                Some(list) => (list, Some("vmlinux".to_owned())),
                None => (SymbolList::default(), None),
            },
            (None, None) => (SymbolList::default(), None),
        };
        Ok(Subject {
            names: Symbols::List(list),
            types: types.as_ref().map(|types| types.kernel().clone()),
            types_from: asked
                .btf
                .or(asked.vmlinux)
                .map(|path| path.display().to_string()),
            files: types,
            modules: Mutex::default(),
            symbols_from,
        })
    }

    pub(super) fn has_symbol(&self, name: &str) -> bool {
        match &self.names {
            Symbols::Kernel(kernel) => kernel.symbol(name).is_ok(),
            Symbols::List(list) => list.has(name),
        }
    }

    pub(super) fn is_loaded(&self, module: &str) -> bool {
        match &self.names {
            Symbols::Kernel(kernel) => kernel.modules().get(module).is_some(),
            Symbols::List(list) => list.is_loaded(module),
        }
    }

    pub(super) fn in_module(&self, module: &str, name: &str) -> bool {
        match &self.names {
            Symbols::Kernel(kernel) => {
                let module = kernel.modules().get(module);
                module.is_some_and(|module| module.symbol(kernel, name).is_ok())
            }
            Symbols::List(list) => list.in_module(module, name),
        }
    }

    /// Whether the core switches SVM off itself: only a dump holds the code that tells.
    pub(super) fn core_switches_svm(&self) -> bool {
        match &self.names {
            Symbols::Kernel(kernel) => era::core_switches_svm(kernel),
            Symbols::List(_) => false,
        }
    }

    pub(super) fn has_module_types(&self, module: &str) -> bool {
        self.module_types(module).is_some()
    }

    /// The first path of a member that the types know: the kernel's own, or a module's.
    pub(super) fn first_path(&self, module: Option<&str>, member: &Member) -> Option<&'static str> {
        let types = self.types.clone();
        let known = types.and_then(|types| path_in(&*types, member));
        known.or_else(|| path_in(&*self.module_types(module?)?, member))
    }

    fn module_types(&self, module: &str) -> Option<Arc<dyn TypeSource>> {
        let mut known = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let types = known.entry(module.to_owned());
        types.or_insert_with(|| self.load(module)).clone()
    }

    fn load(&self, module: &str) -> Option<Arc<dyn TypeSource>> {
        match (&self.names, &self.files) {
            (Symbols::Kernel(kernel), _) => {
                let types = kernel.modules().get(module)?.types(kernel);
                types.ok().cloned()
            }
            (_, Some(files)) => files.module(module).ok(),
            _ => None,
        }
    }
}

fn path_in(types: &dyn TypeSource, member: &Member) -> Option<&'static str> {
    let id = types.struct_named(member.structure).ok()?;
    let there = |path: &&&'static str| types.member_path(id, path).is_ok();
    member.paths.iter().find(there).copied()
}

fn list_of(path: &Path) -> Result<SymbolList> {
    let wrong = |why: String| Error::File {
        path: path.display().to_string(),
        why,
    };
    let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let list = SymbolList::parse(&text);
    if list.is_empty() {
        let why = "no symbols in it: System.map or the text of /proc/kallsyms is expected";
        return Err(wrong(why.to_owned()).into());
    }
    Ok(list)
}
