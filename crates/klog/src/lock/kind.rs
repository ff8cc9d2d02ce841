//! The kinds of lock-debugging report, each described in one place.
//!
//! To add a kind, describe it below. Its headers, the words that the search of a text looks for, its
//! WARN messages, its printing, its title, sentence and signature, and what is asked of kinds
//! ([`Kind::is_warn`] and the like) all come from the description. A form of report that none has yet
//! is a variant in [`super::spec`]; the compiler then names where it must be read and printed.

use serde::{Deserialize, Serialize};

use crate::lock::spec::{
    Form, Framed, KindSpec, Mark, Other, Plain, Sides, Tail, Title, Warn, Words,
};

/// Declares the kinds, each with its description.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $spec:expr,)*) => {
        /// What a report is about. The names in JSON are those of the kebab-case constants.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The description of the kind.
            pub(crate) fn spec(self) -> &'static KindSpec {
                match self {
                    $(Kind::$kind => { const SPEC: KindSpec = $spec; &SPEC })*
                }
            }
        }
    };
}

kinds! {
    /// `possible circular locking dependency detected`: a cycle of lock classes (print_circular_bug).
    Circular = KindSpec {
        id: "circular",
        form: Form::Framed(Framed::Locks(
            " is trying to acquire lock:",
            Other::Held("but task is already holding lock:"),
        )),
        turns_lockdep_off: true,
        headlines: &["possible circular locking dependency detected"],
        begins: &[
            "which lock already depends on the new lock",
            "the existing dependency chain",
        ],
        printers: &["print_circular_bug"],
        title: Title::Words("possible circular locking dependency"),
        sentence: |w| {
            let Words {
                who,
                lock,
                place,
                other,
                cycle,
                ..
            } = w;
            format!(
                "{who} takes {lock}{place} while it holds {other}, but elsewhere {other} is taken, directly or over others, under {lock}{cycle}: two tasks can wait for each other for ever."
            )
        },
        ..KindSpec::BASE
    },
    /// `possible recursive locking detected`: the class is held already (print_deadlock_bug).
    Recursive = KindSpec {
        id: "recursive",
        form: Form::Framed(Framed::Locks(
            " is trying to acquire lock:",
            Other::Held("but task is already holding lock:"),
        )),
        turns_lockdep_off: true,
        headlines: &["possible recursive locking detected"],
        begins: &[
            "and the lock comparison function returns",
            "May be due to missing lock nesting",
        ],
        printers: &["print_deadlock_bug"],
        title: Title::Words("possible recursive locking"),
        sentence: |w| {
            let Words {
                who,
                lock,
                place,
                other,
                ..
            } = w;
            format!(
                "{who} takes {lock}{place} while it holds a lock of the same class, {other}; unless the order is fixed, it waits for itself."
            )
        },
        ..KindSpec::BASE
    },
    /// `X-safe -> X-unsafe lock order detected` (print_bad_irq_dependency).
    IrqOrder = KindSpec {
        id: "irq-order",
        form: Form::Framed(Framed::Locks(
            " is trying to acquire:",
            Other::Held("and this task is already holding:"),
        )),
        turns_lockdep_off: true,
        headlines: &["HARDIRQ-safe -> HARDIRQ-unsafe lock order detected"],
        begins: &[
            "which would create a new lock dependency",
            "but this new dependency connects a ",
            "... which became ",
            "the dependencies between ",
        ],
        printers: &["print_bad_irq_dependency"],
        title: Title::MessageWithout(" detected", "irq-safe -> irq-unsafe lock order"),
        sentence: irq_order,
        ..KindSpec::BASE
    },
    /// `possible irq lock inversion dependency detected` (print_irq_inversion_bug).
    IrqInversion = KindSpec {
        id: "irq-inversion",
        form: Form::Framed(Framed::Locks(
            " just changed the state of lock:",
            Other::Class,
        )),
        turns_lockdep_off: true,
        headlines: &["possible irq lock inversion dependency detected"],
        begins: &[
            "and interrupts could create inverse lock ordering",
            "the shortest dependencies between 2nd lock",
        ],
        printers: &["print_irq_inversion_bug"],
        title: Title::Words("possible irq lock inversion dependency"),
        sentence: irq_inversion,
        ..KindSpec::BASE
    },
    /// `inconsistent lock state`: one class in and out of irq context (print_usage_bug).
    InconsistentState = KindSpec {
        id: "inconsistent-state",
        form: Form::Framed(Framed::Locks(" takes:", Other::Held(""))),
        turns_lockdep_off: true,
        headlines: &["inconsistent lock state"],
        begins: &["inconsistent {"],
        ends: &["} state was registered at:"],
        printers: &["print_usage_bug"],
        title: Title::Words("inconsistent lock state"),
        sentence: |w| {
            let Words {
                who,
                lock,
                place,
                change,
                ..
            } = w;
            format!(
                "{who} used {lock}{place} in an irq state that it was not used in before{change}: an irq that takes it can interrupt its holder."
            )
        },
        ..KindSpec::BASE
    },
    /// `Invalid wait context`: a sleeping lock where only spinning is allowed.
    InvalidWaitContext = KindSpec {
        id: "invalid-wait-context",
        form: Form::Framed(Framed::WaitContext),
        turns_lockdep_off: true,
        headlines: &["Invalid wait context"],
        begins: &["context-{"],
        printers: &["print_lock_invalid_wait_context"],
        title: Title::Words("invalid wait context"),
        sentence: |w| {
            let Words {
                who, lock, place, ..
            } = w;
            format!("{who} takes {lock}, which may sleep, in a context that must not{place}.")
        },
        ..KindSpec::BASE
    },
    /// `Nested lock was not taken` (print_lock_nested_lock_not_held).
    NestedNotHeld = KindSpec {
        id: "nested-not-held",
        form: Form::Framed(Framed::Locks(
            " is trying to lock:",
            Other::Name("but this task is not holding:"),
        )),
        turns_lockdep_off: true,
        headlines: &["Nested lock was not taken"],
        begins: &["but this task is not holding:"],
        printers: &["print_lock_nested_lock_not_held"],
        title: Title::Words("nested lock was not taken"),
        sentence: |w| {
            let Words {
                who, lock, place, ..
            } = w;
            format!("{who} takes {lock}{place} as nested under a lock that it does not hold.")
        },
        ..KindSpec::BASE
    },
    /// `bad unlock balance detected!` (print_unlock_imbalance_bug).
    BadUnlockBalance = KindSpec {
        id: "bad-unlock-balance",
        form: Form::Framed(Framed::Release("release")),
        turns_lockdep_off: true,
        headlines: &["bad unlock balance detected!"],
        begins: &["but there are no more locks to release"],
        printers: &["print_unlock_imbalance_bug"],
        title: Title::Words("bad unlock balance"),
        sentence: |w| {
            let Words {
                who, lock, place, ..
            } = w;
            format!("{who} releases {lock}{place} without holding it.")
        },
        ..KindSpec::BASE
    },
    /// `bad contention detected!` (print_lock_contention_bug, LOCK_STAT).
    BadContention = KindSpec {
        id: "bad-contention",
        form: Form::Framed(Framed::Release("contend")),
        turns_lockdep_off: true,
        headlines: &["bad contention detected!"],
        begins: &["but there are no locks held!"],
        printers: &["print_lock_contention_bug"],
        title: Title::Words("bad contention"),
        sentence: |w| {
            let Words {
                who, lock, place, ..
            } = w;
            format!("{who} contends {lock}{place} without having asked for it.")
        },
        ..KindSpec::BASE
    },
    /// `held lock freed!` (print_freed_lock_bug).
    HeldLockFreed = KindSpec {
        id: "held-lock-freed",
        form: Form::Framed(Framed::Freed),
        turns_lockdep_off: true,
        headlines: &["held lock freed!"],
        ends: &[", with a lock still held there!"],
        printers: &["print_freed_lock_bug", "debug_check_no_locks_freed"],
        title: Title::Words("held lock freed"),
        sentence: |w| {
            let Words {
                who, place, lock, ..
            } = w;
            format!("{who} frees memory{place} with {lock} in it, which is held.")
        },
        ..KindSpec::BASE
    },
    /// `COMM/PID still has locks held!` (print_held_locks_bug).
    StillHasLocks = KindSpec {
        id: "still-has-locks",
        form: Form::Framed(Framed::Held),
        turns_lockdep_off: true,
        is_of_held: true,
        // Before 3.5, in place of `COMM/PID still has locks held!`.
        headlines: &["lock held at task exit time!"],
        printers: &["print_held_locks_bug", "debug_check_no_locks_held"],
        title: Title::Words("task still has locks held"),
        sentence: |w| {
            let Words {
                who, held_count, ..
            } = w;
            format!("{who} must hold no lock here and holds {held_count}.")
        },
        ..KindSpec::BASE
    },
    /// `lock held when returning to user space!` (lockdep_sys_exit).
    UserReturnLocks = KindSpec {
        id: "user-return-locks",
        form: Form::Framed(Framed::Leaving),
        turns_lockdep_off: true,
        has_backtrace: false,
        is_of_held: true,
        headlines: &["lock held when returning to user space!"],
        ends: &[" is leaving the kernel with locks still held!"],
        title: Title::Words("lock held when returning to user space"),
        sentence: |w| {
            let Words { who, held, .. } = w;
            format!("{who} returns to user space and still holds {held}.")
        },
        ..KindSpec::BASE
    },
    /// `suspicious RCU usage` (lockdep_rcu_suspicious).
    SuspiciousRcu = KindSpec {
        id: "suspicious-rcu",
        form: Form::Framed(Framed::Rcu),
        // The second from 2.6.33 to 3.1.
        headlines: &[
            "suspicious RCU usage",
            "suspicious rcu_dereference_check() usage",
        ],
        begins: &["rcu_scheduler_active = "],
        printers: &["lockdep_rcu_suspicious"],
        title: Title::MessageWithout("!", "suspicious RCU usage"),
        signature: Mark::File,
        sentence: rcu,
        ..KindSpec::BASE
    },
    /// `chain_key collision` (print_collision, DEBUG_LOCKDEP).
    ChainKeyCollision = KindSpec {
        id: "chain-key-collision",
        form: Form::Framed(Framed::Collision),
        headlines: &["chain_key collision"],
        begins: &["Hash chain already cached but the contents"],
        title: Title::Words("lockdep chain key collision"),
        sentence: |w| {
            let Words { who, .. } = w;
            format!(
                "{who} holds locks whose chain has the hash of another chain: lockdep may have missed a problem."
            )
        },
        ..KindSpec::BASE
    },
    /// `trying to register non-static key` (assign_lock_key).
    NonStaticKey = KindSpec {
        id: "non-static-key",
        form: Form::Plain(Plain::KeyAdvice),
        turns_lockdep_off: true,
        headlines: &["trying to register non-static key."],
        title: Title::Words("lock with a non-static key"),
        sentence: |w| {
            let Words { place, .. } = w;
            format!(
                "A lock was used{place} that was never initialised, or whose key is not static; lockdep is off from here."
            )
        },
        ..KindSpec::BASE
    },
    /// `key ADDR has not been registered!`, formerly `not in .data!` (lockdep_init_map_type).
    UnregisteredKey = KindSpec {
        id: "unregistered-key",
        form: Form::Warn(Warn::BehindKey),
        turns_lockdep_off: true,
        bugs: &[("key ", Tail::Key)],
        title: Title::Words("lock key that is not registered"),
        sentence: |w| {
            let Words { place, .. } = w;
            format!(
                "A lock was initialised{place} with a key that is not registered; lockdep is off from here."
            )
        },
        ..KindSpec::BASE
    },
    /// `looking up invalid subclass` (look_up_lock_class).
    InvalidSubclass = KindSpec {
        id: "invalid-subclass",
        form: Form::Plain(Plain::Limit),
        turns_lockdep_off: true,
        bugs: &[("looking up invalid subclass: ", Tail::Message)],
        sentence: |w| {
            let Words { place, .. } = w;
            format!(
                "A lock was taken{place} with a subclass that does not exist; lockdep is off from here."
            )
        },
        ..KindSpec::BASE
    },
    /// `MAX_... too low!`: lockdep ran out of room (print_lockdep_off).
    LockdepLimit = KindSpec {
        id: "lockdep-limit",
        form: Form::Plain(Plain::Limit),
        turns_lockdep_off: true,
        bugs: &[("MAX_", Tail::Limit)],
        signature: Mark::Title,
        sentence: |w| {
            let Words { message, .. } = w;
            format!("Lockdep ran out of room ({message}) and is off from here; no bug in itself.")
        },
        ..KindSpec::BASE
    },
    /// `DEBUG_LOCKS_WARN_ON(cond)` beside a WARN.
    DebugLocksWarn = KindSpec {
        id: "debug-locks-warn",
        form: Form::Warn(Warn::Alone),
        turns_lockdep_off: true,
        messages: &["DEBUG_LOCKS_WARN_ON("],
        signature: Mark::Title,
        sentence: inconsistent,
        ..KindSpec::BASE
    },
    /// Any other WARN in kernel/locking/lockdep.c.
    LockdepWarn = KindSpec {
        id: "lockdep-warn",
        form: Form::Warn(Warn::Alone),
        messages: &[
            "Looking for class \"",
            "Detected use-after-free of lock class",
            "lockdep bfs error:",
            "hm#1, depth:",
            "hm#2, depth:",
            "downgrading a read lock",
            "releasing a pinned lock",
            "pinning an unheld lock",
            "unpinning an unheld lock",
            "unpinning an unpinned lock",
            "pin count corrupted",
        ],
        signature: Mark::Title,
        sentence: inconsistent,
        ..KindSpec::BASE
    },
    /// A failed lockdep_assert*().
    LockdepAssert = KindSpec {
        id: "lockdep-assert",
        form: Form::Warn(Warn::Alone),
        // Texts of 4.15 to 5.8, of lockdep_assert_RT_in_threaded_ctx, and the conditions that
        // CONFIG_DEBUG_BUGVERBOSE_DETAILED prints (include/linux/lockdep.h).
        messages: &[
            "IRQs not enabled as expected",
            "IRQs not disabled as expected",
            "Not in hardirq as expected",
            "Not in softirq context",
            "Not in threaded context on PREEMPT_RT as expected",
            "debug_locks && ",
            "__lockdep_enabled && ",
        ],
        signature: Mark::File,
        sentence: |w| {
            let Words { at, said, .. } = w;
            format!(
                "A function that requires a lock or an irq state was called without it{at}{said}."
            )
        },
        ..KindSpec::BASE
    },
    /// `DEBUG_RWSEMS_WARN_ON` (rwsem.c).
    RwsemWarn = KindSpec {
        id: "rwsem-warn",
        form: Form::Warn(Warn::Alone),
        turns_lockdep_off: true,
        messages: &["DEBUG_RWSEMS_WARN_ON("],
        // The state of the lock follows, which no two machines have in common.
        title: Title::MessageUpTo(": count = ", "rwsem"),
        signature: Mark::Title,
        sentence: inconsistent,
        ..KindSpec::BASE
    },
    /// `rtmutex deadlock detected`, `Maximum lock depth N reached` (rtmutex.c).
    RtmutexWarn = KindSpec {
        id: "rtmutex-warn",
        form: Form::Warn(Warn::Alone),
        messages: &["rtmutex deadlock detected"],
        sentence: inconsistent,
        ..KindSpec::BASE
    },
    /// `raw_local_irq_restore() called with IRQs enabled` (irqflag-debug.c).
    IrqflagsWarn = KindSpec {
        id: "irqflags-warn",
        form: Form::Warn(Warn::Alone),
        messages: &["raw_local_irq_restore() called with IRQs enabled"],
        title: Title::Words("raw_local_irq_restore() called with IRQs enabled"),
        sentence: |w| {
            let Words { place, .. } = w;
            format!(
                "Interrupts were restored{place} from saved flags although they were already on."
            )
        },
        ..KindSpec::BASE
    },
    /// `CPU N left hardirqs enabled!` (lockdep_cleanup_dead_cpu).
    IrqsLeftEnabled = KindSpec {
        id: "irqs-left-enabled",
        form: Form::Plain(Plain::DeadCpu),
        has_backtrace: false,
        title: Title::Words("offline CPU left hardirqs enabled"),
        sentence: |_| "A CPU that went offline had interrupts enabled.".to_owned(),
        ..KindSpec::BASE
    },
    /// `sleeping function called from invalid context` (__might_resched).
    AtomicSleep = KindSpec {
        id: "atomic-sleep",
        form: Form::Plain(Plain::Counters),
        bugs: &[(
            "sleeping function called from invalid context at ",
            Tail::Place,
        )],
        printers: &["__might_resched", "___might_sleep"],
        title: Title::Words("sleeping function called from invalid context"),
        signature: Mark::File,
        sentence: |w| {
            let Words {
                who, at, holding, ..
            } = w;
            format!("{who} called a function that may sleep{at} in atomic context{holding}.")
        },
        ..KindSpec::BASE
    },
    /// `do not call blocking ops when !TASK_RUNNING` (__might_sleep).
    NonrunningSleep = KindSpec {
        id: "nonrunning-sleep",
        form: Form::Warn(Warn::Alone),
        messages: &["do not call blocking ops when !TASK_RUNNING"],
        title: Title::Words("blocking operation while not TASK_RUNNING"),
        sentence: |w| {
            let Words { who, place, .. } = w;
            format!("{who} blocks{place} while it is already set to wait: the wakeup may be lost.")
        },
        ..KindSpec::BASE
    },
    /// `scheduling while atomic`, `scheduling in a non-blocking section` (__schedule_bug).
    AtomicSched = KindSpec {
        id: "atomic-sched",
        form: Form::Plain(Plain::Schedule),
        bugs: &[
            ("scheduling while atomic: ", Tail::TaskAndCount),
            ("scheduling in a non-blocking section: ", Tail::TaskAndCount),
        ],
        printers: &["__schedule_bug"],
        sentence: |w| {
            let Words {
                who,
                place,
                holding,
                ..
            } = w;
            format!("{who} went to sleep{place} in atomic context{holding}.")
        },
        ..KindSpec::BASE
    },
    /// `assuming atomic context` (__cant_sleep).
    CantSleep = KindSpec {
        id: "cant-sleep",
        form: Form::Plain(Plain::Counters),
        bugs: &[("assuming atomic context at ", Tail::Place)],
        title: Title::Words("assuming atomic context"),
        signature: Mark::File,
        sentence: |w| {
            let Words { who, at, .. } = w;
            format!(
                "{who} reached code that requires atomic context{at} while it could be preempted."
            )
        },
        ..KindSpec::BASE
    },
    /// `assuming non migratable context` (__cant_migrate).
    CantMigrate = KindSpec {
        id: "cant-migrate",
        form: Form::Plain(Plain::Counters),
        bugs: &[("assuming non migratable context at ", Tail::Place)],
        title: Title::Words("assuming non migratable context"),
        signature: Mark::File,
        sentence: |w| {
            let Words { who, at, .. } = w;
            format!("{who} reached code that must not change the CPU{at} while it could.")
        },
        ..KindSpec::BASE
    },
    /// `workqueue leaked atomic, lock or RCU` (process_one_work).
    WorkqueueLeak = KindSpec {
        id: "workqueue-leak",
        form: Form::Plain(Plain::Work),
        bugs: &[("workqueue leaked ", Tail::Leak)],
        sentence: |w| {
            let Words { work, .. } = w;
            format!("The work function {work} returned atomic, or with a lock or RCU held.")
        },
        ..KindSpec::BASE
    },
    /// `BUG: spinlock ...` (spin_bug).
    SpinlockDebug = KindSpec {
        id: "spinlock-debug",
        form: Form::Plain(Plain::Spinlock),
        turns_lockdep_off: true,
        bugs: &[("spinlock ", Tail::Lock("spinlock"))],
        printers: &["spin_bug", "spin_dump"],
        signature: Mark::Title,
        sentence: misused,
        ..KindSpec::BASE
    },
    /// `BUG: rwlock ...` (rwlock_bug).
    RwlockDebug = KindSpec {
        id: "rwlock-debug",
        form: Form::Plain(Plain::Rwlock),
        turns_lockdep_off: true,
        bugs: &[
            ("rwlock ", Tail::Lock("rwlock")),
            ("read-rwlock ", Tail::Lock("rwlock")),
            ("write-rwlock ", Tail::Lock("rwlock")),
        ],
        printers: &["rwlock_bug"],
        signature: Mark::Title,
        sentence: misused,
        ..KindSpec::BASE
    },
    /// `using FN() in preemptible code` (check_preemption_disabled).
    PreemptiblePercpu = KindSpec {
        id: "preemptible-percpu",
        form: Form::Plain(Plain::Caller),
        bugs: &[("using ", Tail::PerCpu)],
        printers: &["check_preemption_disabled"],
        sentence: |w| {
            let Words { who, place, .. } = w;
            format!("{who} used per-CPU data{place} while it could be moved to another CPU.")
        },
        ..KindSpec::BASE
    },
    /// `Voluntary context switch within RCU read-side critical section!` (rcu_note_context_switch).
    RcuVoluntarySwitch = KindSpec {
        id: "rcu-voluntary-switch",
        form: Form::Warn(Warn::Alone),
        messages: &["Voluntary context switch within RCU read-side critical section"],
        title: Title::Words("voluntary context switch within RCU read-side critical section"),
        sentence: |w| {
            let Words { who, place, .. } = w;
            format!("{who} gave up the CPU{place} inside an RCU read-side critical section.")
        },
        ..KindSpec::BASE
    },
}

/// The two ways in which an irq can meet the locks of an irq-order report.
fn irq_order(w: &Words<'_>) -> String {
    let Words {
        who,
        lock,
        other,
        place,
        ..
    } = w;
    let start = format!("{who} takes {lock}{place} under {other}");
    let Some(sides) = &w.sides else {
        return format!(
            "{start}; so an irq that takes the irq-safe lock may wait for one that is taken with irqs on."
        );
    };
    let Sides {
        irq,
        safe,
        safe_by,
        unsafe_,
        unsafe_by,
    } = sides;
    format!(
        "{start}; but {safe} is taken in a {irq}{safe_by}, and {unsafe_} elsewhere with {irq}s on{unsafe_by}: a {irq} on the CPU that holds {unsafe_}, and a task that takes {unsafe_} under {safe}, can wait for each other for ever."
    )
}

fn irq_inversion(w: &Words<'_>) -> String {
    let Words {
        who,
        lock,
        other,
        place,
        ..
    } = w;
    if w.took {
        return format!(
            "{who} takes {lock}{place} in an irq; {other} has been taken under it and, elsewhere, with irqs on: an irq on the CPU that holds {other}, and a task that takes {other} under {lock}, can wait for each other for ever."
        );
    }
    format!(
        "{who} takes {lock}{place} with irqs on; it has been taken under {other}, which is taken in an irq: an irq on the CPU that holds {lock}, and a task that takes {lock} under {other}, can wait for each other for ever."
    )
}

fn rcu(w: &Words<'_>) -> String {
    let Words {
        who,
        at,
        said,
        doubt,
        ..
    } = w;
    if w.message.contains("rcu_dereference") {
        return format!(
            "{who} read an RCU-protected pointer{at} with nothing that protects it{doubt}."
        );
    }
    format!("{who} broke a rule of RCU{at}{said}{doubt}.")
}

fn inconsistent(w: &Words<'_>) -> String {
    format!(
        "The locking code found its own state inconsistent{}{}.",
        w.at, w.said
    )
}

fn misused(w: &Words<'_>) -> String {
    format!(
        "{} used a broken or misused lock{}{}.",
        w.who, w.place, w.said
    )
}

impl Kind {
    /// The kebab-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().id
    }

    /// Every kind, in the order of their declaration.
    pub fn all() -> impl Iterator<Item = Kind> {
        Self::ALL.iter().copied()
    }

    /// The kinds that come as a WARN, or have one in them: registers and an `---[ end trace` follow.
    #[must_use]
    pub(crate) fn is_warn(self) -> bool {
        matches!(self.spec().form, Form::Warn(_))
    }

    /// The kinds that switch lockdep off before they are printed, so that memory keeps the locks of
    /// that moment: nothing is recorded any more.
    #[must_use]
    pub fn turns_lockdep_off(self) -> bool {
        self.spec().turns_lockdep_off
    }

    /// The kinds printed between rules, whose backtrace follows `stack backtrace:` and no sooner.
    #[must_use]
    pub(crate) fn is_framed(self) -> bool {
        matches!(self.spec().form, Form::Framed(_))
    }

    /// Whether the kernel ends this kind with a backtrace.
    #[must_use]
    pub(crate) fn has_backtrace(self) -> bool {
        self.spec().has_backtrace
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_every_kind_is_its_name_in_json() {
        for kind in Kind::all() {
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.name())
            );
        }
        assert_eq!(Kind::all().count(), 35);
    }
}
