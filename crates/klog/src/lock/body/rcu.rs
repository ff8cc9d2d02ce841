//! Suspicious RCU usage (lockdep_rcu_suspicious).

use crate::frame::is_source;
use crate::lock::kind::Kind;
use crate::lock::open::{Next, Open};
use crate::text::{keep, value_after};

/// `FILE:LINE MSG!`; MSG may wrap, or end in a newline of its own and leave a lone `!`.
pub(super) fn message(open: &mut Open, t: &str) -> bool {
    if let Some(message) = open
        .splat
        .message
        .as_ref()
        .filter(|_| open.splat.location.is_some())
    {
        // A wrapped rest: only right behind, and only while no `!` closed it.
        if t.ends_with('!') && !t.starts_with("RCU used") {
            let joined = if t == "!" {
                message.clone()
            } else {
                format!("{message} {t}")
            };
            open.splat.message = Some(keep(&joined));
            open.body.next = Next::Nothing;
            return true;
        }
        return false;
    }
    let Some((place, text)) = t.split_once(' ') else {
        return false;
    };
    if !is_source(place) || text.is_empty() {
        return false;
    }
    open.splat.location = Some(keep(place.strip_prefix("./").unwrap_or(place)));
    open.splat.message = Some(keep(text.trim()));
    if text.trim_end().ends_with('!') {
        open.body.next = Next::Nothing;
    }
    true
}

/// Offers a line.
pub(super) fn take(open: &mut Open, t: &str) -> bool {
    if open.splat.kind != Kind::SuspiciousRcu {
        return false;
    }
    if t.starts_with("rcu_scheduler_active = ") {
        open.splat.rcu_scheduler_active = value_after(t, "rcu_scheduler_active = ");
        open.splat.debug_locks = value_after(t, "debug_locks = ");
        open.body.next = Next::Nothing;
        return true;
    }
    if t.starts_with("RCU used illegally from ")
        || t.starts_with("Possible false positive due to lockdep disabling")
    {
        super::note(open, t);
        return true;
    }
    false
}
