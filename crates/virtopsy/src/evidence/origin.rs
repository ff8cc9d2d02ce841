//! A dump that the crash kernel wrote: the crashing CPU got there.
//!
//! The crash kernel is entered by the crashing CPU at the end of `__crash_kexec()`, after
//! `machine_crash_shutdown()` has switched virtualization off on it. So its dump's existence is
//! proof for that CPU, whatever else is missing. Lies when the dump's marks are forged; in era A
//! for SVM, where the old test did not see it.

use virtopsy_kernel::CpuId;

use super::{Evidence, NoteState};
use crate::machine::Machine;
use crate::report::{Origin, Strength};

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, note: NoteState, out: &mut Vec<Evidence>) {
    // The crashing CPU's own note comes right before the jump: where it is missing, this is not
    // the CPU that jumped.
    if machine.origin != Origin::Kdump
        || machine.crashing_cpu() != Some(cpu)
        || note == NoteState::Empty
    {
        return;
    }
    let why = "the crash kernel wrote this dump: the crashing CPU came to the end of its shutdown, which disables first";
    let e = Evidence::off("kdump-ran", Strength::Proof, why)
        .lies_when("the marks of a kdump (CRASHTIME) are forged");
    out.push(match &machine.stop.crashing_cpu {
        Ok(Some(read)) => e.read(read.address, format!("crashing_cpu {}", read.value)),
        _ => e,
    });
}
