//! WARN lines: where they stand, and which of them are lock debugging.
//!
//! | release | `__warn()` prints |
//! |---|---|
//! | 2.6.x, 3.x | `WARNING: at FILE:LINE SYM()`, then the message |
//! | 3.13 to 4.5 | `WARNING: CPU: N PID: P at FILE:LINE SYM()`, then the message |
//! | to 6.15 | cut here, message, `WARNING: CPU: N PID: P at FILE:LINE SYM`; where a WARN is no trap (arm), the message behind |
//! | since 6.16 | cut here, message, `WARNING: [COND ]FILE:LINE at SYM, CPU#N: COMM/PID` |
//!
//! The message has a line of its own, so the kind of a WARN is settled by its place
//! (kernel/locking/lockdep.c) or by the message before or behind it.

use crate::frame::{printed_symbol, symbol};
use crate::lock::kind::Kind;
use crate::model::TaskRef;
use crate::text::{keep, number};

/// A `WARNING:` line of a WARN.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WarnLine<'a> {
    pub(crate) cpu: Option<u32>,
    pub(crate) pid: Option<i64>,
    pub(crate) task: Option<TaskRef>,
    /// `FILE:LINE`.
    pub(crate) location: Option<&'a str>,
    pub(crate) symbol: Option<String>,
    /// The condition that CONFIG_DEBUG_BUGVERBOSE_DETAILED puts in brackets before the file.
    pub(crate) condition: Option<&'a str>,
}

/// Reads what follows `WARNING: `.
pub(crate) fn warn_line(rest: &str) -> Option<WarnLine<'_>> {
    let mut line = WarnLine {
        cpu: None,
        pid: None,
        task: None,
        location: None,
        symbol: None,
        condition: None,
    };
    if let Some(tail) = rest.strip_prefix("CPU: ") {
        let (cpu, tail) = number(tail)?;
        let (pid, tail) = number(tail.strip_prefix(" PID: ")?)?;
        line.cpu = u32::try_from(cpu).ok();
        line.pid = i64::try_from(pid).ok();
        place_then_symbol(tail.strip_prefix(" at ")?, &mut line)?;
        return Some(line);
    }
    if let Some(tail) = rest.strip_prefix("at ") {
        let tail = trailing_cpu(tail, &mut line);
        place_then_symbol(tail, &mut line)?;
        return Some(line);
    }
    let tail = trailing_cpu(rest, &mut line);
    let tail = leading_condition(tail, &mut line);
    let (place, at) = tail
        .rsplit_once(" at ")
        .filter(|(place, _)| is_place(place))?;
    line.location = Some(place);
    line.symbol = printed_symbol(at);
    Some(line)
}

/// `FILE:LINE SYM[()]`, or `SYM` alone where CONFIG_DEBUG_BUGVERBOSE is off.
fn place_then_symbol<'a>(s: &'a str, line: &mut WarnLine<'a>) -> Option<()> {
    let s = leading_condition(s, line);
    let (first, rest) = s.split_once(' ').unwrap_or((s, ""));
    if is_place(first) {
        line.location = Some(first);
        line.symbol = printed_symbol(rest.trim_end_matches("()"));
        return Some(());
    }
    if symbol(s.trim_end_matches("()")).is_some() || first.starts_with("0x") {
        line.symbol = printed_symbol(s.trim_end_matches("()"));
        return Some(());
    }
    None
}

/// `, CPU#N: COMM/PID` at the end.
fn trailing_cpu<'a>(s: &'a str, line: &mut WarnLine<'a>) -> &'a str {
    let Some((head, tail)) = s.split_once(", CPU#") else {
        return s;
    };
    if let Some((cpu, who)) = number(tail) {
        line.cpu = u32::try_from(cpu).ok();
        line.task = who.strip_prefix(": ").and_then(TaskRef::parse);
        line.pid = line.task.as_ref().map(|t| t.pid);
        return head;
    }
    s
}

/// `[COND] ` in front of the file.
fn leading_condition<'a>(s: &'a str, line: &mut WarnLine<'a>) -> &'a str {
    let Some((condition, tail)) = s.strip_prefix('[').and_then(|t| t.split_once("] ")) else {
        return s;
    };
    line.condition = Some(condition);
    tail
}

/// `FILE:LINE` with no blanks.
fn is_place(s: &str) -> bool {
    !s.contains(' ')
        && s.rsplit_once(':').is_some_and(|(file, n)| {
            !file.is_empty() && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())
        })
}

/// The kind that a message stands for; `debug_locks &&` may be in brackets or parentheses.
pub(crate) fn message_kind(text: &str) -> Option<Kind> {
    let t = text.trim().trim_start_matches(['[', '(']);
    Kind::all().find(|kind| kind.spec().messages.iter().any(|m| t.starts_with(m)))
}

/// Functions of kernel/locking/lockdep.c that WARN: what tells one where the file is not printed.
const FUNCTIONS: &[&str] = &[
    "lock_release",
    "lock_acquire",
    "__lock_acquire",
    "lock_downgrade",
    "lock_set_class",
    "__lock_set_class",
    "__lock_release",
    "register_lock_class",
    "look_up_lock_class",
    "lock_pin_lock",
    "__lock_pin_lock",
    "lock_repin_lock",
    "lock_unpin_lock",
    "__lock_unpin_lock",
    "lock_is_held_type",
    "check_flags",
    "lockdep_unregister_key",
    "lockdep_register_key",
    "lockdep_init_map_type",
    "lockdep_hardirqs_on",
    "lockdep_hardirqs_on_prepare",
    "lockdep_hardirqs_off",
    "lockdep_softirqs_on",
    "lockdep_softirqs_off",
    "reacquire_held_locks",
    "validate_chain",
    "check_prev_add",
    "print_circular_bug",
    "__bfs",
    "lockdep_free_key_range",
    "lockdep_reset_lock",
    "mark_lock",
    "mark_held_locks",
    "print_bfs_bug",
];

/// The kind of a WARN line by itself: its place or its condition.
pub(crate) fn place_kind(line: &WarnLine<'_>) -> Option<Kind> {
    if let Some(kind) = line.condition.and_then(message_kind) {
        return Some(kind);
    }
    let file = line
        .location
        .and_then(|l| l.rsplit_once(':'))
        .map(|(f, _)| f);
    let function = line
        .symbol
        .as_deref()
        .map(|s| s.split(['+', '.', ' ']).next().unwrap_or(s));
    match file {
        // kernel/lockdep.c until 3.13.
        Some(file)
            if file.ends_with("kernel/locking/lockdep.c") || file.ends_with("kernel/lockdep.c") =>
        {
            Some(Kind::LockdepWarn)
        }
        Some(_) => None,
        None => function
            .filter(|f| FUNCTIONS.contains(f))
            .map(|_| Kind::LockdepWarn),
    }
}

/// A message as the result keeps it: for asserts without brackets, for the rest as printed.
pub(crate) fn message_text(text: &str) -> String {
    keep(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_warn_is_read_in_every_release() {
        for (rest, cpu, pid, location, symbol) in [
            (
                "at kernel/lockdep.c:2465 lockdep_trace_alloc+0xa0/0xb0()",
                None,
                None,
                Some("kernel/lockdep.c:2465"),
                "lockdep_trace_alloc+0xa0/0xb0",
            ),
            (
                "CPU: 1 PID: 8321 at /linux/kernel/sched/core.c:7301 __might_sleep+0x77/0x80()",
                Some(1),
                Some(8321),
                Some("/linux/kernel/sched/core.c:7301"),
                "__might_sleep+0x77/0x80",
            ),
            (
                "CPU: 0 PID: 0 at lock_release+0x1/0x2",
                Some(0),
                Some(0),
                None,
                "lock_release+0x1/0x2",
            ),
            (
                "init/main.c:1365 at do_one_initcall+0x1da/0x280, CPU#0: insmod/91",
                Some(0),
                Some(91),
                Some("init/main.c:1365"),
                "do_one_initcall+0x1da/0x280",
            ),
            (
                "[debug_locks && !(lock_is_held(&(l)->dep_map))] fs/a.c:3 at f+0x1/0x2 [m], CPU#2: a b/9",
                Some(2),
                Some(9),
                Some("fs/a.c:3"),
                "f+0x1/0x2 [m]",
            ),
            ("at 0x0, CPU#1: x/2", Some(1), Some(2), None, "0x0"),
        ] {
            let w = warn_line(rest).unwrap();
            assert_eq!(
                (w.cpu, w.pid, w.location, w.symbol.as_deref()),
                (cpu, pid, location, Some(symbol)),
                "{rest}"
            );
        }
        assert_eq!(warn_line("something else entirely"), None);
    }

    #[test]
    fn only_lock_debugging_warns_have_a_kind() {
        let kind = |rest: &str| place_kind(&warn_line(rest).unwrap());
        assert_eq!(
            kind("CPU: 0 PID: 1 at kernel/locking/lockdep.c:734 f+0x1/0x2"),
            Some(Kind::LockdepWarn)
        );
        assert_eq!(
            kind("at lock_release+0x1/0x2, CPU#1: x/2"),
            Some(Kind::LockdepWarn)
        );
        assert_eq!(
            kind("[debug_locks && !(x)] fs/a.c:3 at f+0x1/0x2, CPU#2: a/9"),
            Some(Kind::LockdepAssert)
        );
        assert_eq!(
            kind("CPU: 0 PID: 11919 at kernel/rcu/srcutree.c:653 f+0x1/0x2"),
            None
        );
        assert_eq!(message_kind("refcount_t: underflow; use-after-free."), None);
        assert_eq!(
            message_kind("DEBUG_LOCKS_WARN_ON(depth <= 0)"),
            Some(Kind::DebugLocksWarn)
        );
    }
}
