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

pub(crate) use traces::Traces;

use crate::report::{CpuReport, DumpReport, EvidenceReport, KnownIssueReport};

/// A defect that is known upstream.
#[derive(Clone, Copy, Debug)]
pub struct KnownIssue {
    /// Stable id.
    pub id: &'static str,
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

/// All known issues.
pub const KNOWN_ISSUES: &[KnownIssue] = &[
    callback::RCU_SPLAT,
    callback::OUTLIVES_MODULE,
    emergency_path::PANIC_FORCE_CPU,
    emergency_path::REBOOT_VECTOR,
    emergency_path::NO_EMERGENCY_PATH,
    emergency_path::OTHERS_IN_VMX_ROOT,
    emergency_path::GIF_LEFT_CLEAR,
    vmcs::NOT_CLEARED,
    vmcs::CLEAR_SKIPPED,
    vmcs::LIST_UNINITIALISED,
    vmcs::NOT_CLEARED_ON_RESTART,
    vmcs::SHADOW_NOT_CLEARED,
    faults::VMXOFF,
    faults::SPURIOUS,
    nmi::SHOT_TWICE,
    nmi::REGISTERING_LOCKS,
    nmi::LOOP_LOSES_REGISTERS,
    nmi::NO_FRIENDLY_STOP,
    tdx::MODULE_LIVE,
];

/// The known issue of that id.
pub fn known_issue(id: &str) -> Option<&'static KnownIssue> {
    KNOWN_ISSUES.iter().find(|issue| issue.id == id)
}

/// The known issues whose traces are in a dump.
pub(crate) fn recognise(case: &Case<'_>) -> Vec<KnownIssueReport> {
    let found = |issue: &KnownIssue| {
        (issue.signature)(case).map(|because| KnownIssueReport {
            id: issue.id.into(),
            title: issue.title.into(),
            fixed_by: issue.fixed_by.map(Into::into),
            because,
        })
    };
    KNOWN_ISSUES.iter().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::CpuState;

    /// The ids that are recognised.
    pub(super) fn ids(report: &DumpReport, traces: &Traces, log: Option<&Log>) -> Vec<String> {
        let case = Case {
            report,
            traces,
            log,
        };
        recognise(&case).into_iter().map(|i| i.id).collect()
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
    fn every_issue_has_its_own_id_and_says_what_to_do() {
        for (i, issue) in KNOWN_ISSUES.iter().enumerate() {
            let mut later = KNOWN_ISSUES.iter().skip(i + 1);
            assert!(later.all(|other| other.id != issue.id), "{}", issue.id);
            assert!(
                issue.text.len() > 80 && known_issue(issue.id).is_some(),
                "{}",
                issue.id
            );
            let commits = [issue.caused_by, issue.fixed_by];
            let is_commit = |c: &str| c.len() >= 12 && c.chars().all(|c| c.is_ascii_hexdigit());
            assert!(commits.into_iter().flatten().all(is_commit), "{}", issue.id);
        }
    }
}
