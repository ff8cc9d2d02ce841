//! Reports that a real kernel printed: 7.3.4 with every check of locks, and the module
//! `samples/lab/modules/splats.c`, which misuses a lock in the way that names the file.
//! `locks-7.3-bare` is the same kernel without DEBUG_BUGVERBOSE, whose WARNs do not say where they stand.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};

use virtopsy_klog::{Kind, Splat, scan_log, scan_text};

/// Log, and the reports in it: kind, guilty function, held locks announced.
type Expected = (&'static str, &'static [(Kind, &'static str, Option<u32>)]);

const LOGS: &[Expected] = &[
    (
        "atomic-sched",
        &[
            (Kind::AtomicSched, "atomic_sched", Some(1)),
            (Kind::DebugLocksWarn, "preempt_count_sub", None),
        ],
    ),
    (
        "atomic-sleep",
        &[(Kind::AtomicSleep, "atomic_sleep", Some(1))],
    ),
    (
        "bad-contention",
        &[(Kind::BadContention, "contention", Some(1))],
    ),
    (
        "bad-unlock-balance",
        &[
            (Kind::BadUnlockBalance, "unlock_balance", Some(1)),
            (Kind::RwsemWarn, "unlock_balance", None),
            (Kind::RwsemWarn, "unlock_balance", None),
        ],
    ),
    ("cant-migrate", &[(Kind::CantMigrate, "misuse", Some(0))]),
    ("cant-sleep", &[(Kind::CantSleep, "misuse", Some(0))]),
    (
        "circular-rwsem",
        &[(Kind::Circular, "readers_and_a_mutex", Some(1))],
    ),
    (
        "circular-three",
        &[(Kind::Circular, "gamma_then_alpha", Some(1))],
    ),
    ("circular", &[(Kind::Circular, "beta_then_alpha", Some(1))]),
    (
        "debug-locks-warn",
        &[(Kind::DebugLocksWarn, "misuse", None)],
    ),
    (
        "held-lock-freed",
        &[(Kind::HeldLockFreed, "held_freed", Some(1))],
    ),
    ("hung", &[]),
    (
        "inconsistent-state-softirq",
        &[(Kind::InconsistentState, "take_in_softirq", Some(0))],
    ),
    (
        "inconsistent-state",
        &[(Kind::InconsistentState, "inconsistent", Some(0))],
    ),
    (
        "invalid-subclass",
        &[(Kind::InvalidSubclass, "invalid_subclass", None)],
    ),
    (
        "invalid-wait-context",
        &[(Kind::InvalidWaitContext, "wait_context", Some(1))],
    ),
    (
        "irq-inversion",
        &[(Kind::IrqInversion, "take_in_irq", Some(0))],
    ),
    (
        "irq-order",
        &[(Kind::IrqOrder, "raw_under_irq_lock", Some(1))],
    ),
    (
        "irqflags-warn",
        &[(Kind::IrqflagsWarn, "irqflags_warn", None)],
    ),
    ("lockdep-assert", &[(Kind::LockdepAssert, "not_held", None)]),
    (
        "lockdep-limit-keys",
        &[(Kind::LockdepLimit, "keys_limit", None)],
    ),
    (
        "lockdep-limit",
        &[(Kind::LockdepLimit, "depth_limit", Some(48))],
    ),
    ("lockdep-warn", &[(Kind::LockdepWarn, "misuse", None)]),
    (
        "nested-not-held",
        &[(Kind::NestedNotHeld, "nested_not_held", Some(0))],
    ),
    (
        "non-static-key",
        &[(Kind::NonStaticKey, "non_static_key", None)],
    ),
    (
        "nonrunning-sleep",
        &[(Kind::NonrunningSleep, "nonrunning_sleep", None)],
    ),
    (
        "preemptible-percpu-add",
        &[(Kind::PreemptiblePercpu, "preemptible_percpu_add", None)],
    ),
    (
        "preemptible-percpu",
        &[(Kind::PreemptiblePercpu, "preemptible_percpu", None)],
    ),
    (
        "rcu-voluntary-switch",
        &[(Kind::RcuVoluntarySwitch, "rcu_voluntary_switch", None)],
    ),
    ("recursive", &[(Kind::Recursive, "recursive", Some(1))]),
    ("rtmutex-warn", &[(Kind::RtmutexWarn, "misuse", None)]),
    ("rwlock-debug", &[(Kind::RwlockDebug, "misuse", None)]),
    ("rwsem-warn", &[(Kind::RwsemWarn, "misuse", None)]),
    (
        "spinlock-debug-unlocked",
        &[
            (Kind::SpinlockDebug, "spinlock_already_unlocked", None),
            (Kind::AtomicSleep, "kthread_do_exit", None),
            (Kind::AtomicSched, "do_task_dead", None),
        ],
    ),
    ("spinlock-debug", &[(Kind::SpinlockDebug, "misuse", None)]),
    (
        "still-has-locks",
        &[(Kind::StillHasLocks, "do_exit", Some(2))],
    ),
    (
        "suspicious-rcu-list",
        &[(Kind::SuspiciousRcu, "suspicious_rcu_list", Some(1))],
    ),
    (
        "suspicious-rcu",
        &[(Kind::SuspiciousRcu, "suspicious_rcu", Some(0))],
    ),
    (
        "unregistered-key",
        &[(Kind::UnregisteredKey, "unregistered_key", None)],
    ),
    ("user-return-locks", &[(Kind::UserReturnLocks, "", Some(1))]),
    (
        "workqueue-leak",
        &[
            (Kind::WorkqueueLeak, "leaky_work", Some(1)),
            (Kind::Circular, "process_one_work", Some(1)),
            (Kind::WorkqueueLeak, "wq_barrier_func", None),
        ],
    ),
];

/// What the kernel without DEBUG_BUGVERBOSE says otherwise.
const BARE: &[Expected] = &[
    (
        "invalid-subclass",
        &[(Kind::DebugLocksWarn, "invalid_subclass", None)],
    ),
    ("lockdep-assert", &[]),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/logs")
        .join(name)
}

fn log(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(format!("{name}.log"))).unwrap()
}

fn check(name: &str, reports: &[Splat], expected: &[(Kind, &str, Option<u32>)]) {
    let got: Vec<_> = reports
        .iter()
        .map(|s| (s.kind, s.guilty.as_deref().unwrap_or(""), s.held_declared))
        .collect();
    assert_eq!(got, expected, "{name}");
    for splat in reports {
        assert!(
            !splat.cut && splat.missing.is_empty(),
            "{name}: {:?}",
            splat.missing
        );
        assert_eq!(
            splat.held.len() as u64,
            u64::from(splat.held_declared.unwrap_or(0)),
            "{name}"
        );
        assert_eq!(splat.release.as_deref(), Some("7.3.4-locks"), "{name}");
        assert!(splat.task.is_some() && splat.sentence.len() > 20, "{name}");
        let frames = splat.trace.iter().filter(|f| f.reliable).count();
        assert!(frames > 2 || splat.kind == Kind::UserReturnLocks, "{name}");
    }
}

#[test]
fn every_report_of_the_kernel_is_read_whole() {
    for (set, otherwise) in [("locks-7.3", &[][..]), ("locks-7.3-bare", BARE)] {
        let folder = folder(set);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), LOGS.len());
        for (name, expected) in LOGS {
            let other = otherwise.iter().find(|(n, _)| n == name);
            let expected = other.map_or(*expected, |(_, expected)| expected);
            check(
                name,
                &scan_text(log(&folder, name).as_bytes()).unwrap(),
                expected,
            );
        }
    }
}

/// The same logs of a kernel without PRINTK_CALLER.
#[test]
fn without_caller_ids_they_read_the_same() {
    let folder = folder("locks-7.3");
    for (name, expected) in LOGS {
        let text: Vec<String> = log(&folder, name)
            .lines()
            .map(|line| match line.split_once("][") {
                Some((time, rest)) => format!("{time}]{}", rest.split_once(']').unwrap().1),
                None => line.to_owned(),
            })
            .collect();
        check(
            name,
            &scan_text(text.join("\n").as_bytes()).unwrap(),
            expected,
        );
    }
}

/// With and without the places of WARNs.
#[test]
fn signatures_are_those_of_another_build() {
    for (name, _) in LOGS
        .iter()
        .filter(|(n, _)| BARE.iter().all(|(b, _)| n != b))
    {
        let signatures = |set: &str| -> Vec<String> {
            let reports = scan_text(log(&folder(set), name).as_bytes()).unwrap();
            reports.into_iter().map(|s| s.signature).collect()
        };
        assert_eq!(signatures("locks-7.3"), signatures("locks-7.3-bare"));
    }
}

#[test]
fn what_a_hung_machine_says_of_its_locks_stands_beside() {
    let log = scan_log(log(&folder("locks-7.3"), "hung").as_bytes()).unwrap();
    assert!(log.splats.is_empty());
    let owners: Vec<_> = log
        .attachments
        .iter()
        .filter(|a| a.kind == "hung-owner")
        .collect();
    assert!(
        owners
            .iter()
            .any(|a| a.text.contains("likely owned by task splats holder"))
    );
    let holder = log
        .attachments
        .iter()
        .find(|a| {
            a.task.as_ref().is_some_and(|t| t.comm == "splats holder") && a.held_declared.is_some()
        })
        .unwrap();
    let names: Vec<_> = holder.held.iter().map(|h| h.lock.name.as_str()).collect();
    assert_eq!(names, ["alpha_lock", "big_sem"]);
}
