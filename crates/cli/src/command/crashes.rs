//! `virtopsy crashes`: why the kernel died or warned, from a dump or a text log.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use virtopsy::klog::{Crash, LogFacts};
use virtopsy::report::{ErrorReport, SCHEMA, redacted_crashes};

use super::{examine, log_file};
use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::render::{ListFormat, json, text};
use crate::terminal::say;

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

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// What was read of a text log.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a LogFacts>,
    error: &'a Option<ErrorReport>,
    crashes: &'a [Crash],
    /// Further reports, which were only counted.
    left_out: u64,
}

/// What was found, and what it was found in.
#[derive(Default)]
struct Found {
    crashes: Vec<Crash>,
    left_out: u64,
    read: Option<LogFacts>,
    error: Option<ErrorReport>,
    status: Status,
}

/// Prints the reports.
///
/// # Errors
/// When the log cannot be read or the reports cannot be printed.
pub(crate) fn run(args: &CrashesArgs, common: &Common) -> anyhow::Result<Status> {
    let found = match (&args.log, &args.dump) {
        (Some(path), _) => {
            let log = log_file::read(path, common)?;
            Found {
                status: Status::of_log(&log.read, !log.crashes.is_empty()),
                crashes: if common.redact {
                    redacted_crashes(&log.crashes)
                } else {
                    log.crashes
                },
                left_out: log.crashes_left_out,
                read: Some(log.read),
                error: None,
            }
        }
        (None, Some(dump)) => of_dump(dump, common),
        (None, None) => anyhow::bail!("a dump or --log FILE is needed"),
    };
    if found.left_out > 0 {
        tracing::warn!(
            "{} further reports were only counted: the log holds too many",
            found.left_out
        );
    }
    let mut out = Output::stdout();
    match args.format {
        ListFormat::Json => json::print(
            &mut out,
            &Document {
                schema: SCHEMA,
                log: found.read.as_ref(),
                error: &found.error,
                crashes: &found.crashes,
                left_out: found.left_out,
            },
        )?,
        ListFormat::Jsonl => found
            .crashes
            .iter()
            .try_for_each(|crash| json::print(&mut out, crash))?,
        ListFormat::Text => {
            let look = common.look();
            // Of a log that could not be read, silence is all that can be said here.
            if !found.crashes.is_empty() || found.status == Status::Pass {
                out.write_all(text::crashes(&found.crashes, look).as_bytes())?;
            }
            if let Some(read) = &found.read {
                out.write_all(text::log_read(read, look).as_bytes())?;
            }
        }
    }
    out.finish()?;
    Ok(found.status.exit_zero(args.exit_zero))
}

/// The reports in the log buffer of a dump. What the log has beyond the bound is in the report's notes.
fn of_dump(dump: &OsString, common: &Common) -> Found {
    let report = examine(dump, common);
    if let Some(error) = &report.error {
        say(&format!(
            "{}: {}: {}",
            report.path, error.kind, error.message
        ));
    }
    let status = if report.error.is_some() {
        Status::Error
    } else if !report.crashes.is_empty() {
        Status::Fail
    } else if report.log.is_none() {
        Status::Inconclusive
    } else {
        Status::Pass
    };
    Found {
        status,
        crashes: report.crashes,
        error: report.error,
        ..Found::default()
    }
}
