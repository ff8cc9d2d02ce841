//! A dump that the crash kernel wrote: the crashing CPU got there.
//!
//! The crash kernel is entered by the crashing CPU at the end of `__crash_kexec()`, after
//! `machine_crash_shutdown()` has switched virtualization off on it. So its dump's existence is
//! proof for that CPU, whatever else is missing. Lies when the dump's marks are forged; in era A
//! for SVM, where the old test did not see it.

use virtopsy_kernel::CpuId;

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::Machine;
use crate::report::state::{Origin, Strength};

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    if machine.origin != Origin::Kdump || machine.crashing_cpu() != Some(cpu) {
        return;
    }
    let why = "the crash kernel wrote this dump: the crashing CPU came to the end of its shutdown, which disables first";
    let e = Evidence::off(EvidenceKind::KdumpRan, Strength::Proof, why)
        .lies_when("the marks of a kdump (CRASHTIME) are forged");
    findings.evidence.push(match &machine.stop.crashing_cpu {
        Ok(Some(read)) => e.read(read.address, Value::CrashingCpu(read.value)),
        _ => e,
    });
}
