//! The lock that a task itself names.

use virtopsy_debuginfo::{Type, TypeSourceExt as _, VirtAddr};

use super::LockKind;
use crate::object::Object;

/// The lock, its kind, and the member that names it.
type Named = (VirtAddr, LockKind, &'static str);

pub(super) fn named(task: &Object<'_>) -> Option<Named> {
    pi_blocked_on(task)
        .or_else(|| blocked_on(task))
        .or_else(|| blocker(task))
}

/// `struct rt_mutex_waiter { …; struct rt_mutex_base *lock; … }`.
fn pi_blocked_on(task: &Object<'_>) -> Option<Named> {
    let waiter = task.field("pi_blocked_on").ok()?.deref().ok()??;
    let lock = waiter.field("lock").ok()?.pointer().ok()?;
    (lock.0 != 0).then_some((lock, LockKind::RtMutex, "pi_blocked_on"))
}

/// `blocked_on` of 6.18: until then, with DEBUG_MUTEXES, the member was the waiter.
fn blocked_on(task: &Object<'_>) -> Option<Named> {
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

fn blocker(task: &Object<'_>) -> Option<Named> {
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
