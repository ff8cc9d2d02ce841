//! The lines of a report's body, each known by its own words.
//!
//! The kernel prints the pieces of a report in a fixed order, but logs lose, wrap and interleave
//! them; so no order is required. A line that one of the readers below knows is taken, and settles
//! what the lines behind it mean (which lock is due, which trace the frames belong to).

mod atomic;
mod circular;
mod head;
mod held;
mod irq;
mod rcu;
mod usage;
mod warn;

use crate::carrier::LogLine;
use crate::limits;
use crate::lock::kind::Kind;
use crate::lock::open::{LockSlot, Next, Open, Stack, TraceSlot};
use crate::lock::parts::Lock;
use crate::model::Frame;

pub(super) use held::finish_fragments;

/// Offers a line to every reader; true when one took it.
pub(super) fn take(open: &mut Open, line: &LogLine<'_>) -> bool {
    let done = open.backtrace.stack == Stack::Ours && open.has_trace();
    let t = line.text.trim();
    if done && open.splat.kind != Kind::NestedNotHeld {
        // A WARN's irq trace and the reason that check_flags() adds stand behind the backtrace.
        return irq::irqtrace(open, t) || warn::reason(open, t);
    }
    let taken = held::fragments(open, line)
        || awaited(open, t)
        || head::take(open, line, t)
        || held::take(open, line, t)
        || circular::take(open, line.text, t)
        || irq::take(open, line.text, t)
        || usage::take(open, t)
        || rcu::take(open, t)
        || atomic::take(open, t)
        || warn::take(open, t);
    if taken && !crate::text::is_rule(t) {
        open.confirm();
    }
    taken
}

/// A line that the one before announced.
fn awaited(open: &mut Open, t: &str) -> bool {
    match open.body.next {
        Next::Nothing => false,
        Next::PreemptionDisabledAt | Next::ReleasedAt => atomic::place(open, t),
        Next::ChainExists => circular::exists(open, t),
        Next::RcuMessage => rcu::message(open, t),
    }
}

/// The list that the frames of the stored trace being read belong to.
pub(super) fn stored_trace(open: &mut Open) -> Option<&mut Vec<Frame>> {
    let splat = &mut open.splat;
    match open.body.place? {
        TraceSlot::Chain => splat.chain.last_mut().map(|e| &mut e.trace),
        TraceSlot::Registered => splat.registered.as_mut().map(|r| &mut r.trace),
        TraceSlot::Safe => splat.irq_safe.as_mut().map(|s| &mut s.trace),
        TraceSlot::Unsafe => splat.irq_unsafe.as_mut().map(|s| &mut s.trace),
        TraceSlot::ClassUsage => splat
            .classes
            .last_mut()
            .and_then(|c| c.usages.last_mut())
            .map(|u| &mut u.trace),
        TraceSlot::ClassAcquired => splat.classes.last_mut().map(|c| &mut c.acquired_at),
    }
}

/// Adds a remark, within bounds.
fn note(open: &mut Open, text: &str) {
    if open.splat.notes.len() < limits::REMARKS {
        open.splat.notes.push(crate::text::keep(text));
    } else {
        open.bound("notes");
    }
}

/// Stores a lock that was due. A symbolizer repeats the line for every inlined function; the last one
/// has the function that the address is in.
fn place_lock(open: &mut Open, slot: LockSlot, found: Lock) {
    let splat = &mut open.splat;
    match slot {
        LockSlot::Lock => splat.lock = Some(found),
        LockSlot::Other => splat.other_lock = Some(found),
        LockSlot::Safe => splat.irq_safe.get_or_insert_default().lock = found,
        LockSlot::Unsafe => splat.irq_unsafe.get_or_insert_default().lock = found,
        LockSlot::Dependency | LockSlot::NestName => {}
    }
}
