//! Why the terminal UI ended other than by the user's wish.

use std::fmt;
use std::io;

/// Why [`crate::run`] failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Standard input or output is no terminal.
    NotATerminal,
    /// No dump was named.
    NoDump,
    /// A signal asked the program to end; the terminal was restored first.
    Signal {
        /// The signal's number: 1 (SIGHUP), 2 (SIGINT), 3 (SIGQUIT) or 15 (SIGTERM).
        number: i32,
    },
    /// The terminal could not be read or written.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotATerminal => {
                f.write_str("standard input and output are no terminal; `virtopsy report` prints the same for reading")
            }
            Error::NoDump => f.write_str("no dump was named"),
            Error::Signal { number } => write!(f, "ended by signal {number}"),
            Error::Io(e) => write!(f, "the terminal can't be used: {e}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Error::Io(e)
    }
}
