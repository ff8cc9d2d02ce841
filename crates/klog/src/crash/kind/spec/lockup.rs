//! CPUs, tasks and workers that make no progress (kernel/watchdog.c, kernel/rcu, kernel/hung_task.c).

use super::super::Begin::{At, In, With};
use super::super::{CrashKind, KindSpec, Nature};

pub(super) const SPECS: &[KindSpec] = &[
    KindSpec {
        kind: CrashKind::SoftLockup,
        id: "soft-lockup",
        nature: Nature::Report,
        begins: &[At("BUG: soft lockup")],
        ends: &["softlockup: hung tasks"],
        burst: false,
        title: "soft lockup",
        sentence: |w| {
            format!(
                "{} kept {} busy without scheduling{}{}.",
                w.who, w.cpu, w.duration, w.place
            )
        },
        means: "One task ran in the kernel on one CPU for longer than twice watchdog_thresh (20 s) without letting another task run. Interrupts still worked.",
        next: "Ask what the function waits for: a lock (who holds it), another CPU's answer to an IPI (what that CPU does), a device, or a loop without end.",
    },
    KindSpec {
        kind: CrashKind::HardLockup,
        id: "hard-lockup",
        nature: Nature::Report,
        begins: &[
            In("Watchdog detected hard LOCKUP"),
            In("NMI Watchdog detected LOCKUP"),
            super::super::Begin::Panic("Watchdog detected hard LOCKUP"),
        ],
        ends: &[
            "Hard LOCKUP",
            "hard LOCKUP",
            "Watchdog detected hard LOCKUP",
        ],
        burst: false,
        title: "hard lockup",
        sentence: |w| {
            format!(
                "{} took no interrupt for longer than the watchdog allows{}.",
                w.cpu_begin, w.place
            )
        },
        means: "A CPU ran with interrupts off for longer than watchdog_thresh (10 s): it spins on a lock taken with interrupts off, or hangs in firmware or on a device.",
        next: "Look at what the CPU executed when the NMI came, and who holds the lock that it spins on.",
    },
    KindSpec {
        kind: CrashKind::RcuStall,
        id: "rcu-stall",
        nature: Nature::Report,
        begins: &[
            With("INFO: rcu", "stall"),
            With("INFO: RCU detected", "stall"),
        ],
        ends: &["RCU Stall"],
        burst: false,
        title: "RCU stall",
        sentence: |w| {
            format!(
                "A grace period of RCU does not end: a CPU or task did not leave its critical section, or the grace-period thread did not run{}.",
                w.place
            )
        },
        means: "RCU waits for every CPU to pass a quiescent state. A CPU that loops with preemption or interrupts off, a reader that never leaves, or a starved rcu kthread blocks it, and with it all who free memory.",
        next: "Look at the CPUs and tasks that the report lists and at their backtraces; `kthread starved` says that the grace-period thread itself did not get a CPU.",
    },
    KindSpec {
        kind: CrashKind::HungTask,
        id: "hung-task",
        nature: Nature::Report,
        begins: &[
            With("INFO: task ", " blocked "),
            With("INFO: task ", "can't die for more than"),
        ],
        ends: &["hung_task: blocked tasks"],
        burst: false,
        title: "hung task",
        sentence: |w| {
            format!(
                "{} sleeps uninterruptibly{} and nothing wakes it{}.",
                w.who, w.duration, w.place
            )
        },
        means: "The task has been in state D for longer than hung_task_timeout_secs: it waits for a lock, for I/O or for a completion.",
        next: "Read from the trace what it waits for; then find who holds the lock, or why the I/O does not finish.",
    },
    KindSpec {
        kind: CrashKind::WorkqueueLockup,
        id: "workqueue-lockup",
        nature: Nature::Event,
        begins: &[At("BUG: workqueue lockup")],
        ends: &[],
        burst: true,
        title: "workqueue lockup",
        sentence: |w| format!("A pool of workers has made no progress{}.", w.duration),
        means: "Work waits and the pool's workers neither finish nor start any: one of them hogs the CPU, or the CPU itself does not schedule.",
        next: "`Showing busy workqueues` lists what is in flight; look at the backtraces of those workers and at lockups of the same CPU.",
    },
];
