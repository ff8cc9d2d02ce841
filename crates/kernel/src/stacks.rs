//! Which stacks there are: where each begins and ends, and what it is called.
//!
//! ```text
//!  task    task->stack, THREAD_SIZE                        every task
//!  irq     hardirq_stack_ptr: its top, 16 KiB              per CPU
//!  NMI, DF, DB, MCE, VC …  cea_exception_stacks->*_stack   per CPU, in the CPU entry area
//!  entry   up to cpu_tss_rw.x86_tss.sp0, one page          per CPU, in the CPU entry area
//! ```
//! The exception stacks are mapped twice: in the CPU entry area, where they are used, and as the
//! per-CPU storage `exception_stacks`. Source: arch/x86/include/asm/{processor.h,
//! cpu_entry_area.h}, arch/x86/kernel/irq_64.c.

use virtopsy_debuginfo::{Type, TypeSourceExt as _, VirtAddr};

use crate::cpu::CpuId;
use crate::declared::task;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Size of the IRQ stack without KASAN, where its type is not known (`IRQ_STACK_SIZE`).
const IRQ_STACK_SIZE: u64 = 16 << 10;
/// Size of the entry stack's page.
const ENTRY_STACK_SIZE: u64 = 4096;
/// Most stacks of one CPU that are believed: x86 has seven exception stacks.
const MAX_NAMED: usize = 32;

/// What a stack is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackKind {
    /// A task's own.
    Task,
    /// Hardware interrupts, and softirqs that run on their return.
    Irq,
    /// The trampoline on which every entry from user mode begins.
    Entry,
    /// An exception with a stack of its own: `NMI`, `DF`, `DB`, `MCE`, `VC`.
    Exception(String),
}

impl std::fmt::Display for StackKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StackKind::Task => f.write_str("task"),
            StackKind::Irq => f.write_str("irq"),
            StackKind::Entry => f.write_str("entry"),
            StackKind::Exception(name) => f.write_str(name),
        }
    }
}

/// One stack's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRange {
    /// What it is for.
    pub kind: StackKind,
    /// Lowest address.
    pub bottom: VirtAddr,
    /// One past the highest.
    pub top: VirtAddr,
}

impl StackRange {
    /// Whether `at` lies in it. A stack pointer that stands exactly at the top, where nothing has
    /// been pushed, counts.
    pub fn contains(&self, at: VirtAddr) -> bool {
        self.bottom <= at && at <= self.top
    }
}

impl Kernel {
    /// The stacks of a CPU, its current task's not among them. What can't be found is left out.
    pub fn cpu_stacks(&self, cpu: CpuId) -> Vec<StackRange> {
        let mut out = Vec::new();
        for (what, found) in [
            ("irq stack", self.irq_stack(cpu).map(|s| vec![s])),
            ("exception stacks", self.exception_stacks(cpu, false)),
            (
                "storage of the exception stacks",
                self.exception_stacks(cpu, true),
            ),
            ("entry stack", self.entry_stack(cpu).map(|s| vec![s])),
        ] {
            match found {
                Ok(stacks) => out.extend(stacks),
                Err(e) => tracing::debug!("CPU {cpu}: {what}: {e}"),
            }
        }
        out
    }

    /// `hardirq_stack_ptr` (5.1; member of `pcpu_hot` from 6.2 to 6.14), `irq_stack_ptr` before.
    /// Since 5.12 it is 8 below the top.
    fn irq_stack(&self, cpu: CpuId) -> Result<StackRange> {
        let hot = || {
            let hot = self.percpu_object("pcpu_hot", "struct pcpu_hot", cpu)?;
            hot.field("hardirq_stack_ptr")?.pointer()
        };
        let symbols = self.symbols()?;
        let pointer = match symbols.first_of(&["hardirq_stack_ptr", "irq_stack_ptr"]) {
            Ok(symbol) => self
                .space()
                .pointer(self.cpus()?.address(symbol.address, cpu)?)?,
            Err(_) => hot()?,
        };
        let size = self
            .type_named("struct irq_stack")
            .ok()
            .and_then(|ty| ty.source.size_of(ty.id).ok())
            .filter(|size| (4096..=256 << 10).contains(size))
            .unwrap_or(IRQ_STACK_SIZE);
        let top = pointer.0.wrapping_add(0xfff) & !0xfff;
        Ok(range(StackKind::Irq, top.wrapping_sub(size), size))
    }

    /// Members `*_stack` of `struct cea_exception_stacks` (5.1), or of the storage.
    fn exception_stacks(&self, cpu: CpuId, storage: bool) -> Result<Vec<StackRange>> {
        let (base, name) = if storage {
            (
                self.percpu("exception_stacks", cpu)?,
                "struct exception_stacks",
            )
        } else {
            let pointer = self.percpu("cea_exception_stacks", cpu)?;
            (
                self.space().pointer(pointer)?,
                "struct cea_exception_stacks",
            )
        };
        let ty = self.type_named(name)?;
        let Type::Struct { members, .. } = ty.source.resolve(ty.id)?.1 else {
            return Ok(Vec::new());
        };
        if members.len() > MAX_NAMED {
            return Err(Error::Implausible {
                what: name.into(),
                at: base,
                found: format!("{} members", members.len()),
            });
        }
        let mut out = Vec::new();
        for member in members.iter() {
            let Some(name) = member.name.strip_suffix("_stack") else {
                continue;
            };
            let size = ty.source.size_of(member.type_id)?;
            let bottom = base.0.wrapping_add(member.bit_offset / 8);
            if size != 0 {
                out.push(range(StackKind::Exception(name.to_owned()), bottom, size));
            }
        }
        Ok(out)
    }

    fn entry_stack(&self, cpu: CpuId) -> Result<StackRange> {
        let tss = self.percpu_object("cpu_tss_rw", "struct tss_struct", cpu)?;
        let top = tss.field("x86_tss.sp0")?.u64()?;
        let bottom = top.wrapping_sub(1) & !(ENTRY_STACK_SIZE - 1);
        Ok(range(StackKind::Entry, bottom, top.wrapping_sub(bottom)))
    }

    /// The place of a task's stack. `THREAD_SIZE` is the size of `union thread_union`, 16 KiB
    /// where that type is unknown (x86-64; 32 with KASAN).
    ///
    /// # Errors
    /// Where the task can't be read.
    pub fn task_stack_range(&self, task: VirtAddr) -> Result<StackRange> {
        let bottom = self
            .object(task, "struct task_struct")?
            .declared(&task::STACK)?
            .u64()?;
        let size = self
            .type_named("thread_union")
            .ok()
            .and_then(|ty| ty.source.size_of(ty.id).ok())
            .unwrap_or(16 << 10);
        Ok(range(
            StackKind::Task,
            bottom,
            size.clamp(8 << 10, 64 << 10),
        ))
    }
}

fn range(kind: StackKind, bottom: u64, size: u64) -> StackRange {
    StackRange {
        kind,
        bottom: VirtAddr(bottom),
        top: VirtAddr(bottom.wrapping_add(size)),
    }
}
