//! Sleeping, scheduling and per-CPU access where it is not allowed; leaked work; spinlock debugging.

use crate::dumpstack::is_symbol_line;
use crate::frame::printed_symbol;
use crate::lock::open::{Next, Open};
use crate::lock::parts::Lock;
use crate::lock::spec::{Form, Plain};
use crate::model::TaskRef;
use crate::text::{hex_after, hex_digits, keep, number, value_after};

/// Offers a line.
pub(super) fn take(open: &mut Open, t: &str) -> bool {
    let Form::Plain(form) = open.splat.kind.spec().form else {
        return false;
    };
    match form {
        Plain::Counters | Plain::Schedule => counters(open, t) || preemption(open, t),
        Plain::Caller => caller(open, t),
        Plain::Work => work(open, t),
        Plain::Spinlock => spinlock(open, t),
        Plain::Limit => depth(open, t),
        Plain::Message | Plain::KeyAdvice | Plain::Rwlock | Plain::DeadCpu => false,
    }
}

/// `in_atomic(): …, pid: N, name: COMM`, `preempt_count: HEX, expected: HEX`, `RCU nest depth: …`.
fn counters(open: &mut Open, t: &str) -> bool {
    // Up to 2.6.x no blank follows the colon.
    if t.starts_with("in_atomic():") {
        if let Some((head, comm)) = t.split_once(", name: ")
            && let Some(pid) = value_after(head, "pid: ")
        {
            open.set_task(TaskRef {
                comm: keep(comm),
                pid,
            });
        }
        let atomic = open.splat.atomic.get_or_insert_default();
        atomic.in_atomic = value_after(t, "in_atomic():");
        atomic.irqs_disabled = value_after(t, "irqs_disabled():");
        atomic.non_block = value_after(t, "non_block: ");
        return true;
    }
    if t.starts_with("preempt_count: ") {
        let atomic = open.splat.atomic.get_or_insert_default();
        atomic.preempt_count = hex_after(t, "preempt_count: ");
        atomic.preempt_expected = hex_after(t, "expected: ");
        return true;
    }
    if t.starts_with("RCU nest depth: ") {
        let atomic = open.splat.atomic.get_or_insert_default();
        atomic.rcu_depth = value_after(t, "RCU nest depth: ");
        atomic.rcu_expected = value_after(t, "expected: ");
        return true;
    }
    if t == "Thread overran stack, or stack corrupted" {
        super::note(open, t);
        return true;
    }
    false
}

/// `Preemption disabled at:`; the symbol follows, on its own line since 4.10.
fn preemption(open: &mut Open, t: &str) -> bool {
    let Some(rest) = t.strip_prefix("Preemption disabled at:") else {
        return false;
    };
    if rest.is_empty() {
        open.body.next = Next::PreemptionDisabledAt;
    } else {
        open.splat
            .atomic
            .get_or_insert_default()
            .preemption_disabled_at = printed_symbol(rest);
    }
    true
}

/// `[<ADDR>] SYM` where one is due; a symbolizer repeats the line for every inlined function.
pub(super) fn place(open: &mut Open, t: &str) -> bool {
    let symbol = crate::frame::symbol(t).is_some();
    let nowhere = t.strip_prefix("0x").and_then(hex_digits);
    if !is_symbol_line(t) && !symbol && nowhere.is_none_or(|(_, tail)| !tail.is_empty()) {
        return false;
    }
    let at = printed_symbol(t);
    match open.body.next {
        Next::PreemptionDisabledAt => {
            open.splat
                .atomic
                .get_or_insert_default()
                .preemption_disabled_at = at;
        }
        _ => open.splat.at = at,
    }
    true
}

/// `caller is SYM`.
fn caller(open: &mut Open, t: &str) -> bool {
    let Some(rest) = t.strip_prefix("caller is ") else {
        return false;
    };
    open.splat.at = printed_symbol(rest);
    true
}

/// `preempt=0xH lock=N->N RCU=N->N workfn=SYM` (6.10 and later), `last function: SYM`.
fn work(open: &mut Open, t: &str) -> bool {
    if let Some(function) = t.strip_prefix("last function: ") {
        // Only right below the header: the text is found elsewhere too.
        if open.splat.work.is_none() {
            open.splat.work = printed_symbol(function);
        }
        return open.pace.taken <= 2;
    }
    if !t.starts_with("preempt=") {
        return false;
    }
    if let Some((counters, function)) = t.split_once(" workfn=") {
        super::note(open, counters);
        open.splat.work = printed_symbol(function);
    }
    true
}

/// ` lock: SYM|ADDR, .magic: HEX, .owner: COMM/PID, .owner_cpu: N` (spin_dump).
fn spinlock(open: &mut Open, t: &str) -> bool {
    let Some((name, state)) = t
        .strip_prefix("lock: ")
        .and_then(|r| r.split_once(", .magic: "))
    else {
        return false;
    };
    let name = printed_symbol(name).unwrap_or_default();
    open.splat.lock = Some(Lock::named(&name));
    super::note(open, &format!(".magic: {state}"));
    true
}

/// `depth: N  max: 48!` and the dump of all locks behind it.
fn depth(open: &mut Open, t: &str) -> bool {
    if t == "Showing all locks held in the system:" {
        open.body.in_dump = true;
        return true;
    }
    let Some((_, rest)) = t.strip_prefix("depth: ").and_then(number) else {
        return false;
    };
    if !rest.trim_start().starts_with("max: ") {
        return false;
    }
    super::note(open, t);
    true
}
