//! Who calls panic(), and what that makes of a death.
//!
//! The names are those of the functions that stand between panic() and what was wrong; a kernel that
//! names one otherwise gets the kind of its message, or `panic`.

use virtopsy_kernel::{Fault, Frame};
use virtopsy_klog::CrashKind;

/// The way from panic() or die() to the crash kernel.
const TO_THE_CRASH_KERNEL: [&str; 17] = [
    "machine_kexec",
    "machine_crash_shutdown",
    "native_machine_crash_shutdown",
    "crash_save_cpu",
    "crash_setup_regs",
    "kdump_nmi_shootdown_cpus",
    "nmi_shootdown_cpus",
    "crash_smp_send_stop",
    "__crash_kexec",
    "crash_kexec",
    "panic_other_cpus_shutdown",
    "panic_try_force_cpu",
    "vpanic",
    "panic",
    "nmi_panic",
    "nmi_panic_self_stop",
    "panic_smp_self_stop",
];

/// Functions that call panic() themselves, or through helpers of theirs, and what they mean.
const CALLERS: [(&str, CrashKind); 37] = [
    ("sysrq_handle_crash", CrashKind::SysrqCrash),
    ("watchdog_overflow_callback", CrashKind::HardLockup),
    ("watchdog_hardlockup_check", CrashKind::HardLockup),
    ("watchdog_buddy_check_hardlockup", CrashKind::HardLockup),
    ("watchdog_timer_fn", CrashKind::SoftLockup),
    ("check_hung_task", CrashKind::HungTask),
    ("check_hung_uninterruptible_tasks", CrashKind::HungTask),
    ("panic_on_rcu_stall", CrashKind::RcuStall),
    ("print_cpu_stall", CrashKind::RcuStall),
    ("print_other_cpu_stall", CrashKind::RcuStall),
    ("check_cpu_stall", CrashKind::RcuStall),
    ("rcu_sched_clock_irq", CrashKind::RcuStall),
    ("check_panic_on_oom", CrashKind::Oom),
    ("out_of_memory", CrashKind::Oom),
    ("mce_panic", CrashKind::Mce),
    ("mce_timed_out", CrashKind::Mce),
    ("do_machine_check", CrashKind::Mce),
    ("__ghes_panic", CrashKind::Ghes),
    ("unknown_nmi_error", CrashKind::Nmi),
    ("io_check_error", CrashKind::Nmi),
    ("pci_serr_error", CrashKind::Nmi),
    ("unknown_nmi_panic_callback", CrashKind::Nmi),
    ("handle_stack_overflow", CrashKind::StackOverflow),
    ("df_debug", CrashKind::DoubleFault),
    ("exc_double_fault", CrashKind::DoubleFault),
    ("do_double_fault", CrashKind::DoubleFault),
    ("__stack_chk_fail", CrashKind::StackProtector),
    ("mount_root_generic", CrashKind::NoRoot),
    ("mount_block_root", CrashKind::NoRoot),
    ("mount_root", CrashKind::NoRoot),
    ("kasan_report", CrashKind::Kasan),
    ("end_report", CrashKind::Kasan),
    ("kfence_report_error", CrashKind::Kfence),
    ("ubsan_epilogue", CrashKind::Ubsan),
    ("__warn", CrashKind::Warning),
    ("warn_slowpath_common", CrashKind::Warning),
    ("find_child_reaper", CrashKind::InitDied),
];

/// Kinds whose reports speak of what an interrupt or exception found: their place is behind it.
const INTERRUPTED: [CrashKind; 5] = [
    CrashKind::SoftLockup,
    CrashKind::HardLockup,
    CrashKind::RcuStall,
    CrashKind::Mce,
    CrashKind::Nmi,
];

/// What reports of all kinds call at their end (6.2).
const PANIC_ON_WARN: &str = "check_panic_on_warn";

/// The functions that end an oops.
const OOPS: [&str; 5] = [
    "oops_end",
    "die",
    "__die",
    "page_fault_oops",
    "make_task_dead",
];

/// Entry code and the exceptions that it serves, since 5.8 and before.
const ENTRIES: [(&str, Vector); 14] = [
    ("asm_exc_page_fault", Vector::PageFault),
    ("page_fault", Vector::PageFault),
    ("async_page_fault", Vector::PageFault),
    ("asm_exc_general_protection", Vector::GeneralProtection),
    ("general_protection", Vector::GeneralProtection),
    ("asm_exc_invalid_op", Vector::InvalidOpcode),
    ("invalid_op", Vector::InvalidOpcode),
    ("asm_exc_divide_error", Vector::Divide),
    ("divide_error", Vector::Divide),
    ("asm_exc_double_fault", Vector::DoubleFault),
    ("double_fault", Vector::DoubleFault),
    ("asm_exc_machine_check", Vector::MachineCheck),
    ("machine_check", Vector::MachineCheck),
    ("asm_exc_stack_segment", Vector::Other),
];

/// The exceptions that oopses are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vector {
    PageFault,
    GeneralProtection,
    InvalidOpcode,
    Divide,
    DoubleFault,
    MachineCheck,
    Other,
}

impl Vector {
    /// The exception that an entry serves; `None`: it is no exception that ends in an oops.
    pub(super) fn of(fault: &Fault) -> Option<Vector> {
        let name = fault.entry.function();
        ENTRIES.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
}

/// Name of a frame's function.
pub(super) fn function(frame: &Frame) -> &str {
    frame.location.as_ref().map_or("", |l| l.function())
}

/// Where the way to the crash kernel ends in a stack: the index of the first frame that is not on
/// it. 0: the stack does not begin on it.
pub(super) fn behind_panic(frames: &[Frame]) -> usize {
    let on_it = |f: &&Frame| TO_THE_CRASH_KERNEL.contains(&function(f));
    frames.iter().take_while(on_it).count()
}

/// The frame of who called panic(), and the kind of death that this makes. The frames are those
/// behind panic(); none behind an interrupt or exception is asked.
pub(super) fn kind(frames: &[Frame]) -> Option<(&Frame, CrashKind)> {
    let before = || frames.iter().take_while(|f| !f.interrupted);
    let named = before().find_map(|frame| {
        let name = function(frame);
        let found = CALLERS.iter().find(|(caller, _)| *caller == name)?;
        Some((frame, found.1))
    });
    // What any report does with panic_on_warn: it is told by who printed it, where that is known.
    let warned = || before().find(|frame| function(frame) == PANIC_ON_WARN);
    named.or_else(|| warned().map(|frame| (frame, CrashKind::Warning)))
}

/// Whether an oops ended in this panic.
pub(super) fn is_oops(frames: &[Frame]) -> bool {
    let mut before = frames.iter().take_while(|f| !f.interrupted);
    before.any(|frame| OOPS.contains(&function(frame)))
}

/// Whether a death of this kind is about what an interrupt or exception found.
pub(super) fn is_about_interrupted(kind: CrashKind) -> bool {
    INTERRUPTED.contains(&kind) || kind == CrashKind::Warning
}
