//! The report whose head the ring buffer has overwritten.
//!
//! A ring that wrapped begins anywhere, also in the middle of a report. No header tells its kind then,
//! but a sentence that only one kind has does, or the function that printed it. Only records are
//! looked at this way, and only those of a ring that did wrap: in a text, a report without a header is
//! as likely a quotation.

use crate::carrier::Caller;
use crate::dumpstack::{StackLine, stack_line};
use crate::frame::FrameLine;
use crate::frame::base;
use crate::limits;
use crate::lock::header::header;
use crate::lock::kind::Kind;
use crate::record::Record;
use crate::text::visible;

/// The report that the records begin in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeadLost {
    pub(crate) kind: Kind,
    pub(crate) caller: Option<Caller>,
    /// Its trace had begun: frames come before any `Call Trace:`.
    pub(crate) in_trace: bool,
}

/// Sentences by their beginnings.
const BEGINS: &[(&str, Kind)] = &[
    ("which lock already depends on the new lock", Kind::Circular),
    ("the existing dependency chain", Kind::Circular),
    ("and the lock comparison function returns", Kind::Recursive),
    ("May be due to missing lock nesting", Kind::Recursive),
    ("which would create a new lock dependency", Kind::IrqOrder),
    ("but this new dependency connects a ", Kind::IrqOrder),
    ("... which became ", Kind::IrqOrder),
    ("the dependencies between ", Kind::IrqOrder),
    (
        "and interrupts could create inverse lock ordering",
        Kind::IrqInversion,
    ),
    (
        "the shortest dependencies between 2nd lock",
        Kind::IrqInversion,
    ),
    ("inconsistent {", Kind::InconsistentState),
    ("context-{", Kind::InvalidWaitContext),
    ("but this task is not holding:", Kind::NestedNotHeld),
    (
        "but there are no more locks to release",
        Kind::BadUnlockBalance,
    ),
    ("but there are no locks held!", Kind::BadContention),
    ("rcu_scheduler_active = ", Kind::SuspiciousRcu),
    (
        "Hash chain already cached but the contents",
        Kind::ChainKeyCollision,
    ),
];

/// Sentences by their ends.
const ENDS: &[(&str, Kind)] = &[
    ("} state was registered at:", Kind::InconsistentState),
    (", with a lock still held there!", Kind::HeldLockFreed),
    (
        " is leaving the kernel with locks still held!",
        Kind::UserReturnLocks,
    ),
];

/// Functions that print a report.
const PRINTERS: &[(&str, Kind)] = &[
    ("print_circular_bug", Kind::Circular),
    ("print_deadlock_bug", Kind::Recursive),
    ("print_bad_irq_dependency", Kind::IrqOrder),
    ("print_irq_inversion_bug", Kind::IrqInversion),
    ("print_usage_bug", Kind::InconsistentState),
    ("print_lock_invalid_wait_context", Kind::InvalidWaitContext),
    ("print_lock_nested_lock_not_held", Kind::NestedNotHeld),
    ("print_unlock_imbalance_bug", Kind::BadUnlockBalance),
    ("print_lock_contention_bug", Kind::BadContention),
    ("print_freed_lock_bug", Kind::HeldLockFreed),
    ("debug_check_no_locks_freed", Kind::HeldLockFreed),
    ("print_held_locks_bug", Kind::StillHasLocks),
    ("debug_check_no_locks_held", Kind::StillHasLocks),
    ("lockdep_rcu_suspicious", Kind::SuspiciousRcu),
    ("__might_resched", Kind::AtomicSleep),
    ("___might_sleep", Kind::AtomicSleep),
    ("__schedule_bug", Kind::AtomicSched),
    ("check_preemption_disabled", Kind::PreemptiblePercpu),
    ("spin_bug", Kind::SpinlockDebug),
    ("spin_dump", Kind::SpinlockDebug),
    ("rwlock_bug", Kind::RwlockDebug),
];

/// Looks for the rest of a report at the start of records that others came before.
pub(crate) fn find(records: &[Record<'_>]) -> Option<HeadLost> {
    if records.first().is_none_or(|r| r.seq == 0) {
        return None;
    }
    let mut begun: Vec<Option<Caller>> = Vec::new();
    let mut traced: Vec<Option<Caller>> = Vec::new();
    let mut lines = 0u64;
    for record in records {
        let caller = record.caller.as_deref().and_then(Caller::parse);
        for part in record.text.split(|b| *b == b'\n') {
            lines = lines.saturating_add(1);
            if lines > limits::HEADLESS_LINES {
                return None;
            }
            let text = visible(part);
            if begun.contains(&caller) {
                continue;
            }
            if header(&text).is_some() {
                begun.push(caller); // what follows belongs to that report
            } else if let Some(kind) = kind_of(&text) {
                let in_trace = is_frame(&text) && !traced.contains(&caller);
                return Some(HeadLost {
                    kind,
                    caller,
                    in_trace,
                });
            } else if matches!(stack_line(&text), StackLine::Head) {
                traced.push(caller);
            }
        }
    }
    None
}

fn is_frame(text: &str) -> bool {
    matches!(stack_line(text), StackLine::Frame(_))
}

/// The kind that a line can only belong to.
fn kind_of(text: &str) -> Option<Kind> {
    let t = text.trim();
    let by_words = BEGINS
        .iter()
        .find(|(words, _)| t.starts_with(words))
        .or_else(|| ENDS.iter().find(|(words, _)| t.ends_with(words)));
    if let Some((_, kind)) = by_words {
        return Some(*kind);
    }
    let StackLine::Frame(FrameLine::Frame(frame) | FrameLine::Return(frame)) = stack_line(text)
    else {
        return None;
    };
    let function = base(&frame.function);
    PRINTERS
        .iter()
        .find(|(name, _)| frame.reliable && *name == function)
        .map(|(_, kind)| *kind)
}
