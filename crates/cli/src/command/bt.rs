//! `virtopsy bt`: backtraces of CPUs and tasks.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use virtopsy::facts::{EndedFacts, FrameFacts, SourceFacts, TaskFacts};
use virtopsy::report::{Text, escape};
use virtopsy_kernel::{
    Backtrace, CpuId, Error, Frame, Kernel, SourceFrame, Start, TaskInfo, TaskList, Unwinder,
};

use super::{ask_kernel, error_text, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::Look;
use crate::words;

const BT_HELP: &str = "\
Examples:
  virtopsy bt vmcore                      what each CPU did
  virtopsy bt --cpu 2 vmcore
  virtopsy bt --task 4711 vmcore          where a task sleeps
  virtopsy bt --all --format json vmcore | jq '.backtraces[].frames[0].function'";

/// Thread ids that are told where one is not there.
const NEAREST: usize = 3;

/// Backtraces: what each CPU did, and where tasks sleep
///
/// Unwinds by the kernel's own tables, across interrupts, NMIs and exceptions. A frame with a `?`
/// is a guess: by frame pointer, or found by scanning the stack.
#[derive(Debug, Args)]
#[command(after_long_help = BT_HELP)]
pub(crate) struct BtArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Only this CPU; may be given several times
    #[arg(long, value_name = "N", conflicts_with_all = ["task", "all"])]
    pub(crate) cpu: Vec<u32>,
    /// The task with this thread id, or at this address
    #[arg(long, value_name = "PID|ADDRESS", conflicts_with = "all")]
    pub(crate) task: Vec<String>,
    /// Every CPU, and every task that was not running
    #[arg(long)]
    pub(crate) all: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

#[derive(Serialize)]
struct Answer {
    /// The format of the unwind tables; absent where the kernel has none.
    orc: Option<String>,
    backtraces: Vec<Entry>,
    /// Why tasks are missing.
    incomplete_because: Vec<Text>,
}

#[derive(Serialize)]
struct Entry {
    /// The CPU, of one that ran.
    cpu: Option<u32>,
    task: Option<TaskFacts>,
    /// Where the registers came from; absent where the stack was only scanned.
    registers: Option<String>,
    user_mode: Option<bool>,
    in_nmi: Option<bool>,
    frames: Vec<FrameFacts>,
    ended_because: EndedFacts,
    notes: Vec<Text>,
}

/// Prints the backtraces that were asked for.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &BtArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(answer) = ask_kernel(&args.dump, common, |kernel| answer(kernel, args)) else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    Ok(Status::Pass)
}

fn answer(kernel: &Kernel, args: &BtArgs) -> Result<Answer, Error> {
    let unwinder = kernel.unwinder();
    let orc = unwinder.orc().ok().map(|orc| orc.version.to_string());
    let mut answer = Answer {
        orc,
        backtraces: Vec::new(),
        incomplete_because: Vec::new(),
    };
    if args.task.is_empty() {
        let possible = &kernel.cpus()?.possible;
        let chosen: Vec<CpuId> = args.cpu.iter().copied().map(CpuId).collect();
        if let Some(cpu) = chosen.iter().find(|cpu| !possible.contains(**cpu)) {
            let numbers: Vec<u32> = possible.iter().map(|cpu| cpu.0).collect();
            return Err(Error::NoSuch {
                what: "CPU",
                name: cpu.to_string(),
                known: Some(format!("the CPUs are {}", words::ranges(&numbers))),
            });
        }
        let cpus = possible
            .iter()
            .filter(|cpu| chosen.is_empty() || chosen.contains(cpu));
        answer
            .backtraces
            .extend(cpus.map(|cpu| of_cpu(kernel, &unwinder, cpu)));
    }
    if args.all || !args.task.is_empty() {
        let tasks = kernel.tasks();
        let chosen = choose(kernel, &tasks, &args.task)?;
        let entries = chosen.iter().map(|task| of_task(kernel, &unwinder, task));
        answer.backtraces.extend(entries);
        answer.incomplete_because = tasks.broken.iter().map(error_text).collect();
    }
    Ok(answer)
}

/// The tasks with the given thread ids or addresses; without any, all that were not running.
fn choose(kernel: &Kernel, tasks: &TaskList, wanted: &[String]) -> Result<Vec<TaskInfo>, Error> {
    if wanted.is_empty() {
        let sleeping = tasks.tasks.iter().filter(|task| task.running_on.is_none());
        return Ok(sleeping.cloned().collect());
    }
    let mut chosen = Vec::new();
    for name in wanted {
        let missing = || no_task(name, tasks);
        chosen.push(match name.strip_prefix("0x") {
            Some(hex) => {
                let address = u64::from_str_radix(hex, 16).map_err(|_| missing())?;
                let known = tasks.tasks.iter().find(|task| task.address.0 == address);
                match known {
                    Some(task) => task.clone(),
                    None => kernel.task_at(address)?,
                }
            }
            None => {
                let pid = name.parse().map_err(|_| missing())?;
                tasks.by_pid(pid).cloned().ok_or_else(missing)?
            }
        });
    }
    Ok(chosen)
}

/// There is no such task, and those with the nearest thread ids.
fn no_task(name: &str, tasks: &TaskList) -> Error {
    let mut pids: Vec<i32> = tasks.tasks.iter().map(|task| task.pid).collect();
    if let Ok(wanted) = name.parse::<i32>() {
        pids.sort_by_key(|pid| (pid.abs_diff(wanted), *pid));
    }
    pids.dedup();
    pids.truncate(NEAREST);
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    Error::NoSuch {
        what: "task",
        name: name.to_owned(),
        known: (!pids.is_empty()).then(|| format!("near to it are {}", pids.join(", "))),
    }
}

fn of_cpu(kernel: &Kernel, unwinder: &Unwinder<'_>, cpu: CpuId) -> Entry {
    let backtrace = unwinder.backtrace(Start::Cpu(cpu));
    let task = kernel
        .current_task(cpu)
        .and_then(|task| kernel.task_info(task.address));
    let mut entry = entry(kernel, backtrace, task.ok().as_ref());
    entry.cpu = Some(cpu.0);
    entry.in_nmi = kernel.is_in_nmi(cpu).ok();
    entry
}

fn of_task(kernel: &Kernel, unwinder: &Unwinder<'_>, task: &TaskInfo) -> Entry {
    if let Some(cpu) = task.running_on {
        return of_cpu(kernel, unwinder, cpu);
    }
    let backtrace = unwinder.backtrace(Start::Task(task.address));
    entry(kernel, backtrace, Some(task))
}

fn entry(kernel: &Kernel, backtrace: Backtrace, task: Option<&TaskInfo>) -> Entry {
    let mut notes = backtrace.notes;
    let frames = backtrace.frames.iter();
    let frames = frames
        .map(|found| FrameFacts::new(found, &source(kernel, found, &mut notes)))
        .collect();
    Entry {
        cpu: None,
        task: task.map(TaskFacts::from),
        registers: backtrace.registers.map(|r| r.source.to_string()),
        user_mode: backtrace
            .registers
            .filter(|r| r.complete)
            .map(|r| r.is_user_mode()),
        in_nmi: None,
        frames,
        ended_because: EndedFacts::from(&backtrace.ended_because),
        notes: notes.into_iter().map(Text::from).collect(),
    }
}

/// File and line of a frame. That no file with DWARF is at hand is no news; anything else is.
fn source(kernel: &Kernel, frame: &Frame, notes: &mut Vec<String>) -> Arc<[SourceFrame]> {
    match kernel.source_of(frame.code_address()) {
        Ok(found) => found,
        Err(Error::NoSource { .. }) => Arc::default(),
        Err(e) => {
            let note = format!("no file and line: {e}");
            if !notes.contains(&note) {
                notes.push(note);
            }
            Arc::default()
        }
    }
}

fn text(answer: &Answer, look: Look) -> String {
    let mut out = String::new();
    for (i, entry) in answer.backtraces.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        heading(&mut out, entry);
        frames(&mut out, entry);
    }
    if !answer.incomplete_because.is_empty() {
        let count = answer.incomplete_because.len();
        let first = answer.incomplete_because.first().map(ToString::to_string);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "\nTasks are missing, {count} could not be read: {}",
            first.unwrap_or_default()
        );
    }
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}

fn heading(out: &mut String, entry: &Entry) {
    let task = match &entry.task {
        Some(task) => format!("{} (pid {}, {})", task.comm, task.pid, task.state),
        None => "a task that can't be read".to_owned(),
    };
    let place = entry
        .cpu
        .map(|cpu| format!("CPU {cpu}: "))
        .unwrap_or_default();
    let mut facts = Vec::new();
    match &entry.registers {
        Some(source) if entry.cpu.is_some() => facts.push(format!("registers from {source}")),
        Some(_) => {}
        None => facts.push("no registers".to_owned()),
    }
    if entry.user_mode == Some(true) {
        facts.push("was in user mode".to_owned());
    }
    if entry.in_nmi == Some(true) {
        facts.push("now in its NMI handler".to_owned());
    }
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!("; {}", facts.join(", "))
    };
    let _ = writeln!(out, "{place}{task}{facts}");
}

fn frames(out: &mut String, entry: &Entry) {
    let mut stack = None;
    for (i, frame) in entry.frames.iter().enumerate() {
        if frame.stack != stack && frame.stack.as_deref() != Some("task") {
            let name = frame.stack.as_deref().unwrap_or("unknown stack");
            let _ = writeln!(out, "      <{name}>");
        }
        stack.clone_from(&frame.stack);
        let doubt = if frame.reliable { ' ' } else { '?' };
        let _ = writeln!(
            out,
            "  #{i:<2} {doubt} {:#018x}  {}",
            frame.ip.0,
            location(frame)
        );
        for source in &frame.source {
            let _ = writeln!(out, "{:26}at {}", "", place(source));
        }
    }
    let mark = if matches!(entry.ended_because.kind, "end-of-stack" | "user-mode") {
        ""
    } else {
        "! "
    };
    let _ = writeln!(out, "      {mark}{}", entry.ended_because.message);
    for note in &entry.notes {
        let _ = writeln!(out, "      note: {note}");
    }
}

/// `file:line`, and which inlined function it is in.
fn place(source: &SourceFacts) -> String {
    let unknown = || "?".to_owned();
    let shown = |text: &Option<Text>| text.as_ref().map_or_else(unknown, ToString::to_string);
    let line = source.line.map_or_else(unknown, |line| line.to_string());
    let inlined = if source.inlined {
        format!(", inlined {}", shown(&source.function))
    } else {
        String::new()
    };
    format!("{}:{line}{inlined}", shown(&source.file))
}

fn location(frame: &FrameFacts) -> String {
    let Some(function) = &frame.function else {
        return "(no symbol)".to_owned();
    };
    let mut out = escape(function.as_bytes());
    if let Some(offset) = frame.offset {
        let _ = write!(out, "+{offset}");
    }
    if let Some(size) = frame.size {
        let _ = write!(out, "/{size}");
    }
    if let Some(module) = &frame.module {
        let _ = write!(out, " [{module}]");
    }
    out
}
