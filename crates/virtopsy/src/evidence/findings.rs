//! All that is known of one CPU: statements, and the facts that were learnt on the way to them.

use virtopsy_kernel::{CodeWord, Location};

use super::{Evidence, EvidenceKind};

/// All that is known of one CPU.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Statements, in the order in which the kernel's events happen.
    pub(crate) evidence: Vec<Evidence>,
    /// Whether the CPU has VMX or SVM at all.
    pub(crate) supported: Option<bool>,
    /// What the kernel's own counters say.
    pub(crate) usage: Usage,
    /// The counters that were read.
    pub(crate) counters: Vec<Counter>,
    /// Whether guests have run on the CPU, where the processor's save area says so.
    pub(crate) guests_ran: Option<bool>,
    /// Whether KVM lists a VMCS as loaded on the CPU.
    pub(crate) vmcs_loaded: Option<bool>,
    /// The CPU had been taken offline (or was never brought up) before the dump.
    pub(crate) offline: bool,
    /// How far it came in the crash NMI's handler.
    pub(crate) place: Place,
    /// The function of another NMI's handler in which it hangs.
    pub(crate) hangs_in: Option<Location>,
    /// Words of its NMI stack that are addresses in code, from the top down.
    pub(crate) nmi_words: Vec<CodeWord>,
    /// Whether it saved its registers for the dump.
    pub(crate) note: NoteState,
}

/// A counter or flag by which KVM or the kernel records that virtualization is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    /// Which one.
    pub(crate) what: EvidenceKind,
    /// Its value.
    pub(crate) value: u64,
}

/// What the counters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Enabled, and never given back.
    Enabled,
    /// Not enabled; `ever` when it is known to have been before.
    Disabled {
        /// Whether virtualization had been enabled at some time.
        ever: bool,
    },
    /// The counters can't be read, or contradict each other.
    #[default]
    Unknown,
}

/// How far a CPU came in the crash NMI's handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its stack says nothing of the handler.
    #[default]
    Unknown,
    /// In it, before the point where the CPU counts itself off.
    Inside,
    /// After that point.
    Past,
}

/// Whether the CPU saved its registers for the dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NoteState {
    /// It did.
    Saved,
    /// Its slot is all zero.
    Empty,
    /// The slot can't be read, or holds no note.
    #[default]
    Unknown,
}
