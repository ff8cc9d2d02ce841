//! The words, glyphs and tones in which results are told.

use serde::Serialize;
use virtopsy::report::{
    CallbackState, CheckVerdict, CpuState, DumpReport, Feature, TaskReport, Verdict,
};

use crate::page::Tone;

/// The word that a value has in JSON.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A tone, and a glyph with a word: colour never stands alone.
pub(crate) type Mark = (Tone, String);

fn mark(tone: Tone, glyph: char, word: &str) -> Mark {
    (tone, format!("{glyph} {word}"))
}

pub(crate) fn check(verdict: CheckVerdict) -> Mark {
    match verdict {
        CheckVerdict::Pass => mark(Tone::Good, '✓', "pass"),
        CheckVerdict::Fail => mark(Tone::Bad, '✗', "fail"),
        CheckVerdict::Inconclusive => mark(Tone::Unsure, '?', "inconclusive"),
        CheckVerdict::NotApplicable => mark(Tone::Muted, '–', "not-applicable"),
        CheckVerdict::Error => mark(Tone::Bad, '!', "error"),
    }
}

pub(crate) fn verdict(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::AllOff => mark(Tone::Good, '✓', "all off"),
        Verdict::NotAllOff => mark(Tone::Bad, '✗', "not all off"),
        Verdict::Inconclusive => mark(Tone::Unsure, '?', "inconclusive"),
        Verdict::NotApplicable => mark(Tone::Muted, '–', "not applicable"),
    }
}

/// So many bytes, in the unit that suits.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        10_485_760..10_737_418_240 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

pub(crate) fn cpu(state: CpuState) -> Mark {
    match state {
        CpuState::Off => mark(Tone::Good, '○', "off"),
        CpuState::On => mark(Tone::Bad, '●', "on"),
        CpuState::Unknown => mark(Tone::Unsure, '?', "unknown"),
    }
}

pub(crate) fn callback(state: CallbackState) -> Mark {
    match state {
        CallbackState::None => mark(Tone::Good, '–', "none registered"),
        CallbackState::Registered => mark(Tone::Good, '✓', "registered"),
        CallbackState::Unloading => mark(Tone::Bad, '✗', "unloading"),
        CallbackState::Dangling => mark(Tone::Bad, '✗', "dangling"),
        CallbackState::Unknown => mark(Tone::Unsure, '?', "unknown"),
    }
}

pub(crate) fn feature(feature: Feature) -> &'static str {
    match feature {
        Feature::Svm => "SVM",
        Feature::Vmx => "VMX",
        Feature::None | Feature::Unknown => "VMX/SVM",
    }
}

/// The verdict and what failed beside it, where virtualization was off on all CPUs and checks failed
/// nevertheless.
pub(crate) fn failed_beside(report: &DumpReport) -> Option<String> {
    let failed = report.failed_beside_verdict();
    let checks = count(failed, "check");
    (failed > 0).then(|| format!("virtualization off on all CPUs; {checks} failed"))
}

/// `sh (pid 107)`.
pub(crate) fn task(task: &TaskReport) -> String {
    format!("{} (pid {})", task.comm, task.pid)
}

/// `1 dump`, `2 dumps`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
