//! `virtopsy bt`: backtraces of CPUs and tasks.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use virtopsy::facts::{
    BacktraceFacts, BacktracesFacts, FrameFacts, SourceFacts, StacksOf, TaskName,
};
use virtopsy::kernel::StackKind;
use virtopsy::report::{Text, escape};

use super::{ask_session, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::Look;

const BT_HELP: &str = "\
Examples:
  virtopsy bt vmcore                      what each CPU did
  virtopsy bt --cpu 2 vmcore
  virtopsy bt --task 4711 vmcore          where a task sleeps
  virtopsy bt --all --format json vmcore | jq '.backtraces[].frames[0].function'";

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
    #[arg(long, value_name = "PID|ADDRESS", conflicts_with = "all", value_parser = task_name)]
    pub(crate) task: Vec<TaskName>,
    /// Every CPU, and every task that was not running
    #[arg(long)]
    pub(crate) all: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// A thread id, or an address that begins with 0x.
fn task_name(text: &str) -> Result<TaskName, String> {
    let name = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(TaskName::Address),
        None => text.parse().ok().map(TaskName::Pid),
    };
    name.ok_or_else(|| "a thread id is needed, or an address such as 0xffff888003a80000".to_owned())
}

/// Prints the backtraces that were asked for.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &BtArgs, common: &Common) -> anyhow::Result<Status> {
    let of = stacks(args);
    let asked = ask_session(&args.dump, common, |session| session.backtraces(&of));
    let Some(answer) = asked else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    Ok(Status::Pass)
}

fn stacks(args: &BtArgs) -> StacksOf {
    match args {
        BtArgs { all: true, .. } => StacksOf::All,
        BtArgs { task, .. } if !task.is_empty() => StacksOf::Tasks(task.clone()),
        BtArgs { cpu, .. } if !cpu.is_empty() => StacksOf::Cpus(cpu.clone()),
        _ => StacksOf::EveryCpu,
    }
}

fn text(answer: &BacktracesFacts, look: Look) -> String {
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

fn heading(out: &mut String, entry: &BacktraceFacts) {
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

fn frames(out: &mut String, entry: &BacktraceFacts) {
    let mut stack = None;
    for (i, frame) in entry.frames.iter().enumerate() {
        if frame.stack != stack && frame.stack != Some(StackKind::Task) {
            let name = frame.stack.as_ref().map(ToString::to_string);
            let _ = writeln!(
                out,
                "      <{}>",
                name.as_deref().unwrap_or("unknown stack")
            );
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
    let mark = if entry.ended_because.whole { "" } else { "! " };
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
