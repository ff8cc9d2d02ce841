//! `virtopsy callback`: the KVM emergency callback.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;
use virtopsy::CheckId;
use virtopsy::report::{CallbackReport, ErrorReport, SCHEMA, Text};

use super::{ask, print};
use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::render::{PageFormat, json, text};

/// The KVM emergency callback: pointer, function, module, and whether it was alive
#[derive(Debug, Args)]
#[command(after_long_help = crate::exit::HELP)]
pub(crate) struct CallbackArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
    /// Exit with 0 whatever the verdict; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

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
    let (judged, status) = ask(&args.dump, common, CheckId::EmergencyCallbackSound);
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
        PageFormat::Text => print(&text::callback(report, common.look()))?,
    }
    Ok(status.exit_zero(args.exit_zero))
}
