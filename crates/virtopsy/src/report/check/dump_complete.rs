//! Is the dump whole?

use super::Check;
use crate::report::{CheckVerdict, DumpReport};

pub(super) const CHECK: Check = Check {
    title: "the dump holds all that its header promises",
    text: "pass: neither a mark of an interrupted dump nor a file shorter than its header says. fail: pages \
           are missing; verdicts stand on what is left. Pages that makedumpfile left out on purpose are not \
           missing.",
    run,
};

fn run(report: &DumpReport) -> (CheckVerdict, String) {
    match report.complete {
        Some(true) => match &report.extract {
            Some(extract) => (
                CheckVerdict::Pass,
                format!("an extract of {}, of which nothing was missing", extract.of),
            ),
            None => (CheckVerdict::Pass, "nothing is missing".into()),
        },
        Some(false) => {
            let why = report
                .incomplete_because
                .first()
                .map_or("the dump is not whole", String::as_str);
            (CheckVerdict::Fail, why.into())
        }
        None => (
            CheckVerdict::Inconclusive,
            "the dump could not be opened".into(),
        ),
    }
}
