//! `virtopsy tasks`: all tasks.

use std::fmt::Write as _;

use serde::Serialize;
use virtopsy::report::{Hex, Text};
use virtopsy_kernel::{TaskInfo, TaskList};

use super::{ask_kernel, error_text, print, print_json};
use crate::args::{Common, PageFormat, TasksArgs};
use crate::exit::Status;
use crate::page::clean;
use crate::terminal::Look;

#[derive(Serialize)]
struct Answer {
    tasks: Vec<Entry>,
    /// Why tasks are missing.
    incomplete_because: Vec<Text>,
}

#[derive(Serialize)]
struct Entry {
    address: Hex,
    pid: i32,
    tgid: i32,
    parent: Option<i32>,
    comm: Text,
    /// The letter of ps(1).
    state: char,
    cpu: Option<u32>,
    running_on: Option<u32>,
    kernel_thread: bool,
    stack: Hex,
}

/// Prints the tasks.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &TasksArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(tasks) = ask_kernel(&args.dump, common, |kernel| Ok(kernel.tasks())) else {
        return Ok(Status::Error);
    };
    let answer = answer(&tasks, args.state.as_deref());
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, Look::of_stdout(common.color)))?,
    }
    let nothing = tasks.tasks.is_empty() && !tasks.broken.is_empty();
    Ok(if nothing { Status::Error } else { Status::Pass })
}

fn answer(tasks: &TaskList, states: Option<&str>) -> Answer {
    let wanted = |task: &&TaskInfo| states.is_none_or(|s| s.contains(task.state.letter()));
    Answer {
        tasks: tasks.tasks.iter().filter(wanted).map(entry).collect(),
        incomplete_because: tasks.broken.iter().map(error_text).collect(),
    }
}

fn entry(task: &TaskInfo) -> Entry {
    Entry {
        address: Hex(task.address.0),
        pid: task.pid,
        tgid: task.tgid,
        parent: task.parent,
        comm: Text::new(task.comm.clone()),
        state: task.state.letter(),
        cpu: task.cpu.map(|cpu| cpu.0),
        running_on: task.running_on.map(|cpu| cpu.0),
        kernel_thread: task.kernel_thread,
        stack: Hex(task.stack.0),
    }
}

fn text(answer: &Answer, look: Look) -> String {
    let mut out = format!(
        "  {:>7} {:>7} {:>7} {:>3}  S  {:<18}  COMM\n",
        "PID", "TGID", "PPID", "CPU", "TASK"
    );
    for task in &answer.tasks {
        let mark = if task.running_on.is_some() { '>' } else { ' ' };
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let comm = task.comm.to_string();
        let comm = if task.kernel_thread {
            format!("[{comm}]")
        } else {
            comm
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{mark} {:>7} {:>7} {:>7} {:>3}  {}  {:#018x}  {comm}",
            task.pid,
            task.tgid,
            number(task.parent.map(i64::from)),
            number(task.cpu.map(i64::from)),
            task.state,
            task.address.0,
        );
    }
    if let Some(first) = answer.incomplete_because.first() {
        let count = answer.incomplete_because.len();
        let _ = writeln!(
            out,
            "The list is not whole, {count} could not be read: {first}"
        );
    }
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}
