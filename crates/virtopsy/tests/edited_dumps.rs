//! States that are hard to make for real: a sample with a few words changed at named addresses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

mod support;

use support::{Edited, OFFLINE, STUCK, state, verdict};
use virtopsy::report::{
    CallbackState, CheckVerdict, CodeState, CpuState, Dereference, EvidenceKind, Origin, Reason,
    Strength, Verdict,
};
use virtopsy::{CheckId, KnownIssueId, Options};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::CpuId;

#[test]
fn a_cpu_that_redirected_its_panic_is_on_although_the_count_is_zero() {
    let mut dump = Edited::new(STUCK);
    let report = dump
        .offline(2)
        .int("panic_redirect_cpu", 2)
        .int("waiting_for_crash_ipi", 0)
        .report();
    assert_eq!(state(&report, 2), (CpuState::On, Reason::StillEnabled));
    assert_eq!(report.virtualization.verdict, Verdict::NotAllOff);
    assert_eq!(
        state(&report, 1).0,
        CpuState::Off,
        "the parked frame still proves the others"
    );
    assert!(
        report
            .known_issues
            .iter()
            .any(|i| i.id == KnownIssueId::PanicForceCpuLeavesVirtOn)
    );
}

#[test]
fn a_count_of_zero_is_not_believed_over_a_cpu_that_left_no_registers() {
    let mut dump = Edited::new(STUCK);
    let report = dump.int("waiting_for_crash_ipi", 0).report();
    assert_eq!(state(&report, 2).0, CpuState::Unknown);
    assert!(report.virtualization.cpus[2].conflict);
}

#[test]
fn a_count_of_zero_is_not_believed_of_a_cpu_that_nothing_else_shows_in_the_handler() {
    let mut dump = Edited::new(STUCK);
    // Another place of memory in each CPU's slot: no note holds.
    let notes = dump.kernel.symbol("crash_notes").unwrap();
    let elsewhere = dump.kernel.symbol("init_task").unwrap();
    let report = dump
        .pointer(notes, elsewhere.0)
        .int("waiting_for_crash_ipi", 0)
        .report();
    assert_eq!(state(&report, 2).0, CpuState::Unknown);
    assert_ne!(report.virtualization.verdict, Verdict::AllOff);
    // The others stand parked behind their disable.
    assert_eq!(state(&report, 1).0, CpuState::Off);
}

#[test]
fn the_initial_zero_of_the_count_proves_nothing() {
    let mut dump = Edited::new(STUCK);
    let report = dump
        .int("waiting_for_crash_ipi", 0)
        .int("crash_ipi_issued", 0)
        .report();
    assert_ne!(state(&report, 2).0, CpuState::Off);
}

#[test]
fn a_cpu_that_hangs_inside_the_emergency_disable_is_not_off() {
    let mut dump = Edited::new(OFFLINE);
    let (at, _) = dump.parked_word(0);
    let handler = dump.kernel.function("crash_nmi_callback").unwrap();
    let disable = dump
        .kernel
        .symbol("x86_virt_emergency_disable_virtualization_cpu")
        .unwrap();
    let inside = handler
        .calls()
        .into_iter()
        .find(|c| c.target == Some(disable))
        .unwrap()
        .returns_to;
    let report = dump
        .pointer(at, inside.0)
        .int("waiting_for_crash_ipi", 1)
        .report();
    assert_eq!(
        state(&report, 0).0,
        CpuState::On,
        "it never came out of the callback"
    );
    assert_eq!(
        state(&report, 2).0,
        CpuState::Off,
        "another CPU's own frame is proof"
    );
}

#[test]
fn registers_alone_are_weak_while_some_cpu_is_unaccounted_for() {
    let mut dump = Edited::new(OFFLINE);
    let (at, _) = dump.parked_word(0);
    let report = dump.pointer(at, 0).int("waiting_for_crash_ipi", 1).report();
    assert_eq!(state(&report, 0).0, CpuState::Unknown);
}

#[test]
fn a_stale_frame_of_a_cpu_that_handles_no_nmi_is_no_proof() {
    let mut dump = Edited::new(OFFLINE);
    let at = dump.kernel.percpu("nmi_state", CpuId(0)).unwrap();
    let report = dump
        .write(at, &[0; 4])
        .int("waiting_for_crash_ipi", 1)
        .report();
    let cpu = &report.virtualization.cpus[0];
    assert_ne!(cpu.strength, Strength::Proof);
}

#[test]
fn a_cpu_that_never_answered_but_never_had_it_enabled_is_off() {
    let mut dump = Edited::new(STUCK);
    // The lab's own module, which holds the CPU, comes from outside the tree.
    assert_eq!(
        state(&dump.books(2, 0).report(), 2).0,
        CpuState::Unknown,
        "another hypervisor may have enabled it"
    );
    let report = dump.int("tainted_mask", 0).report();
    let (state, reason) = state(&report, 2);
    assert_eq!(state, CpuState::Off);
    assert!(matches!(reason, Reason::Released | Reason::NeverEnabled));
}

#[test]
fn books_that_contradict_each_other_decide_nothing() {
    let mut dump = Edited::new(STUCK);
    let at = dump
        .kernel
        .percpu("virtualization_nr_users", CpuId(2))
        .unwrap();
    let report = dump.write(at, &0u32.to_le_bytes()).report();
    assert_ne!(state(&report, 2).0, CpuState::Off);
}

#[test]
fn a_cpu_that_the_reboot_vector_stopped_is_off() {
    let mut dump = Edited::new(STUCK);
    let report = dump
        .offline(2)
        .int("stopping_cpu", 0)
        .int("waiting_for_crash_ipi", 0)
        .report();
    assert_eq!(state(&report, 2).0, CpuState::Off);
    let evidence = report.virtualization.cpus[2].evidence.iter();
    let what: Vec<EvidenceKind> = evidence.map(|e| e.what).collect();
    assert!(what.contains(&EvidenceKind::StoppedByReboot), "{what:?}");
}

#[test]
fn a_callback_whose_module_is_going_is_unloading() {
    let mut dump = Edited::new(OFFLINE);
    let module = dump.kernel.modules().get("kvm_amd").unwrap().address;
    let state_at = dump
        .kernel
        .object(module, "struct module")
        .unwrap()
        .field("state")
        .unwrap()
        .address;
    let report = dump.write(state_at, &2u32.to_le_bytes()).report();
    assert_eq!(report.callback.state, CallbackState::Unloading);
    assert_eq!(report.callback.module_state.as_deref(), Some("going"));
    assert_eq!(
        verdict(&report, CheckId::EmergencyCallbackSound),
        CheckVerdict::Fail
    );
}

#[test]
fn no_callback_while_virtualization_is_in_use_is_a_defect() {
    let mut dump = Edited::new(OFFLINE);
    let at = dump.kernel.symbol("kvm_emergency_callback").unwrap();
    let report = dump.pointer(at, 0).report();
    assert_eq!(report.callback.state, CallbackState::None);
    assert_eq!(
        verdict(&report, CheckId::EmergencyCallbackSound),
        CheckVerdict::Fail
    );
}

#[test]
fn a_callback_that_is_not_kvms_is_named_and_fails() {
    let mut dump = Edited::new(OFFLINE);
    let at = dump.kernel.symbol("kvm_emergency_callback").unwrap();
    let foreign = dump.kernel.symbol("panic").unwrap();
    let report = dump.pointer(at, foreign.0).report();
    assert_eq!(report.callback.expected, Some(false));
    assert_eq!(
        verdict(&report, CheckId::EmergencyCallbackSound),
        CheckVerdict::Fail
    );
}

#[test]
fn a_callback_into_the_void_is_dangling() {
    let mut dump = Edited::new(OFFLINE);
    let at = dump.kernel.symbol("kvm_emergency_callback").unwrap();
    let report = dump.pointer(at, 0xffff_ffff_c0ff_e000).report();
    assert_eq!(report.callback.state, CallbackState::Dangling);
}

#[test]
fn the_registered_callback_comes_with_all_that_keeps_it_sound() {
    let callback = Edited::new(OFFLINE).report().callback;
    assert_eq!(callback.state, CallbackState::Registered);
    let table = callback.ops_table.unwrap();
    assert!(table.agrees);
    assert_eq!(table.value, callback.value.unwrap());
    assert_eq!(callback.code.unwrap().state, CodeState::Present);
    let module_use = callback.module_use.unwrap();
    assert!(module_use.refcount.is_some());
    assert!(callback.in_flight.is_empty());
}

#[test]
fn a_callback_that_the_ops_table_does_not_name_is_not_kvms() {
    // The entry can be named only with the types of kvm.ko, which no sample holds.
    let Some(corpus) = virtopsy_testkit::corpus("the ops table against another pointer") else {
        return;
    };
    let kernel = corpus.join("kernels/virtdbg");
    let mut options = Options::default();
    options.kernel.vmlinux = Some(kernel);
    let mut dump = Edited::new(OFFLINE);
    let table = dump.report_with(&options).callback.ops_table.unwrap();
    assert!(table.agrees);
    let panic = dump.kernel.symbol("panic").unwrap();
    dump.pointer(VirtAddr(table.address.0), panic.0);
    let report = dump.report_with(&options);
    assert!(!report.callback.ops_table.as_ref().unwrap().agrees);
    assert_eq!(report.callback.expected, Some(false));
    assert_eq!(
        verdict(&report, CheckId::EmergencyCallbackSound),
        CheckVerdict::Fail
    );
}

#[test]
fn a_callback_whose_code_is_poisoned_is_dangling_though_its_module_is_listed() {
    let mut dump = Edited::new(OFFLINE);
    let at = dump.kernel.symbol("kvm_emergency_callback").unwrap();
    let callback = dump.kernel.space().pointer(at).unwrap();
    let report = dump.write(callback, &[0xcc; 16]).report();
    assert_eq!(report.callback.code.unwrap().state, CodeState::Poisoned);
    assert_eq!(report.callback.state, CallbackState::Dangling);
}

#[test]
fn the_checked_dereference_and_its_flag_are_read_from_the_kernels_text() {
    let mut dump = Edited::new(OFFLINE);
    let dereference = dump.report().callback.dereference.unwrap();
    assert_eq!(dereference.state, Dereference::Checked, "{dereference:?}");
    assert_eq!(dereference.warned, Some(true));
    let flag = VirtAddr(dereference.warned_address.unwrap().0);
    let quiet = dump.write(flag, &[0]).report().callback.dereference;
    assert_eq!(quiet.unwrap().warned, Some(false));
}

#[test]
fn a_raw_dereference_is_told_from_a_checked_one() {
    let mut dump = Edited::new(OFFLINE);
    let reader = dump
        .kernel
        .function("x86_virt_invoke_kvm_emergency_callback")
        .unwrap();
    for call in reader.calls() {
        dump.write(call.at, &[0x0f, 0x1f, 0x44, 0x00, 0x00]);
    }
    let dereference = dump.report().callback.dereference.unwrap();
    assert_eq!(dereference.state, Dereference::Unchecked);
    assert_eq!(dereference.warned, None);
}

#[test]
fn whether_rcu_watched_and_whether_its_lock_was_held_are_two_facts() {
    let mut dump = Edited::new(OFFLINE);
    let rcu = dump.report().crash.unwrap().rcu.unwrap();
    assert_eq!(rcu.watching.value, Some(true), "{}", rcu.watching.why);
    // The page of the task's held locks was left out of this sample.
    assert_eq!(rcu.lock_held.value, None);
    assert!(
        rcu.lock_held.why.contains("excluded"),
        "{}",
        rcu.lock_held.why
    );
    let at = VirtAddr(rcu.watching.address.unwrap().0);
    let state = dump.kernel.space().u32(at).unwrap();
    let report = dump.write(at, &(state & !4).to_le_bytes()).report();
    let rcu = report.crash.unwrap().rcu.unwrap();
    assert_eq!(rcu.watching.value, Some(false));
}

#[test]
fn a_cpu_that_hangs_in_the_callback_is_named() {
    let mut dump = Edited::new(OFFLINE);
    let (at, _) = dump.parked_word(0);
    let handler = dump.kernel.function("crash_nmi_callback").unwrap();
    let disable = dump
        .kernel
        .symbol("x86_virt_emergency_disable_virtualization_cpu")
        .unwrap();
    let call = handler
        .calls()
        .into_iter()
        .find(|c| c.target == Some(disable))
        .unwrap();
    let variable = dump.kernel.symbol("kvm_emergency_callback").unwrap();
    let callback = dump.kernel.space().pointer(variable).unwrap();
    let report = dump
        .pointer(at, call.returns_to.0)
        .pointer(VirtAddr(at.0 - 16), callback.0 + 5)
        .int("waiting_for_crash_ipi", 1)
        .report();
    let cpus: Vec<u32> = report.callback.in_flight.iter().map(|f| f.cpu).collect();
    assert_eq!(cpus, [0]);
    assert!(report.callback.summary.contains("stands inside it"));
}

#[test]
fn a_module_list_that_loops_ends_and_says_so() {
    let mut dump = Edited::new(OFFLINE);
    let module = dump.kernel.modules().get("kvm").unwrap().address;
    let list = dump
        .kernel
        .object(module, "struct module")
        .unwrap()
        .field("list")
        .unwrap()
        .address;
    let report = dump.pointer(list, list.0).report();
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.to_string().contains("does not end")),
        "{:?}",
        report.notes
    );
    assert_ne!(report.virtualization.verdict, Verdict::NotAllOff);
}

#[test]
fn a_cpu_whose_registers_no_note_of_the_dump_has_answered_too_late() {
    // The notes stand in the order of the CPUs: the first is CPU 0's.
    let dump = Edited::with_notes(OFFLINE, |notes| {
        let first = notes.iter().position(|n| n.name == "CORE").unwrap();
        notes.remove(first);
    });
    let report = dump.report();
    assert_eq!(state(&report, 0), (CpuState::On, Reason::DidNotAnswer));
    assert_eq!(
        report.crash.as_ref().unwrap().nmi_shootdown.missing_cpus,
        [0]
    );
    assert_eq!(state(&report, 2).0, CpuState::Off);
}

#[test]
fn the_only_cpu_of_a_kdump_is_the_one_that_crashed() {
    // A kernel without CONFIG_SMP shoots nobody down and writes no crashing_cpu.
    let mut dump = Edited::new(OFFLINE);
    let crashed = dump.kernel.symbol("crashing_cpu").unwrap();
    let crashed = dump.kernel.space().u32(crashed).unwrap();
    let possible = dump.kernel.symbol("__cpu_possible_mask").unwrap();
    let online = dump.kernel.symbol("__cpu_online_mask").unwrap();
    for mask in [possible, online] {
        dump.write(mask, &(1u64 << crashed).to_le_bytes());
    }
    let report = dump
        .int("crashing_cpu", -1)
        .int("crash_ipi_issued", 0)
        .report();
    assert_eq!(report.virtualization.cpus.len(), 1);
    assert_eq!(state(&report, 0).0, CpuState::Off);
    assert_eq!(report.virtualization.cpus[0].strength, Strength::Proof);
    assert_eq!(report.crash.as_ref().unwrap().cpu, Some(crashed));
}

#[test]
fn frames_of_a_report_have_file_and_line_where_the_vmlinux_is_at_hand() {
    let Some(corpus) = virtopsy_testkit::corpus("file and line of a report's frames") else {
        return;
    };
    let kernel = corpus.join("kernels/virtdbg");
    let mut options = Options::default();
    options.kernel.vmlinux = Some(kernel);
    let report = Edited::new(OFFLINE).report_with(&options);
    let frames = &report.splats[0].trace;
    let guilty = frames
        .iter()
        .find(|f| f.function == "x86_virt_invoke_kvm_emergency_callback")
        .unwrap();
    let source = guilty.source.as_deref().unwrap();
    assert!(source.starts_with("arch/x86/virt/hw.c:"), "{source}");
}

#[test]
fn lockdep_that_is_off_with_no_reason_in_the_log_is_said() {
    let off = |report: &virtopsy::report::DumpReport| {
        report
            .notes
            .iter()
            .any(|n| n.to_string().contains("lockdep is off"))
    };
    let mut dump = Edited::new(OFFLINE);
    assert!(!off(&dump.report()));
    assert!(off(&dump.int("debug_locks", 0).report()));
}

#[test]
fn the_area_of_another_cpu_tells_nothing_of_this_one() {
    let mut dump = Edited::new(STUCK);
    let table = dump.kernel.symbol("__per_cpu_offset").unwrap();
    let of_another = dump.kernel.space().u64(VirtAddr(table.0 + 8)).unwrap();
    let report = dump.pointer(VirtAddr(table.0 + 16), of_another).report();
    assert_ne!(state(&report, 2).0, CpuState::Off);
    assert_ne!(report.virtualization.verdict, Verdict::AllOff);
    assert_eq!(state(&report, 3).0, CpuState::Off);
}

#[test]
fn an_area_that_says_it_is_another_cpus_is_not_believed() {
    let mut dump = Edited::new(STUCK);
    let own = dump.kernel.percpu("this_cpu_off", CpuId(1)).unwrap();
    let report = dump.pointer(own, 0xffff_8880_0000_0000).report();
    assert_eq!(state(&report, 1).0, CpuState::Unknown);
    assert_eq!(state(&report, 3).0, CpuState::Off);
}

#[test]
fn the_stack_of_another_cpu_does_not_prove_that_this_one_halted() {
    let mut dump = Edited::new(STUCK);
    let from = dump.kernel.nmi_stack(CpuId(1)).unwrap();
    let to = dump.kernel.nmi_stack(CpuId(2)).unwrap();
    for (at, word) in from.words.iter().enumerate() {
        dump.pointer(VirtAddr(to.bottom.0 + at as u64 * 8), *word);
    }
    let report = dump.report();
    assert_ne!(state(&report, 2).0, CpuState::Off);
    assert!(report.virtualization.cpus[2].conflict);
}

#[test]
fn kvms_own_zero_says_nothing_against_the_kernels_count() {
    // As with TDX, which counts in the kernel's book alone.
    let mut dump = Edited::new(STUCK);
    let kvm = dump.kernel.modules().get("kvm").unwrap();
    let at = kvm
        .percpu(&dump.kernel, "virtualization_enabled", CpuId(2))
        .unwrap();
    let report = dump.write(at, &[0]).report();
    assert_eq!(state(&report, 2).0, CpuState::On);
    let evidence = &report.virtualization.cpus[2].evidence;
    let own = evidence
        .iter()
        .find(|e| e.what == EvidenceKind::VirtualizationEnabled);
    assert_eq!(own.unwrap().says, virtopsy::report::Says::Neutral);
}

#[test]
fn a_mask_of_possible_cpus_that_lacks_an_online_one_hides_no_cpu() {
    let mut dump = Edited::new(STUCK);
    let possible = dump.kernel.symbol("__cpu_possible_mask").unwrap();
    let report = dump.write(possible, &1u64.to_le_bytes()).report();
    assert_eq!(report.virtualization.verdict, Verdict::Inconclusive);
}

#[test]
fn a_count_of_zero_alone_is_not_believed_where_the_module_list_is_broken() {
    let mut dump = Edited::new(STUCK);
    let head = dump.kernel.symbol("modules").unwrap();
    let report = dump.books(2, 0).pointer(head, 0).report();
    assert_ne!(state(&report, 2).0, CpuState::Off);
}

#[test]
fn tasks_between_two_tears_of_the_list_are_found_by_their_pids() {
    let mut dump = Edited::new(STUCK);
    let whole = dump.kernel.tasks();
    let processes: Vec<VirtAddr> = whole
        .tasks
        .iter()
        .filter(|task| task.pid > 0 && task.pid == task.tgid)
        .map(|task| task.address)
        .collect();
    assert!(processes.len() > 4, "{}", processes.len());
    let link = |kernel: &virtopsy_kernel::Kernel, task, member| {
        let task = kernel.object(task, "struct task_struct").unwrap();
        task.field(member).unwrap().address
    };
    let next = link(&dump.kernel, processes[0], "tasks.next");
    let prev = link(&dump.kernel, processes[processes.len() - 1], "tasks.prev");
    let kernel = dump.pointer(next, 0x10).pointer(prev, 0x10).edited_kernel();
    let torn = kernel.tasks();
    assert!(!torn.broken.is_empty(), "that the list is torn is told");
    // makedumpfile left out some pages of pids, so not all of those between: no list leads to any.
    let between = &processes[1..processes.len() - 1];
    let found = |list: &virtopsy_kernel::TaskList| {
        let idle = list.tasks.iter().filter(|t| t.running_on.is_none());
        idle.filter(|t| between.contains(&t.address)).count()
    };
    assert!(found(&torn) > 1, "{} of {}", found(&torn), found(&whole));
}

#[test]
fn memory_that_somebody_copied_on_the_way_into_the_crash_kernel_is_no_kdump() {
    let mut dump = Edited::with_notes(OFFLINE, Vec::clear);
    let of_crash_kernel = dump.report();
    assert_eq!(of_crash_kernel.origin, Origin::Kdump);
    // The crashing CPU never came to the end of its shutdown, where it saves its registers.
    let note = dump.kernel.crash_note(CpuId(1)).unwrap();
    dump.write(note.address, &[0; 0x164]);
    let report = dump.as_bare_elf();
    assert_eq!(report.release, of_crash_kernel.release);
    assert_eq!(report.origin, Origin::Unknown);
    assert_ne!(state(&report, 1).0, CpuState::Off);
    assert_ne!(report.virtualization.verdict, Verdict::AllOff);
}

/// Nobody serves a kernel of 6.6 to 6.11 as a package. 6.12 calls the same functions by other names.
#[test]
fn a_kernel_whose_vendor_module_brings_the_callback_is_of_era_c_with_the_same_verdict() {
    let Some(corpus) = virtopsy_testkit::corpus("a kernel of era C") else {
        return;
    };
    let file = corpus.join("dumps/debian-6.12.kdump");
    let mut dump = Edited::new(file.to_str().unwrap());
    let amd = dump.kernel.modules().get("kvm_amd").unwrap().address;
    let module = dump.kernel.object(amd, "struct module").unwrap();
    let table = module.field("kallsyms").unwrap().deref().unwrap().unwrap();
    let names = table.field("strtab").unwrap().pointer().unwrap();
    let name = b"\0svm_emergency_disable_virtualization_cpu\0";
    let text = (0..0x100).map(|page| VirtAddr(names.0 + page * 0x100));
    let text: Vec<u8> = text
        .map_while(|at| dump.kernel.space().bytes(at, 0x100).ok())
        .flatten()
        .collect();
    let at = memchr::memmem::find(&text, name).unwrap() as u64;
    let end_of_short = at + 1 + "svm_emergency_disable".len() as u64;
    let plain = dump.report();
    let report = dump.write(VirtAddr(names.0 + end_of_short), b"\0").report();
    let eras = [&plain, &report].map(|r| r.virtualization.era.as_ref().unwrap().to_string());
    assert!(
        eras[0].starts_with("D ") && eras[1].starts_with("C "),
        "{eras:?}"
    );
    for report in [&plain, &report] {
        assert_eq!(report.virtualization.verdict, Verdict::AllOff);
        for cpu in 0..4 {
            assert_eq!(state(report, cpu).0, CpuState::Off);
        }
        assert_eq!(report.callback.state, CallbackState::Registered);
    }
    let named = report.callback.symbol.as_ref().unwrap().to_string();
    assert_eq!(named, "svm_emergency_disable");
}
