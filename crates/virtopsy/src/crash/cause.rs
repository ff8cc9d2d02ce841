//! Which report of the log took the kernel down, and how to say it.

use virtopsy_klog::Crash;

use crate::report::{DumpReport, Text};

/// Fills in the cause of a crash from the reports in the log.
pub(crate) fn settle(report: &mut DumpReport) {
    let cause = cause(&report.crashes);
    let lock_report = report.splats.last().map(|s| s.title.clone());
    let Some(crash) = &mut report.crash else {
        return; // the machine had not crashed
    };
    let found = cause.and_then(|at| Some((at, report.crashes.get(at)?)));
    crash.cause = found.and_then(|(at, _)| u32::try_from(at).ok());
    let sentence = match (found, &crash.reason) {
        (Some((_, found)), _) => {
            let first = found
                .follows
                .and_then(|at| report.crashes.get(usize::try_from(at).ok()?));
            match first {
                Some(first) => format!("{} Before it: {}", found.sentence, first.sentence),
                None => found.sentence.clone(),
            }
        }
        (None, Some(reason)) => match lock_report {
            Some(title) if reason.to_string().contains("panic_on_warn") => {
                format!(
                    "The kernel was set to panic on a warning, and a lock report came: {title}."
                )
            }
            _ => format!("The kernel panicked ({reason}); the log holds no report that says more."),
        },
        (None, None) => match report.log {
            Some(_) => {
                "Why the kernel died is not known: its log holds no report of it.".to_owned()
            }
            None => "Why the kernel died is not known: its log could not be read.".to_owned(),
        },
    };
    crash.sentence = Some(Text::from(sentence));
}

/// The last report that ended in a panic; where the crash kernel was started before panic() printed,
/// the last one that is fatal.
fn cause(crashes: &[Crash]) -> Option<usize> {
    crashes
        .iter()
        .rposition(|c| c.panic.is_some())
        .into_iter()
        .chain(crashes.iter().rposition(|c| c.fatal))
        .max()
}
