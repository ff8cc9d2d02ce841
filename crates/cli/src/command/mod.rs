//! The commands, one file for each.

pub(crate) mod callback;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod cpus;
pub(crate) mod explain;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod open;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod splats;

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use virtopsy::report::{DumpReport, Text};

use crate::args::Common;
use crate::batch;
use crate::exit::Status;
use crate::input;
use crate::judge::{Judge, Judged};
use crate::output::Output;
use crate::progress::Progress;
use crate::terminal::say;

/// Examines one dump. A panic becomes its error.
fn examine(name: &OsStr, common: &Common) -> DumpReport {
    let label = Text::new(name.as_bytes());
    let _spinner = Progress::spinner(common, format!("reading {label}"));
    let mut report = batch::guarded(&virtopsy::examine, &input::spec(name), &common.options());
    report.path = label;
    report
}

/// Examines one dump for the sake of one check, and says on standard error what went wrong.
fn ask(name: &OsStr, common: &Common, check: &str) -> (Judged, Status) {
    let judged = Judge::only(check).judge(examine(name, common));
    if let Some(error) = &judged.report.error {
        say(&format!(
            "{}: {}: {}",
            judged.report.path, error.kind, error.message
        ));
    }
    let status = Status::of_verdict(judged.counted);
    (judged, status)
}

/// Prints a page on standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = Output::stdout();
    out.write_all(text.as_bytes())?;
    out.finish()?;
    Ok(())
}
