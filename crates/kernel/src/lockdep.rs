//! Locks as lockdep keeps them in memory: what each task holds, of which class, and how much of
//! lockdep's tables is used.
//!
//! ```text
//!  task_struct: int lockdep_depth │ struct held_lock held_locks[48]
//!  held_lock:   acquire_ip │ instance ─► lockdep_map │ class_idx:13 ─► lock_classes[] │ flags
//! ```
//! `class_idx` counts from 0 since 5.2, from 1 before, where 0 is a lock that was released; the
//! bitmap `lock_classes_in_use` came with that change. What a task holds is recorded before it
//! waits, so the last lock of a task that sleeps may be one that it waits for. Source:
//! include/linux/lockdep_types.h, kernel/locking/lockdep.c.

use virtopsy_debuginfo::{TypeSourceExt as _, VirtAddr};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;
use crate::symbols::Location;

/// Most locks of one task: `MAX_LOCK_DEPTH` is 48.
const MAX_DEPTH: u64 = 256;
/// Most classes that are listed: `MAX_LOCKDEP_KEYS` is 8192.
const MAX_CLASSES: u64 = 1 << 16;
/// Longest bitmap that is counted, in bytes.
const MAX_BITMAP: u64 = 1 << 20;

/// What lockdep says of itself.
#[derive(Clone, Debug, Default)]
pub struct Lockdep {
    /// `debug_locks`: `false` after the first report, after an oops, or when it ran out of room:
    /// what is held is then no longer recorded.
    pub on: Option<bool>,
    /// Tables, and how much of each is used.
    pub limits: Vec<Limit>,
    /// The task that held lockdep's own lock, if one did: the crash was inside lockdep.
    pub graph_lock_owner: Option<VirtAddr>,
}

/// One of lockdep's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it holds.
    pub what: &'static str,
    /// Entries in use.
    pub used: u64,
    /// Entries that there are. From kallsyms this can be a few too many, as it takes the distance
    /// to the next symbol for the table's size.
    pub max: Option<u64>,
}

/// A lock class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockClass {
    /// Where its `struct lock_class` is.
    pub address: VirtAddr,
    /// As lockdep prints it: `&mm->mmap_lock`, `key#2/1`.
    pub name: Vec<u8>,
    /// The four letters: hardirq, hardirq read, softirq, softirq read. `.` not there, `-` used in,
    /// `+` used with them enabled, `?` both.
    pub usage: String,
    /// Wait types, outer and inner, as lockdep prints them: an outer one of 0 is the inner one.
    pub wait: Option<(u64, u64)>,
}

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
    /// Why not all could be read.
    pub broken: Option<Error>,
}

impl Kernel {
    /// Lockdep's own state.
    ///
    /// # Errors
    /// [`Error::NoSymbol`] where the kernel is built without lock debugging.
    pub fn lockdep(&self) -> Result<Lockdep> {
        let on = self
            .space()
            .u32(self.symbol("debug_locks")?)
            .ok()
            .map(|on| on != 0);
        let owner = self
            .symbol("__owner")
            .and_then(|at| self.space().pointer(at))
            .ok();
        Ok(Lockdep {
            on,
            limits: limits(self),
            graph_lock_owner: owner.filter(|owner| owner.0 != 0),
        })
    }

    /// The locks that a task holds.
    ///
    /// # Errors
    /// Where the kernel is built without lockdep ([`Error::is_absent`]), or the task can't be read.
    pub fn held_locks(&self, task: VirtAddr) -> Result<HeldLocks> {
        let task = self.object(task, "struct task_struct")?;
        let held = task.field("held_locks")?;
        let depth = task.field("lockdep_depth")?.u64()?;
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
        }
        Ok(out)
    }

    /// All lock classes in use, in the order in which they were registered.
    ///
    /// # Errors
    /// Where the kernel is built without lockdep, or its table can't be found. A class that can't be
    /// read is left out, and the first error told.
    pub fn lock_classes(&self) -> Result<(Vec<LockClass>, Option<Error>)> {
        let table = self.symbols()?.first_of(&["lock_classes"])?;
        let probe = self.object(VirtAddr(0), "struct lock_class")?;
        let room = table.size.unwrap_or(0).checked_div(probe.size()?);
        // Since 5.2 classes are freed again: those in use may stand anywhere in the table.
        let (mut classes, mut broken) = (Vec::new(), None);
        for index in 0..room.unwrap_or(0).min(MAX_CLASSES) {
            let at = table
                .address
                .0
                .wrapping_add(index.wrapping_mul(probe.size()?));
            let read = self
                .object(VirtAddr(at), "struct lock_class")
                .and_then(|class| match class.field("key")?.u64()? {
                    0 => Ok(None),
                    _ => self.describe_class(&class).map(Some),
                });
            match read {
                Ok(class) => classes.extend(class),
                Err(e) => {
                    broken.get_or_insert(e);
                }
            }
        }
        Ok((classes, broken))
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

    fn lock_class(&self, index: u64) -> Result<LockClass> {
        let table = self.symbol("lock_classes")?;
        let since_5_2 = self.symbol("lock_classes_in_use");
        let index = match &since_5_2 {
            Ok(_) => Some(index),
            Err(_) => index.checked_sub(1),
        };
        let index = index.ok_or_else(|| unused(table, index.unwrap_or(0)))?;
        let probe = self.object(VirtAddr(0), "struct lock_class")?;
        let at = table.0.wrapping_add(index.wrapping_mul(probe.size()?));
        let class = self.object(VirtAddr(at), "struct lock_class")?;
        if class.field("key")?.u64()? == 0 {
            return Err(unused(VirtAddr(at), index));
        }
        self.describe_class(&class)
    }

    fn describe_class(&self, class: &Object<'_>) -> Result<LockClass> {
        let number = |name: &str| class.field(name).and_then(|f| f.u64());
        let name = class.field("name")?;
        let mut text = match name.pointer()? {
            // A class without a name is that of a static lock: its key names it.
            VirtAddr(0) => match self.locate(VirtAddr(number("key")?)) {
                Some(location) => location.symbol.into_bytes(),
                None => Vec::new(),
            },
            _ => name.string()?,
        };
        if let Some(version) = number("name_version").ok().filter(|version| *version > 1) {
            text.extend(format!("#{version}").into_bytes());
        }
        if let Some(subclass) = number("subclass").ok().filter(|subclass| *subclass != 0) {
            text.extend(format!("/{subclass}").into_bytes());
        }
        let outer = number("wait_type_outer").ok();
        let wait = outer.zip(number("wait_type_inner").ok());
        let wait = wait.map(|(outer, inner)| (if outer == 0 { inner } else { outer }, inner));
        let usage = usage_letters(number("usage_mask")?);
        Ok(LockClass {
            address: class.address,
            name: text,
            usage,
            wait,
        })
    }
}

fn unused(at: VirtAddr, index: u64) -> Error {
    Error::Implausible {
        what: format!("lock class {index}"),
        at,
        found: "not in use".into(),
    }
}

/// The four letters of a class. Source: `get_usage_char()`, kernel/locking/lockdep.c; bits 0 and 1
/// are "used in a hardirq" (exclusive, shared), 2 and 3 "taken with hardirqs on", 4 to 7 the same
/// for softirqs.
pub fn usage_letters(mask: u64) -> String {
    let letter = |used: u32, enabled: u32| match (mask >> used & 1, mask >> enabled & 1) {
        (0, 0) => '.',
        (1, 0) => '-',
        (0, 1) => '+',
        _ => '?',
    };
    [letter(0, 2), letter(1, 3), letter(4, 6), letter(5, 7)]
        .iter()
        .collect()
}

/// Each table's use, and its size by that of its symbol.
fn limits(kernel: &Kernel) -> Vec<Limit> {
    let counter = |name: &str| {
        let at = kernel.symbol(name).ok()?;
        kernel.space().u64(at).ok()
    };
    let size = |name: &str| kernel.symbols().ok()?.get(name)?.size;
    let element = |name: &str| {
        let ty = kernel.type_named(name).ok()?;
        ty.source.size_of(ty.id).ok().filter(|size| *size != 0)
    };
    let entries = |table: &str, of: &str| Some(size(table)? / element(of)?);
    let mut out = Vec::new();
    let mut add = |what, used: Option<u64>, max| {
        if let Some(used) = used {
            out.push(Limit { what, used, max });
        }
    };
    add(
        "lock classes",
        counter("nr_lock_classes"),
        entries("lock_classes", "struct lock_class"),
    );
    add(
        "dependencies",
        counter("nr_list_entries"),
        entries("list_entries", "struct lock_list"),
    );
    add(
        "chains",
        bits(kernel, "lock_chains_in_use"),
        entries("lock_chains", "struct lock_chain"),
    );
    let traces = size("stack_trace").map(|bytes| bytes / 8);
    add(
        "stack trace words",
        counter("nr_stack_trace_entries"),
        traces,
    );
    out
}

/// Bits that are set in a bitmap.
fn bits(kernel: &Kernel, name: &str) -> Option<u64> {
    let symbol = kernel.symbols().ok()?.get(name)?;
    let len = symbol.size.filter(|size| *size <= MAX_BITMAP)?;
    let bytes = kernel.space().bytes(symbol.address, len as usize).ok()?;
    Some(bytes.iter().map(|b| u64::from(b.count_ones())).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_letters_are_lockdeps_own() {
        assert_eq!(usage_letters(0), "....");
        assert_eq!(usage_letters(1 << 8), "....", "merely used");
        assert_eq!(usage_letters(1 << 2 | 1 << 6), "+.+.");
        assert_eq!(usage_letters(1), "-...");
        assert_eq!(usage_letters(1 | 1 << 2 | 1 << 4), "?.-.");
        assert_eq!(usage_letters(1 << 1 | 1 << 3 | 1 << 7), ".?.+");
    }
}
