//! One report while it is being read.
//!
//! A report has a body, whose lines are known by their own words ([`super::body`]), and a
//! backtrace, which is known by its shape ([`crate::dumpstack`]). Nothing marks the end of most
//! kinds, so a report that has its backtrace ends at the first line that fits nowhere and is
//! followed by nothing that does; without caller ids, when other CPUs print in between, it is given
//! [`limits::GRACE_LINES`].

use crate::carrier::{Caller, LogLine};
use crate::limits;
use crate::lock::kind::Kind;
use crate::lock::line::Fragments;
use crate::lock::parts::Missing;
use crate::lock::splat::Splat;
use crate::model::{Frame, Inlined, TaskRef};
use crate::text::keep;

/// What a line was to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Part of it.
    Yes,
    /// Not part of it.
    No,
    /// Not part of it, and the report has ended.
    Ended,
    /// Part of it, and the last one.
    Last,
}

/// Where a lock line that is due belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockSlot {
    Lock,
    Other,
    Safe,
    Unsafe,
    Dependency,
    NestName,
}

/// Where the frames of a stored trace belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceSlot {
    Chain,
    Registered,
    Safe,
    Unsafe,
    ClassUsage,
    ClassAcquired,
}

/// Whose backtrace is being printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// None yet.
    None,
    /// This report's, its `Call Trace:` still to come.
    Announced,
    /// This report's.
    Ours,
    /// Another task's.
    Foreign,
    /// Another task's by its PID, but it stands where this report's is due.
    Doubtful,
    /// Its `Call Trace:` was written over.
    Loose,
}

/// A report being read.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) splat: Splat,
    pub(crate) caller: Option<Caller>,
    /// The header had a prefix: lines without one are no lines of this report.
    pub(crate) prefixed: bool,
    /// A WARN whose kind is not settled.
    pub(crate) undecided: bool,
    /// Dropped unless a line of the body follows.
    pub(crate) doubtful: bool,
    pub(super) expected_pid: Option<i64>,
    pub(crate) due: Option<LockSlot>,
    pub(crate) place: Option<TraceSlot>,
    pub(crate) fragments: Option<Fragments>,
    /// In the held-lock list.
    pub(crate) in_held: bool,
    /// In a scenario table.
    pub(crate) in_scenario: bool,
    /// In a dump of all tasks' locks.
    pub(crate) in_dump: bool,
    /// Heading of the class dumps.
    pub(crate) section: String,
    /// What the next line completes.
    pub(crate) next: Next,
    pub(crate) stack: Stack,
    /// `stack backtrace:` was there.
    pub(crate) announced: bool,
    /// It was there again, behind the first backtrace.
    pub(crate) second: bool,
    pub(crate) oops: bool,
    pub(crate) user_mode: bool,
    /// `<TASK>` was there, `</TASK>` not yet.
    pub(super) in_task_stack: bool,
    pub(super) fallback: Vec<Frame>,
    pub(super) inlined: Vec<Inlined>,
    /// Lines taken.
    pub(crate) taken: u64,
    /// Log lines since the last one taken, and those of them of the same caller.
    pub(super) silent: u64,
    pub(super) misfits: u64,
    /// The last line offered was taken.
    pub(crate) adjacent: bool,
    /// A dump whose owner was named before the header had not begun its trace.
    pub(super) foreign_before: bool,
    /// A bound was hit.
    pub(crate) bounded: Option<&'static str>,
}

/// A line that the line before asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    PreemptionDisabledAt,
    ReleasedAt,
    ChainExists,
    RcuMessage,
}

impl Open {
    /// Opens a report at its header line.
    pub(crate) fn new(
        splat: Splat,
        line: &LogLine<'_>,
        undecided: bool,
        foreign_before: bool,
    ) -> Self {
        let next = if splat.kind == Kind::SuspiciousRcu {
            Next::RcuMessage
        } else {
            Next::Nothing
        };
        Self {
            splat,
            caller: line.caller,
            prefixed: line.prefixed,
            undecided,
            doubtful: false,
            expected_pid: None,
            due: None,
            place: None,
            fragments: None,
            in_held: false,
            in_scenario: false,
            in_dump: false,
            section: String::new(),
            next,
            stack: Stack::None,
            announced: false,
            second: false,
            oops: false,
            user_mode: false,
            in_task_stack: false,
            fallback: Vec::new(),
            inlined: Vec::new(),
            taken: 1,
            silent: 0,
            misfits: 0,
            adjacent: true,
            foreign_before,
            bounded: None,
        }
    }

    /// Makes it one that begins in its middle, or even in its backtrace. It stands only if lines of it
    /// are found.
    pub(crate) fn lose_head(&mut self, in_trace: bool) {
        self.splat.beheaded = true;
        self.splat.cut = true;
        let told = "its head: the ring buffer has overwritten it; the kind is told by what is left";
        self.splat.missing.push(Missing::Told(told.to_owned()));
        self.doubtful = true;
        self.next = Next::Nothing;
        if in_trace {
            self.stack = Stack::Ours;
        }
    }

    /// The task's PID, where it is known.
    pub(crate) fn pid(&self) -> Option<i64> {
        self.splat
            .task
            .as_ref()
            .map(|t| t.pid)
            .or(self.expected_pid)
    }

    /// Notes a PID that came without the name of its task (WARNs up to 6.15).
    pub(crate) fn expect_pid(&mut self, pid: i64) {
        self.expected_pid = Some(pid);
    }

    /// Takes a line that belongs to the report although it looks like the header of another.
    pub(crate) fn absorb(&mut self, line: &LogLine<'_>) {
        self.splat.last_line = self.splat.last_line.max(line.number);
        self.taken = self.taken.saturating_add(1);
        self.silent = 0;
        self.misfits = 0;
        self.adjacent = true;
    }

    /// Notes the task, once.
    pub(crate) fn set_task(&mut self, task: TaskRef) {
        if self.splat.task.is_none() {
            self.splat.task = Some(task);
        }
    }

    /// Whether the line offered is the first behind the header.
    pub(crate) fn is_at_header(&self) -> bool {
        self.taken == 1 && self.misfits == 0
    }

    /// Whether the trace has reached a function that nothing in the kernel calls.
    pub(super) fn at_bottom(&self) -> bool {
        const BOTTOM: &[&str] = &[
            "entry_SYSCALL",
            "entry_SYSENTER",
            "entry_INT80",
            "ret_from_fork",
            "ret_fast_syscall",
            "ret_from_syscall",
            "el0_sync",
            "el0t_64_sync",
            "el0t_32_sync",
            "system_call",
            "sysenter_",
            "syscall_",
            "tracesys",
            "secondary_startup",
            "x86_64_start_kernel",
            "__primary_switched",
        ];
        let last = self.splat.trace.iter().rev().find(|f| f.reliable);
        last.is_some_and(|f| BOTTOM.iter().any(|b| f.function.starts_with(b)))
    }

    /// Whether the next `Call Trace:` without a caller id is this report's.
    pub(crate) fn awaits_trace(&self) -> bool {
        self.caller.is_none() && self.stack == Stack::Announced
    }

    /// Whether nothing of its backtrace can follow.
    pub(crate) fn is_over(&self) -> bool {
        self.is_complete() && (self.caller.is_some() || self.user_mode || self.at_bottom())
    }

    /// Notes that the console dropped messages while the report was being printed.
    pub(crate) fn lost(&mut self, what: &str) {
        if !self.is_over() && self.splat.missing.len() < limits::REMARKS {
            self.splat.missing.push(Missing::Told(keep(what)));
            self.splat.cut = true;
        }
    }

    /// Notes that something was left out.
    pub(crate) fn bound(&mut self, what: &'static str) {
        self.bounded.get_or_insert(what);
    }

    /// Whether the report's own backtrace has frames.
    pub(crate) fn has_trace(&self) -> bool {
        !self.splat.trace.is_empty()
    }

    /// Whether everything the kind has was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.has_trace()
            && (self.splat.kind != Kind::NestedNotHeld || !self.splat.second_trace.is_empty())
    }

    /// Whether a line may be one of this report's by its caller and prefix.
    pub(crate) fn may_own(&self, line: &LogLine<'_>) -> bool {
        if self.caller.is_some() {
            return self.caller == line.caller;
        }
        line.caller.is_none()
            && (line.prefixed == self.prefixed
                || !line.prefixed && self.wants_unprefixed(line.text))
    }

    /// A line that mail wrapped, or a cut made by hand, has no prefix of its own.
    fn wants_unprefixed(&self, text: &str) -> bool {
        self.fragments.is_some() && !text.starts_with(' ')
    }

    /// Counts a line of the log that was not this report's.
    pub(crate) fn pass(&mut self) {
        self.silent = self.silent.saturating_add(1);
    }

    /// Whether the kernel ends this report with a backtrace: `Maximum lock depth …` stands alone.
    pub(crate) fn has_backtrace(&self) -> bool {
        self.splat.kind.has_backtrace()
            && (self.splat.kind != Kind::RtmutexWarn
                || self.splat.at.is_some()
                || self.splat.location.is_some())
    }

    /// Notes what came of a doubtful header: it has a body.
    pub(crate) fn confirm(&mut self) {
        self.doubtful = false;
    }

    /// Whether the report lies idle: no line for a while and nothing decided.
    pub(crate) fn is_stale(&self) -> bool {
        self.silent > limits::SILENT_LINES
            || (self.undecided || self.doubtful) && self.silent > limits::LOOKBACK_LINES
    }

    /// Whether a task header in the log may be this report's list.
    pub(crate) fn is_task(&self, task: &TaskRef) -> bool {
        self.pid().is_none_or(|pid| pid == task.pid)
    }

    /// Reads a task that a body line names.
    pub(crate) fn task_from(&mut self, who: &str) -> bool {
        match TaskRef::parse(who) {
            Some(task) => {
                self.set_task(task);
                true
            }
            None => false,
        }
    }
}
