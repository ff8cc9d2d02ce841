//! The report whose head the ring buffer has overwritten.
//!
//! A ring that wrapped begins anywhere, also in the middle of a report. No header tells its kind then,
//! but a sentence that only one kind has does, or the function that printed it. Only records are
//! looked at this way, and only those of a ring that did wrap: in a text, a report without a header is
//! as likely a quotation.

use crate::carrier::Caller;
use crate::dumpstack::{StackLine, stack_line};
use crate::frame::FrameLine;
use crate::frame::base;
use crate::limits;
use crate::lock::header::header;
use crate::lock::kind::Kind;
use crate::record::Record;
use crate::text::visible;

/// The report that the records begin in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeadLost {
    pub(crate) kind: Kind,
    pub(crate) caller: Option<Caller>,
    /// Its trace had begun: frames come before any `Call Trace:`.
    pub(crate) in_trace: bool,
}

/// Looks for the rest of a report at the start of records that others came before.
pub(crate) fn find(records: &[Record<'_>]) -> Option<HeadLost> {
    if records.first().is_none_or(|r| r.seq == 0) {
        return None;
    }
    let mut begun: Vec<Option<Caller>> = Vec::new();
    let mut traced: Vec<Option<Caller>> = Vec::new();
    let mut lines = 0u64;
    for record in records {
        let caller = record.caller.as_deref().and_then(Caller::parse);
        for part in record.text.split(|b| *b == b'\n') {
            lines = lines.saturating_add(1);
            if lines > limits::HEADLESS_LINES {
                return None;
            }
            let text = visible(part);
            if begun.contains(&caller) {
                continue;
            }
            if header(&text).is_some() {
                begun.push(caller); // what follows belongs to that report
            } else if let Some(kind) = kind_of(&text) {
                let in_trace = is_frame(&text) && !traced.contains(&caller);
                return Some(HeadLost {
                    kind,
                    caller,
                    in_trace,
                });
            } else if matches!(stack_line(&text), StackLine::Head) {
                traced.push(caller);
            }
        }
    }
    None
}

fn is_frame(text: &str) -> bool {
    matches!(stack_line(text), StackLine::Frame(_))
}

/// The kind that a line can only belong to.
fn kind_of(text: &str) -> Option<Kind> {
    let t = text.trim();
    let words = |kind: &Kind| {
        let spec = kind.spec();
        spec.begins.iter().any(|words| t.starts_with(words))
            || spec.ends.iter().any(|words| t.ends_with(words))
    };
    if let Some(kind) = Kind::all().find(words) {
        return Some(kind);
    }
    let StackLine::Frame(FrameLine::Frame(frame) | FrameLine::Return(frame)) = stack_line(text)
    else {
        return None;
    };
    let function = base(&frame.function);
    Kind::all().find(|kind| frame.reliable && kind.spec().printers.contains(&function))
}
