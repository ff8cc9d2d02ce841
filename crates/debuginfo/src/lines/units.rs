//! Which unit holds an address.

use std::collections::HashSet;

use gimli::DebugInfoOffset;

use crate::limit;
use crate::read::{u32_at, u64_at};
use crate::{DebugFile, Error, FileBytes};

use super::{ALTERNATE, SourceLines, Tables, lines_error, ranges};

/// The most units that are listed (Debian 7.2: 5,000).
const MAX_UNITS: usize = 1 << 20;
/// Longest head of a unit that is read for its root entry.
const ROOT: u64 = 4096;

/// The most address ranges that are kept (Debian 7.2: 30,000).
const MAX_RANGES: usize = 1 << 23;

/// Where a unit has code, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AddressRange {
    begin: u64,
    end: u64,
    unit: u64,
}

impl SourceLines {
    /// The offset in `.debug_info` of the unit that has code at an address.
    pub(super) fn unit_at(&self, address: u64) -> Result<Option<u64>, Error> {
        let listed = self.listed.get_or_init(|| self.by_aranges());
        if let Some(unit) = holder(listed, address) {
            return Ok(Some(unit));
        }
        let unlisted = self
            .unlisted
            .get_or_init(|| self.by_roots(listed))
            .as_ref()
            .map_err(Clone::clone)?;
        Ok(holder(unlisted, address))
    }

    /// clang writes no `.debug_aranges`: then the units' root entries are asked.
    fn by_roots(&self, listed: &[AddressRange]) -> Result<Vec<AddressRange>, Error> {
        let known: HashSet<u64> = listed.iter().map(|range| range.unit).collect();
        let mut ranges = Vec::new();
        for start in self.own.starts()? {
            if known.contains(start) {
                continue;
            }
            if let Err(e) = self.root_ranges(*start, &mut ranges) {
                // One unit that can't be read hides no other.
                tracing::debug!("{e}");
            }
        }
        Ok(sorted(ranges))
    }

    fn root_ranges(&self, start: u64, ranges: &mut Vec<AddressRange>) -> Result<(), Error> {
        let (len, width) = self.own.length(start)?;
        let head = self.own.info.bytes(".debug_info", start, len.min(ROOT))?;
        // gimli wants all of a unit: this one ends behind its root entry.
        let mut head = head.to_vec();
        let shorter = (head.len() as u64).saturating_sub(width);
        let field = match width {
            4 => head.get_mut(..4),
            _ => head.get_mut(4..12),
        };
        for (to, from) in field.into_iter().flatten().zip(shorter.to_le_bytes()) {
            *to = from;
        }
        let error = lines_error(start);
        let head = self.detached(head, start, false)?;
        let dwarf = self.dwarf(start, &head.info, &head.program);
        let unit = dwarf.unit_header(DebugInfoOffset(0)).map_err(&error)?;
        let unit = dwarf.unit(unit).map_err(&error)?;
        let mut entries = unit.entries();
        entries.next_dfs().map_err(&error)?;
        let root = entries.current().ok_or(gimli::Error::MissingUnitDie);
        let take = |range| {
            push(ranges, range, start);
            true
        };
        ranges::of_entry(&dwarf, &unit, root.map_err(&error)?, take).map_err(&error)
    }

    /// The bytes of the unit at an offset.
    pub(super) fn unit_bytes(&self, start: u64) -> Result<FileBytes, Error> {
        let start_there = start & !ALTERNATE;
        let tables = self.tables(start).unwrap_or(&self.own);
        let (len, _) = tables.length(start_there)?;
        tables.info.bytes(".debug_info", start_there, len)
    }

    /// The start of the unit that holds an offset of `.debug_info`.
    pub(super) fn unit_holding(&self, offset: u64) -> Option<u64> {
        let starts = self.tables(offset)?.starts().ok()?;
        let after = starts.partition_point(|start| *start <= offset & !ALTERNATE);
        Some(starts.get(after.checked_sub(1)?)? | offset & ALTERNATE)
    }

    pub(super) fn tables(&self, offset: u64) -> Option<&Tables> {
        match offset & ALTERNATE {
            0 => Some(&self.own),
            _ => self.alternate.as_ref(),
        }
    }

    /// What can't be read of the section is left to the units' root entries.
    fn by_aranges(&self) -> Vec<AddressRange> {
        let mut ranges = Vec::new();
        if let Err(e) = self.read_aranges(&mut ranges) {
            tracing::debug!(".debug_aranges: {e}");
        }
        sorted(ranges)
    }

    fn read_aranges(&self, ranges: &mut Vec<AddressRange>) -> Result<(), gimli::Error> {
        let dwarf = self.dwarf(0, &[], &[]);
        let mut headers = dwarf.debug_aranges.headers();
        while let Some(header) = headers.next()? {
            let unit = header.debug_info_offset().0 as u64;
            let mut entries = header.entries();
            while let Some(entry) = entries.next()? {
                push(ranges, entry.range(), unit);
            }
        }
        Ok(())
    }
}

impl Tables {
    /// How many bytes the unit at an offset has, and how many of them are its length's own.
    fn length(&self, start: u64) -> Result<(u64, u64), Error> {
        length(&self.info, ".debug_info", start)
    }

    fn starts(&self) -> Result<&[u64], Error> {
        let read = || {
            let (mut starts, mut at) = (Vec::new(), 0);
            while at < self.info.len() {
                if starts.len() == MAX_UNITS {
                    limit::hit(".debug_info", "units", MAX_UNITS);
                    break;
                }
                starts.push(at);
                at = at.saturating_add(self.length(at)?.0);
            }
            Ok(starts)
        };
        let starts = self.starts.get_or_init(read);
        starts.as_deref().map_err(Clone::clone)
    }
}

/// How many bytes what stands at an offset has, a unit or a line program, its length's own among
/// them, and how many those are.
pub(super) fn length(
    file: &DebugFile,
    place: &'static str,
    start: u64,
) -> Result<(u64, u64), Error> {
    let room = file.len().saturating_sub(start).min(12);
    let head = file.bytes(place, start, room)?;
    let short = || Error::truncated(place, &head, 0, 12);
    let (len, width) = match u32_at(&head, 0).ok_or_else(short)? {
        u32::MAX => (u64_at(&head, 4).ok_or_else(short)?, 12),
        len => (len.into(), 4),
    };
    Ok((len.saturating_add(width), width))
}

/// Code that the linker threw away stays in the tables, at address 0.
fn push(ranges: &mut Vec<AddressRange>, range: gimli::Range, unit: u64) {
    let (begin, end) = (range.begin, range.end);
    if begin != 0 && begin < end && ranges.len() <= MAX_RANGES {
        ranges.push(AddressRange { begin, end, unit });
    }
}

fn sorted(mut ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    if ranges.len() > MAX_RANGES {
        limit::hit("DWARF", "address ranges", MAX_RANGES);
    }
    ranges.sort_unstable();
    ranges
}

/// Ranges of a sound file do not overlap.
fn holder(ranges: &[AddressRange], address: u64) -> Option<u64> {
    let after = ranges.partition_point(|range| range.begin <= address);
    let last = ranges.get(after.checked_sub(1)?)?;
    (address < last.end).then_some(last.unit)
}
