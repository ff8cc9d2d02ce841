//! What tasks hold and wait for, and the state of lockdep itself.

use serde::Serialize;
use virtopsy_kernel::{
    Error, HeldLock, HeldLocks, Kernel, LockClass, Start, TaskInfo, TaskList, Unwinder, Waiting,
    wait_cycles,
};

use super::error_text;
use crate::report::{Hex, Text};

/// Locks that are held and waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LocksFacts {
    /// Lockdep itself.
    pub lockdep: LockdepFacts,
    /// Tasks that hold locks; only kernels with lockdep record that.
    pub tasks: Vec<HolderFacts>,
    /// Tasks that wait for a lock.
    pub waiting: Vec<WaitingFacts>,
    /// Circles of tasks, each waiting for the next one.
    pub cycles: Vec<Vec<Who>>,
    /// All classes of locks; `None` where they were not asked for, or there is no lockdep.
    pub classes: Option<Vec<LockClassFacts>>,
    /// Why tasks, locks or classes are missing.
    pub incomplete_because: Vec<Text>,
}

/// The state of lockdep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockdepFacts {
    /// Whether the kernel records held locks at all.
    pub built_in: bool,
    /// `debug_locks`: false after a report, an oops, or for want of room.
    pub debug_locks: Option<bool>,
    /// How full its tables are.
    pub limits: Vec<LimitFacts>,
    /// The task inside lockdep when the machine died.
    pub inside: Option<Who>,
}

/// How full a table of lockdep is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitFacts {
    /// Which table.
    pub what: &'static str,
    /// Entries in use.
    pub used: u64,
    /// Entries that there are.
    pub max: Option<u64>,
}

/// A task by address, and by name where it is in the dump.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Who {
    /// Its `task_struct`.
    pub address: Hex,
    /// Thread id.
    pub pid: Option<i32>,
    /// Name.
    pub comm: Option<Text>,
}

/// A task that holds locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HolderFacts {
    /// The task.
    #[serde(flatten)]
    pub who: Who,
    /// The letter of ps(1).
    pub state: char,
    /// How many it holds by its own count.
    pub depth: u64,
    /// The locks, oldest first.
    pub held: Vec<HeldLockFacts>,
    /// Why locks are missing.
    pub incomplete_because: Option<Text>,
}

/// A lock that a task holds, as lockdep recorded it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeldLockFacts {
    /// Its place in the task's list, from 0.
    pub index: u64,
    /// The lock.
    pub address: Hex,
    /// The name of its class.
    pub name: Option<Text>,
    /// The four letters of the class's usage.
    pub usage: Option<String>,
    /// The class's wait types, `outer:inner`.
    pub wait: Option<String>,
    /// Where it was taken.
    pub at: Option<Text>,
    /// How it is held: 0 alone, 1 shared, 2 shared and recursive.
    pub read: u64,
    /// Whether it was taken by trylock.
    pub trylock: bool,
    /// Whether hard interrupts were off when it was taken.
    pub hardirqs_off: bool,
    /// Why its class is not known.
    pub error: Option<Text>,
}

/// A task that waits for a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WaitingFacts {
    /// The task.
    pub task: Who,
    /// The lock.
    pub lock: Hex,
    /// Its kind, in words.
    pub kind: String,
    /// Who owns it.
    pub owner: Option<Who>,
    /// How the owner is known.
    pub owner_known_by: Option<String>,
    /// Readers own it: the owner is the last of them.
    pub owned_by_readers: bool,
    /// How the lock is known.
    pub known_by: &'static str,
}

/// A class of locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockClassFacts {
    /// Its `struct lock_class`.
    pub address: Hex,
    /// Its name.
    pub name: Text,
    /// The four letters of its usage.
    pub usage: String,
    /// Its wait types, `outer:inner`.
    pub wait: Option<String>,
}

impl LocksFacts {
    pub(crate) fn read(kernel: &Kernel) -> virtopsy_kernel::Result<LocksFacts> {
        let tasks = kernel.tasks();
        let mut answer = LocksFacts {
            lockdep: LockdepFacts::read(kernel, &tasks)?,
            incomplete_because: tasks.broken.iter().map(error_text).collect(),
            ..LocksFacts::default()
        };
        let unwinder = kernel.unwinder();
        let mut waits = Vec::new();
        for task in &tasks.tasks {
            match kernel.held_locks(task.address) {
                Ok(held) if held.depth > 0 => answer.tasks.push(HolderFacts::new(task, &held)),
                Ok(_) => {}
                Err(e) if e.is_absent() => answer.lockdep.built_in = false,
                Err(e) => answer.incomplete_because.push(error_text(&e)),
            }
            waits.extend(waiting(kernel, &unwinder, task));
        }
        let cycle = |cycle: Vec<virtopsy_kernel::VirtAddr>| {
            let who = |task: virtopsy_kernel::VirtAddr| Who::of(&tasks, task.0);
            cycle.into_iter().map(who).collect()
        };
        answer.cycles = wait_cycles(&waits).into_iter().map(cycle).collect();
        let facts = |wait: Waiting| WaitingFacts::new(&wait, |at| Who::of(&tasks, at));
        answer.waiting = waits.into_iter().map(facts).collect();
        Ok(answer)
    }

    pub(crate) fn add_classes(&mut self, kernel: &Kernel) {
        let (classes, broken) = match kernel.lock_classes() {
            Ok(found) => found,
            // That there is no lockdep is told already.
            Err(e) if e.is_absent() => return,
            Err(e) => (Vec::new(), Some(e)),
        };
        self.classes = Some(classes.iter().map(LockClassFacts::from).collect());
        self.incomplete_because
            .extend(broken.as_ref().map(error_text));
    }
}

fn waiting(kernel: &Kernel, unwinder: &Unwinder<'_>, task: &TaskInfo) -> Option<Waiting> {
    // One that runs may spin; others wait only if they sleep.
    if task.running_on.is_none() && !matches!(task.state.letter(), 'S' | 'D') {
        return None;
    }
    let stack = unwinder.backtrace(Start::Task(task.address));
    let wait = kernel.waiting_for(task.address, &stack)?;
    (task.running_on.is_none() || wait.kind.spins()).then_some(wait)
}

impl LockdepFacts {
    fn read(kernel: &Kernel, tasks: &TaskList) -> virtopsy_kernel::Result<LockdepFacts> {
        let lockdep = match kernel.lockdep() {
            Ok(lockdep) => lockdep,
            Err(Error::NoSymbol { .. }) => return Ok(LockdepFacts::default()),
            Err(e) => return Err(e),
        };
        let limits = lockdep.limits.into_iter().map(|limit| LimitFacts {
            what: limit.what,
            used: limit.used,
            max: limit.max,
        });
        let inside = lockdep.graph_lock_owner;
        Ok(LockdepFacts {
            built_in: true,
            debug_locks: lockdep.on,
            limits: limits.collect(),
            inside: inside.map(|task| Who::of(tasks, task.0)),
        })
    }
}

impl Who {
    fn of(tasks: &TaskList, address: u64) -> Who {
        let task = tasks.tasks.iter().find(|task| task.address.0 == address);
        task.map_or_else(|| Who::at(address), Who::from)
    }

    /// A task of which no more is known.
    pub(super) fn at(address: u64) -> Who {
        Who {
            address: Hex(address),
            pid: None,
            comm: None,
        }
    }
}

impl From<&TaskInfo> for Who {
    fn from(task: &TaskInfo) -> Who {
        Who {
            address: Hex(task.address.0),
            pid: Some(task.pid),
            comm: Some(Text::new(task.comm.clone())),
        }
    }
}

impl HolderFacts {
    fn new(task: &TaskInfo, held: &HeldLocks) -> HolderFacts {
        HolderFacts {
            who: Who::from(task),
            state: task.state.letter(),
            depth: held.depth,
            held: held.locks.iter().map(HeldLockFacts::from).collect(),
            incomplete_because: held.broken.as_ref().map(error_text),
        }
    }
}

impl From<&HeldLock> for HeldLockFacts {
    fn from(lock: &HeldLock) -> HeldLockFacts {
        let class = lock.class.as_ref().ok();
        HeldLockFacts {
            index: lock.index,
            address: Hex(lock.instance.0),
            name: class.map(|class| Text::new(class.name.clone())),
            usage: class.map(|class| class.usage.clone()),
            wait: class.and_then(wait_types),
            at: lock.location.as_ref().map(|at| Text::from(at.to_string())),
            read: lock.read,
            trylock: lock.trylock,
            hardirqs_off: lock.hardirqs_off,
            error: lock.class.as_ref().err().map(error_text),
        }
    }
}

impl WaitingFacts {
    /// A wait; `who` knows the task at an address.
    pub(super) fn new(wait: &Waiting, who: impl Fn(u64) -> Who) -> WaitingFacts {
        WaitingFacts {
            task: who(wait.task.0),
            lock: Hex(wait.lock.0),
            kind: wait.kind.to_string(),
            owner: wait.owner.map(|owner| who(owner.0)),
            owner_known_by: wait.owner_known_by.map(|by| by.to_string()),
            owned_by_readers: wait.owned_by_readers,
            known_by: wait.known_by,
        }
    }
}

impl From<&LockClass> for LockClassFacts {
    fn from(class: &LockClass) -> LockClassFacts {
        LockClassFacts {
            address: Hex(class.address.0),
            name: Text::new(class.name.clone()),
            usage: class.usage.clone(),
            wait: wait_types(class),
        }
    }
}

fn wait_types(class: &LockClass) -> Option<String> {
    class.wait.map(|(outer, inner)| format!("{outer}:{inner}"))
}
