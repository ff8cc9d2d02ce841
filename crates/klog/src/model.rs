//! What reports of every family are made of: tasks and frames. Plain data, every text already made
//! safe to show.

use serde::{Deserialize, Serialize};

use crate::text::{integer, keep};

/// A task as `COMM/PID` names it. `pid` is what the log says: 0 for idle tasks, and garbage (even
/// negative) when the task was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TaskRef {
    /// Command name, at most 15 bytes in the kernel; any bytes, here made visible. Empty where the log
    /// has the number only (WARNs up to 6.15 that were cut).
    pub comm: String,
    /// Process id.
    pub pid: i64,
}

impl TaskRef {
    /// Splits `COMM/PID` at its last slash: a name may have some.
    pub(crate) fn parse(s: &str) -> Option<Self> {
        let (comm, pid) = s.trim().rsplit_once('/')?;
        Self::new(comm, pid)
    }

    /// A task whose name and number stand apart.
    pub(crate) fn new(comm: &str, pid: &str) -> Option<Self> {
        Some(Self {
            comm: keep(comm),
            pid: integer(pid)?,
        })
    }
}

/// A function that the compiler inlined into a frame (logs that went through a symbolizer).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Inlined {
    /// The inlined function.
    pub function: String,
    /// `file:line` of the call.
    pub source: String,
}

/// One line of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Frame {
    /// Function name as printed (`.isra.0`, `.cold` and the like included), or a bare `0x…` address.
    pub function: String,
    /// Offset into the function, `0x…`.
    pub offset: Option<String>,
    /// Size of the function, `0x…`.
    pub size: Option<String>,
    /// Module that holds the function.
    pub module: Option<String>,
    /// False for `? func` (and PowerPC's `(unreliable)`): a stale word on the stack, maybe no caller.
    pub reliable: bool,
    /// `file:line` where a symbolizer added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The `[<address>]` of kernels up to 4.9 and of some architectures, `0x…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Functions inlined here, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inlined: Vec<Inlined>,
}
