//! `virtopsy locks`: what tasks hold and wait for.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use virtopsy::Session;
use virtopsy::facts::{HolderFacts, LockdepFacts, LocksFacts, Who};

use super::{ask_session, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::Look;

/// Locks that tasks hold and wait for, and lockdep's own state
///
/// What is held is known to kernels with lockdep only. Who waits for whom is known to others too,
/// where they record it (DETECT_HUNG_TASK_BLOCKER, proxy execution).
#[derive(Debug, Args)]
pub(crate) struct LocksArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// All lock classes too, with the four letters of their usage
    #[arg(long)]
    pub(crate) classes: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Prints the locks.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &LocksArgs, common: &Common) -> anyhow::Result<Status> {
    let question = match args.classes {
        true => Session::locks_and_classes,
        false => Session::locks,
    };
    let Some(answer) = ask_session(&args.dump, common, question) else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    Ok(Status::Pass)
}

fn text(answer: &LocksFacts, look: Look) -> String {
    let mut out = String::new();
    lockdep_text(&mut out, &answer.lockdep);
    for task in &answer.tasks {
        task_text(&mut out, task);
    }
    // Writing to a string cannot fail.
    for wait in &answer.waiting {
        let owner = wait
            .owner
            .as_ref()
            .map_or_else(|| "nobody known".to_owned(), named);
        let readers = if wait.owned_by_readers {
            "readers, the last of them "
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "{} waits for the {} at {:#018x}, owned by {readers}{owner} (known by {})",
            named(&wait.task),
            wait.kind,
            wait.lock.0,
            wait.known_by,
        );
    }
    for cycle in &answer.cycles {
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(named).collect();
        let _ = writeln!(out, "DEADLOCK: {}", names.join(" waits for "));
    }
    for class in answer.classes.iter().flatten() {
        let wait = class.wait.as_deref().unwrap_or("?:?");
        let _ = writeln!(out, "  {{{}}}-{{{wait}}}  {}", class.usage, class.name);
    }
    if let Some(first) = answer.incomplete_because.first() {
        let count = answer.incomplete_because.len();
        let _ = writeln!(
            out,
            "Not all tasks could be read, {count} are missing: {first}"
        );
    }
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}

fn lockdep_text(out: &mut String, lockdep: &LockdepFacts) {
    let state = match (lockdep.built_in, lockdep.debug_locks) {
        (false, _) => "not in this kernel: which locks are held is not recorded",
        (true, Some(true)) => "on",
        (true, Some(false)) => {
            "off (after a report, an oops, or for want of room): what is held may be stale"
        }
        (true, None) => "whether it was on can't be read",
    };
    let _ = writeln!(out, "Lockdep: {state}");
    for limit in &lockdep.limits {
        let max = limit
            .max
            .map_or_else(|| "?".to_owned(), |max| max.to_string());
        let _ = writeln!(out, "  {:<18} {:>8} of {max}", limit.what, limit.used);
    }
    if let Some(task) = &lockdep.inside {
        let _ = writeln!(out, "  {} was inside lockdep", named(task));
    }
}

fn task_text(out: &mut String, task: &HolderFacts) {
    let _ = writeln!(
        out,
        "{} ({}) holds {}:",
        named(&task.who),
        task.state,
        task.depth
    );
    for lock in &task.held {
        let name = lock.name.as_ref().or(lock.error.as_ref());
        let name = name.map_or_else(String::new, ToString::to_string);
        let usage = lock.usage.as_deref().unwrap_or("????");
        let wait = lock.wait.as_deref().unwrap_or("?:?");
        let at = lock
            .at
            .as_ref()
            .map_or_else(|| "?".to_owned(), ToString::to_string);
        let read = if lock.read > 0 { ", shared" } else { "" };
        let _ = writeln!(
            out,
            "  #{}: {:#018x} ({name}){{{usage}}}-{{{wait}}}, at {at}{read}",
            lock.index, lock.address.0
        );
    }
    if let Some(why) = &task.incomplete_because {
        let _ = writeln!(out, "  not all could be read: {why}");
    }
}

fn named(who: &Who) -> String {
    match (&who.comm, who.pid) {
        (Some(comm), Some(pid)) => format!("{comm}/{pid}"),
        _ => format!("task {:#018x}", who.address.0),
    }
}
