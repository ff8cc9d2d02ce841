//! `virtopsy tasks`: all tasks.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use virtopsy::Session;
use virtopsy::facts::{ListedTask, TaskFacts, TasksFacts};

use super::{ask_session, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::{Look, say};
use crate::words;

/// All tasks: state, CPU, process ids, name
///
/// `>` marks a task that ran, with what it did, `!` the one that brought the kernel down.
#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Only tasks in these states, by the letters of ps(1): R S D T t X Z P I
    #[arg(long, value_name = "LETTERS", value_parser = states)]
    pub(crate) state: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// The letters that [`virtopsy::kernel::TaskState::letter`] gives.
const LETTERS: &str = "RSDTtXZPI";

/// Letters of states.
fn states(text: &str) -> Result<String, String> {
    match text.chars().find(|letter| !LETTERS.contains(*letter)) {
        None if !text.is_empty() => Ok(text.to_owned()),
        wrong => {
            let wrong = wrong.map_or_else(String::new, |letter| {
                format!("there is no state {letter}; ")
            });
            let letters: Vec<String> = LETTERS.chars().map(String::from).collect();
            Err(format!("{wrong}the states are {}", letters.join(", ")))
        }
    }
}

/// Prints the tasks.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &TasksArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(mut answer) = ask_session(&args.dump, common, Session::tasks) else {
        return Ok(Status::Error);
    };
    let all = answer.tasks.len();
    let nothing = answer.tasks.is_empty() && !answer.incomplete_because.is_empty();
    if let Some(states) = &args.state {
        answer
            .tasks
            .retain(|listed| states.contains(listed.task.state));
    }
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    if let (Some(states), true, false) = (&args.state, answer.tasks.is_empty(), common.quiet) {
        let all = words::count(all, "task");
        say(&format!(
            "no task is in a state of {states}; the dump has {all}"
        ));
    }
    Ok(if nothing { Status::Error } else { Status::Pass })
}

fn text(answer: &TasksFacts, look: Look) -> String {
    let mut out = format!(
        "  {:>7} {:>7} {:>7} {:>3}  S  {:<18}  COMM\n",
        "PID", "TGID", "PPID", "CPU", "TASK"
    );
    for entry in &answer.tasks {
        let task = &entry.task;
        let mark = match (entry.crashed, task.running_on) {
            (true, _) => '!',
            (false, Some(_)) => '>',
            (false, None) => ' ',
        };
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
            "{mark} {:>7} {:>7} {:>7} {:>3}  {}  {:#018x}  {comm}{}{}",
            task.pid,
            task.tgid,
            number(task.parent.map(i64::from)),
            number(task.cpu.map(i64::from)),
            task.state,
            task.address.0,
            inside(task),
            activity(entry),
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

/// What a task in a container is called there.
fn inside(task: &TaskFacts) -> String {
    match (task.inner_pid, task.pid_namespace) {
        (Some(pid), Some(namespace)) => format!("  (pid {pid} in pid:[{namespace}])"),
        (Some(pid), None) => format!("  (pid {pid} in a namespace)"),
        (None, _) => String::new(),
    }
}

/// What a task that ran was doing.
fn activity(entry: &ListedTask) -> String {
    match (&entry.doing, &entry.function) {
        (Some(doing), Some(function)) => format!("  ({doing}, in {function})"),
        (Some(doing), None) => format!("  ({doing})"),
        (None, _) => String::new(),
    }
}
