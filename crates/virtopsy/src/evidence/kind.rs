//! What every kind of evidence has: an id, a time, and what it rests on.

/// When that happened which a kind of evidence tells of: the step of a CPU's story it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the crash: what KVM had done.
    Before,
    /// While the machine was stopped.
    Stop,
    /// How far this CPU came, and what state it was in.
    ThisCpu,
}

/// What the statement of a kind of evidence rests on, and so what makes it void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The order of events, in which a CPU saves its registers before what is concluded.
    OrderAfterSaving,
    /// Another order of events.
    Order,
    /// The act of disabling itself: it counts whoever did it, but not if it came too late.
    Act,
    /// The kernel's copy of a register. That a word is another CPU's shows by others.
    Copy,
    /// The state itself, or what frames it.
    State,
}

impl Basis {
    /// Whether it is worth nothing where the emergency path can't have disabled.
    pub(crate) fn is_order(self) -> bool {
        match self {
            Basis::OrderAfterSaving | Basis::Order => true,
            Basis::Act | Basis::Copy | Basis::State => false,
        }
    }

    /// Whether it is worth nothing on a CPU that came there after the crash kernel took over.
    pub(crate) fn is_too_late_after_the_jump(self) -> bool {
        match self {
            Basis::OrderAfterSaving | Basis::Order | Basis::Act => true,
            Basis::Copy | Basis::State => false,
        }
    }
}

/// Declares the kinds: `Name = "id", Phase, Basis;`. A kind without one of them does not compile.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $id:literal, $phase:ident, $basis:ident;)+) => {
        /// A kind of evidence. Its id is the `what` of the JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum EvidenceKind {
            $($(#[$doc])* #[serde(rename = $id)] $kind,)+
        }

        impl EvidenceKind {
            /// Its stable id.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(EvidenceKind::$kind => $id,)+
                }
            }

            /// When that happened which it tells of.
            pub(crate) fn phase(self) -> Phase {
                match self {
                    $(EvidenceKind::$kind => Phase::$phase,)+
                }
            }

            /// What its statement rests on.
            pub(crate) fn basis(self) -> Basis {
                match self {
                    $(EvidenceKind::$kind => Basis::$basis,)+
                }
            }
        }

        impl std::fmt::Display for EvidenceKind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.id())
            }
        }
    };
}

pub(super) use kinds;
