//! Text logs that commands read instead of a dump.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use virtopsy::klog::{Input, Log, scan};

use crate::options::Common;
use crate::progress::Progress;

/// Reads all of a log; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is not a text.
pub(crate) fn read(path: &Path, common: &Common) -> anyhow::Result<Log> {
    let _spinner = Progress::spinner(
        common.wants_progress(),
        format!("reading {}", path.display()),
    );
    let name = || path.display().to_string();
    let input = if path == Path::new("-") {
        Input::open(io::stdin().lock()).with_context(name)?
    } else {
        Input::open(File::open(path).with_context(name)?).with_context(name)?
    };
    scan(input).with_context(name)
}
