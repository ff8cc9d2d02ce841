//! Inconsistent lock states (print_usage_bug).

use super::irq::is_state;
use crate::lock::open::{Open, TraceSlot};
use crate::lock::parts::{UsageChange, UsageTrace};
use crate::text::keep;

/// Offers a line.
pub(super) fn take(open: &mut Open, t: &str) -> bool {
    if let Some(rest) = t
        .strip_prefix("inconsistent {")
        .and_then(|r| r.strip_suffix("} usage."))
    {
        let Some((from, to)) = rest.split_once("} -> {") else {
            return false;
        };
        open.splat.usage_change = Some(UsageChange {
            from: keep(from),
            to: keep(to),
        });
        return true;
    }
    let Some(state) = t
        .strip_prefix('{')
        .and_then(|r| r.strip_suffix("} state was registered at:"))
    else {
        return false;
    };
    if !is_state(state) {
        return false;
    }
    open.splat.registered = Some(UsageTrace {
        state: keep(state),
        trace: Vec::new(),
    });
    open.body.place = Some(TraceSlot::Registered);
    open.body.due = None;
    true
}
