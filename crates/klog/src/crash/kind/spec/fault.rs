//! Faults and traps of the CPU: what ends in die() (arch/*/kernel/traps.c, arch/*/mm/fault.c).

use super::super::Begin::{At, Die, In, Panic, Soft, With};
use super::super::{CrashKind, KindSpec, Nature};

/// Panics that end any oops (oops_end, do_exit).
const OOPS_ENDS: &[&str] = &[
    "Fatal exception",
    "Oops - ",
    "Oops: ",
    "Aiee, killing interrupt handler",
    "Attempted to kill the idle task",
    "Machine halted",
];

pub(super) const SPECS: &[KindSpec] = &[
    KindSpec {
        kind: CrashKind::ExecFault,
        id: "exec-fault",
        nature: Nature::Oops,
        begins: &[
            At("kernel tried to execute"),
            At("unable to execute userspace code"),
            At("Unable to handle kernel execut"),
        ],
        ends: OOPS_ENDS,
        burst: false,
        title: "execution of memory that is not kernel code",
        sentence: |w| {
            format!(
                "{} jumped to memory that is not kernel code{}{}.",
                w.who, w.at_address, w.place
            )
        },
        means: "The CPU was told to execute an address that holds no kernel code: data, freed memory or user memory. Mostly a function pointer was overwritten or its structure was freed.",
        next: "Look at the caller on top of the trace and at the structure whose function pointer it called.",
    },
    KindSpec {
        kind: CrashKind::NullDeref,
        id: "null-deref",
        nature: Nature::Oops,
        begins: &[
            At("BUG: unable to handle kernel NULL pointer"),
            At("BUG: kernel NULL pointer dereference"),
            At("BUG: Kernel NULL pointer dereference"),
            In("Unable to handle kernel NULL pointer"),
        ],
        ends: OOPS_ENDS,
        burst: false,
        title: "null pointer dereference",
        sentence: |w| format!("{} used a null pointer{}{}.", w.who, w.at_address, w.place),
        means: "The kernel read or wrote through a pointer that is null; a small address is the offset of the member that was accessed.",
        next: "Take the faulting address as an offset: which structure has a member there, and who left the pointer empty.",
    },
    KindSpec {
        kind: CrashKind::PageFault,
        id: "page-fault",
        nature: Nature::Oops,
        begins: &[
            At("BUG: unable to handle"),
            At("BUG: Unable to handle kernel"),
            In("Unable to handle kernel "),
        ],
        ends: OOPS_ENDS,
        burst: false,
        title: "access to unmapped memory",
        sentence: |w| {
            format!(
                "{} accessed memory that is not mapped or not for this use{}{}.",
                w.who, w.at_address, w.place
            )
        },
        means: "The kernel accessed an address that has no mapping, or one that forbids the access. The pointer was wild, freed, or one past its object.",
        next: "Look at the faulting address and the registers: which held it, and where it was loaded from.",
    },
    KindSpec {
        kind: CrashKind::GeneralProtection,
        id: "general-protection",
        nature: Nature::Oops,
        begins: &[
            Die("general protection fault"),
            At("general protection fault: 0000"),
            At("general protection fault, probably"),
            At("segment-related general protection fault"),
            Die("segment-related general protection"),
        ],
        ends: OOPS_ENDS,
        burst: false,
        title: "general protection fault",
        sentence: |w| {
            format!(
                "{} made an access that the CPU refuses{}{}.",
                w.who, w.at_address, w.place
            )
        },
        means: "On x86 mostly a non-canonical address: a pointer with garbage or poison in it, as 0x6b6b6b6b6b6b6b6b of freed slab memory or 0xdead000000000100 of a deleted list entry.",
        next: "Look for the register with the odd value and where it was loaded from; with KASAN the line before it names the range.",
    },
    KindSpec {
        kind: CrashKind::KernelBug,
        id: "kernel-bug",
        nature: Nature::Oops,
        begins: &[
            In("kernel BUG at "),
            At("Kernel BUG at "),
            Die("Oops - BUG"),
            Die("Kernel BUG"),
            Die("kernel BUG"),
            Die("Kernel bug detected"),
        ],
        ends: OOPS_ENDS,
        burst: false,
        title: "kernel BUG",
        sentence: |w| {
            format!(
                "{} hit a BUG(){}{}: the kernel found its own state impossible.",
                w.who, w.place, w.source
            )
        },
        means: "A BUG() or BUG_ON() in the source was reached: a state that the code rules out.",
        next: "Read the condition at the named line, and what the registers say of its variables.",
    },
    KindSpec {
        kind: CrashKind::DivideError,
        id: "divide-error",
        nature: Nature::Oops,
        begins: &[Die("divide error"), Die("divide_error"), Die("Oops - div0")],
        ends: OOPS_ENDS,
        burst: false,
        title: "division by zero",
        sentence: |w| {
            format!(
                "{} divided by zero, or the quotient did not fit{}.",
                w.who, w.place
            )
        },
        means: "The divisor was zero, or the quotient too large for its register.",
        next: "Find the divisor in the source of the function and where its value comes from: often a device or a sysctl.",
    },
    KindSpec {
        kind: CrashKind::DoubleFault,
        id: "double-fault",
        nature: Nature::Oops,
        begins: &[At("PANIC: double fault"), Die("double fault")],
        ends: OOPS_ENDS,
        burst: false,
        title: "double fault",
        sentence: |w| {
            format!(
                "{} faulted while the CPU delivered a fault{}: mostly a stack that is full or wrong.",
                w.who, w.place
            )
        },
        means: "The CPU could not deliver an exception, since that faulted too. The stack pointer is mostly bad: an overflow, or a stack switch gone wrong.",
        next: "Compare the stack pointer with the bounds of the task's stack.",
    },
    KindSpec {
        kind: CrashKind::StackOverflow,
        id: "stack-overflow",
        nature: Nature::Oops,
        begins: &[
            With("BUG: ", "stack guard page was hit"),
            At("Insufficient stack space to handle exception"),
            Panic("corrupted stack end detected"),
            Panic("kernel stack overflow"),
            Die("kernel stack overflow"),
            Die("stack guard page"),
        ],
        ends: &[
            "kernel stack overflow",
            "Fatal exception",
            "Oops - ",
            "Machine halted",
            "Aiee, killing interrupt handler",
        ],
        burst: false,
        title: "kernel stack overflow",
        sentence: |w| format!("{} used up its kernel stack{}.", w.who, w.place),
        means: "The kernel stack is full: a recursion without end, or large variables on a deep call chain.",
        next: "Look for the functions that repeat in the trace; without a recursion, for those with large frames.",
    },
    KindSpec {
        kind: CrashKind::SError,
        id: "serror",
        nature: Nature::Oops,
        begins: &[
            At("SError Interrupt on CPU"),
            Panic("Asynchronous SError Interrupt"),
        ],
        ends: &[
            "Asynchronous SError Interrupt",
            "Fatal exception",
            "Oops - ",
        ],
        burst: false,
        title: "asynchronous error of the hardware (SError)",
        sentence: |w| {
            format!(
                "The hardware reported an error that no single instruction caused while {} ran{}.",
                w.who, w.place
            )
        },
        means: "arm64: memory, a bus or a device answered an earlier access with an error. What the CPU executed when it arrived is mostly not the cause.",
        next: "Decode the ESR with the CPU's manual; ask which device or address was accessed shortly before, and whether its clock and power were on.",
    },
    KindSpec {
        kind: CrashKind::InvalidOpcode,
        id: "invalid-opcode",
        nature: Nature::Oops,
        begins: &[
            Die("invalid opcode"),
            Die("Oops - undefined instruction"),
            Die("Oops - Undefined instruction"),
            Die("illegal operation"),
            Die("Reserved instruction in kernel code"),
        ],
        ends: OOPS_ENDS,
        burst: false,
        title: "invalid instruction",
        sentence: |w| {
            format!(
                "{} executed an instruction that the CPU does not know{}.",
                w.who, w.place
            )
        },
        means: "There is no BUG() line: the code itself is wrong for this CPU, was overwritten, or the jump went into the middle of an instruction.",
        next: "Disassemble the bytes at the fault, and compare them with the kernel's file.",
    },
    KindSpec {
        kind: CrashKind::CpuTrap,
        id: "cpu-trap",
        nature: Nature::Oops,
        begins: &[
            Soft("Unhandled fault: "),
            Soft("Alignment trap: "),
            At("Bad mode in "),
            With("Unhandled ", "exception on CPU"),
            Die(""),
        ],
        ends: &[
            "bad mode",
            "Unhandled exception",
            "Fatal exception",
            "Oops - ",
            "Aiee, killing interrupt handler",
            "Attempted to kill the idle task",
            "Machine halted",
        ],
        burst: false,
        title: "trap of the CPU",
        sentence: |w| {
            format!(
                "{} took a trap that the kernel does not expect{}{}.",
                w.who, w.at_address, w.place
            )
        },
        means: "The CPU raised an exception that kernel code must not cause: an alignment fault, an external abort, a stack segment fault, a breakpoint.",
        next: "Read the trap's name and code; for an external abort ask which device lies at the address.",
    },
];
