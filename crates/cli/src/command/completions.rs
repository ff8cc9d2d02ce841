//! `virtopsy completions`: completions for a shell.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Status;

/// Prints the completions.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "virtopsy", &mut script);
    super::print(&String::from_utf8_lossy(&script))?;
    Ok(Status::Pass)
}
