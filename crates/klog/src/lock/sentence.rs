//! What is wrong, in one plain sentence for someone who does not know lockdep: the words of a report,
//! put into the sentence of its kind.

use crate::lock::parts::Lock;
use crate::lock::spec::{Sides, Words};
use crate::lock::splat::Splat;
use crate::lock::title::first_outside;
use crate::model::Frame;

/// The sentence of a report.
pub(crate) fn sentence(splat: &Splat) -> String {
    (splat.kind.spec().sentence)(&words(splat))
}

fn words(splat: &Splat) -> Words<'_> {
    let optional = |text: Option<String>| text.unwrap_or_default();
    let place = optional(splat.guilty.as_deref().map(|g| format!(" in {g}()")));
    let location = splat.location.as_deref();
    let message = splat.message.as_deref().unwrap_or("");
    let message = message.trim_end_matches(['!', '.']);
    let lock = splat.lock.as_ref().map_or("a lock", |l| l.name.as_str());
    let other = splat.other_lock.as_ref();
    let other = other.map_or("another lock", |l| l.name.as_str());
    Words {
        who: splat.task.as_ref().map_or_else(
            || "A task".to_owned(),
            |t| match t.comm.as_str() {
                "" => format!("The task with PID {}", t.pid),
                comm => format!("{comm} (PID {})", t.pid),
            },
        ),
        at: location.map_or_else(|| place.clone(), |l| format!(" at {l}")),
        place,
        lock,
        other,
        message,
        said: optional((!message.is_empty()).then(|| format!(": {message}"))),
        held_count: splat.held.len(),
        held: held_names(splat),
        holding: optional(
            (!splat.held.is_empty()).then(|| format!(", holding {}", held_names(splat))),
        ),
        cycle: cycle(splat),
        change: optional(
            splat
                .usage_change
                .as_ref()
                .map(|u| format!(" ({} before, {} now)", u.from, u.to)),
        ),
        work: splat.work.as_deref().unwrap_or("?"),
        sides: sides(splat, lock, other),
        took: splat
            .notes
            .iter()
            .any(|n| n.starts_with("but this lock took another")),
        doubt: match splat.debug_locks {
            Some(0) => "; lockdep was off already, so this may be a false alarm",
            _ => "",
        },
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

fn cycle(splat: &Splat) -> String {
    match splat.cycle.as_slice() {
        [first, _, ..] => format!(" ({} -> {first})", splat.cycle.join(" -> ")),
        _ => String::new(),
    }
}

/// ` (in FUNCTION())`: where a stored trace leaves the locking code.
fn by(trace: &[Frame]) -> String {
    first_outside(trace).map_or_else(String::new, |f| format!(" (in {f}())"))
}

fn sides(splat: &Splat, lock: &str, other: &str) -> Option<Sides> {
    let (safe, unsafe_) = (splat.irq_safe.as_ref()?, splat.irq_unsafe.as_ref()?);
    let name = |lock: &Lock, otherwise: &str| match lock.name.as_str() {
        "" => otherwise.to_owned(),
        name => name.to_owned(),
    };
    Some(Sides {
        irq: safe.state.split('-').next().unwrap_or("irq").to_lowercase(),
        safe: name(&safe.lock, other),
        safe_by: by(&safe.trace),
        unsafe_: name(&unsafe_.lock, lock),
        unsafe_by: by(&unsafe_.trace),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::kind::Kind;

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
