//! What a report does with a line that it is offered, and how it ends.

use crate::carrier::LogLine;
use crate::dumpstack::{StackLine, is_foreign_report, is_oops, stack_line};
use crate::limits;
use crate::lock::attachment;
use crate::lock::body;
use crate::lock::kind::Kind;
use crate::lock::open::{Open, Stack, Take};
use crate::lock::parts::Missing;
use crate::lock::splat::Splat;
use crate::model::TaskRef;

impl Open {
    /// Offers a line that may be this report's.
    pub(crate) fn offer(&mut self, line: &LogLine<'_>) -> Take {
        if self.pace.taken >= limits::REPORT_LINES {
            self.bound("lines");
            return Take::Ended;
        }
        if line.text.trim().is_empty() {
            return Take::No; // blank lines stand anywhere and say nothing
        }
        let take = self.classify(line);
        match take {
            Take::Yes | Take::Last => {
                if self.splat.beheaded && self.pace.taken == 1 {
                    self.splat.first_line = line.number;
                    self.splat.timestamp = line.time;
                    self.confirm();
                }
                self.absorb(line);
            }
            Take::No => {
                self.pace.misfits = self.pace.misfits.saturating_add(1);
                self.pace.adjacent = false;
            }
            Take::Ended => {}
        }
        if take == Take::No && self.past_grace() {
            Take::Ended
        } else {
            take
        }
    }

    /// Whether enough misfits followed what looked like the end.
    fn past_grace(&self) -> bool {
        let ids = self.caller.is_some();
        if self.has_trace() && self.backtrace.stack == Stack::Ours {
            let short = ids || self.backtrace.user_mode || self.at_bottom();
            return self.pace.misfits
                >= if short {
                    limits::GRACE_LINES_CALLER
                } else {
                    limits::GRACE_LINES
                };
        }
        // A kind without a backtrace has nothing left once its locks are listed.
        !self.has_backtrace() && self.pace.misfits >= 2
    }

    fn classify(&mut self, line: &LogLine<'_>) -> Take {
        let text = line.text;
        let done = self.backtrace.stack == Stack::Ours && self.has_trace();
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
            return if self.caller.is_some() || self.pace.adjacent {
                Take::Yes
            } else {
                Take::No
            };
        }
        if is_oops(t) {
            if self.has_trace() && self.caller.is_some() {
                return Take::Ended;
            }
            self.backtrace.oops = !self.has_trace();
            if self.caller.is_some() {
                self.body.due = None; // what was due is not coming
            }
            return if self.caller.is_some() && self.backtrace.oops {
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
        if self.backtrace.oops && self.caller.is_some() && !self.has_trace() {
            return Take::Yes; // what an oops says before its trace
        }
        Take::No
    }

    /// The report as it is when nothing more comes; `None` when it turned out to be none.
    pub(crate) fn finish(mut self) -> Option<Splat> {
        if self.head.undecided || self.head.doubtful {
            return None;
        }
        body::finish_fragments(&mut self);
        if let Some(pid) = self.head.expected_pid {
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
        let told = |what: &str| Missing::Told(what.to_owned());
        // Each with whether the report was broken off there.
        let remarks = [
            no_trace.then_some((true, Missing::Backtrace)),
            self.backtrace
                .in_task_stack
                .then(|| (true, told("end of the backtrace"))),
            (listed < declared).then(|| {
                let left = declared.saturating_sub(listed);
                (false, Missing::HeldLocks { left, declared })
            }),
            self.backtrace.oops.then(|| {
                let text = "the report broke off in an oops of its task; the trace is the oops's";
                (true, told(text))
            }),
            (!self.splat.loose_trace.is_empty()).then(|| {
                let text = "the line `Call Trace:` was overprinted; see loose_trace";
                (false, told(text))
            }),
            self.bounded
                .map(|what| (true, told(&format!("more {what} than are kept")))),
        ];
        for (cut, missing) in remarks.into_iter().flatten() {
            self.splat.cut |= cut;
            self.splat.missing.push(missing);
        }
    }

    /// Takes the dump that stood where this report's was due, when no other came.
    fn adopt_fallback(&mut self) {
        if self.splat.trace.is_empty()
            && !self.backtrace.fallback.is_empty()
            && !matches!(self.backtrace.stack, Stack::Ours | Stack::Announced)
        {
            self.splat.trace = std::mem::take(&mut self.backtrace.fallback);
            let told = "a backtrace of its own task; the one that follows names another PID";
            self.splat.missing.push(Missing::Told(told.to_owned()));
        }
    }
}
