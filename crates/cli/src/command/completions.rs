//! `virtopsy completions`: completions for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Status;

/// Prints the completions.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<Status> {
    super::print(&String::from_utf8_lossy(&script(args.shell)))?;
    Ok(Status::Pass)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "virtopsy", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::assert_committed;

    #[test]
    fn the_committed_completions_are_what_the_arguments_say() {
        for (shell, file) in [
            (Shell::Bash, "virtopsy.bash"),
            (Shell::Zsh, "_virtopsy"),
            (Shell::Fish, "virtopsy.fish"),
        ] {
            assert_committed(&format!("completions/{file}"), &script(shell));
        }
    }
}
