//! The flag that the emergency path sets first.
//!
//! Reads `virt_rebooting` (7.1+) or `kvm_rebooting`. One flag for the whole machine: some CPU
//! entered the path, or an orderly shutdown of KVM ran. It frames the other evidence.

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::era::RebootingFlag;
use crate::machine::Machine;

pub(super) fn examine(machine: &Machine<'_>, findings: &mut Findings) {
    let (Ok(Some(read)), Some(flag)) = (&machine.stop.rebooting, machine.layout.rebooting_flag)
    else {
        return;
    };
    let what = match flag {
        RebootingFlag::Virt => EvidenceKind::VirtRebooting,
        RebootingFlag::Kvm => EvidenceKind::KvmRebooting,
    };
    let why = if read.value == 0 {
        "nothing has set it; where only KVM's callback does (before 7.1), no callback ran"
    } else {
        "some CPU entered the emergency path, or KVM was shut down in order"
    };
    let e = Evidence::neutral(what, why).read(read.address, Value::Number(read.value.into()));
    findings.evidence.push(e);
}
