//! Functions of a unit, and what the compiler inlined into them.

use gimli::{
    Attribute, AttributeValue, DebugInfoOffset, DebuggingInformationEntry, EntriesRaw, UnitOffset,
};

use super::{ALTERNATE, Sections, Slice, SourceLines, ranges};
use crate::limit;

/// The most ranges of functions of one unit.
const MAX_FUNCTIONS: usize = 1 << 20;
/// The deepest inlining that is followed.
const MAX_INLINED: usize = 256;
/// The most entries followed from an inlined call to the function's name.
const MAX_ORIGINS: usize = 16;

/// Where functions have code, by address, end exclusive.
#[derive(Debug, Default)]
pub(super) struct Functions(Vec<(u64, u64, UnitOffset<usize>)>);

/// File, line and column; 0 where not known.
pub(super) type Place = (u64, u64, u64);

/// A function, and where in the one around it it was inlined.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Option<String>,
    /// `None`: it was not inlined.
    pub(super) called_at: Option<Place>,
}

impl Functions {
    /// Walks the unit's entries, but for what lies within functions: code of its own has nothing
    /// there in C and in Rust.
    pub(super) fn read<'a>(
        dwarf: &Sections<'a>,
        unit: &gimli::Unit<Slice<'a>>,
    ) -> Result<Self, gimli::Error> {
        let mut found = Vec::new();
        let mut raw = unit.entries_raw(None)?;
        let mut die = DebuggingInformationEntry::null();
        while !raw.is_empty() && found.len() < MAX_FUNCTIONS {
            let offset = raw.next_offset();
            let mut ahead = raw.clone();
            let Some(abbreviation) = raw.read_abbreviation()? else {
                continue;
            };
            if abbreviation.tag() != gimli::DW_TAG_subprogram {
                raw.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            ahead.read_entry(&mut die)?;
            raw = match sibling(&die, ahead.next_offset()) {
                Some(next) => unit.entries_raw(Some(next))?,
                None => ahead,
            };
            ranges::of_entry(dwarf, unit, &die, |range| {
                if range.begin != 0 && range.begin < range.end && found.len() < MAX_FUNCTIONS {
                    found.push((range.begin, range.end, offset));
                }
                true
            })?;
        }
        if found.len() >= MAX_FUNCTIONS {
            limit::hit(".debug_info", "functions of a unit", MAX_FUNCTIONS);
        }
        found.sort_unstable();
        Ok(Self(found))
    }

    /// The entry of the function that has code at an address.
    pub(super) fn at(&self, address: u64) -> Option<UnitOffset<usize>> {
        let after = self.0.partition_point(|(begin, ..)| *begin <= address);
        let (_, end, offset) = self.0.get(after.checked_sub(1)?)?;
        (address < *end).then_some(*offset)
    }
}

/// Where the entry behind an entry's children is, if it says so: never before `least`.
fn sibling(
    die: &DebuggingInformationEntry<Slice<'_>>,
    least: UnitOffset<usize>,
) -> Option<UnitOffset<usize>> {
    match die.attr_value(gimli::DW_AT_sibling)? {
        AttributeValue::UnitRef(next) if next.0 >= least.0 => Some(next),
        _ => None,
    }
}

/// A unit that is being asked.
pub(super) struct Within<'u, 'a> {
    pub(super) lines: &'a SourceLines,
    pub(super) dwarf: &'u Sections<'a>,
    pub(super) unit: &'u gimli::Unit<Slice<'a>>,
    /// Where it starts in `.debug_info`.
    pub(super) start: u64,
}

/// An entry's own name, and what it is an instance of: an offset of `.debug_info`.
type Named = (Option<String>, Option<u64>);

impl<'a> Within<'_, 'a> {
    /// The function and what was inlined at the address, outermost first.
    pub(super) fn chain(
        &self,
        function: UnitOffset<usize>,
        address: u64,
    ) -> Result<Vec<Call>, gimli::Error> {
        let mut raw = self.unit.entries_raw(Some(function))?;
        let mut die = DebuggingInformationEntry::null();
        raw.read_entry(&mut die)?;
        let mut chain = vec![Call {
            name: self.name(&die)?,
            called_at: None,
        }];
        if !die.has_children() {
            return Ok(chain);
        }
        while raw.next_depth() > 0 && !raw.is_empty() && chain.len() < MAX_INLINED {
            let Some(inlined) = next_inlined(&mut raw, &mut die)? else {
                continue;
            };
            if !inlined || !holds(self.dwarf, self.unit, &die, address)? {
                continue;
            }
            chain.push(Call {
                name: self.name(&die)?,
                called_at: Some((
                    number(die.attr(gimli::DW_AT_call_file)),
                    number(die.attr(gimli::DW_AT_call_line)),
                    number(die.attr(gimli::DW_AT_call_column)),
                )),
            });
        }
        if chain.len() >= MAX_INLINED {
            limit::hit(
                ".debug_info",
                "functions inlined in each other",
                MAX_INLINED,
            );
        }
        Ok(chain)
    }

    /// The name of a function, or of what it is an instance of.
    fn name(
        &self,
        die: &DebuggingInformationEntry<Slice<'a>>,
    ) -> Result<Option<String>, gimli::Error> {
        let mut named = self.named(die)?;
        for _ in 0..MAX_ORIGINS {
            match named {
                (None, Some(at)) => named = self.named_at(at)?,
                (name, _) => return Ok(name),
            }
        }
        limit::hit(".debug_info", "entries of a function's name", MAX_ORIGINS);
        Ok(None)
    }

    fn named(&self, die: &DebuggingInformationEntry<Slice<'a>>) -> Result<Named, gimli::Error> {
        let name = own_name(self.dwarf, self.unit, die)?;
        Ok((name, origin(die, self.start)))
    }

    /// The entry at an offset of `.debug_info`: in this unit, or, after link-time optimisation or
    /// dwz, in another.
    fn named_at(&self, at: u64) -> Result<Named, gimli::Error> {
        let len = self.unit.header.length_including_self() as u64;
        let inside = at.wrapping_sub(self.start);
        if inside < len {
            return self.named(&self.unit.entry(UnitOffset(inside as usize))?);
        }
        let other = self.lines.unit_holding(at);
        let Some((start, other)) =
            other.and_then(|start| Some((start, self.lines.unit(start, false).ok()?)))
        else {
            return Ok((None, None));
        };
        let dwarf = self.lines.dwarf(start, &other.info, &other.program);
        let unit = dwarf.unit(dwarf.unit_header(DebugInfoOffset(0))?)?;
        let die = unit.entry(UnitOffset(at.saturating_sub(start) as usize))?;
        Ok((own_name(&dwarf, &unit, &die)?, origin(&die, start)))
    }
}

/// Reads one entry into `die` if it is an inlined call, else skips it. `None`: the end of a list.
fn next_inlined<'a>(
    raw: &mut EntriesRaw<'_, Slice<'a>>,
    die: &mut DebuggingInformationEntry<Slice<'a>>,
) -> Result<Option<bool>, gimli::Error> {
    let mut ahead = raw.clone();
    let Some(abbreviation) = raw.read_abbreviation()? else {
        return Ok(None);
    };
    if abbreviation.tag() != gimli::DW_TAG_inlined_subroutine {
        raw.skip_attributes(abbreviation.attributes())?;
        return Ok(Some(false));
    }
    ahead.read_entry(die)?;
    *raw = ahead;
    Ok(Some(true))
}

fn holds<'a>(
    dwarf: &Sections<'a>,
    unit: &gimli::Unit<Slice<'a>>,
    die: &DebuggingInformationEntry<Slice<'a>>,
    address: u64,
) -> Result<bool, gimli::Error> {
    let mut holds = false;
    ranges::of_entry(dwarf, unit, die, |range| {
        holds = (range.begin..range.end).contains(&address);
        !holds
    })?;
    Ok(holds)
}

fn number(attribute: Option<&Attribute<Slice<'_>>>) -> u64 {
    match attribute.map(Attribute::value) {
        Some(AttributeValue::FileIndex(index)) => index,
        _ => attribute.and_then(Attribute::udata_value).unwrap_or(0),
    }
}

/// What an entry is an instance of, as an offset of `.debug_info`.
fn origin(die: &DebuggingInformationEntry<Slice<'_>>, start: u64) -> Option<u64> {
    let value = die
        .attr_value(gimli::DW_AT_abstract_origin)
        .or_else(|| die.attr_value(gimli::DW_AT_specification))?;
    match value {
        AttributeValue::UnitRef(offset) => Some(start.saturating_add(offset.0 as u64)),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64 | start & ALTERNATE),
        AttributeValue::DebugInfoRefSup(offset) => Some(offset.0 as u64 | ALTERNATE),
        _ => None,
    }
}

fn own_name<'a>(
    dwarf: &Sections<'a>,
    unit: &gimli::Unit<Slice<'a>>,
    die: &DebuggingInformationEntry<Slice<'a>>,
) -> Result<Option<String>, gimli::Error> {
    let Some(value) = die.attr_value(gimli::DW_AT_name) else {
        return Ok(None);
    };
    if matches!(value, AttributeValue::DebugStrRefSup(_)) && dwarf.sup.is_none() {
        return Ok(None);
    }
    let bytes = dwarf.attr_string(unit, value)?.slice();
    let bytes = bytes.get(..crate::model::MAX_NAME).unwrap_or(bytes);
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}
