//! One statement about one CPU.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::Error;

use super::{EvidenceKind, Value};
use crate::report::state::{Says, Strength};

/// One statement about one CPU.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    /// Its kind.
    pub(crate) what: EvidenceKind,
    /// What it says.
    pub(crate) says: Says,
    /// How far it can be trusted.
    pub(crate) strength: Strength,
    /// Where it was read.
    pub(crate) address: Option<VirtAddr>,
    /// What was read.
    pub(crate) value: Option<Value>,
    /// Why that says so: a sentence for people. No code reads it.
    pub(crate) why: String,
    /// When it is wrong all the same: a sentence for people.
    pub(crate) lies_when: Option<&'static str>,
}

impl Evidence {
    /// A statement that virtualization was off.
    pub(crate) fn off(what: EvidenceKind, strength: Strength, why: impl Into<String>) -> Evidence {
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
    pub(crate) fn on(what: EvidenceKind, strength: Strength, why: impl Into<String>) -> Evidence {
        Evidence {
            says: Says::On,
            ..Evidence::off(what, strength, why)
        }
    }

    /// A statement that decides nothing by itself.
    pub(crate) fn neutral(what: EvidenceKind, why: impl Into<String>) -> Evidence {
        Evidence {
            says: Says::Neutral,
            ..Evidence::off(what, Strength::Weak, why)
        }
    }

    /// Why a fact that would have spoken could not be read.
    pub(crate) fn unreadable(what: EvidenceKind, error: &Error) -> Evidence {
        Evidence::neutral(what, format!("could not be read: {error}"))
    }

    /// Adds where it was read and what was there.
    pub(crate) fn read(mut self, address: VirtAddr, value: Value) -> Evidence {
        self.address = Some(address);
        self.value = Some(value);
        self
    }

    /// Adds when it lies.
    pub(crate) fn lies_when(mut self, when: &'static str) -> Evidence {
        self.lies_when = Some(when);
        self
    }

    /// Makes it decide nothing any more, and says why.
    pub(crate) fn take_back(&mut self, but: &str) {
        self.says = Says::Neutral;
        self.strength = Strength::Weak;
        self.add(but);
    }

    /// Adds to why it says so.
    pub(crate) fn add(&mut self, but: &str) {
        self.why.push_str("; ");
        self.why.push_str(but);
    }
}
