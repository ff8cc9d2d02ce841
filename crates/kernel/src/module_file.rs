//! The file of a loaded module, and where its sections of code are in memory.
//!
//! Where the dump has no build-id of the module, its file is found by its name only. That it is of the
//! same build shows in its symbols: all of a section are equally far from where the dump has them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use virtopsy_debuginfo::{
    CallFrames, ElfFile, ModuleSymbols, SourceLines, SymbolSource as _, VirtAddr,
};

use crate::error::{Error, Result};

/// A file that belongs to a module in the dump.
#[derive(Debug)]
pub(crate) struct ModuleFile {
    elf: ElfFile,
    name: String,
    sections: Vec<PlacedSection>,
    /// The folder of the kernel's sources, where the vmlinux tells it.
    root: Option<String>,
    lines: OnceLock<Result<SourceLines>>,
    frames: OnceLock<Result<CallFrames>>,
}

/// A section of a module's file in memory.
#[derive(Clone, Copy, Debug)]
struct PlacedSection {
    in_file: u64,
    in_memory: u64,
    size: u64,
}

impl ModuleFile {
    /// A module's file, compared with the module's symbols in the dump. `root`: the folder of the
    /// kernel's sources, where it is known.
    ///
    /// # Errors
    /// [`Error::File`] where it is of another build, or has no symbols.
    pub(crate) fn placed(
        path: &Path,
        elf: ElfFile,
        memory: &ModuleSymbols,
        root: Option<String>,
    ) -> Result<ModuleFile> {
        Ok(ModuleFile {
            sections: place(path, &elf, memory)?,
            elf,
            name: path.display().to_string(),
            root,
            lines: OnceLock::new(),
            frames: OnceLock::new(),
        })
    }

    /// An address in memory as the file states it. `None`: in no section of code that has symbols.
    pub(crate) fn address(&self, at: VirtAddr) -> Option<VirtAddr> {
        let within = |section: &&PlacedSection| at.0.wrapping_sub(section.in_memory) < section.size;
        let section = self.sections.iter().find(within)?;
        let offset = at.0.wrapping_sub(section.in_memory);
        Some(VirtAddr(section.in_file.wrapping_add(offset)))
    }

    /// Its line tables.
    ///
    /// # Errors
    /// [`Error::NoSource`] where it has none.
    pub(crate) fn lines(&self) -> Result<&SourceLines> {
        let read = || {
            let lines = lines_of(&self.elf, &self.name)?;
            Ok(match &self.root {
                Some(root) => lines.relative_to(root),
                None => lines,
            })
        };
        self.lines.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// Its call frame information.
    ///
    /// # Errors
    /// Where it has none.
    pub(crate) fn frames(&self) -> Result<&CallFrames> {
        let read = || Ok(CallFrames::load(&self.elf)?);
        self.frames.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

/// The line tables of a file; that it has none is no error of the file.
pub(crate) fn lines_of(elf: &ElfFile, name: &str) -> Result<SourceLines> {
    SourceLines::load(elf).map_err(|e| match e {
        virtopsy_debuginfo::Error::NoSection { .. } => Error::NoSource {
            why: format!("{name} has no DWARF: {e}"),
        },
        other => other.into(),
    })
}

/// Where the file's sections of code are, by symbols whose name is the only one of its kind both in
/// the file and in memory.
fn place(path: &Path, elf: &ElfFile, memory: &ModuleSymbols) -> Result<Vec<PlacedSection>> {
    let wrong = |why: String| Error::File {
        path: path.display().to_string(),
        why,
    };
    let file = elf
        .symbols()?
        .ok_or_else(|| wrong("it has no symbols".into()))?;
    let mut placed: BTreeMap<u64, PlacedSection> = BTreeMap::new();
    let mut other_build = None;
    file.for_each(&mut |name, address, letter| {
        if other_build.is_some() || !matches!(letter, 't' | 'T' | 'W') {
            return;
        }
        let Some((section, offset)) = elf.section_at(address) else {
            return;
        };
        let (Some(_), Some(there)) = (file.unique(name), memory.unique(name)) else {
            return;
        };
        let in_file = address.0.wrapping_sub(offset);
        let found = PlacedSection {
            in_file,
            in_memory: there.address.0.wrapping_sub(offset),
            size: section.size,
        };
        let first = placed.entry(in_file).or_insert(found);
        if first.in_memory != found.in_memory {
            other_build = Some(name.to_owned());
        }
    });
    match other_build {
        Some(name) => Err(wrong(format!(
            "it is of another build than the module in the dump: {name} is not where it should be"
        ))),
        None if placed.is_empty() => Err(wrong(
            "it has no function in common with the module in the dump".into(),
        )),
        None => Ok(placed.into_values().collect()),
    }
}
