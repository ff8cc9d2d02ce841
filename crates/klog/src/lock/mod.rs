//! Lock-debugging reports ("splats") of lockdep, RCU-lockdep and their kin.
//!
//! ```text
//!  LogLine ──► routing ──► open ──► body, backtrace ──► Splat ──► title, sentence, known
//!              which of    the      the lines of a
//!              the open    parser's report, each by
//!              reports?    state    its own words
//! ```

mod attachment;
mod backtrace;
mod body;
mod complete;
pub mod graph;
mod head_lost;
mod header;
mod kind;
mod known;
mod line;
mod offer;
mod open;
mod parts;
pub mod print;
mod routing;
pub(crate) mod search;
mod sentence;
mod spec;
mod splat;
mod title;
mod warn;

pub use kind::Kind;
pub use known::known_issue_of;
pub use parts::{
    AtomicState, Attachment, ChainEntry, ClassDump, HeldLock, IrqEvent, IrqSide, IrqTrace,
    KnownSplat, Lock, Missing, PreemptCount, Scenario, ScenarioStep, TaskContext, UsageChange,
    UsageTrace,
};
pub(crate) use routing::LockReports;
pub use splat::Splat;
pub(crate) use warn::{WarnLine, warn_line};

/// What WARNs of locks say, each on a line of its own.
pub(crate) fn messages() -> impl Iterator<Item = &'static str> {
    Kind::all().flat_map(|kind| kind.spec().messages.iter().copied())
}

/// Whether a line without its prefix is the first one of a report.
pub(crate) fn is_header(text: &str) -> bool {
    header::header(text).is_some()
}

/// Whether a line holds a lock with the place where it was taken, a number in front or not.
pub(crate) fn is_whole_lock(text: &str) -> bool {
    let lock = line::held_index(text).map_or(text, |(_, rest)| rest);
    line::lock(lock).is_some_and(|lock| lock.at.is_some())
}

/// Whether a line is the first one of a report of this family that no WARN carries: of a WARN its
/// message or place decides.
pub(crate) fn begins(text: &str) -> bool {
    matches!(header::header(text), Some(header::Header::Plain(_)))
}
