//! Reports that say why a kernel died or warned: oopses, lockups, stalls, hung tasks, sanitizers,
//! machine checks, warnings, panics.
//!
//! ```text
//!  LogLine ──► head ──► machine ──► open ──────► finish ──► Crash
//!              a kind   which       trace,       blame, words, who follows whom,
//!              begins   report      registers    what is counted
//! ```
//!
//! The machine stands beside that of the lock reports and gets the same lines. What a kind is, how it
//! begins and what it means is in [`kind`] alone.

mod blame;
mod finish;
mod head;
mod kind;
mod machine;
mod model;
mod open;
mod phrases;
mod registers;
mod taint;
mod words;

pub use kind::CrashKind;
pub use model::{Code, Crash, CrashTask, Register, Taint, Trace};

pub(crate) use head::{ANCHORS, WANTED};
pub(crate) use machine::CrashReports;
