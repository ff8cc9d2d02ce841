//! AMD: KVM's per-CPU data, and whether guests ran on the CPU.
//!
//! Reads `svm_data` (kvm_amd): a per-CPU pointer to `struct svm_cpu_data` until 6.0, the structure
//! itself since (the same change brought `save_area_pa`, 6.1 and its stable releases). The page at
//! `save_area_pa` is where the processor keeps the host's state while a guest runs: it is zeroed
//! when allocated, so a byte that is not zero says that VMRUN (or VMSAVE) ran here. Its format is
//! the processor's own, and nothing in it says that SVM is off: it frames the other evidence.

use virtopsy_kernel::{CpuId, Object, Result};
use virtopsy_vmcore::PhysAddr;

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::{Machine, Read, absent};
use crate::report::state::Feature;

const TYPE: &str = "struct svm_cpu_data";
const PAGE: usize = 4096;

/// The structure of one CPU; `None` where kvm_amd is not loaded or never set it up there.
pub(super) fn of<'k>(machine: &Machine<'k>, cpu: CpuId) -> Result<Option<Object<'k>>> {
    let (Some(vendor), Some(base)) = (machine.vendor, absent(machine.vendor_symbol("svm_data"))?)
    else {
        return Ok(None);
    };
    let at = machine.cpus.address(base, cpu)?;
    let object = vendor.object(machine.kernel, at, TYPE)?;
    if object.has_field("save_area_pa") {
        return Ok(Some(object));
    }
    match machine.kernel.space().pointer(at)? {
        pointer if pointer.0 == 0 => Ok(None),
        pointer => vendor.object(machine.kernel, pointer, TYPE).map(Some),
    }
}

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    if machine.feature != Feature::Svm {
        return;
    }
    match save_area(machine, cpu) {
        Ok(Some((read, used))) => {
            let why = if used {
                "the processor kept the host's state there: guests have run on this CPU"
            } else {
                "the save area is untouched: no guest has run on this CPU"
            };
            let e = Evidence::neutral(EvidenceKind::SvmSaveArea, why);
            let e = e.read(read.address, Value::Page(read.value));
            findings.evidence.push(e);
            findings.guests_ran = Some(used);
        }
        Ok(None) => {}
        Err(e) => tracing::debug!("the host save area of CPU {cpu}: {e}"),
    }
}

/// Where the page's address is, that address, and whether anything was written there.
fn save_area(machine: &Machine<'_>, cpu: CpuId) -> Result<Option<(Read<u64>, bool)>> {
    let Some(data) = of(machine, cpu)? else {
        return Ok(None);
    };
    let field = match data.field("save_area_pa") {
        Err(e) if e.is_absent() => return Ok(None),
        found => found?,
    };
    let read = Read {
        value: field.u64()?,
        address: field.address,
    };
    if read.value == 0 {
        return Ok(None);
    }
    // With SME the address carries the encryption bit.
    let encrypted = absent(machine.kernel.symbol("sme_me_mask"))?;
    let mask = match encrypted {
        Some(at) => machine.kernel.space().u64(at)?,
        None => 0,
    };
    let mut page = vec![0; PAGE];
    let at = PhysAddr(read.value & !mask);
    if let Err(e) = machine.kernel.dump().read_at(at, &mut page) {
        tracing::debug!("the host save area of CPU {cpu} at {at}: {e}");
        return Ok(None);
    }
    Ok(Some((read, page.iter().any(|b| *b != 0))))
}
