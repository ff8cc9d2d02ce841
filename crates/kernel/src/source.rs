//! File and line of code addresses, with inlined functions: from the DWARF of the vmlinux and of
//! modules' files, where they are at hand.
//!
//! ```text
//!  address ─┬─► in the kernel:  minus KASLR's offset ─────────────► address of the vmlinux ─► lines
//!           └─► in a module:    its section, found by the symbols
//!                               that file and dump have in common ─► address of the .ko ────► lines
//! ```

use std::sync::Arc;

use virtopsy_debuginfo::{SourceFrame, SourceLines, SymbolSource as _, VirtAddr};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::module::Module;
use crate::module_file::{ModuleFile, lines_of};
use crate::module_types::module_file;
use crate::symbols::Location;

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
            let file = module.file(self)?;
            return match file.address(at) {
                Some(at) => Ok(file.lines()?.at(at)?),
                None => Ok(Arc::default()),
            };
        }
        Ok(self.lines()?.at(self.linked(at))?)
    }

    /// The vmlinux's line tables.
    ///
    /// # Errors
    /// [`Error::NoSource`] where there are none.
    pub(crate) fn lines(&self) -> Result<&SourceLines> {
        self.lines
            .get_or_init(|| self.read_lines())
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The address that the vmlinux states for an address of the kernel.
    pub(crate) fn linked(&self, at: VirtAddr) -> VirtAddr {
        let bias = self.vmcoreinfo().kernel_offset().unwrap_or(0);
        VirtAddr(at.0.wrapping_sub(bias))
    }

    fn read_lines(&self) -> Result<SourceLines> {
        let Some(elf) = self.parts.tables.vmlinux() else {
            return Err(Error::NoSource {
                why: "no vmlinux is at hand (give one with --vmlinux)".into(),
            });
        };
        let lines = lines_of(elf, "the vmlinux")?;
        // Where start_kernel() is, the sources are.
        let start = self.symbol("start_kernel");
        let place = start.and_then(|at| Ok(lines.at(self.linked(at))?));
        let file = place.ok().and_then(|found| found.last()?.file.clone());
        Ok(
            match file
                .as_deref()
                .and_then(|file| file.strip_suffix("/init/main.c"))
            {
                Some(root) => lines.relative_to(root),
                None => lines,
            },
        )
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
    /// Its file, where one is at hand.
    ///
    /// # Errors
    /// [`Error::NoSource`] where none is at hand, [`Error::File`] where it is of another build.
    pub(crate) fn file(&self, kernel: &Kernel) -> Result<&ModuleFile> {
        self.file
            .get_or_init(|| self.find_file(kernel))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn find_file(&self, kernel: &Kernel) -> Result<ModuleFile> {
        let lines = kernel.lines();
        // A server is asked where the kernel's own lines are at hand: one module more, not all.
        let (path, elf) = module_file(kernel, self, lines.is_ok())?;
        let root = lines.ok().and_then(|lines| lines.root());
        ModuleFile::placed(&path, elf, self.symbols(kernel)?, root.map(str::to_owned))
    }
}
