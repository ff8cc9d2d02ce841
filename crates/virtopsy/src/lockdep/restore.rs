//! What a report in the log has lost, from lockdep's memory.

use virtopsy_kernel::{
    Backtrace, FoundBy, HeldLocks, Kernel, Location, LockClass, LockPath, LockUse, VirtAddr,
};

use super::cycle::{self, Cycle};
use super::task_of;
use crate::report::Text;
use virtopsy_klog::{
    ChainEntry, Frame, HeldLock, Kind, Lock, Missing, Splat, UsageChange, UsageTrace,
};

/// The held locks, the lock that was to be taken, and the chain or the irq state behind it, of the
/// report that switched lockdep off. What lockdep learned stays when the task of the report has ended.
pub(super) fn restore(kernel: &Kernel, splat: &mut Splat) {
    if !splat.cut {
        return;
    }
    let known = splat.from_memory.len();
    let task = task_of(kernel, splat);
    let held = task.and_then(|task| Some((kernel.held_locks(task.address).ok()?, task.address)));
    if let Some((in_memory, task)) = &held {
        let source = format!("held_locks of the task_struct at {:#x}", task.0);
        held_locks(splat, in_memory, &source);
        taken_lock(splat, in_memory, &source);
    }
    match splat.kind {
        Kind::Circular => chain(kernel, splat, held.as_ref().map(|(locks, _)| locks)),
        Kind::InconsistentState => irq_state(kernel, splat),
        _ => {}
    }
    if splat.from_memory.len() != known {
        splat.complete();
    }
}

fn held_locks(splat: &mut Splat, in_memory: &HeldLocks, source: &str) {
    let listed = u32::try_from(splat.held.len()).unwrap_or(u32::MAX);
    if in_memory.broken.is_some() || splat.held_declared.is_some_and(|n| listed >= n) {
        return;
    }
    splat.held_declared = u32::try_from(in_memory.depth).ok();
    splat.held = in_memory.locks.iter().filter_map(held).collect();
    splat
        .missing
        .retain(|m| !matches!(m, Missing::HeldLocks { .. }));
    splat.from_memory.push(format!(
        "its held locks: {source}, which nothing has changed since lockdep went off"
    ));
}

/// What stands behind the held locks, when the trace shows that acquisition.
fn taken_lock(splat: &mut Splat, in_memory: &HeldLocks, source: &str) {
    let Some(behind) = &in_memory.behind else {
        return;
    };
    if splat.lock.is_some() || !is_about_a_taken_lock(splat.kind) {
        return;
    }
    let taker = behind.location.as_ref().map(|l| l.symbol.as_str());
    let shown = taker.is_some_and(|f| splat.trace.iter().any(|frame| frame.function == f));
    if let Some(found) = held(behind).filter(|_| shown) {
        splat.lock = Some(found.lock);
        splat.from_memory.push(format!(
            "the lock that was to be taken: entry {} of {source}, whose place of acquisition stands in the trace",
            behind.index
        ));
    }
}

/// The links that the log has lost, and the lock that closes the cycle.
fn chain(kernel: &Kernel, splat: &mut Splat, locks: Option<&HeldLocks>) {
    if !splat.beheaded {
        return; // the highest links are printed first: those that are there are all
    }
    let cycle = locks
        .and_then(|locks| cycle::closed_by(kernel, locks))
        .filter(|cycle| the_two_locks(splat, cycle));
    let way = cycle.map_or_else(|| way_by_name(kernel, splat), way_of);
    let Some((from, to, path)) = way else {
        return;
    };
    let Some(entries) = merged(kernel, splat, &from, &path) else {
        return;
    };
    splat.chain = entries;
    splat.from_memory.push(format!(
        "its dependency chain: the shortest way through lockdep's dependencies from the class at {:#x} to the one at {:#x}, which is what lockdep prints",
        from.address.0, to.0
    ));
}

/// Where a way through the dependencies begins, where it ends, and the way.
type Way = (LockClass, VirtAddr, LockPath);

/// The way that the search for the cycle has found.
fn way_of(cycle: Cycle<'_>) -> Option<Way> {
    let class = |lock: &virtopsy_kernel::HeldLock| lock.class.as_ref().ok().cloned();
    Some((class(cycle.taken)?, class(cycle.held)?.address, cycle.path))
}

/// The way between the classes that the report names, where its task tells nothing.
fn way_by_name(kernel: &Kernel, splat: &Splat) -> Option<Way> {
    let classes = classes(kernel);
    let from = named(&classes, splat.lock.as_ref()?)?;
    let to = named(&classes, splat.other_lock.as_ref()?)?.address;
    let path = kernel.lock_path(from.address, to, false).ok()??;
    Some((from.clone(), to, path))
}

/// The lock classes that can be read.
fn classes(kernel: &Kernel) -> Vec<LockClass> {
    kernel
        .lock_classes()
        .map_or_else(|_| Vec::new(), |(all, _)| all)
}

/// The lock that is taken and the one that is held; false where the report names others.
fn the_two_locks(splat: &mut Splat, cycle: &Cycle<'_>) -> bool {
    let (Some(taken), Some(holds)) = (held(cycle.taken), held(cycle.held)) else {
        return false;
    };
    let fits = |shown: &Option<Lock>, found: &HeldLock| {
        shown.as_ref().is_none_or(|l| l.name == found.lock.name)
    };
    if !fits(&splat.lock, &taken) || !fits(&splat.other_lock, &holds) {
        return false;
    }
    splat.from_memory.push(format!(
        "where {} was to be taken and {} is held: the held_locks of its task",
        taken.lock.name, holds.lock.name
    ));
    splat.lock = Some(taken.lock);
    splat.other_lock = Some(holds.lock);
    true
}

/// The one class of that name.
fn named<'a>(classes: &'a [LockClass], lock: &Lock) -> Option<&'a LockClass> {
    let mut all = classes
        .iter()
        .filter(|class| Text::new(class.name.clone()).to_string() == lock.name);
    let found = all.next()?;
    all.next().is_none().then_some(found)
}

/// The chain with the links of memory where the log has none; nothing when they contradict each other.
fn merged(
    kernel: &Kernel,
    splat: &Splat,
    from: &LockClass,
    path: &LockPath,
) -> Option<Vec<ChainEntry>> {
    let own = splat.trace.iter().filter(|f| f.reliable).cloned().collect();
    let mut out = vec![ChainEntry {
        index: 0,
        lock: class_of(from),
        trace: own,
    }];
    for (index, link) in (1u32..).zip(&path.links) {
        out.push(ChainEntry {
            index,
            lock: class_of(&link.class),
            trace: frames(kernel, &link.trace),
        });
    }
    for printed in &splat.chain {
        let entry = out.iter_mut().find(|e| e.index == printed.index)?;
        if entry.lock.name != printed.lock.name {
            return None;
        }
        entry.clone_from(printed);
    }
    out.reverse(); // as it is printed
    Some(out)
}

/// The state that the lock had before, where it got it, and the one that this use adds.
fn irq_state(kernel: &Kernel, splat: &mut Splat) {
    let Some(lock) = splat.lock.as_ref().filter(|_| splat.registered.is_none()) else {
        return;
    };
    let classes = classes(kernel);
    let class = named(&classes, lock);
    let Some(uses) = class.and_then(|class| kernel.lock_uses(class.address).ok()) else {
        return;
    };
    let Some((before, now)) = contradiction(kernel, &uses, &splat.trace) else {
        return;
    };
    splat.usage_change.get_or_insert_with(|| UsageChange {
        from: before.state.to_owned(),
        to: now.state.to_owned(),
    });
    splat.registered = Some(UsageTrace {
        state: before.state.to_owned(),
        trace: frames(kernel, &before.trace),
    });
    splat.from_memory.push(format!(
        "where the lock got into the state {}: usage_traces of its class, which has both states that exclude each other",
        before.state
    ));
}

/// Two uses of a class that exclude each other: the one before, and the one that the trace shows.
fn contradiction<'a>(
    kernel: &Kernel,
    uses: &'a [LockUse],
    trace: &[Frame],
) -> Option<(&'a LockUse, &'a LockUse)> {
    let shown: Vec<&str> = trace.iter().map(|f| f.function.as_str()).collect();
    let is_shown = |one: &LockUse| {
        let frames = frames(kernel, &one.trace);
        !frames.is_empty() && frames.iter().all(|f| shown.contains(&f.function.as_str()))
    };
    let mut found = None;
    for now in uses.iter().filter(|one| is_shown(one)) {
        for before in uses.iter().filter(|one| exclude(one.state, now.state)) {
            // More than one pair would be a guess.
            if found.replace((before, now)).is_some() {
                return None;
            }
        }
    }
    found
}

/// Used in an irq and with that irq on, and not both times only to read.
fn exclude(one: &str, other: &str) -> bool {
    let parts = |state: &str| {
        let (rest, used_in) = match state.strip_prefix("IN-") {
            Some(rest) => (rest.to_owned(), true),
            None => (state.replacen("-ON-", "-", 1), false),
        };
        let (irq, mode) = rest.rsplit_once('-')?;
        Some((irq.to_owned(), used_in, mode == "R"))
    };
    match (parts(one), parts(other)) {
        (Some((a, in_a, read_a)), Some((b, in_b, read_b))) => {
            a == b && in_a != in_b && !(read_a && read_b)
        }
        _ => false,
    }
}

/// The kinds printed by `__lock_acquire()`, which has filled in the lock by then. An inconsistent state
/// may be found at another place too, but then the trace does not show the acquisition.
fn is_about_a_taken_lock(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Circular
            | Kind::Recursive
            | Kind::IrqOrder
            | Kind::InconsistentState
            | Kind::InvalidWaitContext
            | Kind::NestedNotHeld
    )
}

/// A lock of memory as the log would have it.
pub(super) fn held(lock: &virtopsy_kernel::HeldLock) -> Option<HeldLock> {
    let mut found = class_of(lock.class.as_ref().ok()?);
    found.address = Some(format!("{:#x}", lock.instance.0));
    found.at = lock.location.as_ref().map(ToString::to_string);
    Some(HeldLock::new(u32::try_from(lock.index).ok()?, found))
}

/// A class of memory as the log would have it.
fn class_of(class: &LockClass) -> Lock {
    let mut found = Lock::named(&Text::new(class.name.clone()).to_string());
    found.usage = Some(class.usage.clone());
    found.wait = class.wait.map(|(outer, inner)| format!("{outer}:{inner}"));
    found
}

/// Addresses as the lines of a trace that lockdep has stored.
fn frames(kernel: &Kernel, trace: &[VirtAddr]) -> Vec<Frame> {
    trace
        .iter()
        .map(|at| frame(*at, kernel.locate(*at), true))
        .collect()
}

/// A stack as the lines of a backtrace.
pub(super) fn trace(stack: &Backtrace) -> Vec<Frame> {
    stack
        .frames
        .iter()
        .map(|f| {
            let guess = f.after_guess || f.found_by == FoundBy::Scan;
            frame(f.ip, f.location.clone(), !guess)
        })
        .collect()
}

fn frame(at: VirtAddr, location: Option<Location>, reliable: bool) -> Frame {
    match location {
        Some(location) => Frame {
            function: location.symbol,
            offset: Some(format!("{:#x}", location.offset)),
            size: location.size.map(|size| format!("{size:#x}")),
            module: location.module,
            reliable,
            ..Frame::default()
        },
        None => Frame {
            function: format!("{:#x}", at.0),
            reliable,
            ..Frame::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_exclude_each_other_are_of_one_irq_and_not_both_read() {
        for (one, other, want) in [
            ("IN-HARDIRQ-W", "HARDIRQ-ON-W", true),
            ("HARDIRQ-ON-R", "IN-HARDIRQ-W", true),
            ("IN-HARDIRQ-R", "HARDIRQ-ON-R", false),
            ("IN-HARDIRQ-W", "SOFTIRQ-ON-W", false),
            ("IN-SOFTIRQ-W", "IN-SOFTIRQ-R", false),
            ("INITIAL USE", "IN-HARDIRQ-W", false),
            ("INITIAL USE", "INITIAL READ USE", false),
        ] {
            assert_eq!(exclude(one, other), want, "{one}, {other}");
        }
    }
}
