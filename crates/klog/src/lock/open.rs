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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stack {
    /// None yet.
    #[default]
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
    pub(crate) head: HeadState,
    pub(crate) body: BodyState,
    pub(crate) backtrace: BacktraceState,
    pub(crate) pace: Pace,
    /// A bound was hit.
    pub(crate) bounded: Option<&'static str>,
}

/// What its header left open.
#[derive(Debug, Default)]
pub(crate) struct HeadState {
    /// A WARN whose kind is not settled.
    pub(crate) undecided: bool,
    /// Dropped unless a line of the body follows.
    pub(crate) doubtful: bool,
    pub(super) expected_pid: Option<i64>,
}

/// Which part of the body is being read, and what it waits for.
#[derive(Debug, Default)]
pub(crate) struct BodyState {
    /// What the next line completes.
    pub(crate) next: Next,
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
}

/// Whose backtrace is being read, and how far it is.
#[derive(Debug, Default)]
pub(crate) struct BacktraceState {
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
    /// A dump whose owner was named before the header had not begun its trace.
    pub(super) foreign_before: bool,
}

/// How the report's lines come among those of others.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Lines taken.
    pub(crate) taken: u64,
    /// Log lines since the last one taken, and those of them of the same caller.
    pub(super) silent: u64,
    pub(super) misfits: u64,
    /// The last line offered was taken.
    pub(crate) adjacent: bool,
}

impl Pace {
    /// At the header.
    fn begin() -> Self {
        Self {
            taken: 1,
            silent: 0,
            misfits: 0,
            adjacent: true,
        }
    }

    /// A line was taken.
    pub(super) fn take(&mut self) {
        *self = Self {
            taken: self.taken.saturating_add(1),
            ..Self::begin()
        };
    }
}

/// A line that the line before asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Next {
    #[default]
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
            head: HeadState {
                undecided,
                ..HeadState::default()
            },
            body: BodyState {
                next,
                ..BodyState::default()
            },
            backtrace: BacktraceState {
                foreign_before,
                ..BacktraceState::default()
            },
            pace: Pace::begin(),
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
        self.head.doubtful = true;
        self.body.next = Next::Nothing;
        if in_trace {
            self.backtrace.stack = Stack::Ours;
        }
    }

    /// The task's PID, where it is known.
    pub(crate) fn pid(&self) -> Option<i64> {
        self.splat
            .task
            .as_ref()
            .map(|t| t.pid)
            .or(self.head.expected_pid)
    }

    /// Notes a PID that came without the name of its task (WARNs up to 6.15).
    pub(crate) fn expect_pid(&mut self, pid: i64) {
        self.head.expected_pid = Some(pid);
    }

    /// Takes a line that belongs to the report although it looks like the header of another.
    pub(crate) fn absorb(&mut self, line: &LogLine<'_>) {
        self.splat.last_line = self.splat.last_line.max(line.number);
        self.pace.take();
    }

    /// Notes the task, once; a name that a mail program broke inside is mended by a whole one.
    pub(crate) fn set_task(&mut self, task: TaskRef) {
        let broken = |known: &TaskRef| {
            known.pid == task.pid
                && task.comm.len() > known.comm.len()
                && task.comm.starts_with(known.comm.trim_end())
        };
        if self.splat.task.as_ref().is_none_or(broken) {
            self.splat.task = Some(task);
        }
    }

    /// Whether the line offered is the first behind the header.
    pub(crate) fn is_at_header(&self) -> bool {
        self.pace.taken == 1 && self.pace.misfits == 0
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
        self.caller.is_none() && self.backtrace.stack == Stack::Announced
    }

    /// Whether nothing of its backtrace can follow.
    pub(crate) fn is_over(&self) -> bool {
        self.is_complete()
            && (self.caller.is_some() || self.backtrace.user_mode || self.at_bottom())
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
        self.body.fragments.is_some() && !text.starts_with(' ')
    }

    /// Counts a line of the log that was not this report's.
    pub(crate) fn pass(&mut self) {
        self.pace.silent = self.pace.silent.saturating_add(1);
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
        self.head.doubtful = false;
    }

    /// Whether the report lies idle: no line for a while and nothing decided.
    pub(crate) fn is_stale(&self) -> bool {
        self.pace.silent > limits::SILENT_LINES
            || (self.head.undecided || self.head.doubtful)
                && self.pace.silent > limits::LOOKBACK_LINES
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
