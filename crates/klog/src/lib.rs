//! Reads the text of a Linux kernel log and finds the reports in it: what lockdep, RCU-lockdep and
//! the kernel's other checks of locks and contexts print ("splats").
//!
//! The log may come in any carrier (a serial console, dmesg, the journal, syslog, netconsole, pstore,
//! mail); the prefix of each line is stripped, and lines that it broke are joined. Each report
//! becomes plain data: the task, the locks, the traces, the chain, and what follows from them:
//!
//! ```
//! use virtopsy_klog::{Kind, scan_log};
//!
//! fn main() -> std::io::Result<()> {
//!     let text = "\
//! [    4.321851] BUG: assuming atomic context at net/core/filter.c:379
//! [    4.321943] in_atomic(): 0, irqs_disabled(): 0, pid: 62, name: tcpdump
//! [    4.322001] no locks held by tcpdump/62.
//! [    4.322586] CPU: 2 PID: 62 Comm: tcpdump Not tainted 6.12.0 #1
//! [    4.322897] Call Trace:
//! [    4.322982]  <TASK>
//! [    4.323076]  dump_stack_lvl+0x96/0xd0
//! [    4.323361]  __cant_sleep+0xb2/0xd0
//! [    4.323542]  run_filter+0x7/0x20
//! [    4.324176]  </TASK>
//! ";
//!     let log = scan_log(text.as_bytes())?;
//!     for report in &log.splats {
//!         println!("line {}: {}", report.first_line, report.sentence);
//!     }
//!     assert_eq!(log.splats[0].kind, Kind::CantSleep);
//!     assert_eq!(log.splats[0].guilty.as_deref(), Some("run_filter"));
//!     Ok(())
//! }
//! ```
//!
//! [`scan_records`] does the same with the records of a printk ring buffer. [`mod@print`] writes a report
//! as the kernel would, [`mod@graph`] the cycle of a circular one for Graphviz.
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
//! [`Kind`] names). Formats are told apart by their shape and never by the release, since vendors
//! carry changes back. Nothing here panics or allocates without bound on hostile input; see
//! [`limits`]. Text in a result is safe on a terminal: [`escape`] says what that means.

mod carrier;
mod crash;
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

pub use crash::{Code, Crash, CrashKind, CrashTask, Register, Taint, Trace};
pub use escape::{deceives, escape};
pub use input::{Form, Input, InputError, LogFacts, Medium, Packing};
pub use lock::{
    AtomicState, Attachment, ChainEntry, ClassDump, HeldLock, IrqEvent, IrqSide, IrqTrace, Kind,
    KnownSplat, Lock, Missing, PreemptCount, Scenario, ScenarioStep, Splat, TaskContext,
    UsageChange, UsageTrace, graph, known_issue_of, print,
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
