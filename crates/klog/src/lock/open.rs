//! One report while it is being read.
//!
//! A report has a body, whose lines are known by their own words ([`super::anatomy`]), and a
//! backtrace, which is known by its shape ([`super::dumpstack`]). Nothing marks the end of most
//! kinds, so a report that has its backtrace ends at the first line that fits nowhere and is
//! followed by nothing that does; without caller ids, when other CPUs print in between, it is given
//! [`limits::GRACE_LINES`].

mod backtrace;

use crate::carrier::{Caller, LogLine};
use crate::dumpstack::{StackLine, is_foreign_report, is_oops, stack_line};
use crate::limits;
use crate::lock::attachment;
use crate::lock::body;
use crate::lock::kind::Kind;
use crate::lock::line::Fragments;
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
    expected_pid: Option<i64>,
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
    in_task_stack: bool,
    fallback: Vec<Frame>,
    inlined: Vec<Inlined>,
    /// Lines taken.
    pub(crate) taken: u64,
    /// Log lines since the last one taken, and those of them of the same caller.
    silent: u64,
    misfits: u64,
    /// The last line offered was taken.
    pub(crate) adjacent: bool,
    /// A dump whose owner was named before the header had not begun its trace.
    foreign_before: bool,
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
        self.splat.missing.push(
            "its head: the ring buffer has overwritten it; the kind is told by what is left"
                .to_owned(),
        );
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
    fn at_bottom(&self) -> bool {
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
            self.splat.missing.push(keep(what));
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

    /// Offers a line that may be this report's.
    pub(crate) fn offer(&mut self, line: &LogLine<'_>) -> Take {
        if self.taken >= limits::REPORT_LINES {
            self.bound("lines");
            return Take::Ended;
        }
        if line.text.trim().is_empty() {
            return Take::No; // blank lines stand anywhere and say nothing
        }
        let take = self.classify(line);
        match take {
            Take::Yes | Take::Last => {
                if self.splat.beheaded && self.taken == 1 {
                    self.splat.first_line = line.number;
                    self.splat.timestamp = line.time;
                    self.confirm();
                }
                self.absorb(line);
            }
            Take::No => {
                self.misfits = self.misfits.saturating_add(1);
                self.adjacent = false;
            }
            Take::Ended => {}
        }
        if take == Take::No && self.past_grace() {
            Take::Ended
        } else {
            take
        }
    }

    /// Counts a line of the log that was not this report's.
    pub(crate) fn pass(&mut self) {
        self.silent = self.silent.saturating_add(1);
    }

    /// Whether enough misfits followed what looked like the end.
    fn past_grace(&self) -> bool {
        let ids = self.caller.is_some();
        if self.has_trace() && self.stack == Stack::Ours {
            let short = ids || self.user_mode || self.at_bottom();
            return self.misfits
                >= if short {
                    limits::GRACE_LINES_CALLER
                } else {
                    limits::GRACE_LINES
                };
        }
        // A kind without a backtrace has nothing left once its locks are listed.
        !self.has_backtrace() && self.misfits >= 2
    }

    /// Whether the kernel ends this report with a backtrace: `Maximum lock depth …` stands alone.
    pub(crate) fn has_backtrace(&self) -> bool {
        self.splat.kind.has_backtrace()
            && (self.splat.kind != Kind::RtmutexWarn
                || self.splat.at.is_some()
                || self.splat.location.is_some())
    }

    fn classify(&mut self, line: &LogLine<'_>) -> Take {
        let text = line.text;
        let done = self.stack == Stack::Ours && self.has_trace();
        let body_open =
            !done || self.splat.kind == Kind::NestedNotHeld || self.splat.kind.is_warn();
        if body_open && body::take(self, line) {
            return Take::Yes;
        }
        let shape = stack_line(text);
        let take = self.stack_shape(&shape, text);
        if take != Take::No {
            return take;
        }
        if matches!(shape, StackLine::Other) {
            self.stranger(text, line)
        } else {
            Take::No
        }
    }

    /// A line that neither the body nor a backtrace has.
    fn stranger(&mut self, text: &str, line: &LogLine<'_>) -> Take {
        let t = text.trim();
        if let Some(attached) = attachment::beside(t, line.number)
            && !self.has_trace()
            && self.splat.attachments.len() < limits::ATTACHMENTS
        {
            self.splat.attachments.push(attached);
            return Take::Yes;
        }
        if t.starts_with("Kernel panic - not syncing") {
            // panic_on_warn and __schedule_bug panic before the backtrace, which then is the report's.
            if self.has_trace() {
                return if self.is_over() {
                    Take::Ended
                } else {
                    Take::No
                };
            }
            return if self.caller.is_some() || self.adjacent {
                Take::Yes
            } else {
                Take::No
            };
        }
        if is_oops(t) {
            if self.has_trace() && self.caller.is_some() {
                return Take::Ended;
            }
            self.oops = !self.has_trace();
            if self.caller.is_some() {
                self.due = None; // what was due is not coming
            }
            return if self.caller.is_some() && self.oops {
                Take::Yes
            } else {
                Take::No
            };
        }
        if is_foreign_report(t) && self.is_complete() && self.at_bottom() {
            return Take::Ended; // its frames must not become this report's
        }
        if is_foreign_report(t) && self.caller.is_some() {
            // lockdep_init_map_type() prints its line, then WARNs.
            let warns = self.splat.kind == Kind::UnregisteredKey && !self.has_trace();
            return if warns { Take::Yes } else { Take::Ended };
        }
        if self.oops && self.caller.is_some() && !self.has_trace() {
            return Take::Yes; // what an oops says before its trace
        }
        Take::No
    }

    /// The report as it is when nothing more comes; `None` when it turned out to be none.
    pub(crate) fn finish(mut self) -> Option<Splat> {
        if self.undecided || self.doubtful {
            return None;
        }
        body::finish_fragments(&mut self);
        if let Some(pid) = self.expected_pid {
            let comm = String::new(); // a WARN up to 6.15 has the number only
            self.set_task(TaskRef { comm, pid });
        }
        self.adopt_fallback();
        self.note_missing();
        self.splat.complete();
        Some(self.splat)
    }

    /// Says what the kind has and the report has not.
    fn note_missing(&mut self) {
        let declared = self.splat.held_declared.unwrap_or(0);
        let listed = u32::try_from(self.splat.held.len()).unwrap_or(u32::MAX);
        let no_trace = self.splat.trace.is_empty() && self.has_backtrace();
        // Each with whether the report was broken off there.
        let remarks = [
            no_trace.then(|| (true, "backtrace".to_owned())),
            self.in_task_stack
                .then(|| (true, "end of the backtrace".to_owned())),
            (listed < declared).then(|| {
                let left = declared.saturating_sub(listed);
                (false, format!("{left} of {declared} held locks"))
            }),
            self.oops.then(|| {
                let text = "the report broke off in an oops of its task; the trace is the oops's";
                (true, text.to_owned())
            }),
            (!self.splat.loose_trace.is_empty()).then(|| {
                let text = "the line `Call Trace:` was overprinted; see loose_trace";
                (false, text.to_owned())
            }),
            self.bounded
                .map(|what| (true, format!("more {what} than are kept"))),
        ];
        for (cut, text) in remarks.into_iter().flatten() {
            self.splat.cut |= cut;
            self.splat.missing.push(text);
        }
    }

    /// Takes the dump that stood where this report's was due, when no other came.
    fn adopt_fallback(&mut self) {
        if self.splat.trace.is_empty()
            && !self.fallback.is_empty()
            && !matches!(self.stack, Stack::Ours | Stack::Announced)
        {
            self.splat.trace = std::mem::take(&mut self.fallback);
            self.splat.missing.push(
                "a backtrace of its own task; the one that follows names another PID".to_owned(),
            );
        }
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
