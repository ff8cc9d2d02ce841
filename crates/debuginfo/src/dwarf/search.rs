//! A definition found by where its name lies in `.debug_str`.
//!
//! ```text
//!  .debug_str    … │ l i s t _ h e a d 0 │ …
//!                    ▲ offset
//!  .debug_info   … │ code │ offset │ byte_size │ …
//!                    ▲ an abbreviation of DW_TAG_structure_type
//! ```
//! The linker stores each string once, so that the offsets at which a name can
//! stand are few, and a definition is found by searching the bytes of the units
//! for four bytes: some gigabytes a second, without reading entries. A unit where
//! something looks like a definition is then walked, and only what the walk finds
//! is an answer.
//!
//! This holds for what GCC writes: names of four bytes or more by offset
//! (`DW_FORM_strp`), shorter ones in the entry itself (`DW_FORM_string`; they are
//! searched for as they are), and the name of a structure, union, enum or typedef
//! as the first attribute. LLVM does neither. A kernel's units of Rust are LLVM's, and have nothing
//! that is asked for here: they stand in the way of no search.

use gimli::{DebugAranges, LittleEndian};
use memchr::memmem;

use crate::elf::{SHF_MERGE, SHF_STRINGS};
use crate::limit;
use crate::{ElfFile, Error, FileBytes, VirtAddr};

use super::Dwarf;
use super::index::{self, Class, Wanted};
use super::unit::Unit;

/// Names from this length on stand in `.debug_str`.
const SHORTEST: usize = 4;
/// The most places at which one name is looked for: itself, or the end of longer
/// names, where the linker may have merged it.
const MAX_PLACES: usize = 16;
/// The most units of which addresses are listed.
const MAX_RANGES: usize = 1 << 22;

/// `.debug_str`.
#[derive(Debug)]
pub(super) struct Strings {
    bytes: FileBytes,
    /// Whether every longer name of C code stands here, once.
    complete: bool,
}

/// What a search ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first definition, by offset in `.debug_info`.
    At(u64),
    /// There is none.
    Nowhere,
    /// The file, or this name, is not stored so that it can be searched for.
    NotSearchable,
}

impl Strings {
    pub(super) fn load(elf: &ElfFile) -> Result<Self, Error> {
        let bytes = elf.section_bytes(".debug_str")?.unwrap_or_default();
        let merged = elf.section(".debug_str").is_some_and(|(_, section)| {
            let both = SHF_MERGE | SHF_STRINGS;
            section.flags & both == both
        });
        let has = |text: &[u8]| memmem::find(&bytes, text).is_some();
        // With an alternate file names stand there too.
        let alone = matches!(elf.alternate_link(), Ok(None));
        let complete = merged && alone && has(b"GNU C") && !has(b"clang version");
        Ok(Self { bytes, complete })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether something in the file may have this name.
    pub(super) fn may_have(&self, name: &str) -> bool {
        match self.places(name) {
            Some(places) => !places.is_empty(),
            None => true,
        }
    }

    /// What stands in `.debug_info` for a name, and in which form; `None`: something
    /// else may.
    fn needles(&self, name: &str) -> Option<(Vec<Vec<u8>>, gimli::DwForm)> {
        if self.complete && (1..SHORTEST).contains(&name.len()) && !name.contains('\0') {
            let text = [name.as_bytes(), b"\0"].concat();
            return Some((vec![text], gimli::DW_FORM_string));
        }
        let places = self.places(name)?;
        let offsets = places.iter().map(|place| place.to_le_bytes().to_vec());
        Some((offsets.collect(), gimli::DW_FORM_strp))
    }

    /// The offsets at which a name stands; `None`: it can stand elsewhere too.
    fn places(&self, name: &str) -> Option<Vec<u32>> {
        if !self.complete || name.len() < SHORTEST || name.contains('\0') {
            return None;
        }
        let text = [name.as_bytes(), b"\0"].concat();
        let mut places = Vec::new();
        for place in memmem::find_iter(&self.bytes, &text) {
            if places.len() >= MAX_PLACES {
                return None;
            }
            places.push(u32::try_from(place).ok()?);
        }
        Some(places)
    }
}

impl Dwarf {
    /// The first definition of a structure, union, enum or typedef.
    pub(super) fn search(&self, class: Class, name: &str) -> Result<Found, Error> {
        let tag = match class {
            Class::Struct => gimli::DW_TAG_structure_type,
            Class::Union => gimli::DW_TAG_union_type,
            Class::Enum => gimli::DW_TAG_enumeration_type,
            Class::Typedef => gimli::DW_TAG_typedef,
            _ => return Ok(Found::NotSearchable),
        };
        let Some((needles, form)) = self.own.strings.needles(name).filter(|_| !self.units.wide)
        else {
            return Ok(Found::NotSearchable);
        };
        if needles.is_empty() {
            return Ok(Found::Nowhere);
        }
        let finders: Vec<_> = needles.iter().map(memmem::Finder::new).collect();
        for number in 0..self.units.spans.len() {
            let bytes = self.unit_bytes(number)?;
            let mut hits = finders.iter().flat_map(|finder| finder.find_iter(&bytes));
            let Some(first) = hits.next() else {
                continue;
            };
            let found = self.with_unit(number, |unit| {
                let defines = |at: usize| defines(unit, &bytes, at, (tag, form));
                if !defines(first) && !hits.any(defines) {
                    return Ok(None);
                }
                Ok(index::of_unit(self, unit, Wanted::Named)?.offset(class, name.as_bytes()))
            })?;
            if let Some(offset) = found
                && self.is_named(class, offset, name)?
            {
                tracing::debug!(name, number, "found by its string");
                return Ok(Found::At(offset));
            }
        }
        tracing::debug!(name, "not in the file, by its string");
        Ok(Found::Nowhere)
    }
}

/// An entry's tag, and the form of its name.
type Shape = (gimli::DwTag, gimli::DwForm);

/// Whether what stands at `at` looks like the name of a definition: it stands
/// behind the code of an abbreviation that has this tag, begins with a name of
/// this form, and is no declaration.
fn defines(unit: &Unit<'_>, bytes: &[u8], at: usize, shape: Shape) -> bool {
    let Some(before) = bytes.get(at.saturating_sub(3)..at) else {
        return false;
    };
    // A ULEB128 number, read backwards: one byte, or more that say "goes on".
    let mut code = 0u64;
    for (place, byte) in before.iter().rev().enumerate() {
        if place == 0 && byte & 0x80 != 0 {
            return false;
        }
        if place > 0 && byte & 0x80 == 0 {
            break;
        }
        code = code << 7 | u64::from(byte & 0x7f);
        if is_definition(unit, code, shape) {
            return true;
        }
    }
    false
}

fn is_definition(unit: &Unit<'_>, code: u64, (tag, form): Shape) -> bool {
    let Some(abbreviation) = unit.context.abbreviations.get(code) else {
        return false;
    };
    let attributes = abbreviation.attributes();
    abbreviation.tag() == tag
        && attributes
            .first()
            .is_some_and(|first| first.name() == gimli::DW_AT_name && first.form() == form)
        && !attributes
            .iter()
            .any(|attribute| attribute.name() == gimli::DW_AT_declaration)
}

/// The units, by offset in `.debug_info`, that hold these addresses, in their
/// order, as `.debug_aranges` tells.
pub(super) fn units_of(ranges: &[u8], code: &[VirtAddr]) -> Vec<u64> {
    let mut found: Vec<Option<u64>> = vec![None; code.len()];
    if let Err(error) = fill_units(ranges, code, &mut found) {
        tracing::debug!(%error, "reading .debug_aranges stopped early");
    }
    found.into_iter().flatten().collect()
}

fn fill_units(
    ranges: &[u8],
    code: &[VirtAddr],
    found: &mut [Option<u64>],
) -> Result<(), gimli::Error> {
    let section = DebugAranges::new(ranges, LittleEndian);
    let mut headers = section.headers();
    let mut left = MAX_RANGES;
    while let Some(header) = headers.next()? {
        let mut entries = header.entries();
        while let Some(entry) = entries.next()? {
            for (address, unit) in code.iter().zip(found.iter_mut()) {
                if address.0.wrapping_sub(entry.address()) < entry.length() {
                    unit.get_or_insert(header.debug_info_offset().0 as u64);
                }
            }
            left = left.saturating_sub(1);
            if left == 0 {
                limit::hit(".debug_aranges", "address ranges", MAX_RANGES);
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gimli::{DW_AT_byte_size, DW_AT_declaration, DW_AT_name, DW_TAG_structure_type};

    use super::*;
    use crate::made::dwarf::{MadeDwarf, Value, elf_of};
    use crate::{Tag, TypeSource, TypeSourceExt};

    /// `thing` at 8, at 17 as the end of `anything`, at 29 as that of `other_thing`.
    const STRINGS: &[u8] = b"GNU C17\0thing\0anything\0other_thing\0";

    fn unit(name: Value, size: Option<u64>) -> MadeDwarf {
        let mut made = MadeDwarf::new();
        let second = match size {
            Some(size) => (DW_AT_byte_size, Value::Number(size)),
            None => (DW_AT_declaration, Value::Flag),
        };
        made.leaf(DW_TAG_structure_type, &[(DW_AT_name, name), second]);
        made
    }

    fn file(strings: &[u8], merged: bool) -> Dwarf {
        let units = vec![
            unit(Value::Place(8), None),
            unit(Value::Place(29), Some(8)),
            unit(Value::Place(8), Some(16)),
            unit(Value::Text("abc"), Some(4)),
        ];
        Dwarf::load(&elf_of(units, strings, merged)).unwrap()
    }

    fn size(dwarf: &Dwarf, name: &str) -> Option<u64> {
        let found = dwarf.find(Tag::Struct, name).unwrap()?;
        Some(dwarf.size_of(found).unwrap())
    }

    #[test]
    fn the_first_definition_is_found_by_its_string_and_a_declaration_is_none() {
        let dwarf = file(STRINGS, true);
        assert!(matches!(
            dwarf.search(Class::Struct, "thing").unwrap(),
            Found::At(_)
        ));
        assert_eq!(size(&dwarf, "thing"), Some(8));
        for absent in ["other_thing", "nothing", "thin"] {
            let found = dwarf.search(Class::Struct, absent).unwrap();
            assert_eq!(found, Found::Nowhere, "{absent}");
        }
        assert_eq!(dwarf.search(Class::Union, "thing").unwrap(), Found::Nowhere);
        // A short name stands in the entry itself.
        assert!(matches!(
            dwarf.search(Class::Struct, "abc").unwrap(),
            Found::At(_)
        ));
        assert_eq!(dwarf.search(Class::Struct, "ab").unwrap(), Found::Nowhere);
        assert_eq!(dwarf.index_bytes(), 0);
    }

    #[test]
    fn what_cannot_be_searched_for_is_found_in_the_index() {
        let other_compiler = STRINGS.to_ascii_lowercase();
        for dwarf in [file(STRINGS, false), file(&other_compiler, true)] {
            assert_eq!(
                dwarf.search(Class::Struct, "thing").unwrap(),
                Found::NotSearchable
            );
            assert_eq!(size(&dwarf, "thing"), Some(8));
            assert_eq!(size(&dwarf, "nothing"), None);
        }
    }

    #[test]
    fn units_of_rust_are_passed_over_by_the_search_and_by_the_index() {
        let of = |strings: &'static [u8]| {
            let language = Value::Number(gimli::DW_LANG_Rust.0.into());
            let mut rust = MadeDwarf::with_root(&[(gimli::DW_AT_language, language)]);
            let size = (DW_AT_byte_size, Value::Number(1));
            rust.leaf(
                DW_TAG_structure_type,
                &[(DW_AT_name, Value::Place(8)), size],
            );
            let units = vec![rust, unit(Value::Place(8), Some(16))];
            Dwarf::load(&elf_of(units, strings, true)).unwrap()
        };
        let searched = of(b"GNU C17\0thing\0clang LLVM (rustc version 1.95.0)\0");
        assert_eq!(size(&searched, "thing"), Some(16));
        assert_eq!(searched.index_bytes(), 0);
        assert_eq!(size(&of(b"rustc 1\0thing\0"), "thing"), Some(16));
    }

    #[test]
    fn the_units_of_core_code_come_first() {
        let dwarf = file(STRINGS, true);
        dwarf.look_first_at(&[VirtAddr(0x9000), VirtAddr(0x1024), VirtAddr(0x1008)]);
        assert_eq!(size(&dwarf, "thing"), Some(16));
        assert_eq!(size(&dwarf, "abc"), Some(4));
    }

    #[test]
    fn ranges_cut_anywhere_give_the_units_before_the_cut() {
        let elf = elf_of(
            vec![unit(Value::Place(8), None), unit(Value::Place(8), None)],
            STRINGS,
            true,
        );
        let whole = elf.section_bytes(".debug_aranges").unwrap().unwrap();
        let code = [VirtAddr(0x1000), VirtAddr(0x1010)];
        assert_eq!(units_of(&whole, &code).len(), 2);
        for len in 0..whole.len() {
            assert!(units_of(&whole[..len], &code).len() < 2);
        }
    }
}
