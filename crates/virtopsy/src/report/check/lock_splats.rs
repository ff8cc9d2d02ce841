//! No lock-debugging report in the log?

use super::Check;
use crate::report::{CheckVerdict, DumpReport};

pub(super) const CHECK: Check = Check {
    title: "the kernel log holds no lockdep, RCU-lockdep or other lock-debugging report",
    text: "pass: the whole log is there, and holds none. fail: it holds at least one; `virtopsy splats` shows \
           them. inconclusive: the log can't be read, or its beginning was overwritten and the rest holds none.",
    run,
};

fn run(report: &DumpReport) -> (CheckVerdict, String) {
    match (report.splats.len(), &report.log) {
        (0, None) => (
            CheckVerdict::Inconclusive,
            "the log could not be read".into(),
        ),
        (0, Some(log)) if log.overwritten > 0 || log.lost > 0 => {
            let gone = log.overwritten.saturating_add(log.lost);
            (
                CheckVerdict::Inconclusive,
                format!("none in the log that is left; {gone} earlier records are gone"),
            )
        }
        (0, Some(_)) => (CheckVerdict::Pass, "none in the whole log".into()),
        (n, _) => {
            let first = report
                .splats
                .first()
                .map_or(String::new(), |s| format!(": {}", s.title));
            let word = if n == 1 { "report" } else { "reports" };
            (CheckVerdict::Fail, format!("{n} lock {word}{first}"))
        }
    }
}
