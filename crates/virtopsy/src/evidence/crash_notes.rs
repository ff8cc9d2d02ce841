//! The CPU's slot of `crash_notes`: `crash_save_cpu()` writes it on that CPU.
//!
//! The crashing CPU writes its own last, after it switched virtualization off
//! (`native_machine_crash_shutdown()`, every era): a valid note there is proof. The others write
//! theirs in `crash_nmi_callback()` before they switch off: a valid note says that the CPU came
//! that far, and an empty one after a shootdown that it did not. Lies when a CPU hangs inside the
//! callback; in era A on a CPU whose SVM the old test did not see.

use virtopsy_kernel::{CpuId, NoteContent};

use super::{Evidence, Shootdown, Usage};
use crate::machine::{Machine, number, positive};
use crate::report::{Origin, Strength};

pub(super) const WHAT: &str = "crash_notes";

/// Whether the CPU saved its registers for the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoteState {
    /// It did.
    Saved,
    /// Its slot is all zero.
    Empty,
    /// The slot can't be read, or holds no note.
    Unknown,
}

pub(super) fn examine(
    machine: &Machine<'_>,
    cpu: CpuId,
    shootdown: &Shootdown,
    out: &mut Vec<Evidence>,
) -> NoteState {
    let note = match machine.kernel.crash_note(cpu) {
        Ok(note) => note,
        Err(e) => {
            out.push(Evidence::unreadable(WHAT, &e));
            return NoteState::Unknown;
        }
    };
    match note.content {
        NoteContent::Saved(registers) => {
            let value = format!(
                "registers of pid {}, rip {:#x}",
                registers.pid, registers.rip
            );
            out.push(saved(machine, cpu, shootdown).read(note.address, value));
            NoteState::Saved
        }
        NoteContent::Empty => {
            if let Some(e) = empty(machine, cpu, shootdown) {
                out.push(e.read(note.address, "empty"));
            }
            NoteState::Empty
        }
        NoteContent::Invalid(what) => {
            out.push(
                Evidence::neutral(WHAT, format!("no valid note: {what}"))
                    .read(note.address, "invalid"),
            );
            NoteState::Unknown
        }
    }
}

fn saved(machine: &Machine<'_>, cpu: CpuId, shootdown: &Shootdown) -> Evidence {
    if machine.crashing_cpu() == Some(cpu) {
        let why = "the crashing CPU saves its registers after it has switched virtualization off";
        return Evidence::off(WHAT, Strength::Proof, why)
            .lies_when("the code of this kernel is not upstream's");
    }
    if positive(&machine.stop.panic_redirect_cpu) == Some(cpu) {
        return Evidence::neutral(WHAT, "a note of the CPU that redirected its panic");
    }
    if shootdown.place.is_before_the_end() {
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
fn empty(machine: &Machine<'_>, cpu: CpuId, shootdown: &Shootdown) -> Option<Evidence> {
    let sent = number(&machine.stop.crash_ipi_issued) == Some(1);
    let online = machine.cpus.is_online(cpu) == Some(true);
    if !sent || shootdown.offline || !online {
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
    let what = if crashing { "crash-shutdown" } else { WHAT };
    Some(match shootdown.usage {
        Usage::Enabled => Evidence::on(what, Strength::Strong, why)
            .lies_when("its slot was lost, or never allocated"),
        Usage::Unknown => Evidence::on(what, Strength::Weak, why),
        Usage::Disabled { .. } => Evidence::neutral(what, why),
    })
}
