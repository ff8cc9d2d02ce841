//! The open reports, and which of them a line belongs to.
//!
//! With caller ids a line goes to the report of its caller, without to the newest. One task prints one
//! report at a time, so a head of the same caller ends the report before it, unless the two are one:
//! the text before a WARN or a BUG, die()'s line, the second line of a burst.

use std::borrow::Cow;

use super::finish;
use super::head::{self, Head};
use super::kind::{CrashKind, Nature};
use super::model::Crash;
use super::open::{Open, Take};
use crate::Splat;
use crate::carrier::{Caller, LogLine};
use crate::limits;
use crate::lock::{self, WarnLine};
use crate::text::keep;

/// Panics that end a lock report.
const LOCK_ENDS: &[&str] = &["panic_on_warn set", "scheduling while atomic"];

/// A `cut here` line whose report has not come.
#[derive(Clone, Copy, Debug)]
struct Cut {
    line: u64,
    time: Option<f64>,
    caller: Option<Caller>,
}

/// Reads kernel lines and collects reports.
#[derive(Debug, Default)]
pub(crate) struct CrashReports {
    open: Vec<Open>,
    done: Vec<Open>,
    cut: Option<Cut>,
    /// The last text that was no part of a report, behind `cut here`: the message of a WARN.
    said: Option<(u64, Option<Caller>, String)>,
    left_out: u64,
}

impl CrashReports {
    /// Whether lines may be skipped: nothing is open that one could belong to.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Reads one line.
    pub(crate) fn line(&mut self, line: &LogLine<'_>) {
        let t = line.text.trim();
        for open in &mut self.open {
            open.pass();
        }
        if head::is_cut_here(t) {
            self.cut_here(line);
        } else if let Some(said) = head::panic_line(t) {
            self.panic(said, line);
        } else if !self.begins(t, line) {
            self.offer(t, line);
        }
        self.retire();
    }

    /// Everything that was found, but for what `splats` are the report of.
    pub(crate) fn finish(mut self, splats: &[Splat]) -> (Vec<Crash>, u64) {
        self.done.append(&mut self.open);
        (finish::crashes(self.done, splats), self.left_out)
    }

    fn cut_here(&mut self, line: &LogLine<'_>) {
        self.cut = Some(Cut {
            line: line.number,
            time: line.time,
            caller: line.caller,
        });
        self.said = None;
        if let Some(open) = self.own(line.caller).filter(|o| !o.head.firm) {
            open.own(line);
        }
    }

    /// The report of that caller, the newest first.
    fn own(&mut self, caller: Option<Caller>) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|o| o.may_own(caller))
    }

    /// Moves what gets no more lines to the finished ones; what never became a report is dropped.
    fn retire(&mut self) {
        let mut at = 0;
        while let Some(open) = self.open.get(at) {
            if open.is_stale() {
                let open = self.open.remove(at);
                self.close(open);
            } else {
                at = at.saturating_add(1);
            }
        }
    }

    fn close(&mut self, open: Open) {
        if !open.head.firm {
            return;
        }
        if self.done.len() < limits::REPORTS {
            self.done.push(open);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Opens a report, and ends the one of the same caller.
    fn start(&mut self, mut open: Open) {
        if let Some(cut) = self.cut.take()
            && open.crash.panic.is_none()
            && cut.caller == open.caller
            && open.crash.first_line.saturating_sub(cut.line) <= limits::HEAD_LINES
        {
            open.crash.first_line = cut.line;
            open.crash.timestamp = cut.time.or(open.crash.timestamp);
        }
        let (ended, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|o| o.caller == open.caller);
        self.open = others;
        ended.into_iter().for_each(|o| self.close(o));
        if self.open.len() >= limits::OPEN_REPORTS {
            let oldest = self.open.remove(0);
            self.close(oldest);
        }
        self.open.push(open);
    }
}

impl CrashReports {
    /// Whether the line begins a report, or goes on with the head of one.
    fn begins(&mut self, t: &str, line: &LogLine<'_>) -> bool {
        if let Some(text) = warn_text(t)
            && let Some(warn) = lock::warn_line(&text)
        {
            self.warn(&warn, line);
            return true;
        }
        if lock::begins(t) {
            let mut open = Open::new(CrashKind::BugText, line);
            open.head.of_locks = true;
            self.start(open);
            return true;
        }
        let Some(head) = head::head(t) else {
            return false;
        };
        if self.joins(&head, line) {
            return true;
        }
        self.start(Open::of_head(&head, line));
        true
    }

    /// Whether a head is a further line of the report that is open.
    fn joins(&mut self, head: &Head<'_>, line: &LogLine<'_>) -> bool {
        let Some(open) = self.own(line.caller) else {
            return false;
        };
        let burst = head.kind == open.crash.kind && head.kind.spec().is_some_and(|s| s.burst);
        if burst {
            // The lines of one machine check are one report; a line of another kind of source counts.
            open.own(line);
            if head.kind != CrashKind::Mce {
                open.crash.repeats = open.crash.repeats.saturating_add(1);
            }
            return true;
        }
        if !open.is_young() || open.head.of_locks {
            return false;
        }
        let is_oops = open.crash.kind.nature() == Nature::Oops;
        let joins = match (open.crash.kind, head.kind) {
            // die()'s line behind the text that says why.
            (_, _)
                if head.die.is_some()
                    && !open.head.died
                    && (is_oops || !open.head.firm || open.head.bug) =>
            {
                true
            }
            // A jump to bad memory is told twice.
            (CrashKind::ExecFault, CrashKind::PageFault | CrashKind::NullDeref) => true,
            // A text that names the kind of a BUG.
            (_, CrashKind::KernelBug) if !open.head.firm => true,
            // The message of a WARN behind its line (up to 4.5, and where a WARN is no trap).
            (CrashKind::Warning, _) if !head.firm || head.kind == CrashKind::HardLockup => {
                open.crash.kind = head.kind;
                open.crash.message = Some(keep(head.text));
                true
            }
            (CrashKind::Warning, _) => false,
            // Two lines of arm on one fault; a later one is of another, and this one was user space's.
            (CrashKind::CpuTrap, CrashKind::CpuTrap) => {
                !open.head.firm
                    && open.crash.address.is_none()
                    && line.number.saturating_sub(open.crash.last_line) == 1
            }
            (a, b) if a == b && !open.head.firm => true,
            (CrashKind::Kmemleak, CrashKind::Kmemleak) => open.crash.task.is_none(),
            (CrashKind::DoubleFault | CrashKind::StackOverflow, _) => is_oops && head.die.is_some(),
            _ => false,
        };
        if joins {
            open.note_head(head);
            if head.kind == CrashKind::KernelBug {
                open.head.firm = true;
            }
            open.own(line);
        }
        joins
    }

    /// A WARN: of its own, or beside the text that names its kind.
    fn warn(&mut self, warn: &WarnLine<'_>, line: &LogLine<'_>) {
        let beside = self.own(line.caller).filter(|o| {
            o.is_young()
                && !o.head.of_locks
                && (!o.head.firm
                    || matches!(
                        o.crash.kind,
                        CrashKind::BugText | CrashKind::HardLockup | CrashKind::Cfi
                    ))
        });
        if let Some(open) = beside {
            open.head.firm = true;
            note_warn(open, warn);
            open.own(line);
            self.cut = None;
            return;
        }
        let mut open = Open::new(CrashKind::Warning, line);
        note_warn(&mut open, warn);
        open.crash.message = self
            .said
            .take()
            .filter(|(at, caller, _)| {
                *caller == line.caller && line.number.saturating_sub(*at) <= limits::HEAD_LINES
            })
            .map(|(_, _, text)| text);
        self.start(open);
    }

    /// A panic: the end of a report, or one of its own.
    fn panic(&mut self, said: &str, line: &LogLine<'_>) {
        if let Some(open) = self.ended_by(said, line) {
            open.panics(said, line);
            return;
        }
        let kind = head::panic_kind(said);
        let mut open = Open::new(kind, line);
        open.crash.message = Some(keep(said));
        open.note_head(&Head {
            kind,
            firm: true,
            die: None,
            text: said,
        });
        open.crash.panic = Some(keep(said));
        open.crash.fatal = true;
        self.start(open);
    }

    /// The report that a panic of that text ends: the newest of a kind that does. One that was
    /// finished is open again.
    fn ended_by(&mut self, said: &str, line: &LogLine<'_>) -> Option<&mut Open> {
        let ends = |o: &Open| {
            let near = line.number.saturating_sub(o.crash.last_line) <= limits::SILENT_LINES;
            let same = o.caller.is_none() || line.caller.is_none() || o.caller == line.caller;
            let init = said.starts_with("Attempted to kill init")
                && o.crash.kind.nature() == Nature::Oops
                && o.crash.task.as_ref().is_some_and(|t| t.pid == Some(1));
            o.crash.panic.is_none()
                && near
                && (same || o.asks_others())
                && (init
                    || head::ends_in(o.crash.kind, said)
                    || o.head.of_locks && LOCK_ENDS.iter().any(|end| said.contains(end)))
        };
        if let Some(at) = self.open.iter().rposition(ends) {
            return self.open.get_mut(at);
        }
        let at = self.done.iter().rposition(ends)?;
        let open = self.done.remove(at);
        self.start(open);
        self.open.last_mut()
    }

    /// A line that begins nothing.
    fn offer(&mut self, t: &str, line: &LogLine<'_>) {
        // Another CPU answers a report that asked for its backtrace.
        if let Some(caller) = line.caller
            && t.starts_with("NMI backtrace for cpu")
            && !self.open.iter().any(|o| o.may_own(Some(caller)))
            && let Some(host) = self.open.iter_mut().rev().find(|o| o.asks_others())
        {
            host.invite(caller);
        }
        let taken = match self.own(line.caller) {
            Some(open) => open.offer(line),
            None => Take::No,
        };
        if taken == Take::No && self.cut.is_some_and(|c| c.caller == line.caller) && !t.is_empty() {
            self.said = Some((line.number, line.caller, keep(t)));
        }
    }
}

fn note_warn(open: &mut Open, warn: &WarnLine<'_>) {
    let crash = &mut open.crash;
    crash.location = warn.location.map(keep).or(crash.location.take());
    crash.at = warn.symbol.clone().or(crash.at.take());
    crash.cpu = crash.cpu.or(warn.cpu);
    let comm = warn.task.as_ref().map(|t| t.comm.as_str());
    crash.note_task(comm, warn.pid);
    if crash.message.is_none() {
        crash.message = warn.condition.map(keep);
    }
}

/// What follows `WARNING: ` of a WARN. Some collectors lose the blank behind `at`.
fn warn_text(t: &str) -> Option<Cow<'_, str>> {
    let rest = t.strip_prefix("WARNING: ")?;
    match rest
        .strip_prefix("at")
        .filter(|p| p.contains('/') && !p.starts_with(' '))
    {
        Some(place) => Some(Cow::Owned(format!("at {place}"))),
        None => Some(Cow::Borrowed(rest)),
    }
}
