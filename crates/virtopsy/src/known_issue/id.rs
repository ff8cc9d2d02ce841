//! The ids of the known defects.

use virtopsy_klog::KnownSplat;

use crate::closed_set::closed_set;

closed_set! {
    /// A known defect. Its id is the `id` of the JSON.
    KnownIssueId, "known issue";
    /// Suspicious RCU usage in the KVM emergency callback, on the way into the crash kernel.
    RcuSplatInEmergencyCallback = "rcu-splat-in-emergency-callback";
    /// The emergency callback points to where no module is.
    CallbackOutlivesModule = "callback-outlives-module";
    /// Panic_force_cpu= leaves virtualization on on the CPU that redirected its panic.
    PanicForceCpuLeavesVirtOn = "panic-force-cpu-leaves-virt-on";
    /// CPUs stopped by the REBOOT vector keep SVM on.
    RebootVectorLeavesSvmOn = "reboot-vector-leaves-svm-on";
    /// The kernel has no code that switches virtualization off in a crash.
    NoEmergencyPath = "no-emergency-path";
    /// An emergency restart left other CPUs in VMX operation.
    OtherCpusStayInVmxRoot = "other-cpus-stay-in-vmx-root";
    /// The kernel disables SVM without setting GIF, and a CPU did not answer.
    GifNotSetBeforeSvmDisable = "gif-not-set-before-svm-disable";
    /// VMCSes were still loaded when the crash kernel started.
    VmcsNotClearedForKdump = "vmcs-not-cleared-for-kdump";
    /// VMCLEAR was switched off on a CPU while VMCSes were loaded there.
    VmclearSkippedByBitmap = "vmclear-skipped-by-bitmap";
    /// The callback was registered before the lists that it walks were set up.
    LoadedVmcsListUninitialised = "loaded-vmcs-list-uninitialised";
    /// An emergency restart switched VMX off without VMCLEAR.
    VmcsNotClearedOnEmergencyRestart = "vmcs-not-cleared-on-emergency-restart";
    /// Shadow VMCSes were in use, and the emergency callback does not flush them.
    ShadowVmcsNotCleared = "shadow-vmcs-not-cleared";
    /// VMXOFF faulted on the emergency path and took the crash path down with it.
    VmxoffFaultsInEmergency = "vmxoff-faults-in-emergency";
    /// KVM took the fault of an instruction after an emergency disable for a bug.
    SpuriousFaultAfterEmergency = "spurious-fault-after-emergency";
    /// The crash NMI's handler was registered twice, and its list points to itself.
    NmiShootdownRanTwice = "nmi-shootdown-ran-twice";
    /// The crashing CPU hung while it registered the crash NMI's handler.
    NmiRegistrationHangsInPanic = "nmi-registration-hangs-in-panic";
    /// A CPU that panicked in NMI context loops there, and its registers are lost.
    NmiLoopLosesRegisters = "nmi-loop-loses-registers";
    /// With crash_kexec_post_notifiers the other CPUs were stopped without saving their registers.
    PanicStopLosesRegisters = "panic-stop-loses-registers";
    /// The TDX module was left running for the crash kernel.
    TdxModuleLiveAcrossKdump = "tdx-module-live-across-kdump";
    /// TDX had written to memory, and the crash NMI stopped the CPU without flushing its caches.
    TdxCacheNotFlushedForKdump = "tdx-cache-not-flushed-for-kdump";
    /// SEV-SNP guests were running, and the crash kernel can't take over the IOMMU.
    SnpGuestsBlockCrashKernel = "snp-guests-block-crash-kernel";
    /// VT-d ran in scalable mode, and the crash kernel can't copy its tables.
    VtdScalableModeBreaksKdump = "vtd-scalable-mode-breaks-kdump";
    /// Another hypervisor's module is loaded, and only KVM's callback would switch virtualization off.
    VirtHeldByForeignModule = "virt-held-by-foreign-module";
    /// The kernel runs as Xen's domain 0 or as Hyper-V's root partition.
    VirtOwnedByHypervisorBelow = "virt-owned-by-hypervisor-below";
}

impl From<KnownSplat> for KnownIssueId {
    fn from(splat: KnownSplat) -> Self {
        match splat {
            KnownSplat::RcuInEmergencyCallback => KnownIssueId::RcuSplatInEmergencyCallback,
        }
    }
}
