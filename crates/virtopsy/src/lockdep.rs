//! What lockdep's own memory adds to the reports in the log.
//!
//! Lockdep reports once, and switches itself off *before* it prints (`debug_locks_off()`,
//! lib/debug_locks.c). From then on nothing is recorded or released, so every task's `held_locks`
//! stay what they were at that instant, and behind the last of the reporting task's stands the lock
//! that it was about to take. A report whose lines the log lost is completed from there.
//!
//! Lies when the task has ended and its PID was given again (the name is compared), and when
//! something else switched lockdep off first: an oops, or a taint.

mod cycle;
mod lost;
mod restore;
#[cfg(test)]
mod tests;

use virtopsy_kernel::{Kernel, Record, Start, TaskInfo};

use crate::report::{DumpReport, Text};
use virtopsy_klog::{Missing, Splat};

/// Functions that stand on the stack of a task while a report of it is printed.
const PRINTERS: &[&str] = &[
    "print_circular_bug",
    "print_deadlock_bug",
    "print_bad_irq_dependency",
    "print_irq_inversion_bug",
    "print_usage_bug",
    "print_lock_invalid_wait_context",
    "print_lock_nested_lock_not_held",
    "print_unlock_imbalance_bug",
    "print_lock_contention_bug",
    "print_freed_lock_bug",
    "print_held_locks_bug",
    "print_collision",
    "debug_check_no_locks_freed",
    "debug_check_no_locks_held",
    "lockdep_print_held_locks",
    "lockdep_rcu_suspicious",
    "__might_resched",
    "__schedule_bug",
    "check_preemption_disabled",
    "spin_dump",
    "rwlock_bug",
    "__warn",
];

/// Completes the reports found in the log, and says what memory knows of those that are not in it.
pub(crate) fn complete(
    kernel: &Kernel,
    log: Option<&virtopsy_kernel::Log>,
    report: &mut DumpReport,
) {
    let Ok(on) = kernel
        .symbol("debug_locks")
        .and_then(|at| kernel.space().u32(at))
    else {
        return; // built without lock debugging
    };
    mark_in_progress(kernel, log, &mut report.splats);
    if let Some(owner) = graph_lock_owner(kernel) {
        owner.add_to(report);
    }
    if on != 0 {
        return;
    }
    match report
        .splats
        .iter_mut()
        .rfind(|s| s.kind.turns_lockdep_off())
    {
        Some(splat) => restore::restore(kernel, splat),
        None => {
            if let Some(note) = unexplained(log) {
                report.notes.push(Text::from(note));
                if let Some(closed) = lost::cycle(kernel) {
                    closed.add_to(report);
                }
            }
        }
    }
}

/// A note about a task.
#[derive(Debug, PartialEq, Eq)]
struct TaskNote {
    comm: Text,
    text: String,
}

impl TaskNote {
    fn add_to(self, report: &mut DumpReport) {
        report.named_in_notes.push(self.comm);
        report.notes.push(Text::from(self.text));
    }
}

/// Who holds the lock around lockdep's graph (`__owner`, kernel/locking/lockdep.c; 5.8 and later).
fn graph_lock_owner(kernel: &Kernel) -> Option<TaskNote> {
    kernel.symbol("lock_classes").ok()?;
    let at = kernel.symbol("__owner").ok()?;
    let task = kernel.space().pointer(at).ok().filter(|t| t.0 != 0)?;
    // The name is a common one: it must point at a task.
    let info = kernel.task_info(task).ok()?;
    let comm = Text::new(info.comm);
    let text = format!(
        "lockdep's graph lock is held (__owner at {:#x} is {comm} (PID {})): the machine crashed while lockdep was working",
        at.0, info.pid
    );
    Some(TaskNote { comm, text })
}

/// Lockdep is off and no report in the log says why.
fn unexplained(log: Option<&virtopsy_kernel::Log>) -> Option<String> {
    let log = log?;
    if log.records.iter().any(explains_off) {
        return None;
    }
    let lost = match log.first_sequence {
        0 => "which printed nothing".to_owned(),
        n => format!("or its report was among the {n} records that were overwritten"),
    };
    Some(format!(
        "lockdep is off (debug_locks is 0), and nothing in the log says why: something switched it off {lost}"
    ))
}

/// An oops switches lockdep off without a word of its own, a taint with one.
fn explains_off(record: &Record) -> bool {
    const WORDS: &[&[u8]] = &[
        b"Oops",
        b"general protection fault",
        b"Disabling lock debugging",
        b"invalid opcode",
        b"Internal error",
    ];
    WORDS
        .iter()
        .any(|word| memchr::memmem::find(&record.text, word).is_some())
}

/// The live task that a report names.
fn task_of(kernel: &Kernel, splat: &Splat) -> Option<TaskInfo> {
    let named = splat.task.as_ref()?;
    let pid = i32::try_from(named.pid).ok().filter(|pid| *pid != 0)?;
    let tasks = kernel.tasks();
    let task = tasks.by_pid(pid)?;
    (Text::new(task.comm.clone()).to_string() == named.comm).then(|| task.clone())
}

/// The consoles that had not printed the log to its end.
fn half_printed(kernel: &Kernel, log: Option<&virtopsy_kernel::Log>) -> String {
    let Some(last) = log.and_then(|log| log.records.last()) else {
        return String::new();
    };
    let consoles = kernel.consoles().unwrap_or_default().into_iter();
    let behind = consoles.filter(|console| console.next <= last.sequence);
    let behind: Vec<String> = behind
        .map(|console| {
            let name = Text::new(console.name);
            format!(
                "; {name} had printed the log up to record {} of {}",
                console.next, last.sequence
            )
        })
        .collect();
    behind.concat()
}

/// The last report, when it has no end and its task is still printing it.
fn mark_in_progress(kernel: &Kernel, log: Option<&virtopsy_kernel::Log>, splats: &mut [Splat]) {
    let Some(splat) = splats.last_mut().filter(|s| s.cut && !s.beheaded) else {
        return;
    };
    let Some(task) = task_of(kernel, splat) else {
        return;
    };
    let stack = kernel.unwinder().backtrace(Start::Task(task.address));
    let printing = stack.frames.iter().find_map(|frame| {
        let symbol = &frame.location.as_ref()?.symbol;
        let name = symbol.split('.').next().unwrap_or(symbol);
        PRINTERS.contains(&name).then(|| symbol.clone())
    });
    let Some(function) = printing else { return };
    splat.in_progress = true;
    splat.from_memory.push(format!(
        "the machine crashed while this was being printed: {function}() stands on the stack of its task at {:#x}{}",
        task.address.0,
        half_printed(kernel, log)
    ));
    if splat.trace.is_empty() {
        splat.trace = restore::trace(&stack);
        splat.cpu = splat.cpu.or(task.running_on.map(|cpu| cpu.0));
        splat.missing.retain(|m| *m != Missing::Backtrace);
        splat
            .from_memory
            .push("its backtrace: what stands on that stack".to_owned());
    }
    splat.complete();
}
