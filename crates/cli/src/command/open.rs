//! `virtopsy open`: the terminal UI.

use std::io::IsTerminal as _;

use crate::args::{Common, OpenArgs};
use crate::exit::Status;
use crate::terminal::Look;
use crate::{input, tui};

/// Opens the dumps in the terminal UI.
///
/// # Errors
/// When there is no terminal, or the terminal UI ends with an error.
pub(crate) fn run(args: &OpenArgs, common: &Common) -> anyhow::Result<Status> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        anyhow::bail!("`open` needs a terminal; `virtopsy report` prints the same for reading");
    }
    let look = Look::of_stdout(common.color);
    let specs = args.dumps.iter().map(|name| input::spec(name)).collect();
    tui::run(specs, common.options(), args, look)?;
    Ok(Status::Pass)
}
