//! `virtopsy locks`: what tasks hold and wait for.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use virtopsy::report::{Hex, Text};
use virtopsy_kernel::{
    Error, HeldLock, HeldLocks, Kernel, LockClass, Start, TaskInfo, TaskList, Unwinder, Waiting,
    wait_cycles,
};

use super::{ask_kernel, error_text, print, print_json};
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

#[derive(Serialize)]
struct Answer {
    lockdep: LockdepEntry,
    /// Tasks that hold locks.
    tasks: Vec<TaskEntry>,
    waiting: Vec<WaitingEntry>,
    /// Circles of tasks, each waiting for the next one, by thread id.
    cycles: Vec<Vec<Who>>,
    /// All classes, if they were asked for.
    classes: Option<Vec<ClassEntry>>,
    incomplete_because: Vec<Text>,
}

#[derive(Serialize)]
struct ClassEntry {
    address: Hex,
    name: Text,
    usage: String,
    wait: Option<String>,
}

#[derive(Default, Serialize)]
struct LockdepEntry {
    /// Whether the kernel records held locks at all.
    built_in: bool,
    debug_locks: Option<bool>,
    limits: Vec<LimitEntry>,
    /// The task inside lockdep when the machine died.
    inside: Option<Who>,
}

#[derive(Serialize)]
struct LimitEntry {
    what: &'static str,
    used: u64,
    max: Option<u64>,
}

#[derive(Clone, Serialize)]
struct Who {
    address: Hex,
    pid: Option<i32>,
    comm: Option<Text>,
}

#[derive(Serialize)]
struct TaskEntry {
    #[serde(flatten)]
    who: Who,
    state: char,
    depth: u64,
    held: Vec<HeldEntry>,
    incomplete_because: Option<Text>,
}

#[derive(Serialize)]
struct HeldEntry {
    index: u64,
    address: Hex,
    name: Option<Text>,
    usage: Option<String>,
    wait: Option<String>,
    at: Option<Text>,
    read: u64,
    trylock: bool,
    hardirqs_off: bool,
    error: Option<Text>,
}

#[derive(Serialize)]
struct WaitingEntry {
    task: Who,
    lock: Hex,
    kind: String,
    owner: Option<Who>,
    owner_known_by: Option<String>,
    owned_by_readers: bool,
    known_by: &'static str,
}

/// Prints the locks.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &LocksArgs, common: &Common) -> anyhow::Result<Status> {
    let asked = ask_kernel(&args.dump, common, |kernel| {
        let mut answer = answer(kernel)?;
        if args.classes {
            list_classes(kernel, &mut answer);
        }
        Ok(answer)
    });
    let Some(answer) = asked else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    Ok(Status::Pass)
}

fn answer(kernel: &Kernel) -> Result<Answer, Error> {
    let tasks = kernel.tasks();
    let mut answer = Answer {
        lockdep: lockdep(kernel, &tasks)?,
        tasks: Vec::new(),
        waiting: Vec::new(),
        cycles: Vec::new(),
        classes: None,
        incomplete_because: tasks.broken.iter().map(error_text).collect(),
    };
    let unwinder = kernel.unwinder();
    let mut waits = Vec::new();
    for task in &tasks.tasks {
        match kernel.held_locks(task.address) {
            Ok(held) if held.depth > 0 => answer.tasks.push(task_entry(task, &held)),
            Ok(_) => {}
            Err(e) if e.is_absent() => answer.lockdep.built_in = false,
            Err(e) => answer.incomplete_because.push(error_text(&e)),
        }
        waits.extend(waiting(kernel, &unwinder, task));
    }
    let who = |address| who(&tasks, address);
    let cycle = |cycle: Vec<_>| {
        cycle
            .into_iter()
            .map(|task: virtopsy_kernel::VirtAddr| who(task.0))
            .collect()
    };
    answer.cycles = wait_cycles(&waits).into_iter().map(cycle).collect();
    answer.waiting = waits
        .into_iter()
        .map(|wait| WaitingEntry {
            task: who(wait.task.0),
            lock: Hex(wait.lock.0),
            kind: wait.kind.to_string(),
            owner: wait.owner.map(|owner| who(owner.0)),
            owner_known_by: wait.owner_known_by.map(|by| by.to_string()),
            owned_by_readers: wait.owned_by_readers,
            known_by: wait.known_by,
        })
        .collect();
    Ok(answer)
}

fn list_classes(kernel: &Kernel, answer: &mut Answer) {
    let (classes, broken) = match kernel.lock_classes() {
        Ok(found) => found,
        // That there is no lockdep is told already.
        Err(e) if e.is_absent() => return,
        Err(e) => (Vec::new(), Some(e)),
    };
    answer.classes = Some(classes.iter().map(class_entry).collect());
    answer
        .incomplete_because
        .extend(broken.as_ref().map(error_text));
}

fn class_entry(class: &LockClass) -> ClassEntry {
    ClassEntry {
        address: Hex(class.address.0),
        name: Text::new(class.name.clone()),
        usage: class.usage.clone(),
        wait: class.wait.map(|(outer, inner)| format!("{outer}:{inner}")),
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

fn lockdep(kernel: &Kernel, tasks: &TaskList) -> Result<LockdepEntry, Error> {
    let lockdep = match kernel.lockdep() {
        Ok(lockdep) => lockdep,
        Err(Error::NoSymbol { .. }) => return Ok(LockdepEntry::default()),
        Err(e) => return Err(e),
    };
    let limits = lockdep.limits.into_iter().map(|limit| LimitEntry {
        what: limit.what,
        used: limit.used,
        max: limit.max,
    });
    Ok(LockdepEntry {
        built_in: true,
        debug_locks: lockdep.on,
        limits: limits.collect(),
        inside: lockdep.graph_lock_owner.map(|task| who(tasks, task.0)),
    })
}

fn who(tasks: &TaskList, address: u64) -> Who {
    let task = tasks.tasks.iter().find(|task| task.address.0 == address);
    Who {
        address: Hex(address),
        pid: task.map(|task| task.pid),
        comm: task.map(|task| Text::new(task.comm.clone())),
    }
}

fn task_entry(task: &TaskInfo, held: &HeldLocks) -> TaskEntry {
    TaskEntry {
        who: Who {
            address: Hex(task.address.0),
            pid: Some(task.pid),
            comm: Some(Text::new(task.comm.clone())),
        },
        state: task.state.letter(),
        depth: held.depth,
        held: held.locks.iter().map(held_entry).collect(),
        incomplete_because: held.broken.as_ref().map(error_text),
    }
}

fn held_entry(lock: &HeldLock) -> HeldEntry {
    let class = lock.class.as_ref().ok();
    HeldEntry {
        index: lock.index,
        address: Hex(lock.instance.0),
        name: class.map(|class| Text::new(class.name.clone())),
        usage: class.map(|class| class.usage.clone()),
        wait: class
            .and_then(|class| class.wait)
            .map(|(outer, inner)| format!("{outer}:{inner}")),
        at: lock.location.as_ref().map(|at| Text::from(at.to_string())),
        read: lock.read,
        trylock: lock.trylock,
        hardirqs_off: lock.hardirqs_off,
        error: lock.class.as_ref().err().map(error_text),
    }
}

fn text(answer: &Answer, look: Look) -> String {
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

fn lockdep_text(out: &mut String, lockdep: &LockdepEntry) {
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

fn task_text(out: &mut String, task: &TaskEntry) {
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
