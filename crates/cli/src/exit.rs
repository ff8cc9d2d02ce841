//! Exit statuses.

use std::process::ExitCode;

use clap::ValueEnum;
use virtopsy::klog::LogFacts;
use virtopsy::report::{CheckVerdict, Summary};

/// What the help of a command says of its exit status.
pub(crate) const HELP: &str = "\
Exit status:
  0  every question that was asked has its good answer
  1  a check failed
  2  usage, input or internal error
  3  nothing failed, but something is inconclusive
  Of several, 2 wins over 1, 1 over 3, 3 over 0. Missing evidence is never a pass.";

/// What makes the exit status of `check` 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A failed check; an inconclusive one gives 3
    #[default]
    Fail,
    /// A failed or an inconclusive check
    Inconclusive,
    /// Nothing: verdicts leave the status at 0
    Never,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Pass,
    Inconclusive,
    Fail,
    Error,
}

impl Status {
    /// The status that the process exits with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Status::Pass => 0,
            Status::Fail => 1,
            Status::Error => 2,
            Status::Inconclusive => 3,
        }
    }

    pub(crate) fn of_verdict(verdict: CheckVerdict) -> Status {
        match verdict {
            CheckVerdict::Pass | CheckVerdict::NotApplicable => Status::Pass,
            CheckVerdict::Fail => Status::Fail,
            CheckVerdict::Inconclusive => Status::Inconclusive,
            CheckVerdict::Error => Status::Error,
        }
    }

    pub(crate) fn of_summary(summary: &Summary) -> Status {
        match summary.exit_status() {
            0 => Status::Pass,
            1 => Status::Fail,
            3 => Status::Inconclusive,
            _ => Status::Error,
        }
    }

    /// Of a text log: without a line of a kernel's, or with a part that could not be unpacked, nothing
    /// is shown to be well.
    pub(crate) fn of_log(read: &LogFacts, reports: bool) -> Status {
        if reports {
            Status::Fail
        } else if read.kernel_lines == 0 || read.damage.is_some() {
            Status::Inconclusive
        } else {
            Status::Pass
        }
    }

    /// The worse of two: error, fail, inconclusive, pass.
    pub(crate) fn and(self, other: Status) -> Status {
        let rank = |s| match s {
            Status::Pass => 0,
            Status::Inconclusive => 1,
            Status::Fail => 2,
            Status::Error => 3,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }

    /// What the user asked verdicts to mean. An error stays one.
    pub(crate) fn under(self, fail_on: FailOn) -> Status {
        match (self, fail_on) {
            (Status::Inconclusive, FailOn::Inconclusive) => Status::Fail,
            (Status::Fail | Status::Inconclusive, FailOn::Never) => Status::Pass,
            (status, _) => status,
        }
    }

    /// `--exit-zero`: as if no verdict mattered.
    pub(crate) fn exit_zero(self, on: bool) -> Status {
        if on { self.under(FailOn::Never) } else { self }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Status; 4] = [
        Status::Pass,
        Status::Inconclusive,
        Status::Fail,
        Status::Error,
    ];

    #[test]
    fn error_wins_over_fail_over_inconclusive_over_pass() {
        for (i, a) in ALL.into_iter().enumerate() {
            for (j, b) in ALL.into_iter().enumerate() {
                assert_eq!(a.and(b), ALL[i.max(j)]);
            }
        }
        assert_eq!(ALL.map(Status::code), [0, 3, 1, 2]);
    }

    #[test]
    fn fail_on_changes_verdicts_but_never_errors() {
        assert_eq!(ALL.map(|s| s.under(FailOn::Fail).code()), [0, 3, 1, 2]);
        assert_eq!(
            ALL.map(|s| s.under(FailOn::Inconclusive).code()),
            [0, 1, 1, 2]
        );
        assert_eq!(ALL.map(|s| s.under(FailOn::Never).code()), [0, 0, 0, 2]);
        assert_eq!(ALL.map(|s| s.exit_zero(true).code()), [0, 0, 0, 2]);
    }

    #[test]
    fn the_status_of_a_summary_follows_the_same_precedence() {
        let mut summary = Summary {
            dumps: 4,
            pass: 1,
            fail: 1,
            inconclusive: 1,
            error: 1,
        };
        assert_eq!(Status::of_summary(&summary), Status::Error);
        summary.error = 0;
        assert_eq!(Status::of_summary(&summary), Status::Fail);
        summary.fail = 0;
        assert_eq!(Status::of_summary(&summary), Status::Inconclusive);
        summary.inconclusive = 0;
        assert_eq!(Status::of_summary(&summary), Status::Pass);
    }
}
