//! DWARF 2 to 5, read with gimli.
//!
//! ```text
//!  .debug_info   ┌ unit ─────────────────────────────────┐┌ unit ──…
//!                │ header │ DIE │ DIE ( DIE DIE ) │ DIE … ││
//!                └────────┴─────┴─────────────────┴───────┘└───────…
//!  TypeId = offset of a DIE in .debug_info; in an array of several dimensions
//!           bits 56-63 tell which one is meant
//! ```
//!
//! Opening notes the units' bounds. The first lookup by name walks the top level
//! of all units, in parallel, and keeps hash and offset of each definition; the
//! first definition wins. Enumerators have an index of their own, because there
//! are many and few questions need them.

mod array;
mod attribute;
mod describe;
mod index;
mod unit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use gimli::{EndianSlice, LittleEndian};

use crate::model::{TypeOrigin, Variable};
use crate::{ElfFile, Error, FileBytes, Tag, Type, TypeId, TypeSource};

use index::{Class, Index};
use unit::{UnitContext, UnitSpan};

/// gimli's reader over borrowed bytes.
type Slice<'a> = EndianSlice<'a, LittleEndian>;
/// gimli's entry over borrowed bytes.
type Die<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

/// Where the dimension of an array stands in a [`TypeId`].
const DIMENSION_SHIFT: u32 = 56;
/// The offset part of a [`TypeId`].
const OFFSET_MASK: u64 = (1 << DIMENSION_SHIFT) - 1;

/// The DWARF of one file.
#[derive(Debug)]
pub struct Dwarf {
    info: FileBytes,
    abbrev: FileBytes,
    strings: FileBytes,
    line_strings: FileBytes,
    string_offsets: FileBytes,
    addresses: FileBytes,
    units: Vec<UnitSpan>,
    /// Of type units: signature to offset of the type.
    signatures: HashMap<u64, u64>,
    /// Abbreviations and bases of the units that were used last.
    contexts: Mutex<HashMap<u64, Arc<UnitContext>>>,
    names: OnceLock<Result<Index, Error>>,
    enumerators: OnceLock<Result<Index, Error>>,
}

/// The sections as gimli wants them.
#[derive(Clone, Copy)]
struct View<'a> {
    info: gimli::DebugInfo<Slice<'a>>,
    abbrev: gimli::DebugAbbrev<Slice<'a>>,
    strings: gimli::DebugStr<Slice<'a>>,
    line_strings: gimli::DebugLineStr<Slice<'a>>,
    string_offsets: gimli::DebugStrOffsets<Slice<'a>>,
    addresses: gimli::DebugAddr<Slice<'a>>,
}

impl Dwarf {
    /// Takes the debug sections of a file, decompressed and, for a module's
    /// file, relocated. [`Error::NoSection`] if there are none.
    pub fn load(elf: &ElfFile) -> Result<Self, Error> {
        let section = |name: &str| Ok::<_, Error>(elf.relocated_section(name)?.unwrap_or_default());
        let info = section(".debug_info")?;
        if info.is_empty() {
            let hint = "the file was stripped of its debug info, or built without";
            return Err(Error::NoSection {
                name: ".debug_info".to_owned(),
                hint,
            });
        }
        let mut dwarf = Self {
            info,
            abbrev: section(".debug_abbrev")?,
            strings: section(".debug_str")?,
            line_strings: section(".debug_line_str")?,
            string_offsets: section(".debug_str_offsets")?,
            addresses: section(".debug_addr")?,
            units: Vec::new(),
            signatures: HashMap::new(),
            contexts: Mutex::default(),
            names: OnceLock::new(),
            enumerators: OnceLock::new(),
        };
        (dwarf.units, dwarf.signatures) = unit::spans(&dwarf.view())?;
        tracing::debug!(
            units = dwarf.units.len(),
            bytes = dwarf.info.len(),
            "read DWARF units"
        );
        Ok(dwarf)
    }

    /// How many units there are.
    #[must_use]
    pub fn unit_count(&self) -> usize {
        self.units.len()
    }

    /// How many bytes the indices that were built so far take.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        [&self.names, &self.enumerators]
            .iter()
            .filter_map(|index| index.get()?.as_ref().ok())
            .map(Index::bytes)
            .sum()
    }

    fn view(&self) -> View<'_> {
        View {
            info: gimli::DebugInfo::new(&self.info, LittleEndian),
            abbrev: gimli::DebugAbbrev::new(&self.abbrev, LittleEndian),
            strings: gimli::DebugStr::new(&self.strings, LittleEndian),
            line_strings: gimli::Section::load(|_| {
                Ok::<_, gimli::Error>(EndianSlice::new(&self.line_strings, LittleEndian))
            })
            .unwrap_or_default(),
            string_offsets: EndianSlice::new(&self.string_offsets, LittleEndian).into(),
            addresses: EndianSlice::new(&self.addresses, LittleEndian).into(),
        }
    }

    fn names(&self) -> Result<&Index, Error> {
        self.names
            .get_or_init(|| index::names(&self.view(), &self.units))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn enumerators(&self) -> Result<&Index, Error> {
        let built = self
            .enumerators
            .get_or_init(|| index::enumerators(&self.view(), &self.units));
        built.as_ref().map_err(Clone::clone)
    }
}

impl TypeSource for Dwarf {
    fn origin(&self) -> TypeOrigin {
        TypeOrigin::Dwarf
    }

    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error> {
        let Some(offset) = self.names()?.offset(Class::from(tag), name.as_bytes()) else {
            return Ok(None);
        };
        // The index knows hashes only.
        let same = self.name_at(offset)?.as_deref() == Some(name);
        Ok(same.then_some(TypeId(offset)))
    }

    fn describe(&self, id: TypeId) -> Result<Type, Error> {
        if id == TypeId::VOID {
            return Ok(Type::Void);
        }
        self.describe_at(id.0 & OFFSET_MASK, id.0 >> DIMENSION_SHIFT)
    }

    fn variable(&self, name: &str) -> Result<Option<Variable>, Error> {
        let index = self.names()?;
        for class in [Class::Variable, Class::VariableDeclared] {
            if let Some(offset) = index.offset(class, name.as_bytes()) {
                return self.variable_at(offset, name);
            }
        }
        Ok(None)
    }

    fn enumerator(&self, name: &str) -> Result<Option<i64>, Error> {
        let Some(offset) = self
            .enumerators()?
            .offset(Class::Enumerator, name.as_bytes())
        else {
            return Ok(None);
        };
        let Type::Enum { enumerators, .. } = self.describe(TypeId(offset))? else {
            return Ok(None);
        };
        Ok(enumerators
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| *value))
    }
}

/// gimli's error with its place.
fn gimli_error(offset: u64) -> impl Fn(gimli::Error) -> Error {
    move |error| Error::Dwarf {
        offset,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
