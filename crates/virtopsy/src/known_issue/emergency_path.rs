//! CPUs on which the emergency path leaves virtualization on.

use super::{Case, KnownIssue, has_evidence};
use crate::report::{CpuState, EvidenceKind, EvidenceReport, Feature, Reason, Says};

pub(super) const PANIC_FORCE_CPU: KnownIssue = KnownIssue {
    title: "panic_force_cpu= leaves virtualization on on the CPU that redirected its panic",
    since: Some("7.0"),
    until: None,
    caused_by: None,
    fixed_by: None,
    text: "With panic_force_cpu= the CPU that panics hands over to another one, leaves the online mask \
           and stops itself. It is then outside the crash NMI's count, and ignores the NMI: nothing \
           switches VMX or SVM off on it. No fix is known. Do not use panic_force_cpu= on hosts that \
           run KVM guests.",
    signature: panic_redirect,
};

pub(super) const REBOOT_VECTOR: KnownIssue = KnownIssue {
    title: "CPUs stopped by the REBOOT vector keep SVM on",
    since: None,
    until: Some("6.3"),
    caused_by: None,
    fixed_by: Some("a2b07fa7b933"),
    text: "Until 6.2 the kernel switches only VMX off when it stops CPUs by the REBOOT vector (a panic \
           without a crash kernel, a reboot). On AMD, SVM stays on, and a CPU with GIF clear then ignores \
           INIT: the next kernel can't start it. Fixed by a2b07fa7b933 (\"x86/reboot: Disable SVM, not \
           just VMX, when stopping CPUs\") and d81f952aa657, in 6.3 and its stable backports.",
    signature: reboot_leaves_svm,
};

pub(super) const NO_EMERGENCY_PATH: KnownIssue = KnownIssue {
    title: "the kernel has no code that switches virtualization off in a crash",
    since: None,
    until: Some("2.6.29"),
    caused_by: None,
    fixed_by: Some("2340b62f77c7"),
    text: "This kernel has none of the functions that disable VMX or SVM on the way into a crash kernel or \
           a reboot, although virtualization was in use. Upstream has them since 2340b62f77c7 (\"kdump: \
           forcibly disable VMX and SVM on machine_crash_shutdown()\") and d176720d34c7. If the kernel is \
           newer, it was built without KVM for Intel and AMD, and another hypervisor enabled it.",
    signature: no_emergency_path,
};

pub(super) const OTHERS_IN_VMX_ROOT: KnownIssue = KnownIssue {
    title: "an emergency restart left other CPUs in VMX operation",
    since: None,
    until: Some("5.12"),
    caused_by: None,
    fixed_by: Some("ed72736183c4"),
    text: "The emergency restart stopped the other CPUs, and switched VMX off on them, only if the CPU that \
           restarts was in VMX operation itself. The others then ignore INIT, and the reset hangs on some \
           machines. ed72736183c4 (\"x86/reboot: Force all cpus to exit VMX root if VMX is supported\") \
           asks all of them wherever VMX is supported.",
    signature: others_in_vmx_root,
};

pub(super) const GIF_LEFT_CLEAR: KnownIssue = KnownIssue {
    title: "the kernel disables SVM without setting GIF, and a CPU did not answer",
    since: None,
    until: Some("6.3"),
    caused_by: None,
    fixed_by: Some("6a3236580b0b"),
    text: "Between CLGI and STGI a CPU holds NMI and INIT back. A kernel whose emergency path clears EFER.SVME \
           without setting GIF first can leave a CPU that nothing can interrupt or reset any more. \
           6a3236580b0b (\"x86/virt: Force GIF=1 prior to disabling SVM (for reboot flows)\") executes STGI \
           before. GIF itself stands in no dump: the kernel's text shows that it lacks the STGI, and the \
           CPU that did not answer that something held the NMI back.",
    signature: gif_left_clear,
};

fn panic_redirect(case: &Case<'_>) -> Option<String> {
    let cpu = case.cpu(|c| has_evidence(c, |e| e.what == EvidenceKind::PanicRedirect))?;
    Some(format!(
        "CPU {} redirected its panic and stopped itself",
        cpu.cpu
    ))
}

fn reboot_leaves_svm(case: &Case<'_>) -> Option<String> {
    let cpu = case.cpu(|c| {
        c.state != CpuState::Off
            && has_evidence(c, |e| {
                e.what == EvidenceKind::StoppedByReboot && e.says == Says::On
            })
    })?;
    Some(format!(
        "CPU {} was stopped by the REBOOT vector in a kernel that disables only VMX there",
        cpu.cpu
    ))
}

fn no_emergency_path(case: &Case<'_>) -> Option<String> {
    let on = case.cpu(|c| has_evidence(c, |e| e.says == Says::On));
    (case.traces.no_emergency_path && on.is_some()).then(|| {
        "virtualization was in use, and the kernel has no code that disables it in a crash".into()
    })
}

/// Only `emergency_vmx_disable_all()` of old kernels asks nobody else.
fn others_in_vmx_root(case: &Case<'_>) -> Option<String> {
    let traces = case.traces;
    if !traces.old_vmx_restart
        || traces.emergency_restart != Some(true)
        || traces.nmi_sent != Some(false)
    {
        return None;
    }
    let on = |e: &EvidenceReport| e.what == EvidenceKind::Cr4Shadow && e.says == Says::On;
    let cpu = case.cpu(|c| has_evidence(c, on))?;
    Some(format!(
        "an emergency restart had begun, no NMI was sent to the other CPUs, and VMX was on on CPU {}",
        cpu.cpu
    ))
}

fn gif_left_clear(case: &Case<'_>) -> Option<String> {
    if case.report.virtualization.feature != Feature::Svm
        || case.traces.disable_sets_gif != Some(false)
    {
        return None;
    }
    // A CPU that hangs in another NMI, or was out of use, has its reason without a clear GIF.
    let cpu = case.cpu(|c| {
        c.reason == Reason::DidNotAnswer
            && c.online != Some(false)
            && !has_evidence(c, |e| e.what == EvidenceKind::NmiHandler)
    })?;
    Some(format!(
        "CPU {} never answered the crash NMI, and the kernel's emergency disable has no STGI",
        cpu.cpu
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ids, with_evidence};
    use super::*;
    use crate::known_issue::Traces;
    use crate::report::DumpReport;

    fn says(what: EvidenceKind, says: Says) -> EvidenceReport {
        EvidenceReport {
            says,
            ..EvidenceReport::new(what)
        }
    }

    fn plain(report: &DumpReport) -> Vec<&'static str> {
        ids(report, &Traces::default(), None)
    }

    #[test]
    fn svm_left_on_by_the_reboot_vector_is_recognised() {
        let on = with_evidence(
            CpuState::Unknown,
            says(EvidenceKind::StoppedByReboot, Says::On),
        );
        assert_eq!(plain(&on), ["reboot-vector-leaves-svm-on"]);
        let off = with_evidence(
            CpuState::Off,
            says(EvidenceKind::StoppedByReboot, Says::Off),
        );
        assert!(plain(&off).is_empty());
    }

    #[test]
    fn a_redirected_panic_is_recognised() {
        let report = with_evidence(CpuState::On, says(EvidenceKind::PanicRedirect, Says::On));
        assert_eq!(plain(&report), ["panic-force-cpu-leaves-virt-on"]);
    }

    #[test]
    fn a_kernel_without_an_emergency_path_is_recognised_where_kvm_was_in_use() {
        let in_use = says(EvidenceKind::HardwareEnabled, Says::On);
        let report = with_evidence(CpuState::Unknown, in_use);
        let traces = Traces {
            no_emergency_path: true,
            ..Traces::default()
        };
        assert_eq!(ids(&report, &traces, None), ["no-emergency-path"]);
        assert!(plain(&report).is_empty());
    }

    #[test]
    fn cpus_left_in_vmx_root_by_a_restart_are_recognised_unless_the_nmi_was_sent() {
        let report = with_evidence(CpuState::On, says(EvidenceKind::Cr4Shadow, Says::On));
        let mut traces = Traces {
            old_vmx_restart: true,
            emergency_restart: Some(true),
            nmi_sent: Some(false),
            ..Traces::default()
        };
        assert_eq!(ids(&report, &traces, None), ["other-cpus-stay-in-vmx-root"]);
        traces.nmi_sent = Some(true);
        assert!(ids(&report, &traces, None).is_empty());
    }

    #[test]
    fn a_silent_cpu_under_a_kernel_that_sets_no_gif_is_recognised() {
        let mut report = with_evidence(CpuState::On, says(EvidenceKind::CrashNotes, Says::On));
        report.virtualization.feature = Feature::Svm;
        report.virtualization.cpus[0].reason = Reason::DidNotAnswer;
        let traces = |sets| Traces {
            disable_sets_gif: sets,
            ..Traces::default()
        };
        assert_eq!(
            ids(&report, &traces(Some(false)), None),
            ["gif-not-set-before-svm-disable"]
        );
        assert!(ids(&report, &traces(Some(true)), None).is_empty());
        assert!(ids(&report, &traces(None), None).is_empty());
    }

    #[test]
    fn a_cpu_that_hangs_in_another_nmi_or_is_offline_is_not_put_down_to_a_clear_gif() {
        let traces = Traces {
            disable_sets_gif: Some(false),
            ..Traces::default()
        };
        let mut report = with_evidence(CpuState::On, says(EvidenceKind::NmiHandler, Says::Neutral));
        report.virtualization.feature = Feature::Svm;
        report.virtualization.cpus[0].reason = Reason::DidNotAnswer;
        assert!(ids(&report, &traces, None).is_empty());
        let mut report = with_evidence(CpuState::On, says(EvidenceKind::CrashNotes, Says::On));
        report.virtualization.feature = Feature::Svm;
        report.virtualization.cpus[0].reason = Reason::DidNotAnswer;
        report.virtualization.cpus[0].online = Some(false);
        assert!(ids(&report, &traces, None).is_empty());
    }
}
