//! The CPU's slot of `crash_notes`: `crash_save_cpu()` writes it on that CPU.
//!
//! The crashing CPU writes its own last, after it switched virtualization off
//! (`native_machine_crash_shutdown()`, every era): a valid note there is proof. The others write
//! theirs in `crash_nmi_callback()` before they switch off: a valid note says that the CPU came
//! that far, and an empty one after a shootdown that it did not. Lies when a CPU hangs inside the
//! callback; in era A on a CPU whose SVM the old test did not see.

use virtopsy_kernel::{CpuId, NoteContent};

use super::{Evidence, EvidenceKind, Findings, NoteState, Place, Usage, Value};
use crate::machine::{Machine, number, positive};
use crate::report::state::{Origin, Strength};

const WHAT: EvidenceKind = EvidenceKind::CrashNotes;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let note = match machine.kernel.crash_note(cpu) {
        Ok(note) => note,
        Err(e) => {
            findings.evidence.push(Evidence::unreadable(WHAT, &e));
            return;
        }
    };
    let (state, e) = match note.content {
        NoteContent::Saved(registers) => {
            let value = Value::Registers {
                pid: registers.pid,
                rip: registers.rip,
            };
            let e = saved(machine, cpu, findings).read(note.address, value);
            (NoteState::Saved, Some(e))
        }
        NoteContent::Empty => {
            let e = empty(machine, cpu, findings);
            (
                NoteState::Empty,
                e.map(|e| e.read(note.address, Value::Empty)),
            )
        }
        NoteContent::Invalid(what) => {
            let e = Evidence::neutral(WHAT, format!("no valid note: {what}"));
            (
                NoteState::Unknown,
                Some(e.read(note.address, Value::Invalid)),
            )
        }
    };
    findings.note = state;
    findings.evidence.extend(e);
}

fn saved(machine: &Machine<'_>, cpu: CpuId, findings: &Findings) -> Evidence {
    if machine.crashing_cpu() == Some(cpu) {
        let why = "the crashing CPU saves its registers after it has switched virtualization off";
        return Evidence::off(WHAT, Strength::Proof, why)
            .lies_when("the code of this kernel is not upstream's");
    }
    if positive(&machine.stop.panic_redirect_cpu) == Some(cpu) {
        return Evidence::neutral(WHAT, "a note of the CPU that redirected its panic");
    }
    if findings.place == Place::Inside {
        return Evidence::neutral(
            WHAT,
            "saved in the crash NMI's callback, in which the CPU still is",
        );
    }
    if machine.unaccounted_cpus() != Some(0) {
        let why = "the CPU entered the crash NMI's callback; but some CPU that did so has not come to its end";
        return Evidence::off(WHAT, Strength::Weak, why);
    }
    let why =
        "the CPU entered the crash NMI's callback, which saves the registers and then switches off";
    Evidence::off(WHAT, Strength::Strong, why)
        .lies_when("the CPU hung inside the callback, between the two")
}

/// An empty slot speaks where a note should be: of a CPU that the NMI was sent to, or of the
/// crashing CPU itself.
fn empty(machine: &Machine<'_>, cpu: CpuId, findings: &Findings) -> Option<Evidence> {
    let sent = number(&machine.stop.crash_ipi_issued) == Some(1);
    let online = machine.cpus.is_online(cpu) == Some(true);
    if !sent || findings.offline || !online {
        return None;
    }
    let crashing = machine.crashing_cpu() == Some(cpu);
    if crashing && machine.origin == Origin::Kdump {
        // Somebody wrote this dump, so either the note or the CPU's number was lost.
        let why = "the crash kernel ran, so the crashing CPU must have saved its registers: its slot was lost";
        return Some(Evidence::neutral(WHAT, why));
    }
    let why = if crashing {
        "the crashing CPU never came to the end of its shutdown, where it disables and then saves its registers"
    } else {
        "the crash NMI was sent, and this CPU never got as far as saving its registers"
    };
    let what = if crashing {
        EvidenceKind::CrashShutdown
    } else {
        WHAT
    };
    Some(match findings.usage {
        Usage::Enabled => Evidence::on(what, Strength::Strong, why)
            .lies_when("its slot was lost, or never allocated"),
        Usage::Unknown => Evidence::on(what, Strength::Weak, why),
        Usage::Disabled { .. } => Evidence::neutral(what, why),
    })
}
