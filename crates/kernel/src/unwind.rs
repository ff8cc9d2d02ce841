//! Stacks, frame by frame: who called whom.
//!
//! ORC tells from an instruction's address where the caller's stack pointer is. Where it has
//! nothing (code made at run time, a module whose tables are not in the dump, a kernel without ORC)
//! the compiler's tables in a file with DWARF are asked, then the frame pointer is tried; where no registers are known at all, the stack is scanned for return addresses, and each
//! such frame says so: what is found may be left over from calls that have returned.
//!
//! Interrupts, NMIs and exceptions leave a `pt_regs` (or the five words that the CPU pushes) on
//! the stack, with which the walk goes on in what was interrupted, on whichever stack that was.
//! File and line of a frame: [`Kernel::source_of`].

mod backtrace;
mod call_site;
mod cfi;
mod frame_pointer;
mod rule;
mod scan;
mod walk;

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::orc::Orc;
use crate::regs::Registers;
use crate::stacks::{StackKind, StackRange};
use crate::symbols::Location;

pub use backtrace::{Backtrace, Ended, FoundBy, Frame};
use walk::{State, Walk};

/// Most frames of one stack: a task's stack of 16 KiB holds fewer than 1,000 return addresses.
const MAX_FRAMES: usize = 1024;
/// `THREAD_SIZE` of x86-64 without KASAN.
const DEFAULT_STACK: u64 = 16 << 10;

/// Where to begin.
#[derive(Clone, Debug)]
pub enum Start {
    /// What a CPU did when it was stopped.
    Cpu(CpuId),
    /// Where a task sleeps; for one that was running, what its CPU did.
    Task(VirtAddr),
    /// Anywhere.
    Registers(Box<Registers>),
}

/// Unwinds stacks of one kernel. Tables and stacks are found once.
#[derive(Debug)]
pub struct Unwinder<'k> {
    kernel: &'k Kernel,
    orc: Result<Orc>,
    /// The task that each CPU ran, and the stacks of each CPU.
    cpus: Vec<OnCpu>,
}

#[derive(Debug)]
struct OnCpu {
    cpu: CpuId,
    current: Option<VirtAddr>,
    stacks: Vec<StackRange>,
}

impl Kernel {
    /// What unwinds this kernel's stacks.
    pub fn unwinder(&self) -> Unwinder<'_> {
        Unwinder::new(self)
    }

    /// One backtrace. For several, [`Kernel::unwinder`] is cheaper.
    pub fn backtrace(&self, start: Start) -> Backtrace {
        self.unwinder().backtrace(start)
    }
}

impl<'k> Unwinder<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let on_cpu = |cpu| OnCpu {
            cpu,
            current: kernel.current_task(cpu).ok().map(|task| task.address),
            stacks: kernel.cpu_stacks(cpu),
        };
        let cpus = kernel
            .cpus()
            .map(|cpus| cpus.possible.iter().map(on_cpu).collect());
        Unwinder {
            kernel,
            orc: Orc::open(kernel),
            cpus: cpus.unwrap_or_default(),
        }
    }

    /// The unwind tables.
    ///
    /// # Errors
    /// Why there are none: then only frame pointers and scans are left.
    pub fn orc(&self) -> Result<&Orc> {
        self.orc.as_ref().map_err(Clone::clone)
    }

    /// The CPU on which a task was running.
    pub fn running_on(&self, task: VirtAddr) -> Option<CpuId> {
        self.cpus
            .iter()
            .find(|c| c.current == Some(task))
            .map(|c| c.cpu)
    }

    /// Unwinds.
    pub fn backtrace(&self, start: Start) -> Backtrace {
        match start {
            Start::Registers(registers) => {
                let stacks = self
                    .cpus
                    .iter()
                    .flat_map(|c| c.stacks.iter().cloned())
                    .collect();
                self.walk(*registers, stacks)
            }
            Start::Cpu(cpu) => self.of_cpu(cpu),
            Start::Task(task) => match self.running_on(task) {
                Some(cpu) => self.of_cpu(cpu),
                None => self.of_sleeper(task),
            },
        }
    }

    fn of_sleeper(&self, task: VirtAddr) -> Backtrace {
        let range = self.kernel.task_stack_range(task);
        let registers = self.kernel.inactive_registers(task);
        match (registers, range) {
            (Ok(registers), Ok(range)) if range.contains(VirtAddr(registers.values.rsp)) => {
                self.walk(registers, vec![range])
            }
            (Ok(registers), Ok(range)) => {
                let rsp = VirtAddr(registers.values.rsp);
                let why = format!(
                    "its stack pointer {rsp} is not on its stack at {}",
                    range.bottom
                );
                self.scan(vec![range], &why)
            }
            (Err(e), Ok(range)) => self.scan(vec![range], &format!("its registers: {e}")),
            (_, Err(e)) => nothing(e),
        }
    }

    fn of_cpu(&self, cpu: CpuId) -> Backtrace {
        let mut stacks = Vec::new();
        if let Some(known) = self.cpus.iter().find(|c| c.cpu == cpu) {
            let task = known
                .current
                .and_then(|task| self.kernel.task_stack_range(task).ok());
            stacks.extend(task);
            stacks.extend(known.stacks.iter().cloned());
        }
        let registers = match self.kernel.cpu_registers(cpu) {
            Ok(registers) => registers,
            Err(e) => return self.scan_task(stacks, &e.to_string()),
        };
        let (ip, rsp) = (
            VirtAddr(registers.values.rip),
            VirtAddr(registers.values.rsp),
        );
        if registers.is_user_mode() || stacks.iter().any(|s| s.contains(rsp)) {
            return self.walk(registers, stacks);
        }
        let task_is_known = stacks.iter().any(|s| s.kind == StackKind::Task);
        if !task_is_known && self.kernel.may_be_code(ip) {
            // Stacks are aligned to their size (THREAD_ALIGN).
            let bottom = VirtAddr(rsp.0 & !(DEFAULT_STACK - 1));
            let top = VirtAddr(bottom.0.wrapping_add(DEFAULT_STACK));
            stacks.push(StackRange {
                kind: StackKind::Task,
                bottom,
                top,
            });
            let mut found = self.walk(registers, stacks);
            found
                .notes
                .push("the task's record of its stack can't be read".into());
            return found;
        }
        let why = format!(
            "the {}'s stack pointer {rsp} is on no stack of CPU {cpu} (instruction {ip}): \
             a guest's registers, or the stacks are not in the dump",
            registers.source
        );
        self.scan_task(stacks, &why)
    }

    /// Scans what a CPU without registers may have been on: its task's stack.
    fn scan_task(&self, stacks: Vec<StackRange>, why: &str) -> Backtrace {
        self.scan(
            stacks
                .into_iter()
                .filter(|s| s.kind == StackKind::Task)
                .collect(),
            why,
        )
    }

    fn walk(&self, registers: Registers, stacks: Vec<StackRange>) -> Backtrace {
        let mut walk = Walk {
            unwinder: self,
            stacks,
            left: Vec::new(),
        };
        let values = registers.values;
        let mut state = State {
            ip: values.rip,
            sp: values.rsp,
            bp: values.rbp,
            exact: registers.exact,
            full: registers.complete.then_some(values),
            before: None,
            found_by: FoundBy::Registers,
            guessed: false,
        };
        let mut frames = Vec::new();
        let ended_because = loop {
            if state.full.is_some_and(|regs| regs.cs & 3 != 0) {
                break Ended::UserMode(VirtAddr(state.ip));
            }
            if frames.len() >= MAX_FRAMES {
                break Ended::TooDeep;
            }
            frames.push(self.frame(&state, walk.stack_of(state.sp)));
            match walk.step(&state) {
                Ok(next) => state = next,
                Err(ended) => break ended,
            }
        };
        let no_tables = self.orc.as_ref().err();
        let no_tables = no_tables.map(|e| format!("no unwind tables: {e}"));
        let mut notes: Vec<String> = no_tables.into_iter().collect();
        if !ended_because.is_complete() {
            let rest = self.rest(&walk, &state, frames.len());
            notes.extend(rest.note());
            frames.extend(rest.frames);
        }
        Backtrace {
            registers: Some(registers),
            frames,
            ended_because,
            notes,
        }
    }

    fn frame(&self, state: &State, stack: Option<&StackRange>) -> Frame {
        Frame {
            ip: VirtAddr(state.ip),
            sp: VirtAddr(state.sp),
            interrupted: state.exact,
            location: self.name(state.ip, state.exact),
            stack: stack.map(|s| s.kind.clone()),
            found_by: state.found_by,
            after_guess: state.guessed,
        }
    }

    /// Names an address. A return address may stand behind the last instruction of a function that
    /// never returns: its call is what is looked up.
    fn name(&self, ip: u64, exact: bool) -> Option<Location> {
        if exact {
            return self.kernel.locate(VirtAddr(ip));
        }
        let mut location = self.kernel.locate(VirtAddr(ip.wrapping_sub(1)))?;
        location.offset = location.offset.checked_add(1)?;
        Some(location)
    }
}

fn nothing(e: Error) -> Backtrace {
    let ended_because = Ended::NoStart(e);
    Backtrace {
        registers: None,
        frames: Vec::new(),
        ended_because,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
