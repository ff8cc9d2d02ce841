//! The open reports, and which of them a line belongs to.
//!
//! With caller ids a line goes to the reports of its caller. Without, it is offered to the open
//! reports, the newest first: a line of a body is known by its words, a backtrace by the PID of its
//! `CPU:` line. One task prints one report at a time, so a new header of the same caller ends the one
//! before it.

use crate::carrier::{Caller, LogLine};
use crate::dumpstack::{StackLine, stack_line};
use crate::limits;
use crate::lock::attachment::Collector;
use crate::lock::head_lost::{self, HeadLost};
use crate::lock::header::{Head, Header, header, header_behind};
use crate::lock::kind::Kind;
use crate::lock::open::{Open, Take};
use crate::lock::parts::Attachment;
use crate::lock::splat::Splat;
use crate::lock::warn::{WarnLine, message_kind, message_text, place_kind};
use crate::record::Record;
use crate::text::{is_rule, keep};

/// What was printed before a `WARNING:` line by the same caller.
#[derive(Debug)]
struct WarnContext {
    caller: Option<Caller>,
    line: u64,
    /// A message that names the kind.
    message: Option<(Kind, String)>,
    /// The last text behind `[ cut here ]`.
    text: Option<String>,
    cut_here: bool,
}

/// Reads kernel lines, keeps open reports, and collects finished ones.
#[derive(Debug, Default)]
pub(crate) struct LockReports {
    open: Vec<Open>,
    done: Vec<Splat>,
    /// Lines that the reports in `done` take.
    kept_lines: u64,
    /// Headers passed over since there is no more room.
    left_out: u64,
    contexts: Vec<WarnContext>,
    beside: Collector,
    /// Line of the last `CPU:` line without caller id whose `Call Trace:` has not come.
    announced: Option<u64>,
    /// The last line that had a prefix.
    last_prefixed: Option<u64>,
    line: u64,
    /// Lines read and offered: what the work is proportional to.
    #[cfg(test)]
    pub(crate) work: u64,
}

/// What the lines held.
#[derive(Debug)]
pub(crate) struct Found {
    /// The reports, in the order of their headers.
    pub(crate) splats: Vec<Splat>,
    /// What stands beside them.
    pub(crate) attachments: Vec<Attachment>,
    /// Headers of reports that there was no room for.
    pub(crate) left_out: u64,
}

impl LockReports {
    /// Whether lines may be skipped: nothing is open that a line could belong to.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && !self.beside.is_open(self.line.saturating_add(1))
    }

    /// Reads one line.
    pub(crate) fn line(&mut self, line: &LogLine<'_>) {
        self.line = line.number;
        self.count_work();
        self.note_loss(line.text);
        if !self.begins(line) && !self.offered(line) && !line.text.trim().is_empty() {
            self.remember(line);
            self.beside.offer(line);
        }
        if line.prefixed {
            self.last_prefixed = Some(line.number);
        }
        for open in &mut self.open {
            open.pass();
        }
        if self.open.iter().any(Open::is_stale) {
            let (stale, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
                .into_iter()
                .partition(Open::is_stale);
            self.open = open;
            stale.into_iter().for_each(|o| self.close(o));
        }
    }

    /// Looks at the records of a ring: one that wrapped may begin inside a report.
    pub(crate) fn wrapped(&mut self, records: &[Record<'_>]) {
        if let Some(rest) = head_lost::find(records) {
            self.begin_without_head(&rest);
        }
    }

    /// Opens a report whose head is lost: its lines come from the first one on.
    fn begin_without_head(&mut self, rest: &HeadLost) {
        let mut open = Open::new(
            Splat::new(rest.kind, 1),
            &LogLine {
                number: 1,
                time: None,
                caller: rest.caller,
                prefixed: true,
                text: "",
            },
            false,
            false,
        );
        open.lose_head(rest.in_trace);
        open.splat.caller = rest.caller.map(|c| c.to_string());
        self.open.push(open);
    }

    /// Everything that was found; open reports end here.
    pub(crate) fn finish(mut self) -> Found {
        for open in std::mem::take(&mut self.open) {
            self.close(open);
        }
        self.done.sort_by_key(|s| s.first_line);
        Found {
            splats: self.done,
            attachments: self.beside.found,
            left_out: self.left_out,
        }
    }

    #[cfg(test)]
    fn count_work(&mut self) {
        self.work += 1;
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self)]
    fn count_work(&self) {}

    fn close(&mut self, open: Open) {
        let lines = open.pace.taken;
        if let Some(splat) = open.finish() {
            tracing::debug!(kind = %splat.kind, line = splat.first_line, "lock report");
            self.kept_lines = self.kept_lines.saturating_add(lines);
            self.done.push(splat);
        }
    }

    /// Whether no further report is kept.
    fn is_full(&self) -> bool {
        self.done.len().saturating_add(self.open.len()) >= limits::REPORTS
            || self.kept_lines >= limits::KEPT_LINES
    }

    /// `** N printk messages dropped **`: the console lost lines that an open report may have had.
    fn note_loss(&mut self, text: &str) {
        let lost = text
            .trim()
            .strip_prefix("** ")
            .and_then(|t| t.strip_suffix(" **"))
            .filter(|t| t.ends_with("messages dropped") || t.ends_with("message dropped"));
        if let Some(lost) = lost {
            self.open.iter_mut().for_each(|o| o.lost(lost));
        }
    }

    /// Offers a line to the open reports.
    fn offered(&mut self, line: &LogLine<'_>) -> bool {
        for at in (0..self.open.len()).rev() {
            let Some(open) = self.open.get_mut(at) else {
                continue;
            };
            if !open.may_own(line) {
                continue;
            }
            let take = open.offer(line);
            self.count_work();
            if matches!(take, Take::Last | Take::Ended) {
                let open = self.open.remove(at);
                self.close(open);
            }
            if matches!(take, Take::Yes | Take::Last) {
                self.end_others(at, line);
                return true;
            }
        }
        false
    }

    /// dump_stack() lets no other in between: where a dump begins, every trace before it is over.
    fn end_others(&mut self, taker: usize, line: &LogLine<'_>) {
        if line.caller.is_some()
            || self.open.len() < 2
            || !matches!(stack_line(line.text), StackLine::Cpu(_))
        {
            return;
        }
        for at in (0..self.open.len()).rev().filter(|at| *at != taker) {
            if self
                .open
                .get(at)
                .is_some_and(|o| o.caller.is_none() && o.is_complete())
            {
                let open = self.open.remove(at);
                self.close(open);
            }
        }
    }

    /// Opens a report when the line is a header.
    fn begins(&mut self, line: &LogLine<'_>) -> bool {
        match header(line.text) {
            None => self.begins_behind(line),
            Some(Header::Plain(head)) => {
                self.plain(*head, line);
                true
            }
            Some(Header::Warn(warn)) => self.warn(&warn, line),
        }
    }

    /// A header behind a text that had no newline: another CPU's, or the message of a WARN.
    fn begins_behind(&mut self, line: &LogLine<'_>) -> bool {
        let Some((before, behind)) = header_behind(line.text) else {
            return false;
        };
        match header(behind) {
            None => false,
            Some(Header::Plain(head)) => {
                self.plain(*head, line);
                // A quotation has such lines too: one of the body must follow.
                if let Some(open) = self.open.last_mut() {
                    open.head.doubtful |= open.splat.first_line == line.number;
                }
                true
            }
            Some(Header::Warn(warn)) => {
                let Some(kind) = message_kind(before) else {
                    return false;
                };
                let message = message_text(before);
                self.note_context(line, |c| c.message = Some((kind, message)));
                self.warn(&warn, line)
            }
        }
    }

    fn plain(&mut self, head: Head, line: &LogLine<'_>) {
        let mut splat = Splat::new(head.kind, line.number);
        splat.task = head.task;
        splat.cpu = head.cpu;
        splat.location = head.location;
        splat.lock = head.lock;
        splat.atomic = head.atomic;
        // What lockdep_rcu_suspicious() was told stands on a line of its own.
        splat.message = head.message.filter(|_| head.kind != Kind::SuspiciousRcu);
        self.start(splat, line, false);
    }

    /// A WARN: its kind is that of its message or its place, if it is one of ours at all.
    fn warn(&mut self, warn: &WarnLine<'_>, line: &LogLine<'_>) -> bool {
        let context = self.take_context(line);
        let by_place = place_kind(warn);
        let elsewhere = warn.location.is_some() && by_place != Some(Kind::LockdepWarn);
        let message = context
            .as_ref()
            .and_then(|c| c.message.clone())
            .filter(|(k, _)| !(*k == Kind::LockdepWarn && elsewhere));
        let kind = message.as_ref().map(|(k, _)| *k).or(by_place);
        if self.absorbed(kind, warn, line) {
            return true;
        }
        // No message yet: it may come behind the line (up to 4.5 everywhere, later where a WARN is no
        // trap, as on arm), so the report waits for one.
        let mut splat = Splat::new(kind.unwrap_or(Kind::LockdepAssert), line.number);
        splat.message = message.map(|(_, m)| m).or_else(|| {
            warn.condition
                .filter(|_| by_place.is_some())
                .map(message_text)
        });
        if splat.message.is_none() && kind == Some(Kind::LockdepWarn) {
            splat.message = context.and_then(|c| c.text);
        }
        splat.location = warn.location.map(keep);
        splat.at = warn.symbol.clone();
        splat.cpu = warn.cpu;
        splat.task = warn.task.clone();
        self.start(splat, line, kind.is_none());
        if let (Some(open), Some(pid)) = (self.open.last_mut(), warn.pid)
            && open.splat.first_line == line.number
        {
            open.expect_pid(pid);
        }
        true
    }

    /// lockdep_init_map_type() prints `BUG: key …` and then WARNs: one report.
    fn absorbed(&mut self, kind: Option<Kind>, warn: &WarnLine<'_>, line: &LogLine<'_>) -> bool {
        matches!(kind, Some(Kind::DebugLocksWarn | Kind::LockdepWarn))
            && self.open.iter_mut().rev().any(|o| {
                let own =
                    o.splat.kind == Kind::UnregisteredKey && o.may_own(line) && !o.has_trace();
                own && {
                    o.absorb(line);
                    o.splat.location = warn.location.map(keep);
                    o.splat.at.clone_from(&warn.symbol);
                    o.splat.cpu = o.splat.cpu.or(warn.cpu);
                    if o.splat.task.is_none() {
                        o.splat.task.clone_from(&warn.task);
                    }
                    true
                }
            })
    }

    /// Opens a report; ends those that it takes the place of.
    fn start(&mut self, mut splat: Splat, line: &LogLine<'_>, undecided: bool) {
        splat.timestamp = line.time;
        splat.caller = line.caller.map(|c| c.to_string());
        let replaced = |o: &Open| {
            o.caller == line.caller
                && (line.caller.is_some() || o.is_over() || o.head.undecided || !o.has_backtrace())
        };
        let (ended, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(replaced);
        self.open = open;
        ended.into_iter().for_each(|o| self.close(o));
        if self.open.len() >= limits::OPEN_REPORTS {
            let oldest = self.open.remove(0);
            self.close(oldest);
        }
        if self.is_full() {
            self.left_out = self.left_out.saturating_add(u64::from(!undecided));
            return;
        }
        let near = |l: Option<u64>| {
            l.is_some_and(|l| line.number.saturating_sub(l) <= limits::LOOKBACK_LINES)
        };
        let mut open = Open::new(
            splat,
            line,
            undecided,
            line.caller.is_none()
                && (near(self.announced) || self.open.iter().any(Open::awaits_trace)),
        );
        // User space prints between the kernel's lines; its words alone make no report.
        open.head.doubtful = !line.prefixed && near(self.last_prefixed);
        self.open.push(open);
    }

    /// The context of a WARN line of this caller.
    fn take_context(&mut self, line: &LogLine<'_>) -> Option<WarnContext> {
        let own = |c: &WarnContext| {
            c.caller == line.caller && line.number.saturating_sub(c.line) <= limits::LOOKBACK_LINES
        };
        let at = self.contexts.iter().rposition(own)?;
        Some(self.contexts.remove(at))
    }

    /// Keeps what may explain a header still to come.
    fn remember(&mut self, line: &LogLine<'_>) {
        let t = line.text.trim();
        if t.contains("[ cut here ]") {
            self.note_context(line, |c| {
                c.cut_here = true;
                c.text = None;
            });
        } else if let Some(kind) = message_kind(t) {
            self.note_context(line, |c| c.message = Some((kind, message_text(t))));
        } else if let Some(context) = self
            .contexts
            .iter_mut()
            .rfind(|c| c.caller == line.caller && c.cut_here)
            && !is_rule(t)
            && matches!(stack_line(t), StackLine::Other)
        {
            context.text = Some(keep(t));
        }
        if line.caller.is_none() {
            match stack_line(t) {
                StackLine::Cpu(_) => self.announced = Some(line.number),
                StackLine::Head => self.announced = None,
                _ => {}
            }
        }
    }

    /// Changes the context of this line's caller, made if there is none that is recent.
    fn note_context(&mut self, line: &LogLine<'_>, change: impl FnOnce(&mut WarnContext)) {
        let mut context = self.take_context(line).unwrap_or(WarnContext {
            caller: line.caller,
            line: line.number,
            message: None,
            text: None,
            cut_here: false,
        });
        context.line = line.number;
        change(&mut context);
        if self.contexts.len() >= limits::WARN_CONTEXTS {
            self.contexts.remove(0);
        }
        self.contexts.push(context);
    }
}
