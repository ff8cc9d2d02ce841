//! Tasks that wait for a lock: which lock, who owns it, and whether they wait for each other.
//!
//! Which lock a task waits for is known from, newest first:
//!
//! | what | kernel | says |
//! |---|---|---|
//! | `blocked_on` | 6.18 (`struct mutex *`) | the mutex |
//! | `blocker` | 6.16 with DETECT_HUNG_TASK_BLOCKER | mutex, semaphore or rwsem, by its low bits |
//! | `blocker_mutex` | 6.15, the same | the mutex |
//! | the last of `held_locks` | lockdep | what the task holds or waits for; waits, if its stack says so |
//!
//! Owners: `mutex.owner` (4.10) and `rw_semaphore.owner` are a task's address with flags in the low
//! three bits; bit 0 of a rwsem's says that readers own it, and the task is only the last of them.
//! Source: kernel/locking/{mutex.c,rwsem.c}, include/linux/hung_task.h.

use std::collections::{BTreeMap, BTreeSet};

use virtopsy_debuginfo::{Type, TypeSourceExt as _, VirtAddr};

use crate::error::Result;
use crate::kernel::Kernel;
use crate::object::Object;
use crate::unwind::Backtrace;

/// Flags in the low bits of an owner.
const OWNER_FLAGS: u64 = 7;
/// Bit 0 of a rwsem's owner: `RWSEM_READER_OWNED`.
const READER_OWNED: u64 = 1;
/// How deep in a stack the function that waits may stand.
const INNERMOST: usize = 12;

/// A kind of lock that tasks sleep for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `struct mutex`.
    Mutex,
    /// `struct rw_semaphore`.
    RwSemaphore,
    /// `struct semaphore`, which has no owner.
    Semaphore,
}

impl std::fmt::Display for LockKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LockKind::Mutex => "mutex",
            LockKind::RwSemaphore => "rwsem",
            LockKind::Semaphore => "semaphore",
        })
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
    /// Readers own it: `owner` is the last of them, and may have let go.
    pub owned_by_readers: bool,
    /// How the lock is known.
    pub known_by: &'static str,
}

impl Kernel {
    /// The lock that a sleeping task waits for, if it can be named. `stack` is its backtrace,
    /// which is asked where only lockdep knows.
    pub fn waiting_for(&self, task: VirtAddr, stack: &Backtrace) -> Option<Waiting> {
        let object = self.object(task, "struct task_struct").ok()?;
        let (lock, kind, known_by) = blocked_on(&object)
            .or_else(|| blocker(&object))
            .or_else(|| self.last_held(task, stack))?;
        let (owner, owned_by_readers) = self.owner(lock, kind).unwrap_or((None, false));
        Some(Waiting {
            task,
            lock,
            kind,
            owner,
            owned_by_readers,
            known_by,
        })
    }

    /// The last lock of lockdep's list, where the stack says that the task waits for one.
    fn last_held(
        &self,
        task: VirtAddr,
        stack: &Backtrace,
    ) -> Option<(VirtAddr, LockKind, &'static str)> {
        let kind = waits_in(stack)?;
        let held = self.held_locks(task).ok()?;
        let last = held.locks.last()?;
        let structure = match kind {
            LockKind::Mutex => "struct mutex",
            LockKind::RwSemaphore => "struct rw_semaphore",
            LockKind::Semaphore => return None, // lockdep does not know them
        };
        let map = self
            .object(VirtAddr(0), structure)
            .ok()?
            .field("dep_map")
            .ok()?;
        let lock = VirtAddr(last.instance.0.wrapping_sub(map.address.0));
        Some((lock, kind, "held_locks"))
    }

    fn owner(&self, lock: VirtAddr, kind: LockKind) -> Result<(Option<VirtAddr>, bool)> {
        let structure = match kind {
            LockKind::Mutex => "struct mutex",
            LockKind::RwSemaphore => "struct rw_semaphore",
            LockKind::Semaphore => return Ok((None, false)),
        };
        let word = self.object(lock, structure)?.field("owner")?.u64()?;
        let readers = kind == LockKind::RwSemaphore && word & READER_OWNED != 0;
        let owner = word & !OWNER_FLAGS;
        Ok(((owner != 0).then_some(VirtAddr(owner)), readers))
    }
}

/// `blocked_on` of 6.18: until then, with DEBUG_MUTEXES, the member was the waiter.
fn blocked_on(task: &Object<'_>) -> Option<(VirtAddr, LockKind, &'static str)> {
    let member = task.field("blocked_on").ok()?;
    let Type::Pointer { target, .. } = member.resolved().ok()? else {
        return None;
    };
    let target = member.ty.source.resolve(target).ok()?.1;
    if !matches!(&target, Type::Struct { name: Some(name), .. } if name == "mutex") {
        return None;
    }
    let lock = member.pointer().ok()?;
    // Proxy execution marks a task that is being woken with -1.
    let is_lock = lock.0 != 0 && task.space().is_kernel_address(lock) && lock.0.is_multiple_of(8);
    is_lock.then_some((lock, LockKind::Mutex, "blocked_on"))
}

fn blocker(task: &Object<'_>) -> Option<(VirtAddr, LockKind, &'static str)> {
    if let Ok(mutex) = task.field("blocker_mutex") {
        let lock = mutex.pointer().ok().filter(|lock| lock.0 != 0)?;
        return Some((lock, LockKind::Mutex, "blocker_mutex"));
    }
    let word = task.field("blocker").ok()?.u64().ok()?;
    let kind = match word & 3 {
        0 => LockKind::Mutex,
        1 => LockKind::Semaphore,
        _ => LockKind::RwSemaphore, // 2: as a reader, 3: as a writer
    };
    let lock = word & !3;
    (lock != 0).then_some((VirtAddr(lock), kind, "blocker"))
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
    let mutex = [
        "__mutex_lock",
        "mutex_lock",
        "__ww_mutex_lock",
        "ww_mutex_lock",
    ];
    let rwsem = [
        "rwsem_down_",
        "down_read",
        "down_write",
        "__down_read",
        "__down_write",
    ];
    if mutex.iter().any(|prefix| name.starts_with(prefix)) {
        Some(LockKind::Mutex)
    } else if rwsem.iter().any(|prefix| name.starts_with(prefix)) {
        Some(LockKind::RwSemaphore)
    } else {
        None
    }
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
mod tests {
    use super::*;

    fn wait(task: u64, owner: u64) -> Waiting {
        Waiting {
            task: VirtAddr(task),
            lock: VirtAddr(task + 0x1000),
            kind: LockKind::Mutex,
            owner: (owner != 0).then_some(VirtAddr(owner)),
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
        assert_eq!(wait_function("schedule"), None);
    }
}
