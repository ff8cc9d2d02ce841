//! The lines that begin a report.
//!
//! | form | example |
//! |---|---|
//! | framed, 4.12 and later | `WARNING: possible circular locking dependency detected` |
//! | framed, before | `[ INFO: possible circular locking dependency detected ]`, `[ BUG: held lock freed! ]` |
//! | plain | `BUG: sleeping function called from invalid context at mm/slab.h:420` |
//! | WARN | see [`super::warn`] |

use crate::lock::kind::Kind;
use crate::lock::parts::{AtomicState, Lock};
use crate::lock::spec::Tail;
use crate::lock::warn::{WarnLine, message_kind, warn_line};
use crate::model::TaskRef;
use crate::text::{address, hex_after, integer, is_pointer, keep, number};

/// What a header line says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) task: Option<TaskRef>,
    pub(crate) cpu: Option<u32>,
    pub(crate) location: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) lock: Option<Lock>,
    pub(crate) atomic: Option<AtomicState>,
}

/// A header, or a WARN line whose kind its message decides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Header<'a> {
    Plain(Box<Head>),
    Warn(WarnLine<'a>),
}

/// Limits of lockdep that print `BUG: MAX_… too low!`.
const LIMITS: &[&str] = &[
    "LOCKDEP_KEYS",
    "LOCKDEP_ENTRIES",
    "LOCKDEP_CHAINS",
    "LOCKDEP_CHAIN_HLOCKS",
    "STACK_TRACE_ENTRIES",
    "LOCK_DEPTH",
];

/// Recognises a header in a line whose prefix is stripped.
pub(crate) fn header(text: &str) -> Option<Header<'_>> {
    let t = text.trim();
    let t = t
        .strip_prefix("[ ")
        .and_then(|r| r.strip_suffix(" ]"))
        .unwrap_or(t);
    let plain = |head: Head| Some(Header::Plain(Box::new(head)));
    if let Some(rest) = t.strip_prefix("WARNING: ") {
        if let Some(head) = framed(rest) {
            return plain(head);
        }
        return warn_line(rest).map(Header::Warn);
    }
    // `Debug:` in 2.6.
    if let Some(rest) = t.strip_prefix("Debug: ") {
        return bug(rest).and_then(plain);
    }
    if let Some(rest) = t.strip_prefix("INFO: ") {
        return framed(rest).and_then(plain);
    }
    if let Some(rest) = t.strip_prefix("BUG: ") {
        return framed(rest).or_else(|| bug(rest)).and_then(plain);
    }
    dead_cpu(t)
        .or_else(|| lock_depth(t))
        .or_else(|| old_collision(t))
        .and_then(plain)
}

/// Splits where a header may begin inside a line: at a bracket (up to 4.11), at a word that the text
/// before runs into, at the `WARNING:` behind the message of a WARN.
pub(crate) fn header_behind(text: &str) -> Option<(&str, &str)> {
    let bracketed = || {
        let at = text.find("[ BUG: ").or_else(|| text.find("[ INFO: "))?;
        text.trim_end().ends_with(" ]").then_some(at)
    };
    let glued = || {
        let at = ["WARNING: ", "INFO: ", "BUG: "]
            .iter()
            .find_map(|w| text.find(w))?;
        let before = text.get(..at)?.chars().next_back()?;
        (before.is_alphanumeric() || matches!(before, '.' | ')' | ']')).then_some(at)
    };
    let message = || {
        let at = text.find(" WARNING: ")?;
        message_kind(text.get(..at)?).map(|_| at.saturating_add(1))
    };
    let at = bracketed().or_else(glued).or_else(message)?;
    text.split_at_checked(at)
        .filter(|(before, _)| !before.trim().is_empty())
}

/// `[chain_key collision ]`, with neither a word nor a blank in front (4.6 to 4.11).
fn old_collision(t: &str) -> Option<Head> {
    let text = t.strip_prefix('[')?.strip_suffix(" ]")?;
    (text == "chain_key collision").then(|| bare(Kind::ChainKeyCollision, text))
}

/// A header without task, CPU or place.
fn bare(kind: Kind, message: &str) -> Head {
    Head {
        kind,
        task: None,
        cpu: None,
        location: None,
        message: Some(keep(message)),
        lock: None,
        atomic: None,
    }
}

/// A headline without what ends it: ` detected`, `.`, `!`, ` ]`.
fn stem(headline: &str) -> &str {
    let text = headline.trim_end_matches(['.', '!', ' ', ']']);
    text.strip_suffix(" detected").unwrap_or(text)
}

/// The kinds with a headline of their own, most of them between rules.
fn framed(rest: &str) -> Option<Head> {
    let text = rest.trim_end_matches([' ', ']']);
    let own = |kind: &Kind| {
        let mut headlines = kind.spec().headlines.iter();
        headlines.any(|headline| stem(headline) == stem(rest))
    };
    if let Some(kind) = Kind::all().find(own) {
        return Some(bare(kind, text));
    }
    if let Some(order) = text.strip_suffix("-unsafe lock order detected") {
        let (safe, unsafe_) = order.split_once("-safe -> ")?;
        // `hard` and `soft` in small letters up to 2.6.28.
        let word = |w: &str| {
            !w.is_empty()
                && w.bytes()
                    .all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_')
        };
        return (word(safe) && word(unsafe_)).then(|| bare(Kind::IrqOrder, text));
    }
    let who = text.strip_suffix(" still has locks held!")?;
    let mut head = bare(Kind::StillHasLocks, "still has locks held!");
    head.task = Some(TaskRef::parse(who)?);
    Some(head)
}

/// The kinds that start with `BUG: ` and no rule.
fn bug(rest: &str) -> Option<Head> {
    Kind::all().find_map(|kind| {
        kind.spec().bugs.iter().find_map(|(words, tail)| {
            let behind = rest.strip_prefix(words)?;
            match tail {
                Tail::Place => Some(placed(kind, rest, behind)),
                Tail::Message => Some(bare(kind, rest)),
                Tail::Key => key(kind, behind),
                Tail::Limit => limit(kind, rest, behind),
                Tail::TaskAndCount => Some(scheduling(kind, rest, behind)),
                Tail::Leak => leak(kind, behind),
                Tail::Lock(of) => spinning(kind, of, behind),
                Tail::PerCpu => per_cpu(kind, behind),
            }
        })
    })
}

/// `… at FILE:LINE`.
fn placed(kind: Kind, message: &str, at: &str) -> Head {
    let mut head = bare(kind, message);
    head.location = at.split(' ').next().map(keep);
    if let Some((text, _)) = message.rsplit_once(" at ") {
        head.message = Some(keep(text));
    }
    head
}

/// `ffff… has not been registered!`; the message has no address.
fn key(kind: Kind, key: &str) -> Option<Head> {
    let known = key.contains(" has not been registered!") || key.contains(" not in .data!");
    let text = key.split_once(' ').map_or(key, |(_, text)| text);
    known.then(|| bare(kind, text))
}

/// `LIMIT too low!`.
fn limit(kind: Kind, message: &str, limit: &str) -> Option<Head> {
    let name = limit.strip_suffix(" too low!").unwrap_or(limit.trim_end());
    LIMITS
        .contains(&name.trim_end_matches(" too low"))
        .then(|| bare(kind, message))
}

/// `scheduling while atomic: COMM/PID/0xCOUNT`, `scheduling in a non-blocking section: COMM/PID/N`.
fn scheduling(kind: Kind, rest: &str, who: &str) -> Head {
    let mut head = bare(kind, rest.split_once(": ").map_or(rest, |(m, _)| m));
    let Some((task, count)) = who.trim().rsplit_once('/') else {
        return head;
    };
    head.task = TaskRef::parse(task);
    head.atomic = match count.strip_prefix("0x") {
        Some(_) => hex_after(count, "").map(|count| AtomicState {
            preempt_count: Some(count),
            ..AtomicState::default()
        }),
        None => integer(count).map(|count| AtomicState {
            non_block: Some(count),
            ..AtomicState::default()
        }),
    };
    head
}

/// `workqueue leaked atomic, lock or RCU: COMM[PID]`; before 6.10 `… leaked lock or atomic: COMM/0xCOUNT/PID`.
fn leak(kind: Kind, rest: &str) -> Option<Head> {
    let (what, who) = rest.split_once(": ")?;
    let mut head = bare(kind, &format!("workqueue leaked {what}"));
    let who = who.trim();
    head.task = match who.strip_suffix(']').and_then(|w| w.rsplit_once('[')) {
        Some((comm, pid)) => TaskRef::new(comm, pid),
        None => {
            let (left, pid) = who.rsplit_once('/')?;
            TaskRef::new(left.rsplit_once('/')?.0, pid)
        }
    };
    Some(head)
}

/// `MSG on CPU#N, COMM/PID`, for rwlocks with `, ADDR` behind.
fn spinning(kind: Kind, of: &str, tail: &str) -> Option<Head> {
    let (what, tail) = tail.split_once(" on CPU#")?;
    let (cpu, tail) = number(tail)?;
    let who = tail.strip_prefix(", ")?;
    // rwlock_bug, and spinlock lockups up to 3.x, put the lock's address behind the task.
    let (who, lock) = who
        .rsplit_once(", ")
        .filter(|(_, lock)| is_pointer(lock.trim()))
        .map_or((who, None), |(who, lock)| (who, Some(lock.trim())));
    let mut head = bare(kind, &format!("{of} {what}"));
    head.cpu = u32::try_from(cpu).ok();
    head.task = TaskRef::parse(who);
    head.lock = lock.map(|at| Lock::at_address(&address(at)));
    Some(head)
}

/// `using FN() in preemptible [HEX] code: COMM/PID`.
fn per_cpu(kind: Kind, rest: &str) -> Option<Head> {
    let (function, tail) = rest.split_once(" in preemptible [")?;
    let (_, who) = tail.split_once("] code: ")?;
    let mut head = bare(kind, &format!("using {function} in preemptible code"));
    head.task = TaskRef::parse(who);
    Some(head)
}

/// `CPU N left hardirqs enabled!` (lockdep_cleanup_dead_cpu).
fn dead_cpu(t: &str) -> Option<Head> {
    let (cpu, tail) = number(t.strip_prefix("CPU ")?)?;
    if tail != " left hardirqs enabled!" {
        return None;
    }
    let mut head = bare(Kind::IrqsLeftEnabled, "CPU left hardirqs enabled!");
    head.cpu = u32::try_from(cpu).ok();
    Some(head)
}

/// `Maximum lock depth N reached task: COMM (PID)` (rtmutex.c).
fn lock_depth(t: &str) -> Option<Head> {
    let (_, tail) = number(t.strip_prefix("Maximum lock depth ")?)?;
    let who = tail.strip_prefix(" reached task: ")?;
    let (comm, pid) = who.trim().strip_suffix(')')?.rsplit_once(" (")?;
    let mut head = bare(Kind::RtmutexWarn, "Maximum lock depth reached");
    head.task = Some(TaskRef::new(comm, pid)?);
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Head {
        match header(text) {
            Some(Header::Plain(head)) => *head,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_header_of_every_kind_is_known_in_old_and_new_words() {
        for (text, kind) in [
            (
                "WARNING: possible circular locking dependency detected",
                Kind::Circular,
            ),
            (
                "[ INFO: possible circular locking dependency detected ]",
                Kind::Circular,
            ),
            (
                "WARNING: possible recursive locking detected",
                Kind::Recursive,
            ),
            (
                "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
                Kind::IrqOrder,
            ),
            (
                "[ INFO: SOFTIRQ-READ-safe -> SOFTIRQ-unsafe lock order detected ]",
                Kind::IrqOrder,
            ),
            (
                "[ INFO: RECLAIM_FS-safe -> RECLAIM_FS-unsafe lock order detected ]",
                Kind::IrqOrder,
            ),
            (
                "[ INFO: hard-safe -> hard-unsafe lock order detected ]",
                Kind::IrqOrder,
            ),
            (
                "BUG: write-rwlock lockup on CPU#1, a/7, ffffffff81234567",
                Kind::RwlockDebug,
            ),
            (
                "WARNING: possible irq lock inversion dependency detected",
                Kind::IrqInversion,
            ),
            ("WARNING: inconsistent lock state", Kind::InconsistentState),
            ("[ BUG: Invalid wait context ]", Kind::InvalidWaitContext),
            ("WARNING: Nested lock was not taken", Kind::NestedNotHeld),
            (
                "[ BUG: bad unlock balance detected! ]",
                Kind::BadUnlockBalance,
            ),
            ("WARNING: bad contention detected!", Kind::BadContention),
            ("WARNING: held lock freed!", Kind::HeldLockFreed),
            ("WARNING: sh/107 still has locks held!", Kind::StillHasLocks),
            ("[ BUG: lock held at task exit time! ]", Kind::StillHasLocks),
            (
                "WARNING: lock held when returning to user space!",
                Kind::UserReturnLocks,
            ),
            ("[ INFO: suspicious RCU usage. ]", Kind::SuspiciousRcu),
            (
                "[ INFO: suspicious rcu_dereference_check() usage. ]",
                Kind::SuspiciousRcu,
            ),
            ("WARNING: chain_key collision", Kind::ChainKeyCollision),
            ("[chain_key collision ]", Kind::ChainKeyCollision),
            (
                "INFO: trying to register non-static key.",
                Kind::NonStaticKey,
            ),
            (
                "BUG: key ffff888012345678 has not been registered!",
                Kind::UnregisteredKey,
            ),
            (
                "BUG: key ffff888012345678 not in .data!",
                Kind::UnregisteredKey,
            ),
            ("BUG: looking up invalid subclass: 8", Kind::InvalidSubclass),
            ("BUG: MAX_LOCKDEP_CHAIN_HLOCKS too low!", Kind::LockdepLimit),
            (
                "BUG: assuming atomic context at net/core/filter.c:1",
                Kind::CantSleep,
            ),
            (
                "BUG: assuming non migratable context at a.c:1",
                Kind::CantMigrate,
            ),
            ("CPU 3 left hardirqs enabled!", Kind::IrqsLeftEnabled),
            (
                "Maximum lock depth 1024 reached task: a b (12)",
                Kind::RtmutexWarn,
            ),
        ] {
            assert_eq!(plain(text).kind, kind, "{text}");
        }
    }

    #[test]
    fn a_header_that_names_its_task_is_read() {
        for (text, comm, pid) in [
            (
                "BUG: scheduling while atomic: a/b/19425/0x00000000",
                "a/b",
                19425,
            ),
            (
                "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000000/353",
                "kworker/0:1",
                353,
            ),
            (
                "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[353]",
                "kworker/0:1",
                353,
            ),
            (
                "BUG: spinlock bad magic on CPU#1, swapper/0/0",
                "swapper/0",
                0,
            ),
            (
                "BUG: rwlock bad magic on CPU#1, a, b/7, ffffffff81234567",
                "a, b",
                7,
            ),
            (
                "BUG: using smp_processor_id() in preemptible [00000000] code: dhcpcd/4088",
                "dhcpcd",
                4088,
            ),
            (
                "WARNING: sh/-559038737 still has locks held!",
                "sh",
                -559_038_737,
            ),
        ] {
            assert_eq!(
                plain(text).task,
                Some(TaskRef {
                    comm: comm.into(),
                    pid
                }),
                "{text}"
            );
        }
        assert_eq!(
            plain("BUG: sleeping function called from invalid context at mm/slab.h:420")
                .location
                .as_deref(),
            Some("mm/slab.h:420")
        );
    }

    #[test]
    fn what_only_looks_like_a_header_is_none() {
        for text in [
            "INFO: lockdep is turned off.",
            "INFO: task kworker/0:3:7985 blocked for more than 120 seconds.",
            "watchdog: BUG: soft lockup - CPU#1 stuck for 134s! [a:4588]",
            "BUG: KASAN: double-free in f+0x1/0x2",
            "BUG: workqueue lockup - pool cpus=0",
            "BUG: unable to handle kernel paging request at 0",
            "Subject: WARNING: suspicious RCU usage",
            "WARNING: suspicious RCU usage is what the manual calls it",
            "BUG: key combination has no meaning",
            "BUG: MAX_ORDER too low!",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        ] {
            assert_eq!(header(text), None, "{text}");
        }
    }
}
