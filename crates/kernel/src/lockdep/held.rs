//! What a task holds, as lockdep records it.

use virtopsy_debuginfo::VirtAddr;

use super::class::LockClass;
use crate::declared::task::{HELD_LOCKS, LOCKDEP_DEPTH};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;
use crate::symbols::Location;

/// Most locks of one task: `MAX_LOCK_DEPTH` is 48.
const MAX_DEPTH: u64 = 256;

/// A lock that a task holds, or waits for.
#[derive(Clone, Debug)]
pub struct HeldLock {
    /// Place in the task's list, from 0, the oldest.
    pub index: u64,
    /// The `lockdep_map` inside the lock.
    pub instance: VirtAddr,
    /// Its class.
    pub class: Result<LockClass>,
    /// Where it was taken.
    pub taken_at: VirtAddr,
    /// The same, named.
    pub location: Option<Location>,
    /// 0: exclusive, 1: shared, 2: shared and recursive.
    pub read: u64,
    /// It was tried for, not waited for.
    pub trylock: bool,
    /// Interrupts were off.
    pub hardirqs_off: bool,
}

/// The locks of a task.
#[derive(Clone, Debug, Default)]
pub struct HeldLocks {
    /// Oldest first.
    pub locks: Vec<HeldLock>,
    /// How many the task says to hold.
    pub depth: u64,
    /// What stands behind the last one. `__lock_acquire()` fills that place before it checks, and
    /// counts it only after, so once a report has switched lockdep off it names the lock that the
    /// task of the report was about to take. At any other time it is left over from before.
    pub behind: Option<HeldLock>,
    /// Whether [`HeldLocks::behind`] was filled in while just these locks were held, as far as the hash of
    /// the chain below it tells: what is left over from before has that of other locks. The hash is
    /// written after the irq state was checked, and before the dependencies are.
    pub behind_follows: bool,
    /// Why not all could be read.
    pub broken: Option<Error>,
}

impl Kernel {
    /// The locks that a task holds.
    ///
    /// # Errors
    /// Where the kernel is built without lockdep ([`Error::is_absent`]), or the task can't be read.
    pub fn held_locks(&self, task: VirtAddr) -> Result<HeldLocks> {
        let task = self.object(task, "struct task_struct")?;
        let held = task.declared(&HELD_LOCKS)?;
        let depth = task.declared(&LOCKDEP_DEPTH)?.u64()?;
        let mut out = HeldLocks {
            depth,
            ..HeldLocks::default()
        };
        let room = held.count()?.min(MAX_DEPTH);
        if depth > room {
            let found = format!("{depth} locks, of {room} at most");
            let what = "lockdep_depth".into();
            out.broken = Some(Error::Implausible {
                what,
                at: task.address,
                found,
            });
        }
        for index in 0..depth.min(room) {
            match held
                .index(index)
                .and_then(|lock| self.held_lock(index, &lock))
            {
                Ok(lock) => out.locks.push(lock),
                Err(e) => {
                    out.broken.get_or_insert(e);
                    break;
                }
            }
        }
        if depth < room {
            out.behind = held
                .index(depth)
                .and_then(|lock| self.held_lock(depth, &lock))
                .ok()
                .filter(|lock| lock.taken_at.0 != 0);
            let key = |object: Result<Object<'_>>| object.and_then(|key| key.u64()).ok();
            let below = key(task.field("curr_chain_key"));
            let recorded = held.index(depth).and_then(|l| l.field("prev_chain_key"));
            out.behind_follows = below.is_some() && below == key(recorded);
        }
        Ok(out)
    }

    fn held_lock(&self, index: u64, lock: &Object<'_>) -> Result<HeldLock> {
        let number = |name: &str| -> Result<u64> { lock.field(name)?.u64() };
        let taken_at = VirtAddr(number("acquire_ip")?);
        Ok(HeldLock {
            index,
            instance: VirtAddr(number("instance")?),
            class: self.lock_class(number("class_idx")?),
            taken_at,
            location: self.locate(taken_at),
            read: number("read")?,
            trylock: number("trylock")? != 0,
            hardirqs_off: number("hardirqs_off")? != 0,
        })
    }
}
