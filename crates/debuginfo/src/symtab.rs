//! Symbols as ELF stores them: `.symtab` of a file, and its copy that the
//! kernel keeps for each module.
//!
//! The table's bytes are read where they lie. Two small orders are built when
//! first needed: one by hash of the name, one by address.

use std::sync::OnceLock;

use crate::elf::{
    ElfFile, ElfType, RawSymbol, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, SHT_SYMTAB,
    Section,
};
use crate::inflate::{Packing, unpack};
use crate::model::MAX_NAME;
use crate::name_index::{NameIndex, NameIndexBuilder};
use crate::read::c_str_at;
use crate::symbols::{Sorted, distance_to_next, nearest};
use crate::{Error, FileBytes, Symbol, SymbolOrigin, SymbolSource, VirtAddr};

const SHN_UNDEF: u16 = 0;
const SHN_LORESERVE: u16 = 0xff00;
const SHN_ABS: u16 = 0xfff1;
const STT_SECTION: u8 = 3;
const STT_FILE: u8 = 4;
const STB_LOCAL: u8 = 0;
const STB_WEAK: u8 = 2;
/// From so many entries on (a module has some thousands) both orders are built at once.
const MANY: usize = 50_000;

/// The symbols of an ELF file.
///
/// Addresses are as linked. For a relocatable file see
/// [`ElfFile::section_at`]. Undefined, section and file symbols are left out.
#[derive(Debug)]
pub struct SymbolTable {
    symbols: ElfSymbols,
}

impl ElfFile {
    /// The symbols of `.symtab`; `None` if the file was stripped of them.
    pub fn symbols(&self) -> Result<Option<SymbolTable>, Error> {
        SymbolTable::from_elf(self)
    }
}

impl SymbolTable {
    /// Reads `.symtab` and its strings; `None` if the file has none. A stripped file may have the
    /// table of its functions in `.gnu_debugdata` (MiniDebugInfo), an ELF file packed with xz.
    pub fn from_elf(elf: &ElfFile) -> Result<Option<Self>, Error> {
        let Some(section) = elf
            .sections()
            .iter()
            .find(|section| section.kind == SHT_SYMTAB)
        else {
            return Self::from_mini_debug_info(elf);
        };
        let strings = elf.sections().get(section.link as usize).ok_or_else(|| {
            Error::malformed(
                "ELF .symtab",
                0,
                "a section of strings",
                format!("section {}", section.link),
            )
        })?;
        let letters = elf.sections().iter().map(section_letter).collect();
        let starts = match elf.elf_type() {
            ElfType::Relocatable => (0..elf.sections().len())
                .map(|n| elf.section_start(n).0)
                .collect(),
            _ => Vec::new(),
        };
        let (symtab, strings) = (elf.bytes_of(section)?, elf.bytes_of(strings)?);
        let symbols = ElfSymbols::new(symtab, strings, Letters::Sections { letters, starts });
        Ok(Some(Self { symbols }))
    }
}

impl SymbolTable {
    fn from_mini_debug_info(elf: &ElfFile) -> Result<Option<Self>, Error> {
        let Some(packed) = elf.section_bytes(".gnu_debugdata")? else {
            return Ok(None);
        };
        let inner = ElfFile::parse(unpack(Packing::Xz, &packed, None, ".gnu_debugdata")?)?;
        // Once: a file that packs itself has no end.
        match inner
            .sections()
            .iter()
            .any(|section| section.kind == SHT_SYMTAB)
        {
            true => Self::from_elf(&inner),
            false => Ok(None),
        }
    }
}

/// The letter that nm(1) gives to local symbols of a section.
fn section_letter(section: &Section) -> u8 {
    if section.flags & SHF_EXECINSTR != 0 {
        b't'
    } else if section.flags & SHF_ALLOC == 0 {
        b'n'
    } else if section.kind == SHT_NOBITS {
        b'b'
    } else if section.flags & SHF_WRITE != 0 {
        b'd'
    } else {
        b'r'
    }
}

impl SymbolSource for SymbolTable {
    fn origin(&self) -> SymbolOrigin {
        SymbolOrigin::ElfSymtab
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        self.symbols.lookup(name)
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

/// How the letter of a symbol is known.
#[derive(Debug)]
pub(crate) enum Letters {
    /// From its section, whose start may have to be added to its value.
    Sections { letters: Vec<u8>, starts: Vec<u64> },
    /// From a table beside the symbols (`mod_kallsyms.typetab`, since 5.2).
    Table(FileBytes),
    /// From `st_info`, where the kernel kept the letter before 5.2.
    Info,
}

/// A table of `Elf64_Sym` with its strings.
#[derive(Debug)]
pub(crate) struct ElfSymbols {
    symtab: FileBytes,
    strings: FileBytes,
    letters: Letters,
    pub(crate) len: usize,
    names: OnceLock<NameIndex>,
    order: OnceLock<Box<[u32]>>,
}

/// One usable entry.
struct Entry<'a> {
    name: &'a [u8],
    address: u64,
    size: u64,
    letter: u8,
}

impl ElfSymbols {
    pub(crate) fn new(symtab: FileBytes, strings: FileBytes, letters: Letters) -> Self {
        let len = (symtab.len() / RawSymbol::LEN).min(u32::MAX as usize);
        Self {
            symtab,
            strings,
            letters,
            len,
            names: OnceLock::new(),
            order: OnceLock::new(),
        }
    }

    /// The address and the letter of the entry at `index`, if it names an address.
    fn place(&self, raw: RawSymbol, index: usize) -> Option<(u64, u8)> {
        let named = raw.name != 0 && *self.strings.get(raw.name as usize)? != 0;
        if raw.section == SHN_UNDEF || !named {
            return None;
        }
        Some(match &self.letters {
            Letters::Sections { letters, starts } => Self::linked(raw, letters, starts)?,
            Letters::Table(table) => (raw.value, *table.get(index)?),
            Letters::Info => (raw.value, raw.info),
        })
    }

    fn address_at(&self, index: usize) -> Option<u64> {
        let raw = RawSymbol::at(&self.symtab, index)?;
        Some(self.place(raw, index)?.0)
    }

    /// The entry at `index`, if it names an address.
    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let raw = RawSymbol::at(&self.symtab, index)?;
        let (address, letter) = self.place(raw, index)?;
        let name =
            c_str_at(&self.strings, raw.name as usize, MAX_NAME).filter(|name| !name.is_empty())?;
        Some(Entry {
            name,
            address,
            size: raw.size,
            letter,
        })
    }

    fn linked(raw: RawSymbol, letters: &[u8], starts: &[u64]) -> Option<(u64, u8)> {
        if matches!(raw.info & 0x0f, STT_SECTION | STT_FILE) {
            return None;
        }
        let (base, binding) = (
            letters.get(usize::from(raw.section)).copied(),
            raw.info >> 4,
        );
        let letter = match base {
            _ if raw.section == SHN_ABS => b'a',
            _ if raw.section >= SHN_LORESERVE => return None,
            Some(letter) => letter,
            None => return None,
        };
        let letter = match binding {
            STB_LOCAL => letter,
            STB_WEAK if matches!(letter, b't') => b'W',
            STB_WEAK => b'V',
            _ => letter.to_ascii_uppercase(),
        };
        let start = starts.get(usize::from(raw.section)).copied().unwrap_or(0);
        Some((raw.value.wrapping_add(start), letter))
    }

    fn to_symbol(&self, entry: &Entry<'_>) -> Symbol {
        Symbol {
            name: String::from_utf8_lossy(entry.name).into_owned(),
            address: VirtAddr(entry.address),
            size: Some(entry.size).filter(|size| *size > 0),
            kind: char::from(if entry.letter.is_ascii_graphic() {
                entry.letter
            } else {
                b'?'
            }),
        }
    }

    pub(crate) fn lookup(&self, name: &str) -> Vec<Symbol> {
        if self.len >= MANY && self.names.get().is_none() {
            // Whoever asks a vmlinux for names asks it for addresses too.
            rayon::join(|| self.names(), || self.order());
        }
        let candidates = self.names().candidates(name.as_bytes());
        let entries = candidates.filter_map(|number| self.entry(number as usize));
        entries
            .filter(|entry| entry.name == name.as_bytes())
            .map(|entry| self.to_symbol(&entry))
            .collect()
    }

    fn names(&self) -> &NameIndex {
        self.names.get_or_init(|| {
            let mut index = NameIndexBuilder::with_capacity(self.len);
            for (number, entry) in self.entries() {
                index.insert(entry.name, number);
            }
            index.build()
        })
    }

    fn entries(&self) -> impl Iterator<Item = (u32, Entry<'_>)> {
        (0..self.len).filter_map(|number| Some((u32::try_from(number).ok()?, self.entry(number)?)))
    }

    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        for (_, entry) in self.entries() {
            let name = String::from_utf8_lossy(entry.name);
            visit(&name, VirtAddr(entry.address), char::from(entry.letter));
        }
    }

    /// Entries by address; those of one address in the table's order.
    fn order(&self) -> &[u32] {
        self.order.get_or_init(|| {
            let numbers = 0..u32::try_from(self.len).unwrap_or(u32::MAX);
            let mut keyed: Vec<_> = numbers
                .filter_map(|number| Some((self.address_at(number as usize)?, number)))
                .collect();
            keyed.sort_unstable();
            keyed.into_iter().map(|(_, number)| number).collect()
        })
    }

    /// The distance to the next symbol, for a symbol that states no size.
    pub(crate) fn gap_after(&self, address: VirtAddr) -> Option<u64> {
        distance_to_next(self, address.0)
    }
}

impl Sorted for ElfSymbols {
    fn count(&self) -> usize {
        self.order().len()
    }

    fn address(&self, position: usize) -> Option<u64> {
        let number = *self.order().get(position)?;
        self.address_at(number as usize)
    }

    fn symbol(&self, position: usize) -> Result<Symbol, Error> {
        let entry = self
            .order()
            .get(position)
            .and_then(|number| self.entry(*number as usize));
        entry
            .map(|entry| self.to_symbol(&entry))
            .ok_or_else(|| Error::malformed("ELF .symtab", position, "a symbol", "none"))
    }
}

#[cfg(test)]
mod tests;
