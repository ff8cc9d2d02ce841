//! File and line of code addresses, with inlined functions: from the DWARF of the vmlinux and of
//! modules' files, where they are at hand.
//!
//! ```text
//!  address ─┬─► in the kernel:  minus KASLR's offset ─────────────► address of the vmlinux ─► lines
//!           └─► in a module:    its section, found by the symbols
//!                               that file and dump have in common ─► address of the .ko ────► lines
//! ```
//! A module's file is found by its name only. That it is of the same build shows in its symbols:
//! all of a section are equally far from where the dump has them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use virtopsy_debuginfo::{
    ElfFile, ModuleSymbols, SourceFrame, SourceLines, SymbolSource as _, VirtAddr,
};

use crate::error::{Error, Result};
use crate::files;
use crate::kernel::Kernel;
use crate::module::Module;
use crate::symbols::Location;

/// The lines of a module's file, and where its sections of code are in memory.
#[derive(Debug)]
pub(crate) struct ModuleLines {
    lines: SourceLines,
    sections: Vec<PlacedSection>,
}

/// A section of a module's file in memory.
#[derive(Clone, Copy, Debug)]
struct PlacedSection {
    in_file: u64,
    in_memory: u64,
    size: u64,
}

impl Kernel {
    /// The functions at a code address, innermost first, each with file and line: those that the
    /// compiler inlined there, then the one that a symbol names. Empty where DWARF says nothing of
    /// the address (code made at run time, some assembly).
    ///
    /// For a return address ask for the byte before it: that is the call's.
    ///
    /// # Errors
    /// [`Error::NoSource`] where no file with DWARF is at hand; others where it can't be read, or
    /// a module's file is of another build.
    pub fn source_of(&self, at: VirtAddr) -> Result<Arc<[SourceFrame]>> {
        if let Some(module) = self.modules().containing(at) {
            return module.source_of(self, at);
        }
        let lines = self
            .lines
            .get_or_init(|| self.read_lines())
            .as_ref()
            .map_err(Clone::clone)?;
        let bias = self.vmcoreinfo().kernel_offset().unwrap_or(0);
        Ok(lines.at(VirtAddr(at.0.wrapping_sub(bias)))?)
    }

    fn read_lines(&self) -> Result<SourceLines> {
        let Some(elf) = &self.parts.vmlinux else {
            return Err(no_source("no vmlinux is at hand (give one with --vmlinux)"));
        };
        of_file(elf, "the vmlinux")
    }

    /// The address that a name with an offset stands for, as a log prints it: the reverse of
    /// [`Kernel::locate`]. Among symbols of one name the one of that size is meant; `None` where
    /// there is none, or several fit at different addresses.
    pub fn address_of(&self, location: &Location) -> Option<VirtAddr> {
        let found = match &location.module {
            None => self.symbols().ok()?.all(&location.symbol),
            Some(name) => {
                let module = self.modules().get(name)?;
                module.symbols(self).ok()?.lookup(&location.symbol)
            }
        };
        let fits = |at: VirtAddr| {
            let named = self.locate(at);
            location.size.is_none() || named.is_some_and(|named| named.size == location.size)
        };
        let mut fitting = found
            .iter()
            .map(|symbol| symbol.address)
            .filter(|at| fits(*at));
        let start = fitting.next()?;
        let alone = fitting.all(|other| other == start);
        alone.then_some(VirtAddr(start.0.checked_add(location.offset)?))
    }
}

impl Module {
    fn source_of(&self, kernel: &Kernel, at: VirtAddr) -> Result<Arc<[SourceFrame]>> {
        let found = self
            .lines
            .get_or_init(|| self.read_lines(kernel))
            .as_ref()
            .map_err(Clone::clone)?;
        let within = |section: &&PlacedSection| at.0.wrapping_sub(section.in_memory) < section.size;
        let Some(section) = found.sections.iter().find(within) else {
            return Ok(Arc::default());
        };
        let offset = at.0.wrapping_sub(section.in_memory);
        Ok(found
            .lines
            .at(VirtAddr(section.in_file.wrapping_add(offset)))?)
    }

    fn read_lines(&self, kernel: &Kernel) -> Result<ModuleLines> {
        let known = kernel.parts.files.as_ref();
        let Some(path) = known.and_then(|files| files.modules.get(&self.name)) else {
            let why = format!("no file of module {} is at hand", self.name);
            return Err(no_source(&why));
        };
        let elf = files::module_file(path)?;
        let sections = place(path, &elf, self.symbols(kernel)?)?;
        let lines = of_file(&elf, &path.display().to_string())?;
        Ok(ModuleLines { lines, sections })
    }
}

fn of_file(elf: &ElfFile, name: &str) -> Result<SourceLines> {
    SourceLines::load(elf).map_err(|e| match e {
        virtopsy_debuginfo::Error::NoSection { .. } => {
            no_source(&format!("{name} has no DWARF: {e}"))
        }
        other => other.into(),
    })
}

fn no_source(why: &str) -> Error {
    Error::NoSource {
        why: why.to_owned(),
    }
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
