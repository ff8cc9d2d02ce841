#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::made::{IMAGE, MadeKernel};
use crate::regs::{RegisterSource, Registers};
use crate::symbols::Location;
use crate::unwind::{Ended, FoundBy, Frame};
use virtopsy_vmcore::UserRegs;

fn wait(task: u64, owner: u64) -> Waiting {
    Waiting {
        task: VirtAddr(task),
        lock: VirtAddr(task + 0x1000),
        kind: LockKind::Mutex,
        owner: (owner != 0).then_some(VirtAddr(owner)),
        owner_known_by: None,
        owned_by_readers: false,
        known_by: "test",
    }
}

fn cycles(waits: &[Waiting]) -> Vec<Vec<u64>> {
    wait_cycles(waits)
        .into_iter()
        .map(|c| c.into_iter().map(|t| t.0).collect())
        .collect()
}

#[test]
fn two_tasks_that_wait_for_each_other_are_a_circle_whoever_else_waits() {
    assert_eq!(
        cycles(&[wait(9, 2), wait(2, 3), wait(3, 2), wait(7, 9)]),
        [[2, 3]]
    );
}

#[test]
fn a_chain_is_no_circle() {
    assert!(cycles(&[wait(1, 2), wait(2, 3), wait(3, 0), wait(4, 2)]).is_empty());
}

#[test]
fn a_task_that_waits_for_itself_is_a_circle_of_one() {
    assert_eq!(cycles(&[wait(5, 5)]), [[5]]);
}

#[test]
fn circles_are_told_once_each() {
    let waits = [wait(1, 2), wait(2, 1), wait(4, 5), wait(5, 6), wait(6, 4)];
    assert_eq!(cycles(&waits), [vec![1, 2], vec![4, 5, 6]]);
}

#[test]
fn a_lock_that_readers_own_makes_no_circle() {
    let mut shared = wait(2, 1);
    shared.owned_by_readers = true;
    assert!(cycles(&[wait(1, 2), shared]).is_empty());
}

#[test]
fn functions_that_wait_are_known_by_name() {
    assert_eq!(
        wait_function("__mutex_lock.constprop.0"),
        Some(LockKind::Mutex)
    );
    assert_eq!(
        wait_function("rwsem_down_write_slowpath"),
        Some(LockKind::RwSemaphore)
    );
    assert_eq!(
        wait_function("down_interruptible"),
        Some(LockKind::Semaphore)
    );
    assert_eq!(
        wait_function("down_read_killable"),
        Some(LockKind::RwSemaphore)
    );
    assert_eq!(
        wait_function("native_queued_spin_lock_slowpath.part.0"),
        Some(LockKind::Spinlock)
    );
    assert_eq!(wait_function("schedule"), None);
}

const TYPES: &[(&str, u64, &str)] = &[
    ("list_head", 16, "next@0 *, prev@8 *"),
    ("mutex", 32, "owner@0 u64, wait_list@16 list_head"),
    ("mutex_waiter", 32, "list@0 list_head, task@16 task_struct*"),
    ("rt_mutex_base", 32, "owner@24 u64"),
    ("rt_mutex_waiter", 64, "lock@56 rt_mutex_base*"),
    ("lockdep_map", 8, "key@0 u64"),
    (
        "raw_spinlock",
        32,
        "raw_lock@0 u32, owner@8 u64, dep_map@16 lockdep_map",
    ),
    (
        "held_lock",
        64,
        "acquire_ip@0 u64, instance@8 u64, class_idx@16 u32, read@20 u32, trylock@24 u32, hardirqs_off@28 u32",
    ),
    (
        "task_struct",
        512,
        "stack@0 *, pi_blocked_on@8 rt_mutex_waiter*, lockdep_depth@16 u32, held_locks@64 held_lock[4]",
    ),
];

/// Tasks at this distance from each other, each with a stack of 16 KiB.
const TASK: u64 = 0x1_0000;
const TASKS: u64 = 0x10_0000;
const LOCKS: u64 = 0x8_0000;

fn task(number: u64) -> u64 {
    IMAGE + TASKS + number * TASK
}

fn lock(number: u64) -> u64 {
    IMAGE + LOCKS + number * 0x100
}

/// Where a task's waiter stands on its stack.
fn waiter(number: u64) -> u64 {
    stack(number) + 0x2100
}

fn stack(number: u64) -> u64 {
    task(number) + 0x4000
}

struct Tasks(MadeKernel);

impl Tasks {
    fn new() -> Tasks {
        let mut made = MadeKernel::new().types(TYPES);
        made.bytes(LOCKS, &[0; 0x1000]);
        for number in 0..4 {
            let at = TASKS + number * TASK;
            for page in 0..8 {
                made.bytes(at + page * 4096, &[0; 8]);
            }
            made.words(at, &[stack(number), 0]);
        }
        Tasks(made)
    }

    /// A mutex with its owner and those who wait for it, in order.
    fn mutex(mut self, number: u64, owner: u64, waiters: &[u64]) -> Tasks {
        let head = lock(number) + 16;
        let mut ring = vec![head];
        ring.extend(waiters.iter().map(|task| waiter(*task)));
        for (i, node) in ring.iter().enumerate() {
            let next = ring[(i + 1) % ring.len()];
            let previous = ring[(i + ring.len() - 1) % ring.len()];
            self.0.words(node - IMAGE, &[next, previous]);
        }
        for number in waiters {
            self.0.words(waiter(*number) - IMAGE + 16, &[task(*number)]);
        }
        // The low bits are flags: there are waiters.
        self.0.words(lock(number) - IMAGE, &[task(owner) | 1]);
        self
    }
}

/// A task's stack whose innermost function is this one.
fn stack_in(function: &str, number: u64) -> Backtrace {
    let values = UserRegs {
        rsp: stack(number) + 0x2000,
        ..UserRegs::default()
    };
    let location = Location {
        symbol: function.to_owned(),
        offset: 1,
        size: None,
        module: None,
    };
    Backtrace {
        registers: Some(Registers {
            values,
            source: RegisterSource::InactiveTask,
            exact: false,
            complete: false,
        }),
        frames: vec![Frame {
            ip: VirtAddr(0),
            sp: VirtAddr(values.rsp),
            interrupted: false,
            location: Some(location),
            stack: None,
            found_by: FoundBy::Orc,
            after_guess: false,
        }],
        ended_because: Ended::EndOfStack,
        notes: Vec::new(),
    }
}

fn asked(kernel: &Kernel, function: &str, number: u64) -> Option<Waiting> {
    kernel.waiting_for(VirtAddr(task(number)), &stack_in(function, number))
}

#[test]
fn a_mutex_is_told_by_the_waiter_on_the_stack_and_the_circle_is_found() {
    let kernel = Tasks::new()
        .mutex(0, 1, &[2, 0])
        .mutex(1, 0, &[1])
        .0
        .kernel();
    let waits: Vec<Waiting> = (0..3)
        .filter_map(|number| asked(&kernel, "__mutex_lock.constprop.0", number))
        .collect();
    let seen: Vec<_> = waits
        .iter()
        .map(|wait| (wait.task.0, wait.lock.0, wait.owner.map(|owner| owner.0)))
        .collect();
    assert_eq!(
        seen,
        [
            (task(0), lock(0), Some(task(1))),
            (task(1), lock(1), Some(task(0))),
            (task(2), lock(0), Some(task(1))),
        ]
    );
    let cycle = [VirtAddr(task(0)), VirtAddr(task(1))];
    assert_eq!(wait_cycles(&waits), [cycle]);
}

#[test]
fn a_waiter_whose_neighbours_do_not_name_it_is_no_waiter() {
    let mut tasks = Tasks::new().mutex(0, 1, &[2]);
    // The list was left, but the waiter's words are still on the stack.
    let head = lock(0) + 16;
    tasks.0.words(head - IMAGE, &[head, head]);
    assert_eq!(asked(&tasks.0.kernel(), "__mutex_lock", 2), None);
}

#[test]
fn who_does_not_stand_in_a_locks_function_waits_for_none() {
    let kernel = Tasks::new().mutex(0, 1, &[2]).0.kernel();
    assert_eq!(asked(&kernel, "schedule_timeout", 2), None);
}

#[test]
fn an_rt_mutex_is_named_by_the_task() {
    let mut tasks = Tasks::new();
    let waiter = stack(2) + 0x2200;
    tasks.0.words(TASKS + 2 * TASK + 8, &[waiter]);
    tasks.0.words(waiter - IMAGE + 56, &[lock(3)]);
    tasks.0.words(lock(3) - IMAGE + 24, &[task(1) | 1]);
    let wait = asked(&tasks.0.kernel(), "rt_mutex_schedule", 2).unwrap();
    assert_eq!(
        (wait.kind, wait.known_by),
        (LockKind::RtMutex, "pi_blocked_on")
    );
    assert_eq!(
        (wait.lock.0, wait.owner),
        (lock(3), Some(VirtAddr(task(1))))
    );
}

#[test]
fn the_owner_of_a_spinlock_is_named_where_lockdep_names_the_lock() {
    let mut tasks = Tasks::new();
    let at = TASKS + 2 * TASK;
    tasks.0.words(at + 16, &[1]); // lockdep_depth
    tasks.0.words(at + 64 + 8, &[lock(5) + 16]); // instance: the dep_map
    tasks.0.words(lock(5) - IMAGE, &[1, task(3)]);
    let kernel = tasks.0.kernel();
    let wait = asked(&kernel, "native_queued_spin_lock_slowpath", 2).unwrap();
    assert_eq!((wait.kind, wait.lock.0), (LockKind::Spinlock, lock(5)));
    assert_eq!(wait.owner, Some(VirtAddr(task(3))));
    assert_eq!(wait.owner_known_by, Some(OwnerSource::Lock));
}
