//! What the dump says of one CPU: each kind of evidence in a file of its own, which states what
//! it reads, what it says, how strong it is and when it lies.
//!
//! A fact that the kernel does not have gives no evidence. A fact that can't be read gives
//! neutral evidence with the reason, so that "unknown" explains itself.

mod counters;
mod cr4_shadow;
mod crash_notes;
mod efer_write;
mod findings;
mod kind;
mod nmi_stack;
mod nothing_ran;
mod online;
mod origin;
mod qemu_note;
mod qualify;
mod rebooting;
mod shootdown;
mod statement;
mod support;
mod svm_data;
mod value;
mod vmcs_list;

use serde::{Deserialize, Serialize};
use virtopsy_kernel::CpuId;

pub(crate) use findings::{Counter, Findings, NoteState, Place, Usage};
pub(crate) use kind::{Basis, Phase};
pub(crate) use qualify::{Circumstances, qualify};
pub(crate) use statement::Evidence;
pub(crate) use value::Value;

use crate::machine::Machine;

kind::kinds! {
    /// Whether the CPU has VMX or SVM at all.
    CpuFeature = "cpu-feature", ThisCpu, State;
    /// The kernel's own count of users (7.1).
    NrUsers = "virtualization_nr_users", Before, State;
    /// KVM's flag (6.12).
    VirtualizationEnabled = "virtualization_enabled", Before, State;
    /// KVM's flag (6.3 to 6.11).
    HardwareEnabled = "hardware_enabled", Before, State;
    /// KVM's mask of CPUs (until 6.2).
    CpusHardwareEnabled = "cpus_hardware_enabled", Before, State;
    /// What keeps KVM's counters from speaking.
    KvmCounters = "kvm-counters", Before, State;
    /// KVM is not there.
    KvmNotLoaded = "kvm-not-loaded", Before, State;
    /// `svm_data.max_asid`.
    SvmMaxAsid = "svm-max-asid", Before, State;
    /// The list of loaded VMCSes.
    LoadedVmcsList = "loaded-vmcs-list", Before, State;
    /// The page in which the processor keeps the host's state.
    SvmSaveArea = "svm-save-area", Before, State;
    /// The flag that the emergency path sets first (7.1).
    VirtRebooting = "virt_rebooting", Stop, State;
    /// The flag that the emergency path sets first (until 7.0).
    KvmRebooting = "kvm_rebooting", Stop, State;
    /// The online mask.
    OnlineMask = "online-mask", ThisCpu, State;
    /// The CPU had been taken offline in order.
    Hotplug = "hotplug", ThisCpu, State;
    /// Its hotplug state could not be read.
    CpuhpState = "cpuhp_state", ThisCpu, State;
    /// It handed its panic to another CPU.
    PanicRedirect = "panic-redirect", ThisCpu, State;
    /// Another CPU stopped it by the REBOOT vector, or by NMI, without a crash kernel.
    StoppedByReboot = "stopped-by-reboot", ThisCpu, Order;
    /// Nothing that disables had begun.
    NoStopPath = "no-stop-path", ThisCpu, State;
    /// Another CPU stopped the others, and did not reach this one.
    NotStopped = "not-stopped", ThisCpu, State;
    /// The CPU's slot for its registers.
    CrashNotes = "crash_notes", ThisCpu, Order;
    /// The crashing CPU's slot is empty.
    CrashShutdown = "crash-shutdown", ThisCpu, State;
    /// Where in the crash NMI's handler the CPU is.
    ParkedFrame = "parked-frame", ThisCpu, OrderAfterSaving;
    /// It hangs in another NMI's handler.
    NmiHandler = "nmi-handler", ThisCpu, State;
    /// The return address of the write that clears EFER.SVME.
    EferWrite = "efer-write", ThisCpu, Act;
    /// The count of CPUs that have not finished the crash NMI's handler.
    WaitingForCrashIpi = "waiting_for_crash_ipi", ThisCpu, OrderAfterSaving;
    /// The kernel's shadow of CR4.
    Cr4Shadow = "cr4-shadow", ThisCpu, Copy;
    /// Registers that a hypervisor recorded.
    QemuNote = "qemu-note", ThisCpu, State;
    /// The crash kernel wrote the dump.
    KdumpRan = "kdump-ran", ThisCpu, OrderAfterSaving;
    /// The CPU answered after the crash kernel had taken over.
    LateAnswer = "late-answer", ThisCpu, State;
    /// No callback was registered where nothing else disables.
    NoEmergencyCallback = "no-emergency-callback", ThisCpu, State;
}

/// Asks every kind of evidence about `cpu`.
pub(crate) fn gather(machine: &Machine<'_>, cpu: CpuId) -> Findings {
    let mut findings = Findings::default();
    support::examine(machine, cpu, &mut findings);
    counters::examine(machine, cpu, &mut findings);
    vmcs_list::examine(machine, cpu, &mut findings);
    svm_data::examine(machine, cpu, &mut findings);
    rebooting::examine(machine, &mut findings);
    online::examine(machine, cpu, &mut findings);
    nothing_ran::examine(machine, cpu, &mut findings);
    // How far the CPU came bears on what its registers say, which were saved before.
    let parked = nmi_stack::examine(machine, cpu, &mut findings);
    crash_notes::examine(machine, cpu, &mut findings);
    findings.evidence.extend(parked);
    efer_write::examine(machine, &mut findings);
    shootdown::examine(machine, cpu, &mut findings);
    cr4_shadow::examine(machine, cpu, &mut findings);
    qemu_note::examine(machine, cpu, &mut findings);
    origin::examine(machine, cpu, &mut findings);
    findings
}
