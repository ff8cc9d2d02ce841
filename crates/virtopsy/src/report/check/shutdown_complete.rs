//! Did every CPU answer the crash?

use super::Check;
use crate::report::{CheckVerdict, CpuReport, DumpReport, EvidenceKind, Origin};

pub(super) const CHECK: Check = Check {
    title: "every online CPU answered the NMI that stops it before the crash kernel starts",
    text: "The crashing CPU sends an NMI to the others and waits one second for them. pass: all left their \
           registers. fail: some did not; they were stuck with NMIs blocked (another NMI handler, GIF clear, \
           SMM), and their state is lost. not-applicable: the machine did not crash into a crash kernel. \
           inconclusive: the dump does not say.",
    run,
};

fn run(report: &DumpReport) -> (CheckVerdict, String) {
    let Some(crash) = &report.crash else {
        return match report.origin {
            Origin::Hypervisor | Origin::Live => (
                CheckVerdict::NotApplicable,
                "the machine had not crashed".into(),
            ),
            _ => (
                CheckVerdict::Inconclusive,
                "the dump does not say which CPU crashed".into(),
            ),
        };
    };
    let shootdown = &crash.nmi_shootdown;
    if !shootdown.missing_cpus.is_empty() {
        let list: Vec<String> = shootdown.missing_cpus.iter().map(u32::to_string).collect();
        return (
            CheckVerdict::Fail,
            format!("CPU {} never answered the crash NMI", list.join(", ")),
        );
    }
    match shootdown.ran {
        Some(true) if shootdown.unknown_cpus.is_empty() => {
            (CheckVerdict::Pass, "all CPUs answered the crash NMI".into())
        }
        Some(true) => (
            CheckVerdict::Inconclusive,
            "whether some CPUs answered the crash NMI can't be read".into(),
        ),
        Some(false) if report.cpus_possible == Some(1) => {
            (CheckVerdict::Pass, "there was no other CPU to stop".into())
        }
        Some(false) if !not_stopped(report).is_empty() => {
            let list: Vec<String> = not_stopped(report).iter().map(u32::to_string).collect();
            let why = format!("CPU {} was never stopped", list.join(", "));
            (CheckVerdict::Fail, why)
        }
        Some(false) => (
            CheckVerdict::NotApplicable,
            "the crash NMI was not used: no crash kernel was entered".into(),
        ),
        None => (
            CheckVerdict::Inconclusive,
            "whether the crash NMI was sent can't be read".into(),
        ),
    }
}

/// CPUs that a stop without a crash kernel did not reach.
fn not_stopped(report: &DumpReport) -> Vec<u32> {
    let cpus = &report.virtualization.cpus;
    let kind = EvidenceKind::NotStopped;
    let missed = |c: &&CpuReport| c.evidence.iter().any(|e| e.what == kind);
    cpus.iter().filter(missed).map(|c| c.cpu).collect()
}
