//! The words of the answer: what a dump, a CPU and a statement about it can be.

use serde::{Deserialize, Serialize};

/// Who wrote the dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The crash kernel, after the emergency path had run.
    Kdump,
    /// A hypervisor, from outside: nothing ran in the machine for the dump's sake.
    Hypervisor,
    /// The running machine itself (`/proc/kcore`).
    Live,
    /// Nothing in the dump says.
    #[default]
    Unknown,
}

/// Which virtualization extension the machine's CPUs have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// AMD (and Hygon) SVM.
    Svm,
    /// Intel (and Zhaoxin, Centaur) VMX.
    Vmx,
    /// Neither is usable by the kernel.
    None,
    /// Not determined.
    #[default]
    Unknown,
}

/// The answer for the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every CPU is shown to be off.
    AllOff,
    /// At least one CPU is shown to be on.
    NotAllOff,
    /// No CPU is shown to be on, but not every one is shown to be off.
    #[default]
    Inconclusive,
    /// The machine has no VMX and no SVM.
    NotApplicable,
}

/// State of VMX or SVM on one CPU at the instant that the dump holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CpuState {
    /// Shown to be off.
    Off,
    /// Shown to be on.
    On,
    /// Not shown to be either.
    #[default]
    Unknown,
}

/// Why a CPU is in its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// KVM never switched virtualization on here.
    NeverEnabled,
    /// KVM switched it off in order: last VM gone, module unloaded, shutdown.
    Released,
    /// The crash (or reboot) path switched it off.
    EmergencyDisabled,
    /// The CPU had been taken offline, which switches it off first.
    Offline,
    /// It was on and nothing switched it off.
    StillEnabled,
    /// The CPU never answered the stop request and had virtualization on.
    DidNotAnswer,
    /// The CPU has neither VMX nor SVM.
    NotSupported,
    /// The dump does not hold what would decide.
    #[default]
    NoEvidence,
}

/// How far a statement can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Usually so; there are known ways for it to be wrong.
    #[default]
    Weak,
    /// Wrong only in unusual, named circumstances.
    Strong,
    /// Follows from the order of the kernel's own instructions or from the hardware's state.
    Proof,
}

/// What a piece of evidence says of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// Virtualization was off.
    Off,
    /// Virtualization was on.
    On,
    /// It frames the others, and decides nothing by itself.
    #[default]
    Neutral,
}
