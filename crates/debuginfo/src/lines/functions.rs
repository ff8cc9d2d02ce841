//! Functions of a unit, and what the compiler inlined into them.

use gimli::{
    Attribute, AttributeValue, DebugInfoOffset, DebuggingInformationEntry, EntriesRaw, UnitOffset,
};

use super::{Sections, Slice, SourceLines};

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
    /// Walks the unit's entries.
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
            raw = ahead;
            let mut ranges = dwarf.die_ranges(unit, &die)?;
            while let Some(range) = ranges.next()? {
                if range.begin != 0 && range.begin < range.end && found.len() < MAX_FUNCTIONS {
                    found.push((range.begin, range.end, offset));
                }
            }
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

/// The function and what was inlined at the address, outermost first.
pub(super) fn chain<'a>(
    lines: &'a SourceLines,
    dwarf: &Sections<'a>,
    unit: &gimli::Unit<Slice<'a>>,
    function: UnitOffset<usize>,
    address: u64,
) -> Result<Vec<Call>, gimli::Error> {
    let mut raw = unit.entries_raw(Some(function))?;
    let mut die = DebuggingInformationEntry::null();
    raw.read_entry(&mut die)?;
    let mut chain = vec![Call {
        name: name(lines, dwarf, unit, &die)?,
        called_at: None,
    }];
    if !die.has_children() {
        return Ok(chain);
    }
    while raw.next_depth() > 0 && !raw.is_empty() && chain.len() < MAX_INLINED {
        let Some(inlined) = next_inlined(&mut raw, &mut die)? else {
            continue;
        };
        if !inlined || !holds(dwarf, unit, &die, address)? {
            continue;
        }
        chain.push(Call {
            name: name(lines, dwarf, unit, &die)?,
            called_at: Some((
                number(die.attr(gimli::DW_AT_call_file)),
                number(die.attr(gimli::DW_AT_call_line)),
                number(die.attr(gimli::DW_AT_call_column)),
            )),
        });
    }
    Ok(chain)
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
    let mut ranges = dwarf.die_ranges(unit, die)?;
    while let Some(range) = ranges.next()? {
        if (range.begin..range.end).contains(&address) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn number(attribute: Option<&Attribute<Slice<'_>>>) -> u64 {
    match attribute.map(Attribute::value) {
        Some(AttributeValue::FileIndex(index)) => index,
        _ => attribute.and_then(Attribute::udata_value).unwrap_or(0),
    }
}

/// The name of a function, or of what it is an instance of.
fn name<'a>(
    lines: &'a SourceLines,
    dwarf: &Sections<'a>,
    unit: &gimli::Unit<Slice<'a>>,
    die: &DebuggingInformationEntry<Slice<'a>>,
) -> Result<Option<String>, gimli::Error> {
    let own = own_name(dwarf, unit, die)?;
    let Some(mut next) = origin(die).filter(|_| own.is_none()) else {
        return Ok(own);
    };
    let mut other: Option<(usize, gimli::Unit<Slice<'a>>)> = None;
    for _ in 0..MAX_ORIGINS {
        let (unit, offset) = match next {
            Origin::Here(offset) => (other.as_ref().map_or(unit, |(_, unit)| unit), offset),
            // In another unit: link-time optimisation.
            Origin::Anywhere(at) => {
                let Some(start) = lines.unit_holding(dwarf, at) else {
                    return Ok(None);
                };
                if other.as_ref().is_none_or(|(known, _)| *known != start) {
                    let header = dwarf.unit_header(DebugInfoOffset(start))?;
                    other = Some((start, dwarf.unit(header)?));
                }
                let Some((_, unit)) = &other else {
                    return Ok(None);
                };
                (unit, UnitOffset(at.0.saturating_sub(start)))
            }
        };
        let die = unit.entry(offset)?;
        if let Some(name) = own_name(dwarf, unit, &die)? {
            return Ok(Some(name));
        }
        match origin(&die) {
            Some(further) => next = further,
            None => return Ok(None),
        }
    }
    Ok(None)
}

enum Origin {
    Here(UnitOffset<usize>),
    Anywhere(DebugInfoOffset<usize>),
}

fn origin(die: &DebuggingInformationEntry<Slice<'_>>) -> Option<Origin> {
    let value = die
        .attr_value(gimli::DW_AT_abstract_origin)
        .or_else(|| die.attr_value(gimli::DW_AT_specification))?;
    match value {
        AttributeValue::UnitRef(offset) => Some(Origin::Here(offset)),
        AttributeValue::DebugInfoRef(offset) => Some(Origin::Anywhere(offset)),
        // In another file (dwz).
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
    if matches!(value, AttributeValue::DebugStrRefSup(_)) {
        return Ok(None);
    }
    let bytes = dwarf.attr_string(unit, value)?.slice();
    let bytes = bytes.get(..crate::model::MAX_NAME).unwrap_or(bytes);
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}
