//! The addresses that an entry covers.
//!
//! gimli has this too, and adds the size to the start without looking: an entry that ends behind the
//! last address would end the process, as arithmetic is checked here.

use gimli::{AttributeValue, DebuggingInformationEntry, Range};

use super::{Sections, Slice};

/// Calls `visit` with each range; it says whether to go on.
pub(super) fn of_entry<'a>(
    dwarf: &Sections<'a>,
    unit: &gimli::Unit<Slice<'a>>,
    die: &DebuggingInformationEntry<Slice<'a>>,
    mut visit: impl FnMut(Range) -> bool,
) -> Result<(), gimli::Error> {
    if let Some(value) = die.attr_value(gimli::DW_AT_ranges)
        && let Some(mut list) = dwarf.attr_ranges(unit, value)?
    {
        while let Some(range) = list.next()? {
            if !visit(range) {
                break;
            }
        }
        return Ok(());
    }
    let address = |name| match die.attr_value(name) {
        Some(value) => dwarf.attr_address(unit, value),
        None => Ok(None),
    };
    let Some(begin) = address(gimli::DW_AT_low_pc)? else {
        return Ok(());
    };
    let end = match die.attr_value(gimli::DW_AT_high_pc) {
        Some(AttributeValue::Udata(size)) => begin.checked_add(size),
        _ => address(gimli::DW_AT_high_pc)?,
    };
    if let Some(end) = end {
        visit(Range { begin, end });
    }
    Ok(())
}
