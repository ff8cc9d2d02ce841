//! A virtual machine.

use serde::Serialize;
use virtopsy_kernel::{CpuId, Error, Kernel, TaskInfo, Vcpu, Vm, VmKind};

use crate::report::{Hex, Text};

use super::error_text;

/// The virtual machines of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VmsFacts {
    /// Whether KVM is loaded at all.
    pub kvm: bool,
    /// The machines, in the order of KVM's list.
    pub vms: Vec<VmFacts>,
    /// Why machines are missing.
    pub incomplete_because: Option<Text>,
}

impl VmsFacts {
    pub(crate) fn read(kernel: &Kernel) -> virtopsy_kernel::Result<VmsFacts> {
        let list = match kernel.vms() {
            // No list of VMs: KVM is not loaded. Whether that is so only symbols and modules can
            // tell.
            Err(e @ Error::NoSymbol { .. })
                if kernel.symbols().is_ok() && kernel.modules().broken.is_none() =>
            {
                tracing::debug!("KVM: {e}");
                return Ok(VmsFacts::default());
            }
            list => list?,
        };
        let tasks = kernel.tasks();
        let facts = |vm: &Vm| VmFacts::new(vm, vm.owner.and_then(|pid| tasks.by_pid(pid)));
        Ok(VmsFacts {
            kvm: true,
            vms: list.vms.iter().map(facts).collect(),
            incomplete_because: list.broken.as_ref().map(error_text),
        })
    }
}

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VmFacts {
    /// Its `struct kvm`.
    pub address: Hex,
    /// Process id of its owner.
    pub owner: Option<i32>,
    /// Name of the owner's task, where it is in the dump.
    pub owner_comm: Option<Text>,
    /// The owner's `mm_struct`.
    pub mm: Option<Hex>,
    /// Which kind: plain, SEV, SEV-ES, SEV-SNP, TDX.
    pub kind: Option<String>,
    /// Whether the guest's registers can't be in the dump at all.
    pub registers_hidden: bool,
    /// vCPUs that are online.
    pub online_vcpus: Option<u64>,
    /// Whether KVM had given it up.
    pub dead: Option<bool>,
    /// Its vCPUs.
    pub vcpus: Vec<VcpuFacts>,
    /// Why vCPUs are missing.
    pub incomplete_because: Option<Text>,
}

impl VmFacts {
    /// A virtual machine; `owner` is its owner's task, where that is known.
    #[must_use]
    pub fn new(vm: &Vm, owner: Option<&TaskInfo>) -> Self {
        Self {
            address: Hex(vm.address.0),
            owner: vm.owner,
            owner_comm: owner.map(|task| Text::new(task.comm.clone())),
            mm: vm.mm.map(|mm| Hex(mm.0)),
            kind: vm.kind.map(|kind| kind.to_string()),
            registers_hidden: vm.kind.is_some_and(VmKind::hides_registers),
            online_vcpus: vm.online_vcpus,
            dead: vm.dead,
            vcpus: vm.vcpus.iter().map(VcpuFacts::from).collect(),
            incomplete_because: vm.broken.as_ref().map(error_text),
        }
    }
}

/// A virtual CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VcpuFacts {
    /// Its `struct kvm_vcpu`.
    pub address: Hex,
    /// Its number in the machine.
    pub id: i64,
    /// In the guest or outside.
    pub mode: Option<String>,
    /// The CPU that it ran on last.
    pub last_cpu: Option<u32>,
    /// The CPU that has it loaded.
    pub loaded_on: Option<u32>,
    /// Thread id of the task that runs it.
    pub thread: Option<i32>,
    /// Whether it ran a guest of its guest.
    pub nested: Option<bool>,
    /// Registers that KVM had changed and not yet written to the VMCS, a bit each; VMX only.
    pub dirty_registers: Option<Hex>,
    /// The guest's instruction pointer.
    pub rip: Option<Hex>,
    /// The guest's CR3.
    pub cr3: Option<Hex>,
    /// Why the guest's registers can't be shown.
    pub registers_hidden_because: Option<&'static str>,
    /// What could not be read.
    pub incomplete_because: Vec<Text>,
}

impl From<&Vcpu> for VcpuFacts {
    fn from(vcpu: &Vcpu) -> Self {
        let number = |cpu: CpuId| cpu.0;
        Self {
            address: Hex(vcpu.address.0),
            id: vcpu.id,
            mode: vcpu.mode.map(|mode| mode.to_string()),
            last_cpu: vcpu.cpu.map(number),
            loaded_on: vcpu.loaded_on.map(number),
            thread: vcpu.thread,
            nested: vcpu.nested,
            dirty_registers: vcpu.dirty_registers.map(Hex),
            rip: vcpu.registers.rip.map(Hex),
            cr3: vcpu.registers.cr3.map(Hex),
            registers_hidden_because: vcpu.registers.hidden_because,
            incomplete_because: vcpu.missing.iter().map(error_text).collect(),
        }
    }
}
