//! The list of held locks (lockdep_print_held_locks).

use crate::carrier::LogLine;
use crate::limits;
use crate::lock::attachment::held_header;
use crate::lock::line::{Fragments, Piece, held_index, lock};
use crate::lock::open::{LockSlot, Open};
use crate::lock::parts::{Attachment, HeldLock, Lock};
use crate::text::keep;

/// Offers a line.
pub(super) fn take(open: &mut Open, line: &LogLine<'_>, t: &str) -> bool {
    if let Some((declared, task)) = held_header(t) {
        return list(open, line, declared, task, t);
    }
    let Some((index, rest)) = held_index(t) else {
        return begin_due(open, line, t);
    };
    if open.body.in_dump {
        return dumped(open, index, rest);
    }
    if !open.body.in_held && !open.splat.held.is_empty() {
        return false;
    }
    match lock(rest).filter(|l| l.at.is_some() || l.name == "<RELEASED>") {
        Some(found) => push(open, Some(index), found),
        // Printed in pieces, or wrapped.
        None if Fragments::may_start(rest) => {
            finish_fragments(open);
            open.body.fragments = Some(Fragments::new(Some(index), line.number, rest));
        }
        // print_lock says so of a lock whose class is gone.
        None => push(open, Some(index), Lock::named(rest.trim())),
    }
    true
}

/// The header of a list: this report's, or of another task in a dump of all.
fn list(
    open: &mut Open,
    line: &LogLine<'_>,
    declared: u32,
    task: crate::model::TaskRef,
    t: &str,
) -> bool {
    finish_fragments(open);
    open.body.place = None;
    open.body.due = None;
    open.body.in_scenario = false;
    let own = !open.body.in_dump
        && open.splat.held_declared.is_none()
        && (open.caller.is_some() || open.is_task(&task));
    if own {
        open.splat.held_declared = Some(declared);
        open.body.in_held = true;
        open.set_task(task);
        return true;
    }
    if !open.body.in_dump {
        return false;
    }
    open.body.in_held = false;
    if open.splat.attachments.len() < limits::ATTACHMENTS {
        open.splat.attachments.push(Attachment {
            kind: "held-locks".to_owned(),
            text: keep(t),
            line: line.number,
            task: Some(task),
            held_declared: Some(declared),
            held: Vec::new(),
        });
    }
    true
}

/// A lock of another task, in a dump of all.
fn dumped(open: &mut Open, index: u32, rest: &str) -> bool {
    if let (Some(last), Some(found)) = (open.splat.attachments.last_mut(), lock(rest))
        && last.held.len() < limits::HELD
    {
        last.held.push(HeldLock::new(index, found));
    }
    true
}

/// Adds a held lock; the lines that a symbolizer repeats for inlined functions become one.
pub(super) fn push(open: &mut Open, index: Option<u32>, found: Lock) {
    let held = &mut open.splat.held;
    let index = index.unwrap_or_else(|| u32::try_from(held.len()).unwrap_or(u32::MAX));
    if let Some(last) = held.last_mut()
        && last.index == index
        && last.lock.name == found.name
        && last.lock.address == found.address
        && last.lock.at != found.at
    {
        if let Some(inlined) = std::mem::replace(&mut last.lock.at, found.at)
            && last.inlined.len() < limits::INLINED
        {
            last.inlined.push(inlined);
        }
        return;
    }
    if held.len() >= limits::HELD {
        open.bound("held locks");
        return;
    }
    held.push(HeldLock::new(index, found));
}

/// A lock that is due somewhere else may come in pieces as well.
fn begin_due(open: &mut Open, line: &LogLine<'_>, t: &str) -> bool {
    let plain = matches!(open.body.due, Some(LockSlot::Lock | LockSlot::Other));
    let unfinished = t == "(" || crate::text::is_pointer(t) || Fragments::is_unfinished(t);
    if !plain || !unfinished || open.body.fragments.is_some() {
        return false;
    }
    open.body.fragments = Some(Fragments::new(None, line.number, t));
    true
}

/// Offers a line to the lock that is being read in pieces.
pub(super) fn fragments(open: &mut Open, line: &LogLine<'_>) -> bool {
    let Some(pending) = open.body.fragments.as_mut() else {
        return false;
    };
    if line.number.saturating_sub(pending.since) > limits::FRAGMENT_LINES {
        finish_fragments(open);
        return false;
    }
    match pending.offer(line.text) {
        Piece::Foreign => false,
        Piece::Open => true,
        Piece::Complete(found) => {
            let index = pending.index;
            open.body.fragments = None;
            store(open, index, found);
            true
        }
    }
}

/// Ends a lock that got no more pieces.
pub(in super::super) fn finish_fragments(open: &mut Open) {
    if let Some(pending) = open.body.fragments.take() {
        let index = pending.index;
        if let Some(found) = pending.finish() {
            store(open, index, found);
        }
    }
}

fn store(open: &mut Open, index: Option<u32>, found: Lock) {
    match (index, open.body.due) {
        (None, Some(slot)) => super::place_lock(open, slot, found),
        _ => push(open, index, found),
    }
}
