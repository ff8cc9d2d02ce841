//! The reader of kernel lines: every family of reports sees each line.

use crate::carrier::LogLine;
use crate::crash::CrashReports;
use crate::input::LogFacts;
use crate::lock::LockReports;
use crate::log::Log;
use crate::record::Record;

/// The families, each with its open and its finished reports.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    locks: LockReports,
    crashes: CrashReports,
}

impl Reader {
    /// Whether lines may be skipped: nothing is open that a line could belong to.
    pub(crate) fn is_idle(&self) -> bool {
        self.locks.is_idle() && self.crashes.is_idle()
    }

    /// Reads one line.
    pub(crate) fn line(&mut self, line: &LogLine<'_>) {
        self.locks.line(line);
        self.crashes.line(line);
    }

    /// Looks at the records of a ring: one that wrapped may begin inside a report.
    pub(crate) fn wrapped(&mut self, records: &[Record<'_>]) {
        self.locks.wrapped(records);
    }

    /// Everything that was found; open reports end here.
    pub(crate) fn finish(self) -> Log {
        let locks = self.locks.finish();
        let (crashes, crashes_left_out) = self.crashes.finish(&locks.splats);
        Log {
            splats: locks.splats,
            attachments: locks.attachments,
            left_out: locks.left_out,
            read: LogFacts::default(),
            crashes,
            crashes_left_out,
        }
    }

    /// Lines read and offered: what the work is proportional to.
    #[cfg(test)]
    pub(crate) fn work(&self) -> u64 {
        self.locks.work
    }
}
