//! No known defect of the emergency path in this dump?

use super::Check;
use crate::report::{CheckVerdict, DumpReport};

pub(super) const CHECK: Check = Check {
    title: "nothing in the dump bears the marks of a known defect of the emergency path",
    text: "pass: no mark of a known defect, and what would show one could be read. fail: at least one; \
           `virtopsy explain ID` tells what it is and which commit mends it. inconclusive: the log or the \
           kernel could not be read.",
    run,
};

fn run(report: &DumpReport) -> (CheckVerdict, String) {
    if let Some(first) = report.known_issues.first() {
        let ids: Vec<&str> = report.known_issues.iter().map(|i| i.id.id()).collect();
        return (
            CheckVerdict::Fail,
            format!("{}: {}", ids.join(", "), first.because),
        );
    }
    if report.log.is_none() || report.virtualization.era.is_none() {
        return (
            CheckVerdict::Inconclusive,
            "not everything that would show one could be read".into(),
        );
    }
    (CheckVerdict::Pass, "no mark of a known defect".into())
}
