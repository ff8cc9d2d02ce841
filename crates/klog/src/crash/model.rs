//! A report as it was read.

use serde::{Deserialize, Serialize};

use super::kind::CrashKind;
use crate::Frame;

/// The task that a report names; what the log does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CrashTask {
    /// Command name, at most 15 bytes in the kernel; any bytes, here made visible.
    pub comm: Option<String>,
    /// Process id as the log has it: 0 for idle tasks, and garbage (even negative) when the task was.
    pub pid: Option<i64>,
}

/// A register and what it held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Register {
    /// The name as the architecture's dump has it.
    pub name: String,
    /// The value, `0x…`.
    pub value: String,
}

/// The instructions around the faulting one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Code {
    /// The words of the line: bytes on x86, instructions of 2 or 4 bytes elsewhere, hexadecimal.
    pub words: Vec<String>,
    /// Index of the word that the instruction pointer was at; absent when the line marks none.
    pub fault: Option<u32>,
}

/// The letters behind `Tainted:` and what they mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Taint {
    /// The letters, without the blanks of flags that are not set.
    pub letters: String,
    /// One text a letter.
    pub words: Vec<String>,
}

/// A further stack of a report: who allocated and freed, what other CPUs did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Trace {
    /// The heading as printed, absent when the stack has none.
    pub heading: Option<String>,
    /// The CPU that it is of.
    pub cpu: Option<u32>,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// A report that says why the kernel died or warned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Crash {
    /// What it is about.
    pub kind: CrashKind,
    /// One line: the kind and the function.
    pub title: String,
    /// What happened, in one plain sentence.
    pub sentence: String,
    /// The same for the same problem on any build and in any run: `kind|what|functions`.
    pub signature: String,
    /// `FILE:LINE`, as the report names it.
    pub location: Option<String>,
    /// The report's own text: its head, or the message of a WARN.
    pub message: Option<String>,
    /// First line, from 1.
    pub first_line: u64,
    /// Last line.
    pub last_line: u64,
    /// Seconds since boot of the first line.
    pub timestamp: Option<f64>,
    /// Who printed it (PRINTK_CALLER).
    pub caller: Option<String>,
    /// The CPU that the report names first.
    pub cpu: Option<u32>,
    /// The task.
    pub task: Option<CrashTask>,
    /// `uname -r`.
    pub release: Option<String>,
    /// The function to look at first; never one of the reporting code, never an address.
    pub guilty: Option<String>,
    /// The module that holds it.
    pub module: Option<String>,
    /// The report's first own backtrace, innermost first.
    pub trace: Vec<Frame>,
    /// It is die()'s own, or it is or ends in a panic.
    pub fatal: bool,
    /// Its end is not in the log.
    pub cut: bool,
    /// The symbol at the instruction pointer, or the place of a WARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The address whose access failed, `0x…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The registers of the first dump of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registers: Vec<Register>,
    /// The instructions of that dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// `Modules linked in:`, with flags as printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// What the kernel was tainted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taint: Option<Taint>,
    /// `[#N]` of die().
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oops: Option<u32>,
    /// The text of the panic that it ends in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// How long the CPU, the task or the pool was stuck, as the report counts it: seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Every other stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<Trace>,
    /// Further reports of the same, which are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
    /// Remarks of the kernel inside the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Index of the report that this one is a consequence of: the first of the same death.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Crash {
    /// A report of which only the head is known yet.
    #[must_use]
    pub fn new(kind: CrashKind, line: u64) -> Self {
        Self {
            kind,
            title: String::new(),
            sentence: String::new(),
            signature: String::new(),
            location: None,
            message: None,
            first_line: line,
            last_line: line,
            timestamp: None,
            caller: None,
            cpu: None,
            task: None,
            release: None,
            guilty: None,
            module: None,
            trace: Vec::new(),
            fatal: false,
            cut: false,
            at: None,
            address: None,
            registers: Vec::new(),
            code: None,
            modules: Vec::new(),
            taint: None,
            oops: None,
            panic: None,
            seconds: None,
            traces: Vec::new(),
            repeats: 0,
            notes: Vec::new(),
            follows: None,
        }
    }

    /// Notes a name or id of the task that is not known yet.
    pub(super) fn note_task(&mut self, comm: Option<&str>, pid: Option<i64>) {
        let task = self.task.get_or_insert_default();
        if task.comm.is_none() {
            task.comm = comm.filter(|c| !c.is_empty()).map(crate::text::keep);
        }
        task.pid = task.pid.or(pid);
        if *task == CrashTask::default() {
            self.task = None;
        }
    }
}
