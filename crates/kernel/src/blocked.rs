//! Tasks that wait for a lock: which lock, who owns it, and whether they wait for each other.
//!
//! Which lock a task waits for is known from, in this order:
//!
//! | what | kernel | says |
//! |---|---|---|
//! | `pi_blocked_on` | 2.6.18 | an rt_mutex: a PI futex, and every sleeping lock of PREEMPT_RT |
//! | `blocked_on` | 6.18 (`struct mutex *`) | the mutex |
//! | `blocker` | 6.16 with DETECT_HUNG_TASK_BLOCKER | mutex, semaphore or rwsem, by its low bits |
//! | `blocker_mutex` | 6.15, the same | the mutex |
//! | its waiter on its own stack | all whose locks have a `wait_list` | mutex, rwsem, semaphore |
//! | the last of `held_locks` | lockdep | what the task holds or waits for; waits, if its stack says so |
//!
//! A CPU that spins for a spinlock or rwlock is known by its stack, and the lock by lockdep alone.
//! Source: kernel/locking/{mutex.c,rwsem.c,rtmutex.c,spinlock_debug.c}, include/linux/hung_task.h.

mod owner;
mod pointer;
mod waiter;

use std::collections::{BTreeMap, BTreeSet};

use virtopsy_debuginfo::VirtAddr;

use crate::kernel::Kernel;
use crate::unwind::Backtrace;

pub use owner::OwnerSource;

/// How deep in a stack the function that waits may stand.
const INNERMOST: usize = 12;

/// A kind of lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `struct mutex`.
    Mutex,
    /// `struct rw_semaphore`.
    RwSemaphore,
    /// `struct semaphore`, which has no owner but for the last task that took it (6.16).
    Semaphore,
    /// `struct rt_mutex`.
    RtMutex,
    /// `raw_spinlock_t`, also inside of a `spinlock_t`: the CPU does not sleep, but spins.
    Spinlock,
    /// `rwlock_t`, likewise.
    RwLock,
}

impl std::fmt::Display for LockKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LockKind::Mutex => "mutex",
            LockKind::RwSemaphore => "rwsem",
            LockKind::Semaphore => "semaphore",
            LockKind::RtMutex => "rt_mutex",
            LockKind::Spinlock => "spinlock",
            LockKind::RwLock => "rwlock",
        })
    }
}

impl LockKind {
    /// The type that holds its `dep_map`, `owner` and `wait_list`.
    fn structure(self) -> &'static str {
        match self {
            LockKind::Mutex => "struct mutex",
            LockKind::RwSemaphore => "struct rw_semaphore",
            LockKind::Semaphore => "struct semaphore",
            LockKind::RtMutex => "struct rt_mutex_base",
            LockKind::Spinlock => "struct raw_spinlock",
            LockKind::RwLock => "rwlock_t",
        }
    }

    /// Whether its waiters spin, and so are running.
    pub fn spins(self) -> bool {
        matches!(self, LockKind::Spinlock | LockKind::RwLock)
    }
}

/// A task that waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The task.
    pub task: VirtAddr,
    /// The lock.
    pub lock: VirtAddr,
    /// Its kind.
    pub kind: LockKind,
    /// The task that owns it; `None` where nobody does, or it can't be told.
    pub owner: Option<VirtAddr>,
    /// How the owner is known.
    pub owner_known_by: Option<OwnerSource>,
    /// Readers own it: `owner` is the last of them, and may have let go.
    pub owned_by_readers: bool,
    /// How the lock is known.
    pub known_by: &'static str,
}

impl Kernel {
    /// The lock that a task waits for, if it can be named. `stack` is its backtrace, or that of the
    /// CPU that it runs on: what waits for a lock stands in it.
    pub fn waiting_for(&self, task: VirtAddr, stack: &Backtrace) -> Option<Waiting> {
        let object = self.object(task, "struct task_struct").ok()?;
        let waits = waits_in(stack);
        let (lock, kind, known_by) = match waits {
            Some(kind) if kind.spins() => self.last_held(task, kind)?,
            _ => pointer::named(&object)
                .or_else(|| self.by_waiter(task, waits?, stack))
                .or_else(|| self.last_held(task, waits?))?,
        };
        let owner = self.owner(task, lock, kind);
        Some(Waiting {
            task,
            lock,
            kind,
            owner: owner.map(|owner| owner.task),
            owner_known_by: owner.map(|owner| owner.known_by),
            owned_by_readers: owner.is_some_and(|owner| owner.reader),
            known_by,
        })
    }

    /// The last lock of lockdep's list: it is put there before the task waits.
    fn last_held(
        &self,
        task: VirtAddr,
        kind: LockKind,
    ) -> Option<(VirtAddr, LockKind, &'static str)> {
        let held = self.held_locks(task).ok()?;
        let last = held.locks.last()?;
        let lock = last.instance.0.wrapping_sub(self.dep_map_offset(kind)?);
        Some((VirtAddr(lock), kind, "held_locks"))
    }

    /// Where lockdep's map stands in a lock of this kind. `None`: lockdep does not know the kind.
    fn dep_map_offset(&self, kind: LockKind) -> Option<u64> {
        let lock = self.object(VirtAddr(0), kind.structure()).ok()?;
        lock.field("dep_map").ok().map(|map| map.address.0)
    }
}

/// Whether the innermost functions wait for a lock.
fn waits_in(stack: &Backtrace) -> Option<LockKind> {
    let names = stack
        .frames
        .iter()
        .take(INNERMOST)
        .filter(|frame| frame.is_reliable());
    names
        .filter_map(|frame| frame.location.as_ref())
        .find_map(|at| wait_function(&at.symbol))
}

fn wait_function(name: &str) -> Option<LockKind> {
    let by_prefix = [
        ("__mutex_lock", LockKind::Mutex),
        ("mutex_lock", LockKind::Mutex),
        ("__ww_mutex_lock", LockKind::Mutex),
        ("ww_mutex_lock", LockKind::Mutex),
        ("rwsem_down_", LockKind::RwSemaphore),
        ("down_read", LockKind::RwSemaphore),
        ("down_write", LockKind::RwSemaphore),
        ("__down_read", LockKind::RwSemaphore),
        ("__down_write", LockKind::RwSemaphore),
        ("__down", LockKind::Semaphore),
        ("down_", LockKind::Semaphore),
        ("queued_spin_lock_slowpath", LockKind::Spinlock),
        ("native_queued_spin_lock_slowpath", LockKind::Spinlock),
        ("__pv_queued_spin_lock_slowpath", LockKind::Spinlock),
        ("do_raw_spin_lock", LockKind::Spinlock),
        ("queued_read_lock_slowpath", LockKind::RwLock),
        ("queued_write_lock_slowpath", LockKind::RwLock),
        ("do_raw_read_lock", LockKind::RwLock),
        ("do_raw_write_lock", LockKind::RwLock),
    ];
    if name == "down" {
        return Some(LockKind::Semaphore);
    }
    by_prefix
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .map(|(_, kind)| *kind)
}

/// Circles of tasks of which each waits for a lock that the next one owns. Each circle is given
/// once, from its task with the lowest address on. Locks that readers own make no circle: who
/// else holds them is not known.
pub fn wait_cycles(waits: &[Waiting]) -> Vec<Vec<VirtAddr>> {
    let exclusive = waits.iter().filter(|wait| !wait.owned_by_readers);
    let next: BTreeMap<VirtAddr, VirtAddr> = exclusive
        .filter_map(|wait| Some((wait.task, wait.owner?)))
        .collect();
    let mut done = BTreeSet::new();
    let mut cycles = Vec::new();
    for start in next.keys() {
        let mut path = Vec::new();
        let mut here = Some(*start);
        while let Some(task) = here.filter(|task| done.insert(*task)) {
            path.push(task);
            here = next.get(&task).copied();
        }
        // The walk ended in something seen: a circle only if that is on this very path.
        if let Some(back) = here
            && let Some(from) = path.iter().position(|task| *task == back)
        {
            let mut cycle = path.split_off(from);
            let lowest = cycle.iter().enumerate().min_by_key(|(_, task)| **task);
            let lowest = lowest.map_or(0, |(index, _)| index);
            cycle.rotate_left(lowest);
            cycles.push(cycle);
        }
    }
    cycles
}

#[cfg(test)]
mod tests;
