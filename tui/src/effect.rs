//! What `update` asks the world to do, and what comes back.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virtopsy::Listing;
use virtopsy::facts::ModulesFacts;
use virtopsy::kernel::{TaskList, VmList};
use virtopsy::report::{DumpReport, ErrorReport};

use crate::editor::SourceLine;
use crate::logtext::{LogFilter, LogText};
use crate::source::{MemoryAt, MemoryPage, Opened, StackOf, StackText, SymbolHit};

/// The generation number of a job: each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub(crate) u64);

/// Something to be done outside the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Start a job on a worker.
    Start(JobId, Request),
    /// Nobody waits for this job any more.
    Cancel(JobId),
    /// Put text on the clipboard (OSC 52).
    Copy(String),
    /// Stop the process until it is continued.
    Suspend,
    /// Take the mouse, or let it go.
    Mouse(bool),
    /// Run an editor: its program and arguments.
    Edit(Vec<OsString>),
    /// Draw everything anew.
    Redraw,
}

/// A shared value that is equal to itself only: comparing effects must not read a whole log.
#[derive(Debug)]
pub(crate) struct Shared<T>(pub(crate) Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A question to a worker. `tab` is the number of the dump.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Open {
        tab: usize,
    },
    Report {
        tab: usize,
    },
    Log {
        tab: usize,
    },
    Code {
        tab: usize,
        report: Shared<DumpReport>,
    },
    Stack {
        tab: usize,
        of: StackOf,
    },
    Tasks {
        tab: usize,
    },
    Modules {
        tab: usize,
    },
    Vms {
        tab: usize,
    },
    Symbols {
        tab: usize,
        query: String,
    },
    Memory {
        tab: usize,
        at: MemoryAt,
    },
    Scan {
        log: Shared<LogText>,
        filter: LogFilter,
        within: Option<Arc<Vec<u32>>>,
    },
    Write {
        path: PathBuf,
        payload: Payload,
        over: bool,
    },
    Notes {
        path: PathBuf,
    },
    /// Where a line of the source is.
    Source {
        tab: usize,
        of: SourceOf,
        /// Folders that hold the kernel's source.
        dirs: Vec<PathBuf>,
    },
}

/// What a place in the source is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceOf {
    /// A line that something named.
    Line(SourceLine),
    /// An instruction.
    Code(u64),
}

impl Request {
    /// What it does, for the status line.
    pub(crate) fn describe(&self) -> String {
        match self {
            Request::Open { .. } => "opening the dump".into(),
            Request::Report { .. } => "examining the dump".into(),
            Request::Log { .. } => "reading the log".into(),
            Request::Code { .. } => "disassembling".into(),
            Request::Stack {
                of: StackOf::Cpu(cpu),
                ..
            } => format!("reading the stack of CPU {cpu}"),
            Request::Stack {
                of: StackOf::Task(at),
                ..
            } => format!("reading the stack of the task at {at:#x}"),
            Request::Tasks { .. } => "reading the tasks".into(),
            Request::Modules { .. } => "reading the modules".into(),
            Request::Vms { .. } => "reading the virtual machines".into(),
            Request::Symbols { .. } => "searching symbols".into(),
            Request::Memory { .. } => "reading memory".into(),
            Request::Scan { .. } => "searching the log".into(),
            Request::Write { path, .. } => format!("writing {}", shown(path)),
            Request::Notes { .. } => "reading the bookmarks".into(),
            Request::Source { .. } => "looking for the source".into(),
        }
    }
}

/// A path, safe to show.
pub(crate) fn shown(path: &Path) -> String {
    crate::doc::safe(&path.to_string_lossy())
}

/// What is written to a file. Long texts are made on the worker.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Text(String),
    /// The log, or those lines of it.
    Log(Arc<LogText>, Option<Arc<Vec<u32>>>),
    /// The same as JSON, a record each line of an array.
    LogJson(Arc<LogText>, Option<Arc<Vec<u32>>>),
    /// A view, as JSON.
    View(serde_json::Value),
    /// The whole report, as JSON.
    Report(Arc<DumpReport>),
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::Text(a), Payload::Text(b)) => a == b,
            (Payload::Log(a, x), Payload::Log(b, y))
            | (Payload::LogJson(a, x), Payload::LogJson(b, y)) => Arc::ptr_eq(a, b) && x == y,
            (Payload::View(a), Payload::View(b)) => a == b,
            (Payload::Report(a), Payload::Report(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// What a worker found.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Opened(Result<Opened, ErrorReport>),
    Report(Arc<DumpReport>),
    Log(Arc<LogText>),
    Code(Arc<Vec<Listing>>),
    Stack(Arc<StackText>),
    Tasks(Arc<TaskList>),
    Modules(Arc<ModulesFacts>),
    Vms(Arc<Option<VmList>>),
    Symbols(Vec<SymbolHit>),
    Memory(Arc<MemoryPage>),
    Lines(Arc<Vec<u32>>),
    Written(PathBuf, usize),
    /// The bookmarks file of a dump, and its text.
    Notes(PathBuf, String),
    /// A file of the source, and a line of it.
    Source(PathBuf, u32),
}

/// A worker's answer: `Err` says why there is none.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) job: JobId,
    pub(crate) result: Result<Reply, String>,
}
