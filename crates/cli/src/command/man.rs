//! `virtopsy man`: manual pages.

use clap::Args;
use virtopsy::kernel::nearest;

use crate::exit::Status;
use crate::terminal::say;

/// Print the manual page of virtopsy or one of its commands
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// A command; without one, the page of virtopsy itself
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

/// Prints the manual page of virtopsy or of one command of `line`, the whole command line, in roff.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &ManArgs, mut line: clap::Command) -> anyhow::Result<Status> {
    // Its commands get what they inherit.
    line.build();
    let page = match &args.command {
        None => line,
        Some(name) => match line.find_subcommand(name).cloned() {
            Some(command) => command,
            None => {
                let near = nearest(name, line.get_subcommands().map(clap::Command::get_name));
                let near = match near.first() {
                    Some(near) => format!("; near to it is {near}"),
                    None => String::new(),
                };
                say(&format!("there is no command `{name}`{near}"));
                return Ok(Status::Error);
            }
        },
    };
    super::print(&String::from_utf8_lossy(&roff(page)?))?;
    Ok(Status::Pass)
}

/// The manual page of a command.
pub(crate) fn roff(page: clap::Command) -> std::io::Result<Vec<u8>> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    Ok(roff)
}
