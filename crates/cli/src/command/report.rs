//! `virtopsy report`: everything about one dump.

use std::ffi::OsString;
use std::io::Write as _;

use virtopsy::report::Summary;

use super::examine;
use crate::args::{Common, PageFormat};
use crate::exit::Status;
use crate::judge::{self, Judge};
use crate::output::Output;
use crate::render::{Render as _, json, text};
use crate::terminal::Look;

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
    let look = Look::of_stdout(common.color);
    let mut summary = Summary::default();
    let mut document = json::Document::default();
    let json = format == PageFormat::Json;
    if json {
        document.begin(&mut out)?;
    }
    for (index, name) in dumps.iter().enumerate() {
        let judged = Judge::default().judge(examine(name, common));
        judge::add(&mut summary, judged.counted);
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
