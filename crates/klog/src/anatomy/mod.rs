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

use super::Kind;
use super::carrier::LogLine;
use super::known::known_issue_of;
use super::limits;
use super::model::{Frame, Splat};
use super::report::{Next, Open, Stack, TraceSlot};
use super::sentence::sentence;
use super::title;

pub(super) use held::finish_fragments;

/// Offers a line to every reader; true when one took it.
pub(super) fn take(open: &mut Open, line: &LogLine<'_>) -> bool {
    let done = open.stack == Stack::Ours && open.has_trace();
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
    if taken && !super::text::is_rule(t) {
        open.confirm();
    }
    taken
}

/// A line that the one before announced.
fn awaited(open: &mut Open, t: &str) -> bool {
    match open.next {
        Next::Nothing => false,
        Next::PreemptionDisabledAt | Next::ReleasedAt => atomic::place(open, t),
        Next::ChainExists => circular::exists(open, t),
        Next::RcuMessage => rcu::message(open, t),
    }
}

/// The list that the frames of the stored trace being read belong to.
pub(super) fn stored_trace(open: &mut Open) -> Option<&mut Vec<Frame>> {
    let splat = &mut open.splat;
    match open.place? {
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
        open.splat.notes.push(super::text::keep(text));
    } else {
        open.bound("notes");
    }
}

/// What can be said only when the whole report is known.
pub(crate) fn complete(splat: &mut Splat) {
    circular::locks_of_table(splat);
    circular::cycle(splat);
    drop_sentinels(splat);
    splat.known_issue = known_issue_of(splat).map(str::to_owned);
    splat.guilty = title::guilty(splat);
    splat.title = title::title(splat);
    splat.signature = title::signature(splat);
    splat.sentence = sentence(splat);
}

/// Kernels up to 5.1 end a stored trace with ULONG_MAX.
fn drop_sentinels(splat: &mut Splat) {
    for trace in splat.stored_traces_mut() {
        while trace
            .last()
            .is_some_and(|f| matches!(f.function.as_str(), "0xffffffffffffffff" | "0xffffffff"))
        {
            trace.pop();
        }
    }
}
