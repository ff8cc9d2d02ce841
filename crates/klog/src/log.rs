//! What reading a log gives.

use serde::{Deserialize, Serialize};

use crate::crash::Crash;
use crate::input::LogFacts;
use crate::lock::{Attachment, Splat};

/// A log read whole: its reports, and what stands beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Log {
    /// The reports, in the order of their headers.
    pub splats: Vec<Splat>,
    /// Held-locks dumps, `lockdep is turned off`, hung-task owners and the like outside any report.
    pub attachments: Vec<Attachment>,
    /// Headers of further reports, which were only counted: the log holds more than
    /// [`limits::REPORTS`](crate::limits::REPORTS) reports, or than
    /// [`limits::KEPT_LINES`](crate::limits::KEPT_LINES) lines of them.
    pub left_out: u64,
    /// Why the kernel died or warned, in the order of the reports' first lines; a report of `splats` is
    /// not among them.
    pub crashes: Vec<Crash>,
    /// Such reports beyond [`limits::REPORTS`](crate::limits::REPORTS), which were only counted.
    pub crashes_left_out: u64,
    /// What was read of a text log; of a ring nothing is counted.
    pub read: LogFacts,
}

impl Log {
    /// Settles what only the reports tell of the text: whether it ends inside one, and that their lines
    /// are a kernel's, in whatever carrier they came.
    pub(crate) fn note_end(&mut self) {
        let end = self.read.lines.saturating_sub(2);
        self.read.ends_in_report = self.splats.iter().any(|s| s.cut && s.last_line >= end)
            || self.crashes.iter().any(|c| c.cut && c.last_line >= end);
        let reports = self.splats.len().saturating_add(self.crashes.len());
        let of_reports = u64::try_from(reports).unwrap_or(u64::MAX);
        self.read.kernel_lines = self.read.kernel_lines.max(of_reports);
    }
}
