//! `virtopsy tasks`: all tasks.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use virtopsy::facts::TaskFacts;
use virtopsy::report::Text;
use virtopsy_kernel::{CpuId, CpuState, Kernel, TaskInfo, TaskList};

use super::{ask_kernel, error_text, print, print_json};
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

#[derive(Serialize)]
struct Answer {
    tasks: Vec<Entry>,
    /// Why tasks are missing.
    incomplete_because: Vec<Text>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    task: TaskFacts,
    /// It ran on the CPU that brought the kernel down.
    crashed: bool,
    /// Of one that ran: in a guest, in user mode, idle, in the kernel.
    doing: Option<String>,
    /// And the kernel's function that it was in.
    function: Option<Text>,
}

/// The letters that [`virtopsy_kernel::TaskState::letter`] gives.
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
    let asked = ask_kernel(&args.dump, common, |kernel| {
        Ok((kernel.tasks(), Running::read(kernel)))
    });
    let Some((tasks, running)) = asked else {
        return Ok(Status::Error);
    };
    let answer = answer(&tasks, &running, args.state.as_deref());
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    if let (Some(states), true, false) = (&args.state, answer.tasks.is_empty(), common.quiet) {
        let all = words::count(tasks.tasks.len(), "task");
        say(&format!(
            "no task is in a state of {states}; the dump has {all}"
        ));
    }
    let nothing = tasks.tasks.is_empty() && !tasks.broken.is_empty();
    Ok(if nothing { Status::Error } else { Status::Pass })
}

/// What is known of the tasks that ran.
struct Running {
    cpus: Vec<CpuState>,
    crashed: Option<CpuId>,
}

impl Running {
    fn read(kernel: &Kernel) -> Running {
        Running {
            cpus: kernel.cpu_states().unwrap_or_default(),
            crashed: kernel.crashed_cpu(),
        }
    }
}

fn answer(tasks: &TaskList, running: &Running, states: Option<&str>) -> Answer {
    let wanted = |task: &&TaskInfo| states.is_none_or(|s| s.contains(task.state.letter()));
    Answer {
        tasks: tasks
            .tasks
            .iter()
            .filter(wanted)
            .map(|task| entry(task, running))
            .collect(),
        incomplete_because: tasks.broken.iter().map(error_text).collect(),
    }
}

fn entry(task: &TaskInfo, running: &Running) -> Entry {
    let cpu = task.running_on;
    let state = running.cpus.iter().find(|state| Some(state.cpu) == cpu);
    let function = state.and_then(|state| state.location.as_ref());
    Entry {
        crashed: cpu.is_some() && cpu == running.crashed,
        doing: state.map(|state| state.doing.to_string()),
        function: function.map(|at| Text::from(at.to_string())),
        task: TaskFacts::from(task),
    }
}

fn text(answer: &Answer, look: Look) -> String {
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
fn activity(entry: &Entry) -> String {
    match (&entry.doing, &entry.function) {
        (Some(doing), Some(function)) => format!("  ({doing}, in {function})"),
        (Some(doing), None) => format!("  ({doing})"),
        (None, _) => String::new(),
    }
}
