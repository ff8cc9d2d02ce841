//! Why the kernel died, without its log: a dump whose ring is blank gets the same cause from memory,
//! or none; and oopses that never reached a log, made on the stack of a real death.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

mod support;

use support::{Edited, OFFLINE, STUCK, VMX, VMX_STUCK};
use virtopsy::Options;
use virtopsy::klog::CrashKind;
use virtopsy::report::DumpReport;
use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Frame, Start};

/// Bytes from a crash note to its registers: the note's header and name, and the place of `pr_reg`
/// in `elf_prstatus`.
const NOTE_REGISTERS: u64 = 20 + 112;
/// Bytes of `struct pt_regs`.
const PT_REGS: u64 = 168;

/// The options of `report`: everything that memory tells.
fn in_full() -> Options {
    let mut options = Options::default();
    options.kernel.system_root = None;
    options.cause_in_full = true;
    options
}

/// Zeros in the text of every record.
fn blank_ring(dump: &mut Edited) {
    let at = dump.kernel.symbol("log_buf").unwrap();
    let start = dump.kernel.space().pointer(at).unwrap();
    let length = dump.kernel.symbol("log_buf_len").unwrap();
    let length = u64::from(dump.kernel.space().u32(length).unwrap());
    for page in (0..length).step_by(4096) {
        dump.write(VirtAddr(start.0 + page), &[0; 4096]);
    }
}

fn signature(report: &DumpReport) -> Option<String> {
    report.crash.as_ref().unwrap().signature.clone()
}

#[test]
fn a_blank_ring_leaves_the_cause_that_the_log_names() {
    for name in [STUCK, OFFLINE, VMX, VMX_STUCK] {
        let mut dump = Edited::new(name);
        let with_log = dump.report_with(&in_full());
        let named = with_log.crash.as_ref().unwrap().cause;
        let named = &with_log.crashes[usize::try_from(named.unwrap()).unwrap()];
        blank_ring(&mut dump);
        let report = dump.report_with(&in_full());
        let crash = report.crash.as_ref().unwrap();
        assert!(report.crashes.is_empty(), "{name}: {:?}", report.crashes);
        assert_eq!(crash.cause, None, "{name}");
        let found = crash.memory.as_ref().unwrap();
        assert_eq!(found.kind, named.kind, "{name}: {:?}", crash.sentence);
        assert!(!crash.proof.is_empty(), "{name}");
        // What the log says of the place may be less, never another place.
        if named.guilty.is_some() {
            assert_eq!(found.guilty, named.guilty, "{name}");
        }
        let told = crash.reason.as_ref().map(ToString::to_string);
        let before = with_log.crash.as_ref().unwrap().reason.as_ref();
        assert!(
            told.is_none() || told == before.map(ToString::to_string),
            "{name}: {told:?}"
        );
    }
}

/// The dying CPU's frame of that function.
fn frame_of(dump: &Edited, cpu: u32, function: &str) -> Frame {
    let stack = dump.kernel.backtrace(Start::Cpu(CpuId(cpu)));
    let mut frames = stack.frames.into_iter();
    let named = |f: &Frame| f.location.as_ref().is_some_and(|l| l.symbol == function);
    frames.find(named).unwrap()
}

/// Makes CPU 1 of [`OFFLINE`] die of an exception at an instruction with those bytes, whose registers
/// are 0, and leaves neither log nor message.
fn die_of(entry: &str, error_code: u64, instruction: &[u8]) -> DumpReport {
    let mut dump = Edited::new(OFFLINE);
    blank_ring(&mut dump);
    let frame = frame_of(&dump, 1, "proc_reg_write");
    let mut registers = [0u64; 21];
    registers[15] = error_code;
    registers[16] = frame.ip.0;
    registers[17] = 0x10; // __KERNEL_CS
    registers[19] = frame.sp.0;
    let bytes: Vec<u8> = registers.iter().flat_map(|w| w.to_le_bytes()).collect();
    let note = dump.kernel.crash_note(CpuId(1)).unwrap().address;
    let saved = VirtAddr((frame.sp.0 & !15) - PT_REGS);
    let handler = dump.kernel.symbol(entry).unwrap();
    if let Ok(text) = dump.kernel.panic_text() {
        dump.write(text.address, &[0]);
    }
    dump.write(VirtAddr(note.0 + NOTE_REGISTERS), &bytes)
        .write(saved, &bytes)
        .pointer(VirtAddr(saved.0 - 8), handler.0 + 0x10)
        .write(frame.ip, instruction);
    dump.report_with(&in_full())
}

#[test]
fn an_oops_that_no_log_holds_is_told_by_its_registers() {
    // mov rax, [rbx+0x10]
    let load = [0x48, 0x8b, 0x43, 0x10];
    let report = die_of("asm_exc_page_fault", 0, &load);
    let crash = report.crash.as_ref().unwrap();
    let found = crash.memory.as_ref().unwrap();
    assert_eq!(found.kind, CrashKind::NullDeref, "{:?}", crash.proof);
    assert_eq!(found.guilty.as_deref(), Some("proc_reg_write"));
    assert_eq!(found.address.as_deref(), Some("0x0000000000000010"));
    let whats: Vec<String> = crash.proof.iter().map(|p| p.what.to_string()).collect();
    assert!(
        whats.contains(&"pt_regs".to_owned()) && whats.contains(&"instruction".to_owned()),
        "{whats:?}"
    );
    assert!(
        signature(&report)
            .unwrap()
            .starts_with("null-deref|proc_reg_write")
    );

    let kind = |entry: &str, code: u64, bytes: &[u8]| {
        let report = die_of(entry, code, bytes);
        report.crash.unwrap().memory.map(|found| found.kind)
    };
    let none = u64::MAX;
    assert_eq!(
        kind("asm_exc_general_protection", 0, &load),
        Some(CrashKind::GeneralProtection)
    );
    assert_eq!(
        kind("asm_exc_invalid_op", none, &[0x0f, 0x0b]),
        Some(CrashKind::KernelBug)
    );
    assert_eq!(
        kind("asm_exc_invalid_op", none, &load),
        Some(CrashKind::InvalidOpcode)
    );
    assert_eq!(
        kind("asm_exc_divide_error", none, &load),
        Some(CrashKind::DivideError)
    );
}

#[test]
fn registers_that_no_exception_saved_are_no_cause() {
    // An interrupt is no exception that a kernel dies of.
    let report = die_of("asm_sysvec_apic_timer_interrupt", u64::MAX, &[0x90]);
    let crash = report.crash.unwrap();
    assert_eq!(crash.memory, None, "{:?}", crash.proof);
    assert_eq!(crash.signature, None);
    let sentence = crash.sentence.unwrap().to_string();
    assert!(sentence.contains("is not known"), "{sentence}");
}

#[test]
fn a_log_of_another_death_is_not_the_cause() {
    let mut dump = Edited::new(OFFLINE);
    let text = dump.kernel.panic_text().unwrap();
    dump.write(text.address, b"Fatal exception\0");
    let report = dump.report_with(&in_full());
    let crash = report.crash.unwrap();
    assert_eq!(crash.cause, None, "{:?}", crash.sentence);
}
