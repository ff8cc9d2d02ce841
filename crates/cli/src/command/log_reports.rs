//! Reports of one family, from a text log or from the log of a dump, and how they are printed.

use std::io::Write as _;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use virtopsy::klog::LogFacts;
use virtopsy::report::{CrashReport, ErrorReport, SCHEMA};

use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::render::{ListFormat, json, text};
use crate::terminal::Look;

/// What was found, and what it was found in.
pub(super) struct LogReports<T> {
    /// The family's name in JSON.
    pub(super) family: &'static str,
    pub(super) reports: Vec<T>,
    /// Further reports, which were only counted.
    pub(super) left_out: u64,
    /// What was read of a text log.
    pub(super) read: Option<LogFacts>,
    /// What is known of the crash of the dump that they are of.
    pub(super) crash: Option<CrashReport>,
    pub(super) error: Option<ErrorReport>,
    pub(super) status: Status,
}

impl<T: Serialize> Serialize for LogReports<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("schema", SCHEMA)?;
        if let Some(read) = &self.read {
            document.serialize_entry("log", read)?;
        }
        if let Some(crash) = &self.crash {
            document.serialize_entry("crash", crash)?;
        }
        document.serialize_entry("error", &self.error)?;
        document.serialize_entry(self.family, &self.reports)?;
        document.serialize_entry("left_out", &self.left_out)?;
        document.end()
    }
}

impl<T: Serialize> LogReports<T> {
    /// Warns where the log holds more than is kept.
    pub(super) fn warn_of_more(&self) {
        if self.left_out > 0 {
            tracing::warn!(
                "{} further reports were only counted: the log holds too many",
                self.left_out
            );
        }
    }

    /// Prints the reports; `page` is how they are read by people.
    ///
    /// # Errors
    /// When they cannot be printed.
    pub(super) fn print(
        &self,
        format: ListFormat,
        common: &Common,
        page: fn(&[T], Look) -> String,
    ) -> anyhow::Result<()> {
        let mut out = Output::stdout();
        match format {
            ListFormat::Json => json::print(&mut out, self)?,
            ListFormat::Jsonl => self
                .reports
                .iter()
                .try_for_each(|report| json::print(&mut out, report))?,
            ListFormat::Text => {
                let look = common.look();
                if let Some(crash) = &self.crash {
                    out.write_all(text::cause_page(crash, look).as_bytes())?;
                }
                // Of a log that could not be read, silence is all that can be said here.
                if !self.reports.is_empty() || self.status == Status::Pass {
                    out.write_all(page(&self.reports, look).as_bytes())?;
                }
                if let Some(read) = &self.read {
                    out.write_all(text::log_read(read, look).as_bytes())?;
                }
            }
        }
        out.finish()?;
        Ok(())
    }
}
