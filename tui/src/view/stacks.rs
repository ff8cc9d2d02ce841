//! The stacks of CPUs and tasks: a list of both, and who called whom on the chosen one.

use virtopsy::kernel::{Frame, SourceFrame, StackKind, TaskInfo};
use virtopsy::report::Text;

use crate::cells;
use crate::doc::{Doc, DocLine, piece, safe};
use crate::model::{Model, StackRow, Tab, TaskSort};
use crate::place::Place;
use crate::remote::Remote;
use crate::source::{StackOf, StackPart, StackText};
use crate::theme::Role;

use super::status;

/// The list's heading.
pub(super) fn title(tab: &Tab) -> String {
    let by = match tab.task_sort {
        TaskSort::State => "state",
        TaskSort::Pid => "pid",
        TaskSort::Name => "name",
    };
    let order = if tab.task_reverse { ", reversed" } else { "" };
    if !status::is_open(tab) {
        return "Stacks".into();
    }
    if !tab.task_filter.is_empty() {
        return format!("Stacks, filter: {}", safe(&tab.task_filter));
    }
    let more = match &tab.tasks {
        Remote::Ready(tasks) => {
            let torn = if tasks.broken.is_empty() {
                ""
            } else {
                " (not whole)"
            };
            format!("tasks{torn} by {by}{order}")
        }
        Remote::Failed(_) => return "CPUs (tasks not readable)".into(),
        Remote::Idle | Remote::Waiting(_) => return "CPUs (tasks to come)".into(),
    };
    format!("CPUs, then {more}")
}

/// A row of the list.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let row = *tab.task_rows.get(row)?;
    let mark = model.theme.glyphs().ellipsis;
    let name = |text: String| {
        piece(
            Role::Plain,
            cells::cut(&text, width.saturating_sub(17), mark),
        )
    };
    let pieces = match row {
        StackRow::Cpu(_) => {
            let cpu = tab.cpu_of(row)?;
            let (role, glyph, _) = model.theme.glyphs().cpu(cpu.state, cpu.online);
            let (pid, comm) = cpu
                .task
                .as_ref()
                .map_or((String::new(), String::new()), |t| {
                    (t.pid.to_string(), t.comm.to_string())
                });
            vec![
                piece(Role::Heading, format!(" CPU {:<4}", cpu.cpu)),
                piece(role, glyph),
                piece(Role::Muted, format!("{pid:>6} ")),
                name(comm),
            ]
        }
        StackRow::Task(_) => {
            let task = tab.task_of(row)?;
            let letter = task.state.letter();
            let role = if letter == 'D' {
                Role::Unsure
            } else {
                Role::Muted
            };
            vec![
                piece(role, format!(" {letter:<9}")),
                piece(Role::Muted, format!("{:>6} ", task.pid)),
                name(comm(task)),
            ]
        }
    };
    Some(DocLine { pieces, link: None })
}

/// A task's name; a kernel thread's in brackets, as ps(1) has it.
fn comm(task: &TaskInfo) -> String {
    let comm = Text::new(task.comm.clone());
    if task.kernel_thread {
        format!("[{comm}]")
    } else {
        comm.to_string()
    }
}

/// The heading of the chosen stack.
pub(super) fn detail_title(tab: &Tab) -> String {
    let row = tab.stack_row();
    let cpu = row.and_then(|row| tab.cpu_of(row));
    let task = row.and_then(|row| tab.task_of(row));
    match (cpu, task) {
        (Some(cpu), _) => format!("Stack of CPU {}", cpu.cpu),
        (None, Some(task)) => format!("Stack of {} (pid {})", comm(task), task.pid),
        (None, None) => "Stack".into(),
    }
}

/// The chosen stack.
pub(crate) fn detail(model: &Model, tab: &Tab, mut doc: Doc) -> Doc {
    let (Some(row), Some(of)) = (tab.stack_row(), tab.stack_of()) else {
        doc.para(Role::Muted, 1, "nothing is chosen");
        return doc;
    };
    if let Some(cpu) = tab.cpu_of(row) {
        doc.field_to(
            "CPU",
            Role::Plain,
            &safe(&cpu.summary),
            Some(Place::Cpu(cpu.cpu)),
        );
    }
    match tab.stacks.get(&of) {
        Some(Remote::Ready(stack)) => stack_page(model, tab, of, stack, &mut doc),
        Some(Remote::Failed(why)) => doc.para(Role::Unsure, 1, &safe(why)),
        _ => doc.para(Role::Muted, 1, "being read"),
    }
    doc
}

fn stack_page(model: &Model, tab: &Tab, of: StackOf, stack: &StackText, doc: &mut Doc) {
    if let Some(task) = &stack.task {
        about_task(task, doc);
    }
    if let Some(waits) = &stack.waits {
        let owner = waits.owner.as_ref().map_or(String::new(), |(pid, comm)| {
            let last = if waits.readers {
                ", read-owned, last by"
            } else {
                ", owned by"
            };
            format!("{last} {comm} (pid {pid})")
        });
        let to = waits.owner.as_ref().map(|(pid, _)| Place::Task(*pid));
        doc.field_to(
            "waits for",
            Role::Unsure,
            &format!("{} {:#x}{owner}", waits.kind, waits.lock),
            Some(to.unwrap_or(Place::Memory(waits.lock))),
        );
    }
    for held in &stack.held {
        doc.field_to(
            "holds",
            Role::Plain,
            &format!("{}, taken at {}", held.name, safe(&held.taken_at)),
            Some(Place::Memory(held.lock)),
        );
    }
    if matches!(of, StackOf::Cpu(_)) {
        let nmi = match stack.in_nmi {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        };
        doc.field("in an NMI", Role::Plain, nmi);
    }
    backtrace(model, stack, doc);
    for part in &stack.scans {
        scan(model, tab, part, doc);
    }
    missing_tasks(tab, doc);
}

/// Why tasks are missing from the list.
fn missing_tasks(tab: &Tab, doc: &mut Doc) {
    let broken = tab.tasks.ready().map(|tasks| tasks.broken.as_slice());
    if let Some([first, rest @ ..]) = broken {
        doc.heading("The list of tasks is not whole");
        let more = match rest.len() {
            0 => String::new(),
            n => format!(" (and {n} more such)"),
        };
        doc.para(Role::Unsure, 1, &safe(&format!("{first}{more}")));
    }
}

fn about_task(task: &TaskInfo, doc: &mut Doc) {
    let thread = if task.tgid == task.pid {
        String::new()
    } else {
        format!(", a thread of {}", task.tgid)
    };
    let ran = match (task.running_on, task.cpu) {
        (Some(cpu), _) => format!(", ran on CPU {cpu}"),
        (None, Some(cpu)) => format!(", last on CPU {cpu}"),
        (None, None) => String::new(),
    };
    doc.field_to(
        "task",
        Role::Plain,
        &format!(
            "{} (pid {}), state {}{thread}{ran}",
            comm(task),
            task.pid,
            task.state.letter()
        ),
        Some(Place::Expression(format!(
            "*(struct task_struct *){:#x}",
            task.address.0
        ))),
    );
    if let Some(parent) = task.parent.filter(|pid| *pid != 0) {
        doc.field_to(
            "parent",
            Role::Plain,
            &format!("pid {parent}"),
            Some(Place::Task(parent)),
        );
    }
}

fn backtrace(model: &Model, stack: &StackText, doc: &mut Doc) {
    let backtrace = &stack.backtrace;
    doc.heading("Who called whom, innermost first");
    if let Some(registers) = &backtrace.registers {
        doc.para(
            Role::Muted,
            1,
            &format!("from the registers in {}", registers.source),
        );
    }
    for note in &backtrace.notes {
        doc.para(Role::Unsure, 1, &safe(note));
    }
    let mut before: Option<StackKind> = None;
    for (number, frame) in backtrace.frames.iter().enumerate() {
        if frame.stack != before {
            if let Some(kind) = &frame.stack {
                let text = format!(" on the {kind} stack");
                doc.line(vec![piece(Role::Muted, text)]);
            }
            before = frame.stack.clone();
        }
        let sources = stack.sources.get(number).map(Vec::as_slice);
        frame_lines(model, frame, sources.unwrap_or_default(), doc);
    }
    let role = if backtrace.ended_because.is_complete() {
        Role::Muted
    } else {
        Role::Unsure
    };
    doc.para(role, 3, &safe(&backtrace.ended_because.to_string()));
}

/// `? name+0x10/0x20 [module]  file:line`, what is inlined there above it. The question mark says
/// that a scan found it.
fn frame_lines(model: &Model, frame: &Frame, sources: &[SourceFrame], doc: &mut Doc) {
    let to = Place::Memory(frame.ip.0);
    for source in sources.iter().filter(|source| source.inlined) {
        let name = source.function.as_deref().unwrap_or("?");
        doc.link(
            vec![
                piece(Role::Muted, format!("     {} inlined  ", safe(name))),
                piece(Role::Plain, safe(&source.to_string())),
            ],
            to.clone(),
        );
    }
    let doubt = if frame.is_reliable() { "  " } else { "? " };
    let (name, rest) = match &frame.location {
        Some(at) => {
            let whole = at.to_string();
            let rest = whole
                .strip_prefix(&at.symbol)
                .unwrap_or_default()
                .to_owned();
            (safe(&at.symbol), safe(&rest))
        }
        None => (frame.ip.to_string(), "  no symbol".into()),
    };
    let interrupted = if frame.interrupted {
        format!("  {} interrupted here", model.theme.glyphs().line)
    } else {
        String::new()
    };
    let role = if frame.is_reliable() {
        Role::Link
    } else {
        Role::Muted
    };
    let place = sources.iter().find(|source| !source.inlined);
    let place = place.map_or(String::new(), |source| {
        format!("  {}", safe(&source.to_string()))
    });
    doc.link(
        vec![
            piece(Role::Muted, format!(" {doubt}")),
            piece(role, name),
            piece(Role::Muted, rest),
            piece(Role::Plain, place),
            piece(Role::Heading, interrupted),
        ],
        to,
    );
}

fn scan(model: &Model, tab: &Tab, part: &StackPart, doc: &mut Doc) {
    let glyphs = model.theme.glyphs();
    let open = !tab.folded.contains(part.title);
    let glyph = if open { glyphs.open } else { glyphs.folded };
    if !doc.fold(part.title, Some(part.words.len()), open, glyph) {
        return;
    }
    doc.para(
        Role::Muted,
        1,
        "Every word that is an address of code, callers first. It can be left over from an earlier call: this proves nothing by itself.",
    );
    if !part.note.is_empty() {
        doc.para(Role::Muted, 1, &safe(&part.note));
    }
    for (at, value, name) in &part.words {
        let pieces = vec![
            piece(Role::Muted, format!(" {at:016x}  ")),
            piece(Role::Plain, format!("{value:016x}  ")),
            piece(Role::Link, safe(name)),
        ];
        doc.link(pieces, Place::Memory(*value));
    }
}
