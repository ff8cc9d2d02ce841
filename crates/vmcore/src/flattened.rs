//! Flattened dumps: what makedumpfile writes to a pipe and QEMU writes by default.
//!
//! ```text
//! 0      "makedumpfile" 0 0 0 0 │ i64 type = 1 │ i64 version = 1 │ zeros to 4096
//! 4096   i64 offset │ i64 size │ size bytes          every number big-endian,
//!        i64 offset │ i64 size │ size bytes          offsets in any order,
//!        …                                           a later record overwrites
//!        -1         │ -1                             the end
//! ```
//!
//! Source: makedumpfile's IMPLEMENTATION file, "The flattened format"; since makedumpfile 1.1.
//!
//! A file without its end record is truncated: what it holds is used, and bytes that no record
//! gives are missing; makedumpfile leaves the padding out that ends a header's block. In a whole file such bytes are zero, as in the sparse file that rearranging
//! makes.

use std::sync::Arc;

use crate::source::{Damage, Layer, ReadError, Source};
use crate::span::{Span, find, lay_out};
use crate::{Error, FileOffset};

/// The first bytes of a flattened file.
pub(crate) const SIGNATURE: &[u8; 16] = b"makedumpfile\0\0\0\0";

/// Where the records begin.
const HEADER_LEN: u64 = 4096;

/// The records of a flattened file, sorted by where their bytes belong.
#[derive(Debug)]
pub(crate) struct Flattened {
    source: Arc<Source>,
    records: Vec<Span>,
    len: u64,
    damage: Option<Damage>,
}

impl Flattened {
    /// Reads the headers of all records. A file that is cut or damaged behind its first header is
    /// opened with what comes before.
    pub(crate) fn open(source: Arc<Source>) -> Result<Flattened, Error> {
        let header = source.header("flattened header", 0, HEADER_LEN)?;
        check_kind(&source, &header)?;
        let (mut records, damage) = walk(&source);
        // Later records overwrite earlier ones, and the first span wins: newest first.
        let unsorted = records.windows(2).any(|pair| match pair {
            [a, b] => a.end > b.start,
            _ => false,
        });
        if unsorted {
            records.reverse();
            // Sorting by start keeps what was newest first among equals and makes the common
            // case, out of order without overlaps, one pass.
            if !overlapping(&records) {
                records.sort_unstable_by_key(|span| span.start);
            }
            records = lay_out(records);
        }
        let len = records.last().map_or(0, |last| last.end);
        tracing::debug!(
            file = source.name(),
            records = records.len(),
            len,
            ?damage,
            "flattened"
        );
        Ok(Flattened {
            source,
            records,
            len,
            damage,
        })
    }
}

impl Layer for Flattened {
    fn len(&self) -> u64 {
        self.len
    }

    /// `None`: the list of records has its end record.
    fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let span = find(&self.records, at).ok_or(ReadError::PastEnd)?;
            let until = if at < span.start {
                span.start
            } else {
                span.end
            };
            let len = usize::try_from(until.saturating_sub(at))
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (now, later) = rest.split_at_mut_checked(len).ok_or(ReadError::PastEnd)?;
            match span.offset_of(at) {
                Some(place) => self.source.read_at(place, now)?,
                None if self.damage.is_some() => return Err(ReadError::Missing),
                None => now.fill(0),
            }
            at = at.checked_add(len as u64).ok_or(ReadError::PastEnd)?;
            rest = later;
        }
        Ok(())
    }
}

fn overlapping(records: &[Span]) -> bool {
    let mut sorted: Vec<(u64, u64)> = records.iter().map(|s| (s.start, s.end)).collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| match pair {
        [a, b] => a.1 > b.0,
        _ => false,
    })
}

/// Type and version are both 1; nothing else was ever written.
fn check_kind(source: &Source, header: &[u8]) -> Result<(), Error> {
    for (what, at) in [("flattened type", 16), ("flattened version", 24)] {
        let found = be_i64(header, at).unwrap_or(0);
        if found != 1 {
            return Err(source.corrupt(what, at as u64, "1", found));
        }
    }
    Ok(())
}

/// Every record up to the end record or the first one that cannot be used.
fn walk(source: &Source) -> (Vec<Span>, Option<Damage>) {
    let mut records: Vec<Span> = Vec::new();
    let mut at = HEADER_LEN;
    let damaged = |at: u64, what: String| {
        let at = FileOffset(at);
        Some(Damage { at, what })
    };
    loop {
        let header = match source.array::<16>(at) {
            Ok(header) => header,
            Err(ReadError::Io(what)) => return (records, damaged(at, what)),
            Err(_) => return (records, damaged(at, "the file ends here".to_owned())),
        };
        let offset = be_i64(&header, 0).unwrap_or(-1);
        let size = be_i64(&header, 8).unwrap_or(-1);
        if offset == -1 {
            return (records, None);
        }
        let (Ok(start), Ok(size)) = (u64::try_from(offset), u64::try_from(size)) else {
            let what = format!("a record claims offset {offset} and size {size}");
            return (records, damaged(at, what));
        };
        let data = at.saturating_add(16);
        let held = source.len().saturating_sub(data).min(size);
        if held > 0 {
            records.push(Span {
                start,
                end: start.saturating_add(held),
                target: Some(data),
            });
        }
        if held < size {
            let what = format!("a record of {size} bytes has {held} in the file");
            return (records, damaged(at, what));
        }
        at = data.saturating_add(size);
    }
}

fn be_i64(bytes: &[u8], at: usize) -> Option<i64> {
    let field = bytes.get(at..at.checked_add(8)?)?;
    Some(i64::from_be_bytes(field.try_into().ok()?))
}
