//! The kinds of report that say why a kernel died or warned, and what describes one.
//!
//! A kind is a constant here and a [`KindSpec`] in [`spec`]: how its text begins, what ends it,
//! and what it means. Nothing else in the crate tells kinds apart by name.

pub(super) mod spec;

use serde::{Deserialize, Serialize};

use super::phrases::Phrases;

/// What a report is about. The names in JSON are those of the kebab-case constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CrashKind {
    /// A pointer that is null, or null plus the offset of a member.
    NullDeref,
    /// An address that is not mapped, or not for this access.
    PageFault,
    /// The kernel jumped to memory that is not kernel code.
    ExecFault,
    /// An access that the CPU refuses, as of a non-canonical address.
    GeneralProtection,
    /// `BUG()`, `BUG_ON()`.
    KernelBug,
    /// An instruction that the CPU does not know, without a `BUG()`.
    InvalidOpcode,
    /// A division by zero.
    DivideError,
    /// A fault while a fault was delivered.
    DoubleFault,
    /// A kernel stack that is full.
    StackOverflow,
    /// Any other trap that ends in die().
    CpuTrap,
    /// arm64: an asynchronous error that the hardware reports.
    #[serde(rename = "serror")]
    SError,
    /// A CPU that did not schedule.
    SoftLockup,
    /// A CPU that took no interrupt.
    HardLockup,
    /// A grace period of RCU that does not end.
    RcuStall,
    /// A task that sleeps uninterruptibly, and does not wake.
    HungTask,
    /// A pool of workers that makes no progress.
    WorkqueueLockup,
    /// `WARN()`, `WARN_ON()`.
    Warning,
    /// KASAN: memory that must not be accessed.
    Kasan,
    /// KFENCE: the same, by sampling.
    Kfence,
    /// KMSAN: a value that was never set.
    Kmsan,
    /// KCSAN: a data race.
    Kcsan,
    /// UBSAN: undefined behaviour of C.
    Ubsan,
    /// A list whose links do not match.
    ListCorruption,
    /// A reference counter out of its range.
    Refcount,
    /// A copy from or to user space that leaves its object.
    Usercopy,
    /// An object freed or initialised while in use.
    Odebug,
    /// An object of a slab cache that was overwritten or freed twice.
    SlabCorruption,
    /// A page, a page table entry or a counter in a state that cannot be.
    BadPage,
    /// `BUG: TEXT` of no other kind.
    BugText,
    /// No memory left: the OOM killer.
    Oom,
    /// An allocation of pages that failed.
    AllocFailure,
    /// Memory that nothing points to.
    Kmemleak,
    /// A driver that misuses the DMA API.
    DmaApi,
    /// A device that accessed memory it must not.
    IommuFault,
    /// A machine check.
    Mce,
    /// An error of memory, told by its controller.
    Edac,
    /// An error of hardware, told by the firmware.
    Ghes,
    /// An NMI that nobody asked for.
    Nmi,
    /// An interrupt that no driver handled.
    IrqNobodyCared,
    /// An access to a model-specific register that does not exist.
    MsrAccess,
    /// A call through a pointer of the wrong type.
    Cfi,
    /// A stack frame that was overwritten.
    StackProtector,
    /// The first process ended.
    InitDied,
    /// No root file system.
    NoRoot,
    /// Someone asked for a crash.
    SysrqCrash,
    /// Any other panic.
    Panic,
}

/// Who prints a report, which says how it ends and whether the kernel lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// die(): the task, and often the kernel, is over.
    Oops,
    /// WARN(): the kernel goes on unless `panic_on_warn` is set.
    Warn,
    /// A checker or a watchdog: the same.
    Report,
    /// A line or a few, without a backtrace of its own.
    Event,
    /// panic().
    Panic,
}

/// How the text of a kind begins, behind the prefixes of subsystems.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin {
    /// With these words.
    At(&'static str),
    /// With the first words, and the second ones somewhere behind them.
    With(&'static str, &'static str),
    /// With these words anywhere: a name stands before them.
    In(&'static str),
    /// With these words, which alone are no report: a WARN, a BUG or die() beside them makes it one.
    Soft(&'static str),
    /// The same, anywhere.
    SoftIn(&'static str),
    /// die()'s line, `TEXT: CODE [#N]`, where it is the first of the report.
    Die(&'static str),
    /// The text of a panic.
    Panic(&'static str),
}

/// All that the crate knows of a kind.
pub(super) struct KindSpec {
    pub(super) kind: CrashKind,
    /// The name in JSON.
    pub(super) id: &'static str,
    pub(super) nature: Nature,
    pub(super) begins: &'static [Begin],
    /// Texts of the panics that are the end of such a report.
    pub(super) ends: &'static [&'static str],
    /// Further ones right behind the first are the same event.
    pub(super) burst: bool,
    /// A title, to which the function is added.
    pub(super) title: &'static str,
    /// What happened, for a person.
    pub(super) sentence: fn(&Phrases) -> String,
    /// What the kind means, in plain words.
    pub(super) means: &'static str,
    /// What to look at next.
    pub(super) next: &'static str,
}

impl CrashKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        spec::all().map(|spec| spec.kind)
    }

    /// The name in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().map_or("", |spec| spec.id)
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        spec::all().find(|s| s.id == name).map(|s| s.kind)
    }

    /// A line that says what it is.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.spec().map_or("", |spec| spec.title)
    }

    /// What it means, in plain words.
    #[must_use]
    pub fn means(self) -> &'static str {
        self.spec().map_or("", |spec| spec.means)
    }

    /// What to look at next.
    #[must_use]
    pub fn next(self) -> &'static str {
        self.spec().map_or("", |spec| spec.next)
    }

    pub(super) fn spec(self) -> Option<&'static KindSpec> {
        spec::all().find(|spec| spec.kind == self)
    }

    pub(super) fn nature(self) -> Nature {
        self.spec().map_or(Nature::Report, |spec| spec.nature)
    }
}

impl std::fmt::Display for CrashKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
