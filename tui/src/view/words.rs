//! The words in which states are told; those of the JSON.

use virtopsy::kernel::TaskInfo;
use virtopsy::report::{CpuReport, CpuState, Feature, Reason, Strength, Text};

/// Why a CPU is in its state.
pub(crate) fn reason_word(reason: Reason) -> &'static str {
    match reason {
        Reason::NeverEnabled => "never-enabled",
        Reason::Released => "released",
        Reason::EmergencyDisabled => "emergency-disabled",
        Reason::Offline => "offline",
        Reason::StillEnabled => "still-enabled",
        Reason::DidNotAnswer => "did-not-answer",
        Reason::NotSupported => "not-supported",
        Reason::NoEvidence => "no-evidence",
    }
}

/// How far a statement can be trusted.
pub(super) fn strength_word(strength: Strength) -> &'static str {
    match strength {
        Strength::Weak => "weak",
        Strength::Strong => "strong",
        Strength::Proof => "proof",
    }
}

/// The extension's name.
pub(super) fn feature_word(feature: Feature) -> &'static str {
    match feature {
        Feature::Svm => "SVM",
        Feature::Vmx => "VMX",
        Feature::None => "no VMX, no SVM",
        Feature::Unknown => "VMX/SVM",
    }
}

/// A CPU's row in words: what a filter looks at.
pub(crate) fn cpu_text(cpu: &CpuReport) -> String {
    let state = match cpu.state {
        CpuState::Off => "off",
        CpuState::On => "on",
        CpuState::Unknown => "unknown",
    };
    // `on` must find the CPUs that are ON, and no others: there is no word for those online.
    let online = if cpu.online == Some(false) {
        "offline"
    } else {
        ""
    };
    let conflict = if cpu.conflict { "conflict" } else { "" };
    let task = cpu
        .task
        .as_ref()
        .map_or(String::new(), |t| format!("{} {}", t.comm, t.pid));
    let (reason, strength) = (reason_word(cpu.reason), strength_word(cpu.strength));
    format!(
        "{} {state} {reason} {strength} {online} {conflict} {task}",
        cpu.cpu
    )
}

/// A task's row in words: what a filter looks at.
pub(crate) fn task_text(task: &TaskInfo) -> String {
    let kind = if task.kernel_thread { "kernel" } else { "user" };
    format!(
        "{} {} {} {kind}",
        Text::new(task.comm.clone()),
        task.pid,
        task.state.letter()
    )
}

/// Whether every word is the beginning of one in `text`; `!word` must be of none. The words are
/// lower case.
pub(crate) fn matches(text: &str, wanted: &[String]) -> bool {
    let text = text.to_lowercase();
    let holds = |word: &str| text.split(' ').any(|part| part.starts_with(word));
    wanted.iter().all(|word| match word.strip_prefix('!') {
        Some(word) => !holds(word),
        None => holds(word),
    })
}

/// `1 CPU`, `2 CPUs`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
