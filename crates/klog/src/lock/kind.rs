//! The kinds of lock-debugging report.

use serde::{Deserialize, Serialize};

/// What a report is about. The names in JSON are those of the kebab-case constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// `possible circular locking dependency detected`: a cycle of lock classes (print_circular_bug).
    Circular,
    /// `possible recursive locking detected`: the class is held already (print_deadlock_bug).
    Recursive,
    /// `X-safe -> X-unsafe lock order detected` (print_bad_irq_dependency).
    IrqOrder,
    /// `possible irq lock inversion dependency detected` (print_irq_inversion_bug).
    IrqInversion,
    /// `inconsistent lock state`: one class in and out of irq context (print_usage_bug).
    InconsistentState,
    /// `Invalid wait context`: a sleeping lock where only spinning is allowed.
    InvalidWaitContext,
    /// `Nested lock was not taken` (print_lock_nested_lock_not_held).
    NestedNotHeld,
    /// `bad unlock balance detected!` (print_unlock_imbalance_bug).
    BadUnlockBalance,
    /// `bad contention detected!` (print_lock_contention_bug, LOCK_STAT).
    BadContention,
    /// `held lock freed!` (print_freed_lock_bug).
    HeldLockFreed,
    /// `COMM/PID still has locks held!` (print_held_locks_bug).
    StillHasLocks,
    /// `lock held when returning to user space!` (lockdep_sys_exit).
    UserReturnLocks,
    /// `suspicious RCU usage` (lockdep_rcu_suspicious).
    SuspiciousRcu,
    /// `chain_key collision` (print_collision, DEBUG_LOCKDEP).
    ChainKeyCollision,
    /// `trying to register non-static key` (assign_lock_key).
    NonStaticKey,
    /// `key ADDR has not been registered!`, formerly `not in .data!` (lockdep_init_map_type).
    UnregisteredKey,
    /// `looking up invalid subclass` (look_up_lock_class).
    InvalidSubclass,
    /// `MAX_... too low!`: lockdep ran out of room (print_lockdep_off).
    LockdepLimit,
    /// `DEBUG_LOCKS_WARN_ON(cond)` beside a WARN.
    DebugLocksWarn,
    /// Any other WARN in kernel/locking/lockdep.c.
    LockdepWarn,
    /// A failed lockdep_assert*().
    LockdepAssert,
    /// `DEBUG_RWSEMS_WARN_ON` (rwsem.c).
    RwsemWarn,
    /// `rtmutex deadlock detected`, `Maximum lock depth N reached` (rtmutex.c).
    RtmutexWarn,
    /// `raw_local_irq_restore() called with IRQs enabled` (irqflag-debug.c).
    IrqflagsWarn,
    /// `CPU N left hardirqs enabled!` (lockdep_cleanup_dead_cpu).
    IrqsLeftEnabled,
    /// `sleeping function called from invalid context` (__might_resched).
    AtomicSleep,
    /// `do not call blocking ops when !TASK_RUNNING` (__might_sleep).
    NonrunningSleep,
    /// `scheduling while atomic`, `scheduling in a non-blocking section` (__schedule_bug).
    AtomicSched,
    /// `assuming atomic context` (__cant_sleep).
    CantSleep,
    /// `assuming non migratable context` (__cant_migrate).
    CantMigrate,
    /// `workqueue leaked atomic, lock or RCU` (process_one_work).
    WorkqueueLeak,
    /// `BUG: spinlock ...` (spin_bug).
    SpinlockDebug,
    /// `BUG: rwlock ...` (rwlock_bug).
    RwlockDebug,
    /// `using FN() in preemptible code` (check_preemption_disabled).
    PreemptiblePercpu,
    /// `Voluntary context switch within RCU read-side critical section!` (rcu_note_context_switch).
    RcuVoluntarySwitch,
}

/// Every kind with its name, in the order of their declaration.
const NAMES: &[(Kind, &str)] = &[
    (Kind::Circular, "circular"),
    (Kind::Recursive, "recursive"),
    (Kind::IrqOrder, "irq-order"),
    (Kind::IrqInversion, "irq-inversion"),
    (Kind::InconsistentState, "inconsistent-state"),
    (Kind::InvalidWaitContext, "invalid-wait-context"),
    (Kind::NestedNotHeld, "nested-not-held"),
    (Kind::BadUnlockBalance, "bad-unlock-balance"),
    (Kind::BadContention, "bad-contention"),
    (Kind::HeldLockFreed, "held-lock-freed"),
    (Kind::StillHasLocks, "still-has-locks"),
    (Kind::UserReturnLocks, "user-return-locks"),
    (Kind::SuspiciousRcu, "suspicious-rcu"),
    (Kind::ChainKeyCollision, "chain-key-collision"),
    (Kind::NonStaticKey, "non-static-key"),
    (Kind::UnregisteredKey, "unregistered-key"),
    (Kind::InvalidSubclass, "invalid-subclass"),
    (Kind::LockdepLimit, "lockdep-limit"),
    (Kind::DebugLocksWarn, "debug-locks-warn"),
    (Kind::LockdepWarn, "lockdep-warn"),
    (Kind::LockdepAssert, "lockdep-assert"),
    (Kind::RwsemWarn, "rwsem-warn"),
    (Kind::RtmutexWarn, "rtmutex-warn"),
    (Kind::IrqflagsWarn, "irqflags-warn"),
    (Kind::IrqsLeftEnabled, "irqs-left-enabled"),
    (Kind::AtomicSleep, "atomic-sleep"),
    (Kind::NonrunningSleep, "nonrunning-sleep"),
    (Kind::AtomicSched, "atomic-sched"),
    (Kind::CantSleep, "cant-sleep"),
    (Kind::CantMigrate, "cant-migrate"),
    (Kind::WorkqueueLeak, "workqueue-leak"),
    (Kind::SpinlockDebug, "spinlock-debug"),
    (Kind::RwlockDebug, "rwlock-debug"),
    (Kind::PreemptiblePercpu, "preemptible-percpu"),
    (Kind::RcuVoluntarySwitch, "rcu-voluntary-switch"),
];

impl Kind {
    /// The kebab-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(k, _)| *k == self)
            .map_or("unknown", |(_, n)| n)
    }

    /// Every kind, in the order of their declaration.
    pub fn all() -> impl Iterator<Item = Kind> {
        NAMES.iter().map(|(k, _)| *k)
    }

    /// The kinds that come as a WARN, or have one in them: registers and an `---[ end trace` follow.
    #[must_use]
    pub(crate) fn is_warn(self) -> bool {
        matches!(
            self,
            Kind::UnregisteredKey
                | Kind::DebugLocksWarn
                | Kind::LockdepWarn
                | Kind::LockdepAssert
                | Kind::RwsemWarn
                | Kind::RtmutexWarn
                | Kind::IrqflagsWarn
                | Kind::NonrunningSleep
                | Kind::RcuVoluntarySwitch
        )
    }

    /// The kinds that switch lockdep off before they are printed, so that memory keeps the locks of
    /// that moment: nothing is recorded any more.
    #[must_use]
    pub fn turns_lockdep_off(self) -> bool {
        matches!(
            self,
            Kind::DebugLocksWarn
                | Kind::NonStaticKey
                | Kind::UnregisteredKey
                | Kind::InvalidSubclass
                | Kind::LockdepLimit
                | Kind::RwsemWarn
                | Kind::SpinlockDebug
                | Kind::RwlockDebug
        ) || self.is_framed() && !matches!(self, Kind::SuspiciousRcu | Kind::ChainKeyCollision)
    }

    /// The kinds printed between rules, whose backtrace follows `stack backtrace:` and no sooner.
    #[must_use]
    pub(crate) fn is_framed(self) -> bool {
        matches!(
            self,
            Kind::Circular
                | Kind::Recursive
                | Kind::IrqOrder
                | Kind::IrqInversion
                | Kind::InconsistentState
                | Kind::InvalidWaitContext
                | Kind::NestedNotHeld
                | Kind::BadUnlockBalance
                | Kind::BadContention
                | Kind::HeldLockFreed
                | Kind::StillHasLocks
                | Kind::UserReturnLocks
                | Kind::SuspiciousRcu
                | Kind::ChainKeyCollision
        )
    }

    /// Whether the kernel ends this kind with a backtrace.
    #[must_use]
    pub(crate) fn has_backtrace(self) -> bool {
        !matches!(self, Kind::UserReturnLocks | Kind::IrqsLeftEnabled)
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
