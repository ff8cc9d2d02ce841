//! Backtraces of CPUs and tasks, with what each waits for and holds.

use std::sync::Arc;

use serde::Serialize;
use virtopsy_kernel::{
    Backtrace, CpuId, Frame, Kernel, SourceFrame, Start, TaskInfo, TaskList, Unwinder, VirtAddr,
};

use super::{EndedFacts, FrameFacts, HeldLockFacts, TaskFacts, WaitingFacts, Who, error_text};
use crate::error::{Error, Result};
use crate::report::Text;

/// Thread ids that are told where one is not there.
const NEAREST: usize = 3;

/// Whose stacks are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StacksOf {
    /// Every possible CPU's.
    EveryCpu,
    /// These CPUs', in order of number.
    Cpus(Vec<u32>),
    /// These tasks', in this order.
    Tasks(Vec<TaskName>),
    /// Every possible CPU's, and those of every task that was not running.
    All,
}

/// How a task is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskName {
    /// By its thread id in the machine's own namespace.
    Pid(i32),
    /// By the address of its `task_struct`, also where no list has it.
    Address(u64),
}

/// Backtraces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BacktracesFacts {
    /// The format of the unwind tables; absent where the kernel has none.
    pub orc: Option<String>,
    /// A stack each: CPUs first.
    pub backtraces: Vec<BacktraceFacts>,
    /// Why tasks are missing.
    pub incomplete_because: Vec<Text>,
}

/// The stack of a CPU or a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BacktraceFacts {
    /// The CPU, of a task that ran.
    pub cpu: Option<u32>,
    /// The task, where it can be read.
    pub task: Option<TaskFacts>,
    /// Where the registers came from; absent where the stack was only scanned.
    pub registers: Option<String>,
    /// Whether the CPU was in user mode.
    pub user_mode: Option<bool>,
    /// Whether the CPU was handling an NMI; absent for a task that slept.
    pub in_nmi: Option<bool>,
    /// Who called whom, innermost first.
    pub frames: Vec<FrameFacts>,
    /// Why there is no further frame.
    pub ended_because: EndedFacts,
    /// What limits it.
    pub notes: Vec<Text>,
    /// The lock that a sleeping task waits for.
    pub waits_for: Option<WaitingFacts>,
    /// The locks that the task holds, oldest first; only kernels with lockdep record that.
    pub held: Vec<HeldLockFacts>,
}

impl BacktracesFacts {
    pub(crate) fn read(kernel: &Kernel, of: &StacksOf) -> Result<BacktracesFacts> {
        let unwinder = kernel.unwinder();
        let mut answer = BacktracesFacts {
            orc: unwinder.orc().ok().map(|orc| orc.version.to_string()),
            ..BacktracesFacts::default()
        };
        for cpu in cpus(kernel, of)? {
            answer.backtraces.push(of_cpu(kernel, &unwinder, cpu));
        }
        if matches!(of, StacksOf::All | StacksOf::Tasks(_)) {
            let tasks = kernel.tasks();
            let chosen = choose(kernel, &tasks, of)?;
            let stacks = chosen.iter().map(|task| of_task(kernel, &unwinder, task));
            answer.backtraces.extend(stacks);
            answer.incomplete_because = tasks.broken.iter().map(error_text).collect();
        }
        Ok(answer)
    }
}

/// The CPUs whose stacks are meant.
fn cpus(kernel: &Kernel, of: &StacksOf) -> Result<Vec<CpuId>> {
    let possible = || kernel.cpus().map(|cpus| &cpus.possible);
    match of {
        StacksOf::Tasks(_) => Ok(Vec::new()),
        StacksOf::EveryCpu | StacksOf::All => Ok(possible()?.iter().collect()),
        StacksOf::Cpus(chosen) => {
            let possible = possible()?;
            let unknown = chosen.iter().find(|cpu| !possible.contains(CpuId(**cpu)));
            match unknown {
                Some(cpu) => Err(Error::NoCpu {
                    cpu: *cpu,
                    possible: possible.iter().map(|cpu| cpu.0).collect(),
                }),
                None => Ok(possible.iter().filter(|c| chosen.contains(&c.0)).collect()),
            }
        }
    }
}

/// The tasks whose stacks are meant.
fn choose(kernel: &Kernel, tasks: &TaskList, of: &StacksOf) -> Result<Vec<TaskInfo>> {
    let StacksOf::Tasks(names) = of else {
        let sleeping = tasks.tasks.iter().filter(|task| task.running_on.is_none());
        return Ok(sleeping.cloned().collect());
    };
    let named = |name: &TaskName| match *name {
        TaskName::Pid(pid) => {
            let known = tasks.by_pid(pid).cloned();
            known.ok_or_else(|| no_task(pid, tasks))
        }
        TaskName::Address(at) => {
            let known = tasks.tasks.iter().find(|task| task.address.0 == at);
            Ok(known.cloned().map_or_else(|| kernel.task_at(at), Ok)?)
        }
    };
    names.iter().map(named).collect()
}

/// There is no such task, and those with the nearest thread ids.
fn no_task(pid: i32, tasks: &TaskList) -> Error {
    let mut nearest: Vec<i32> = tasks.tasks.iter().map(|task| task.pid).collect();
    nearest.sort_by_key(|known| (known.abs_diff(pid), *known));
    nearest.dedup();
    nearest.truncate(NEAREST);
    Error::NoTask { pid, nearest }
}

fn of_cpu(kernel: &Kernel, unwinder: &Unwinder<'_>, cpu: CpuId) -> BacktraceFacts {
    let backtrace = unwinder.backtrace(Start::Cpu(cpu));
    let task = kernel
        .current_task(cpu)
        .and_then(|task| kernel.task_info(task.address));
    BacktraceFacts {
        cpu: Some(cpu.0),
        in_nmi: kernel.is_in_nmi(cpu).ok(),
        ..facts(kernel, backtrace, task.ok().as_ref())
    }
}

fn of_task(kernel: &Kernel, unwinder: &Unwinder<'_>, task: &TaskInfo) -> BacktraceFacts {
    if let Some(cpu) = task.running_on {
        return of_cpu(kernel, unwinder, cpu);
    }
    let backtrace = unwinder.backtrace(Start::Task(task.address));
    let waits = kernel.waiting_for(task.address, &backtrace);
    BacktraceFacts {
        waits_for: waits.map(|wait| WaitingFacts::new(&wait, |at| who(kernel, at))),
        ..facts(kernel, backtrace, Some(task))
    }
}

fn who(kernel: &Kernel, at: u64) -> Who {
    match kernel.task_info(VirtAddr(at)) {
        Ok(task) => Who::from(&task),
        Err(_) => Who::at(at),
    }
}

fn facts(kernel: &Kernel, backtrace: Backtrace, task: Option<&TaskInfo>) -> BacktraceFacts {
    let mut notes = backtrace.notes;
    let frames = backtrace.frames.iter();
    let frames = frames
        .map(|found| FrameFacts::new(found, &source(kernel, found, &mut notes)))
        .collect();
    let registers = backtrace.registers;
    let complete = registers.filter(|r| r.complete);
    let held = task.and_then(|task| kernel.held_locks(task.address).ok());
    let held = held.map_or_else(Vec::new, |held| held.locks);
    BacktraceFacts {
        cpu: None,
        task: task.map(TaskFacts::from),
        registers: registers.map(|r| r.source.to_string()),
        user_mode: complete.map(|r| r.is_user_mode()),
        in_nmi: None,
        frames,
        ended_because: EndedFacts::from(&backtrace.ended_because),
        notes: notes.into_iter().map(Text::from).collect(),
        waits_for: None,
        held: held.iter().map(HeldLockFacts::from).collect(),
    }
}

/// File and line of a frame. That no file with DWARF is at hand is no news; anything else is.
fn source(kernel: &Kernel, frame: &Frame, notes: &mut Vec<String>) -> Arc<[SourceFrame]> {
    match kernel.source_of(frame.code_address()) {
        Ok(found) => found,
        Err(virtopsy_kernel::Error::NoSource { .. }) => Arc::default(),
        Err(e) => {
            let note = format!("no file and line: {e}");
            if !notes.contains(&note) {
                notes.push(note);
            }
            Arc::default()
        }
    }
}
