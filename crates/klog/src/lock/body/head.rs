//! What stands between the rules and right below: the kernel, the task, the locks.

use crate::carrier::LogLine;
use crate::dumpstack;
use crate::lock::kind::Kind;
use crate::lock::line;
use crate::lock::open::{LockSlot, Next, Open, Stack};
use crate::lock::parts::{Lock, TaskContext};
use crate::model::TaskRef;
use crate::text::{address, is_rule, keep};

/// Offers a line.
pub(super) fn take(open: &mut Open, line: &LogLine<'_>, t: &str) -> bool {
    if is_rule(t) {
        return rule(open);
    }
    identity(open, t)
        || phrase(open, t)
        || due_lock(open, t)
        || task_line(open, t)
        || backtrace(open, t)
        || wait_context(open, line, t)
}

/// A rule frames the header, or ends a held-locks dump.
fn rule(open: &mut Open) -> bool {
    if open.body.in_dump {
        open.body.in_dump = false;
        return true;
    }
    open.splat.kind.is_framed() && open.pace.taken <= 4
}

/// `RELEASE #BUILD TAINT` (print_kernel_ident); the release is free text, the taint newer than 2.6.32.
fn identity(open: &mut Open, t: &str) -> bool {
    if !open.splat.kind.is_framed() || open.splat.release.is_some() || open.pace.taken > 4 {
        return false;
    }
    let (release, rest) = match t.split_once(' ') {
        Some(split) => split,
        None => return false,
    };
    let build = rest
        .strip_prefix('#')
        .is_some_and(|b| b.starts_with(|c: char| c.is_ascii_digit()));
    let tainted = rest.contains("Not tainted") || rest.contains("Tainted: ");
    let known = tainted || build && dumpstack::release(t) == Some(release);
    if !known || release.ends_with(':') {
        return false;
    }
    open.splat.release = Some(keep(release));
    open.splat.taint = Some(keep(rest.trim_end()));
    true
}

/// Sentences that a lock follows.
const DUE: &[&str] = &[
    "but task is already holding lock:",
    "and this task is already holding:",
    "but this task is not holding:",
    "which would create a new lock dependency:",
];

/// Sentences that say which lock comes next, or nothing more than the kind does.
fn phrase(open: &mut Open, t: &str) -> bool {
    // A selection that began one column too far to the right.
    let whole = DUE.iter().find(|words| words.get(1..) == Some(t));
    let t = whole.copied().unwrap_or(t);
    let slot = match t {
        "but task is already holding lock:" | "and this task is already holding:" => {
            Some(LockSlot::Other)
        }
        "but this task is not holding:" => Some(LockSlot::NestName),
        "which would create a new lock dependency:" => Some(LockSlot::Dependency),
        "but there are no more locks to release!" | "but there are no locks held!" => {
            super::note(open, t);
            return true;
        }
        "May be due to missing lock nesting notation" => {
            super::note(open, t);
            return true;
        }
        "which lock already depends on the new lock."
        | "other info that might help us debug this:"
        | "the existing dependency chain (in reverse order) is:"
        | "*** DEADLOCK ***"
        | "Held locks:"
        | "and interrupts could create inverse lock ordering between them."
        | "the code is fine but needs lockdep annotation."
        | "The code is fine but needs lockdep annotation, or maybe"
        | "you didn't initialize this object before use?"
        | "turning off the locking correctness validator."
        | "Please attach the output of /proc/lock_stat to the bug report" => None,
        _ => return inversion(open, t) || comparison(open, t) || collision(open, t),
    };
    if t == "*** DEADLOCK ***" {
        open.body.in_scenario = false;
    }
    open.body.place = None;
    if slot.is_some() {
        open.body.due = slot;
    }
    true
}

/// `but this lock took another, X-unsafe lock in the past:` or `… was taken by another, X-safe lock …`.
fn inversion(open: &mut Open, t: &str) -> bool {
    let words = t
        .strip_prefix("but this lock took another, ")
        .or_else(|| t.strip_prefix("but this lock was taken by another, "));
    if words.is_none_or(|w| !w.ends_with(" lock in the past:")) {
        return false;
    }
    super::note(open, t.trim_end_matches(':'));
    open.body.due = Some(LockSlot::Other);
    true
}

/// `and the lock comparison function returns N:` (6.4 and later).
fn comparison(open: &mut Open, t: &str) -> bool {
    if !t.starts_with("and the lock comparison function returns ") {
        return false;
    }
    super::note(open, t.trim_end_matches(':'));
    true
}

/// The chain-key collision's own lines (print_collision).
fn collision(open: &mut Open, t: &str) -> bool {
    if open.splat.kind != Kind::ChainKeyCollision {
        return false;
    }
    if t == "Hash chain already cached but the contents don't match!"
        || t == "Locks in cached chain:"
        || t.starts_with("depth: ")
    {
        return true;
    }
    // `hlock_id:N -> chain_key:16HEX` with the lock right behind, no blank between.
    let Some((_, rest)) = t
        .split_once("chain_key:")
        .filter(|(id, _)| id.starts_with("hlock_id:") || id.starts_with("class_idx:"))
    else {
        return open.pace.taken <= 5 && t.strip_suffix(':').is_some_and(|who| open.task_from(who));
    };
    if let Some(found) = rest.get(16..).and_then(line::lock) {
        super::held::push(open, None, found);
    }
    true
}

/// A lock line where one is due.
fn due_lock(open: &mut Open, t: &str) -> bool {
    let Some(slot) = open.body.due else {
        return false;
    };
    if slot == LockSlot::Dependency {
        let Some((from, to)) = t.split_once(" -> (") else {
            return false;
        };
        let (Some(from), Some(to)) = (line::lock(from), line::lock(&format!("({to}"))) else {
            return false;
        };
        open.splat.dependency = Some((from, to));
        open.body.due = None;
        return true;
    }
    if slot == LockSlot::NestName {
        // Only the name, as lock_map_name() has it; garbage or nothing when the nest lock dangles.
        // Without caller ids another text may come first; the name stands right behind.
        if open.caller.is_none() && !open.pace.adjacent
            || dumpstack::is_oops(t)
            || dumpstack::is_foreign_report(t)
            || t.contains("Call Trace:")
            || t == "stack backtrace:"
        {
            return false;
        }
        open.splat.other_lock = Some(Lock::named(t));
        open.body.due = None;
        return true;
    }
    let Some(found) = line::lock(t).or_else(|| line::without_first_column(t)) else {
        return false;
    };
    super::place_lock(open, slot, found);
    true
}

/// Sentences that begin with the task.
fn task_line(open: &mut Open, t: &str) -> bool {
    if !open.splat.kind.is_framed() {
        return false;
    }
    const LOCK_FOLLOWS: &[&str] = &[
        " is trying to acquire lock:",
        " is trying to acquire:",
        " is trying to lock:",
        " just changed the state of lock:",
        " takes:",
    ];
    for words in LOCK_FOLLOWS {
        if let Some(who) = t.strip_suffix(words) {
            if !who_with_context(open, who) {
                return false;
            }
            open.body.due = Some(LockSlot::Lock);
            return true;
        }
    }
    releasing(open, t) || freeing(open, t) || leaving(open, t)
}

/// `COMM/PID [HCa[b]:SCc[d]:HEe:SEf]` or without the state.
fn who_with_context(open: &mut Open, who: &str) -> bool {
    let Some((task, state)) = who.rsplit_once(" [HC") else {
        return open.task_from(who);
    };
    if !open.task_from(task) {
        return false;
    }
    let text = format!("HC{}", state.trim_end_matches(']'));
    let text = if state.ends_with("]]") {
        format!("{text}]")
    } else {
        text
    };
    let set = |key: &str| crate::text::value_after(&text, key).is_some_and(|v| v != 0);
    open.splat.context = Some(TaskContext {
        hardirq: set("HC"),
        softirq: set("SC"),
        hardirqs_enabled: set("HE"),
        softirqs_enabled: set("SE"),
        text: keep(&text),
    });
    true
}

/// `COMM/PID is trying to (release|contend) lock (NAME) at:`; the symbol is on the next line.
fn releasing(open: &mut Open, t: &str) -> bool {
    for words in [
        " is trying to release lock (",
        " is trying to contend lock (",
    ] {
        let Some((who, rest)) = t.split_once(words) else {
            continue;
        };
        let Some(name) = rest
            .strip_suffix(" at:")
            .map(|r| r.strip_suffix(')').unwrap_or(r))
        else {
            continue;
        };
        if !open.task_from(who) {
            return false;
        }
        open.splat.lock = Some(Lock::named(name));
        open.body.next = Next::ReleasedAt;
        return true;
    }
    false
}

/// `COMM/PID is freeing memory A-B, with a lock still held there!`
fn freeing(open: &mut Open, t: &str) -> bool {
    let Some((who, rest)) = t.split_once(" is freeing memory ") else {
        return false;
    };
    let Some((range, _)) = rest.split_once(", with a lock still held there!") else {
        return false;
    };
    open.task_from(who);
    open.splat.memory = range
        .split_once('-')
        .map(|(a, b)| (keep(&address(a)), keep(&address(b))));
    open.body.due = Some(LockSlot::Lock);
    true
}

/// `COMM/PID is leaving the kernel with locks still held!`, formerly also `is exiting with …`.
fn leaving(open: &mut Open, t: &str) -> bool {
    let who = t
        .strip_suffix(" is leaving the kernel with locks still held!")
        .or_else(|| t.strip_suffix(" is exiting with locks still held!"))
        .or_else(|| t.strip_suffix(" still has locks held!"));
    who.is_some_and(|who| TaskRef::parse(who).is_some() && open.task_from(who))
}

/// `stack backtrace:`.
fn backtrace(open: &mut Open, t: &str) -> bool {
    if t != "stack backtrace:" {
        return false;
    }
    open.body.place = None;
    open.body.due = None;
    open.backtrace.announced = true;
    if open.has_trace() {
        open.backtrace.second = true;
        open.backtrace.stack = Stack::None;
    }
    true
}

/// `context-{outer:inner}` of a wait-context report.
fn wait_context(open: &mut Open, _line: &LogLine<'_>, t: &str) -> bool {
    let Some(context) = t
        .strip_prefix("context-{")
        .and_then(|c| c.strip_suffix('}'))
    else {
        return false;
    };
    open.splat.wait_context = Some(keep(context));
    open.body.due = None;
    true
}
