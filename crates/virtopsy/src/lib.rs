//! Opens a Linux kdump vmcore and says, with proof, what the crash left behind: whether VMX or
//! SVM was off on every CPU, which KVM emergency callback was registered and whether it was
//! alive, and which lock-debugging reports stand in the kernel log.
//!
//! ```text
//!  Session::open ──► Dump, Kernel
//!  Session::report ─► Machine (facts common to all CPUs)
//!                       ├─► evidence of each CPU ──► verdict ──┐
//!                       ├─► callback, crash                    ├─► DumpReport ──► checks
//!                       └─► log ──► splats ──► known issues ───┘
//! ```
//! [`Session`] opens a dump; [`Session::report`] answers everything at once as plain data
//! ([`report::DumpReport`]). [`examine`] does both and never fails: what went wrong is in the
//! report. Nothing here prints, exits, or reads the environment.

mod answers;
mod callback;
mod closed_set;
mod cpu_list;
mod crash;
mod era;
mod error;
mod evidence;
mod extract;
pub mod facts;
pub mod info;
mod known_issue;
mod listing;
mod lockdep;
mod machine;
pub mod report;
mod session;
mod splat_sources;
mod story;
mod supports;
mod types;
mod verdict;
mod virtualization;

/// The crashed kernel by name: what [`Session::kernel`] gives, and the types of its answers.
pub use virtopsy_kernel as kernel;
/// The text of kernel logs, and the reports in it.
pub use virtopsy_klog as klog;

pub use error::{Error, Result};
pub use extract::{ExtractError, extract};
pub use listing::{CodeRow, CodeTarget, Listing};
pub use virtopsy_vmcore::{PagePacking, Written};

pub use closed_set::UnknownId;
pub use known_issue::{KnownIssue, KnownIssueId};
pub use report::{Check, CheckId};

pub use supports::{SupportedFact, SupportedVerdict, SupportsFacts, supports};
pub use types::layout;

pub use session::{DumpSpec, Options, Session, examine};
/// What [`Options`] are made of.
pub use virtopsy_kernel::{Debuginfod, KernelOptions, TypesChoice};
/// What [`Options`] are made of.
pub use virtopsy_vmcore::{OpenOptions, Unpack};
