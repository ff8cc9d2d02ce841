//! The printk ring buffer's records as lines.
//!
//! `struct printk_info` (kernel/printk/printk_ringbuffer.h, 5.10 and later). A record may hold
//! several lines; a KERN_CONT record (LOG_CONT) continues the caller's record before it if and only
//! if that one does not end in a newline (no LOG_NEWLINE). The flag alone says nothing: print_lock()
//! continues lines that are complete.

use crate::carrier::{Caller, LogLine};
use crate::limits;
use crate::reader::Reader;
use crate::record::Record;
use crate::text::visible;

/// A last line that has no newline yet.
struct Unfinished {
    caller: Option<Caller>,
    number: u64,
    time: Option<f64>,
    text: Vec<u8>,
}

/// Feeds records to the reader.
pub(crate) fn read<'a>(records: impl IntoIterator<Item = Record<'a>>, reader: &mut Reader) {
    let records: Vec<Record<'a>> = records.into_iter().collect();
    reader.wrapped(&records);
    let mut unfinished: Vec<Unfinished> = Vec::new();
    let mut number = 0u64;
    for record in records {
        let caller = record.caller.as_deref().and_then(Caller::parse);
        let time = record.timestamp_ns.map(seconds);
        let before = unfinished
            .iter()
            .position(|u| u.caller == caller)
            .map(|at| unfinished.remove(at));
        let mut joined = match (before, record.cont) {
            (Some(before), true) => Some(before),
            (Some(before), false) => {
                emit(&before, reader);
                None
            }
            (None, _) => None,
        };
        let lines = record.text.split(|b| *b == b'\n').count();
        for (i, part) in record.text.split(|b| *b == b'\n').enumerate() {
            number = number.saturating_add(1);
            let mut line = joined.take().unwrap_or_else(|| Unfinished {
                caller,
                number,
                time,
                text: Vec::new(),
            });
            let room = limits::LINE_BYTES.saturating_sub(line.text.len());
            line.text.extend(part.iter().take(room));
            if i.saturating_add(1) == lines && !record.newline {
                hold(line, &mut unfinished, reader);
            } else {
                emit(&line, reader);
            }
        }
    }
    unfinished.iter().for_each(|line| emit(line, reader));
}

/// Keeps a line until its end comes, or the record of the same caller after it.
fn hold(line: Unfinished, unfinished: &mut Vec<Unfinished>, reader: &mut Reader) {
    if unfinished.len() >= limits::UNFINISHED_RECORDS {
        let oldest = unfinished.remove(0);
        emit(&oldest, reader);
    }
    unfinished.push(line);
}

fn emit(line: &Unfinished, reader: &mut Reader) {
    let text = visible(&line.text);
    reader.line(&LogLine {
        number: line.number,
        time: line.time,
        caller: line.caller,
        prefixed: true,
        text: &text,
    });
}

/// Nanoseconds as seconds, exact to the microsecond for any uptime.
#[allow(clippy::cast_precision_loss)]
fn seconds(ns: u64) -> f64 {
    (ns / 1_000) as f64 / 1e6
}
