//! `virtopsy splats`: lock-debugging reports in a dump or a text log.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use virtopsy::CheckId;
use virtopsy::klog::{Splat, graph};
use virtopsy::report::{CheckVerdict, redacted_splats};

use super::log_reports::LogReports;
use super::{ask, log_file};
use crate::exit::Status;
use crate::options::Common;
use crate::render::{ListFormat, text};

/// The member of the JSON document that holds the reports.
const FAMILY: &str = "splats";

const SPLATS_HELP: &str = "\
Examples:
  virtopsy splats vmcore                       from the log buffer of a dump
  virtopsy splats --log serial.log             from a serial console's log
  virtopsy splats --log serial.log --graph dot | dot -Tsvg > cycle.svg   a circular report's cycle
  dmesg | virtopsy splats --log -              from standard input
  journalctl -k -o short-monotonic | virtopsy splats --log - --format jsonl

Exit status:
  0  there is no such report                   2  usage, input or internal error, or not a text
  1  there is at least one                     3  unknown: no line of a kernel log, or not all of it";

/// Lock-debugging reports in a dump's log buffer or in a text log
///
/// Reports of lockdep, RCU-lockdep and the other lock debuggers, each with its place, its held
/// locks and its backtrace.
#[derive(Debug, Args)]
#[command(after_long_help = SPLATS_HELP)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["dump", "log"]))]
pub(crate) struct SplatsArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: Option<OsString>,
    /// A text log instead (serial console, dmesg, journal, /dev/kmsg); `-` is standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) log: Option<PathBuf>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ListFormat,
    /// Draw the cycle of each circular report instead, for Graphviz
    ///
    /// An arrow from A to B says that B is taken while A is held, by the function named beside it;
    /// the dashed one is the acquisition that closed the cycle.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "format")]
    pub(crate) graph: Option<GraphFormat>,
    /// Exit with 0 whatever is found; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// How `splats --graph` draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz' language: `dot -Tsvg` makes a picture of it
    Dot,
}

/// Prints the reports.
///
/// # Errors
/// When the log cannot be read or the reports cannot be printed.
pub(crate) fn run(args: &SplatsArgs, common: &Common) -> anyhow::Result<Status> {
    let found = match (&args.log, &args.dump) {
        (Some(path), _) => {
            let log = log_file::read(path, common)?;
            LogReports {
                family: FAMILY,
                status: Status::of_log(&log.read, !log.splats.is_empty()),
                reports: if common.redact {
                    redacted_splats(&log.splats)
                } else {
                    log.splats
                },
                left_out: log.left_out,
                read: Some(log.read),
                crash: None,
                error: None,
            }
        }
        (None, Some(dump)) => of_dump(dump, common),
        (None, None) => anyhow::bail!("a dump or --log FILE is needed"),
    };
    found.warn_of_more();
    if let Some(format) = args.graph {
        draw(format, &found.reports)?;
    } else {
        found.print(args.format, common, text::splats)?;
    }
    Ok(found.status.exit_zero(args.exit_zero))
}

/// The reports in the log buffer of a dump. What the log has beyond the bound is in the report's notes.
fn of_dump(dump: &OsString, common: &Common) -> LogReports<Splat> {
    let (judged, status) = ask(dump, common, CheckId::NoLockSplats);
    let found = if judged.report.splats.is_empty() {
        Status::Pass
    } else {
        Status::of_verdict(CheckVerdict::Fail)
    };
    LogReports {
        family: FAMILY,
        reports: judged.report.splats,
        left_out: 0,
        read: None,
        crash: None,
        error: judged.report.error,
        status: status.and(found),
    }
}

/// Draws the cycles of the circular reports; without one there is nothing to draw, and that is said.
fn draw(format: GraphFormat, splats: &[Splat]) -> anyhow::Result<()> {
    if splats.iter().all(|s| graph::edges(s).is_empty()) {
        tracing::warn!("no circular report whose locks are known: the picture is empty");
    }
    let picture = match format {
        GraphFormat::Dot => graph::dot(splats),
    };
    super::print(&picture)
}
