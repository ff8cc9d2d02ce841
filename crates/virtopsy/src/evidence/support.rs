//! Whether the CPU has VMX or SVM at all: its own `cpu_info`, and what the kernel made of it.
//!
//! Reads `cpu_info[cpu].x86_capability` (VMX word 4 bit 5, SVM word 6 bit 2) and, since 7.1,
//! `virt_ops.feature`. Lies when `setup_clear_cpu_cap()` hid the bit and something other than KVM
//! enabled the hardware.

use virtopsy_kernel::CpuId;

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::{Machine, capabilities};
use crate::report::state::{Feature, Strength};

const WHAT: EvidenceKind = EvidenceKind::CpuFeature;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let out = &mut findings.evidence;
    if machine.feature == Feature::None {
        let mut e = Evidence::off(
            WHAT,
            Strength::Strong,
            "the kernel uses neither VMX nor SVM on this machine",
        );
        if let Ok(Some(read)) = &machine.feature_read {
            e = e.read(read.address, Value::Mask(read.value.into()));
        }
        out.push(e.lies_when("something other than KVM enabled the hardware"));
        findings.supported = Some(false);
        return;
    }
    match capabilities(machine.kernel, Some(cpu)) {
        Ok((vmx, svm, address)) => {
            let has = match machine.feature {
                Feature::Vmx => vmx,
                Feature::Svm => svm,
                _ => vmx || svm,
            };
            let value = Value::Extensions { vmx, svm };
            if !has {
                let e = Evidence::off(WHAT, Strength::Strong, "this CPU has neither VMX nor SVM");
                out.push(
                    e.read(address, value)
                        .lies_when("the capability was cleared by the kernel"),
                );
            }
            findings.supported = Some(has);
        }
        Err(e) => {
            out.push(Evidence::unreadable(WHAT, &e));
        }
    }
}
