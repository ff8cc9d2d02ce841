//! The crash: which CPU, why, in which task, and who did not answer.

mod caller;
pub(crate) mod cause;
mod lockup;
pub(crate) mod memory;
mod proof;
mod rcu;

use virtopsy_kernel::{CpuId, Log, NoteContent};

use crate::evidence::{Findings, Place};
use crate::machine::{Machine, number, positive};
use crate::report::{CrashReport, Origin, ShootdownReport, TaskReport, Text};

const PANIC: &[u8] = b"Kernel panic - not syncing: ";
/// First words of an oops, where no panic line follows (`panic_on_oops` off, `crash_kexec()` from
/// `oops_end()`).
const OOPSES: [&[u8]; 4] = [
    b"BUG: ",
    b"Oops: ",
    b"general protection fault",
    b"kernel BUG at ",
];

/// The crash, where there was one.
pub(crate) fn examine(machine: &Machine<'_>, log: Option<&Log>) -> Option<CrashReport> {
    let panicked = positive(&machine.stop.panic_cpu);
    let cpu = machine.crashing_cpu().or(panicked);
    if cpu.is_none() && machine.origin != Origin::Kdump {
        return None;
    }
    let task = cpu.and_then(|cpu| task_of(machine, cpu, log));
    Some(CrashReport {
        cpu: cpu.map(|c| c.0),
        reason: log.and_then(reason),
        task,
        nmi_shootdown: shootdown(machine),
        rcu: cpu.map(|cpu| rcu::examine(machine.kernel, cpu)),
        ..CrashReport::default()
    })
}

/// CPUs on which the emergency path began and is not known to have ended: those that are in the
/// crash NMI's callback, and the crashing one where it never saved its registers.
pub(crate) fn unfinished_cpus(machine: &Machine<'_>, found: &[(CpuId, Findings)]) -> Vec<CpuId> {
    let inside = found.iter().filter(|(_, f)| f.place == Place::Inside);
    let mut cpus: Vec<CpuId> = inside.map(|(cpu, _)| *cpu).collect();
    let crashing = machine.crashing_cpu().filter(|cpu| {
        let note = machine.kernel.crash_note(*cpu);
        note.is_ok_and(|n| n.content == NoteContent::Empty)
    });
    cpus.extend(crashing.filter(|cpu| !cpus.contains(cpu)));
    cpus
}

/// The task that was current on the crashing CPU; where its `task_struct` is not in the dump, the
/// pid that the CPU saved, and the name that the log has for it.
fn task_of(machine: &Machine<'_>, cpu: CpuId, log: Option<&Log>) -> Option<TaskReport> {
    if let Ok(task) = machine.kernel.current_task(cpu) {
        return Some(TaskReport {
            comm: Text::new(task.comm),
            pid: task.pid,
        });
    }
    let NoteContent::Saved(registers) = machine.kernel.crash_note(cpu).ok()?.content else {
        return None;
    };
    let comm = log.and_then(|log| comm_in_log(log, registers.pid))?;
    Some(TaskReport {
        comm,
        pid: registers.pid,
    })
}

/// The name in the last `CPU: … PID: <pid> Comm: <name> …` line (lib/dump_stack.c).
fn comm_in_log(log: &Log, pid: i32) -> Option<Text> {
    let mark = format!(" PID: {pid} Comm: ");
    let after_mark = |line: &[u8]| {
        let at = memchr::memmem::find(line, mark.as_bytes())?;
        let rest = line.get(at + mark.len()..)?;
        // A name can hold spaces; what follows it can't be missed.
        let ends = [" Not tainted", " Tainted:", " Kdump: loaded"]
            .map(|end| memchr::memmem::find(rest, end.as_bytes()));
        rest.get(..ends.into_iter().flatten().min()?)
            .map(|name| Text::new(name.to_vec()))
    };
    log.records
        .iter()
        .rev()
        .flat_map(|r| r.text.split(|b| *b == b'\n'))
        .find_map(after_mark)
}

/// The panic's message, or the oops's first line.
fn reason(log: &Log) -> Option<Text> {
    let lines = || {
        log.records
            .iter()
            .flat_map(|r| r.text.split(|b| *b == b'\n'))
    };
    let after_panic = |line: &[u8]| {
        let at = memchr::memmem::find(line, PANIC)?;
        line.get(at + PANIC.len()..)
            .map(|rest| Text::new(rest.to_vec()))
    };
    lines().find_map(after_panic).or_else(|| {
        lines()
            .find(|l| OOPSES.iter().any(|o| l.starts_with(o)))
            .map(|l| Text::new(l.to_vec()))
    })
}

/// CPUs that should have answered the crash NMI, and whether they did: a CPU saves its registers
/// when it answers.
fn shootdown(machine: &Machine<'_>) -> ShootdownReport {
    let ran = number(&machine.stop.crash_ipi_issued).map(|issued| issued != 0);
    let mut report = ShootdownReport {
        ran,
        ..ShootdownReport::default()
    };
    if ran != Some(true) {
        return report;
    }
    let crashing = machine.crashing_cpu();
    let Ok(online) = &machine.cpus.online else {
        return report;
    };
    for cpu in online.iter().filter(|cpu| Some(*cpu) != crashing) {
        match answered(machine, cpu) {
            Some(true) => {}
            Some(false) => report.missing_cpus.push(cpu.0),
            None => report.unknown_cpus.push(cpu.0),
        }
    }
    report
}

fn answered(machine: &Machine<'_>, cpu: CpuId) -> Option<bool> {
    if machine.late_cpus().contains(&cpu) {
        return Some(false); // not before the crash kernel took over
    }
    match machine.kernel.crash_note(cpu).ok()?.content {
        NoteContent::Saved(_) => Some(true),
        NoteContent::Empty => Some(false),
        NoteContent::Invalid(_) => None,
    }
}
