//! The checks: each asks one question of a report, and says pass only where the answer is shown.

mod callback_sound;
mod dump_complete;
mod known_issues;
mod lock_splats;
mod shutdown_complete;
mod virt_disabled;

use crate::closed_set::closed_set;
use crate::report::{CheckReport, CheckVerdict, DumpReport};

/// What a check asks, and how.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The question, in one line.
    pub title: &'static str,
    /// What the verdicts mean and what to do about each.
    pub text: &'static str,
    run: fn(&DumpReport) -> (CheckVerdict, String),
}

closed_set! {
    /// A check, in the order in which reports list them. Its id is the `id` of the JSON.
    CheckId, "check";
    /// VMX and SVM off on every CPU?
    VirtDisabledAllCpus = "virt-disabled-all-cpus";
    /// Was the emergency callback there, and alive?
    EmergencyCallbackSound = "emergency-callback-sound";
    /// Did every CPU answer the crash?
    CrashShutdownComplete = "crash-shutdown-complete";
    /// No lock-debugging report in the log?
    NoLockSplats = "no-lock-splats";
    /// No known defect of the emergency path in this dump?
    NoKnownIssues = "no-known-issues";
    /// Is the dump whole?
    DumpComplete = "dump-complete";
}

impl CheckId {
    /// What it is and what it means.
    #[must_use]
    pub const fn described(self) -> &'static Check {
        match self {
            CheckId::VirtDisabledAllCpus => &virt_disabled::CHECK,
            CheckId::EmergencyCallbackSound => &callback_sound::CHECK,
            CheckId::CrashShutdownComplete => &shutdown_complete::CHECK,
            CheckId::NoLockSplats => &lock_splats::CHECK,
            CheckId::NoKnownIssues => &known_issues::CHECK,
            CheckId::DumpComplete => &dump_complete::CHECK,
        }
    }
}

/// Runs all checks on a report.
pub(crate) fn run_all(report: &DumpReport) -> Vec<CheckReport> {
    let run = |id: &CheckId| {
        let (verdict, summary) = (id.described().run)(report);
        CheckReport {
            id: *id,
            verdict,
            summary,
        }
    };
    CheckId::ALL.iter().map(run).collect()
}
