//! The index from names to top-level entries.
//!
//! Of one unit, or of all. A kernel has some thousand units that repeat the same
//! headers' types, so that of twenty million entries some hundred thousand names remain. Each
//! thread notes the names of its share of units; a name that it has met as an
//! offset of `.debug_str` is not even hashed again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use gimli::{AttributeValue, EntriesRaw, UnitOffset};
use rayon::prelude::*;

use crate::name_index::hash64;
use crate::{Error, Tag};

use super::attribute::string;
use super::unit::Unit;
use super::{ALTERNATE, Dwarf, Slice, gimli_error};

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Struct = 1,
    Union,
    Enum,
    Typedef,
    Base,
    Func,
    /// With a location.
    Variable,
    /// Without: declared, or optimised away.
    VariableDeclared,
    /// Leads to its enum.
    Enumerator,
}

impl From<Tag> for Class {
    fn from(tag: Tag) -> Self {
        match tag {
            Tag::Struct => Self::Struct,
            Tag::Union => Self::Union,
            Tag::Enum => Self::Enum,
            Tag::Typedef => Self::Typedef,
            Tag::Base => Self::Base,
            Tag::Func => Self::Func,
        }
    }
}

impl Class {
    fn of(tag: gimli::DwTag) -> Option<Self> {
        Some(match tag {
            gimli::DW_TAG_structure_type => Self::Struct,
            gimli::DW_TAG_union_type => Self::Union,
            gimli::DW_TAG_enumeration_type => Self::Enum,
            gimli::DW_TAG_typedef => Self::Typedef,
            gimli::DW_TAG_base_type => Self::Base,
            gimli::DW_TAG_subprogram => Self::Func,
            gimli::DW_TAG_variable => Self::Variable,
            _ => return None,
        })
    }

    fn hash(self, name: &[u8]) -> u64 {
        hash64(self as u64, name)
    }
}

/// Hash and `.debug_info` offset of each name, by hash.
#[derive(Debug)]
pub(super) struct Index {
    entries: Box<[(u64, u64)]>,
}

impl Index {
    /// The first definition under the hash of a name, which the caller compares.
    pub(super) fn offset(&self, class: Class, name: &[u8]) -> Option<u64> {
        let found = self
            .entries
            .binary_search_by_key(&class.hash(name), |(hash, _)| *hash)
            .ok()?;
        self.entries.get(found).map(|(_, offset)| *offset)
    }

    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.entries)
    }
}

/// Which names an index is built of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// Types, functions and variables.
    Named,
    /// Enumerators of all enums.
    Enumerators,
}

impl Wanted {
    /// The index that a class of names stands in.
    pub(super) fn of(class: Class) -> Self {
        match class {
            Class::Enumerator => Self::Enumerators,
            _ => Self::Named,
        }
    }
}

/// An index of one unit.
pub(super) fn of_unit(dwarf: &Dwarf, unit: &Unit<'_>, wanted: Wanted) -> Result<Index, Error> {
    let mut found = Found::default();
    walk_unit(dwarf, unit, &mut found, wanted)?;
    Ok(sorted(found.first))
}

/// An index of one unit and what it imports.
pub(super) fn of_core(dwarf: &Dwarf, number: usize, wanted: Wanted) -> Result<Index, Error> {
    let start = dwarf.units.spans.get(number).map(|span| span.start);
    let mut found = Found {
        imports: start.into_iter().collect(),
        ..Found::default()
    };
    follow_imports(dwarf, &mut found, wanted)?;
    Ok(sorted(found.first))
}

/// An index of all units; of the alternate file's, which belong to other files too, those that are
/// imported.
pub(super) fn of_all(dwarf: &Dwarf, wanted: Wanted) -> Result<Index, Error> {
    let spans = dwarf.units.spans.iter();
    let own = spans.filter(|span| span.start & ALTERNATE == 0).count();
    let units: Vec<usize> = (0..own).collect();
    // A few shares a thread: even out the work, and keep few maps to merge.
    let share = units
        .len()
        .div_ceil(rayon::current_num_threads().saturating_mul(4))
        .max(1);
    let mut merged = units
        .par_chunks(share)
        .map(|chunk| {
            let mut found = Found::default();
            for unit in chunk {
                dwarf.with_unit(*unit, |unit| walk_unit(dwarf, unit, &mut found, wanted))?;
            }
            found.imports.retain(|at| at & ALTERNATE != 0);
            Ok(found)
        })
        .try_reduce(Found::default, |one, other| Ok(one.merge(other)))?;
    merged.imports.sort_unstable();
    follow_imports(dwarf, &mut merged, wanted)?;
    let index = sorted(merged.first);
    tracing::debug!(names = index.entries.len(), "indexed DWARF");
    Ok(index)
}

/// Walks the units that were imported, and those that they import; each once.
fn follow_imports(dwarf: &Dwarf, found: &mut Found, wanted: Wanted) -> Result<(), Error> {
    let mut seen = HashSet::new();
    while let Some(at) = found.imports.pop() {
        // What is not there (the alternate file) is told when a name is not found.
        if let Some(number) = dwarf.unit_number(at)
            && seen.insert(number)
        {
            dwarf.with_unit(number, |unit| walk_unit(dwarf, unit, found, wanted))?;
        }
    }
    Ok(())
}

fn sorted(first: FastMap<u64>) -> Index {
    let mut entries: Vec<_> = first.into_iter().collect();
    entries.sort_unstable();
    Index {
        entries: entries.into_boxed_slice(),
    }
}

/// What one thread has found so far.
#[derive(Default)]
struct Found {
    /// From the hash of class and name to the first offset.
    first: FastMap<u64>,
    /// Class and `.debug_str` offset of what `first` holds.
    seen: FastMap<()>,
    /// Offsets of units that were imported.
    imports: Vec<u64>,
}

impl Found {
    /// Of two definitions the one with the lower offset wins, whoever found it.
    fn merge(self, other: Found) -> Found {
        let (mut large, small) = if self.first.len() >= other.first.len() {
            (self, other)
        } else {
            (other, self)
        };
        for (hash, offset) in small.first {
            let first = large.first.entry(hash).or_insert(offset);
            *first = offset.min(*first);
        }
        large.imports.extend(small.imports);
        large
    }
}

/// The attributes of a top-level entry that matter here.
struct Entry<'a> {
    class: Option<Class>,
    name: Option<AttributeValue<Slice<'a>>>,
    /// Where what it completes is.
    specification: Option<u64>,
    sibling: Option<UnitOffset<usize>>,
    declaration: bool,
    location: bool,
    has_children: bool,
    /// Of a unit's root: whether it was compiled from Rust.
    is_rust: bool,
    unit_offset: UnitOffset<usize>,
}

/// One unit being walked.
struct Walk<'w, 'a> {
    dwarf: &'w Dwarf,
    unit: &'w Unit<'a>,
    found: &'w mut Found,
}

fn walk_unit(
    dwarf: &Dwarf,
    unit: &Unit<'_>,
    found: &mut Found,
    wanted: Wanted,
) -> Result<(), Error> {
    let (header, abbreviations, start) = (&unit.header, &unit.context.abbreviations, unit.start);
    let mut walk = Walk { dwarf, unit, found };
    let mut raw = header
        .entries_raw(abbreviations, None)
        .map_err(gimli_error(start))?;
    let root = walk.entry(&mut raw).map_err(gimli_error(start))?;
    // What the kernel's C code calls by a name is never a type of Rust's.
    if root.is_none_or(|root| !root.has_children || root.is_rust) {
        return Ok(());
    }
    let mut level = 1;
    while !raw.is_empty() {
        let at = start.saturating_add(raw.next_offset().0 as u64);
        let error = gimli_error(at);
        let Some(entry) = walk.entry(&mut raw).map_err(&error)? else {
            break;
        };
        match wanted {
            Wanted::Named => walk.note_named(at, &entry)?,
            Wanted::Enumerators => walk.note_enumerators(at, &entry)?,
        }
        if !entry.has_children {
            continue;
        }
        match entry.sibling.filter(|sibling| *sibling > raw.next_offset()) {
            Some(sibling) => {
                raw = header
                    .entries_raw(abbreviations, Some(sibling))
                    .map_err(&error)?;
                level = 0;
            }
            None => skip_children(&mut raw, level).map_err(&error)?,
        }
    }
    Ok(())
}

/// Reads on until the depth is `level` again.
fn skip_children(raw: &mut EntriesRaw<'_, Slice<'_>>, level: isize) -> Result<(), gimli::Error> {
    while raw.next_depth() > level && !raw.is_empty() {
        if let Some(abbreviation) = raw.read_abbreviation()? {
            raw.skip_attributes(abbreviation.attributes())?;
        }
    }
    Ok(())
}

impl<'a> Walk<'_, 'a> {
    /// Reads one entry; `None` is the end of a list.
    fn entry(
        &mut self,
        raw: &mut EntriesRaw<'_, Slice<'a>>,
    ) -> Result<Option<Entry<'a>>, gimli::Error> {
        let unit_offset = raw.next_offset();
        let Some(abbreviation) = raw.read_abbreviation()? else {
            return Ok(None);
        };
        let class = Class::of(abbreviation.tag());
        let has_children = abbreviation.has_children();
        let mut entry = Entry {
            class,
            name: None,
            specification: None,
            sibling: None,
            declaration: false,
            location: false,
            has_children,
            is_rust: false,
            unit_offset,
        };
        let imports = abbreviation.tag() == gimli::DW_TAG_imported_unit;
        if class.is_none() && !has_children && !imports {
            raw.skip_attributes(abbreviation.attributes())?;
            return Ok(Some(entry));
        }
        for spec in abbreviation.attributes() {
            let attribute = raw.read_attribute_inline(*spec)?;
            match (spec.name(), attribute.raw_value()) {
                (gimli::DW_AT_name, value) => entry.name = Some(value),
                (gimli::DW_AT_specification, value) => {
                    entry.specification = self.unit.place(value);
                }
                (gimli::DW_AT_import, value) if imports => {
                    self.found.imports.extend(self.unit.place(value));
                }
                (gimli::DW_AT_sibling, AttributeValue::UnitRef(offset)) => {
                    entry.sibling = Some(offset);
                }
                (gimli::DW_AT_declaration, AttributeValue::Flag(set)) => entry.declaration = set,
                (gimli::DW_AT_location, _) => entry.location = true,
                (gimli::DW_AT_language, _) => {
                    entry.is_rust = attribute.udata_value() == Some(gimli::DW_LANG_Rust.0.into());
                }
                _ => {}
            }
        }
        Ok(Some(entry))
    }

    fn note_named(&mut self, at: u64, entry: &Entry<'_>) -> Result<(), Error> {
        let Some(class) = entry.class else {
            return Ok(());
        };
        let class = match class {
            Class::Variable if !entry.location => Class::VariableDeclared,
            _ if entry.declaration => return Ok(()),
            class => class,
        };
        if let Some(name) = entry.name {
            return self.note(class, name, at);
        }
        // The definition of a variable that was declared before has no name of its own.
        match entry.specification.filter(|_| class == Class::Variable) {
            Some(declared) => self.note_declared(class, declared, at),
            None => Ok(()),
        }
    }

    fn note_declared(&mut self, class: Class, declared: u64, at: u64) -> Result<(), Error> {
        let unit = self.unit;
        let (header, abbreviations) = (&unit.header, &unit.context.abbreviations);
        let within = declared.checked_sub(unit.start);
        let Some(within) = within.filter(|at| *at < header.length_including_self() as u64) else {
            // In a unit that is imported; that of another file may not be there.
            if let Ok(Some(name)) = self.dwarf.name_at(declared) {
                self.note_bytes(class, name.as_bytes(), at);
            }
            return Ok(());
        };
        let mut raw = header
            .entries_raw(abbreviations, Some(UnitOffset(within as usize)))
            .map_err(gimli_error(at))?;
        match self
            .entry(&mut raw)
            .map_err(gimli_error(at))?
            .and_then(|entry| entry.name)
        {
            Some(name) => self.note(class, name, at),
            None => Ok(()),
        }
    }

    fn note_enumerators(&mut self, at: u64, entry: &Entry<'_>) -> Result<(), Error> {
        if entry.class != Some(Class::Enum) || !entry.has_children {
            return Ok(());
        }
        let abbreviations = &self.unit.context.abbreviations;
        let error = gimli_error(at);
        let mut raw = self
            .unit
            .header
            .entries_raw(abbreviations, Some(entry.unit_offset))
            .map_err(&error)?;
        self.entry(&mut raw).map_err(&error)?;
        while raw.next_depth() > 0 && !raw.is_empty() {
            let Some(abbreviation) = raw.read_abbreviation().map_err(&error)? else {
                continue;
            };
            for spec in abbreviation.attributes() {
                let attribute = raw.read_attribute(*spec).map_err(&error)?;
                if spec.name() == gimli::DW_AT_name
                    && abbreviation.tag() == gimli::DW_TAG_enumerator
                {
                    self.note(Class::Enumerator, attribute.raw_value(), at)?;
                }
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        class: Class,
        name: AttributeValue<Slice<'_>>,
        at: u64,
    ) -> Result<(), Error> {
        let unit = self.unit;
        let place = match name {
            AttributeValue::DebugStrRef(offset) => Some(offset.0 as u64 | unit.start & ALTERNATE),
            AttributeValue::DebugStrRefSup(offset) => Some(offset.0 as u64 | ALTERNATE),
            _ => None,
        };
        if let Some(place) = place {
            let key = place << 4 | class as u64;
            if self.found.seen.insert(key, ()).is_some() {
                return Ok(());
            }
        }
        let (format, base) = (unit.header.format(), unit.context.string_offsets_base);
        // A name in an alternate file that is not there is no name to find.
        if let Some(name) = string(&unit.view, format, base, name).map_err(gimli_error(at))? {
            self.note_bytes(class, name, at);
        }
        Ok(())
    }

    fn note_bytes(&mut self, class: Class, name: &[u8], at: u64) {
        self.found.first.entry(class.hash(name)).or_insert(at);
    }
}

/// A map from numbers that are spread well already, or nearly so.
type FastMap<V> = HashMap<u64, V, BuildHasherDefault<NumberHasher>>;

/// One multiplication and a fold: enough for hashes and offsets.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash64(self.0, bytes);
    }

    fn write_u64(&mut self, number: u64) {
        let product =
            u128::from(number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}
