//! What the terminal UI asks of a dump. `live` answers from the library; tests answer from tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use virtopsy::LogLine;
use virtopsy::report::{DumpReport, ErrorReport, Text};

use crate::effect::{MemoryAt, SymbolHit};

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
    fn log(&self) -> Result<Vec<LogLine>, String>;
    /// The callback and the functions that call it, disassembled.
    fn code(&self, report: &DumpReport) -> Result<Vec<Listing>, String>;
    /// What stands on a CPU's stacks.
    fn stack(&self, cpu: u32, cancelled: &Cancelled) -> Result<StackText, String>;
    /// The modules.
    fn modules(&self) -> Result<Vec<ModuleRow>, String>;
    /// Symbols that match `query`, best first, at most `limit`.
    fn symbols(
        &self,
        query: &str,
        limit: usize,
        cancelled: &Cancelled,
    ) -> Result<Vec<SymbolHit>, String>;
    /// A page of memory.
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

/// A function, disassembled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Name of the function, and its module.
    pub(crate) title: String,
    /// What it has to do with the callback.
    pub(crate) note: String,
    /// Its instructions.
    pub(crate) rows: Vec<CodeRow>,
}

/// An instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeRow {
    /// Its address.
    pub(crate) address: u64,
    /// Its text.
    pub(crate) text: String,
    /// Where it goes or what it touches: address and name.
    pub(crate) target: Option<(u64, String)>,
    /// What it does on the way to or from the callback; empty for most.
    pub(crate) mark: &'static str,
}

/// What stands on a CPU's stacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackText {
    /// The CPU.
    pub(crate) cpu: u32,
    /// Stacks, innermost first.
    pub(crate) parts: Vec<StackPart>,
}

/// One stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackPart {
    /// Which stack.
    pub(crate) title: String,
    /// Why it, or a part of it, is missing; or how it was read.
    pub(crate) note: String,
    /// Words that are code addresses: where they stand, their value, its name.
    pub(crate) words: Vec<(u64, u64, String)>,
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModuleRow {
    /// Its name.
    pub(crate) name: String,
    /// Its state.
    pub(crate) state: String,
    /// Reference count, where it can be read.
    pub(crate) refcount: Option<i64>,
    /// Where its `struct module` is.
    pub(crate) address: u64,
    /// Its areas: base, bytes, whether it holds code.
    pub(crate) areas: Vec<(u64, u64, bool)>,
    /// Base of its per-CPU data; 0 without.
    pub(crate) percpu: u64,
}

impl ModuleRow {
    /// Bytes of all areas.
    pub(crate) fn size(&self) -> u64 {
        self.areas
            .iter()
            .fold(0, |sum, (_, size, _)| sum.saturating_add(*size))
    }
}

/// Bytes of a page of memory.
pub(crate) const PAGE: u64 = 4096;

/// A page of memory, word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryPage {
    /// Its first address.
    pub(crate) start: u64,
    /// The address that was asked for.
    pub(crate) asked: u64,
    /// What that address is called.
    pub(crate) name: Option<String>,
    /// 512 words: value, and the name of what it points to.
    pub(crate) words: Vec<(u64, Option<String>)>,
    /// Its type in words, where that is known.
    pub(crate) type_name: Option<String>,
    /// Members that begin in a word, by the word's number: path and value.
    pub(crate) members: BTreeMap<usize, Vec<(String, String)>>,
}
