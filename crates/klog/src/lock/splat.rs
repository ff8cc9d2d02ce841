//! What a report becomes: plain data, every text already made safe to show.
//!
//! The first fields of [`Splat`] are the public contract; what stands below them is the
//! anatomy of single kinds and is left out of the JSON when empty.

use serde::{Deserialize, Serialize};

use crate::lock::kind::Kind;
use crate::lock::parts::{
    AtomicState, Attachment, ChainEntry, ClassDump, HeldLock, IrqSide, IrqTrace, KnownSplat, Lock,
    Missing, Scenario, TaskContext, UsageChange, UsageTrace,
};
use crate::model::{Frame, TaskRef};

/// One lock-debugging report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Splat {
    /// What it is about.
    pub kind: Kind,
    /// One line that names the problem and where it is, the same for the same problem in any run.
    pub title: String,
    /// `file:line` in the source, where the report gives it.
    pub location: Option<String>,
    /// The report's own words about what was wrong.
    pub message: Option<String>,
    /// Seconds since boot at the header line.
    pub timestamp: Option<f64>,
    /// Who printed it: `T91` a task, `C0` a CPU in irq context (PRINTK_CALLER, ring buffer).
    pub caller: Option<String>,
    /// The CPU it ran on.
    pub cpu: Option<u32>,
    /// The task it is about.
    pub task: Option<TaskRef>,
    /// Kernel release.
    pub release: Option<String>,
    /// `rcu_scheduler_active` (suspicious-rcu): 0 inactive, 1 init, 2 running.
    pub rcu_scheduler_active: Option<i64>,
    /// `debug_locks` (suspicious-rcu): with 0 the held locks cannot be trusted.
    pub debug_locks: Option<i64>,
    /// How many held locks the report announces.
    pub held_declared: Option<u32>,
    /// The held locks it lists.
    pub held: Vec<HeldLock>,
    /// Its backtrace.
    pub trace: Vec<Frame>,
    /// Line of the header, from 1.
    pub first_line: u64,
    /// Last line that belongs to it.
    pub last_line: u64,
    /// Id of the known issue that this is.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub known_issue: Option<KnownSplat>,
    /// True when the log broke it off, or a bound of the scanner did.
    pub cut: bool,
    /// What is not there although the kind has it, or was taken from elsewhere.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub missing: Vec<Missing>,
    /// The ring buffer had wrapped, and begins inside this report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beheaded: bool,
    /// The machine crashed while it was being printed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_progress: bool,
    /// What was added to it from the dump's memory, and why that holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_memory: Vec<String>,
    /// What is wrong, in one plain sentence.
    pub sentence: String,
    /// The same text for the same problem on any build: no address, offset, counter or line number.
    pub signature: String,
    /// The function to look at first: the nearest to the problem outside the locking code.
    pub guilty: Option<String>,

    /// What stands beside the release: build and taint (`#1 Not tainted`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taint: Option<String>,
    /// The irq state printed behind the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<TaskContext>,
    /// The lock that was to be taken, released, contended, changed or freed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// The lock held already (or, for inversions, the lock taken under or over it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_lock: Option<Lock>,
    /// The dependency chain of a circular report, as printed: highest index first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<ChainEntry>,
    /// The cycle itself: lock names, each depending on the next, the last on the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<String>,
    /// `Chain exists of:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain_exists: Vec<String>,
    /// The scenario table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Scenario>,
    /// `inconsistent {A} -> {B} usage.`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_change: Option<UsageChange>,
    /// `{STATE} state was registered at:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<UsageTrace>,
    /// The dependency that an irq-order report would create: from, to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<(Lock, Lock)>,
    /// The irq-safe side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irq_safe: Option<IrqSide>,
    /// The irq-unsafe side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irq_unsafe: Option<IrqSide>,
    /// The class dumps of irq reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassDump>,
    /// `irq event stamp:` and its lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irqtrace: Option<IrqTrace>,
    /// `context-{outer:inner}` of a wait-context report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_context: Option<String>,
    /// Memory being freed, first and last byte, `0x…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<(String, String)>,
    /// Symbol at which a lock was released or contended, `caller is`, or the function that WARNed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Counters of the sleep and schedule checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atomic: Option<AtomicState>,
    /// The work function of a leak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// Sentences of the report that qualify it (`RCU used illegally from offline CPU!`, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The second backtrace of a nested-not-held report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second_trace: Vec<Frame>,
    /// Frames whose `Call Trace:` line was overprinted by another CPU: probably this report's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loose_trace: Vec<Frame>,
    /// Texts that stand inside the report and belong beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl Splat {
    /// Every trace that lockdep had stored before, as the report has it.
    pub fn stored_traces_mut(&mut self) -> impl Iterator<Item = &mut Vec<Frame>> {
        let sides = self.irq_safe.iter_mut().chain(&mut self.irq_unsafe);
        let classes = self.classes.iter_mut().flat_map(|class| {
            let usages = class.usages.iter_mut().map(|usage| &mut usage.trace);
            std::iter::once(&mut class.acquired_at).chain(usages)
        });
        let registered = self.registered.iter_mut().map(|usage| &mut usage.trace);
        self.chain
            .iter_mut()
            .map(|link| &mut link.trace)
            .chain(registered)
            .chain(sides.map(|side| &mut side.trace))
            .chain(classes)
    }

    /// A report of which only the header is known yet.
    #[must_use]
    pub fn new(kind: Kind, line: u64) -> Self {
        Self {
            kind,
            title: String::new(),
            location: None,
            message: None,
            timestamp: None,
            caller: None,
            cpu: None,
            task: None,
            release: None,
            rcu_scheduler_active: None,
            debug_locks: None,
            held_declared: None,
            held: Vec::new(),
            trace: Vec::new(),
            first_line: line,
            last_line: line,
            known_issue: None,
            cut: false,
            missing: Vec::new(),
            beheaded: false,
            in_progress: false,
            from_memory: Vec::new(),
            sentence: String::new(),
            signature: String::new(),
            guilty: None,
            taint: None,
            context: None,
            lock: None,
            other_lock: None,
            chain: Vec::new(),
            cycle: Vec::new(),
            chain_exists: Vec::new(),
            scenario: None,
            usage_change: None,
            registered: None,
            dependency: None,
            irq_safe: None,
            irq_unsafe: None,
            classes: Vec::new(),
            irqtrace: None,
            wait_context: None,
            memory: None,
            at: None,
            atomic: None,
            work: None,
            notes: Vec::new(),
            second_trace: Vec::new(),
            loose_trace: Vec::new(),
            attachments: Vec::new(),
        }
    }
}
