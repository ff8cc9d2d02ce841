//! The checks: each asks one question of a report, and says pass only where the answer is shown.

mod callback_sound;
mod dump_complete;
mod known_issues;
mod lock_splats;
mod shutdown_complete;
mod virt_disabled;

use crate::report::{CheckReport, CheckVerdict, DumpReport};

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable id.
    pub id: &'static str,
    /// The question, in one line.
    pub title: &'static str,
    /// What the verdicts mean and what to do about each.
    pub text: &'static str,
    run: fn(&DumpReport) -> (CheckVerdict, String),
}

/// All checks, in the order in which reports list them.
pub const CHECKS: &[Check] = &[
    virt_disabled::CHECK,
    callback_sound::CHECK,
    shutdown_complete::CHECK,
    lock_splats::CHECK,
    known_issues::CHECK,
    dump_complete::CHECK,
];

/// The check of that id.
pub fn check(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// Runs all checks on a report.
pub(crate) fn run_all(report: &DumpReport) -> Vec<CheckReport> {
    let run = |check: &Check| {
        let (verdict, summary) = (check.run)(report);
        CheckReport {
            id: check.id.into(),
            verdict,
            summary,
        }
    };
    CHECKS.iter().map(run).collect()
}
