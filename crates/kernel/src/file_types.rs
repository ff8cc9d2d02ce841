//! Types of a kernel of which there are files and no dump.

use std::path::Path;
use std::sync::Arc;

use virtopsy_debuginfo::{
    Btf, BtfFiles, Dwarf, ElfFile, KernelFiles, ReadFiles, Search, SymbolList, TypeSource, find,
};

use crate::error::{Error, Result};
use crate::given_btf;
use crate::options::{KernelOptions, TypesChoice};
use crate::tables::remembered;

/// Types, and the same where they are BTF.
type Types = (Arc<dyn TypeSource>, Option<Arc<Btf>>);

/// Types of a kernel and its modules, from files.
#[derive(Debug)]
pub struct FileTypes {
    kernel: Arc<dyn TypeSource>,
    /// The same where they are BTF.
    btf: Option<Arc<Btf>>,
    given: Option<BtfFiles>,
    files: KernelFiles,
    choice: TypesChoice,
}

impl FileTypes {
    /// Those of the BTF or the vmlinux that the options name. `Ok(None)`: they name neither.
    ///
    /// # Errors
    /// [`Error::File`] where it can't be read, [`Error::NoTypes`] where it has none.
    pub fn open(options: &KernelOptions) -> Result<Option<FileTypes>> {
        let choice = options.types;
        if let Some(given) = given_btf::open(options)? {
            let btf = given.kernel().clone();
            return Ok(Some(FileTypes {
                kernel: remembered(btf.clone()),
                btf: Some(btf),
                given: Some(given),
                files: KernelFiles::default(),
                choice,
            }));
        }
        let Some(path) = &options.vmlinux else {
            return Ok(None);
        };
        let search = Search {
            vmlinux: Some(path.clone()),
            only_given: true,
            debug_dirs: options.debug_dirs.clone(),
            system_root: options.system_root.clone(),
            ..Search::default()
        };
        let files = search.run(&ReadFiles);
        let Some(vmlinux) = &files.vmlinux else {
            let reasons: Vec<&str> = files.rejected.iter().map(|r| r.reason.as_str()).collect();
            return Err(Error::File {
                path: path.display().to_string(),
                why: reasons.join("; "),
            });
        };
        let elf = open_elf(vmlinux)?;
        let (kernel, btf) = of_elf(&elf, choice, None)?;
        Ok(Some(FileTypes {
            kernel,
            btf,
            given: None,
            files,
            choice,
        }))
    }

    /// The kernel's own.
    #[must_use]
    pub fn kernel(&self) -> &Arc<dyn TypeSource> {
        &self.kernel
    }

    /// The names in the vmlinux's symbol table; `Ok(None)`: there is no vmlinux, or it is stripped.
    ///
    /// # Errors
    /// Where the table can't be read.
    pub fn symbol_list(&self) -> Result<Option<SymbolList>> {
        let Some(path) = &self.files.vmlinux else {
            return Ok(None);
        };
        let table = open_elf(path)?.symbols()?;
        Ok(table.map(|table| SymbolList::of(&table)))
    }

    /// A module's, by its name: from the BTF that was given, or a file beside the vmlinux.
    ///
    /// # Errors
    /// [`Error::NoSuch`] where there is none; as [`FileTypes::open`].
    pub fn module(&self, name: &str) -> Result<Arc<dyn TypeSource>> {
        let missing = || Error::NoSuch {
            what: "module",
            name: name.to_owned(),
            known: None,
        };
        let name = name.replace('-', "_");
        if let Some(given) = &self.given {
            let own = given.module(&name)?.ok_or_else(missing)?;
            return Ok(remembered(Arc::new(own)));
        }
        let path = self.files.modules.get(&name).ok_or_else(missing)?;
        self.module_file(path)
    }

    /// A module's, from its file.
    ///
    /// # Errors
    /// As [`FileTypes::open`].
    pub fn module_file(&self, path: &Path) -> Result<Arc<dyn TypeSource>> {
        Ok(of_elf(&open_elf(path)?, self.choice, self.btf.as_ref())?.0)
    }

    /// A module's file by itself: only its DWARF tells types without the kernel's.
    ///
    /// # Errors
    /// As [`FileTypes::open`].
    pub fn lone_module_file(path: &Path) -> Result<Arc<dyn TypeSource>> {
        Ok(of_elf(&open_elf(path)?, TypesChoice::Dwarf, None)?.0)
    }
}

fn open_elf(path: &Path) -> Result<ElfFile> {
    find::open_elf(path, &ReadFiles).map_err(|e| Error::File {
        path: path.display().to_string(),
        why: e.to_string(),
    })
}

/// The types of an ELF file: its BTF, which for a module stands on `base`, else its DWARF.
fn of_elf(elf: &ElfFile, choice: TypesChoice, base: Option<&Arc<Btf>>) -> Result<Types> {
    let mut tried = Vec::new();
    if choice != TypesChoice::Dwarf {
        match elf.section_bytes(".BTF")? {
            Some(bytes) => {
                let btf = match (elf.section_bytes(".BTF.base")?, base) {
                    (Some(distilled), Some(base)) => {
                        Btf::parse_distilled(bytes, distilled, base.clone())?
                    }
                    _ => Btf::parse(bytes, base.cloned())?,
                };
                let btf = Arc::new(btf);
                return Ok((remembered(btf.clone()), Some(btf)));
            }
            None => tried.push("it has no BTF".to_owned()),
        }
    }
    if choice != TypesChoice::Btf {
        match Dwarf::load(elf) {
            Ok(dwarf) => return Ok((remembered(Arc::new(dwarf)), None)),
            Err(e) => tried.push(format!("DWARF: {e}")),
        }
    }
    Err(Error::NoTypes {
        why: tried.join("; "),
    })
}
