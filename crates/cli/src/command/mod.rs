//! The commands, one file for each.

pub(crate) mod bt;
pub(crate) mod callback;
pub(crate) mod check;
pub(crate) mod completions;
mod cpu_states;
pub(crate) mod cpus;
pub(crate) mod crashes;
pub(crate) mod explain;
pub(crate) mod extract;
pub(crate) mod info;
pub(crate) mod layout;
pub(crate) mod locks;
pub(crate) mod log;
mod log_file;
mod log_reports;
pub(crate) mod man;
pub(crate) mod modules;
pub(crate) mod open;
pub(crate) mod peek;
pub(crate) mod report;
pub(crate) mod schema;
#[cfg(test)]
mod schema_fields;
pub(crate) mod splats;
pub(crate) mod summary;
pub(crate) mod supports;
pub(crate) mod tasks;
pub(crate) mod vms;

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use serde::Serialize;
use virtopsy::report::{DumpReport, ErrorReport, SCHEMA, Text};
use virtopsy::{CheckId, Session};

use crate::batch;
use crate::exit::Status;
use crate::input;
use crate::judge::{Judge, Judged};
use crate::options::Common;
use crate::output::Output;
use crate::progress::Progress;
use crate::render::json;
use crate::terminal::say;

/// Examines one dump. A panic becomes its error.
fn examine(name: &OsStr, common: &Common) -> DumpReport {
    let label = Text::new(name.as_bytes());
    let _spinner = Progress::spinner(common.wants_progress(), format!("reading {label}"));
    let mut options = common.options();
    options.cause_in_full = true;
    let mut report = batch::guarded(&virtopsy::examine, &input::spec(name), &options);
    report.path = label;
    report
}

/// Like [`examine`], and asks the dump one thing more while it is open.
fn examine_and_ask<T>(
    name: &OsStr,
    common: &Common,
    question: impl Fn(&Session) -> Option<T>,
) -> (DumpReport, Option<T>) {
    let label = Text::new(name.as_bytes());
    let _spinner = Progress::spinner(common.wants_progress(), format!("reading {label}"));
    let (spec, options) = (input::spec(name), common.options());
    let asked = batch::catch(|| {
        let session = Session::open(&spec, &options)?;
        let answer = question(&session);
        let report = session.report();
        Ok::<_, ErrorReport>((report, answer))
    });
    let (mut report, answer) = asked.unwrap_or_else(Err).unwrap_or_else(|error| {
        let report = DumpReport {
            error: Some(error),
            ..DumpReport::default()
        };
        (options.as_asked(report), None)
    });
    report.path = label;
    (report, answer)
}

/// Examines one dump for the sake of one check, and says on standard error what went wrong.
fn ask(name: &OsStr, common: &Common, check: CheckId) -> (Judged, Status) {
    judged(examine(name, common), check)
}

/// Judges a report for the sake of one check, and says on standard error what went wrong.
fn judged(report: DumpReport, check: CheckId) -> (Judged, Status) {
    let judged = Judge::only(check).judge(report);
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

/// Opens a dump and asks it one thing. What goes wrong is said on standard error.
fn ask_session<T>(
    name: &OsStr,
    common: &Common,
    question: impl FnOnce(&Session) -> virtopsy::Result<T>,
) -> Option<T> {
    let label = Text::new(name.as_bytes());
    let asked = {
        let _spinner = Progress::spinner(common.wants_progress(), format!("reading {label}"));
        let (spec, options) = (input::spec(name), common.options());
        batch::catch(|| {
            let session = Session::open(&spec, &options)?;
            let answer = question(&session);
            session
                .changed()
                .map_or(answer, Err)
                .map_err(ErrorReport::from)
        })
    };
    match asked.unwrap_or_else(Err) {
        Ok(answer) => Some(answer),
        Err(error) => {
            say(&format!("{label}: {}: {}", error.kind, error.message));
            None
        }
    }
}

/// An answer as a JSON document of its own.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'static str,
    path: Text,
    #[serde(flatten)]
    answer: &'a T,
}

/// Prints an answer as a JSON document.
fn print_json(name: &OsStr, answer: &impl Serialize) -> anyhow::Result<()> {
    let path = Text::new(name.as_bytes());
    let document = Document {
        schema: SCHEMA,
        path,
        answer,
    };
    let mut out = Output::stdout();
    json::print(&mut out, &document)?;
    out.finish()?;
    Ok(())
}
