//! What reading a log gives.

use serde::{Deserialize, Serialize};

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
}
