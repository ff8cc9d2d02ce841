//! Known defects of the emergency path, and how their traces look in a dump.
//!
//! An issue is recognised by what it left behind, not by the kernel's age: a kernel that could
//! have it and did not is not accused. [`traces`] reads what signatures need beside the report;
//! a signature itself reads nothing.

mod callback;
mod emergency_path;
mod faults;
mod nmi;
mod tdx;
mod traces;
mod vmcs;

use virtopsy_kernel::Log;
use virtopsy_klog::KnownSplat;

pub(crate) use traces::Traces;

use crate::closed_set::closed_set;
use crate::report::{CpuReport, DumpReport, EvidenceReport, KnownIssueReport};

/// A defect that is known upstream.
#[derive(Clone, Copy, Debug)]
pub struct KnownIssue {
    /// What it is, in one line.
    pub title: &'static str,
    /// The first release that has it; `None`: since there is KVM, or kdump.
    pub since: Option<&'static str>,
    /// The first release without it; `None`: all since have it, as far as is known.
    pub until: Option<&'static str>,
    /// The commit that brought it.
    pub caused_by: Option<&'static str>,
    /// The commit that mends it.
    pub fixed_by: Option<&'static str>,
    /// What it means and what to do.
    pub text: &'static str,
    /// What in a dump shows it; `None` where nothing does.
    signature: fn(&Case<'_>) -> Option<String>,
}

/// What signatures look at.
pub(crate) struct Case<'a> {
    /// The report as far as it is made.
    pub(crate) report: &'a DumpReport,
    /// What the kernel's memory shows beside it; empty where it could not be opened.
    pub(crate) traces: &'a Traces,
    /// Its log, where it could be read.
    pub(crate) log: Option<&'a Log>,
}

impl Case<'_> {
    /// The first CPU whose report fits.
    fn cpu(&self, fits: impl Fn(&CpuReport) -> bool) -> Option<&CpuReport> {
        let mut cpus = self.report.virtualization.cpus.iter();
        cpus.find(|cpu| fits(cpu))
    }
}

/// Whether a CPU's evidence holds a statement that fits.
fn has_evidence(cpu: &CpuReport, fits: impl Fn(&EvidenceReport) -> bool) -> bool {
    cpu.evidence.iter().any(fits)
}

closed_set! {
    /// A known defect. Its id is the `id` of the JSON.
    KnownIssueId, "known issue", KnownIssue;
    /// Suspicious RCU usage in the KVM emergency callback, on the way into the crash kernel.
    RcuSplatInEmergencyCallback = "rcu-splat-in-emergency-callback", callback::RCU_SPLAT;
    /// The emergency callback points to where no module is.
    CallbackOutlivesModule = "callback-outlives-module", callback::OUTLIVES_MODULE;
    /// Panic_force_cpu= leaves virtualization on on the CPU that redirected its panic.
    PanicForceCpuLeavesVirtOn = "panic-force-cpu-leaves-virt-on", emergency_path::PANIC_FORCE_CPU;
    /// CPUs stopped by the REBOOT vector keep SVM on.
    RebootVectorLeavesSvmOn = "reboot-vector-leaves-svm-on", emergency_path::REBOOT_VECTOR;
    /// The kernel has no code that switches virtualization off in a crash.
    NoEmergencyPath = "no-emergency-path", emergency_path::NO_EMERGENCY_PATH;
    /// An emergency restart left other CPUs in VMX operation.
    OtherCpusStayInVmxRoot = "other-cpus-stay-in-vmx-root", emergency_path::OTHERS_IN_VMX_ROOT;
    /// The kernel disables SVM without setting GIF, and a CPU did not answer.
    GifNotSetBeforeSvmDisable = "gif-not-set-before-svm-disable", emergency_path::GIF_LEFT_CLEAR;
    /// VMCSes were still loaded when the crash kernel started.
    VmcsNotClearedForKdump = "vmcs-not-cleared-for-kdump", vmcs::NOT_CLEARED;
    /// VMCLEAR was switched off on a CPU while VMCSes were loaded there.
    VmclearSkippedByBitmap = "vmclear-skipped-by-bitmap", vmcs::CLEAR_SKIPPED;
    /// The callback was registered before the lists that it walks were set up.
    LoadedVmcsListUninitialised = "loaded-vmcs-list-uninitialised", vmcs::LIST_UNINITIALISED;
    /// An emergency restart switched VMX off without VMCLEAR.
    VmcsNotClearedOnEmergencyRestart =
        "vmcs-not-cleared-on-emergency-restart", vmcs::NOT_CLEARED_ON_RESTART;
    /// Shadow VMCSes were in use, and the emergency callback does not flush them.
    ShadowVmcsNotCleared = "shadow-vmcs-not-cleared", vmcs::SHADOW_NOT_CLEARED;
    /// VMXOFF faulted on the emergency path and took the crash path down with it.
    VmxoffFaultsInEmergency = "vmxoff-faults-in-emergency", faults::VMXOFF;
    /// KVM took the fault of an instruction after an emergency disable for a bug.
    SpuriousFaultAfterEmergency = "spurious-fault-after-emergency", faults::SPURIOUS;
    /// The crash NMI's handler was registered twice, and its list points to itself.
    NmiShootdownRanTwice = "nmi-shootdown-ran-twice", nmi::SHOT_TWICE;
    /// The crashing CPU hung while it registered the crash NMI's handler.
    NmiRegistrationHangsInPanic = "nmi-registration-hangs-in-panic", nmi::REGISTERING_LOCKS;
    /// A CPU that panicked in NMI context loops there, and its registers are lost.
    NmiLoopLosesRegisters = "nmi-loop-loses-registers", nmi::LOOP_LOSES_REGISTERS;
    /// With crash_kexec_post_notifiers the other CPUs were stopped without saving their registers.
    PanicStopLosesRegisters = "panic-stop-loses-registers", nmi::NO_FRIENDLY_STOP;
    /// The TDX module was left running for the crash kernel.
    TdxModuleLiveAcrossKdump = "tdx-module-live-across-kdump", tdx::MODULE_LIVE;
}

impl From<KnownSplat> for KnownIssueId {
    fn from(splat: KnownSplat) -> Self {
        match splat {
            KnownSplat::RcuInEmergencyCallback => KnownIssueId::RcuSplatInEmergencyCallback,
        }
    }
}

/// The known issues whose traces are in a dump.
pub(crate) fn recognise(case: &Case<'_>) -> Vec<KnownIssueReport> {
    let found = |id: &KnownIssueId| {
        let issue = id.described();
        (issue.signature)(case).map(|because| KnownIssueReport {
            id: *id,
            title: issue.title.into(),
            fixed_by: issue.fixed_by.map(Into::into),
            because,
        })
    };
    KnownIssueId::ALL.iter().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::CpuState;

    /// The ids that are recognised.
    pub(super) fn ids(
        report: &DumpReport,
        traces: &Traces,
        log: Option<&Log>,
    ) -> Vec<&'static str> {
        let case = Case {
            report,
            traces,
            log,
        };
        recognise(&case).into_iter().map(|i| i.id.id()).collect()
    }

    /// A machine of one CPU, in that state, of which one thing is said.
    pub(super) fn with_evidence(state: CpuState, evidence: EvidenceReport) -> DumpReport {
        let mut report = DumpReport::default();
        report.virtualization.cpus = vec![CpuReport {
            state,
            evidence: vec![evidence],
            ..CpuReport::default()
        }];
        report
    }

    #[test]
    fn an_empty_report_shows_no_issue() {
        let nothing = ids(
            &DumpReport::default(),
            &Traces::default(),
            Some(&Log::default()),
        );
        assert!(nothing.is_empty(), "{nothing:?}");
    }

    #[test]
    fn every_issue_is_found_by_its_id_and_says_what_to_do() {
        for id in KnownIssueId::ALL {
            let issue = id.described();
            assert_eq!(id.id().parse(), Ok(*id));
            assert!(issue.text.len() > 80, "{id}");
            let commits = [issue.caused_by, issue.fixed_by];
            let is_commit = |c: &str| c.len() >= 12 && c.chars().all(|c| c.is_ascii_hexdigit());
            assert!(commits.into_iter().flatten().all(is_commit), "{id}");
        }
    }

    #[test]
    fn an_issue_that_the_log_shows_has_the_id_that_its_report_has() {
        let splat = KnownSplat::RcuInEmergencyCallback;
        assert_eq!(KnownIssueId::from(splat).id(), splat.id());
    }

    #[test]
    fn an_id_that_is_none_is_answered_with_those_near_to_it() {
        let error = "no-emergency-paths".parse::<KnownIssueId>().unwrap_err();
        assert!(
            error.to_string().starts_with(
                "there is no known issue `no-emergency-paths`; near to it are no-emergency-path"
            ),
            "{error}"
        );
    }
}
