//! Hand-made results for the tests of the formats.

use virtopsy::report::{
    CallbackReport, CallbackState, CheckId, CheckReport, CheckVerdict, CodeReport, CodeState,
    CpuReport, CpuState, CrashReport, DereferenceReport, DumpReport, ErrorReport, EvidenceKind,
    EvidenceReport, Feature, Hex, InFlightReport, KnownIssueId, KnownIssueReport, LogReport,
    ModuleUseReport, OpsTableReport, Origin, ProofReport, RcuFact, RcuReport, Reason, Says,
    ShootdownReport, StoryStep, Strength, TaskReport, Text, Verdict, VirtualizationReport,
};

use crate::judge::{Judge, Judged};

/// A log with a report in it, whose task has a hostile name.
pub(crate) const LOG: &str = "\
[   11.700000][  T107] sysrq: Trigger a crash
[   11.776041][  T107] =============================
[   11.776041][  T107] WARNING: suspicious RCU usage
[   11.776041][  T107] 7.2.13-virtdbg #1 Not tainted
[   11.776041][  T107] -----------------------------
[   11.776041][  T107] arch/x86/virt/hw.c:65 suspicious rcu_dereference_check() usage!
[   11.776041][  T107]
[   11.776041][  T107] other info that might help us debug this:
[   11.776041][  T107]
[   11.776041][  T107]
[   11.776041][  T107] rcu_scheduler_active = 2, debug_locks = 1
[   11.776041][  T107] 1 lock held by e\x1b[2Jl/107:
[   11.776041][  T107]  #0: ffff888003c3e420 (sb_writers#3){.+.+}-{0:0}, at: ksys_write+0x5b/0xd0
[   11.776041][  T107]
[   11.776041][  T107] stack backtrace:
[   11.776041][  T107] CPU: 3 UID: 0 PID: 107 Comm: e\x1b[2Jl Not tainted 7.2.13-virtdbg #1 PREEMPT
[   11.776041][  T107] Call Trace:
[   11.776041][  T107]  <TASK>
[   11.776041][  T107]  dump_stack_lvl+0x57/0x80
[   11.776041][  T107]  lockdep_rcu_suspicious+0x146/0x1a0
[   11.776041][  T107]  x86_virt_invoke_kvm_emergency_callback+0x56/0x60
[   11.776041][  T107]  native_machine_crash_shutdown+0x33/0x80
[   11.776041][  T107]  __crash_kexec+0x53/0x100
[   11.776041][  T107]  panic+0x1a3/0x360
[   11.776041][  T107]  sysrq_handle_crash+0x16/0x20
[   11.776041][  T107]  </TASK>
";

/// A dump in order, one with a failed and an inconclusive check, and a hostile file that is none.
pub(crate) fn all() -> Vec<Judged> {
    [good(), bad(), broken()]
        .into_iter()
        .map(|report| Judge::default().judge(report))
        .collect()
}

fn checks(verdicts: [CheckVerdict; 6]) -> Vec<CheckReport> {
    let check = |(id, verdict): (&CheckId, CheckVerdict)| CheckReport {
        id: *id,
        verdict,
        summary: format!("says \x1b[31m{id}"),
    };
    CheckId::ALL.iter().zip(verdicts).map(check).collect()
}

fn task(comm: &str, pid: i32) -> TaskReport {
    TaskReport {
        comm: Text::from(comm),
        pid,
    }
}

fn cpu(number: u32, state: CpuState, reason: Reason, says: Says) -> CpuReport {
    CpuReport {
        cpu: number,
        state,
        reason,
        strength: Strength::Proof,
        online: Some(true),
        task: Some(task(
            if number == 0 {
                "swapper/0"
            } else {
                "e\x1b[2Jvil"
            },
            0,
        )),
        summary: format!("CPU {number} in one sentence."),
        story: vec![StoryStep {
            when: "before".into(),
            text: "KVM had switched SVM on here.".into(),
        }],
        evidence: vec![
            EvidenceReport {
                why: "frames the others".into(),
                ..EvidenceReport::new(EvidenceKind::SvmSaveArea)
            },
            EvidenceReport {
                what: EvidenceKind::CrashNotes,
                says,
                strength: Strength::Proof,
                address: Some(Hex(0xffff_8880_7d21_4000)),
                value: Some("0x1".into()),
                why: "the NMI handler switches SVM off before it saves the registers".into(),
                lies_when: Some("the handler was patched".into()),
            },
        ],
        ..CpuReport::default()
    }
}

/// SVM off everywhere.
pub(crate) fn good() -> DumpReport {
    DumpReport {
        path: "/dumps/good".into(),
        format: Some("kdump".into()),
        compression: vec!["zlib".into()],
        complete: Some(true),
        log: Some(LogReport {
            records: 512,
            overwritten: 3,
            ..LogReport::default()
        }),
        origin: Origin::Kdump,
        release: Some("7.2.13-virtdbg".into()),
        build_id: Some("0123456789abcdef0123456789abcdef01234567".into()),
        types_from: Some("btf-in-dump".into()),
        symbols_from: Some("kallsyms-in-dump".into()),
        cpus_possible: Some(2),
        cpus_online: Some(2),
        crash: Some(CrashReport {
            cpu: Some(1),
            reason: Some("sysrq triggered crash".into()),
            task: Some(task("sh", 107)),
            nmi_shootdown: ShootdownReport {
                ran: Some(true),
                missing_cpus: vec![],
                ..ShootdownReport::default()
            },
            rcu: Some(RcuReport {
                watching: RcuFact {
                    value: Some(true),
                    address: Some(Hex(0xffff_8880_7d22_5980)),
                    why: "RCU was watching this CPU".into(),
                },
                ..RcuReport::default()
            }),
            sentence: Some("sh (PID 107) asked for a crash by sysrq.".into()),
            proof: vec![ProofReport {
                what: "panic text".into(),
                address: Some(Hex(0xffff_ffff_8370_2000)),
                value: Some("sysrq triggered crash".into()),
                why: "the message in panic()'s buffer".into(),
            }],
            signature: Some("sysrq-crash|sysrq_handle_crash".into()),
            ..CrashReport::default()
        }),
        virtualization: VirtualizationReport {
            feature: Feature::Svm,
            verdict: Verdict::AllOff,
            summary: "SVM was off on all 2 CPUs when the crash kernel took over.".into(),
            era: Some("E".into()),
            cpus: (0..2)
                .map(|n| cpu(n, CpuState::Off, Reason::EmergencyDisabled, Says::Off))
                .collect(),
        },
        callback: CallbackReport {
            state: CallbackState::Registered,
            variable: Some("kvm_emergency_callback".into()),
            address: Some(Hex(0xffff_ffff_8370_1000)),
            value: Some(Hex(0xffff_ffff_c040_2000)),
            symbol: Some("svm_emergency_disable_virtualization_cpu".into()),
            module: Some("kvm_amd".into()),
            module_state: Some("live".into()),
            expected: Some(true),
            ops_table: Some(OpsTableReport {
                agrees: true,
                ..OpsTableReport::default()
            }),
            code: Some(CodeReport {
                state: CodeState::Present,
                bytes: Some("f30f1efa".into()),
                why: None,
            }),
            module_use: Some(ModuleUseReport {
                refcount: Some(2),
                users: vec!["vfio".into()],
            }),
            in_flight: vec![InFlightReport {
                cpu: 1,
                at: "svm_emergency_disable_virtualization_cpu+0x5a/0x73 [kvm_amd]".into(),
                ..InFlightReport::default()
            }],
            dereference: Some(DereferenceReport::default()),
            summary: "The crash path could call it.".into(),
        },
        checks: checks([CheckVerdict::Pass; 6]),
        ..DumpReport::default()
    }
}

/// SVM on on CPU 1, which never answered.
pub(crate) fn bad() -> DumpReport {
    let mut report = good();
    report.path = "/dumps/bad".into();
    report.virtualization.verdict = Verdict::NotAllOff;
    report.virtualization.summary = "SVM was on on CPU 1, which never answered the NMI.".into();
    report.virtualization.cpus = vec![
        cpu(0, CpuState::Off, Reason::NeverEnabled, Says::Off),
        cpu(1, CpuState::On, Reason::DidNotAnswer, Says::On),
    ];
    if let Some(crash) = &mut report.crash {
        crash.nmi_shootdown.missing_cpus = vec![1];
        crash.nmi_shootdown.unknown_cpus = vec![0];
    }
    report.known_issues.push(KnownIssueReport {
        id: KnownIssueId::RcuSplatInEmergencyCallback,
        title: "Suspicious RCU usage".into(),
        fixed_by: Some("fff82ea9d900".into()),
        because: "the report stands in the log".into(),
    });
    let pass = CheckVerdict::Pass;
    report.checks = checks([
        CheckVerdict::Fail,
        pass,
        CheckVerdict::Inconclusive,
        pass,
        pass,
        pass,
    ]);
    report.splats = virtopsy::klog::scan_text(LOG.as_bytes()).unwrap_or_default();
    report.complete = Some(false);
    report.incomplete_because.push("3 pages are missing".into());
    report.notes.push(Text::from("3 pages are missing"));
    report
}

/// No dump, with a hostile name and message.
pub(crate) fn broken() -> DumpReport {
    DumpReport {
        path: Text::new(&b"/dumps/\xff\x1b[2J<&\">]]>"[..]),
        error: Some(ErrorReport {
            kind: "not-a-dump".into(),
            message: Text::from("not a dump: \x1b]0;owned\x07 </failure> \u{202e}"),
        }),
        ..DumpReport::default()
    }
}
