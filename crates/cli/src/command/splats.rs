//! `virtopsy splats`: lock-debugging reports in a dump or a text log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use virtopsy::klog::{Log, Splat, graph, scan_log};
use virtopsy::report::{CheckVerdict, ErrorReport, SCHEMA, redacted_splats};

use super::ask;
use crate::args::{Common, GraphFormat, ListFormat, SplatsArgs};
use crate::exit::Status;
use crate::output::Output;
use crate::progress::Progress;
use crate::render::{json, text};
use crate::terminal::Look;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
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
    let (splats, left_out, error, status) = match (&args.log, &args.dump) {
        (Some(log), _) => {
            let Log {
                splats, left_out, ..
            } = from_log(log, common)?;
            let splats = if common.redact {
                redacted_splats(&splats)
            } else {
                splats
            };
            let found = if splats.is_empty() {
                Status::Pass
            } else {
                Status::Fail
            };
            (splats, left_out, None, found)
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
                error: &error,
                splats: &splats,
                left_out,
            },
        )?,
        ListFormat::Jsonl => splats
            .iter()
            .try_for_each(|splat| json::print(&mut out, splat))?,
        // Of a log that could not be read, silence is all that can be said here.
        ListFormat::Text if splats.is_empty() && status != Status::Pass => {}
        ListFormat::Text => {
            out.write_all(text::splats(&splats, Look::of_stdout(common.color)).as_bytes())?;
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
        GraphFormat::Svg => graph::svg(splats),
    };
    out.write_all(picture.as_bytes())?;
    Ok(())
}

fn from_log(path: &Path, common: &Common) -> anyhow::Result<Log> {
    let _spinner = Progress::spinner(common, format!("reading {}", path.display()));
    let scan =
        |reader: &mut dyn BufRead| scan_log(reader).with_context(|| path.display().to_string());
    if path == Path::new("-") {
        return scan(&mut io::stdin().lock());
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    scan(&mut BufReader::with_capacity(1 << 18, file))
}
