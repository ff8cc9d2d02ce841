//! What lockdep has learned: which class was taken while another was held, in which irq states a
//! class was used, and where each happened first.
//!
//! ```text
//!  lock_class: locks_after ─► lock_list ─► lock_list ─► …     usage_traces[] ─► lock_trace
//!  lock_list:  class (the one taken) │ dep │ trace ─► lock_trace
//!  lock_trace: nr_entries │ entries[]                         (up to 5.3 see `Kernel::lock_trace`)
//! ```
//! A report of a circular dependency prints the shortest path from the class that was to be taken to
//! one that is held; the search here takes the same steps, so it finds the same path. Source:
//! kernel/locking/lockdep.c (`__bfs()`, `check_noncircular()`, `print_circular_bug()`).

use std::collections::{HashSet, VecDeque};

use virtopsy_debuginfo::VirtAddr;

use super::class::LockClass;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::list;
use crate::object::Object;

/// Most dependencies that a search looks at: `MAX_LOCKDEP_ENTRIES` is 32768, or set at build.
const MAX_DEPENDENCIES: usize = 1 << 20;
/// Most return addresses of a stored trace; lockdep bounds them only by its table, a stack by its size.
const MAX_TRACE: u64 = 512;

/// `dep` bits of a dependency whose first lock was only read: a recursive reader in front of it waits
/// for nobody there.
const DEP_READ_FIRST: u64 = 1 << 0 | 1 << 2;
/// `dep` bits of a dependency whose second lock is not taken as a recursive reader.
const DEP_WAITS: u64 = 1 << 2 | 1 << 3;

/// A class on the way, and where it was taken while the one before it was held.
#[derive(Clone, Debug)]
pub struct LockLink {
    /// The class.
    pub class: LockClass,
    /// Return addresses, innermost first.
    pub trace: Vec<VirtAddr>,
}

/// A way through the dependencies: each class was taken while the one before was held; the first
/// link's while the class that the search began with was.
#[derive(Clone, Debug, Default)]
pub struct LockPath {
    /// At least one.
    pub links: Vec<LockLink>,
}

/// An irq state in which a class was used, and where for the first time.
#[derive(Clone, Debug)]
pub struct LockUse {
    /// As lockdep prints it: `IN-HARDIRQ-W`, `SOFTIRQ-ON-R`, `INITIAL USE`.
    pub state: &'static str,
    /// Return addresses, innermost first.
    pub trace: Vec<VirtAddr>,
}

/// The states in the order of `usage_traces`, since RECLAIM_FS went (4.14).
const STATES: &[&str] = &[
    "IN-HARDIRQ-W",
    "IN-HARDIRQ-R",
    "HARDIRQ-ON-W",
    "HARDIRQ-ON-R",
    "IN-SOFTIRQ-W",
    "IN-SOFTIRQ-R",
    "SOFTIRQ-ON-W",
    "SOFTIRQ-ON-R",
    "INITIAL USE",
    "INITIAL READ USE",
];

/// A step of the search.
struct Step {
    class: VirtAddr,
    /// The dependency that led here, and the step that it began at.
    by: Option<(VirtAddr, usize)>,
    /// Here only as a recursive reader.
    only_reads: bool,
}

impl Kernel {
    /// The shortest way from one lock class to another, if lockdep knows one. `reads` says that the
    /// first is taken as a recursive reader, which does not wait for other readers.
    ///
    /// # Errors
    /// Where the kernel is built without lockdep ([`Error::is_absent`]); where a part of the graph
    /// can't be read and no way was found beside it.
    pub fn lock_path(&self, from: VirtAddr, to: VirtAddr, reads: bool) -> Result<Option<LockPath>> {
        let mut steps = vec![Step {
            class: from,
            by: None,
            only_reads: reads,
        }];
        let (mut due, mut seen) = (VecDeque::from([0]), HashSet::new());
        let mut broken = None;
        while let Some(at) = due.pop_front() {
            let Some(&Step {
                class, only_reads, ..
            }) = steps.get(at)
            else {
                break;
            };
            if !seen.insert(class) {
                continue;
            }
            if class == to && at != 0 {
                return self.links(&steps, at).map(Some);
            }
            let left = MAX_DEPENDENCIES.saturating_sub(steps.len());
            let after = match self.locks_after(class, left) {
                Ok((after, None)) => after,
                Ok((after, Some(e))) => {
                    broken.get_or_insert(e);
                    after
                }
                Err(e) => {
                    broken.get_or_insert(e);
                    continue;
                }
            };
            for entry in after {
                match self.step(entry, at, only_reads) {
                    Ok(Some(step)) => {
                        due.push_back(steps.len());
                        steps.push(step);
                    }
                    Ok(None) => {}
                    Err(e) => {
                        broken.get_or_insert(e);
                    }
                }
            }
        }
        broken.map_or(Ok(None), Err)
    }

    /// The states in which a class was used.
    ///
    /// # Errors
    /// As [`Kernel::lock_path`]; [`Error::is_absent`] too where the states are those before 4.14.
    pub fn lock_uses(&self, class: VirtAddr) -> Result<Vec<LockUse>> {
        let class = self.object(class, "struct lock_class")?;
        let mask = class.field("usage_mask")?.u64()?;
        let traces = class.field("usage_traces")?;
        let count = traces.count()?;
        if count > STATES.len() as u64 {
            return Err(Error::Implausible {
                what: "usage_traces of a lock class".into(),
                at: class.address,
                found: format!("{count} states, of {} that are known", STATES.len()),
            });
        }
        let mut out = Vec::new();
        for (bit, state) in (0..count).zip(STATES) {
            if mask >> bit & 1 == 1 {
                let trace = self.lock_trace(&traces.index(bit)?)?;
                out.push(LockUse { state, trace });
            }
        }
        Ok(out)
    }

    /// The dependencies that begin at a class, as addresses of their `lock_list`.
    fn locks_after(&self, class: VirtAddr, limit: usize) -> Result<(Vec<VirtAddr>, Option<Error>)> {
        let head = self
            .object(class, "struct lock_class")?
            .field("locks_after")?;
        let probe = self.object(VirtAddr(0), "struct lock_list")?;
        let entry = probe.field("entry")?.address.0;
        let walk = list::walk(self.space(), "locks_after", head.address, limit);
        let entries = walk.entries.into_iter();
        let entries = entries.map(|at| list::container_of(at, entry)).collect();
        Ok((entries, walk.broken))
    }

    /// Where a dependency leads; nowhere when the class before it is only read and it is only a reader's.
    fn step(&self, entry: VirtAddr, from: usize, only_reads: bool) -> Result<Option<Step>> {
        let entry = self.object(entry, "struct lock_list")?;
        // Before 5.10 readers were not told apart.
        let dep = match entry.field("dep") {
            Ok(dep) => dep.u64()?,
            Err(e) if e.is_absent() => DEP_WAITS,
            Err(e) => return Err(e),
        };
        let dep = if only_reads {
            dep & !DEP_READ_FIRST
        } else {
            dep
        };
        if dep == 0 {
            return Ok(None);
        }
        Ok(Some(Step {
            class: entry.field("class")?.pointer()?,
            by: Some((entry.address, from)),
            only_reads: dep & DEP_WAITS == 0,
        }))
    }

    /// The way to a step, from its beginning.
    fn links(&self, steps: &[Step], last: usize) -> Result<LockPath> {
        let mut links = Vec::new();
        let mut at = steps.get(last);
        while let Some((entry, from)) = at.and_then(|step| step.by) {
            let entry = self.object(entry, "struct lock_list")?;
            let class = self.object(entry.field("class")?.pointer()?, "struct lock_class")?;
            links.push(LockLink {
                class: self.describe_class(&class)?,
                trace: self.lock_trace(&entry.field("trace")?)?,
            });
            at = steps.get(from);
        }
        links.reverse();
        Ok(LockPath { links })
    }

    /// A stored trace, from the member that has it: since 5.4 a pointer to `struct lock_trace`, in
    /// 5.2 and 5.3 that structure with an index into `stack_trace[]`, before a `struct stack_trace`
    /// with a pointer into it.
    fn lock_trace(&self, member: &Object<'_>) -> Result<Vec<VirtAddr>> {
        let (count, first) = if member.has_field("offset") {
            let table = self.symbol("stack_trace")?;
            let index = member.field("offset")?.u64()?;
            let first = table.0.wrapping_add(index.wrapping_mul(8));
            (member.field("nr_entries")?.u64()?, VirtAddr(first))
        } else if member.has_field("max_entries") {
            let first = member.field("entries")?.pointer()?;
            (member.field("nr_entries")?.u64()?, first)
        } else {
            let Some(trace) = member.deref()? else {
                return Ok(Vec::new()); // no room was left to store it
            };
            (
                trace.field("nr_entries")?.u64()?,
                trace.field("entries")?.address,
            )
        };
        if count > MAX_TRACE {
            return Err(Error::Implausible {
                what: "a trace that lockdep has stored".into(),
                at: member.address,
                found: format!("{count} entries, of {MAX_TRACE} at most"),
            });
        }
        let mut out = Vec::new();
        for index in 0..count {
            let at = VirtAddr(first.0.wrapping_add(index.wrapping_mul(8)));
            match self.space().pointer(at)? {
                VirtAddr(u64::MAX) => break, // ends a trace up to 5.1
                address => out.push(address),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
