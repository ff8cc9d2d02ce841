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

mod class;
mod graph;
mod held;

pub use class::{LockClass, usage_letters};
pub use graph::{LockLink, LockPath, LockUse};
pub use held::{HeldLock, HeldLocks};

use virtopsy_debuginfo::{TypeSourceExt as _, VirtAddr};

use crate::error::Result;
use crate::kernel::Kernel;

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
