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
//! Opening notes the units' bounds; a unit is read when something in it is asked
//! for. A name is looked up in three steps, of which most stop at the first:
//!
//! 1. in the units of the kernel's core code ([`Dwarf::look_first_at`]), whose top
//!    level is walked once and indexed by name;
//! 2. by where its string lies in `.debug_str`: if nowhere, there is no such name;
//!    else `.debug_info` is searched for the offset (`search`);
//! 3. in an index of all units, walked in parallel, where the file's strings are
//!    stored in a way that step 2 cannot search for.
//!
//! In steps 2 and 3 the first definition of the file wins.
//!
//! dwz moves entries that several units have to units of their own, which the others import, or to
//! units of an alternate file ([`Error::NoAlternate`]). The units of that file stand behind this
//! file's, with [`ALTERNATE`] set in their offsets, so that the rest of this module knows of one
//! `.debug_info` only.

mod array;
mod attribute;
mod describe;
mod index;
mod search;
mod unit;

use std::sync::OnceLock;

use gimli::{EndianSlice, LittleEndian};

use crate::model::{TypeOrigin, Variable};
use crate::{DebugFile, ElfFile, Error, FileBytes, Tag, Type, TypeId, TypeSource, VirtAddr};

use index::{Class, Index, Wanted};
use search::{Found, Strings};
use unit::Units;

/// gimli's reader over borrowed bytes.
type Slice<'a> = EndianSlice<'a, LittleEndian>;
/// gimli's entry over borrowed bytes.
type Die<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

/// Where the dimension of an array stands in a [`TypeId`].
const DIMENSION_SHIFT: u32 = 56;
/// The offset part of a [`TypeId`].
const OFFSET_MASK: u64 = (1 << DIMENSION_SHIFT) - 1;
/// Set in the offset of what is in the alternate file.
const ALTERNATE: u64 = 1 << (DIMENSION_SHIFT - 1);

/// The DWARF of one file.
#[derive(Debug)]
pub struct Dwarf {
    own: Sections,
    /// Of the alternate file, or why there is none.
    alternate: Result<Option<Sections>, Error>,
    ranges: FileBytes,
    units: Units,
    /// The units that names are looked up in first, and what they define.
    core: OnceLock<Vec<(usize, Indices)>>,
    all: Indices,
}

/// The sections of one file that entries are read from.
#[derive(Debug)]
struct Sections {
    info: DebugFile,
    abbrev: FileBytes,
    strings: Strings,
    line_strings: FileBytes,
    string_offsets: FileBytes,
    addresses: FileBytes,
}

/// Names of one unit or of all, each index built when it is first needed.
#[derive(Debug, Default)]
struct Indices {
    named: OnceLock<Result<Index, Error>>,
    enumerators: OnceLock<Result<Index, Error>>,
}

impl Indices {
    fn get(
        &self,
        wanted: Wanted,
        build: impl FnOnce() -> Result<Index, Error>,
    ) -> Result<&Index, Error> {
        let place = match wanted {
            Wanted::Named => &self.named,
            Wanted::Enumerators => &self.enumerators,
        };
        place.get_or_init(build).as_ref().map_err(Clone::clone)
    }

    fn bytes(&self) -> usize {
        [&self.named, &self.enumerators]
            .iter()
            .filter_map(|index| index.get()?.as_ref().ok())
            .map(Index::bytes)
            .sum()
    }
}

/// The sections as gimli wants them; `.debug_info` is read unit by unit.
#[derive(Clone, Copy, Debug)]
struct View<'a> {
    abbrev: gimli::DebugAbbrev<Slice<'a>>,
    strings: gimli::DebugStr<Slice<'a>>,
    line_strings: gimli::DebugLineStr<Slice<'a>>,
    string_offsets: gimli::DebugStrOffsets<Slice<'a>>,
    addresses: gimli::DebugAddr<Slice<'a>>,
    /// `.debug_str` of the alternate file; empty where none is needed.
    alternate: Result<gimli::DebugStr<Slice<'a>>, &'a Error>,
}

impl Sections {
    fn load(elf: &ElfFile) -> Result<Self, Error> {
        let section = |name: &str| Ok::<_, Error>(elf.relocated_section(name)?.unwrap_or_default());
        let info = elf.relocated_file(".debug_info")?;
        let Some(info) = info.filter(|info| !info.is_empty()) else {
            let hint = "the file was stripped of its debug info, or built without";
            return Err(Error::NoSection {
                name: ".debug_info".to_owned(),
                hint,
            });
        };
        Ok(Self {
            info,
            abbrev: section(".debug_abbrev")?,
            strings: Strings::load(elf)?,
            line_strings: section(".debug_line_str")?,
            string_offsets: section(".debug_str_offsets")?,
            addresses: section(".debug_addr")?,
        })
    }

    fn view<'a>(&'a self, alternate: &'a Result<Option<Sections>, Error>) -> View<'a> {
        let strings =
            |sections: &'a Sections| gimli::DebugStr::new(sections.strings.bytes(), LittleEndian);
        let alternate = alternate.as_ref().map(|found| found.as_ref());
        View {
            abbrev: gimli::DebugAbbrev::new(&self.abbrev, LittleEndian),
            strings: strings(self),
            line_strings: EndianSlice::new(&self.line_strings, LittleEndian).into(),
            string_offsets: EndianSlice::new(&self.string_offsets, LittleEndian).into(),
            addresses: EndianSlice::new(&self.addresses, LittleEndian).into(),
            alternate: alternate.map(|found| found.map(strings).unwrap_or_default()),
        }
    }
}

impl Dwarf {
    /// Takes the debug sections of a file, decompressed and, for a module's
    /// file, relocated. [`Error::NoSection`] if there are none.
    pub fn load(elf: &ElfFile) -> Result<Self, Error> {
        let own = Sections::load(elf)?;
        let mut units = Units::default();
        units.read(&own.info, 0)?;
        let alternate = elf.alternate().and_then(|elf| {
            let alternate = elf.map(Sections::load).transpose()?;
            if let Some(alternate) = &alternate {
                units.read(&alternate.info, ALTERNATE)?;
            }
            Ok(alternate)
        });
        let dwarf = Self {
            units,
            own,
            alternate,
            ranges: elf.relocated_section(".debug_aranges")?.unwrap_or_default(),
            core: OnceLock::new(),
            all: Indices::default(),
        };
        tracing::debug!(
            units = dwarf.units.spans.len(),
            bytes = dwarf.own.info.len(),
            "read DWARF units"
        );
        Ok(dwarf)
    }

    /// Names the code whose units are looked into first, in this order, by
    /// addresses of functions: what they know is found without searching the
    /// file. Addresses that `.debug_aranges` does not list are passed over. Only
    /// the first call has an effect.
    pub fn look_first_at(&self, code: &[VirtAddr]) {
        self.core.get_or_init(|| {
            let mut units: Vec<usize> = Vec::new();
            for unit in search::units_of(&self.ranges, code) {
                let number = self.unit_number(unit);
                units.extend(number.filter(|number| !units.contains(number)));
            }
            tracing::debug!(?units, "DWARF units of core code");
            units
                .into_iter()
                .map(|unit| (unit, Indices::default()))
                .collect()
        });
    }

    /// How many units there are.
    #[must_use]
    pub fn unit_count(&self) -> usize {
        self.units.spans.len()
    }

    /// How many bytes the indices that were built so far take.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        let core = self.core.get().into_iter().flatten();
        core.map(|(_, indices)| indices)
            .chain([&self.all])
            .map(Indices::bytes)
            .sum()
    }

    /// The sections that hold what is at an offset.
    fn sections(&self, offset: u64) -> Result<&Sections, Error> {
        match &self.alternate {
            _ if offset & ALTERNATE == 0 => Ok(&self.own),
            Ok(alternate) => alternate.as_ref().ok_or_else(|| {
                let at = (offset & !ALTERNATE) as usize;
                let wanted = "a place in an alternate file, as dwz makes them";
                Error::malformed(".debug_info", at, wanted, "no section that names one")
            }),
            Err(error) => Err(error.clone()),
        }
    }

    /// What no entry at hand is named: absent, unless it may be in the alternate file.
    fn absent<T>(&self) -> Result<Option<T>, Error> {
        self.alternate
            .as_ref()
            .map_or_else(|error| Err(error.clone()), |_| Ok(None))
    }

    /// A definition that the core code knows.
    fn in_core(&self, class: Class, name: &str) -> Result<Option<u64>, Error> {
        for (number, indices) in self.core.get().into_iter().flatten() {
            let wanted = Wanted::of(class);
            let index = indices.get(wanted, || index::of_core(self, *number, wanted))?;
            if let Some(offset) = index.offset(class, name.as_bytes())
                && self.is_named(class, offset, name)?
            {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    /// The first definition of the file.
    fn in_all(&self, class: Class, name: &str) -> Result<Option<u64>, Error> {
        if !self.own.strings.may_have(name) {
            return Ok(None);
        }
        let wanted = Wanted::of(class);
        let index = self.all.get(wanted, || {
            tracing::debug!(name, ?class, "this name needs an index of all units");
            index::of_all(self, wanted)
        })?;
        match index.offset(class, name.as_bytes()) {
            Some(offset) if self.is_named(class, offset, name)? => Ok(Some(offset)),
            _ => Ok(None),
        }
    }

    /// An index knows hashes only, and leads from an enumerator to its enum.
    fn is_named(&self, class: Class, offset: u64, name: &str) -> Result<bool, Error> {
        Ok(class == Class::Enumerator || self.name_at(offset)?.as_deref() == Some(name))
    }
}

impl TypeSource for Dwarf {
    fn origin(&self) -> TypeOrigin {
        TypeOrigin::Dwarf
    }

    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error> {
        let class = Class::from(tag);
        if let Some(offset) = self.in_core(class, name)? {
            return Ok(Some(TypeId(offset)));
        }
        let found = match self.search(class, name)? {
            Found::At(offset) => Some(offset),
            Found::Nowhere => None,
            Found::NotSearchable => self.in_all(class, name)?,
        };
        found.map_or_else(|| self.absent(), |offset| Ok(Some(TypeId(offset))))
    }

    fn describe(&self, id: TypeId) -> Result<Type, Error> {
        if id == TypeId::VOID {
            return Ok(Type::Void);
        }
        self.describe_at(id.0 & OFFSET_MASK, id.0 >> DIMENSION_SHIFT)
    }

    fn variable(&self, name: &str) -> Result<Option<Variable>, Error> {
        let mut found = self.in_core(Class::Variable, name)?;
        for class in [Class::Variable, Class::VariableDeclared] {
            if found.is_none() {
                found = self.in_all(class, name)?;
            }
        }
        match found {
            Some(offset) => self.variable_at(offset, name),
            None => self.absent(),
        }
    }

    fn enumerator(&self, name: &str) -> Result<Option<i64>, Error> {
        let offset = match self.in_core(Class::Enumerator, name)? {
            None => self.in_all(Class::Enumerator, name)?,
            found => found,
        };
        let Some(offset) = offset else {
            return self.absent();
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
        offset: offset & !ALTERNATE,
        reason: match offset & ALTERNATE {
            0 => error.to_string(),
            _ => format!("in the alternate file: {error}"),
        },
    }
}

#[cfg(test)]
mod tests;
