//! Which bytes of which pages something holds: those that were read of a dump while it was
//! recorded, and those that an extract of a dump has.
//!
//! The list in an extract is the content of an ELF note of owner `VIRTOPSY` and type 2:
//!
//! ```text
//! 0   u32 1 (the form of the list) │ u32 page size in bytes
//! 8   a zlib stream of LEB128 numbers: for each page, in order,
//!       page frame number minus that of the page before, number of ranges,
//!       for each range, in order: bytes since the end of the range before, its length in bytes
//! ```

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::ops::Range;

use crate::fields::Fields;
use crate::{Pfn, PhysAddr};

/// The form of the list that is written and read.
const FORM: u32 = 1;
/// A list is at most this long when it is unpacked: some ten bytes for each of 25 million pages.
const LIST_LEN: u64 = 256 << 20;
/// Page sizes that an extract can have.
const PAGE_SIZES: Range<u64> = 512..(1 << 20) + 1;

/// Ranges of bytes of pages. Within a page they are sorted and do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBytes {
    page_size: u64,
    pages: BTreeMap<u64, Vec<Range<u32>>>,
}

impl HeldBytes {
    /// No byte of any page. `page_size` is in bytes, a power of two.
    #[must_use]
    pub fn new(page_size: u64) -> HeldBytes {
        HeldBytes {
            page_size: page_size.max(1),
            pages: BTreeMap::new(),
        }
    }

    /// The page size in bytes.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// The number of pages of which bytes are held.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// The number of bytes that are held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let ranges = self.pages.values().flatten();
        ranges
            .map(|range| u64::from(range.end.saturating_sub(range.start)))
            .fold(0, u64::saturating_add)
    }

    /// Adds the `len` bytes from `at`.
    pub fn insert(&mut self, at: PhysAddr, len: u64) {
        let mut at = at.0;
        let end = at.saturating_add(len);
        while at < end {
            let pfn = at / self.page_size;
            let start = at % self.page_size;
            let here = self.page_size.saturating_sub(start).min(end - at);
            let range = number(start)..number(start.saturating_add(here));
            join(self.pages.entry(pfn).or_default(), range);
            at = at.saturating_add(here);
        }
    }

    /// Adds what `other` holds; both have the same page size.
    pub fn merge(&mut self, other: &HeldBytes) {
        for (pfn, ranges) in &other.pages {
            let own = self.pages.entry(*pfn).or_default();
            ranges.iter().for_each(|range| join(own, range.clone()));
        }
    }

    /// Each page with its ranges, in the order of page frames.
    pub(crate) fn each_page(&self) -> impl Iterator<Item = (Pfn, &[Range<u32>])> {
        let pages = self.pages.iter();
        pages.map(|(pfn, ranges)| (Pfn(*pfn), ranges.as_slice()))
    }

    /// The first of `len` bytes from `at` that is not held; `None`: all are.
    #[must_use]
    pub fn first_missing(&self, at: PhysAddr, len: u64) -> Option<PhysAddr> {
        let mut at = at.0;
        let end = at.saturating_add(len);
        while at < end {
            let start = at % self.page_size;
            let ranges = self.pages.get(&(at / self.page_size));
            let held = ranges.and_then(|ranges| {
                let within = ranges.iter().find(|r| r.contains(&number(start)))?;
                Some(u64::from(within.end).saturating_sub(start))
            });
            match held {
                Some(held) => at = at.saturating_add(held),
                None => return Some(PhysAddr(at)),
            }
        }
        None
    }

    /// The content of the note.
    ///
    /// # Errors
    /// When packing fails, which a buffer in memory does not.
    pub(crate) fn note(&self) -> std::io::Result<Vec<u8>> {
        let mut out = [FORM.to_le_bytes(), number(self.page_size).to_le_bytes()].concat();
        let mut list = Vec::new();
        let mut before = 0;
        for (pfn, ranges) in &self.pages {
            put(&mut list, pfn.saturating_sub(before));
            put(&mut list, ranges.len() as u64);
            let mut end = 0;
            for range in ranges {
                put(&mut list, u64::from(range.start.saturating_sub(end)));
                put(&mut list, u64::from(range.end.saturating_sub(range.start)));
                end = range.end;
            }
            before = *pfn;
        }
        let best = flate2::Compression::best();
        let mut packer = flate2::write::ZlibEncoder::new(&mut out, best);
        packer.write_all(&list)?;
        packer.finish()?;
        Ok(out)
    }

    /// Reads the content of the note. An error says what is wrong with it.
    pub(crate) fn parse(note: &[u8]) -> Result<HeldBytes, String> {
        let head = Fields(note);
        match head.u32(0) {
            Some(FORM) => {}
            Some(form) => return Err(format!("form {form}, and form {FORM} is read")),
            None => return Err("less than 8 bytes".to_owned()),
        }
        let page_size = head.u32(4).map(u64::from).unwrap_or(0);
        if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            return Err(format!("pages of {page_size} bytes"));
        }
        let mut list = Vec::new();
        flate2::read::ZlibDecoder::new(note.get(8..).unwrap_or(&[]))
            .take(LIST_LEN)
            .read_to_end(&mut list)
            .map_err(|error| format!("it does not unpack: {error}"))?;
        let mut held = HeldBytes::new(page_size);
        held.read_list(&list)
            .ok_or_else(|| "its numbers do not fit".to_owned())?;
        Ok(held)
    }

    fn read_list(&mut self, list: &[u8]) -> Option<()> {
        let mut rest = list;
        let mut pfn: u64 = 0;
        let mut first = true;
        while !rest.is_empty() {
            let step = take(&mut rest)?;
            if step == 0 && !first {
                return None;
            }
            first = false;
            pfn = pfn.checked_add(step)?;
            let count = take(&mut rest)?;
            let mut ranges = Vec::new();
            let mut end: u64 = 0;
            for _ in 0..count {
                let start = end.checked_add(take(&mut rest)?)?;
                end = start.checked_add(take(&mut rest)?)?;
                if end > self.page_size || start == end {
                    return None;
                }
                ranges.push(number(start)..number(end));
            }
            self.pages.insert(pfn, ranges);
        }
        Some(())
    }
}

/// Joins `range` to sorted ranges that do not touch.
fn join(ranges: &mut Vec<Range<u32>>, range: Range<u32>) {
    let first = ranges.partition_point(|r| r.end < range.start);
    let after = ranges.partition_point(|r| r.start <= range.end);
    let touched = ranges.get(first..after).unwrap_or(&[]);
    let start = touched
        .first()
        .map_or(range.start, |r| r.start.min(range.start));
    let end = touched.last().map_or(range.end, |r| r.end.max(range.end));
    ranges.splice(first..after.max(first), std::iter::once(start..end));
}

/// A number of bytes within a page; those of a larger one do not occur.
fn number(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Appends a number as unsigned LEB128.
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an unsigned LEB128 number from the front.
fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one_and_the_first_gap_is_told() {
        let mut held = HeldBytes::new(4096);
        held.insert(PhysAddr(0x1ff8), 16);
        held.insert(PhysAddr(0x2010), 8);
        held.insert(PhysAddr(0x2008), 8);
        assert_eq!(held.pages(), 2);
        assert_eq!(held.bytes(), 32);
        assert_eq!(held.first_missing(PhysAddr(0x1ff8), 32), None);
        assert_eq!(
            held.first_missing(PhysAddr(0x1ff8), 33),
            Some(PhysAddr(0x2018))
        );
        assert_eq!(
            held.first_missing(PhysAddr(0x1ff0), 8),
            Some(PhysAddr(0x1ff0))
        );
        assert_eq!(
            held.first_missing(PhysAddr(0x9000), 1),
            Some(PhysAddr(0x9000))
        );
    }

    #[test]
    fn the_note_is_read_back_and_a_damaged_one_is_refused() {
        let mut held = HeldBytes::new(4096);
        for at in [0, 0x1000, 0x1010, 0x7fff_f000_u64] {
            held.insert(PhysAddr(at), 8);
        }
        let note = held.note().unwrap();
        assert_eq!(HeldBytes::parse(&note).unwrap(), held);
        for cut in 0..note.len() {
            assert!(HeldBytes::parse(&note[..cut]).is_err(), "cut at {cut}");
        }
        let mut other = note.clone();
        other[0] = 2;
        assert!(HeldBytes::parse(&other).unwrap_err().contains("form 2"));
        other = note;
        other[4] = 1;
        assert!(HeldBytes::parse(&other).is_err());
    }
}
