//! Arrays. DWARF puts all dimensions into one entry; the model has one each.

use crate::{Error, Type, TypeId};

use super::attribute::number;
use super::unit::Unit;
use super::{DIMENSION_SHIFT, Die, Dwarf, Slice};

/// The most dimensions of one array.
const MAX_DIMENSIONS: usize = 32;

impl Dwarf {
    /// Dimension `dimension` of the array at `offset`.
    pub(super) fn array<'a>(
        &self,
        unit: &Unit<'a>,
        die: &Die<'a>,
        raw: gimli::EntriesRaw<'_, Slice<'a>>,
        (offset, dimension): (u64, u64),
    ) -> Result<Type, Error> {
        let mut counts = Vec::new();
        unit.for_each_child(die, raw, &mut |child| {
            if child.tag() == gimli::DW_TAG_subrange_type && counts.len() <= MAX_DIMENSIONS {
                counts.push(count(child));
            }
            Ok(())
        })?;
        if counts.len() > MAX_DIMENSIONS {
            return Err(Error::TooDeep {
                what: "the dimensions of an array",
                limit: MAX_DIMENSIONS as u64,
                at: offset,
            });
        }
        let bad = || Error::BadTypeId {
            id: dimension << DIMENSION_SHIFT | offset,
            limit: offset,
        };
        let index = usize::try_from(dimension).map_err(|_| bad())?;
        // An array without any subrange has an unknown length.
        let count = match counts.get(index) {
            Some(count) => *count,
            None if index == 0 => None,
            None => return Err(bad()),
        };
        let element = if index + 1 < counts.len() {
            TypeId((dimension + 1) << DIMENSION_SHIFT | offset)
        } else {
            unit.type_of(self, die)?
        };
        Ok(Type::Array { element, count })
    }
}

/// `DW_AT_count`, or `DW_AT_upper_bound` (inclusive; -1 for none).
fn count(subrange: &Die<'_>) -> Option<u64> {
    let count = number(subrange, gimli::DW_AT_count);
    count
        .or_else(|| number(subrange, gimli::DW_AT_upper_bound).map(|last| last.wrapping_add(1)))
        .filter(|count| *count > 0)
}
