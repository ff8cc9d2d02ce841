//! What the terminal UI asks of a dump. `live` answers from the library; tests answer from tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use virtopsy::Listing;
use virtopsy::facts::{LogRecord, ModulesFacts};
use virtopsy::kernel::{Backtrace, SourceFrame, TaskInfo, TaskList, VmList};
use virtopsy::report::{DumpReport, ErrorReport, Text};

use crate::editor::SourceLine;
use crate::place::Place;

/// Says whether anybody still waits for a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    /// Nobody waits any more.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the job should end.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Opens dumps by their number.
pub(crate) trait Opener: Send + Sync {
    /// Opens a dump.
    fn open(&self, tab: usize) -> Result<Arc<dyn Source>, ErrorReport>;
}

/// An open dump. Every method may take long, and runs on a worker.
pub(crate) trait Source: Send + Sync {
    /// What the container says.
    fn opened(&self) -> Opened;
    /// Everything that can be said.
    fn report(&self) -> DumpReport;
    /// The kernel log.
    fn log(&self) -> Result<Vec<LogRecord>, String>;
    /// The callback and the functions that call it, disassembled.
    fn code(&self, report: &DumpReport) -> Result<Vec<Listing>, String>;
    /// The stack of a CPU or a task.
    fn stack(&self, of: StackOf, cancelled: &Cancelled) -> Result<StackText, String>;
    /// All tasks.
    fn tasks(&self) -> Result<TaskList, String>;
    /// The modules.
    fn modules(&self) -> Result<ModulesFacts, String>;
    /// The virtual machines; `None` where KVM is not loaded.
    fn vms(&self) -> Result<Option<VmList>, String>;
    /// Symbols that match `query`, best first, at most `limit`.
    fn symbols(
        &self,
        query: &str,
        limit: usize,
        cancelled: &Cancelled,
    ) -> Result<Vec<SymbolHit>, String>;
    /// The line of the source that an instruction comes from.
    fn line_of(&self, at: u64) -> Result<SourceLine, String>;
    /// What lies at a place in memory.
    fn memory(&self, at: &MemoryAt) -> Result<MemoryPage, String>;
}

/// What is known as soon as a dump is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Container format.
    pub(crate) format: String,
    /// `uname -r`.
    pub(crate) release: Option<Text>,
    /// Why the kernel can't be examined, where it can't.
    pub(crate) kernel_error: Option<Text>,
}

/// Whose stack is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum StackOf {
    /// What a CPU did when it was stopped.
    Cpu(u32),
    /// The task whose `task_struct` is at this address.
    Task(u64),
}

/// The stack of a CPU or a task.
#[derive(Clone, Debug)]
pub(crate) struct StackText {
    /// The task, where it can be read.
    pub(crate) task: Option<TaskInfo>,
    /// Whether the CPU was handling an NMI; `None` for a sleeping task.
    pub(crate) in_nmi: Option<bool>,
    /// Who called whom.
    pub(crate) backtrace: Backtrace,
    /// Where the code of each frame comes from, inlined functions first; empty without debug
    /// information.
    pub(crate) sources: Vec<Vec<SourceFrame>>,
    /// The lock that a sleeping task waits for.
    pub(crate) waits: Option<Waits>,
    /// The locks that it holds, oldest first; lockdep's word.
    pub(crate) held: Vec<Held>,
    /// Stacks of a CPU, word by word.
    pub(crate) scans: Vec<StackPart>,
}

/// A lock that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// Where it is.
    pub(crate) lock: u64,
    /// Its kind, in words.
    pub(crate) kind: String,
    /// Who owns it: thread id and name.
    pub(crate) owner: Option<(i32, Text)>,
    /// Readers own it: the owner is the last of them.
    pub(crate) readers: bool,
    /// How it is known.
    pub(crate) known_by: &'static str,
}

/// A lock that a task holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The name of its class.
    pub(crate) name: Text,
    /// Where it is.
    pub(crate) lock: u64,
    /// Where it was taken.
    pub(crate) taken_at: String,
}

/// One stack, word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackPart {
    /// Which stack.
    pub(crate) title: &'static str,
    /// Why it, or a part of it, is missing; or how it was read.
    pub(crate) note: String,
    /// Words that are code addresses: where they stand, their value, its name.
    pub(crate) words: Vec<(u64, u64, String)>,
}

/// What part of memory is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemoryAt {
    /// The page that holds this address.
    Address(u64),
    /// What an expression of `virtopsy peek` comes to, or a place as traces write it:
    /// `function+0x10/0x20 [module]`.
    Expression(String),
}

/// A symbol that matches what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SymbolHit {
    pub(crate) name: String,
    pub(crate) address: u64,
    /// How well it matches; more is better.
    pub(crate) score: i32,
}

/// Bytes of a page of memory.
pub(crate) const PAGE: u64 = 4096;

/// A place in memory, in all shapes that it can be shown in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryPage {
    /// The address that was asked for.
    pub(crate) asked: u64,
    /// What that address is called.
    pub(crate) name: Option<String>,
    /// The first address of its page.
    pub(crate) start: u64,
    /// The page's 512 words, each with the name of what it points to; none where the page is not
    /// in the dump.
    pub(crate) words: Vec<(u64, Option<String>)>,
    /// Its type, where that is known.
    pub(crate) type_name: Option<String>,
    /// What lies there by that type.
    pub(crate) tree: Vec<TypedRow>,
    /// The function that it is in, where it is code.
    pub(crate) code: Option<Listing>,
}

/// A value of a known type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypedRow {
    /// How deep in structures and arrays.
    pub(crate) depth: usize,
    /// Its name: an expression, a member, `[3]`.
    pub(crate) name: String,
    /// Its type.
    pub(crate) type_name: String,
    /// Where it lies.
    pub(crate) address: Option<u64>,
    /// The value in words; empty for what has parts.
    pub(crate) value: String,
    /// Where it leads.
    pub(crate) to: Option<Place>,
}
