//! Known defects of the emergency path, and how their traces look in a dump.

use virtopsy_kernel::{Kernel, Log};

use crate::report::{CallbackState, CpuState, DumpReport, KnownIssueReport, Says};

/// The id under which [`crate::splat::known_issue_of`] recognises the report.
const RCU_SPLAT: &str = "rcu-splat-in-emergency-callback";

/// A defect that is known upstream.
#[derive(Clone, Copy, Debug)]
pub struct KnownIssue {
    /// Stable id.
    pub id: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// The commit that brought it.
    pub caused_by: Option<&'static str>,
    /// The commit that mends it.
    pub fixed_by: Option<&'static str>,
    /// What it means and what to do.
    pub text: &'static str,
    /// What in a report shows it; `None` where nothing does.
    signature: fn(&Case<'_>) -> Option<String>,
}

/// What signatures look at.
pub(crate) struct Case<'a> {
    /// The report as far as it is made.
    pub(crate) report: &'a DumpReport,
    /// The kernel, where it could be opened.
    pub(crate) kernel: Option<&'a Kernel>,
    /// Its log, where it could be read.
    pub(crate) log: Option<&'a Log>,
}

/// All known issues.
pub const KNOWN_ISSUES: &[KnownIssue] = &[
    KnownIssue {
        id: RCU_SPLAT,
        title: "suspicious RCU usage in the KVM emergency callback, on the way into the crash kernel",
        caused_by: Some("428afac5a8ea"),
        fixed_by: Some("fff82ea9d900"),
        text: "Since 428afac5a8ea (\"KVM: x86: Move bulk of emergency virtualizaton logic to virt subsystem\", \
               7.1) the kernel reads the callback with rcu_dereference() without rcu_read_lock(). A kernel \
               with CONFIG_PROVE_RCU prints a splat for it whenever it crashes with KVM in use. RCU is \
               usually watching; what is missing is the lock. The callback still runs, so the splat does \
               not mean that virtualization stayed on. fff82ea9d900 (\"x86/virt: Silence RCU lockdep splat \
               in emergency virt callback path\") reads it with rcu_dereference_raw(). Take that commit.",
        signature: rcu_splat,
    },
    KnownIssue {
        id: "panic-force-cpu-leaves-virt-on",
        title: "panic_force_cpu= leaves virtualization on on the CPU that redirected its panic",
        caused_by: None,
        fixed_by: None,
        text: "With panic_force_cpu= the CPU that panics hands over to another one, leaves the online mask \
               and stops itself. It is then outside the crash NMI's count, and ignores the NMI: nothing \
               switches VMX or SVM off on it. No fix is known. Do not use panic_force_cpu= on hosts that \
               run KVM guests.",
        signature: panic_redirect,
    },
    KnownIssue {
        id: "callback-outlives-module",
        title: "the emergency callback points to where no module is",
        caused_by: None,
        fixed_by: None,
        text: "The module that registered the callback is gone, and the pointer was left behind. A crash \
               or emergency reboot then jumps to freed memory. Upstream unregisters the callback in the \
               module's exit path; look for an out-of-tree or patched kvm module.",
        signature: dangling,
    },
    KnownIssue {
        id: "reboot-vector-leaves-svm-on",
        title: "CPUs stopped by the REBOOT vector keep SVM on",
        caused_by: None,
        fixed_by: Some("a2b07fa7b933"),
        text: "Until 6.2 the kernel switches only VMX off when it stops CPUs by the REBOOT vector (a panic \
               without a crash kernel, a reboot). On AMD, SVM stays on, and a CPU with GIF clear then ignores \
               INIT: the next kernel can't start it. Mended by a2b07fa7b933 (\"x86/reboot: Disable SVM, not \
               just VMX, when stopping CPUs\") and d81f952aa657, in 6.3 and its stable backports.",
        signature: reboot_leaves_svm,
    },
    KnownIssue {
        id: "no-emergency-path",
        title: "the kernel has no code that switches virtualization off in a crash",
        caused_by: None,
        fixed_by: Some("2340b62f77c7"),
        text: "This kernel has none of the functions that disable VMX or SVM on the way into a crash kernel or \
               a reboot, although virtualization was in use. Upstream has them since 2340b62f77c7 (\"kdump: \
               forcibly disable VMX and SVM on machine_crash_shutdown()\") and d176720d34c7. If the kernel is \
               newer, it was built without KVM for Intel and AMD, and another hypervisor enabled it.",
        signature: no_emergency_path,
    },
    KnownIssue {
        id: "spurious-fault-after-emergency",
        title: "KVM took the fault of an instruction after an emergency disable for a bug",
        caused_by: None,
        fixed_by: Some("6ae44e012f4c"),
        text: "A CPU that still runs KVM code when another one has begun an emergency reboot or crash executes \
               VMX or SVM instructions with virtualization off, and faults. KVM eats such faults only while its \
               rebooting flag is set. 6ae44e012f4c (\"KVM: x86: Force kvm_rebooting=true during emergency \
               reboot/crash\") sets it in the emergency path; a788fbb763b5 is its companion for VMCLEAR.",
        signature: spurious_fault,
    },
    KnownIssue {
        id: "nmi-loop-loses-registers",
        title: "a CPU that panicked in NMI context loops there, and its registers are lost",
        caused_by: None,
        fixed_by: Some("58c5661f2144"),
        text: "Two CPUs panicked in NMI context; the one that came second waits in nmi_panic_self_stop() with \
               NMIs blocked, so that the crash NMI never reaches it: no registers, and virtualization stays on. \
               58c5661f2144 (\"panic, x86: Allow CPUs to save registers even if looping in NMI context\") lets \
               it poll for the request.",
        signature: nmi_loop,
    },
    KnownIssue {
        id: "tdx-module-live-across-kdump",
        title: "the TDX module was left running for the crash kernel",
        caused_by: None,
        fixed_by: Some("5b25f249be32"),
        text: "The TDX module was initialised, and this kernel can't shut it down on the way into a crash \
               kernel: memory that TDX owns stays protected, and writing to it from the crash kernel raises \
               machine checks. 5b25f249be32 (\"x86/tdx: Disable the TDX module during kexec and kdump\", 7.2).",
        signature: tdx_module,
    },
];

/// The known issue of that id.
pub fn known_issue(id: &str) -> Option<&'static KnownIssue> {
    KNOWN_ISSUES.iter().find(|issue| issue.id == id)
}

/// The known issues whose traces are in a report.
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

fn rcu_splat(case: &Case<'_>) -> Option<String> {
    let splat = case
        .report
        .splats
        .iter()
        .find(|s| s.known_issue.as_deref() == Some(RCU_SPLAT))?;
    let place = splat
        .location
        .as_deref()
        .unwrap_or("the emergency callback");
    Some(format!(
        "the log holds a suspicious-rcu report at {place}, raised on the way into the crash kernel"
    ))
}

fn panic_redirect(case: &Case<'_>) -> Option<String> {
    let cpu = case
        .report
        .virtualization
        .cpus
        .iter()
        .find(|c| c.evidence.iter().any(|e| e.what == "panic-redirect"))?;
    Some(format!(
        "CPU {} redirected its panic and stopped itself",
        cpu.cpu
    ))
}

fn dangling(case: &Case<'_>) -> Option<String> {
    let callback = &case.report.callback;
    (callback.state == CallbackState::Dangling).then(|| callback.summary.clone())
}

fn reboot_leaves_svm(case: &Case<'_>) -> Option<String> {
    let left = |cpu: &&crate::report::CpuReport| {
        let stopped =
            |e: &crate::report::EvidenceReport| e.what == "stopped-by-reboot" && e.says == Says::On;
        cpu.state != CpuState::Off && cpu.evidence.iter().any(stopped)
    };
    let cpu = case.report.virtualization.cpus.iter().find(left)?;
    Some(format!(
        "CPU {} was stopped by the REBOOT vector in a kernel that disables only VMX there",
        cpu.cpu
    ))
}

fn no_emergency_path(case: &Case<'_>) -> Option<String> {
    let virtualization = &case.report.virtualization;
    let none = virtualization
        .era
        .as_deref()
        .is_some_and(|era| era.starts_with("none"));
    let on = virtualization
        .cpus
        .iter()
        .any(|c| c.evidence.iter().any(|e| e.says == Says::On));
    (none && on).then(|| {
        "virtualization was in use, and the kernel has no code that disables it in a crash".into()
    })
}

fn spurious_fault(case: &Case<'_>) -> Option<String> {
    let mark = b"kvm_spurious_fault";
    let line = case
        .log?
        .records
        .iter()
        .find(|r| memchr::memmem::find(&r.text, mark).is_some())?;
    let seconds = line.timestamp_ns / 1_000_000_000;
    Some(format!(
        "the log names kvm_spurious_fault at {seconds} s after boot"
    ))
}

fn nmi_loop(case: &Case<'_>) -> Option<String> {
    let looping = |cpu: &&crate::report::CpuReport| {
        cpu.evidence
            .iter()
            .any(|e| e.what == "nmi-handler" && e.why.contains("nmi_panic_self_stop"))
    };
    let cpu = case.report.virtualization.cpus.iter().find(looping)?;
    Some(format!(
        "CPU {} loops in nmi_panic_self_stop() and left no registers",
        cpu.cpu
    ))
}

fn tdx_module(case: &Case<'_>) -> Option<String> {
    let kernel = case.kernel?;
    if kernel.symbol("tdx_sys_disable").is_ok() {
        return None;
    }
    let cpus = kernel.cpus().ok()?;
    let initialised = |cpu: &virtopsy_kernel::CpuId| {
        let at = kernel.percpu("tdx_lp_initialized", *cpu);
        at.and_then(|at| kernel.space().u8(at))
            .is_ok_and(|flag| flag == 1)
    };
    let cpu = cpus.possible.iter().find(initialised)?;
    Some(format!(
        "the TDX module was initialised on CPU {cpu}, and this kernel can't disable it for a crash kernel"
    ))
}

#[cfg(test)]
mod tests {
    use virtopsy_kernel::Record;

    use super::*;
    use crate::report::{CpuReport, EvidenceReport};

    fn ids(report: &DumpReport, log: Option<&Log>) -> Vec<String> {
        recognise(&Case {
            report,
            kernel: None,
            log,
        })
        .into_iter()
        .map(|i| i.id)
        .collect()
    }

    fn with_evidence(state: CpuState, evidence: EvidenceReport) -> DumpReport {
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
        assert!(ids(&DumpReport::default(), Some(&Log::default())).is_empty());
    }

    #[test]
    fn every_issue_has_its_own_id_and_says_what_to_do() {
        for (i, issue) in KNOWN_ISSUES.iter().enumerate() {
            assert!(
                KNOWN_ISSUES
                    .iter()
                    .skip(i + 1)
                    .all(|other| other.id != issue.id),
                "{}",
                issue.id
            );
            assert!(
                issue.text.len() > 80 && known_issue(issue.id).is_some(),
                "{}",
                issue.id
            );
        }
    }

    #[test]
    fn svm_left_on_by_the_reboot_vector_is_recognised() {
        let stopped = EvidenceReport {
            what: "stopped-by-reboot".into(),
            says: Says::On,
            ..EvidenceReport::default()
        };
        assert_eq!(
            ids(&with_evidence(CpuState::Unknown, stopped.clone()), None),
            ["reboot-vector-leaves-svm-on"]
        );
        let off = EvidenceReport {
            says: Says::Off,
            ..stopped
        };
        assert!(ids(&with_evidence(CpuState::Off, off), None).is_empty());
    }

    #[test]
    fn a_kernel_without_an_emergency_path_is_recognised_where_kvm_was_in_use() {
        let on = EvidenceReport {
            what: "hardware_enabled".into(),
            says: Says::On,
            ..EvidenceReport::default()
        };
        let mut report = with_evidence(CpuState::Unknown, on);
        report.virtualization.era = Some("none (no emergency path)".into());
        assert_eq!(ids(&report, None), ["no-emergency-path"]);
    }

    #[test]
    fn a_cpu_that_loops_in_nmi_context_is_recognised() {
        let why = "it is in nmi_panic_self_stop+0x20/0x30".to_owned();
        let stuck = EvidenceReport {
            what: "nmi-handler".into(),
            why,
            ..EvidenceReport::default()
        };
        assert_eq!(
            ids(&with_evidence(CpuState::On, stuck), None),
            ["nmi-loop-loses-registers"]
        );
    }

    #[test]
    fn a_spurious_fault_in_the_log_is_recognised() {
        let text =
            b"kernel BUG at arch/x86/kvm/x86.c:400! RIP: kvm_spurious_fault+0x5/0x10".to_vec();
        let log = Log {
            records: vec![Record {
                text,
                ..Record::default()
            }],
            ..Log::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), Some(&log)),
            ["spurious-fault-after-emergency"]
        );
    }
}
