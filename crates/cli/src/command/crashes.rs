//! `virtopsy crashes`: why the kernel died or warned, from a dump or a text log.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use virtopsy::klog::Crash;
use virtopsy::report::redacted_crashes;

use super::log_reports::LogReports;
use super::{examine, log_file};
use crate::exit::Status;
use crate::options::Common;
use crate::render::{ListFormat, text};
use crate::terminal::say;

/// The member of the JSON document that holds the reports.
const FAMILY: &str = "crashes";

const CRASHES_HELP: &str = "\
Examples:
  virtopsy crashes vmcore                      from the log buffer of a dump
  virtopsy crashes --log serial.log            from a serial console's log
  dmesg | virtopsy crashes --log -             from standard input
  virtopsy crashes --log serial.log --format jsonl | jq -r .signature | sort | uniq -c
  virtopsy explain soft-lockup                 what a kind means, and what to look at next

Exit status:
  0  there is no such report                   2  usage, input or internal error, or not a text
  1  there is at least one                     3  unknown: no line of a kernel log, or not all of it";

/// Why the kernel died or warned, from a dump's log buffer or a text log
///
/// Oopses, panics, lockups, stalls, hung tasks, reports of sanitizers and of hardware, and warnings,
/// each with what happened, the function to look at first, its task and its backtraces. Lock reports
/// are those of `splats`.
#[derive(Debug, Args)]
#[command(after_long_help = CRASHES_HELP)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["dump", "log"]))]
pub(crate) struct CrashesArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: Option<OsString>,
    /// A text log instead (serial console, dmesg, journal, /dev/kmsg); `-` is standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) log: Option<PathBuf>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ListFormat,
    /// Exit with 0 whatever is found; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// Prints the reports.
///
/// # Errors
/// When the log cannot be read or the reports cannot be printed.
pub(crate) fn run(args: &CrashesArgs, common: &Common) -> anyhow::Result<Status> {
    let found = match (&args.log, &args.dump) {
        (Some(path), _) => {
            let log = log_file::read(path, common)?;
            LogReports {
                family: FAMILY,
                status: Status::of_log(&log.read, !log.crashes.is_empty()),
                reports: if common.redact {
                    redacted_crashes(&log.crashes)
                } else {
                    log.crashes
                },
                left_out: log.crashes_left_out,
                read: Some(log.read),
                crash: None,
                error: None,
            }
        }
        (None, Some(dump)) => of_dump(dump, common),
        (None, None) => anyhow::bail!("a dump or --log FILE is needed"),
    };
    found.warn_of_more();
    found.print(args.format, common, text::crashes)?;
    Ok(found.status.exit_zero(args.exit_zero))
}

/// The reports in the log buffer of a dump. What the log has beyond the bound is in the report's notes.
fn of_dump(dump: &OsString, common: &Common) -> LogReports<Crash> {
    let report = examine(dump, common);
    if let Some(error) = &report.error {
        say(&format!(
            "{}: {}: {}",
            report.path, error.kind, error.message
        ));
    }
    let status = if report.error.is_some() {
        Status::Error
    } else if report.cause().is_some() || !report.crashes.is_empty() {
        Status::Fail
    } else if report.log.is_none() {
        Status::Inconclusive
    } else {
        Status::Pass
    };
    LogReports {
        family: FAMILY,
        reports: report.crashes,
        left_out: 0,
        read: None,
        crash: report.crash,
        error: report.error,
        status,
    }
}
