//! Each kind of evidence where it proves, where it lies, and where it is absent: samples edited at
//! named addresses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

mod support;

use support::{Edited, OFFLINE, STUCK, VMX, VMX_STUCK, state};
use virtopsy::report::{
    CpuState, DumpReport, EvidenceKind, EvidenceReport, Feature, Origin, Reason, Says, Strength,
    Verdict,
};
use virtopsy_kernel::CpuId;
use virtopsy_testkit::Note;

/// What is said of a CPU by one kind of evidence.
fn said(report: &DumpReport, cpu: usize, what: EvidenceKind) -> Option<&EvidenceReport> {
    let cpu = &report.virtualization.cpus[cpu];
    cpu.evidence.iter().find(|e| e.what == what)
}

fn says(report: &DumpReport, cpu: usize, what: EvidenceKind) -> Option<(Says, Strength)> {
    said(report, cpu, what).map(|e| (e.says, e.strength))
}

const OFF_PROOF: Option<(Says, Strength)> = Some((Says::Off, Strength::Proof));
const ON_STRONG: Option<(Says, Strength)> = Some((Says::On, Strength::Strong));

mod cr4_shadow {
    use super::*;

    fn set(dump: &mut Edited, cpu: u32, edit: impl Fn(u64) -> u64) {
        let report = dump.report();
        let at = said(&report, cpu as usize, EvidenceKind::Cr4Shadow).unwrap();
        let at = virtopsy_debuginfo::VirtAddr(at.address.unwrap().0);
        let old = dump.kernel.space().u64(at).unwrap();
        dump.pointer(at, edit(old));
    }

    #[test]
    fn it_is_found_without_types_and_a_clear_bit_proves_off() {
        let report = Edited::new(VMX).report();
        assert_eq!(report.virtualization.feature, Feature::Vmx);
        for cpu in 0..2 {
            assert_eq!(says(&report, cpu, EvidenceKind::Cr4Shadow), OFF_PROOF);
        }
        assert_eq!(report.virtualization.verdict, Verdict::AllOff);
    }

    #[test]
    fn a_set_bit_proves_on_against_a_cpu_that_counted_itself_off() {
        let mut dump = Edited::new(VMX);
        set(&mut dump, 0, |cr4| cr4 | 1 << 13);
        let report = dump.report();
        assert_eq!(
            says(&report, 0, EvidenceKind::Cr4Shadow),
            Some((Says::On, Strength::Proof))
        );
        assert_ne!(state(&report, 0).0, CpuState::Off);
        assert!(report.virtualization.cpus[0].conflict);
    }

    /// What a page of another CPU's copied over this one's would leave.
    #[test]
    fn a_clear_bit_is_no_proof_on_a_cpu_that_never_saved_its_registers() {
        let mut dump = Edited::new(VMX_STUCK);
        set(&mut dump, 2, |cr4| cr4 & !(1 << 13));
        let report = dump.int("waiting_for_crash_ipi", 0).report();
        assert_eq!(
            says(&report, 2, EvidenceKind::Cr4Shadow),
            Some((Says::Off, Strength::Strong))
        );
        assert_eq!(state(&report, 2).0, CpuState::Unknown);
        assert!(report.virtualization.cpus[2].conflict);
        assert_ne!(report.virtualization.verdict, Verdict::AllOff);
        assert_eq!(says(&report, 0, EvidenceKind::Cr4Shadow), OFF_PROOF);
    }

    #[test]
    fn a_value_that_no_64_bit_cpu_runs_with_says_nothing() {
        let mut dump = Edited::new(VMX);
        set(&mut dump, 0, |_| 0);
        assert_eq!(
            says(&dump.report(), 0, EvidenceKind::Cr4Shadow).map(|e| e.0),
            Some(Says::Neutral)
        );
    }

    #[test]
    fn it_is_not_asked_on_amd() {
        assert_eq!(
            says(&Edited::new(OFFLINE).report(), 0, EvidenceKind::Cr4Shadow),
            None
        );
    }
}

mod vmcs_list {
    use super::*;

    const NEUTRAL: Option<(Says, Strength)> = Some((Says::Neutral, Strength::Weak));

    #[test]
    fn a_vmcs_that_is_listed_decides_nothing_on_a_cpu_that_is_on_and_on_one_that_is_off() {
        let report = Edited::new(VMX_STUCK).report();
        assert_eq!(says(&report, 2, EvidenceKind::LoadedVmcsList), NEUTRAL);
        assert_ne!(
            said(&report, 2, EvidenceKind::LoadedVmcsList)
                .unwrap()
                .value
                .as_deref(),
            Some("empty")
        );
        assert_eq!(state(&report, 2), (CpuState::On, Reason::DidNotAnswer));
        assert_eq!(says(&report, 0, EvidenceKind::LoadedVmcsList), NEUTRAL);
        assert_eq!(
            state(&report, 0),
            (CpuState::Off, Reason::EmergencyDisabled)
        );
    }

    #[test]
    fn an_empty_list_does_not_make_a_cpu_off() {
        let mut dump = Edited::new(VMX_STUCK);
        let intel = dump.kernel.modules().get("kvm_intel").unwrap();
        let head = intel
            .percpu(&dump.kernel, "loaded_vmcss_on_cpu", CpuId(2))
            .unwrap();
        let report = dump.pointer(head, head.0).report();
        let empty = said(&report, 2, EvidenceKind::LoadedVmcsList).unwrap();
        assert_eq!(empty.value.as_deref(), Some("empty"));
        assert_eq!(state(&report, 2).0, CpuState::On);
    }

    #[test]
    fn it_is_not_asked_on_amd_and_absent_without_types() {
        for (name, cpu) in [(OFFLINE, 0), (VMX, 0)] {
            assert!(
                said(
                    &Edited::new(name).report(),
                    cpu,
                    EvidenceKind::LoadedVmcsList
                )
                .is_none()
            );
        }
    }
}

mod left_in_vmx_operation {
    use super::*;

    #[test]
    fn without_the_shadow_of_cr4_the_note_and_the_count_still_say_so() {
        let mut dump = Edited::new(VMX_STUCK);
        let report = dump.report();
        let shadow = said(&report, 2, EvidenceKind::Cr4Shadow).unwrap();
        assert_eq!((shadow.says, shadow.strength), (Says::On, Strength::Proof));
        let at = virtopsy_debuginfo::VirtAddr(shadow.address.unwrap().0);
        let report = dump.pointer(at, 0).report();
        assert_eq!(state(&report, 2), (CpuState::On, Reason::DidNotAnswer));
        assert_eq!(says(&report, 2, EvidenceKind::CrashNotes), ON_STRONG);
    }

    #[test]
    fn a_count_of_zero_does_not_make_it_off() {
        let report = Edited::new(VMX_STUCK)
            .int("waiting_for_crash_ipi", 0)
            .report();
        assert_eq!(state(&report, 2).0, CpuState::On);
        assert_eq!(report.virtualization.verdict, Verdict::NotAllOff);
    }
}

mod qemu_note {
    use super::*;

    /// CR0 with protection and paging, CR4 with PAE.
    const LONG_MODE: (u64, u64) = (0x8005_0033, 0x6b0);

    /// A note of the CPU with that GS base; its page tables are those at `cr3`.
    fn note(gs: u64, cr0: u64, cr3: u64, cr4: u64) -> Note {
        let mut segments = [(0, 0, 0, 0); 10];
        segments[4].3 = gs;
        Note::qemu(&[0; 18], &segments, &[cr0, 0, 0, cr3, cr4], Some(0))
    }

    fn with(name: &str, cr0: u64, cr3: Option<u64>, cr4: u64) -> DumpReport {
        let kernel = Edited::new(name).kernel;
        let base = |cpu| {
            let cpus = kernel.cpus().unwrap();
            cpus.address(virtopsy_debuginfo::VirtAddr(0), CpuId(cpu))
                .unwrap()
                .0
        };
        let root = cr3.unwrap_or(kernel.space().root().0);
        let notes: Vec<Note> = [0, 1]
            .map(|cpu| note(base(cpu), cr0, root, cr4))
            .into_iter()
            .collect();
        Edited::with_notes(name, move |all| all.extend(notes)).report()
    }

    #[test]
    fn registers_of_a_nested_guest_prove_that_svm_is_on() {
        let report = with(STUCK, 0x10, Some(0x1000), 0);
        assert_eq!(report.origin, Origin::Hypervisor);
        // CPU 0 crashed.
        assert_eq!(
            says(&report, 1, EvidenceKind::QemuNote),
            Some((Says::On, Strength::Proof))
        );
    }

    #[test]
    fn registers_of_the_cpu_that_jumped_can_be_the_crash_kernels() {
        let report = with(OFFLINE, 0x10, Some(0x1000), 0);
        assert_eq!(
            says(&report, 1, EvidenceKind::QemuNote).map(|e| e.0),
            Some(Says::Neutral),
            "CPU 1 crashed"
        );
    }

    #[test]
    fn the_kernels_own_registers_say_nothing_of_svm() {
        let (cr0, cr4) = LONG_MODE;
        let report = with(STUCK, cr0, None, cr4);
        assert_eq!(
            says(&report, 1, EvidenceKind::QemuNote).map(|e| e.0),
            Some(Says::Neutral)
        );
    }

    #[test]
    fn on_intel_they_are_the_hardware_itself() {
        let (cr0, cr4) = LONG_MODE;
        assert_eq!(
            says(&with(VMX, cr0, None, cr4), 0, EvidenceKind::QemuNote),
            OFF_PROOF
        );
        assert_eq!(
            says(
                &with(VMX, cr0, None, cr4 | 1 << 13),
                0,
                EvidenceKind::QemuNote
            ),
            Some((Says::On, Strength::Proof))
        );
    }

    #[test]
    fn a_kdump_has_none() {
        assert_eq!(
            says(&Edited::new(STUCK).report(), 0, EvidenceKind::QemuNote),
            None
        );
    }
}

mod feature {
    use super::*;

    fn clear_svm(dump: &mut Edited, cpu: u32) {
        let info = dump
            .kernel
            .percpu_object("cpu_info", "struct cpuinfo_x86", CpuId(cpu))
            .unwrap();
        let word = info.field("x86_capability").unwrap().index(6).unwrap();
        let (at, value) = (word.address, word.u64().unwrap() as u32);
        dump.write(at, &(value & !(1 << 2)).to_le_bytes());
    }

    #[test]
    fn a_cpu_without_the_feature_is_off() {
        let mut dump = Edited::new(STUCK);
        clear_svm(&mut dump, 3);
        let report = dump.report();
        assert_eq!(
            says(&report, 3, EvidenceKind::CpuFeature),
            Some((Says::Off, Strength::Strong))
        );
        assert_eq!(state(&report, 3), (CpuState::Off, Reason::NotSupported));
    }

    #[test]
    fn a_feature_bit_that_is_clear_is_not_believed_against_a_cpu_that_never_answered() {
        let mut dump = Edited::new(STUCK);
        clear_svm(&mut dump, 2);
        let report = dump.report();
        assert_ne!(
            state(&report, 2).0,
            CpuState::Off,
            "its books say that SVM was enabled"
        );
        assert!(report.virtualization.cpus[2].conflict);
    }

    #[test]
    fn a_kernel_that_uses_neither_makes_the_question_moot() {
        let mut dump = Edited::new(OFFLINE);
        let ops = dump.kernel.symbol("virt_ops").unwrap();
        for cpu in 0..4 {
            dump.books(cpu, 0);
        }
        let report = dump.write(ops, &[0; 4]).report();
        assert_eq!(report.virtualization.verdict, Verdict::NotApplicable);
    }

    #[test]
    fn a_kernel_that_says_neither_while_kvm_counts_users_is_not_believed() {
        let mut dump = Edited::new(STUCK);
        let ops = dump.kernel.symbol("virt_ops").unwrap();
        let report = dump.write(ops, &[0; 4]).report();
        assert_ne!(report.virtualization.verdict, Verdict::AllOff);
        assert_ne!(report.virtualization.verdict, Verdict::NotApplicable);
    }
}

mod stop_path {
    use super::*;

    /// The machine before it crashed: nothing has been sent, nobody has answered.
    fn running(name: &str) -> Edited {
        let mut dump = Edited::new(name);
        dump.int("crash_ipi_issued", 0)
            .int("waiting_for_crash_ipi", 0)
            .int("crashing_cpu", -1)
            .int("panic_cpu", -1);
        let flag = dump.kernel.symbol("virt_rebooting").unwrap();
        dump.write(flag, &[0]);
        dump
    }

    #[test]
    fn what_kvm_enabled_is_on_where_no_path_that_disables_had_begun() {
        let report = running(STUCK).report();
        assert_eq!(says(&report, 2, EvidenceKind::NoStopPath), ON_STRONG);
        assert_eq!(state(&report, 2).0, CpuState::On);
    }

    #[test]
    fn the_evidence_is_absent_once_a_path_began() {
        assert_eq!(
            says(&Edited::new(STUCK).report(), 2, EvidenceKind::NoStopPath),
            None
        );
    }

    #[test]
    fn it_says_nothing_of_a_cpu_on_which_nothing_was_enabled() {
        let mut dump = running(STUCK);
        assert_eq!(
            says(&dump.books(2, 0).report(), 2, EvidenceKind::NoStopPath),
            None
        );
    }
}

mod origin {
    use super::*;

    #[test]
    fn a_kdump_proves_the_cpu_that_jumped_even_where_its_note_is_torn() {
        let mut dump = Edited::new(OFFLINE);
        let note = dump.kernel.crash_note(CpuId(1)).unwrap().address;
        let report = dump.write(note, &[0xff; 8]).report();
        assert_eq!(says(&report, 1, EvidenceKind::KdumpRan), OFF_PROOF);
        assert_eq!(state(&report, 1).0, CpuState::Off);
    }

    #[test]
    fn a_crashing_cpu_without_a_note_is_not_the_one_that_jumped() {
        let mut dump = Edited::new(OFFLINE);
        let note = dump.kernel.crash_note(CpuId(1)).unwrap().address;
        let report = dump.write(note, &[0; 400]).report();
        assert_eq!(says(&report, 1, EvidenceKind::KdumpRan), None);
        assert_ne!(state(&report, 1).0, CpuState::Off);
    }

    #[test]
    fn it_says_nothing_of_the_others() {
        assert_eq!(
            says(&Edited::new(OFFLINE).report(), 0, EvidenceKind::KdumpRan),
            None
        );
    }
}

mod hotplug {
    use super::*;

    #[test]
    fn a_cpu_that_was_taken_offline_is_off() {
        let report = Edited::new(OFFLINE).report();
        assert_eq!(
            says(&report, 3, EvidenceKind::Hotplug),
            Some((Says::Off, Strength::Strong))
        );
        assert_eq!(state(&report, 3), (CpuState::Off, Reason::Offline));
    }

    #[test]
    fn a_cpu_out_of_the_mask_whose_hotplug_state_is_online_was_not_taken_offline() {
        let mut dump = Edited::new(STUCK);
        let report = dump.offline(2).report();
        assert_eq!(says(&report, 2, EvidenceKind::Hotplug), None);
        assert_ne!(state(&report, 2).0, CpuState::Off);
    }

    #[test]
    fn it_is_absent_on_a_cpu_that_is_online() {
        assert_eq!(
            says(&Edited::new(OFFLINE).report(), 0, EvidenceKind::Hotplug),
            None
        );
    }
}

mod story {
    use super::*;

    #[test]
    fn each_cpu_has_a_story_that_begins_before_the_crash_and_ends_with_what_follows() {
        for name in [STUCK, OFFLINE, VMX] {
            for cpu in Edited::new(name).report().virtualization.cpus {
                let when: Vec<&str> = cpu.story.iter().map(|s| s.when.as_str()).collect();
                assert_eq!(when.first(), Some(&"before"), "{name} {}", cpu.cpu);
                assert_eq!(when.last(), Some(&"so"), "{name} {}", cpu.cpu);
                assert!(cpu.story.iter().all(|s| s.text.ends_with('.')), "{cpu:?}");
            }
        }
    }

    #[test]
    fn the_story_of_a_cpu_that_never_answered_says_so() {
        let report = Edited::new(STUCK).report();
        let told: Vec<&str> = report.virtualization.cpus[2]
            .story
            .iter()
            .map(|s| s.text.as_str())
            .collect();
        let told = told.join(" ");
        for part in [
            "KVM had switched SVM on here, and never gave it back",
            "sent the crash NMI to all other CPUs",
            "never got as far as saving its registers",
            "SVM was ON on CPU 2",
        ] {
            assert!(told.contains(part), "{part:?} in {told}");
        }
    }
}
