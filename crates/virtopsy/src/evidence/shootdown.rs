//! The count of CPUs that have not finished `crash_nmi_callback()`.
//!
//! Reads `crash_ipi_issued` and `waiting_for_crash_ipi`. A CPU counts itself off after the
//! emergency disable, so zero is proof for every CPU that was counted: those that were online.
//! The initial value is zero too, so it speaks only once the NMI has been sent. Lies for the CPU
//! that redirected its panic (it is not counted), in 4.19 with offlined CPUs (they count down
//! too), from 7.3 where the redirecting CPU counts down without having been counted, and for a CPU
//! that came online after the count was taken.

use virtopsy_kernel::CpuId;

use super::{Evidence, EvidenceKind, Findings, NoteState, Place, Usage, Value};
use crate::machine::{Machine, positive};
use crate::report::state::Strength;

const WHAT: EvidenceKind = EvidenceKind::WaitingForCrashIpi;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let (issued, waiting) = match (&machine.stop.crash_ipi_issued, &machine.stop.waiting) {
        (Ok(Some(issued)), Ok(Some(waiting))) => (issued, waiting),
        (Err(e), _) | (_, Err(e)) => {
            findings.evidence.push(Evidence::unreadable(WHAT, e));
            return;
        }
        _ => return,
    };
    if issued.value != 1 || machine.crashing_cpu() == Some(cpu) || findings.offline {
        return;
    }
    let counted = machine.cpus.is_online(cpu) == Some(true);
    if !counted || positive(&machine.stop.panic_redirect_cpu) == Some(cpu) {
        return;
    }
    let e = if waiting.value > 0 {
        unfinished(waiting.value, findings.note, findings.usage)
    } else {
        finished(machine, findings)
    };
    let e = e.read(waiting.address, Value::Number(waiting.value.into()));
    findings.evidence.push(e);
}

/// All CPUs that were counted have counted themselves off. That is one word of memory for all of
/// them: of each CPU something of its own has to say that it was in the handler.
fn finished(machine: &Machine<'_>, findings: &Findings) -> Evidence {
    let off = |strength, why: &str, when| Evidence::off(WHAT, strength, why).lies_when(when);
    let strong = |why: &str, when| off(Strength::Strong, why, when);
    let in_the_handler = match findings.note {
        // An empty slot is weighed later, with all else that is known of the CPU.
        NoteState::Saved | NoteState::Empty => true,
        NoteState::Unknown => findings.place == Place::Past,
    };
    if !in_the_handler {
        return off(
            Strength::Weak,
            "every counted CPU finished its emergency disable; but neither registers nor a stack show this one in the handler",
            "the count was lost",
        );
    }
    if positive(&machine.stop.panic_redirect_cpu).is_some() {
        return strong(
            "every counted CPU finished its emergency disable; but a redirected panic can spoil the count",
            "the redirecting CPU counted down in another's place",
        );
    }
    if machine.layout.offlined_cpus_count_down {
        return strong(
            "every counted CPU finished its emergency disable",
            "an offlined CPU counted down in another's place (4.19)",
        );
    }
    finished_in_order(findings.place)
}

/// A CPU that came online after the others had been counted is in the mask of those that are
/// online, and not in the count: only a stack that shows it past the counting tells the two apart.
fn finished_in_order(place: Place) -> Evidence {
    let (strength, why) = match place {
        Place::Past => (
            Strength::Proof,
            "every CPU that was sent the crash NMI has counted itself off, after its emergency disable",
        ),
        Place::Unknown => (
            Strength::Strong,
            "every counted CPU finished its emergency disable; but no stack shows this one past it",
        ),
        Place::Inside => (
            Strength::Weak,
            "every counted CPU finished its emergency disable; but this one's stack is still inside the handler",
        ),
    };
    Evidence::off(WHAT, strength, why)
        .lies_when("the CPU came online after the others had been counted")
}

/// Some CPUs did not finish. Is this one of them?
fn unfinished(waiting: i32, note: NoteState, usage: Usage) -> Evidence {
    match (note, usage) {
        (NoteState::Empty, Usage::Enabled) => {
            let why = format!(
                "{waiting} CPU(s) never answered the crash NMI, and this one left no registers: it is one of them"
            );
            Evidence::on(WHAT, Strength::Strong, why)
                .lies_when("it answered after the crash kernel had started")
        }
        (NoteState::Empty, _) => Evidence::neutral(
            WHAT,
            format!("this is one of {waiting} CPU(s) that never answered"),
        ),
        (NoteState::Saved, _) => Evidence::neutral(
            WHAT,
            format!("{waiting} CPU(s) did not finish; this one at least began"),
        ),
        (NoteState::Unknown, _) => Evidence::neutral(
            WHAT,
            format!("{waiting} CPU(s) did not finish; which ones is not known"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::state::Says;

    #[test]
    fn a_count_of_zero_is_proof_only_where_the_cpus_own_stack_is_past_the_counting() {
        let of = |place| {
            let e = finished_in_order(place);
            assert_eq!(e.says, Says::Off);
            e.strength
        };
        assert_eq!(of(Place::Past), Strength::Proof);
        assert_eq!(of(Place::Unknown), Strength::Strong);
        assert_eq!(of(Place::Inside), Strength::Weak);
    }
}
