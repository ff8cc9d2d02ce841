//! What gathered statements are worth together. Pure: it reads nothing of the machine.
//!
//! **No saved registers, so no proof of off.** In a kdump's shutdown every CPU saves its registers
//! before it disables. One that left none never came there, or one of the two words is lost or is
//! another CPU's.
//!
//! **Too late.** That a CPU came to the end of the emergency path shows the state when the crash
//! kernel took over only if it came there in time. The crash kernel copies the registers' notes
//! when it sets up /proc/vmcore; a CPU whose slot of `crash_notes` holds registers that no note of
//! the dump has answered after that. Lies where a tool dropped notes from the dump.
//!
//! **Nothing that disables.** The end of the path shows that virtualization is off only where that
//! path switches it off. From 6.6 to 7.0 it is the registered callback that does: with none
//! registered, or another function than KVM's, the path runs and disables nothing.

use super::kind::Basis;
use super::{Evidence, EvidenceKind, Findings, NoteState, Place, Usage};
use crate::machine::Disabler;
use crate::report::state::{Origin, Says, Strength};

/// What is known of the machine, as far as it bears on the worth of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances<'a> {
    /// Who wrote the dump.
    pub(crate) origin: Origin,
    /// The CPU answered after the crash kernel had taken over.
    pub(crate) late: bool,
    /// Whether the emergency path could switch anything off.
    pub(crate) disabler: &'a Disabler,
}

/// Takes back what can't be said, and says what follows instead.
pub(crate) fn qualify(findings: &mut Findings, circumstances: &Circumstances<'_>) {
    if findings.note == NoteState::Empty {
        without_registers(findings, circumstances.origin);
    }
    if circumstances.late {
        let but = "but it came there after the crash kernel had taken over";
        take_back(findings, Basis::is_too_late_after_the_jump, but);
        let why = "no note of the dump has the registers that this CPU saved: it answered the crash \
                   NMI only after the crash kernel had set up /proc/vmcore";
        let lies = "a tool dropped notes from the dump";
        still_on(findings, EvidenceKind::LateAnswer, why, lies);
    }
    match circumstances.disabler {
        Disabler::Sound => {}
        Disabler::Missing => {
            let but =
                "but no callback was registered, and in this kernel only the callback disables";
            take_back(findings, Basis::is_order, but);
            let why =
                "no emergency callback was registered, and in this kernel nothing else disables";
            let lies = "the pointer was overwritten after the crash";
            still_on(findings, EvidenceKind::NoEmergencyCallback, why, lies);
        }
        Disabler::Doubtful(why) => {
            let but = format!("but in this kernel the callback disables, and {why}");
            take_back(findings, Basis::is_order, &but);
        }
    }
}

/// Lowers the proofs of a CPU that left no registers.
fn without_registers(findings: &mut Findings, origin: Origin) {
    let unanswered = findings.evidence.iter().any(|e| {
        e.what == EvidenceKind::CrashNotes && e.says == Says::On && e.strength > Strength::Weak
    });
    let place = findings.place;
    let usage = findings.usage;
    findings.evidence.retain_mut(|e| {
        if e.says != Says::Off {
            return true;
        }
        match e.what.basis() {
            Basis::OrderAfterSaving => match e.what {
                // The CPU that jumped saves its registers right before: this one did not jump.
                EvidenceKind::KdumpRan => return false,
                // One word for all CPUs says little of one that left no trace of its own.
                EvidenceKind::WaitingForCrashIpi => uncounted(e, usage, place),
                // A restart's handler parks a CPU and saves nothing.
                _ if origin == Origin::Kdump => {
                    e.strength = e.strength.min(Strength::Strong);
                    e.add("but it left no registers, which it saves before that");
                    e.lies_when = Some("the stack is another CPU's");
                }
                _ => {}
            },
            // Where nothing was on, a clear bit contradicts nothing.
            Basis::Copy if unanswered => {
                e.strength = e.strength.min(Strength::Strong);
                e.why = "VMXE is clear in the CPU's CR4; but this CPU never saved its registers, \
                         which comes before: one of the two words was lost, or is another CPU's"
                    .into();
                e.lies_when = Some(
                    "the word is another CPU's, or an out-of-tree hypervisor writes CR4 itself",
                );
            }
            Basis::Copy | Basis::Order | Basis::Act | Basis::State => {}
        }
        true
    });
}

/// The count of CPUs says that all came through, and this one left no registers. Where the counters
/// say "on", the empty slot does too, and the two have to disagree.
fn uncounted(e: &mut Evidence, usage: Usage, place: Place) {
    let to_disagree = usage == Usage::Enabled || place == Place::Past;
    e.strength = if to_disagree {
        Strength::Strong
    } else {
        Strength::Weak
    };
    e.why = "every counted CPU finished its emergency disable; but this one left no registers, which it does first"
        .into();
    e.lies_when = Some("the count was lost, or another CPU counted down in this one's place");
}

fn take_back(findings: &mut Findings, rests_on: fn(Basis) -> bool, but: &str) {
    let taken = |e: &&mut Evidence| e.says == Says::Off && rests_on(e.what.basis());
    for e in findings.evidence.iter_mut().filter(taken) {
        e.take_back(but);
    }
}

/// A statement that what was enabled stayed on.
fn still_on(findings: &mut Findings, what: EvidenceKind, why: &str, lies: &'static str) {
    findings.evidence.push(match findings.usage {
        Usage::Enabled => Evidence::on(what, Strength::Strong, why).lies_when(lies),
        Usage::Unknown => Evidence::on(what, Strength::Weak, why).lies_when(lies),
        Usage::Disabled { .. } => Evidence::neutral(what, why),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(evidence: Vec<Evidence>) -> Findings {
        Findings {
            evidence,
            usage: Usage::Enabled,
            note: NoteState::Saved,
            ..Findings::default()
        }
    }

    fn sides(findings: &Findings) -> Vec<(EvidenceKind, Says, Strength)> {
        let side = |e: &Evidence| (e.what, e.says, e.strength);
        findings.evidence.iter().map(side).collect()
    }

    const IN_TIME: Circumstances<'static> = Circumstances {
        origin: Origin::Kdump,
        late: false,
        disabler: &Disabler::Sound,
    };

    #[test]
    fn what_was_gathered_stays_where_nothing_speaks_against_it() {
        let proof = Evidence::off(EvidenceKind::ParkedFrame, Strength::Proof, "");
        let mut all = findings(vec![proof]);
        let before = sides(&all);
        qualify(&mut all, &IN_TIME);
        assert_eq!(sides(&all), before);
    }

    #[test]
    fn no_order_of_events_is_proof_for_a_cpu_that_left_no_registers() {
        let proof = |what| Evidence::off(what, Strength::Proof, "");
        let mut all = findings(vec![
            proof(EvidenceKind::ParkedFrame),
            proof(EvidenceKind::WaitingForCrashIpi),
            proof(EvidenceKind::KdumpRan),
        ]);
        all.note = NoteState::Empty;
        qualify(&mut all, &IN_TIME);
        assert_eq!(
            sides(&all),
            [
                (EvidenceKind::ParkedFrame, Says::Off, Strength::Strong),
                (
                    EvidenceKind::WaitingForCrashIpi,
                    Says::Off,
                    Strength::Strong
                ),
            ]
        );
    }

    #[test]
    fn a_clear_shadow_is_no_proof_only_where_the_cpu_should_have_answered() {
        let shadow = Evidence::off(EvidenceKind::Cr4Shadow, Strength::Proof, "");
        let unanswered = Evidence::on(EvidenceKind::CrashNotes, Strength::Strong, "");
        let strength = |evidence| {
            let mut all = findings(evidence);
            all.note = NoteState::Empty;
            qualify(&mut all, &IN_TIME);
            all.evidence.last().map(|e| e.strength)
        };
        assert_eq!(strength(vec![shadow.clone()]), Some(Strength::Proof));
        assert_eq!(strength(vec![unanswered, shadow]), Some(Strength::Strong));
    }

    #[test]
    fn a_late_answer_takes_back_order_and_act_and_leaves_the_state() {
        let proof = |what| Evidence::off(what, Strength::Proof, "");
        let mut all = findings(vec![
            proof(EvidenceKind::WaitingForCrashIpi),
            proof(EvidenceKind::EferWrite),
            proof(EvidenceKind::Cr4Shadow),
        ]);
        qualify(
            &mut all,
            &Circumstances {
                late: true,
                ..IN_TIME
            },
        );
        let says: Vec<Says> = all.evidence.iter().map(|e| e.says).collect();
        assert_eq!(says, [Says::Neutral, Says::Neutral, Says::Off, Says::On]);
    }

    #[test]
    fn without_a_callback_that_disables_only_the_act_and_the_state_speak() {
        for disabler in [Disabler::Missing, Disabler::Doubtful("x".into())] {
            let proof = |what| Evidence::off(what, Strength::Proof, "");
            let mut all = findings(vec![
                proof(EvidenceKind::StoppedByReboot),
                proof(EvidenceKind::EferWrite),
            ]);
            qualify(
                &mut all,
                &Circumstances {
                    disabler: &disabler,
                    ..IN_TIME
                },
            );
            let says: Vec<Says> = all.evidence.iter().take(2).map(|e| e.says).collect();
            assert_eq!(says, [Says::Neutral, Says::Off]);
        }
    }
}
