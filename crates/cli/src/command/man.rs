//! `virtopsy man`: manual pages.

use clap::CommandFactory as _;

use crate::args::{Cli, ManArgs};
use crate::exit::Status;
use crate::terminal::say;

/// Prints the manual page of virtopsy or of one command, in roff.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &ManArgs) -> anyhow::Result<Status> {
    let mut whole = Cli::command();
    whole.build();
    let page = match &args.command {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                say(&format!("there is no command `{name}`"));
                return Ok(Status::Error);
            }
        },
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    super::print(&String::from_utf8_lossy(&roff))?;
    Ok(Status::Pass)
}
