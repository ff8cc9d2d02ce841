//! A report of which nothing is left in the log: lockdep is off, and the locks of a task say why.

use virtopsy_kernel::Kernel;

use super::restore::held;
use super::{TaskNote, cycle};
use crate::report::Text;

/// The task that was about to close a cycle when lockdep went off, in one sentence.
pub(super) fn cycle(kernel: &Kernel) -> Option<TaskNote> {
    let tasks = kernel.tasks();
    tasks.tasks.iter().find_map(|task| {
        let locks = kernel.held_locks(task.address).ok()?;
        let found = cycle::closed_by(kernel, &locks)?;
        let (taken, holds) = (held(found.taken)?.lock, held(found.held)?.lock);
        let place = taken.at.map_or_else(String::new, |at| format!(" at {at}"));
        let mut names = vec![taken.name.clone()];
        names.extend(
            found
                .path
                .links
                .iter()
                .map(|link| Text::new(link.class.name.clone()).to_string()),
        );
        let comm = Text::new(task.comm.clone());
        let text = format!(
            "{comm} (PID {}) was about to take {}{place} while it held {}, which lockdep knows to be taken the other way round ({} -> {}): a circular dependency, whose report is not in the log",
            task.pid,
            taken.name,
            holds.name,
            names.join(" -> "),
            taken.name
        );
        Some(TaskNote { comm, text })
    })
}
