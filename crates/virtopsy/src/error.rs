//! Why a dump, or a question about it, has no answer.

use std::error::Error as _;
use std::path::PathBuf;

use crate::report::{ErrorReport, Text, ranges};

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
///
/// What it prints says what failed; [`source`](std::error::Error::source) says why, and neither
/// repeats the other. [`Error::message`] is both as one sentence.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files are not a dump that can be read.
    #[error("the dump can't be opened")]
    Dump(#[from] virtopsy_vmcore::Error),
    /// The kernel's memory can't be read by name, or does not hold what was asked for.
    #[error("the kernel in the dump does not tell")]
    Kernel(#[from] virtopsy_kernel::Error),
    /// A file of the dump was written to since it was opened: what was read is of two states.
    #[error(
        "{}: it was written to while it was read, so that what was read is of two states; \
         examine it again when it is complete",
        path.display()
    )]
    Changed {
        /// The file, as the user named it.
        path: PathBuf,
    },
    /// The machine has no such CPU.
    #[error("there is no CPU {cpu}; the CPUs are {}", ranges(possible))]
    NoCpu {
        /// The number that was asked for.
        cpu: u32,
        /// The CPUs that there are.
        possible: Vec<u32>,
    },
    /// The dump has no such task.
    #[error("there is no task {pid}{}", near(nearest))]
    NoTask {
        /// The thread id that was asked for.
        pid: i32,
        /// The thread ids nearest to it.
        nearest: Vec<i32>,
    },
}

fn near(pids: &[i32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    match pids.is_empty() {
        true => String::new(),
        false => format!("; near to it are {}", pids.join(", ")),
    }
}

impl Error {
    /// A stable word for the kind of error: that of the cause where another crate knows it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Dump(e) => e.kind(),
            Error::Kernel(e) => e.kind(),
            Error::Changed { .. } => "changed",
            Error::NoCpu { .. } | Error::NoTask { .. } => "no-such",
        }
    }

    /// What went wrong, as a report tells it beside the dump's path: the causes, from the nearest
    /// to the last, or where there is none the error itself.
    #[must_use]
    pub fn message(&self) -> String {
        let mut cause = self.source();
        let mut causes = Vec::new();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        match causes.is_empty() {
            true => self.to_string(),
            false => causes.join(": "),
        }
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> ErrorReport {
        ErrorReport {
            kind: error.kind().to_owned(),
            message: Text::from(error.message()),
        }
    }
}
