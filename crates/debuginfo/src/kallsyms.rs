//! Kallsyms: the kernel's own table of symbols, as it lies in memory
//! (`scripts/kallsyms.c` writes it, `kernel/kallsyms.c` reads it).
//!
//! ```text
//!  names        ┌─────┬───────────────┐┌─────┬────…      one per symbol, by address
//!               │ len │ len token ids ││ len │
//!               └─────┴───────────────┘└─────┴────…      len ≥ 128 (6.1): two bytes,
//!                                                        7 low bits first
//!  token_index  u16 × 256: where each token's text starts in
//!  token_table  NUL-terminated texts
//! ```
//!
//! A symbol's tokens, put together, are its nm letter and its name. Addresses
//! stand in a table of their own, see [`KallsymsAddresses`].

mod addresses;
mod names;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::name_index::{NameIndex, NameIndexBuilder};
use crate::symbols::{Sorted, distance_to_next, nearest};
use crate::{Error, FileBytes, Symbol, SymbolOrigin, SymbolSource, VirtAddr};

pub use addresses::{KallsymsAddresses, guess_encoding};
pub use names::KallsymsNames;

/// A lookup without the kernel's own order of names or an index passes over the whole table (about
/// a millisecond); from this many lookups on, an index is worth its time and memory.
const LOOKUPS_BEFORE_INDEX: u32 = 4;

/// The tables of kallsyms, as read from a dump.
#[derive(Clone, Debug)]
pub struct KallsymsParts {
    /// `kallsyms_num_syms`.
    pub num_syms: u32,
    /// `kallsyms_names`; what follows the last name is ignored.
    pub names: FileBytes,
    /// `kallsyms_token_table`; what follows is ignored.
    pub token_table: FileBytes,
    /// `kallsyms_token_index`, 512 bytes.
    pub token_index: FileBytes,
    /// Where and how the addresses stand.
    pub addresses: KallsymsAddresses,
}

impl KallsymsParts {
    /// How long the names of `num_syms` symbols are, in bytes, at the start of
    /// a slice that is too long. [`Error::Truncated`] if they go on behind it.
    pub fn names_len(num_syms: u32, bytes: &[u8]) -> Result<usize, Error> {
        names::walk(num_syms, bytes, |_, _| {})
    }

    /// How long the table of 256 tokens is, in bytes, at the start of a slice
    /// that is too long.
    pub fn token_table_len(bytes: &[u8]) -> Result<usize, Error> {
        names::token_table_len(bytes)
    }
}

/// The symbols of a kernel.
#[derive(Debug)]
pub struct Kallsyms {
    names: KallsymsNames,
    addresses: KallsymsAddresses,
    lookups: AtomicU32,
    index: OnceLock<NameIndex>,
    /// Symbols by address, unless the table is in that order already.
    order: OnceLock<Option<Box<[u32]>>>,
}

impl Kallsyms {
    /// Checks the tables against each other: one pass over the lengths of names.
    pub fn parse(parts: KallsymsParts) -> Result<Self, Error> {
        let KallsymsParts {
            num_syms,
            names,
            token_table,
            token_index,
            addresses,
        } = parts;
        Self::new(
            KallsymsNames::parse(num_syms, names, token_table, token_index)?,
            addresses,
        )
    }

    /// Puts names and addresses together.
    pub fn new(names: KallsymsNames, addresses: KallsymsAddresses) -> Result<Self, Error> {
        addresses.check_len(names.len())?;
        tracing::debug!(
            symbols = names.len(),
            encoding = addresses.label(),
            "read kallsyms"
        );
        Ok(Self {
            names,
            addresses,
            lookups: AtomicU32::new(0),
            index: OnceLock::new(),
            order: OnceLock::new(),
        })
    }

    /// How the addresses are encoded.
    #[must_use]
    pub fn addresses(&self) -> &KallsymsAddresses {
        &self.addresses
    }

    fn symbol_number(&self, number: u32) -> Option<Symbol> {
        let text = self.names.text(number)?;
        let address = self.addresses.address(number)?;
        let (kind, name) = text.split_first()?;
        Some(Symbol {
            name: String::from_utf8_lossy(name).into_owned(),
            address: VirtAddr(address),
            size: None,
            kind: char::from(*kind),
        })
    }

    /// The numbers of the symbols of this name.
    fn numbers(&self, name: &str) -> Vec<u32> {
        let looked_up = self.lookups.fetch_add(1, Ordering::Relaxed);
        if self.names.is_sorted() || self.index.get().is_none() && looked_up < LOOKUPS_BEFORE_INDEX
        {
            return self.names.search(name.as_bytes());
        }
        let index = self.index.get_or_init(|| {
            let mut index = NameIndexBuilder::with_capacity(self.names.len() as usize);
            self.names.for_each(|number, text| {
                if let Some((_, name)) = text.split_first() {
                    index.insert(name, number);
                }
            });
            index.build()
        });
        index
            .candidates(name.as_bytes())
            .filter(|number| self.names.is(*number, name.as_bytes()))
            .collect()
    }

    fn order(&self) -> Option<&[u32]> {
        let order = self.order.get_or_init(|| {
            let count = self.names.len();
            if self.addresses.is_ascending(count) {
                return None;
            }
            let address = |number| self.addresses.address(number).unwrap_or(0);
            let mut order: Vec<u32> = (0..count).collect();
            order.sort_by_key(|number| address(*number));
            Some(order.into_boxed_slice())
        });
        order.as_deref()
    }

    fn number_at(&self, position: usize) -> Option<u32> {
        match self.order() {
            Some(order) => order.get(position).copied(),
            None => u32::try_from(position)
                .ok()
                .filter(|number| *number < self.names.len()),
        }
    }
}

impl SymbolSource for Kallsyms {
    fn origin(&self) -> SymbolOrigin {
        SymbolOrigin::Kallsyms
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        let numbers = self.numbers(name);
        let mut found: Vec<_> = numbers
            .into_iter()
            .filter_map(|number| self.symbol_number(number))
            .collect();
        for symbol in &mut found {
            symbol.size = distance_to_next(self, symbol.address.0);
        }
        found
    }

    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)> {
        nearest(self, address)
    }

    fn len(&self) -> usize {
        self.names.len() as usize
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        self.names.for_each(|number, text| {
            if let (Some(address), Some((kind, name))) =
                (self.addresses.address(number), text.split_first())
            {
                visit(
                    &String::from_utf8_lossy(name),
                    VirtAddr(address),
                    char::from(*kind),
                );
            }
        });
    }
}

impl Sorted for Kallsyms {
    fn count(&self) -> usize {
        self.names.len() as usize
    }

    fn address(&self, position: usize) -> Option<u64> {
        self.addresses.address(self.number_at(position)?)
    }

    fn symbol(&self, position: usize) -> Result<Symbol, Error> {
        let symbol = self
            .number_at(position)
            .and_then(|number| self.symbol_number(number));
        symbol.ok_or_else(|| Error::malformed("kallsyms", position, "a symbol", "none"))
    }
}

#[cfg(test)]
mod tests;
