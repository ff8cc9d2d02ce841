//! Why a fact about the crashed kernel could not be had.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{PageError, PhysAddr};

/// An error of this crate. Each variant says where, what was expected and what was found.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The dump has no VMCOREINFO, so no address of the kernel is known.
    #[error(
        "the dump has no VMCOREINFO, neither as a note nor in its memory, so the kernel's addresses \
         are unknown; --vmlinux FILE finds them by that kernel's symbols. It was perhaps taken by a \
         hypervisor without vmcoreinfo support (QEMU: -device vmcoreinfo)"
    )]
    NoVmcoreinfo,
    /// VMCOREINFO lacks a key that is needed.
    #[error("VMCOREINFO has no usable {key} (needed for {purpose})")]
    VmcoreinfoKey {
        /// The key as VMCOREINFO spells it.
        key: String,
        /// What it is needed for.
        purpose: &'static str,
    },
    /// A virtual address is not mapped by the crashed kernel's page tables.
    #[error("{at} is not mapped: the {level} entry at {entry} is {value:#x}")]
    NotMapped {
        /// The virtual address.
        at: VirtAddr,
        /// Which level of the page table ended the walk.
        level: &'static str,
        /// Physical address of the entry.
        entry: PhysAddr,
        /// The entry as read.
        value: u64,
    },
    /// A page of a page table is not in the dump.
    #[error("{at} can't be translated: the {level} page table: {source}")]
    PageTable {
        /// The virtual address.
        at: VirtAddr,
        /// Which level could not be read.
        level: &'static str,
        /// Why.
        source: PageError,
    },
    /// A page that holds the data is not in the dump.
    #[error("{at} can't be read: {source}")]
    Page {
        /// The virtual address.
        at: VirtAddr,
        /// Why.
        source: PageError,
    },
    /// The bytes were overwritten before the dump was written, on request.
    #[error("{at} was erased from the dump by makedumpfile: `{line}`")]
    Erased {
        /// The first byte that is gone.
        at: VirtAddr,
        /// The line of the dump's erase info.
        line: String,
    },
    /// The address is not canonical, or the range wraps.
    #[error("{at} is no kernel address")]
    NotCanonical {
        /// The virtual address.
        at: VirtAddr,
    },
    /// No symbol of that name; `tried` lists the alternatives that were looked for.
    #[error("the kernel has no symbol {tried}")]
    NoSymbol {
        /// Names tried, joined by ` or `.
        tried: String,
    },
    /// What the user named is not there.
    #[error("there is no {what} {name}{}", .known.as_ref().map(|known| format!("; {known}")).unwrap_or_default())]
    NoSuch {
        /// What kind of thing was named: `symbol`, `type`, `CPU`, `task`.
        what: &'static str,
        /// Its name, as it was given.
        name: String,
        /// What there is instead; `None`: nothing is like it.
        known: Option<String>,
    },
    /// No symbols at all.
    #[error("no symbols: {why}")]
    NoSymbols {
        /// What was tried.
        why: String,
    },
    /// No types at all.
    #[error("no types: {why}")]
    NoTypes {
        /// What was tried.
        why: String,
    },
    /// File and line of code are not known.
    #[error("no file and line: {why}")]
    NoSource {
        /// Why not.
        why: String,
    },
    /// Types or symbols of the debug files.
    #[error(transparent)]
    DebugInfo(std::sync::Arc<virtopsy_debuginfo::Error>),
    /// The vmlinux is of another build than the crashed kernel.
    #[error(
        "{path} is not the vmlinux of this dump: its build-id is {found}, the dump's is {expected} \
         (--force-vmlinux uses it all the same)"
    )]
    WrongVmlinux {
        /// The file.
        path: String,
        /// Build-id of the file.
        found: String,
        /// Build-id of the crashed kernel.
        expected: String,
    },
    /// The BTF that was given is of another kernel than the one that crashed, or can't be shown to be
    /// of this one.
    #[error("{path} is not the BTF of this dump's kernel: {why}")]
    WrongBtf {
        /// The file.
        path: String,
        /// What the dump says and what the BTF says.
        why: String,
    },
    /// A debug file could not be read.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A value that the kernel can't hold there.
    #[error("{what} at {at} is implausible: {found}")]
    Implausible {
        /// What was read.
        what: String,
        /// Where.
        at: VirtAddr,
        /// What was found.
        found: String,
    },
    /// A path expression makes no sense.
    #[error("{text:?} makes no sense at byte {at}: expected {expected}")]
    Expression {
        /// The expression.
        text: String,
        /// Bytes from its start.
        at: usize,
        /// What would have made sense.
        expected: String,
    },
    /// A list ran over its bound or came back to where it was.
    #[error("the list {what} at {at} does not end (stopped after {count} entries)")]
    EndlessList {
        /// Name of the list.
        what: String,
        /// Its head.
        at: VirtAddr,
        /// Entries seen.
        count: usize,
    },
}

impl From<virtopsy_debuginfo::Error> for Error {
    fn from(e: virtopsy_debuginfo::Error) -> Self {
        Error::DebugInfo(std::sync::Arc::new(e))
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable kebab-case word for the kind of error.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::NoVmcoreinfo => "no-vmcoreinfo",
            Error::VmcoreinfoKey { .. } => "vmcoreinfo-key",
            Error::NotMapped { .. } | Error::NotCanonical { .. } => "not-mapped",
            Error::PageTable { .. } | Error::Page { .. } => "page-missing",
            Error::Erased { .. } => "erased",
            Error::NoSymbol { .. } | Error::NoSymbols { .. } => "no-symbol",
            Error::NoSuch { .. } => "no-such",
            Error::NoTypes { .. } => "no-types",
            Error::NoSource { .. } => "no-source",
            Error::DebugInfo(_) => "debuginfo",
            Error::WrongVmlinux { .. } => "wrong-vmlinux",
            Error::WrongBtf { .. } => "wrong-btf",
            Error::File { .. } => "file",
            Error::Implausible { .. } => "implausible",
            Error::Expression { .. } => "expression",
            Error::EndlessList { .. } => "endless-list",
        }
    }

    /// True when the fact is absent from this kernel or layout (a name that does not exist), and
    /// not merely unreadable in this dump.
    pub fn is_absent(&self) -> bool {
        match self {
            Error::NoSymbol { .. } => true,
            Error::DebugInfo(e) => matches!(
                **e,
                virtopsy_debuginfo::Error::NoSuchMember { .. }
                    | virtopsy_debuginfo::Error::NoSuchType { .. }
            ),
            _ => false,
        }
    }
}
