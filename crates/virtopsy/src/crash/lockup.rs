//! Lockups, stalls and hung tasks: who is stuck, since when, and who others wait for.
//!
//! The CPU that finds a lockup is often not the one that is stuck: the buddy detector, RCU and
//! khungtaskd look at others. Who is stuck is read from what the detectors keep.

use virtopsy_kernel::{Backtrace, CpuId, Kernel, Start, TaskInfo};
use virtopsy_klog::{Crash, CrashKind, CrashTask};

use super::proof::{frame_of, proof, unread};
use crate::machine::Machine;
use crate::report::{ProofReport, Text};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Fills in who is stuck, and gives what that stands on.
pub(super) fn complete(machine: &Machine<'_>, cause: &mut Crash) -> Vec<ProofReport> {
    let kernel = machine.kernel;
    match cause.kind {
        CrashKind::SoftLockup => soft(kernel, cause),
        CrashKind::HardLockup => hard(machine, cause),
        CrashKind::RcuStall => rcu(kernel, cause),
        CrashKind::HungTask => hung(kernel, cause),
        _ => Vec::new(),
    }
}

fn soft(kernel: &Kernel, cause: &mut Crash) -> Vec<ProofReport> {
    let Some(cpu) = cause.cpu.map(CpuId) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let task = kernel.current_task(cpu).ok().map(|t| t.address);
    match kernel.run_time(cpu, task) {
        Ok(queue) => {
            if let Some(ns) = queue.running_ns {
                out.push(proof(
                    "sched_info.last_arrival",
                    queue.address,
                    format!("{:.1} s", seconds(ns)).as_bytes(),
                    &format!(
                        "for that long its task had been on CPU {cpu}, by the run queue's clock"
                    ),
                ));
            }
            match kernel.watched(cpu) {
                Ok(watched) => {
                    let since = watched.scheduled_ns;
                    let stuck = since.and_then(|ns| queue.clock_ns.checked_sub(ns));
                    if let Some(ns) = stuck {
                        cause.seconds = Some(ns / SECOND);
                        out.push(proof(
                            "watchdog_touch_ts",
                            watched.address,
                            format!("{:.0} s before", seconds(ns)).as_bytes(),
                            &format!("CPU {cpu} last scheduled the detector's thread then"),
                        ));
                    }
                }
                Err(e) => out.push(unread("watchdog_touch_ts", &e.to_string())),
            }
        }
        Err(e) => out.push(unread("runqueues", &e.to_string())),
    }
    out
}

/// The CPU of which a hard lockup was reported, where it is another than the one that panicked.
fn hard(machine: &Machine<'_>, cause: &mut Crash) -> Vec<ProofReport> {
    let kernel = machine.kernel;
    let found_by = cause.cpu.map(CpuId);
    let reported = |cpu: &CpuId| {
        let watched = kernel.watched(*cpu).ok();
        watched.and_then(|w| w.hard_lockup_reported) == Some(true)
    };
    let stuck: Vec<CpuId> = machine.cpus.possible.iter().filter(reported).collect();
    let [cpu] = stuck.as_slice() else {
        // None, or several: the stack of the one that panicked is all there is.
        return Vec::new();
    };
    let at = kernel.percpu("watchdog_hardlockup_warned", *cpu);
    let at = at.or_else(|_| kernel.percpu("hard_watchdog_warn", *cpu));
    let why = format!("a hard lockup of CPU {cpu} was reported");
    let out = at.map(|at| vec![proof("watchdog_hardlockup_warned", at, b"1", &why)]);
    if found_by != Some(*cpu) {
        of_cpu(kernel, *cpu, cause);
    }
    out.unwrap_or_default()
}

fn rcu(kernel: &Kernel, cause: &mut Crash) -> Vec<ProofReport> {
    let state = match kernel.rcu_stall() {
        Ok(state) => state,
        Err(e) => return vec![unread("rcu_state", &e.to_string())],
    };
    let mut holders: Vec<String> = state.cpus.iter().map(|cpu| format!("CPU {cpu}")).collect();
    holders.extend(
        state
            .tasks
            .iter()
            .map(|t| format!("{} (PID {})", Text::new(t.comm.clone()), t.pid)),
    );
    let why = format!(
        "a grace period of {} jiffies waits for {}",
        state.age,
        match holders.is_empty() {
            true => "no CPU and no task: the grace-period thread itself did not run".to_owned(),
            false => holders.join(", "),
        }
    );
    if let Some(cpu) = state.cpus.first()
        && cause.cpu != Some(cpu.0)
    {
        of_cpu(kernel, *cpu, cause);
    }
    vec![proof("rcu_state", state.address, b"", &why)]
}

/// Makes the report one of another CPU: its task, its stack.
fn of_cpu(kernel: &Kernel, cpu: CpuId, cause: &mut Crash) {
    let stack = kernel.backtrace(Start::Cpu(cpu));
    let reliable: Vec<_> = stack
        .frames
        .iter()
        .take_while(|f| f.is_reliable())
        .collect();
    // Behind the NMI that stopped it is what it did.
    let from = reliable.iter().position(|f| f.interrupted).unwrap_or(0);
    let own = reliable.get(from..).unwrap_or_default();
    cause.cpu = Some(cpu.0);
    cause.at = own
        .first()
        .and_then(|f| f.location.as_ref())
        .map(ToString::to_string);
    cause.trace = own.iter().map(|f| frame_of(f)).collect();
    cause.task = kernel.current_task(cpu).ok().map(|task| CrashTask {
        comm: Some(Text::new(task.comm).to_string()),
        pid: Some(i64::from(task.pid)),
    });
}

/// The task that khungtaskd has seen longest without a switch, what it waits for, and who has that.
fn hung(kernel: &Kernel, cause: &mut Crash) -> Vec<ProofReport> {
    let tasks = kernel.tasks();
    let blocked = tasks.tasks.iter().filter(|t| t.state.is_blocked());
    let longest = blocked
        .filter_map(|task| Some((unswitched_since(kernel, task)?, task)))
        .min_by_key(|(since, _)| *since);
    let Some((since, task)) = longest else {
        // khungtaskd's own stack is not the hung task's.
        cause.task = None;
        cause.trace.clear();
        return vec![unread(
            "last_switch_time",
            "no task sleeps uninterruptibly of which the detector keeps a time",
        )];
    };
    let stack = kernel.backtrace(Start::Task(task.address));
    cause.cpu = task.cpu.map(|cpu| cpu.0);
    cause.task = Some(CrashTask {
        comm: Some(Text::new(task.comm.clone()).to_string()),
        pid: Some(i64::from(task.pid)),
    });
    cause.at = None;
    cause.trace = stack
        .frames
        .iter()
        .take_while(|f| f.is_reliable())
        .map(frame_of)
        .collect();
    let mut out = vec![proof(
        "last_switch_time",
        task.address,
        format!("jiffies {since:#x}").as_bytes(),
        &format!(
            "{} (PID {}) sleeps uninterruptibly, and the detector saw its last switch then",
            Text::new(task.comm.clone()),
            task.pid
        ),
    )];
    out.extend(waits_for(kernel, task, &stack));
    out
}

/// `last_switch_time` (4.20), where the counts of switches have not changed since.
fn unswitched_since(kernel: &Kernel, task: &TaskInfo) -> Option<u64> {
    let object = kernel.object(task.address, "struct task_struct").ok()?;
    let number = |name: &str| object.field(name).ok()?.u64().ok();
    let switches = number("nvcsw")?.wrapping_add(number("nivcsw")?);
    let since = number("last_switch_time")?;
    (since != 0 && number("last_switch_count")? == switches).then_some(since)
}

/// The lock that it waits for, and who owns that.
fn waits_for(kernel: &Kernel, task: &TaskInfo, stack: &Backtrace) -> Option<ProofReport> {
    let waiting = kernel.waiting_for(task.address, stack)?;
    let owner = waiting.owner.and_then(|owner| kernel.task_info(owner).ok());
    let owner = owner.map_or_else(
        || "nobody is known to hold it".to_owned(),
        |owner| {
            let comm = Text::new(owner.comm);
            let runs = match owner.running_on {
                Some(cpu) => format!("runs on CPU {cpu}"),
                None => format!("is in state {}", owner.state.letter()),
            };
            format!("{comm} (PID {}), which {runs}, holds it", owner.pid)
        },
    );
    Some(proof(
        "lock",
        waiting.lock,
        waiting.kind.to_string().as_bytes(),
        &format!("the task waits for this {}; {owner}", waiting.kind),
    ))
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / SECOND as f64
}
