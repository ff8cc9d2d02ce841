//! `virtopsy completions`: completions for a shell.

use clap::Args;
use clap_complete::Shell;

use crate::exit::Status;

/// Print completions for a shell
///
/// For example: virtopsy completions bash > /etc/bash_completion.d/virtopsy
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Prints the completions of `line`, the whole command line.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &CompletionsArgs, line: clap::Command) -> anyhow::Result<Status> {
    super::print(&String::from_utf8_lossy(&script(args.shell, line)))?;
    Ok(Status::Pass)
}

/// The completions for `shell`.
pub(crate) fn script(shell: Shell, mut line: clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut line, "virtopsy", &mut script);
    script
}
