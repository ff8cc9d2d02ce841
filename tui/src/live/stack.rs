//! The stack of a CPU or a task: what the unwinder makes of it, what it waits for and holds, and
//! the code addresses that stand on the stacks of a CPU.

use virtopsy::kernel::{CpuId, Frame, Kernel, SourceFrame, Stack, Start, TaskInfo, VirtAddr};
use virtopsy::report::Text;

use crate::source::{Cancelled, Held, StackOf, StackPart, StackText, Waits};

/// Code words of one stack that are shown at most.
const MOST_WORDS: usize = 400;

/// Reads a stack.
pub(super) fn read(
    kernel: &Kernel,
    of: StackOf,
    cancelled: &Cancelled,
) -> Result<StackText, String> {
    let (task, cpu) = match of {
        StackOf::Cpu(cpu) => {
            let cpu = CpuId(cpu);
            let task = kernel
                .current_task(cpu)
                .and_then(|task| kernel.task_info(task.address));
            (task.ok(), Some(cpu))
        }
        StackOf::Task(at) => {
            let task = kernel
                .task_info(VirtAddr(at))
                .map_err(|e| format!("the task at {at:#x}: {e}"))?;
            let cpu = task.running_on;
            (Some(task), cpu)
        }
    };
    let start = match (cpu, &task) {
        (Some(cpu), _) => Start::Cpu(cpu),
        (None, Some(task)) => Start::Task(task.address),
        (None, None) => return Err("there is neither a CPU nor a task".into()),
    };
    let backtrace = kernel.backtrace(start);
    if cancelled.is_set() {
        return Err("cancelled".into());
    }
    let waits = task
        .as_ref()
        .filter(|_| cpu.is_none())
        .and_then(|task| kernel.waiting_for(task.address, &backtrace))
        .map(|waiting| waits(kernel, waiting));
    let held = task.as_ref().map_or(Vec::new(), |task| held(kernel, task));
    let sources = backtrace.frames.iter().map(|f| sources(kernel, f));
    Ok(StackText {
        sources: sources.collect(),
        in_nmi: cpu.and_then(|cpu| kernel.is_in_nmi(cpu).ok()),
        scans: cpu.map_or(Vec::new(), |cpu| scans(kernel, cpu, task.as_ref())),
        task,
        backtrace,
        waits,
        held,
    })
}

/// The functions at a frame's code, innermost first; none where no debug information is at hand.
fn sources(kernel: &Kernel, frame: &Frame) -> Vec<SourceFrame> {
    let found = kernel.source_of(frame.code_address());
    found.map_or(Vec::new(), |found| found.to_vec())
}

fn waits(kernel: &Kernel, waiting: virtopsy::kernel::Waiting) -> Waits {
    let owner = waiting.owner.map(|at| {
        let known = kernel.task_info(at).ok();
        known.map_or((0, Text::from(at.to_string())), |task| {
            (task.pid, Text::new(task.comm))
        })
    });
    Waits {
        lock: waiting.lock.0,
        kind: waiting.kind.to_string(),
        owner,
        readers: waiting.owned_by_readers,
        known_by: waiting.known_by,
    }
}

/// The locks that a task holds; none where the kernel has no lockdep.
fn held(kernel: &Kernel, task: &TaskInfo) -> Vec<Held> {
    let Ok(held) = kernel.held_locks(task.address) else {
        return Vec::new();
    };
    let one = |lock: virtopsy::kernel::HeldLock| Held {
        name: match &lock.class {
            Ok(class) => Text::new(class.name.clone()),
            Err(e) => Text::from(e.to_string()),
        },
        lock: lock.instance.0,
        taken_at: lock
            .location
            .map_or(lock.taken_at.to_string(), |l| l.to_string()),
    };
    held.locks.into_iter().map(one).collect()
}

/// Every word on a CPU's stacks that is the address of code.
fn scans(kernel: &Kernel, cpu: CpuId, task: Option<&TaskInfo>) -> Vec<StackPart> {
    let mut parts = vec![scan(
        kernel,
        "NMI stack, word by word",
        kernel.nmi_stack(cpu),
    )];
    if let Some(task) = task {
        parts.push(scan(
            kernel,
            "The task's stack, word by word",
            kernel.task_stack(task.address),
        ));
    }
    parts
}

fn scan(kernel: &Kernel, title: &'static str, stack: virtopsy::kernel::Result<Stack>) -> StackPart {
    match stack {
        Err(e) => StackPart {
            title,
            note: e.to_string(),
            words: Vec::new(),
        },
        Ok(stack) => {
            let all = kernel.code_words(&stack);
            let more = all.len().saturating_sub(MOST_WORDS);
            let more = if more > 0 {
                format!(", {more} more code addresses")
            } else {
                String::new()
            };
            let note = format!("{:#x} to {:#x}{more}", stack.bottom.0, stack.top.0);
            let words = all
                .into_iter()
                .take(MOST_WORDS)
                .map(|w| (w.at.0, w.value.0, w.location.to_string()))
                .collect();
            StackPart { title, note, words }
        }
    }
}
