//! What the dump says of one CPU: each kind of evidence in a file of its own, which states what
//! it reads, what it says, how strong it is and when it lies.
//!
//! A fact that the kernel does not have gives no evidence. A fact that can't be read gives
//! neutral evidence with the reason, so that "unknown" explains itself.

mod counters;
mod cr4_shadow;
mod crash_notes;
mod efer_write;
mod nmi_stack;
mod nothing_ran;
mod online;
mod order;
mod origin;
mod qemu_note;
mod rebooting;
mod shootdown;
mod support;
mod svm_data;
mod vmcs_list;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CodeWord, CpuId, Error};

pub(crate) use counters::Usage;
pub(crate) use crash_notes::NoteState;

use crate::machine::Machine;
use crate::report::{EvidenceReport, Hex, Says, Strength};

/// One statement about one CPU.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    /// Its kind.
    pub(crate) what: &'static str,
    /// What it says.
    pub(crate) says: Says,
    /// How far it can be trusted.
    pub(crate) strength: Strength,
    /// Where it was read.
    pub(crate) address: Option<VirtAddr>,
    /// What was read.
    pub(crate) value: Option<String>,
    /// Why that says so.
    pub(crate) why: String,
    /// When it is wrong all the same.
    pub(crate) lies_when: Option<&'static str>,
}

impl Evidence {
    /// A statement that virtualization was off.
    pub(crate) fn off(what: &'static str, strength: Strength, why: impl Into<String>) -> Evidence {
        Evidence {
            what,
            says: Says::Off,
            strength,
            address: None,
            value: None,
            why: why.into(),
            lies_when: None,
        }
    }

    /// A statement that it was on.
    pub(crate) fn on(what: &'static str, strength: Strength, why: impl Into<String>) -> Evidence {
        Evidence {
            says: Says::On,
            ..Evidence::off(what, strength, why)
        }
    }

    /// A statement that decides nothing by itself.
    pub(crate) fn neutral(what: &'static str, why: impl Into<String>) -> Evidence {
        Evidence {
            says: Says::Neutral,
            ..Evidence::off(what, Strength::Weak, why)
        }
    }

    /// Why a fact that would have spoken could not be read.
    pub(crate) fn unreadable(what: &'static str, error: &Error) -> Evidence {
        Evidence::neutral(what, format!("could not be read: {error}"))
    }

    /// Adds where it was read and what stood there.
    pub(crate) fn read(mut self, address: VirtAddr, value: impl Into<String>) -> Evidence {
        self.address = Some(address);
        self.value = Some(value.into());
        self
    }

    /// Adds when it lies.
    pub(crate) fn lies_when(mut self, when: &'static str) -> Evidence {
        self.lies_when = Some(when);
        self
    }
}

impl From<Evidence> for EvidenceReport {
    fn from(e: Evidence) -> EvidenceReport {
        EvidenceReport {
            what: e.what.into(),
            says: e.says,
            strength: e.strength,
            address: e.address.map(|a| Hex(a.0)),
            value: e.value,
            why: e.why,
            lies_when: e.lies_when.map(Into::into),
        }
    }
}

/// All that is known of one CPU.
#[derive(Clone, Debug)]
pub(crate) struct Testimony {
    /// Statements, in the order in which the kernel's events happen.
    pub(crate) evidence: Vec<Evidence>,
    /// Whether the CPU has VMX or SVM at all.
    pub(crate) supported: Option<bool>,
    /// What the kernel's own books say.
    pub(crate) usage: Usage,
    /// The CPU had been taken offline (or was never brought up) before the dump.
    pub(crate) offline: bool,
    /// Whether it saved its registers for the dump.
    pub(crate) note: NoteState,
}

/// What the kinds of evidence that speak of the crash NMI must know of each other.
pub(crate) struct Shootdown {
    /// What the books say: a CPU on which nothing was enabled can't have been left on.
    usage: Usage,
    /// The CPU was offline before, so nothing was sent to it.
    offline: bool,
    /// How far it came in the NMI's handler.
    place: nmi_stack::Place,
    /// Words of its NMI stack that are addresses in code, from the top down.
    nmi_words: Vec<CodeWord>,
}

/// Asks every kind of evidence about `cpu`.
pub(crate) fn gather(machine: &Machine<'_>, cpu: CpuId) -> Testimony {
    let mut evidence = Vec::new();
    let supported = support::examine(machine, cpu, &mut evidence);
    let usage = counters::examine(machine, cpu, &mut evidence);
    vmcs_list::examine(machine, cpu, &mut evidence);
    svm_data::examine(machine, cpu, &mut evidence);
    rebooting::examine(machine, &mut evidence);
    let offline = online::examine(machine, cpu, usage, &mut evidence);
    nothing_ran::examine(machine, cpu, usage, &mut evidence);
    let (place, nmi_words) = nmi_stack::place(machine, cpu);
    let shootdown = Shootdown {
        usage,
        offline,
        place,
        nmi_words,
    };
    let note = crash_notes::examine(machine, cpu, &shootdown, &mut evidence);
    nmi_stack::examine(machine, note, &shootdown, &mut evidence);
    efer_write::examine(machine, &shootdown, &mut evidence);
    shootdown::examine(machine, cpu, note, &shootdown, &mut evidence);
    cr4_shadow::examine(machine, cpu, &mut evidence);
    qemu_note::examine(machine, cpu, &mut evidence);
    origin::examine(machine, cpu, note, &mut evidence);
    order::qualify(machine, cpu, usage, &mut evidence);
    Testimony {
        evidence,
        supported,
        usage,
        offline,
        note,
    }
}
