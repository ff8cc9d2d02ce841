//! The one model of symbols, and which of several symbols names an address.

use std::fmt::Debug;

use crate::{Error, VirtAddr};

/// Where symbols came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolOrigin {
    /// `.symtab` of a file: addresses before KASLR.
    ElfSymtab,
    /// The kernel's kallsyms, read from a dump: addresses at run time.
    Kallsyms,
    /// A module's kallsyms, read from a dump: addresses at run time.
    ModuleKallsyms,
}

impl std::fmt::Display for SymbolOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ElfSymtab => "ELF symbol table",
            Self::Kallsyms => "kallsyms",
            Self::ModuleKallsyms => "module kallsyms",
        })
    }
}

/// A named address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its address, as the source states it.
    pub address: VirtAddr,
    /// Bytes; in kallsyms the distance to the next address that has a symbol.
    /// `None` if unknown: the last symbol, or labels in assembly.
    pub size: Option<u64>,
    /// The letter of nm(1), as kallsyms has it: `T` `t` code, `D` `d` data,
    /// `B` `b` zeroed data, `R` `r` read-only, `A` `a` absolute, `V` `W` weak.
    pub kind: char,
}

/// A table of symbols: of the kernel or of one module.
pub trait SymbolSource: Send + Sync + Debug {
    /// Where the symbols came from.
    fn origin(&self) -> SymbolOrigin;

    /// All symbols of this name in the order of the table; usually one, none if
    /// there is no such symbol. Statics of several files may share a name.
    fn lookup(&self, name: &str) -> Vec<Symbol>;

    /// The symbol that an address lies in, and the offset from its start.
    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)>;

    /// How many symbols the table has, those without a use counted too.
    fn len(&self) -> usize;

    /// Whether the table has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` with name, address and letter of each, in the table's order.
    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char));

    /// The only symbol of this name. Several of one name at different addresses
    /// count as none: see [`Self::lookup`].
    fn unique(&self, name: &str) -> Option<Symbol> {
        let mut found = self.lookup(name).into_iter();
        let first = found.next()?;
        found
            .all(|other| other.address == first.address)
            .then_some(first)
    }
}

/// Whether a symbol is made by tools, and names nothing that a person wrote:
/// kCFI type ids, patchable prefixes, local labels, mapping symbols, CRCs and
/// strings of exports.
#[must_use]
pub fn is_noise(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "__kcfi_typeid_",
        "__pfx_",
        ".L",
        "$",
        "__crc_",
        "__kstrtab",
        "__UNIQUE_ID_",
        "__ksymtab_",
    ];
    name.is_empty() || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// How well a symbol names its address; the largest wins.
/// Global code, other code, global data, other data; labels without a size last.
pub(crate) fn rank(name: &str, kind: char, sized: bool) -> u8 {
    let code = matches!(kind, 'T' | 't' | 'W' | 'w');
    let global = kind.is_ascii_uppercase();
    let absolute = matches!(kind, 'A' | 'a');
    // Names that begin like a section's boundary name the wrong thing.
    let boundary = name.starts_with("__start_")
        || name.starts_with("__stop_")
        || name.ends_with("_start")
        || name.ends_with("_end");
    u8::from(!absolute) << 4
        | u8::from(code) << 3
        | u8::from(sized) << 2
        | u8::from(global) << 1
        | u8::from(!boundary)
}

/// What [`nearest`] needs to know of a table sorted by address.
pub(crate) trait Sorted {
    /// How many entries there are.
    fn count(&self) -> usize;
    /// The address of an entry of the sorted order.
    fn address(&self, position: usize) -> Option<u64>;
    /// The symbol at a position; its size if the table itself states one.
    fn symbol(&self, position: usize) -> Result<Symbol, Error>;
}

/// The most addresses with only noise, or with symbols that end too early, that
/// are stepped over on the way down to a symbol that contains an address.
const MAX_GROUPS: usize = 64;
/// The most symbols of one address that are compared.
const MAX_ALIASES: usize = 256;

/// The best symbol whose range holds `address`.
pub(crate) fn nearest(table: &impl Sorted, address: VirtAddr) -> Option<(Symbol, u64)> {
    let mut end = partition_point(table, address.0);
    let mut next = table.address(end);
    for _ in 0..MAX_GROUPS {
        let last = end.checked_sub(1)?;
        let start_address = table.address(last)?;
        let (first, best) = best_of_group(table, last, start_address);
        if let Some(mut symbol) = best {
            symbol.size = symbol
                .size
                .or_else(|| next.map(|next| next.wrapping_sub(start_address)));
            let offset = address.0.checked_sub(start_address)?;
            let inside = symbol
                .size
                .map_or(offset == 0, |size| offset < size || offset == 0);
            if inside {
                return Some((symbol, offset));
            }
        }
        end = first;
        next = Some(start_address);
    }
    None
}

/// The first position of the group that ends at `last`, and its best symbol.
fn best_of_group(table: &impl Sorted, last: usize, address: u64) -> (usize, Option<Symbol>) {
    let mut best: Option<(u8, Symbol)> = None;
    let mut first = last;
    for position in (0..=last).rev() {
        if table.address(position) != Some(address) {
            break;
        }
        first = position;
        if last - position >= MAX_ALIASES {
            continue;
        }
        let Ok(symbol) = table.symbol(position) else {
            continue;
        };
        if is_noise(&symbol.name) {
            continue;
        }
        let rank = rank(&symbol.name, symbol.kind, symbol.size.is_some());
        // Of equals the first in the table wins, as in the kernel.
        if best.as_ref().is_none_or(|(other, _)| rank >= *other) {
            best = Some((rank, symbol));
        }
    }
    (first, best.map(|(_, symbol)| symbol))
}

/// The first position whose address lies above `address`.
pub(crate) fn partition_point(table: &impl Sorted, address: u64) -> usize {
    let (mut low, mut high) = (0, table.count());
    while low < high {
        let middle = low + (high - low) / 2;
        if table.address(middle).is_some_and(|found| found <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The distance from `address` up to the next address of the table.
pub(crate) fn distance_to_next(table: &impl Sorted, address: u64) -> Option<u64> {
    table
        .address(partition_point(table, address))?
        .checked_sub(address)
}
