//! Which unit holds an address.

use std::collections::HashSet;

use gimli::DebugInfoOffset;

use crate::Error;

use super::{Sections, Slice, SourceLines, lines_error};

/// The most address ranges that are kept (Debian 7.2: 30,000).
const MAX_RANGES: usize = 1 << 23;

/// Where a unit has code, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AddressRange {
    begin: u64,
    end: u64,
    unit: usize,
}

/// Where units begin in `.debug_info`, ascending.
pub(super) type UnitStarts = Vec<usize>;

impl SourceLines {
    /// The offset in `.debug_info` of the unit that has code at an address.
    pub(super) fn unit_at(
        &self,
        dwarf: &Sections<'_>,
        address: u64,
    ) -> Result<Option<usize>, Error> {
        let listed = self.listed.get_or_init(|| by_aranges(dwarf));
        if let Some(unit) = holder(listed, address) {
            return Ok(Some(unit));
        }
        let unlisted = self
            .unlisted
            .get_or_init(|| self.by_roots(dwarf, listed))
            .as_ref()
            .map_err(Clone::clone)?;
        Ok(holder(unlisted, address))
    }

    /// clang writes no `.debug_aranges`: then the units' root entries are asked.
    fn by_roots(
        &self,
        dwarf: &Sections<'_>,
        listed: &[AddressRange],
    ) -> Result<Vec<AddressRange>, Error> {
        let known: HashSet<usize> = listed.iter().map(|range| range.unit).collect();
        let mut ranges = Vec::new();
        for start in self.starts(dwarf)? {
            if known.contains(start) {
                continue;
            }
            let found = root_ranges(dwarf, *start, &mut ranges).map_err(lines_error(*start));
            if let Err(e) = found {
                // One unit that can't be read hides no other.
                tracing::debug!("{e}");
            }
        }
        Ok(sorted(ranges))
    }

    fn starts(&self, dwarf: &Sections<'_>) -> Result<&UnitStarts, Error> {
        let read = || {
            let mut starts = Vec::new();
            let mut headers = dwarf.units();
            let last = |starts: &[usize]| starts.last().copied().unwrap_or_default();
            while let Some(header) = headers.next().map_err(|e| lines_error(last(&starts))(e))? {
                if let Some(DebugInfoOffset(start)) = header.debug_info_offset() {
                    starts.push(start);
                }
            }
            Ok(starts)
        };
        self.starts.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// The start of the unit that holds an offset of `.debug_info`.
    pub(super) fn unit_holding(
        &self,
        dwarf: &Sections<'_>,
        offset: DebugInfoOffset<usize>,
    ) -> Option<usize> {
        let starts = self.starts(dwarf).ok()?;
        let after = starts.partition_point(|start| *start <= offset.0);
        starts.get(after.checked_sub(1)?).copied()
    }
}

/// What can't be read of the section is left to the units' root entries.
fn by_aranges(dwarf: &Sections<'_>) -> Vec<AddressRange> {
    let mut ranges = Vec::new();
    if let Err(e) = read_aranges(dwarf, &mut ranges) {
        tracing::debug!(".debug_aranges: {e}");
    }
    sorted(ranges)
}

fn read_aranges(dwarf: &Sections<'_>, ranges: &mut Vec<AddressRange>) -> Result<(), gimli::Error> {
    let mut headers = dwarf.debug_aranges.headers();
    while let Some(header) = headers.next()? {
        let unit = header.debug_info_offset().0;
        let mut entries = header.entries();
        while let Some(entry) = entries.next()? {
            push(ranges, entry.range(), unit);
        }
    }
    Ok(())
}

fn root_ranges(
    dwarf: &Sections<'_>,
    start: usize,
    ranges: &mut Vec<AddressRange>,
) -> Result<(), gimli::Error> {
    let header = dwarf.unit_header(DebugInfoOffset(start))?;
    let unit: gimli::Unit<Slice<'_>> = dwarf.unit(header)?;
    let mut found = dwarf.unit_ranges(&unit)?;
    while let Some(range) = found.next()? {
        push(ranges, range, start);
    }
    Ok(())
}

/// Code that the linker threw away stays in the tables, at address 0.
fn push(ranges: &mut Vec<AddressRange>, range: gimli::Range, unit: usize) {
    let (begin, end) = (range.begin, range.end);
    if begin != 0 && begin < end && ranges.len() < MAX_RANGES {
        ranges.push(AddressRange { begin, end, unit });
    }
}

fn sorted(mut ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    ranges.sort_unstable();
    ranges
}

/// Ranges of a sound file do not overlap.
fn holder(ranges: &[AddressRange], address: u64) -> Option<usize> {
    let after = ranges.partition_point(|range| range.begin <= address);
    let last = ranges.get(after.checked_sub(1)?)?;
    (address < last.end).then_some(last.unit)
}
