//! A task's waiter, which stands on its own stack while it sleeps.
//!
//! ```text
//!  mutex { …, list_head wait_list }          mutex_waiter     { list_head list; task_struct *task; … }
//!  rw_semaphore, semaphore: likewise         rwsem_waiter, semaphore_waiter: likewise
//!
//!  wait_list ◄──► waiter of task A ◄──► waiter of task B ◄──► back to wait_list
//! ```
//! A waiter is believed if it names the task and its neighbours in the list name it. The list's
//! head is the one node that is no waiter on the stack of the task that it would name.

use virtopsy_debuginfo::VirtAddr;

use super::LockKind;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::unwind::Backtrace;

/// How much of a stack above the stack pointer is looked through: `schedule()` and the function
/// that waits.
const SEARCHED: u64 = 2048;
/// The most waiters of one lock that are passed.
const MAX_WAITERS: usize = 4096;

/// Offsets in a waiter and in its lock, in bytes.
#[derive(Clone, Copy, Debug)]
struct Layout {
    list: u64,
    task: u64,
    wait_list: u64,
}

impl Kernel {
    /// The lock whose list of waiters the task's waiter is in.
    pub(super) fn by_waiter(
        &self,
        task: VirtAddr,
        kind: LockKind,
        stack: &Backtrace,
    ) -> Option<(VirtAddr, LockKind, &'static str)> {
        let layout = self.waiter_layout(kind)?;
        let range = self.task_stack_range(task).ok()?;
        let from = VirtAddr(stack.registers?.values.rsp);
        if !range.contains(from) {
            return None;
        }
        let searched = range.top.0.saturating_sub(from.0).min(SEARCHED) & !7;
        let found = self.stack_at(VirtAddr(from.0 & !7), searched).ok()?;
        let named = |(at, word): &(VirtAddr, u64)| {
            let waiter = VirtAddr(at.0.wrapping_sub(layout.task));
            *word == task.0 && self.is_linked(waiter, layout)
        };
        let (at, _) = found.from_top().find(named)?;
        let head = self.list_head(VirtAddr(at.0.wrapping_sub(layout.task)), layout)?;
        let lock = VirtAddr(head.0.wrapping_sub(layout.wait_list));
        Some((lock, kind, "its waiter in the lock's list"))
    }

    fn waiter_layout(&self, kind: LockKind) -> Option<Layout> {
        let waiter = match kind {
            LockKind::Mutex => "struct mutex_waiter",
            LockKind::RwSemaphore => "struct rwsem_waiter",
            LockKind::Semaphore => "struct semaphore_waiter",
            LockKind::RtMutex | LockKind::Spinlock | LockKind::RwLock => return None,
        };
        let waiter = self.object(VirtAddr(0), waiter).ok()?;
        let lock = self.object(VirtAddr(0), kind.structure()).ok()?;
        Some(Layout {
            list: waiter.field("list").ok()?.address.0,
            task: waiter.field("task").ok()?.address.0,
            wait_list: lock.field("wait_list").ok()?.address.0,
        })
    }

    /// Whether the neighbours of a waiter in the list lead back to it.
    fn is_linked(&self, waiter: VirtAddr, layout: Layout) -> bool {
        let node = waiter.0.wrapping_add(layout.list);
        let linked = || -> Result<bool> {
            let next = self.space().u64(VirtAddr(node))?;
            let back = self.space().u64(VirtAddr(next.wrapping_add(8)))?;
            let previous = self.space().u64(VirtAddr(node.wrapping_add(8)))?;
            let forth = self.space().u64(VirtAddr(previous))?;
            Ok(next != node && back == node && forth == node)
        };
        linked().unwrap_or(false)
    }

    /// The head of the list that a waiter is in.
    fn list_head(&self, waiter: VirtAddr, layout: Layout) -> Option<VirtAddr> {
        let first = waiter.0.wrapping_add(layout.list);
        let mut node = first;
        for _ in 0..MAX_WAITERS {
            node = self.space().u64(VirtAddr(node)).ok()?;
            if node == first {
                return None;
            }
            if !self.is_waiter(VirtAddr(node.wrapping_sub(layout.list)), layout) {
                return Some(VirtAddr(node));
            }
        }
        None
    }

    /// Whether a node's task is one on whose stack the node stands.
    fn is_waiter(&self, waiter: VirtAddr, layout: Layout) -> bool {
        let task = VirtAddr(waiter.0.wrapping_add(layout.task));
        let task = self.space().pointer(task);
        let range = task.and_then(|task| self.task_stack_range(task));
        range.is_ok_and(|range| range.contains(waiter))
    }
}
