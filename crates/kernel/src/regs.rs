//! A CPU's or a task's registers, and where they were found.
//!
//! | source | written by | since |
//! |---|---|---|
//! | `crash_notes` | `crash_save_cpu()` on the CPU itself | 2.6.13 |
//! | QEMU's note | dump-guest-memory, from outside | QEMU 1.2 |
//! | `inactive_task_frame` | `__switch_to_asm`, when the task was put to sleep | 4.9 |
//!
//! Notes of the file are not used for a kdump: they hold what `crash_notes` holds, but in an order
//! that names no CPU where one was offline or did not answer.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{QemuCpu, UserRegs};

use crate::cpu::CpuId;
use crate::crash::NoteContent;
use crate::declared::task::THREAD_SP;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Words of `struct pt_regs`, r15 first; the last five are what the CPU pushes.
pub(crate) const PT_REGS_WORDS: usize = 21;

/// Where registers were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterSource {
    /// The CPU's slot of `crash_notes`, in memory.
    CrashNote,
    /// A QEMU note of the dump: what the hypervisor saw.
    QemuNote,
    /// The frame that a sleeping task left on its stack.
    InactiveTask,
    /// Given by the caller.
    Given,
}

impl std::fmt::Display for RegisterSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RegisterSource::CrashNote => "crash_notes",
            RegisterSource::QemuNote => "qemu-note",
            RegisterSource::InactiveTask => "inactive-task-frame",
            RegisterSource::Given => "given",
        })
    }
}

/// Registers to unwind from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Their values. From a sleeping task's frame only the instruction, stack and frame pointers,
    /// rbx and r12 to r15 mean anything.
    pub values: UserRegs,
    /// Where they were found.
    pub source: RegisterSource,
    /// Whether the instruction pointer is the instruction that runs next, not a return address.
    pub exact: bool,
    /// Whether every general register is known.
    pub complete: bool,
}

impl Registers {
    /// Whether the CPU was in user mode (the low bits of CS are the privilege level).
    pub fn is_user_mode(&self) -> bool {
        self.complete && self.values.cs & 3 != 0
    }
}

impl Kernel {
    /// The registers of a CPU when it was stopped.
    ///
    /// # Errors
    /// [`Error::Implausible`] where no source has any: the CPU was offline, or never answered the
    /// crash NMI.
    pub fn cpu_registers(&self, cpu: CpuId) -> Result<Registers> {
        let note = self.crash_note(cpu);
        if let Ok(note) = &note
            && let NoteContent::Saved(saved) = &note.content
        {
            let values = user_regs(&saved.words);
            return Ok(complete(values, RegisterSource::CrashNote));
        }
        if let Some(qemu) = self.qemu_cpu(cpu) {
            return Ok(complete(qemu.regs, RegisterSource::QemuNote));
        }
        let found = match note? {
            note if note.content == NoteContent::Empty => "empty: the CPU saved none".to_owned(),
            note => format!("{:?}", note.content),
        };
        let at = self.crash_note(cpu).map_or(VirtAddr(0), |n| n.address);
        Err(Error::Implausible {
            what: "the CPU's crash note".into(),
            at,
            found,
        })
    }

    /// The QEMU note of a CPU: the one whose GS base is the CPU's per-CPU area, else the one at
    /// the CPU's place among those whose GS bases name no CPU.
    pub fn qemu_cpu(&self, cpu: CpuId) -> Option<QemuCpu> {
        let notes = self.dump().qemu_cpus();
        let base = self.cpus().ok()?.address(VirtAddr(0), cpu).ok()?.0;
        let is_area = |note: &QemuCpu, area: u64| {
            area != 0 && (note.gs.base == area || note.kernel_gs_base == Some(area))
        };
        let by_base = notes.iter().find(|note| is_area(note, base)).copied();
        by_base.or_else(|| {
            let note = notes.get(cpu.0 as usize)?;
            let cpus = self.cpus().ok()?;
            let named = cpus
                .possible
                .iter()
                .filter_map(|other| cpus.address(VirtAddr(0), other).ok())
                .any(|area| is_area(note, area.0));
            (!named).then_some(*note)
        })
    }

    /// The registers that a task left when it was put to sleep. For a task that runs they are
    /// stale, and mean nothing.
    ///
    /// Source: `struct inactive_task_frame`, arch/x86/include/asm/switch_to.h, since 4.9.
    ///
    /// # Errors
    /// Where `thread.sp` or the frame can't be read.
    pub fn inactive_registers(&self, task: VirtAddr) -> Result<Registers> {
        let object = self.object(task, "struct task_struct")?;
        let sp = object.declared(&THREAD_SP)?.pointer()?;
        let frame = self.object(sp, "struct inactive_task_frame")?;
        let word = |name: &str| -> Result<u64> { frame.field(name)?.u64() };
        let values = UserRegs {
            r15: word("r15")?,
            r14: word("r14")?,
            r13: word("r13")?,
            r12: word("r12")?,
            rbx: word("bx")?,
            rbp: word("bp")?,
            rip: word("ret_addr")?,
            rsp: sp.0.wrapping_add(frame.size()?),
            ..UserRegs::default()
        };
        // A task that never ran returns to the start of ret_from_fork: that is no return address.
        let fresh = ["ret_from_fork_asm", "ret_from_fork"]
            .iter()
            .any(|name| self.symbol(name).is_ok_and(|at| at.0 == values.rip));
        let source = RegisterSource::InactiveTask;
        Ok(Registers {
            values,
            source,
            exact: fresh,
            complete: false,
        })
    }
}

fn complete(values: UserRegs, source: RegisterSource) -> Registers {
    Registers {
        values,
        source,
        exact: true,
        complete: true,
    }
}

/// `user_regs_struct` from a crash note's 27 words, or from the 21 words of a `pt_regs`, which are
/// in the same order.
pub(crate) fn user_regs(words: &[u64]) -> UserRegs {
    let r = |i: usize| words.get(i).copied().unwrap_or(0);
    UserRegs {
        r15: r(0),
        r14: r(1),
        r13: r(2),
        r12: r(3),
        rbp: r(4),
        rbx: r(5),
        r11: r(6),
        r10: r(7),
        r9: r(8),
        r8: r(9),
        rax: r(10),
        rcx: r(11),
        rdx: r(12),
        rsi: r(13),
        rdi: r(14),
        orig_rax: r(15),
        rip: r(16),
        cs: r(17),
        rflags: r(18),
        rsp: r(19),
        ss: r(20),
        fs_base: r(21),
        gs_base: r(22),
        ds: r(23),
        es: r(24),
        fs: r(25),
        gs: r(26),
    }
}
