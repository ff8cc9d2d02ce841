//! Lock-debugging reports ("splats") of lockdep, RCU-lockdep and their kin, read from kernel logs.
//!
//! ```text
//!  file ──► input   unpacked, decoded, its lines counted; what is not a text is refused by name
//!             │
//!  text log ◄─┘
//!     └───────► stream ──► carrier ──► LogLine ─┐
//!  (blocks)     finds the  strips prefixes,     ├──► reader ──► lock ──► Splat
//!               anchors    joins, splits        │    offers
//!  ring buffer ──► records ─────────────────────┘    lines
//! ```
//!
//! The texts are those of kernels from 2.6.32 to 7.3 (kernel/locking/lockdep.c and the places that
//! [`Kind`] names). Formats are told apart by their shape and never by the release,
//! since vendors carry changes back. Nothing here panics or allocates without bound on hostile
//! input; see [`limits`].

mod carrier;
mod dumpstack;
mod escape;
mod frame;
mod input;
pub mod limits;
mod lock;
mod log;
mod model;
mod reader;
mod record;
mod records;
mod stream;
mod text;

pub use escape::{deceives, escape};
pub use input::{Form, Input, InputError, LogFacts, Medium, Packing};
pub use lock::{
    AtomicState, Attachment, ChainEntry, ClassDump, HeldLock, IrqEvent, IrqSide, IrqTrace, Kind,
    Lock, Scenario, ScenarioStep, Splat, TaskContext, UsageChange, UsageTrace, graph,
    known_issue_of, print,
};
pub use log::Log;
pub use model::{Frame, Inlined, TaskRef};
pub use record::Record;

use std::io::{self, Read};

/// Finds the reports in a text log in any carrier, in memory that does not grow with the log.
///
/// # Errors
///
/// What reading `input` returns.
pub fn scan_text(input: impl Read) -> io::Result<Vec<Splat>> {
    Ok(scan_log(input)?.splats)
}

/// Like [`scan_text`], with what stands beside the reports.
///
/// # Errors
///
/// What reading `input` returns.
pub fn scan_log(input: impl Read) -> io::Result<Log> {
    scan(Input::of_text(input))
}

/// Finds the reports in a log file that [`Input::open`] looked at, and says what was read.
///
/// # Errors
///
/// What reading `input` returns.
pub fn scan(mut input: Input<'_>) -> io::Result<Log> {
    let mut log = stream::read(&mut input)?;
    log.read = input.facts();
    log.note_end();
    Ok(log)
}

/// Finds the reports in the records of a printk ring buffer; `first_line` and `last_line` count the
/// lines that the records print, from 1.
pub fn scan_records<'a>(records: impl IntoIterator<Item = Record<'a>>) -> Vec<Splat> {
    scan_log_records(records).splats
}

/// Like [`scan_records`], with what stands beside the reports.
pub fn scan_log_records<'a>(records: impl IntoIterator<Item = Record<'a>>) -> Log {
    let mut reader = reader::Reader::default();
    records::read(records, &mut reader);
    reader.finish()
}
