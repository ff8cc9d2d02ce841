//! A report that is being read: its lines in their order, from the head to the end.

mod body;
mod dump;

use super::head::{self, Facts, Head};
use super::kind::CrashKind;
use super::model::Crash;
use crate::carrier::{Caller, LogLine};
use crate::limits;
use crate::text::keep;

/// Where frames go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Target {
    /// No trace has begun: the next frame begins the report's own.
    #[default]
    None,
    /// The report's own.
    Own,
    /// A further one.
    Further,
    /// The trace is over: frames without a new heading belong to nothing.
    Over,
}

/// What a line was to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Yes,
    No,
}

/// A report that is being read.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) crash: Crash,
    pub(super) caller: Option<Caller>,
    /// Other callers that print a part of it: the NMI backtraces of other CPUs.
    guests: Vec<Caller>,
    pub(super) head: HeadState,
    pub(super) dump: DumpState,
    pub(super) pace: Pace,
}

/// What the lines of the head made of it.
#[derive(Debug, Default)]
pub(super) struct HeadState {
    /// It is a report of its own, not only a text that a WARN or a BUG beside it would make one.
    pub(super) firm: bool,
    /// die()'s line was seen.
    pub(super) died: bool,
    /// It is a BUG(), so die()'s line is to come.
    pub(super) bug: bool,
    /// A report of lock debugging: read for what is its own, and left to the other machine.
    pub(super) of_locks: bool,
    /// The function that the head names.
    pub(super) named: Option<String>,
}

/// How far the dump of registers and stacks is.
#[derive(Debug, Default)]
pub(super) struct DumpState {
    /// The first line naming CPU and task was seen.
    has_task_line: bool,
    has_registers: bool,
    /// Where an interrupt came upon what its own CPU did: the symbol of registers inside a stack.
    pub(super) interrupted: Option<String>,
    target: Target,
    /// A heading whose stack has not begun.
    heading: Option<String>,
}

/// How its lines come among those of others.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Lines since the last one of its own.
    quiet: u64,
    /// Lines since the head.
    age: u64,
    /// The end was seen.
    pub(super) ended: bool,
}

impl Open {
    pub(super) fn new(kind: CrashKind, line: &LogLine<'_>) -> Self {
        let mut crash = Crash::new(kind, line.number);
        crash.timestamp = line.time;
        crash.caller = line.caller.map(|c| c.to_string());
        Self {
            crash,
            caller: line.caller,
            guests: Vec::new(),
            head: HeadState {
                firm: true,
                ..HeadState::default()
            },
            dump: DumpState::default(),
            pace: Pace::default(),
        }
    }

    /// A report that begins with this head.
    pub(super) fn of_head(head: &Head<'_>, line: &LogLine<'_>) -> Self {
        let mut open = Self::new(head.kind, line);
        open.head.firm = head.firm;
        open.crash.message = Some(keep(head.text));
        open.note_head(head);
        open
    }

    /// Takes over what a head says.
    pub(super) fn note_head(&mut self, head: &Head<'_>) {
        let facts = head::facts(head.kind, head.text);
        self.note_facts(facts);
        self.head.bug |= head.text.contains("BUG at ");
        self.head.firm |= head.firm;
        if let Some(n) = head.die {
            self.head.died = true;
            self.head.firm = true;
            self.crash.oops = self.crash.oops.or(Some(n));
        }
    }

    fn note_facts(&mut self, facts: Facts) {
        let crash = &mut self.crash;
        crash.cpu = crash.cpu.or(facts.cpu);
        crash.seconds = crash.seconds.or(facts.seconds);
        crash.note_task(facts.comm.as_deref(), facts.pid);
        crash.location = crash.location.take().or(facts.location);
        crash.address = crash.address.take().or(facts.address);
        self.head.named = self.head.named.take().or(facts.function);
    }

    /// Whether the lines of the head may still go on: no line of a dump has come.
    pub(super) fn is_young(&self) -> bool {
        !self.dump.has_task_line
            && self.dump.target == Target::None
            && self.crash.trace.is_empty()
            && self.pace.age <= self.patience()
    }

    /// Lines that a head may wait for its next one: others print in between where no caller ids tell
    /// them apart.
    fn patience(&self) -> u64 {
        if self.head.firm && self.caller.is_none() {
            limits::GRACE_LINES
        } else {
            limits::HEAD_LINES
        }
    }

    /// Whether it gets no more lines.
    pub(super) fn is_stale(&self) -> bool {
        let grace = if !self.head.firm {
            limits::HEAD_LINES
        } else if self.pace.ended || self.caller.is_some() {
            limits::GRACE_LINES_CALLER.saturating_mul(4)
        } else {
            limits::GRACE_LINES
        };
        self.pace.quiet > grace || self.pace.age > limits::REPORT_LINES
    }

    /// Whether this caller's lines may be its own.
    pub(super) fn may_own(&self, caller: Option<Caller>) -> bool {
        match caller {
            Some(c) => self.caller == Some(c) || self.guests.contains(&c),
            None => self.caller.is_none(),
        }
    }

    /// Whether other CPUs print their backtraces into it.
    pub(super) fn asks_others(&self) -> bool {
        matches!(
            self.crash.kind,
            CrashKind::RcuStall
                | CrashKind::SoftLockup
                | CrashKind::HardLockup
                | CrashKind::HungTask
        )
    }

    /// Lets another CPU print into it.
    pub(super) fn invite(&mut self, caller: Caller) {
        if self.guests.len() < limits::GUESTS && !self.guests.contains(&caller) {
            self.guests.push(caller);
        }
    }

    /// One more line of the log went by.
    pub(super) fn pass(&mut self) {
        self.pace.quiet = self.pace.quiet.saturating_add(1);
        self.pace.age = self.pace.age.saturating_add(1);
    }

    /// A line is its own.
    pub(super) fn own(&mut self, line: &LogLine<'_>) {
        self.crash.last_line = self.crash.last_line.max(line.number);
        self.pace.quiet = 0;
    }

    /// The panic that it ends in.
    pub(super) fn panics(&mut self, said: &str, line: &LogLine<'_>) {
        self.own(line);
        self.crash.panic = Some(keep(said));
        self.crash.fatal = true;
        self.head.firm = true;
        // panic() prints a stack of its own; it is the report's where that has none.
        if self.crash.trace.is_empty() {
            self.dump.target = Target::None;
        } else {
            self.end_trace();
            self.dump.heading = Some(keep(line.text.trim()));
        }
    }
}
