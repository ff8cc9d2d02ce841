//! What the terminal can show.

use std::env;
use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use terminal_size::{Width, terminal_size};

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

/// How to print for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) color: bool,
    /// Whether characters beyond ASCII can be shown.
    pub(crate) unicode: bool,
    /// Columns.
    pub(crate) width: usize,
}

impl Look {
    /// What suits a file: it has neither colour nor a locale.
    pub(crate) fn of_file() -> Look {
        Look {
            color: false,
            unicode: true,
            width: 80,
        }
    }

    /// What suits standard output.
    pub(crate) fn of_stdout(color: Color) -> Look {
        let terminal = io::stdout().is_terminal();
        let allowed = env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            && env::var_os("TERM").is_none_or(|t| t != "dumb");
        let columns = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let measured = terminal
            .then(terminal_size)
            .flatten()
            .map(|(Width(columns), _)| usize::from(columns));
        Look {
            color: match color {
                Color::Auto => terminal && allowed,
                Color::Always => true,
                Color::Never => false,
            },
            unicode: is_utf8_locale(|name| env::var(name).ok()),
            width: measured.or(columns).unwrap_or(80).clamp(40, 160),
        }
    }
}

fn is_utf8_locale(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|v| !v.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Prints a message of the program itself on standard error. A closed one is no matter.
pub(crate) fn say(message: &str) {
    let lines: Vec<String> = message
        .lines()
        .map(|line| virtopsy::report::escape(line.as_bytes()))
        .collect();
    let _ = writeln!(io::stderr(), "virtopsy: {}", lines.join("\n"));
}

/// Prints what a worker process said, as it is but escaped, on standard error.
pub(crate) fn pass_on(line: &str) {
    let _ = writeln!(
        io::stderr(),
        "{}",
        virtopsy::report::escape(line.as_bytes())
    );
}

/// Standard error for the log of what was tried: text in it may come from a dump.
#[derive(Debug, Default)]
pub(crate) struct EscapingStderr;

impl Write for EscapingStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.split(|b| *b == b'\n').map(virtopsy::report::escape);
        io::stderr().write_all(lines.collect::<Vec<_>>().join("\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let locale = |set: &'static [(&str, &str)]| {
            is_utf8_locale(move |name| {
                set.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_owned())
            })
        };
        assert!(locale(&[("LANG", "en_US.UTF-8")]));
        assert!(locale(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!locale(&[]));
    }
}
