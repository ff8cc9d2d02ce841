#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use virtopsy_vmcore::UserRegs;

use super::*;
use crate::made::{IMAGE, MadeKernel};
use crate::options::KernelOptions;
use crate::regs::RegisterSource;
use crate::stacks::StackKind;

const TEXT: u64 = 0x1_0000;
const STACK: u64 = 0x2_0000;
const IPS: u64 = 0x3_0000;
const ENTRIES: u64 = 0x3_1000;

/// Functions of 0x100 bytes each, from the start of the text on.
const INNER: u64 = IMAGE + TEXT;
const IRQ: u64 = INNER + 0x100;
const OUTER: u64 = INNER + 0x200;
const FIRST: u64 = INNER + 0x300;
const END: u64 = INNER + 0x400;

/// A kernel with four functions and a stack.
struct Made(MadeKernel);

impl Made {
    fn new() -> Made {
        let mut made = MadeKernel::new();
        for page in 0..4 {
            made.bytes(STACK + page * 4096, &[0]);
        }
        made.bytes(TEXT, &[0xcc; 0x400]);
        made.symbols = vec![
            ("_stext", INNER, 0),
            ("inner", INNER, 0x100),
            ("irq", IRQ, 0x100),
            ("outer", OUTER, 0x100),
            ("first", FIRST, 0x100),
            ("_etext", END, 0),
        ];
        Made(made)
    }

    fn words(&mut self, at: u64, words: &[u64]) {
        self.0.words(at, words);
    }

    /// A call of `to` whose return address is `back`.
    fn call(&mut self, back: u64, to: u64) {
        let distance = to.wrapping_sub(back) as u32;
        let at = back - IMAGE - 5;
        self.0.bytes(at, &[0xe8]);
        self.0.bytes(at + 1, &distance.to_le_bytes());
    }

    /// An ORC table: for each function offsets and flags as they stand in memory.
    fn orc(&mut self, entries: &[(u64, i16, i16, u16)]) {
        for (i, (address, sp, bp, flags)) in entries.iter().enumerate() {
            let at = IPS + i as u64 * 4;
            let distance = address.wrapping_sub(IMAGE + at) as u32;
            self.0.bytes(at, &distance.to_le_bytes());
            let at = ENTRIES + i as u64 * 6;
            self.0.bytes(at, &sp.to_le_bytes());
            self.0.bytes(at + 2, &bp.to_le_bytes());
            self.0.bytes(at + 4, &flags.to_le_bytes());
        }
        let stop = IMAGE + IPS + entries.len() as u64 * 4;
        self.0.symbols.extend([
            ("__start_orc_unwind_ip", IMAGE + IPS, 0),
            ("__stop_orc_unwind_ip", stop, 0),
            ("__start_orc_unwind", IMAGE + ENTRIES, 0),
        ]);
    }

    fn kernel(self) -> Kernel {
        self.0.kernel()
    }
}

fn unwind(kernel: &Kernel, rip: u64, rsp: u64, rbp: u64) -> Backtrace {
    let values = UserRegs {
        rip,
        rsp,
        rbp,
        cs: 0x10,
        ..UserRegs::default()
    };
    let registers = Registers {
        values,
        source: RegisterSource::Given,
        exact: true,
        complete: true,
    };
    let stack = StackRange {
        kind: StackKind::Task,
        bottom: VirtAddr(IMAGE + STACK),
        top: VirtAddr(IMAGE + STACK + 0x4000),
    };
    kernel.unwinder().walk(registers, vec![stack])
}

fn shown(found: &Backtrace) -> Vec<String> {
    let frame = |frame: &Frame| {
        let at = frame.location.as_ref();
        let at = at.map_or_else(String::new, |at| format!("{}+{:#x}", at.symbol, at.offset));
        format!("{at} {}", frame.found_by)
    };
    found.frames.iter().map(frame).collect()
}

/// `inner` was called by the code of an interrupt, which came in `outer`, which `first` called.
fn interrupted(made: &mut Made) -> (u64, u64) {
    let (inner_sp, outer_sp) = (STACK + 0x1000, STACK + 0x2000);
    made.words(inner_sp, &[0x1111, IRQ + 0x20]);
    let mut regs = [0u64; 21];
    regs[4] = 0x2222; // rbp
    regs[16] = OUTER + 0x40;
    regs[17] = 0x10;
    regs[19] = IMAGE + outer_sp;
    made.words(inner_sp + 16, &regs);
    made.words(outer_sp, &[FIRST + 0x25]);
    made.call(FIRST + 0x25, OUTER);
    (INNER + 0x10, IMAGE + inner_sp)
}

#[test]
fn a_stack_is_followed_through_an_interrupt_by_orc_of_every_version() {
    // Registers and types as each version numbers them: inner, irq, outer, first.
    for (version, flags) in [
        (crate::OrcVersion::V4_14, [0x0015, 0x0105, 0x0005, 0x0400]),
        (crate::OrcVersion::V6_3, [0x0015, 0x0505, 0x0005, 0x0800]),
        (crate::OrcVersion::V6_4, [0x0215, 0x0b05, 0x0205, 0x0100]),
        (crate::OrcVersion::V7_1, [0x0283, 0x0b03, 0x0203, 0x0100]),
    ] {
        let mut made = Made::new();
        let (ip, sp) = interrupted(&mut made);
        let [inner, irq, outer, first] = flags;
        made.orc(&[
            (INNER, 16, -16, inner),
            (IRQ, 0, 0, irq),
            (OUTER, 8, 0, outer),
            (FIRST, 0, 0, first),
        ]);
        let kernel = made.kernel();
        assert_eq!(kernel.unwinder().orc().unwrap().version, version);
        let found = unwind(&kernel, ip, sp, 0);
        assert_eq!(
            shown(&found),
            [
                "inner+0x10 registers",
                "irq+0x20 orc",
                "outer+0x40 orc",
                "first+0x25 orc"
            ],
            "{version:?}: {}",
            found.ended_because
        );
        assert!(found.frames[2].interrupted && !found.frames[1].interrupted);
        assert!(
            matches!(found.ended_because, Ended::EndOfStack),
            "{version:?}"
        );
    }
}

#[test]
fn without_tables_frame_pointers_lead_through_an_interrupt_too() {
    let mut made = Made::new();
    let (bottom, regs_at, outer_bp) = (STACK + 0x1000, STACK + 0x1100, STACK + 0x2000);
    made.call(IRQ + 0x20, INNER);
    made.call(FIRST + 0x25, OUTER);
    // inner's frame: entry code left the address of its pt_regs, made odd, in rbp.
    made.words(bottom, &[IMAGE + regs_at + 1, IRQ + 0x20]);
    let mut regs = [0u64; 21];
    regs[4] = IMAGE + outer_bp;
    regs[16] = OUTER + 0x40;
    regs[17] = 0x10;
    regs[19] = IMAGE + outer_bp - 0x20;
    made.words(regs_at, &regs);
    made.words(outer_bp, &[0, FIRST + 0x25]);
    let kernel = made.kernel();
    let found = unwind(&kernel, INNER + 0x10, IMAGE + bottom - 0x10, IMAGE + bottom);
    assert_eq!(
        shown(&found),
        [
            "inner+0x10 registers",
            "irq+0x20 frame-pointer",
            "outer+0x40 frame-pointer",
            "first+0x25 frame-pointer"
        ]
    );
    assert!(found.frames[2].interrupted);
    assert!(!found.frames[3].is_reliable(), "a frame pointer is a guess");
}

#[test]
fn where_neither_tables_nor_frame_pointers_lead_on_the_rest_is_scanned_and_says_so() {
    let mut made = Made::new();
    made.call(FIRST + 0x25, OUTER);
    made.words(STACK + 0x1800, &[FIRST + 0x25, 0x1234, OUTER + 3]);
    let kernel = made.kernel();
    let found = unwind(&kernel, INNER + 0x10, IMAGE + STACK + 0x1000, 0x99);
    assert_eq!(shown(&found), ["inner+0x10 registers", "first+0x25 scan"]);
    assert!(matches!(found.ended_because, Ended::NoUnwindInfo(_)));
}

#[test]
fn a_scan_that_finds_too_much_stops_and_says_so() {
    let mut made = Made::new();
    made.call(FIRST + 0x25, OUTER);
    made.words(STACK + 0x1100, &[FIRST + 0x25; 260]);
    let kernel = made.kernel();
    let found = unwind(&kernel, INNER + 0x10, IMAGE + STACK + 0x1000, 0x99);
    assert_eq!(found.frames.len(), 256);
    let told = |note: &String| note.contains("stopped after 256 frames");
    assert!(found.notes.iter().any(told), "{:?}", found.notes);
}

#[test]
fn a_stack_that_leads_back_to_itself_ends() {
    let mut made = Made::new();
    made.orc(&[(INNER, 8, 0, 0x0203), (END, 0, 0, 0)]);
    made.words(STACK + 0x1000, &[INNER + 0x10]);
    made.words(STACK + 0x1008, &[0]);
    let kernel = made.kernel();
    let found = unwind(&kernel, INNER + 0x10, IMAGE + STACK + 0x1000, 0);
    assert!(found.frames.len() < 4);
    assert!(!found.ended_because.is_complete());
}

/// The compiler's tables and the kernel's own are two witnesses of the same stacks.
#[test]
fn the_compilers_tables_lead_through_the_same_frames_as_the_kernels() {
    let Some(corpus) = virtopsy_testkit::corpus("CFI against ORC") else {
        return;
    };
    for (dump, files) in [
        ("svm-stuck-cpu2.kdump", "virtdbg"),
        ("svm-nobtf.kdump", "virtrel"),
    ] {
        let files = corpus.join("kernels").join(files);
        let path = corpus.join("dumps").join(dump);
        if !path.exists() || !files.exists() {
            continue;
        }
        let opened = Arc::new(
            virtopsy_vmcore::Dump::open(&[path], &virtopsy_vmcore::OpenOptions::default()).unwrap(),
        );
        let options = KernelOptions {
            vmlinux: Some(files),
            ..KernelOptions::default()
        };
        let kernel = Kernel::open(opened, &options).unwrap();
        let by_orc = kernel.unwinder();
        let mut by_cfi = kernel.unwinder();
        by_cfi.orc = Err(Error::NoTypes {
            why: "not asked".into(),
        });
        let (mut frames, mut all, mut stacks) = (0, 0, 0);
        for task in kernel.tasks().tasks {
            if task.running_on.is_some() {
                continue;
            }
            let reliable = |found: &Backtrace| -> Vec<u64> {
                let sure = found.frames.iter().filter(|frame| frame.is_reliable());
                sure.map(|frame| frame.ip.0).collect()
            };
            let one = reliable(&by_orc.backtrace(Start::Task(task.address)));
            let other = reliable(&by_cfi.backtrace(Start::Task(task.address)));
            let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
            // They end early in assembly, which the compiler did not see, and never lead elsewhere.
            assert_eq!(
                same,
                other.len(),
                "{dump} {}: {one:x?} {other:x?}",
                task.pid
            );
            all += one.len();
            (frames, stacks) = (frames + same, stacks + 1);
        }
        assert!(stacks > 5, "{dump}: {stacks}");
        assert!(frames * 10 > all * 7, "{dump}: {frames} of {all}");
    }
}
