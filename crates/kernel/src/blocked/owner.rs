//! Who owns a lock.
//!
//! | lock | `owner` |
//! |---|---|
//! | mutex (4.10), rwsem | a task, flags in the low three bits; bit 0 of a rwsem's: readers own it |
//! | rt_mutex | a task; bit 0: there are waiters |
//! | spinlock, rwlock | with DEBUG_SPINLOCK a task, -1 for nobody; else lockdep's lists are asked |
//! | semaphore | `last_holder` with DETECT_HUNG_TASK_BLOCKER (6.16) |

use virtopsy_debuginfo::VirtAddr;

use super::LockKind;
use crate::kernel::Kernel;

/// Flags in the low bits of an owner.
const FLAGS: u64 = 7;
/// Bit 0 of a rwsem's owner: `RWSEM_READER_OWNED`.
const READER_OWNED: u64 = 1;
/// `SPINLOCK_OWNER_INIT`.
const NOBODY: u64 = u64::MAX;

/// How an owner is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerSource {
    /// The lock names it.
    Lock,
    /// It has the lock in lockdep's list of what it holds, and does not wait for it.
    HeldLocks,
}

impl std::fmt::Display for OwnerSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            OwnerSource::Lock => "lock",
            OwnerSource::HeldLocks => "held_locks",
        })
    }
}

/// An owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) task: VirtAddr,
    /// It is one of several readers.
    pub(super) reader: bool,
    pub(super) known_by: OwnerSource,
}

impl Kernel {
    /// The owner of a lock that `waiter` waits for.
    pub(super) fn owner(&self, waiter: VirtAddr, lock: VirtAddr, kind: LockKind) -> Option<Owner> {
        self.named_owner(lock, kind)
            .or_else(|| self.holder(waiter, lock, kind))
    }

    fn named_owner(&self, lock: VirtAddr, kind: LockKind) -> Option<Owner> {
        let member = match kind {
            LockKind::Semaphore => "last_holder",
            _ => "owner",
        };
        let object = self.object(lock, kind.structure()).ok()?;
        let word = object.field(member).ok()?.u64().ok()?;
        let task = if kind.spins() { word } else { word & !FLAGS };
        (task != 0 && task != NOBODY).then_some(Owner {
            task: VirtAddr(task),
            reader: kind == LockKind::RwSemaphore && word & READER_OWNED != 0,
            known_by: OwnerSource::Lock,
        })
    }

    /// The task that runs on another CPU and holds the lock by lockdep's list. Sleeping tasks hold
    /// no lock for which others spin; the last of a list may be waited for itself.
    fn holder(&self, waiter: VirtAddr, lock: VirtAddr, kind: LockKind) -> Option<Owner> {
        if !kind.spins() {
            return None;
        }
        let instance = lock.0.wrapping_add(self.dep_map_offset(kind)?);
        let running = self.cpus().ok()?.possible.iter();
        let mut tasks = running.filter_map(|cpu| self.current_task(cpu).ok().map(|t| t.address));
        tasks.find_map(|task| {
            let held = self.held_locks(task).ok().filter(|_| task != waiter)?;
            let found = held.locks.iter().find(|held| held.instance.0 == instance)?;
            Some(Owner {
                task,
                reader: found.read != 0,
                known_by: OwnerSource::HeldLocks,
            })
        })
    }
}
