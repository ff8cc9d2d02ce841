//! States that are hard to make for real: a sample with a few words changed at named addresses.
//!
//! The sample is written again with plain pages; a word is found by its symbol, through the
//! kernel's own page tables, and changed in place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

#[path = "../../../tests/support/apart.rs"]
mod apart;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use apart::take_apart;
use virtopsy::report::{
    CallbackState, CheckVerdict, CodeState, CpuState, Dereference, DumpReport, Reason, Strength,
    Verdict,
};
use virtopsy::{DumpSpec, Options, examine};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Kernel, KernelOptions};
use virtopsy_testkit::{Kdump, KdumpBytes, Note};
use virtopsy_vmcore::{Dump, OpenOptions};

/// A sample that can be edited.
struct Edited {
    dir: tempfile::TempDir,
    built: KdumpBytes,
    kernel: Kernel,
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name)
}

impl Edited {
    fn new(name: &str) -> Edited {
        Edited::with_notes(name, |_| {})
    }

    fn with_notes(name: &str, edit: impl FnOnce(&mut Vec<Note>)) -> Edited {
        let dump = Dump::open(&[sample(name)], &OpenOptions::default()).unwrap();
        let (memory, mut notes) = take_apart(&sample(name));
        edit(&mut notes);
        let plain = Kdump::new(memory).codec(None);
        let built = notes.into_iter().fold(plain, Kdump::note).build();
        let kernel = Kernel::open(Arc::new(dump), &KernelOptions::default()).unwrap();
        Edited {
            dir: tempfile::tempdir().unwrap(),
            built,
            kernel,
        }
    }

    fn write(&mut self, at: VirtAddr, bytes: &[u8]) -> &mut Self {
        let physical = self.kernel.space().translate(at).unwrap();
        let place = &self.built.places[&(physical.0 >> 12)];
        let start = place.data + (physical.0 & 0xfff) as usize;
        self.built.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn int(&mut self, symbol: &str, value: i32) -> &mut Self {
        let at = self.kernel.symbol(symbol).unwrap();
        self.write(at, &value.to_le_bytes())
    }

    fn pointer(&mut self, at: VirtAddr, value: u64) -> &mut Self {
        self.write(at, &value.to_le_bytes())
    }

    fn offline(&mut self, cpu: u32) -> &mut Self {
        let at = self.kernel.symbol("__cpu_online_mask").unwrap();
        let mask = self.kernel.space().u64(at).unwrap() & !(1 << cpu);
        self.write(at, &mask.to_le_bytes())
    }

    fn books(&mut self, cpu: u32, users: u32) -> &mut Self {
        let at = self
            .kernel
            .percpu("virtualization_nr_users", CpuId(cpu))
            .unwrap();
        self.write(at, &users.to_le_bytes());
        let kvm = self.kernel.modules().get("kvm").unwrap();
        let at = kvm
            .percpu(&self.kernel, "virtualization_enabled", CpuId(cpu))
            .unwrap();
        self.write(at, &[u8::from(users > 0)])
    }

    /// The word on a CPU's NMI stack that lies in the crash handler.
    fn parked_word(&self, cpu: u32) -> (VirtAddr, u64) {
        let stack = self.kernel.nmi_stack(CpuId(cpu)).unwrap();
        let words = self.kernel.code_words(&stack);
        let word = words
            .iter()
            .find(|w| w.location.symbol == "crash_nmi_callback")
            .unwrap();
        (word.at, word.value.0)
    }

    fn report(&self) -> DumpReport {
        self.report_with(&Options::default())
    }

    fn report_with(&self, options: &Options) -> DumpReport {
        let path = self.dir.path().join("dump");
        std::fs::write(&path, &self.built.bytes).unwrap();
        examine(&DumpSpec { paths: vec![path] }, options)
    }
}

fn state(report: &DumpReport, cpu: usize) -> (CpuState, Reason) {
    let cpu = &report.virtualization.cpus[cpu];
    (cpu.state, cpu.reason)
}

fn verdict(report: &DumpReport, check: &str) -> CheckVerdict {
    report
        .checks
        .iter()
        .find(|c| c.id == check)
        .unwrap()
        .verdict
}

const STUCK: &str = "svm-stuck-cpu2.kdump";
const OFFLINE: &str = "svm-offline-cpu3.kdump";

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
            .any(|i| i.id == "panic-force-cpu-leaves-virt-on")
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
    let what: Vec<&str> = report.virtualization.cpus[2]
        .evidence
        .iter()
        .map(|e| e.what.as_str())
        .collect();
    assert!(what.contains(&"stopped-by-reboot"), "{what:?}");
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
        verdict(&report, "emergency-callback-sound"),
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
        verdict(&report, "emergency-callback-sound"),
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
        verdict(&report, "emergency-callback-sound"),
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
    let corpus = std::env::var_os("VIRTOPSY_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/corpus"),
        PathBuf::from,
    );
    let kernel = corpus.join("kernels/virtdbg");
    if !kernel.is_dir() {
        eprintln!("SKIPPED: the ops table against another pointer: no corpus");
        return;
    }
    let mut options = Options::default();
    options.vmlinux = Some(kernel);
    let mut dump = Edited::new(OFFLINE);
    let table = dump.report_with(&options).callback.ops_table.unwrap();
    assert!(table.agrees);
    let panic = dump.kernel.symbol("panic").unwrap();
    dump.pointer(VirtAddr(table.address.0), panic.0);
    let report = dump.report_with(&options);
    assert!(!report.callback.ops_table.as_ref().unwrap().agrees);
    assert_eq!(report.callback.expected, Some(false));
    assert_eq!(
        verdict(&report, "emergency-callback-sound"),
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
