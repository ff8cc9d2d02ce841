//! WARNs whose message stands behind the `WARNING:` line (up to 4.5), and what check_flags() adds.

use crate::dumpstack::{StackLine, is_foreign_report, is_oops, stack_line};
use crate::lock::kind::Kind;
use crate::lock::open::Open;
use crate::lock::warn::{message_kind, message_text};

/// Offers a line.
pub(super) fn take(open: &mut Open, t: &str) -> bool {
    if !open.head.undecided && open.splat.kind != Kind::LockdepWarn {
        return absorbed(open, t);
    }
    if open.splat.message.is_some() {
        return false;
    }
    let Some(kind) = message_kind(t) else {
        return unlisted(open, t);
    };
    open.splat.kind = kind;
    open.head.undecided = false;
    open.splat.message = Some(message_text(t));
    true
}

/// A text that no list has, right behind a WARN in lockdep.c.
fn unlisted(open: &mut Open, t: &str) -> bool {
    let text = matches!(stack_line(t), StackLine::Other) && !is_foreign_report(t) && !is_oops(t);
    if open.head.undecided || !open.is_at_header() || !text {
        return false;
    }
    open.splat.message = Some(message_text(t));
    true
}

/// lockdep_init_map_type() WARNs behind its own line.
fn absorbed(open: &mut Open, t: &str) -> bool {
    open.splat.kind == Kind::UnregisteredKey && message_kind(t) == Some(Kind::DebugLocksWarn)
}

/// `possible reason: unannotated irqs-off.`
pub(super) fn reason(open: &mut Open, t: &str) -> bool {
    if !t.starts_with("possible reason: unannotated irqs-") {
        return false;
    }
    super::note(open, t);
    true
}
