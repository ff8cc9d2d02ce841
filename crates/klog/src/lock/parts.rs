//! The pieces that lock reports are made of: locks, chains, tables, irq states.

use serde::{Deserialize, Serialize};

use crate::model::{Frame, TaskRef};
use crate::text::{address, is_pointer, keep, number};

/// A lock as a report names it (print_lock, print_lock_name).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Lock {
    /// Address of the lock instance, `0x…`; absent before 4.16, hashed up to 5.3.
    pub address: Option<String>,
    /// Name as printed, with `#V` and `/S`.
    pub name: String,
    /// Name of the class alone: the expression that initialised the lock.
    pub class: String,
    /// `#V`: several classes share the name; this is the V-th, from 2.
    pub version: Option<u32>,
    /// `/S`: lockdep subclass, 1 to 7.
    pub subclass: Option<u32>,
    /// Usage letters (hardirq write and read, softirq write and read: `.`, `-`, `+` or `?`).
    pub usage: Option<String>,
    /// Wait types `outer:inner` (5.7 and later).
    pub wait: Option<String>,
    /// Where it was acquired, as the symbol was printed.
    pub at: Option<String>,
}

impl Lock {
    /// A lock of which nothing is known but where it is: the address names it.
    pub(crate) fn at_address(at: &str) -> Self {
        Self {
            address: Some(keep(at)),
            name: keep(at),
            class: keep(at),
            ..Self::default()
        }
    }

    /// A lock of which only the name is given, split into class, `#V` and `/S`. An address is none.
    pub fn named(name: &str) -> Self {
        if is_pointer(name) && !name.starts_with('(') {
            return Self::at_address(&address(name));
        }
        let mut class = name;
        let subclass = class.rsplit_once('/').and_then(|(c, s)| match number(s) {
            Some((n, "")) if (1..8).contains(&n) && s.len() == 1 => {
                class = c;
                u32::try_from(n).ok()
            }
            _ => None,
        });
        let version = class.rsplit_once('#').and_then(|(c, s)| match number(s) {
            Some((n, "")) if n >= 2 => {
                class = c;
                u32::try_from(n).ok()
            }
            _ => None,
        });
        Self {
            name: keep(name),
            class: keep(class),
            version,
            subclass,
            ..Self::default()
        }
    }
}

/// One entry of a task's held locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct HeldLock {
    /// The `#I` of the line: 0 is the lock taken first.
    pub index: u32,
    /// The lock.
    #[serde(flatten)]
    pub lock: Lock,
    /// Functions that a symbolizer found inlined at [`Lock::at`], innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inlined: Vec<String>,
}

impl HeldLock {
    /// A held lock from its index and the lock printed behind it.
    #[must_use]
    pub fn new(index: u32, lock: Lock) -> Self {
        Self {
            index,
            lock,
            inlined: Vec::new(),
        }
    }
}

/// One link of a dependency chain: `-> #N (NAME){...}:` and the trace of its acquisition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ChainEntry {
    /// N; the chain is printed in reverse, 0 is the acquisition being made now.
    pub index: u32,
    /// The lock class.
    pub lock: Lock,
    /// Where it was acquired while the one below was held.
    pub trace: Vec<Frame>,
}

/// One line of a scenario table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ScenarioStep {
    /// Column: 0 or 1. Absent where the carrier lost the indentation.
    pub cpu: Option<u8>,
    /// `lock`, `rlock`, `sync`, `local_irq_disable`, `<Interrupt>`.
    pub action: String,
    /// The lock, without usage letters.
    pub lock: Option<String>,
}

/// ` Possible unsafe locking scenario:` and its table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Scenario {
    /// The title, without the colon.
    pub title: String,
    /// The steps, from above.
    pub steps: Vec<ScenarioStep>,
}

/// When a lock class got into a usage state: `{IN-SOFTIRQ-W} state was registered at:` and alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct UsageTrace {
    /// The state (`IN-HARDIRQ-W`, `INITIAL USE`, …).
    pub state: String,
    /// Where.
    pub trace: Vec<Frame>,
}

/// `inconsistent {FROM} -> {TO} usage.`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct UsageChange {
    /// The state that was registered before.
    pub from: String,
    /// The state that this use would add.
    pub to: String,
}

/// One side of an irq-order report: the irq-safe or the irq-unsafe lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IrqSide {
    /// What it is, as printed: `HARDIRQ-irq-safe`, `SOFTIRQ-irq-unsafe`, ….
    pub state: String,
    /// The lock class.
    pub lock: Lock,
    /// Where it became so.
    pub trace: Vec<Frame>,
}

/// One class of a dependency dump (print_lock_class_header and the trace behind it).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ClassDump {
    /// The heading that the dump stands under, without the colon.
    pub section: String,
    /// Depth in the dependency path (leading blanks).
    pub depth: u32,
    /// The class.
    pub lock: Lock,
    /// `ops: N` (DEBUG_LOCKDEP).
    pub ops: Option<u64>,
    /// Every usage state with its trace.
    pub usages: Vec<UsageTrace>,
    /// Address of the key, `0x…`.
    pub key_address: Option<String>,
    /// Symbol of the key.
    pub key: Option<String>,
    /// Where it was acquired while the class above was held.
    pub acquired_at: Vec<Frame>,
}

/// One line of an irq trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IrqEvent {
    /// The event's stamp.
    pub stamp: u64,
    /// Where it happened; `0x0` when it never did.
    pub at: String,
}

/// `irq event stamp:` and the four lines behind it (print_irqtrace_events).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IrqTrace {
    /// The task's (since 5.10 the CPU's) event counter.
    pub stamp: u64,
    /// `hardirqs last  enabled at`.
    pub hardirqs_enabled: Option<IrqEvent>,
    /// `hardirqs last disabled at`.
    pub hardirqs_disabled: Option<IrqEvent>,
    /// `softirqs last  enabled at`.
    pub softirqs_enabled: Option<IrqEvent>,
    /// `softirqs last disabled at`.
    pub softirqs_disabled: Option<IrqEvent>,
}

/// `[HCa[b]:SCc[d]:HEe:SEf]` behind a task: its irq state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TaskContext {
    /// As printed, without the brackets.
    pub text: String,
    /// In hard irq context.
    pub hardirq: bool,
    /// In soft irq context.
    pub softirq: bool,
    /// Hard irqs enabled.
    pub hardirqs_enabled: bool,
    /// Soft irqs enabled.
    pub softirqs_enabled: bool,
}

/// `preempt_count` taken apart (include/linux/preempt.h): how deep the task was in each context. What
/// else the number holds (PREEMPT_ACTIVE up to 4.x, the mark of a due switch on x86) is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PreemptCount {
    /// Times that preemption was disabled: bits 0 to 7.
    pub preempt: u64,
    /// Soft irqs; 2 for each time that they were disabled, odd while one is served: bits 8 to 15.
    pub softirq: u64,
    /// Hard irqs: bits 16 to 19.
    pub hardirq: u64,
    /// NMIs: bits 20 to 23.
    pub nmi: u64,
}

impl PreemptCount {
    /// Takes a count apart.
    #[must_use]
    pub fn new(count: u64) -> Self {
        Self {
            preempt: count & 0xff,
            softirq: count >> 8 & 0xff,
            hardirq: count >> 16 & 0xf,
            nmi: count >> 20 & 0xf,
        }
    }
}

/// The counters of the sleep and schedule checks (__might_resched and its kin).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct AtomicState {
    /// `in_atomic()`.
    pub in_atomic: Option<i64>,
    /// `irqs_disabled()`.
    pub irqs_disabled: Option<i64>,
    /// `non_block` (5.4 and later).
    pub non_block: Option<i64>,
    /// `preempt_count`, hexadecimal in the log.
    pub preempt_count: Option<u64>,
    /// The same taken apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contexts: Option<PreemptCount>,
    /// The count that was expected.
    pub preempt_expected: Option<u64>,
    /// `RCU nest depth`.
    pub rcu_depth: Option<i64>,
    /// The depth that was expected.
    pub rcu_expected: Option<i64>,
    /// `Preemption disabled at:`.
    pub preemption_disabled_at: Option<String>,
}

/// Text beside a report that is none itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Attachment {
    /// `lockdep-off`, `held-locks-dump`, `taint`, `hung-owner`, `exited-atomic`.
    pub kind: String,
    /// The line.
    pub text: String,
    /// Its number, from 1.
    pub line: u64,
    /// The task it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskRef>,
    /// `N locks held by`, in a held-locks dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_declared: Option<u32>,
    /// The locks listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldLock>,
}

/// A report that is a known bug of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KnownSplat {
    /// rcu_dereference() of the KVM emergency callback without rcu_read_lock() (RCU is usually
    /// watching); caused by 428afac5a8ea, fixed by fff82ea9d900.
    #[serde(rename = "rcu-splat-in-emergency-callback")]
    RcuInEmergencyCallback,
}

impl KnownSplat {
    /// Its stable id, that of the JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            KnownSplat::RcuInEmergencyCallback => "rcu-splat-in-emergency-callback",
        }
    }
}

/// What a report has not although its kind has it, or has from elsewhere. As JSON it is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Missing {
    /// Its backtrace.
    Backtrace,
    /// Held locks that it announced and did not list.
    HeldLocks {
        /// How many are not there.
        left: u32,
        /// How many it announced.
        declared: u32,
    },
    /// Something else, in words.
    Told(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::Backtrace => f.write_str("backtrace"),
            Missing::HeldLocks { left, declared } => {
                write!(f, "{left} of {declared} held locks")
            }
            Missing::Told(what) => f.write_str(what),
        }
    }
}

impl From<Missing> for String {
    fn from(missing: Missing) -> Self {
        missing.to_string()
    }
}

impl From<String> for Missing {
    fn from(told: String) -> Self {
        Missing::Told(told)
    }
}
