//! What is wrong, in one plain sentence for someone who does not know lockdep.

use crate::lock::kind::Kind;
use crate::lock::parts::Lock;
use crate::lock::splat::Splat;
use crate::lock::title::first_outside;
use crate::model::Frame;

/// What the sentences are made of.
struct Words<'a> {
    /// The task.
    who: String,
    /// ` in FUNCTION()`, or nothing.
    place: String,
    lock: &'a str,
    other: &'a str,
    message: &'a str,
    /// ` at FILE:LINE`, or the place.
    at: String,
}

/// The sentence of a report.
pub(crate) fn sentence(splat: &Splat) -> String {
    let words = words(splat);
    of_locks(splat, &words)
        .or_else(|| of_lockdep(splat, &words))
        .or_else(|| of_context(splat, &words))
        .unwrap_or_default()
}

fn words(splat: &Splat) -> Words<'_> {
    let place = splat
        .guilty
        .as_deref()
        .map_or_else(String::new, |g| format!(" in {g}()"));
    Words {
        who: splat.task.as_ref().map_or_else(
            || "A task".to_owned(),
            |t| format!("{} (PID {})", t.comm, t.pid),
        ),
        lock: splat.lock.as_ref().map_or("a lock", |l| l.name.as_str()),
        other: splat
            .other_lock
            .as_ref()
            .map_or("another lock", |l| l.name.as_str()),
        message: splat
            .message
            .as_deref()
            .unwrap_or("")
            .trim_end_matches(['!', '.']),
        at: splat
            .location
            .as_deref()
            .map_or_else(|| place.clone(), |l| format!(" at {l}")),
        place,
    }
}

/// Locks taken, released or freed the wrong way.
fn of_locks(splat: &Splat, words: &Words<'_>) -> Option<String> {
    let Words {
        who,
        place,
        lock,
        other,
        message,
        at,
        ..
    } = words;
    Some(match splat.kind {
        Kind::Circular => circular(splat, who, lock, other, place),
        Kind::Recursive => format!(
            "{who} takes {lock}{place} while it holds a lock of the same class, {other}; unless the order is fixed, it waits for itself."
        ),
        Kind::IrqOrder => irq_order(splat, who, lock, other, place),
        Kind::IrqInversion => irq_inversion(splat, who, lock, other, place),
        Kind::InconsistentState => usage(splat, who, lock, place),
        Kind::InvalidWaitContext => {
            format!("{who} takes {lock}, which may sleep, in a context that must not{place}.")
        }
        Kind::NestedNotHeld => {
            format!("{who} takes {lock}{place} as nested under a lock that it does not hold.")
        }
        Kind::BadUnlockBalance => format!("{who} releases {lock}{place} without holding it."),
        Kind::BadContention => format!("{who} contends {lock}{place} without having asked for it."),
        Kind::HeldLockFreed => {
            format!("{who} frees memory{place} with {lock} in it, which is held.")
        }
        Kind::StillHasLocks => format!(
            "{who} must hold no lock here and holds {}.",
            splat.held.len()
        ),
        Kind::UserReturnLocks => format!(
            "{who} returns to user space and still holds {}.",
            held_names(splat)
        ),
        Kind::SuspiciousRcu => rcu(splat, who, message, at),
        _ => return None,
    })
}

/// What the checkers say of themselves and of broken state.
fn of_lockdep(splat: &Splat, words: &Words<'_>) -> Option<String> {
    let Words {
        who,
        place,
        message,
        at,
        ..
    } = words;
    Some(match splat.kind {
        Kind::ChainKeyCollision => format!(
            "{who} holds locks whose chain has the hash of another chain: lockdep may have missed a problem."
        ),
        Kind::NonStaticKey => format!(
            "A lock was used{place} that was never initialised, or whose key is not static; lockdep is off from here."
        ),
        Kind::UnregisteredKey => format!(
            "A lock was initialised{place} with a key that is not registered; lockdep is off from here."
        ),
        Kind::InvalidSubclass => format!(
            "A lock was taken{place} with a subclass that does not exist; lockdep is off from here."
        ),
        Kind::LockdepLimit => {
            format!("Lockdep ran out of room ({message}) and is off from here; no bug in itself.")
        }
        Kind::DebugLocksWarn | Kind::LockdepWarn | Kind::RwsemWarn | Kind::RtmutexWarn => {
            format!(
                "The locking code found its own state inconsistent{at}{}.",
                said(message)
            )
        }
        Kind::LockdepAssert => format!(
            "A function that requires a lock or an irq state was called without it{at}{}.",
            said(message)
        ),
        Kind::IrqflagsWarn => format!(
            "Interrupts were restored{place} from saved flags although they were already on."
        ),
        Kind::IrqsLeftEnabled => "A CPU that went offline had interrupts enabled.".to_owned(),
        _ => return None,
    })
}

/// What was done where it must not be.
fn of_context(splat: &Splat, words: &Words<'_>) -> Option<String> {
    let Words {
        who,
        place,
        message,
        at,
        ..
    } = words;
    Some(match splat.kind {
        Kind::AtomicSleep => format!(
            "{who} called a function that may sleep{at} in atomic context{}.",
            held_clause(splat)
        ),
        Kind::NonrunningSleep => {
            format!("{who} blocks{place} while it is already set to wait: the wakeup may be lost.")
        }
        Kind::AtomicSched => format!(
            "{who} went to sleep{place} in atomic context{}.",
            held_clause(splat)
        ),
        Kind::CantSleep => format!(
            "{who} reached code that requires atomic context{at} while it could be preempted."
        ),
        Kind::CantMigrate => {
            format!("{who} reached code that must not change the CPU{at} while it could.")
        }
        Kind::WorkqueueLeak => format!(
            "The work function {} returned atomic, or with a lock or RCU held.",
            splat.work.as_deref().unwrap_or("?")
        ),
        Kind::SpinlockDebug | Kind::RwlockDebug => format!(
            "{who} used a broken or misused lock{place}{}.",
            said(message)
        ),
        Kind::PreemptiblePercpu => {
            format!("{who} used per-CPU data{place} while it could be moved to another CPU.")
        }
        Kind::RcuVoluntarySwitch => {
            format!("{who} gave up the CPU{place} inside an RCU read-side critical section.")
        }
        _ => return None,
    })
}

/// `: MESSAGE`, if there is one.
fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

fn held_names(splat: &Splat) -> String {
    let names: Vec<&str> = splat
        .held
        .iter()
        .map(|h| h.lock.name.as_str())
        .take(4)
        .collect();
    if names.is_empty() {
        "a lock".to_owned()
    } else {
        names.join(", ")
    }
}

fn held_clause(splat: &Splat) -> String {
    if splat.held.is_empty() {
        String::new()
    } else {
        format!(", holding {}", held_names(splat))
    }
}

fn circular(splat: &Splat, who: &str, lock: &str, other: &str, place: &str) -> String {
    let path = if splat.cycle.len() > 1 {
        format!(
            " ({} -> {})",
            splat.cycle.join(" -> "),
            splat.cycle.first().map_or("", String::as_str)
        )
    } else {
        String::new()
    };
    format!(
        "{who} takes {lock}{place} while it holds {other}, but elsewhere {other} is taken, directly or over others, under {lock}{path}: two tasks can wait for each other for ever."
    )
}

/// ` (in FUNCTION())`: where a stored trace leaves the locking code.
fn by(trace: &[Frame]) -> String {
    first_outside(trace).map_or_else(String::new, |f| format!(" (in {f}())"))
}

fn irq_order(splat: &Splat, who: &str, lock: &str, other: &str, place: &str) -> String {
    let start = format!("{who} takes {lock}{place} under {other}");
    let (Some(safe), Some(unsafe_)) = (&splat.irq_safe, &splat.irq_unsafe) else {
        return format!(
            "{start}; so an irq that takes the irq-safe lock may wait for one that is taken with irqs on."
        );
    };
    let irq = safe.state.split('-').next().unwrap_or("irq").to_lowercase();
    let name = |lock: &Lock, else_: &str| match lock.name.as_str() {
        "" => else_.to_owned(),
        name => name.to_owned(),
    };
    let (safe_name, unsafe_name) = (name(&safe.lock, other), name(&unsafe_.lock, lock));
    format!(
        "{start}; but {safe_name} is taken in a {irq}{}, and {unsafe_name} elsewhere with {irq}s on{}: a {irq} on the CPU that holds {unsafe_name}, and a task that takes {unsafe_name} under {safe_name}, can wait for each other for ever.",
        by(&safe.trace),
        by(&unsafe_.trace)
    )
}

fn irq_inversion(splat: &Splat, who: &str, lock: &str, other: &str, place: &str) -> String {
    let took = splat
        .notes
        .iter()
        .any(|n| n.starts_with("but this lock took another"));
    if took {
        return format!(
            "{who} takes {lock}{place} in an irq; {other} has been taken under it and, elsewhere, with irqs on: an irq on the CPU that holds {other}, and a task that takes {other} under {lock}, can wait for each other for ever."
        );
    }
    format!(
        "{who} takes {lock}{place} with irqs on; it has been taken under {other}, which is taken in an irq: an irq on the CPU that holds {lock}, and a task that takes {lock} under {other}, can wait for each other for ever."
    )
}

fn usage(splat: &Splat, who: &str, lock: &str, place: &str) -> String {
    let change = splat.usage_change.as_ref().map_or(String::new(), |u| {
        format!(" ({} before, {} now)", u.from, u.to)
    });
    format!(
        "{who} used {lock}{place} in an irq state that it was not used in before{change}: an irq that takes it can interrupt its holder."
    )
}

fn rcu(splat: &Splat, who: &str, message: &str, at: &str) -> String {
    let doubt = if splat.debug_locks == Some(0) {
        "; lockdep was off already, so this may be a false alarm"
    } else {
        ""
    };
    if message.contains("rcu_dereference") {
        return format!(
            "{who} read an RCU-protected pointer{at} with nothing that protects it{doubt}."
        );
    }
    format!("{who} broke a rule of RCU{at}{}{doubt}.", said(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sentence() {
        for kind in Kind::all() {
            let text = sentence(&Splat::new(kind, 1));
            assert!(
                text.ends_with('.') || text.ends_with("ever."),
                "{kind}: {text}"
            );
        }
    }
}
