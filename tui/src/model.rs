//! The whole state of the terminal UI. Only `update` changes it; the views only read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use virtopsy::DumpSpec;
use virtopsy::Listing;
use virtopsy::facts::{ModuleFacts, ModulesFacts};
use virtopsy::kernel::{TaskInfo, TaskList, Vm, VmList};
use virtopsy::report::{CpuReport, DumpReport, ErrorReport};

use crate::effect::JobId;
use crate::input::LineInput;
use crate::key::Key;
use crate::keymap::Keymap;
use crate::logtext::{LogFilter, LogText};
use crate::notes::{self, Bookmark};
use crate::place::{Pane, Place, View};
use crate::remote::Remote;
use crate::settings::Settings;
use crate::source::{MemoryAt, MemoryPage, Opened, StackOf, StackText, SymbolHit};
use crate::theme::Theme;

/// Sections that are folded until somebody opens them.
pub(crate) const FOLDED: [&str; 2] = ["NMI stack, word by word", "The task's stack, word by word"];

/// The state.
#[derive(Debug)]
pub(crate) struct Model {
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    pub(crate) theme: Theme,
    pub(crate) keymap: Keymap,
    /// Folders that hold the kernel's source.
    pub(crate) sources: Vec<std::path::PathBuf>,
    /// The command that shows a file; absent: the usual one.
    pub(crate) editor: Option<String>,
    /// Directory that exports are offered for, with its slash; empty for the current one.
    pub(crate) export_dir: String,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) active: usize,
    pub(crate) mode: Mode,
    /// Keys of a sequence that has begun.
    pub(crate) pending: Vec<Key>,
    /// What is said to the user until the next key.
    pub(crate) message: Option<Message>,
    /// Jobs under way, and what they do.
    pub(crate) jobs: BTreeMap<JobId, String>,
    pub(crate) next_job: u64,
    /// Where the last job of writing a file stands.
    pub(crate) writing: Remote<()>,
    /// Where the search for a line of the source stands.
    pub(crate) finding: Remote<()>,
    /// What a job waits for below it; may be empty.
    pub(crate) waiting: String,
    /// Frames of the spinner so far.
    pub(crate) ticks: usize,
    pub(crate) mouse: bool,
    pub(crate) quit: bool,
}

/// A message and whether it is bad news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) bad: bool,
    pub(crate) text: String,
}

/// What keys go to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    /// The view.
    Normal,
    /// A line being typed at the bottom.
    Prompt(Prompt),
    /// The goto box.
    Palette(Palette),
    /// A page on top of the view.
    Overlay(Overlay),
}

/// A line being typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) kind: PromptKind,
    pub(crate) input: LineInput,
}

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptKind {
    Search,
    Filter,
    Export,
    Note,
}

/// The goto box.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Palette {
    pub(crate) input: LineInput,
    /// What the model itself knows: views, CPUs, modules, checks.
    pub(crate) near: Vec<Entry>,
    /// Symbols, from a worker.
    pub(crate) symbols: Remote<Vec<SymbolHit>>,
    /// Both, best first.
    pub(crate) entries: Vec<Entry>,
    pub(crate) chosen: usize,
    /// Enter was pressed before the symbols were here.
    pub(crate) hurried: bool,
}

/// A line of the goto box.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) place: Place,
    /// How well it matches; more is better.
    pub(crate) score: i32,
}

/// A page on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Overlay {
    Help,
    /// A check or a known issue.
    Explain(String),
    /// A record of the log, whole; the line (from 0) that it was opened from.
    Record(usize),
    Bookmarks,
}

/// The cursor of a pane, and the first row shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListState {
    pub(crate) cursor: usize,
    pub(crate) top: usize,
}

/// A place that was left, to come back to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spot {
    pub(crate) view: View,
    pub(crate) detail: bool,
    pub(crate) lists: BTreeMap<Pane, ListState>,
    pub(crate) memory_at: Option<MemoryAt>,
    pub(crate) shape: Option<Shape>,
}

/// How a place in memory is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// By its type.
    Typed,
    /// Disassembled.
    Code,
    /// Word by word.
    Words,
}

/// A row of the list of stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackRow {
    /// A CPU: its index in the report.
    Cpu(usize),
    /// A task that no CPU ran: its index in the list.
    Task(usize),
}

/// By what the tasks are sorted; CPUs always stand before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TaskSort {
    /// Those that wait without end first.
    #[default]
    State,
    Pid,
    Name,
}

/// A row of the list of virtual machines and modules.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MachineRow<'a> {
    Vm(&'a Vm),
    Module(&'a ModuleFacts),
}

/// By what the CPUs are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CpuSort {
    #[default]
    Number,
    /// On first, then unknown.
    State,
    Reason,
    /// Weakest first.
    Strength,
    Task,
}

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) pattern: String,
    /// Where it goes on: matches are marked there alone.
    pub(crate) pane: Pane,
    /// Lines of the log that match; other panes are searched as one goes.
    pub(crate) lines: Remote<Arc<Vec<u32>>>,
    /// Where the search began: the first match from there is gone to when the lines arrive.
    pub(crate) from: Option<usize>,
}

/// One dump.
#[derive(Debug, Default)]
pub(crate) struct Tab {
    /// The paths, escaped.
    pub(crate) label: String,
    /// The file's name, escaped.
    pub(crate) name: String,
    /// File that its bookmarks are kept in.
    pub(crate) notes_file: Option<std::path::PathBuf>,
    pub(crate) opened: Remote<Result<Opened, ErrorReport>>,
    pub(crate) report: Remote<Arc<DumpReport>>,
    pub(crate) log: Remote<Arc<LogText>>,
    pub(crate) code: Remote<Arc<Vec<Listing>>>,
    pub(crate) tasks: Remote<Arc<TaskList>>,
    pub(crate) modules: Remote<Arc<ModulesFacts>>,
    pub(crate) vms: Remote<Arc<Option<VmList>>>,
    pub(crate) stacks: BTreeMap<StackOf, Remote<Arc<StackText>>>,
    pub(crate) memory: Remote<Arc<MemoryPage>>,
    pub(crate) memory_at: Option<MemoryAt>,
    /// How memory is shown where the user chose; else by what is known.
    pub(crate) shape: Option<Shape>,

    pub(crate) view: View,
    /// Whether the second pane has the cursor.
    pub(crate) detail: bool,
    pub(crate) lists: BTreeMap<Pane, ListState>,
    pub(crate) folded: BTreeSet<String>,
    /// Rows of the CPU table: indices into the report's CPUs.
    pub(crate) cpu_rows: Vec<usize>,
    pub(crate) cpu_sort: CpuSort,
    pub(crate) cpu_reverse: bool,
    pub(crate) cpu_filter: String,
    /// Rows of the list of stacks.
    pub(crate) task_rows: Vec<StackRow>,
    pub(crate) task_sort: TaskSort,
    pub(crate) task_reverse: bool,
    pub(crate) task_filter: String,
    pub(crate) log_filter: LogFilter,
    /// Lines that pass the filter; `Idle` while there is none.
    pub(crate) log_shown: Remote<Arc<Vec<u32>>>,
    /// Cells that long lines are moved to the left.
    pub(crate) column: usize,
    pub(crate) search: Option<Search>,
    /// A line of the log to go to as soon as the log is here.
    pub(crate) log_goto: Option<u64>,
    /// A line (from 0) that the cursor should be near to as soon as the filter's lines are here.
    pub(crate) log_near: Option<usize>,
    /// A module, VM or task to go to as soon as its list is here.
    pub(crate) pending: Option<Place>,
    pub(crate) back: Vec<Spot>,
    pub(crate) bookmarks: Vec<Bookmark>,
}

impl Model {
    /// A model of dumps that nobody has opened yet.
    pub(crate) fn new(dumps: &[DumpSpec], settings: &Settings, size: (u16, u16)) -> Model {
        let (keymap, refused) = Keymap::new(&settings.keys);
        let export_dir = settings
            .export_dir
            .as_ref()
            .map_or(String::new(), |d| format!("{}/", d.to_string_lossy()));
        Model {
            size,
            theme: Theme::new(settings),
            keymap,
            sources: settings.sources.clone(),
            editor: settings.editor.clone(),
            export_dir,
            tabs: dumps.iter().map(|d| Tab::new(d, settings)).collect(),
            active: 0,
            mode: Mode::Normal,
            pending: Vec::new(),
            message: refused.first().map(|text| Message {
                bad: true,
                text: crate::doc::safe(text),
            }),
            jobs: BTreeMap::new(),
            next_job: 1,
            writing: Remote::Idle,
            finding: Remote::Idle,
            waiting: String::new(),
            ticks: 0,
            mouse: settings.mouse,
            quit: false,
        }
    }

    /// The dump on screen.
    pub(crate) fn tab(&self) -> Option<&Tab> {
        self.tabs.get(self.active)
    }

    /// The view on screen.
    pub(crate) fn view(&self) -> View {
        self.tab().map_or(View::Overview, |t| t.view)
    }

    /// The pane that has the cursor.
    pub(crate) fn focus(&self) -> Pane {
        if matches!(self.mode, Mode::Overlay(_)) {
            return Pane::Overlay;
        }
        self.tab().map_or(Pane::Overview, Tab::focus)
    }
}

impl Tab {
    fn new(spec: &DumpSpec, settings: &Settings) -> Tab {
        let label = spec.label().to_string();
        let file = spec
            .paths
            .first()
            .and_then(|p| p.file_name())
            .map(|n| n.to_string_lossy().into_owned());
        let name = file.map_or(label.clone(), |n| crate::doc::safe(&n));
        let notes_file = settings
            .state_dir
            .as_ref()
            .map(|dir| dir.join(notes::file_name(spec)));
        Tab {
            label,
            name,
            notes_file,
            folded: FOLDED.map(str::to_owned).into(),
            ..Tab::default()
        }
    }

    /// The pane that has the cursor.
    pub(crate) fn focus(&self) -> Pane {
        let (main, detail) = self.view.panes();
        if self.detail {
            detail.unwrap_or(main)
        } else {
            main
        }
    }

    /// The cursor of a pane.
    pub(crate) fn list(&self, pane: Pane) -> ListState {
        self.lists.get(&pane).copied().unwrap_or_default()
    }

    /// The chosen CPU.
    pub(crate) fn cpu(&self) -> Option<&CpuReport> {
        let row = self.cpu_rows.get(self.list(Pane::Cpus).cursor)?;
        self.report.ready()?.virtualization.cpus.get(*row)
    }

    /// The chosen row of the list of stacks.
    pub(crate) fn stack_row(&self) -> Option<StackRow> {
        self.task_rows.get(self.list(Pane::Stacks).cursor).copied()
    }

    /// The CPU of a row of the list of stacks.
    pub(crate) fn cpu_of(&self, row: StackRow) -> Option<&CpuReport> {
        match row {
            StackRow::Cpu(index) => self.report.ready()?.virtualization.cpus.get(index),
            StackRow::Task(_) => None,
        }
    }

    /// The task of a row of the list of stacks, where that is no CPU.
    pub(crate) fn task_of(&self, row: StackRow) -> Option<&TaskInfo> {
        match row {
            StackRow::Cpu(_) => None,
            StackRow::Task(index) => self.tasks.ready()?.tasks.get(index),
        }
    }

    /// Whose stack is chosen.
    pub(crate) fn stack_of(&self) -> Option<StackOf> {
        let row = self.stack_row()?;
        match (self.cpu_of(row), self.task_of(row)) {
            (Some(cpu), _) => Some(StackOf::Cpu(cpu.cpu)),
            (None, Some(task)) => Some(StackOf::Task(task.address.0)),
            (None, None) => None,
        }
    }

    /// The virtual machines, as far as they are known.
    pub(crate) fn vm_list(&self) -> &[Vm] {
        let list = self.vms.ready().and_then(|v| v.as_ref().as_ref());
        list.map_or(&[], |v| v.vms.as_slice())
    }

    /// The modules, as far as they are known.
    pub(crate) fn module_list(&self) -> &[ModuleFacts] {
        self.modules.ready().map_or(&[], |m| m.modules.as_slice())
    }

    /// A row of the list of virtual machines and modules.
    pub(crate) fn machine(&self, row: usize) -> Option<MachineRow<'_>> {
        let vms = self.vm_list();
        match row.checked_sub(vms.len()) {
            None => vms.get(row).map(MachineRow::Vm),
            Some(row) => self.module_list().get(row).map(MachineRow::Module),
        }
    }

    /// The shapes that what is in memory can be shown in, the most telling first.
    pub(crate) fn shapes(&self) -> Vec<Shape> {
        let Some(page) = self.memory.ready() else {
            return Vec::new();
        };
        let mut shapes = Vec::new();
        if !page.tree.is_empty() {
            shapes.push(Shape::Typed);
        }
        if page.code.is_some() {
            shapes.push(Shape::Code);
        }
        if !page.words.is_empty() {
            shapes.push(Shape::Words);
        }
        shapes
    }

    /// The shape that memory is shown in.
    pub(crate) fn shape(&self) -> Shape {
        let shapes = self.shapes();
        self.shape
            .filter(|s| shapes.contains(s))
            .or(shapes.first().copied())
            .unwrap_or(Shape::Words)
    }

    /// The number of the log's line (from 0) in a row of the log pane.
    pub(crate) fn log_line(&self, row: usize) -> Option<usize> {
        if self.log_filter.is_empty() {
            return Some(row);
        }
        self.log_shown.ready()?.get(row).map(|l| *l as usize)
    }

    /// How many rows the log pane has.
    pub(crate) fn log_rows(&self) -> usize {
        if self.log_filter.is_empty() {
            return self.log.ready().map_or(0, |l| l.len());
        }
        self.log_shown.ready().map_or(0, |l| l.len())
    }

    /// How many rows a table has; 0 for a page.
    pub(crate) fn table_rows(&self, pane: Pane) -> usize {
        match pane {
            Pane::Cpus => self.cpu_rows.len(),
            Pane::Splats => self.report.ready().map_or(0, |r| r.splats.len()),
            Pane::Log => self.log_rows(),
            Pane::Stacks => self.task_rows.len(),
            Pane::Modules => self
                .vm_list()
                .len()
                .saturating_add(self.module_list().len()),
            Pane::Memory => self.memory_rows(),
            _ => 0,
        }
    }

    /// How many rows the memory that is shown has, in its shape.
    fn memory_rows(&self) -> usize {
        let Some(page) = self.memory.ready() else {
            return 0;
        };
        match self.shape() {
            Shape::Typed => page.tree.len(),
            Shape::Code => page.code.as_ref().map_or(0, |c| c.instructions.len()),
            Shape::Words => page.words.len(),
        }
    }

    /// Everything that is waited for.
    pub(crate) fn waiting(&self) -> Vec<JobId> {
        let fixed = [
            self.opened.job(),
            self.report.job(),
            self.log.job(),
            self.code.job(),
            self.tasks.job(),
            self.modules.job(),
            self.vms.job(),
            self.memory.job(),
            self.log_shown.job(),
            self.search.as_ref().and_then(|s| s.lines.job()),
        ];
        fixed
            .into_iter()
            .chain(self.stacks.values().map(Remote::job))
            .flatten()
            .collect()
    }
}
