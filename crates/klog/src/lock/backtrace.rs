//! The backtrace of a report: whose it is, where it begins and ends, and what belongs to it.

use crate::dumpstack::{CpuLine, StackLine};
use crate::frame::FrameLine;
use crate::limits;
use crate::lock::body;
use crate::lock::kind::Kind;
use crate::lock::open::{Next, Open, Stack, Take};
use crate::model::{Frame, TaskRef};
use crate::text::{indent, keep};

impl Open {
    /// A line by its place in a backtrace.
    pub(super) fn stack_shape(&mut self, shape: &StackLine<'_>, text: &str) -> Take {
        match shape {
            StackLine::Cpu(cpu) => self.cpu_line(cpu),
            StackLine::Head => self.call_trace(),
            StackLine::DamagedHead => {
                if self.backtrace.stack == Stack::Announced && !self.has_trace() {
                    self.backtrace.stack = Stack::Loose;
                    return Take::Yes;
                }
                Take::No
            }
            StackLine::Frame(frame) => self.frame(frame, text),
            StackLine::Mark { opens_task } => self.mark(*opens_task),
            StackLine::UserMode => {
                let ours = self.backtrace.stack == Stack::Ours;
                self.backtrace.user_mode |= ours && self.has_trace();
                if ours { Take::Yes } else { Take::No }
            }
            StackLine::Detail => self.detail(),
            StackLine::End => {
                let warn = self.splat.kind.is_warn() || self.backtrace.oops;
                if warn && (self.caller.is_some() || self.backtrace.stack == Stack::Ours) {
                    Take::Last
                } else {
                    self.end_of_other()
                }
            }
            StackLine::Other => Take::No,
        }
    }

    /// `---[ end trace` where the kind has none: vendors wrap lockdep's reports in a WARN.
    fn end_of_other(&self) -> Take {
        if self.has_trace() && self.caller.is_some() {
            Take::Last
        } else {
            Take::No
        }
    }

    /// Registers and names inside the dump.
    fn detail(&self) -> Take {
        match self.backtrace.stack {
            Stack::Ours | Stack::Announced | Stack::Loose => Take::Yes,
            Stack::Foreign | Stack::Doubtful => Take::No,
            // Modules and registers stand before the CPU line in several kinds.
            Stack::None
                if self.caller.is_some()
                    || self.pace.adjacent
                        && (self.splat.kind.is_warn() || !self.splat.kind.is_framed()) =>
            {
                Take::Yes
            }
            Stack::None => Take::No,
        }
    }

    /// Whether the body is far enough for the backtrace to be due.
    fn is_due(&self) -> bool {
        self.backtrace.announced
            || !self.splat.kind.is_framed()
            || self.splat.held_declared.is_some()
            || self.backtrace.oops
    }

    fn cpu_line(&mut self, cpu: &CpuLine<'_>) -> Take {
        let ids = self.caller.is_some();
        let own = ids || self.pid() == Some(cpu.pid) || self.pid().is_none() && self.is_due();
        if !own {
            // The PIDs disagree: another CPU's dump, or a log put together by hand.
            let fits = self.pace.adjacent
                && self.is_due()
                && self.backtrace.stack == Stack::None
                && self.backtrace.fallback.is_empty();
            self.backtrace.stack = match self.backtrace.stack {
                Stack::Ours if self.has_trace() => Stack::Ours,
                _ if fits => Stack::Doubtful,
                _ => Stack::Foreign,
            };
            return if self.is_complete() {
                Take::Ended
            } else {
                Take::No
            };
        }
        if self.head.undecided {
            return Take::Ended; // no message came: none of ours
        }
        if self.has_trace() && !self.wants_second() {
            return Take::Ended;
        }
        self.close_body();
        self.backtrace.stack = Stack::Announced;
        self.backtrace.foreign_before = false;
        self.cpu_facts(cpu);
        Take::Yes
    }

    /// What the CPU line adds to what the report said itself.
    fn cpu_facts(&mut self, cpu: &CpuLine<'_>) {
        self.splat.cpu = self.splat.cpu.or(cpu.cpu);
        if self.splat.release.is_none() {
            self.splat.release = cpu.release.map(keep);
            self.splat.taint = cpu.taint().map(|t| keep(&t));
        }
        self.set_task(TaskRef {
            comm: keep(cpu.comm),
            pid: cpu.pid,
        });
    }

    /// The second backtrace of a nested-not-held report.
    fn wants_second(&self) -> bool {
        self.splat.kind == Kind::NestedNotHeld
            && self.splat.second_trace.is_empty()
            && !self.backtrace.oops
    }

    /// Nothing of the body is open any more.
    fn close_body(&mut self) {
        body::finish_fragments(self);
        self.body.place = None;
        self.body.due = None;
        self.body.in_held = false;
        self.body.in_scenario = false;
        self.body.in_dump = false;
        self.body.next = Next::Nothing;
    }

    fn call_trace(&mut self) -> Take {
        let ids = self.caller.is_some();
        if self.head.undecided {
            return Take::Ended;
        }
        match self.backtrace.stack {
            Stack::Announced => self.begin_trace(),
            Stack::Doubtful => Take::No,
            Stack::Foreign if !ids => Take::No,
            Stack::Ours | Stack::Loose | Stack::None | Stack::Foreign => {
                if self.has_trace() && !self.wants_second() {
                    return Take::Ended;
                }
                let foreign = std::mem::take(&mut self.backtrace.foreign_before);
                if !ids && (foreign || !(self.is_due() || self.pace.adjacent)) {
                    self.backtrace.stack = Stack::Foreign;
                    return Take::No;
                }
                self.begin_trace()
            }
        }
    }

    fn begin_trace(&mut self) -> Take {
        self.close_body();
        self.backtrace.stack = Stack::Ours;
        self.backtrace.user_mode = false;
        Take::Yes
    }

    /// Whether a frame may stand without `Call Trace:` before it: arm had none until 6.13, and no
    /// `CPU:` line either until 3.10.
    fn begins_bare(&self) -> bool {
        match self.backtrace.stack {
            Stack::Announced => true,
            Stack::None => {
                self.is_due()
                    && !self.backtrace.foreign_before
                    && (self.pace.adjacent || self.caller.is_some())
            }
            _ => false,
        }
    }

    fn mark(&mut self, opens_task: Option<bool>) -> Take {
        if self.backtrace.stack != Stack::Ours {
            return Take::No;
        }
        if let Some(opens) = opens_task {
            self.backtrace.in_task_stack = opens;
        }
        // `</TASK>` is the end of the stack; a WARN still prints its irq trace and an end mark.
        let last = opens_task == Some(false) && self.is_complete() && !self.splat.kind.is_warn();
        if last { Take::Last } else { Take::Yes }
    }

    fn frame(&mut self, line: &FrameLine, text: &str) -> Take {
        if matches!(line, FrameLine::Return(_)) && self.begins_bare() {
            if self.head.undecided {
                return Take::Ended;
            }
            self.begin_trace();
        }
        let stored =
            self.body.place.is_some() && self.backtrace.stack != Stack::Ours && is_stored(text);
        if !stored
            && (self.backtrace.user_mode
                || matches!(
                    self.backtrace.stack,
                    Stack::None | Stack::Foreign | Stack::Announced
                ))
        {
            return Take::No;
        }
        match line {
            FrameLine::Inline(inline) => {
                if self.backtrace.inlined.len() < limits::INLINED {
                    self.backtrace.inlined.push(inline.clone());
                }
            }
            FrameLine::Frame(frame) | FrameLine::Return(frame) => {
                let mut frame = frame.clone();
                frame.inlined = std::mem::take(&mut self.backtrace.inlined);
                if !self.push(frame, stored) {
                    self.bound("frames");
                }
            }
        }
        if self.backtrace.stack == Stack::Doubtful && !stored {
            Take::No
        } else {
            Take::Yes
        }
    }

    /// Adds a frame where it belongs; false when there is no more room.
    fn push(&mut self, frame: Frame, stored: bool) -> bool {
        let list = if stored {
            match body::stored_trace(self) {
                Some(list) => list,
                None => return true,
            }
        } else {
            let second = self.backtrace.second;
            match self.backtrace.stack {
                Stack::Doubtful => &mut self.backtrace.fallback,
                Stack::Loose => &mut self.splat.loose_trace,
                _ if second => &mut self.splat.second_trace,
                _ => &mut self.splat.trace,
            }
        };
        if list.len() >= limits::FRAMES {
            return false;
        }
        list.push(frame);
        true
    }
}

/// Stored traces are indented by two and more; the frames of a dump by one. Where the carrier lost
/// the indentation both stand at the margin.
fn is_stored(text: &str) -> bool {
    indent(text) != 1
}
