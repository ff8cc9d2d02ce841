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

/// `0, 1, 4-7`.
pub(crate) fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*n) => *end = *n,
            _ => runs.push((*n, *n)),
        }
    }
    let texts = runs.iter().map(|(a, b)| {
        if a == b {
            a.to_string()
        } else {
            format!("{a}-{b}")
        }
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_numbers_are_shortened() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[0, 1, 2, 5, u32::MAX]), "0-2, 5, 4294967295");
    }
}
