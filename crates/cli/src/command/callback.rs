//! `virtopsy callback`: the KVM emergency callback.

use serde::Serialize;
use virtopsy::report::{CallbackReport, ErrorReport, SCHEMA, Text};

use super::{ask, print};
use crate::args::{CallbackArgs, Common, PageFormat};
use crate::exit::Status;
use crate::output::Output;
use crate::render::{json, text};
use crate::terminal::Look;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    path: &'a Text,
    error: &'a Option<ErrorReport>,
    callback: &'a CallbackReport,
}

/// Prints what is known of the callback.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &CallbackArgs, common: &Common) -> anyhow::Result<Status> {
    let (judged, status) = ask(&args.dump, common, "emergency-callback-sound");
    let report = &judged.report;
    let (path, error, callback) = (&report.path, &report.error, &report.callback);
    match args.format {
        PageFormat::Json => json::print(
            &mut Output::stdout(),
            &Document {
                schema: SCHEMA,
                path,
                error,
                callback,
            },
        )?,
        PageFormat::Text if error.is_some() && callback.variable.is_none() => {}
        PageFormat::Text => print(&text::callback(report, Look::of_stdout(common.color)))?,
    }
    Ok(status.exit_zero(args.exit_zero))
}
