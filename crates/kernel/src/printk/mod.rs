//! The kernel log, as it stands in memory.
//!
//! | kernel | layout | file |
//! |---|---|---|
//! | 5.10 and later | a lockless ring | `ring` |
//! | 3.5 to 5.9 | records in one buffer | `records` |
//! | 4.7 to 5.14 | beside it, buffers of each CPU for NMIs and for printk in printk | `leftovers` |
//!
//! Offsets come from VMCOREINFO, so the log can be read without any type; level and facility sit in
//! the two bytes behind `text_len`, which VMCOREINFO does not name.

mod consoles;
mod leftovers;
mod records;
mod ring;

use crate::error::{Error, Result};
use crate::kernel::Kernel;

pub use consoles::Console;
pub use leftovers::Leftover;

/// Most records of the older log.
const MAX_RECORDS: usize = 1 << 25;

/// One record of the log. It may hold several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its number since boot.
    pub sequence: u64,
    /// Nanoseconds since boot.
    pub timestamp_ns: u64,
    /// Syslog level, 0 to 7.
    pub level: Option<u8>,
    /// Syslog facility.
    pub facility: Option<u8>,
    /// Who printed it.
    pub caller: Option<Caller>,
    /// The record continues the caller's last one (`LOG_CONT`), or may be continued.
    pub continuation: bool,
    /// The text ended in a newline, which is not stored (`LOG_NEWLINE`).
    pub newline: bool,
    /// The text.
    pub text: Vec<u8>,
    /// What the record is about, as `SUBSYSTEM=…` and `DEVICE=…` of a driver's message.
    pub dictionary: Vec<Property>,
}

/// An entry of a record's dictionary: its key and its value.
pub type Property = (String, Vec<u8>);

/// Who printed a record (`printk_caller_id()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A task, by thread id.
    Task(u32),
    /// A CPU outside task context.
    Cpu(u32),
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Caller::Task(id) => write!(f, "T{id}"),
            Caller::Cpu(id) => write!(f, "C{id}"),
        }
    }
}

impl Caller {
    fn from_id(id: u32) -> Caller {
        if id & 0x8000_0000 == 0 {
            Caller::Task(id)
        } else {
            Caller::Cpu(id & 0x7fff_ffff)
        }
    }
}

/// The log, and what it lacks.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Records, oldest first.
    pub records: Vec<Record>,
    /// Records that had been reserved, but not committed, when the machine died.
    pub uncommitted: u64,
    /// Of those, the ones with text, in order: a CPU was writing it when it was stopped. It may end
    /// early, and what follows its end may be left over from an older record.
    pub unfinished: Vec<Record>,
    /// Text in the buffers of single CPUs that never reached the log (4.7 to 5.14).
    pub leftovers: Vec<Leftover>,
    /// Records whose text was lost (the ring was too small, or its pages are not in the dump).
    pub lost: u64,
    /// First sequence number that is still there: so many records were overwritten before.
    pub first_sequence: u64,
    /// Where reading ended early, and why: the records before are there.
    pub broken: Option<Error>,
}

impl Kernel {
    /// The kernel log.
    ///
    /// # Errors
    /// Where the ring's own structures can't be read; single lost records are counted instead.
    pub fn log(&self) -> Result<Log> {
        let mut log = if self.vmcoreinfo().symbol("prb").is_some() {
            ring::read(self)
        } else {
            records::read(self)
        }?;
        log.leftovers = leftovers::read(self);
        Ok(log)
    }
}
