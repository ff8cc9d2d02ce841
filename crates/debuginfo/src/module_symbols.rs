//! A module's symbols as the kernel keeps them: `struct mod_kallsyms`
//! (`include/linux/module.h`, since 4.5), in a dump's memory.

use crate::symbols::nearest;
use crate::symtab::{ElfSymbols, Letters};
use crate::{Error, FileBytes, Symbol, SymbolOrigin, SymbolSource, VirtAddr};

/// The symbols of one loaded module, at their addresses at run time.
///
/// Per-CPU symbols are relative to `module.percpu` plus each CPU's offset, as
/// the kernel relocated them.
#[derive(Debug)]
pub struct ModuleSymbols {
    symbols: ElfSymbols,
}

impl ModuleSymbols {
    /// Takes `mod_kallsyms`' parts: `symtab`, `num_symtab` entries of 24 bytes;
    /// `strtab`, at least up to the last name's NUL; and `typetab`, a letter for
    /// each symbol, which kernels before 5.2 do not have (they put the letter
    /// into `st_info`).
    pub fn from_elf_syms(
        symtab: &[u8],
        strtab: &[u8],
        typetab: Option<&[u8]>,
    ) -> Result<Self, Error> {
        if !symtab.len().is_multiple_of(24) {
            let found = format!("{} bytes", symtab.len());
            return Err(Error::malformed(
                "module symtab",
                0,
                "entries of 24 bytes",
                found,
            ));
        }
        let letters = match typetab {
            Some(table) if table.len() < symtab.len() / 24 => {
                return Err(Error::truncated(
                    "module typetab",
                    table,
                    0,
                    symtab.len() / 24,
                ));
            }
            Some(table) => Letters::Table(FileBytes::from(table)),
            None => Letters::Info,
        };
        Ok(Self {
            symbols: ElfSymbols::new(symtab.into(), strtab.into(), letters),
        })
    }
}

impl SymbolSource for ModuleSymbols {
    fn origin(&self) -> SymbolOrigin {
        SymbolOrigin::ModuleKallsyms
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        let mut found = self.symbols.lookup(name);
        for symbol in &mut found {
            symbol.size = symbol
                .size
                .or_else(|| self.symbols.gap_after(symbol.address));
        }
        found
    }

    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)> {
        nearest(&self.symbols, address)
    }

    fn len(&self) -> usize {
        self.symbols.len
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        self.symbols.for_each(visit);
    }
}
