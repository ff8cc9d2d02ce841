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
    let whole = whole();
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
    super::print(&String::from_utf8_lossy(&roff(page)?))?;
    Ok(Status::Pass)
}

/// The command line, with what its commands inherit.
fn whole() -> clap::Command {
    let mut whole = Cli::command();
    whole.build();
    whole
}

fn roff(page: clap::Command) -> std::io::Result<Vec<u8>> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    Ok(roff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::assert_committed;

    #[test]
    fn the_committed_manual_pages_are_what_the_arguments_say() {
        let whole = whole();
        let commands = whole.get_subcommands().filter(|c| c.get_name() != "help");
        for page in commands.chain([&whole]) {
            let name = page.get_display_name().unwrap_or("virtopsy").to_owned();
            assert_committed(&format!("man/{name}.1"), &roff(page.clone()).unwrap());
        }
    }
}
