//! What the irq kinds add: the two sides, the dumps of the classes between them, the irq trace.

use crate::frame::{bracketed, printed_symbol};
use crate::limits;
use crate::lock::line;
use crate::lock::open::{LockSlot, Open, TraceSlot};
use crate::lock::parts::{ClassDump, IrqEvent, IrqSide, IrqTrace, UsageTrace};
use crate::text::{address, indent, keep, number};

/// Offers a line.
pub(super) fn take(open: &mut Open, text: &str, t: &str) -> bool {
    sides(open, t) || section(open, t) || class(open, text, t) || irqtrace(open, t)
}

/// The irq-safe lock, the irq-unsafe lock, and where each became so (print_bad_irq_dependency).
fn sides(open: &mut Open, t: &str) -> bool {
    if t == "..." {
        return open.body.place == Some(TraceSlot::Unsafe);
    }
    if let Some(state) = between(t, "but this new dependency connects a ", "-irq-safe lock:") {
        open.splat.irq_safe = Some(IrqSide {
            state: format!("{state}-irq-safe"),
            ..IrqSide::default()
        });
        open.body.due = Some(LockSlot::Safe);
        return true;
    }
    if let Some(state) = between(t, "to a ", "-irq-unsafe lock:") {
        open.splat.irq_unsafe = Some(IrqSide {
            state: format!("{state}-irq-unsafe"),
            ..IrqSide::default()
        });
        open.body.due = Some(LockSlot::Unsafe);
        return true;
    }
    let Some(state) = between(t, "... which became ", " at:") else {
        return false;
    };
    open.body.due = None;
    open.body.place = if state.ends_with("-unsafe") {
        open.splat.irq_unsafe.get_or_insert_default().state = keep(state);
        Some(TraceSlot::Unsafe)
    } else {
        open.splat.irq_safe.get_or_insert_default().state = keep(state);
        Some(TraceSlot::Safe)
    };
    true
}

/// What stands between two texts that are the whole line otherwise.
fn between<'a>(t: &'a str, before: &str, after: &str) -> Option<&'a str> {
    t.strip_prefix(before)?.strip_suffix(after)
}

/// The headings of the class dumps; one of them takes two lines.
fn section(open: &mut Open, t: &str) -> bool {
    let heading = t.starts_with("the dependencies between ")
        && (t.ends_with(" lock:") || t.ends_with("the lock to be acquired"))
        || t == "the shortest dependencies between 2nd lock and 1st lock:"
        || t == "the first lock's dependencies:"
        || t == "the second lock's dependencies:";
    if heading {
        open.body.section = keep(t.trim_end_matches(':'));
        open.body.place = None;
        return true;
    }
    if open.body.section.ends_with("to be acquired")
        && t.starts_with("and ")
        && t.ends_with("-unsafe lock:")
    {
        let more = format!("{} {}", open.body.section, t.trim_end_matches(':'));
        open.body.section = keep(&more);
        return true;
    }
    false
}

/// One line of a class dump (print_lock_class_header, print_shortest_lock_dependencies).
fn class(open: &mut Open, text: &str, t: &str) -> bool {
    if let Some(rest) = t.strip_prefix("-> (").filter(|_| t.ends_with('{')) {
        return class_head(open, indent(text), rest);
    }
    if open.splat.classes.is_empty() {
        return false;
    }
    if t == "}" {
        open.body.place = None;
        return true;
    }
    if let Some(rest) = t
        .strip_prefix("... key")
        .and_then(|r| r.trim_start().strip_prefix("at:"))
    {
        return key(open, rest.trim());
    }
    if t == "... acquired at:" {
        open.body.place = Some(TraceSlot::ClassAcquired);
        return true;
    }
    let Some(state) = t.strip_suffix(" at:").filter(|s| is_state(s)) else {
        return false;
    };
    let Some(last) = open.splat.classes.last_mut() else {
        return false;
    };
    open.body.place = Some(TraceSlot::ClassUsage);
    if last.usages.len() < limits::USAGES {
        last.usages.push(UsageTrace {
            state: keep(state),
            trace: Vec::new(),
        });
    }
    true
}

/// `-> (NAME){..}-{..} [ops: N ]{`.
fn class_head(open: &mut Open, depth: usize, rest: &str) -> bool {
    let whole = format!("({}", rest.trim_end_matches('{').trim_end());
    let Some((found, tail)) = line::lock_and_rest(&whole) else {
        return false;
    };
    let ops = tail
        .trim()
        .strip_prefix("ops:")
        .and_then(|o| number(o.trim()))
        .map(|(n, _)| n);
    open.body.due = None;
    open.body.place = None;
    if open.splat.classes.len() >= limits::CLASSES {
        open.bound("lock classes");
        return true;
    }
    open.splat.classes.push(ClassDump {
        section: open.body.section.clone(),
        depth: u32::try_from(depth).unwrap_or(u32::MAX),
        lock: found,
        ops,
        ..ClassDump::default()
    });
    true
}

/// `[<ADDR>] SYM` of the class's key.
fn key(open: &mut Open, rest: &str) -> bool {
    open.body.place = None;
    if let Some(last) = open.splat.classes.last_mut() {
        last.key_address = bracketed(rest).map(|(a, _)| keep(&address(a)));
        last.key = printed_symbol(rest);
    }
    true
}

/// `IN-HARDIRQ-W`, `SOFTIRQ-ON-R`, `INITIAL USE`, `INITIAL READ USE`, `IN-NMI`.
pub(super) fn is_state(s: &str) -> bool {
    let s = s.trim();
    (s.starts_with("IN-") || s.starts_with("INITIAL ") || s.contains("-ON-"))
        && s.len() <= 32
        && s.bytes()
            .all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b' ' | b'_'))
}

/// `irq event stamp:` and its four lines (print_irqtrace_events).
pub(super) fn irqtrace(open: &mut Open, t: &str) -> bool {
    if let Some((stamp, "")) = t.strip_prefix("irq event stamp: ").and_then(number) {
        if open.splat.irqtrace.is_some() {
            return false;
        }
        open.body.place = None;
        open.splat.irqtrace = Some(IrqTrace {
            stamp,
            ..IrqTrace::default()
        });
        return true;
    }
    let Some((what, rest)) = t
        .split_once(" at (")
        .filter(|(w, _)| w.contains("irqs last"))
    else {
        return false;
    };
    let Some(trace) = open.splat.irqtrace.as_mut() else {
        return false;
    };
    let Some((stamp, place)) =
        number(rest).and_then(|(n, tail)| tail.strip_prefix("): ").map(|p| (n, p)))
    else {
        return false;
    };
    let event = Some(IrqEvent {
        stamp,
        at: printed_symbol(place).unwrap_or_default(),
    });
    let words: Vec<&str> = what.split(' ').filter(|w| !w.is_empty()).take(4).collect();
    match words.as_slice() {
        ["hardirqs", "last", "enabled"] => trace.hardirqs_enabled = event,
        ["hardirqs", "last", "disabled"] => trace.hardirqs_disabled = event,
        ["softirqs", "last", "enabled"] => trace.softirqs_enabled = event,
        ["softirqs", "last", "disabled"] => trace.softirqs_disabled = event,
        _ => return false,
    }
    true
}
