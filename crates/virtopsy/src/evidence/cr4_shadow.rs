//! Intel: the kernel's shadow of CR4. The bit VMXE is the state itself.
//!
//! Reads `cpu_tlbstate.cr4`, bit 13, in every era. Enabling sets the shadow before VMXON; the
//! emergency path clears it after VMXOFF, on the CPU itself. CR4.VMXE can't be cleared in VMX
//! operation, so "clear" is proof of off, "set" of on. Lies when an out-of-tree hypervisor writes CR4 itself, and within the few instructions
//! around VMXON and VMXOFF. Says nothing on AMD.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::declared::cpu::CR4;
use virtopsy_kernel::{CpuId, Error, Kernel, Result};

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::Machine;
use crate::report::state::{Feature, Strength};

const WHAT: EvidenceKind = EvidenceKind::Cr4Shadow;
/// More bytes than `struct tlb_state` has before its member `cr4`.
const MAX_TLB_STATE: u64 = 512;
/// `X86_CR4_VMXE`.
const CR4_VMXE: u64 = 1 << 13;
/// `X86_CR4_PAE`: set on every running 64-bit CPU.
const CR4_PAE: u64 = 1 << 5;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    if machine.feature != Feature::Vmx {
        return;
    }
    let (address, cr4) = match read(machine, cpu) {
        Ok(found) => found,
        Err(e) => {
            findings.evidence.push(Evidence::unreadable(WHAT, &e));
            return;
        }
    };
    let e = if cr4 & CR4_PAE == 0 {
        Evidence::neutral(
            WHAT,
            "no value that a 64-bit CPU can run with: this CPU was never started, or the page is lost",
        )
    } else if cr4 & CR4_VMXE == 0 {
        Evidence::off(
            WHAT,
            Strength::Proof,
            "VMXE is clear in the CPU's CR4; it is cleared only after VMXOFF",
        )
        .lies_when("an out-of-tree hypervisor writes CR4 itself")
    } else {
        Evidence::on(
            WHAT,
            Strength::Proof,
            "VMXE is set in the CPU's CR4; the emergency path clears it",
        )
        .lies_when(
            "the CPU stood between setting VMXE and VMXON, or between VMXOFF and clearing it",
        )
    };
    findings.evidence.push(e.read(address, Value::Mask(cr4)));
}

/// Where the shadow is, and its value.
fn read(machine: &Machine<'_>, cpu: CpuId) -> Result<(VirtAddr, u64)> {
    let kernel = machine.kernel;
    let typed = kernel
        .percpu_object("cpu_tlbstate", "struct tlb_state", cpu)
        .and_then(|state| state.declared(&CR4));
    match typed {
        Ok(field) => Ok((field.address, field.u64()?)),
        Err(e @ Error::NoTypes { .. }) => {
            let base = by_text(kernel).ok_or(e)?;
            let address = machine.cpus.address(base, cpu)?;
            Ok((address, kernel.space().u64(address)?))
        }
        Err(e) => Err(e),
    }
}

/// The place of the shadow without types: what `cr4_read_shadow()` (5.8; before it is inlined)
/// loads is the shadow, and nothing else.
fn by_text(kernel: &Kernel) -> Option<VirtAddr> {
    let state = kernel.symbol("cpu_tlbstate").ok()?;
    let loads = kernel.function("cr4_read_shadow").ok()?.percpu_loads();
    let [place] = loads.as_slice() else {
        return None;
    };
    let offset = place.0.checked_sub(state.0)?;
    (offset < MAX_TLB_STATE && offset.is_multiple_of(8)).then_some(*place)
}
