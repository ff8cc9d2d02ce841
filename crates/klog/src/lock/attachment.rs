//! Texts of lock debugging that are no reports: kept beside, never counted.

use crate::carrier::LogLine;
use crate::limits;
use crate::lock::line::{held_index, lock};
use crate::lock::parts::{Attachment, HeldLock};
use crate::model::TaskRef;
use crate::text::{is_rule, keep, number};

/// A line that stands beside a report or alone.
pub(crate) fn beside(t: &str, line: u64) -> Option<Attachment> {
    let kind = if t.ends_with("INFO: lockdep is turned off.") {
        "lockdep-off"
    } else if t.starts_with("Disabling lock debugging due to kernel taint") {
        "taint"
    } else if t.starts_with("note: ")
        && (t.contains("] exited with irqs disabled") || t.contains("] exited with preempt_count "))
    {
        "exited-atomic"
    } else if is_hung_owner(t) {
        "hung-owner"
    } else if t == "Showing all locks held in the system:" {
        "held-locks-dump"
    } else {
        return None;
    };
    Some(Attachment {
        kind: kind.to_owned(),
        text: keep(t),
        line,
        ..Attachment::default()
    })
}

/// Who holds what a hung task waits for (kernel/hung_task.c, 6.16 and later).
fn is_hung_owner(t: &str) -> bool {
    t.starts_with("INFO: task ")
        && [" is blocked on a ", " blocked on an rw-semaphore"]
            .iter()
            .any(|w| t.contains(w))
}

/// `N locks held by COMM/PID:`, `no locks held by COMM/PID.`, and since mid-2026
/// `locks held by COMM/PID: N, last CPU#C:`.
pub(crate) fn held_header(t: &str) -> Option<(u32, TaskRef)> {
    let t = t.trim();
    if let Some(who) = t.strip_prefix("no locks held by ") {
        return Some((0, TaskRef::parse(who.trim_end_matches(['.', ':']))?));
    }
    if let Some(rest) = t.strip_prefix("locks held by ") {
        let (who, count) = rest.rsplit_once(": ")?;
        let (n, tail) = number(count)?;
        let known =
            tail.starts_with(", last CPU#") || tail.starts_with(", on CPU#") || tail.is_empty();
        return if known {
            Some((u32::try_from(n).ok()?, TaskRef::parse(who)?))
        } else {
            None
        };
    }
    let (n, rest) = number(t)?;
    let who = rest
        .strip_prefix(" locks held by ")
        .or_else(|| rest.strip_prefix(" lock held by "))?;
    Some((
        u32::try_from(n).ok()?,
        TaskRef::parse(who.strip_suffix(':').unwrap_or(who))?,
    ))
}

/// Collects what stands outside of reports.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) found: Vec<Attachment>,
    /// The log line after which a held-locks dump is given up.
    dump_until: u64,
}

impl Collector {
    /// Whether a dump is being read.
    pub(crate) fn is_open(&self, line: u64) -> bool {
        line <= self.dump_until
    }

    /// Offers a line that no report took.
    pub(crate) fn offer(&mut self, line: &LogLine<'_>) {
        let t = line.text.trim();
        if self.is_open(line.number) && self.dump_line(t, line.number) {
            return;
        }
        if self.found.len() >= limits::ATTACHMENTS {
            return;
        }
        if let Some(attachment) = beside(t, line.number) {
            if attachment.kind == "held-locks-dump" {
                self.dump_until = line.number.saturating_add(limits::LOOKBACK_LINES);
            }
            self.found.push(attachment);
        }
    }

    /// One line of a dump: a task, or a lock of the task before.
    fn dump_line(&mut self, t: &str, line: u64) -> bool {
        if is_rule(t) {
            self.dump_until = 0;
            return true;
        }
        if let Some((n, who)) = held_header(t) {
            self.dump_until = line.saturating_add(limits::LOOKBACK_LINES);
            if self.found.len() < limits::ATTACHMENTS {
                let text = keep(t);
                let kind = "held-locks".to_owned();
                self.found.push(Attachment {
                    kind,
                    text,
                    line,
                    task: Some(who),
                    held_declared: Some(n),
                    held: Vec::new(),
                });
            }
            return true;
        }
        let Some((index, rest)) = held_index(t) else {
            return false;
        };
        self.dump_until = line.saturating_add(limits::LOOKBACK_LINES);
        if let (Some(last), Some(lock)) = (self.found.last_mut(), lock(rest))
            && last.task.is_some()
            && last.held.len() < limits::HELD
        {
            last.held.push(HeldLock::new(index, lock));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_held_list_is_read_in_every_form() {
        for (text, n, comm, pid) in [
            ("no locks held by swapper/0.", 0, "swapper", 0),
            ("1 lock held by a/b/7:", 1, "a/b", 7),
            ("3 locks held by x/8:", 3, "x", 8),
            ("locks held by x y/9: 4, last CPU#0:", 4, "x y", 9),
            ("locks held by x/9: 0, on CPU#2", 0, "x", 9),
        ] {
            assert_eq!(
                held_header(text),
                Some((
                    n,
                    TaskRef {
                        comm: comm.into(),
                        pid
                    }
                )),
                "{text}"
            );
        }
        assert_eq!(held_header("2 locks held by nobody"), None);
    }

    #[test]
    fn owners_of_hung_tasks_and_switched_off_lockdep_are_attachments() {
        let kind = |t: &str| beside(t, 1).map(|a| a.kind);
        assert_eq!(
            kind("INFO: lockdep is turned off.").as_deref(),
            Some("lockdep-off")
        );
        assert_eq!(
            kind("INFO: task a:1 is blocked on a mutex likely owned by task b:2.").as_deref(),
            Some("hung-owner")
        );
        assert_eq!(
            kind("note: sh[107] exited with irqs disabled").as_deref(),
            Some("exited-atomic")
        );
        assert_eq!(
            kind("INFO: task a:1 blocked for more than 120 seconds."),
            None
        );
    }
}
