//! `virtopsy report`: everything about one dump.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Args;
use virtopsy::report::Summary;

use super::examine;
use crate::exit::Status;
use crate::judge::Judge;
use crate::options::Common;
use crate::output::Output;
use crate::render::{PageFormat, Render as _, json, text};

const REPORT_HELP: &str = "\
Examples:
  virtopsy report vmcore
  virtopsy report -v vmcore | less -R         with every CPU's evidence
  virtopsy report --vmlinux /usr/lib/debug/boot/vmlinux-6.12.1 vmcore
  virtopsy report --format json vmcore | jq .dumps[0].virtualization.verdict

Exit status: that of `virtopsy check` with every check selected.
  0  every check passed                 2  usage, input or internal error
  1  a check failed                     3  nothing failed, something is inconclusive";

/// Everything about one dump, for reading
///
/// The verdict and why, the crash, every CPU, the KVM emergency callback, lock reports, known
/// issues, all checks, and what could not be said.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_HELP)]
pub(crate) struct ReportArgs {
    /// A dump, or the parts of a split one joined by commas
    ///
    /// A raw memory image is FILE@ADDRESS, the physical address of its first byte.
    #[arg(required = true, value_name = "DUMP")]
    pub(crate) dumps: Vec<OsString>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
    /// Exit with 0 whatever the verdicts; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// Prints the reports of `dumps`, one after the other.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(
    dumps: &[OsString],
    format: PageFormat,
    common: &Common,
) -> anyhow::Result<Status> {
    let mut out = Output::stdout();
    let look = common.look();
    let mut summary = Summary::default();
    let mut document = json::Document::default();
    let json = format == PageFormat::Json;
    if json {
        document.begin(&mut out)?;
    }
    for (index, name) in dumps.iter().enumerate() {
        let judged = Judge::default().judge(examine(name, common));
        summary.add(judged.counted);
        if json {
            document.dump(&mut out, &judged)?;
        } else {
            out.write_all(if index == 0 { b"" } else { b"\n\n" })?;
            out.write_all(text::report(&judged.report, look, common.verbose > 0).as_bytes())?;
        }
        out.flush()?;
    }
    if json {
        document.end(&mut out, &summary)?;
    }
    out.finish()?;
    Ok(Status::of_summary(&summary))
}
