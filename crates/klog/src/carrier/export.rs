//! The journal's export format (journalctl -o export): a field on each line, a blank line behind each
//! entry. A field whose value has newlines is its name alone, then its length in eight bytes, then
//! the value.

use super::Prefix;
use super::json::micros_to_seconds;
use crate::limits;

/// What a line is to the format.
pub(super) enum Line {
    /// None of it.
    No,
    /// A field, or a piece of one.
    Part,
    /// The end of an entry: its message.
    Entry(Prefix, u64, Vec<u8>),
}

/// The entry being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// The last line of it.
    since: Option<u64>,
    message: Option<(u64, Vec<u8>)>,
    /// Bytes of the message that are still to come; of which the length comes first.
    left: Option<usize>,
    foreign: bool,
    time: Option<f64>,
}

impl Entry {
    /// Whether an entry has not ended.
    pub(super) fn is_open(&self) -> bool {
        self.message.is_some()
    }

    /// What is left of an entry that does not end.
    pub(super) fn finish(&mut self) -> Line {
        let entry = std::mem::take(self);
        let prefix = Prefix {
            stamped: true,
            foreign: entry.foreign,
            time: entry.time,
            ..Prefix::default()
        };
        match entry.message {
            Some((number, text)) => Line::Entry(prefix, number, text),
            None => Line::Part,
        }
    }

    /// Offers a line.
    pub(super) fn line(&mut self, raw: &[u8], number: u64) -> Line {
        if let Some(left) = self.left {
            self.since = Some(number);
            self.binary(raw, left);
            return Line::Part;
        }
        let near = self
            .since
            .is_some_and(|l| number.saturating_sub(l) <= limits::LOOKBACK_LINES);
        if raw.is_empty() {
            return if near { self.finish() } else { Line::No };
        }
        if raw == b"MESSAGE" && near {
            self.message = Some((number, Vec::new()));
            self.left = Some(usize::MAX);
            return Line::Part;
        }
        let Some((name, value)) = field(raw) else {
            return Line::No;
        };
        if !near && !name.starts_with(b"_") && name != b"MESSAGE" {
            return Line::No;
        }
        if !near {
            *self = Entry::default();
        }
        self.since = Some(number);
        let text = std::str::from_utf8(value).unwrap_or_default();
        match name {
            b"MESSAGE" => self.message = Some((number, value.to_vec())),
            b"_TRANSPORT" => self.foreign = text != "kernel",
            b"_SOURCE_MONOTONIC_TIMESTAMP" => {
                self.time = text.parse().ok().map(micros_to_seconds);
            }
            _ => {}
        }
        Line::Part
    }

    /// A line of a message with newlines.
    fn binary(&mut self, raw: &[u8], left: usize) {
        let (text, left) = if left == usize::MAX {
            let length = raw
                .first_chunk::<8>()
                .and_then(|bytes| usize::try_from(u64::from_le_bytes(*bytes)).ok())
                .unwrap_or(0)
                .min(limits::LINE_BYTES);
            (raw.get(8..).unwrap_or_default(), length)
        } else {
            (raw, left)
        };
        let left = left.saturating_sub(text.len());
        if let Some((_, message)) = &mut self.message {
            message.extend_from_slice(text);
            if left > 0 {
                message.push(b'\n');
            }
        }
        self.left = left.checked_sub(1);
    }
}

/// `NAME=value`, the name in capitals.
fn field(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'=', raw.get(..raw.len().min(64))?)?;
    let (name, value) = raw.split_at_checked(at)?;
    let named = name
        .iter()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    (at > 1 && named).then_some((name, value.get(1..)?))
}
