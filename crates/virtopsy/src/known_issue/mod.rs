//! Known defects of the emergency path, and how their traces look in a dump.
//!
//! An issue is recognised by what it left behind, not by the kernel's age: a kernel that could
//! have it and did not is not accused. [`traces`] reads what signatures need beside the report;
//! a signature itself reads nothing.

mod callback;
mod crash_kernel;
mod emergency_path;
mod faults;
mod foreign;
pub(crate) mod id;
mod nmi;
mod surroundings;
mod tdx;
mod traces;
mod vmcs;

use virtopsy_kernel::Log;

pub use id::KnownIssueId;
pub(crate) use traces::Traces;

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

impl KnownIssueId {
    /// What it is and what it means.
    #[must_use]
    pub const fn described(self) -> &'static KnownIssue {
        match self {
            KnownIssueId::RcuSplatInEmergencyCallback => &callback::RCU_SPLAT,
            KnownIssueId::CallbackOutlivesModule => &callback::OUTLIVES_MODULE,
            KnownIssueId::PanicForceCpuLeavesVirtOn => &emergency_path::PANIC_FORCE_CPU,
            KnownIssueId::RebootVectorLeavesSvmOn => &emergency_path::REBOOT_VECTOR,
            KnownIssueId::NoEmergencyPath => &emergency_path::NO_EMERGENCY_PATH,
            KnownIssueId::OtherCpusStayInVmxRoot => &emergency_path::OTHERS_IN_VMX_ROOT,
            KnownIssueId::GifNotSetBeforeSvmDisable => &emergency_path::GIF_LEFT_CLEAR,
            KnownIssueId::VmcsNotClearedForKdump => &vmcs::NOT_CLEARED,
            KnownIssueId::VmclearSkippedByBitmap => &vmcs::CLEAR_SKIPPED,
            KnownIssueId::LoadedVmcsListUninitialised => &vmcs::LIST_UNINITIALISED,
            KnownIssueId::VmcsNotClearedOnEmergencyRestart => &vmcs::NOT_CLEARED_ON_RESTART,
            KnownIssueId::ShadowVmcsNotCleared => &vmcs::SHADOW_NOT_CLEARED,
            KnownIssueId::VmxoffFaultsInEmergency => &faults::VMXOFF,
            KnownIssueId::SpuriousFaultAfterEmergency => &faults::SPURIOUS,
            KnownIssueId::NmiShootdownRanTwice => &nmi::SHOT_TWICE,
            KnownIssueId::NmiRegistrationHangsInPanic => &nmi::REGISTERING_LOCKS,
            KnownIssueId::NmiLoopLosesRegisters => &nmi::LOOP_LOSES_REGISTERS,
            KnownIssueId::PanicStopLosesRegisters => &nmi::NO_FRIENDLY_STOP,
            KnownIssueId::TdxModuleLiveAcrossKdump => &tdx::MODULE_LIVE,
            KnownIssueId::TdxCacheNotFlushedForKdump => &tdx::CACHE_NOT_FLUSHED,
            KnownIssueId::SnpGuestsBlockCrashKernel => &crash_kernel::SNP_GUESTS,
            KnownIssueId::VtdScalableModeBreaksKdump => &crash_kernel::SCALABLE_MODE,
            KnownIssueId::VirtHeldByForeignModule => &foreign::HELD_BY_MODULE,
            KnownIssueId::VirtOwnedByHypervisorBelow => &foreign::UNDER_HYPERVISOR,
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
    use virtopsy_klog::KnownSplat;

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
