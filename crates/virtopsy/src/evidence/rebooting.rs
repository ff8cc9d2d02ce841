//! The flag that the emergency path sets first.
//!
//! Reads `virt_rebooting` (7.1+) or `kvm_rebooting`. One flag for the whole machine: some CPU
//! entered the path, or an orderly shutdown of KVM ran. It frames the other evidence.

use super::Evidence;
use crate::machine::Machine;

pub(super) fn examine(machine: &Machine<'_>, out: &mut Vec<Evidence>) {
    let (Ok(Some(read)), Some(name)) = (&machine.stop.rebooting, machine.layout.rebooting_flag)
    else {
        return;
    };
    let why = if read.value == 0 {
        "nothing has set it; where only KVM's callback does (before 7.1), no callback ran"
    } else {
        "some CPU entered the emergency path, or KVM was shut down in order"
    };
    out.push(Evidence::neutral(name, why).read(read.address, read.value.to_string()));
}
