//! Names and addresses of the running kernel: the vmlinux's or the dump's own symbols, moved to
//! where KASLR put them, and the modules' symbols from their kallsyms.

use std::sync::Arc;

use virtopsy_debuginfo::{Symbol, SymbolSource, VirtAddr};

use crate::declared::Variable;
use crate::error::{Error, Result};
use crate::paging::KERNEL_IMAGE_BASE;

/// Where the kernel's symbols come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolOrigin {
    /// The symbol table of a vmlinux file.
    Vmlinux,
    /// kallsyms, read from the dump's memory.
    KallsymsInDump,
}

impl std::fmt::Display for SymbolOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SymbolOrigin::Vmlinux => "vmlinux",
            SymbolOrigin::KallsymsInDump => "kallsyms-in-dump",
        })
    }
}

/// The kernel's own symbols (modules have theirs).
#[derive(Clone, Debug)]
pub struct KernelSymbols {
    source: Arc<dyn SymbolSource>,
    origin: SymbolOrigin,
    /// What KASLR added to link-time addresses; 0 where the source holds run-time addresses.
    bias: u64,
}

impl KernelSymbols {
    /// Symbols of a vmlinux, whose image runs `bias` bytes above where it was linked.
    pub fn from_vmlinux(source: Arc<dyn SymbolSource>, bias: u64) -> Self {
        KernelSymbols {
            source,
            origin: SymbolOrigin::Vmlinux,
            bias,
        }
    }

    /// Symbols as kallsyms names them at run time.
    pub fn from_kallsyms(source: Arc<dyn SymbolSource>) -> Self {
        KernelSymbols {
            source,
            origin: SymbolOrigin::KallsymsInDump,
            bias: 0,
        }
    }

    /// Where they come from.
    pub fn origin(&self) -> SymbolOrigin {
        self.origin
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.source.len() == 0
    }

    /// Moves a link-time address to run time. Per-CPU symbols below the image (offsets near 0,
    /// until 6.15) are no addresses, and never moved.
    fn relocate(&self, mut symbol: Symbol) -> Symbol {
        if symbol.address.0 >= KERNEL_IMAGE_BASE {
            symbol.address = VirtAddr(symbol.address.0.wrapping_add(self.bias));
        }
        symbol
    }

    /// The first symbol of that name. Static symbols can share one name: see [`Self::all`].
    pub fn get(&self, name: &str) -> Option<Symbol> {
        self.source
            .lookup(name)
            .into_iter()
            .next()
            .map(|s| self.relocate(s))
    }

    /// All symbols of that name.
    pub fn all(&self, name: &str) -> Vec<Symbol> {
        self.source
            .lookup(name)
            .into_iter()
            .map(|s| self.relocate(s))
            .collect()
    }

    /// The first of `names` that exists; newer names stand first.
    ///
    /// # Errors
    /// [`Error::NoSymbol`] naming all of them.
    pub fn first_of(&self, names: &[&str]) -> Result<Symbol> {
        names
            .iter()
            .find_map(|name| self.get(name))
            .ok_or_else(|| Error::NoSymbol {
                tried: names.join(" or "),
            })
    }

    /// A variable as it is declared, by the first of its names that there is.
    ///
    /// # Errors
    /// [`Error::NoSymbol`] naming all of them.
    pub fn declared(&self, variable: &Variable) -> Result<Symbol> {
        self.first_of(variable.names)
    }

    /// The symbol that holds `at`, and how far into it `at` is.
    pub fn at(&self, at: VirtAddr) -> Option<(Symbol, u64)> {
        if at.0 < KERNEL_IMAGE_BASE {
            return None;
        }
        let linked = VirtAddr(at.0.wrapping_sub(self.bias));
        self.source
            .at(linked)
            // Below the image there are only offsets of per-CPU data.
            .filter(|(symbol, _)| symbol.address.0 >= KERNEL_IMAGE_BASE)
            .map(|(s, offset)| (self.relocate(s), offset))
    }

    /// Calls `each` for every symbol (name, run-time address, nm letter).
    pub fn for_each(&self, each: &mut dyn FnMut(&str, VirtAddr, char)) {
        let bias = self.bias;
        self.source.for_each(&mut |name, at, kind| {
            let moved = if at.0 >= KERNEL_IMAGE_BASE {
                at.0.wrapping_add(bias)
            } else {
                at.0
            };
            each(name, VirtAddr(moved), kind);
        });
    }
}

/// A code or data address, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The symbol.
    pub symbol: String,
    /// Bytes from its start.
    pub offset: u64,
    /// Its length in bytes, where known.
    pub size: Option<u64>,
    /// The module that it belongs to; `None` for the kernel.
    pub module: Option<String>,
}

impl Location {
    /// The function's name without what the compiler appended (`.part.0`, `.isra.0`, `.cold`).
    #[must_use]
    pub fn function(&self) -> &str {
        self.symbol
            .split_once('.')
            .map_or(self.symbol.as_str(), |(name, _)| name)
    }

    /// Without the length, and without an offset of zero: `name`, `name+0x10`, `name [module]`.
    #[must_use]
    pub fn short(&self) -> String {
        let offset = match self.offset {
            0 => String::new(),
            offset => format!("+{offset:#x}"),
        };
        let module = self.module.as_ref();
        let module = module.map_or_else(String::new, |module| format!(" [{module}]"));
        format!("{}{offset}{module}", self.symbol)
    }
}

impl std::fmt::Display for Location {
    /// As the kernel prints it: `name+0xoffset/0xsize [module]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:#x}", self.symbol, self.offset)?;
        if let Some(size) = self.size {
            write!(f, "/{size:#x}")?;
        }
        match &self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}
