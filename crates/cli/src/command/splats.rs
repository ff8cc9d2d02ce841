//! `virtopsy splats`: lock-debugging reports in a dump or a text log.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use virtopsy::klog::{LogFacts, Splat, graph};
use virtopsy::report::{CheckVerdict, ErrorReport, SCHEMA, redacted_splats};

use super::{ask, log_file};
use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::render::{ListFormat, json, text};

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

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// What was read of a text log.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a LogFacts>,
    error: &'a Option<ErrorReport>,
    splats: &'a [Splat],
    /// Headers of further reports, which were only counted.
    left_out: u64,
}

/// Prints the reports.
///
/// # Errors
/// When the log cannot be read or the reports cannot be printed.
pub(crate) fn run(args: &SplatsArgs, common: &Common) -> anyhow::Result<Status> {
    let (splats, left_out, read, error, status) = match (&args.log, &args.dump) {
        (Some(path), _) => {
            let log = log_file::read(path, common)?;
            let status = Status::of_log(&log.read, !log.splats.is_empty());
            let splats = if common.redact {
                redacted_splats(&log.splats)
            } else {
                log.splats
            };
            (splats, log.left_out, Some(log.read), None, status)
        }
        (None, Some(dump)) => {
            let (judged, status) = ask(dump, common, "no-lock-splats");
            let found = if judged.report.splats.is_empty() {
                Status::Pass
            } else {
                Status::of_verdict(CheckVerdict::Fail)
            };
            // What a dump's log has beyond the bound stands in the report's notes.
            (
                judged.report.splats,
                0,
                None,
                judged.report.error,
                status.and(found),
            )
        }
        (None, None) => anyhow::bail!("a dump or --log FILE is needed"),
    };
    if left_out > 0 {
        tracing::warn!("{left_out} further reports were only counted: the log holds too many");
    }
    let mut out = Output::stdout();
    if let Some(format) = args.graph {
        draw(&mut out, format, &splats)?;
        out.finish()?;
        return Ok(status.exit_zero(args.exit_zero));
    }
    match args.format {
        ListFormat::Json => json::print(
            &mut out,
            &Document {
                schema: SCHEMA,
                log: read.as_ref(),
                error: &error,
                splats: &splats,
                left_out,
            },
        )?,
        ListFormat::Jsonl => splats
            .iter()
            .try_for_each(|splat| json::print(&mut out, splat))?,
        ListFormat::Text => {
            let look = common.look();
            // Of a log that could not be read, silence is all that can be said here.
            if !splats.is_empty() || status == Status::Pass {
                out.write_all(text::splats(&splats, look).as_bytes())?;
            }
            if let Some(read) = &read {
                out.write_all(text::log_read(read, look).as_bytes())?;
            }
        }
    }
    out.finish()?;
    Ok(status.exit_zero(args.exit_zero))
}

/// Draws the cycles of the circular reports; without one there is nothing to draw, and that is said.
fn draw(out: &mut Output, format: GraphFormat, splats: &[Splat]) -> anyhow::Result<()> {
    if splats.iter().all(|s| graph::edges(s).is_empty()) {
        tracing::warn!("no circular report whose locks are known: the picture is empty");
    }
    let picture = match format {
        GraphFormat::Dot => graph::dot(splats),
    };
    out.write_all(picture.as_bytes())?;
    Ok(())
}
