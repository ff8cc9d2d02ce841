//! Intel: VMCSes that KVM still lists as loaded on the CPU.
//!
//! Reads `loaded_vmcss_on_cpu` (kvm_intel, all eras). The orderly path empties the list, the
//! emergency path does not touch it: with VMXE clear, a list that is not empty says that the
//! emergency path switched VMX off. By itself it says nothing of on or off.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Result};

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::{Machine, Read};
use crate::report::state::Feature;

const WHAT: EvidenceKind = EvidenceKind::LoadedVmcsList;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    if machine.feature != Feature::Vmx {
        return;
    }
    match first_link(machine, cpu) {
        Ok(link) if link.value == link.address.0 => {
            let why = "KVM lists no VMCS as loaded on this CPU";
            let e = Evidence::neutral(WHAT, why).read(link.address, Value::Empty);
            findings.evidence.push(e);
            findings.vmcs_loaded = Some(false);
        }
        Ok(link) => {
            let why = "KVM still lists a VMCS as loaded here: nothing released it in order";
            let first = Value::Pointer(VirtAddr(link.value));
            let e = Evidence::neutral(WHAT, why).read(link.address, first);
            findings.evidence.push(e);
            findings.vmcs_loaded = Some(true);
        }
        Err(e) => tracing::debug!("loaded_vmcss_on_cpu of CPU {cpu}: {e}"),
    }
}

/// The list head's `next`, and where the head is.
fn first_link(machine: &Machine<'_>, cpu: CpuId) -> Result<Read<u64>> {
    let base = machine.vendor_symbol("loaded_vmcss_on_cpu")?;
    let address = machine.cpus.address(base, cpu)?;
    Ok(Read {
        value: machine.kernel.space().pointer(address)?.0,
        address,
    })
}
