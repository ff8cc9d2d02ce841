//! The cycle that a task was about to close when lockdep stopped it.

use virtopsy_kernel::{HeldLock, HeldLocks, Kernel, LockPath};

/// A task holds one lock and takes another, which is taken over others before the first elsewhere.
pub(super) struct Cycle<'a> {
    pub(super) taken: &'a HeldLock,
    pub(super) held: &'a HeldLock,
    /// From the class of `taken` to that of `held`.
    pub(super) path: LockPath,
}

/// The cycle that the lock behind the held ones closes, if it closes one.
///
/// The place behind the held locks may be left over: from other locks that were held then, which their
/// hash tells; or from a lock that was taken and released again, whose dependency is stored, which that
/// being checked is not before it has passed.
pub(super) fn closed_by<'a>(kernel: &Kernel, locks: &'a HeldLocks) -> Option<Cycle<'a>> {
    let taken = locks.behind.as_ref().filter(|_| locks.behind_follows)?;
    let from = taken.class.as_ref().ok()?;
    let reads = taken.read == 2;
    for held in checked(&locks.locks) {
        let Ok(to) = held.class.as_ref() else {
            continue;
        };
        if from.address == to.address {
            continue;
        }
        let Ok(Some(path)) = kernel.lock_path(from.address, to.address, reads) else {
            continue;
        };
        let stored = kernel
            .lock_path(to.address, from.address, false)
            .ok()
            .flatten()
            .is_some_and(|back| back.links.len() == 1);
        if !stored {
            return Some(Cycle { taken, held, path });
        }
    }
    None
}

/// The held locks that an acquisition is checked against (`check_prevs_add()`): from the newest back
/// to the first that was waited for.
fn checked(locks: &[HeldLock]) -> impl Iterator<Item = &HeldLock> {
    let mut waited = false;
    locks.iter().rev().take_while(move |held| {
        let checked = !waited;
        waited |= !held.trylock;
        checked
    })
}
