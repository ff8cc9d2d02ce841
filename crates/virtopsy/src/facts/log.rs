//! The kernel log, record by record.

use serde::{Serialize, Serializer};
use virtopsy_kernel::{BootTime, BootTimeSource, Caller, Leftover, Log, Record};

use super::error_text;
use crate::report::Text;

/// The kernel log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogFacts {
    /// Records that newer ones have overwritten.
    pub overwritten: u64,
    /// Records whose text is gone.
    pub lost: u64,
    /// Records that were reserved and never committed.
    pub uncommitted: u64,
    /// Why the log ends early.
    pub incomplete_because: Option<Text>,
    /// The records, oldest first; then what is left in buffers of CPUs.
    #[serde(rename = "log")]
    pub records: Vec<LogRecord>,
}

/// A record, or a line that never got to be one. It may hold several lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogRecord {
    /// Number of the record since boot; absent of text that never got into the log.
    pub sequence: Option<u64>,
    /// Nanoseconds since boot; seconds in JSON.
    #[serde(rename = "timestamp", serialize_with = "seconds")]
    pub timestamp_ns: Option<u64>,
    /// Who printed it: `T<pid>` or `C<cpu>`; absent where the kernel did not record it.
    pub caller: Option<String>,
    /// Syslog level, 0 (emergency) to 7 (debug), where known.
    pub level: Option<u8>,
    /// Syslog facility, where known.
    pub facility: Option<u8>,
    /// The text as it is in the dump; hostile until escaped.
    pub text: Text,
    /// What the record is about, as drivers say it: `SUBSYSTEM`, `DEVICE`.
    #[serde(serialize_with = "map")]
    pub dictionary: Vec<(String, Text)>,
    /// How far it got.
    pub state: RecordState,
}

/// How far a record got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordState {
    /// It is in the log.
    #[default]
    Committed,
    /// A CPU was writing it when it was stopped.
    Unfinished,
    /// It stayed in a CPU's own buffer, printed inside of printk.
    LeftOver,
    /// It stayed in a CPU's own buffer, printed in an NMI.
    LeftOverInNmi,
}

/// When the machine booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BootFacts {
    /// Nanoseconds of the wall clock since 1970, UTC.
    pub nanoseconds: i64,
    /// How it is known: `timekeeper` or `crash-time`.
    pub known_by: &'static str,
}

// Serde hands fields over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn seconds<S: Serializer>(ns: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    ns.map(|ns| ns as f64 / 1e9).serialize(to)
}

/// By name; of several with one name the last.
fn map<S: Serializer>(pairs: &[(String, Text)], to: S) -> Result<S::Ok, S::Error> {
    let pairs = pairs.iter().map(|(key, value)| (key, value));
    pairs
        .collect::<std::collections::BTreeMap<_, _>>()
        .serialize(to)
}

impl From<Log> for LogFacts {
    fn from(log: Log) -> LogFacts {
        let mut records: Vec<LogRecord> = log.records.into_iter().map(LogRecord::from).collect();
        let unfinished = log.unfinished.into_iter().map(|record| LogRecord {
            state: RecordState::Unfinished,
            ..LogRecord::from(record)
        });
        records.extend(unfinished);
        records.sort_by_key(|record| record.sequence);
        records.extend(log.leftovers.into_iter().map(LogRecord::from));
        LogFacts {
            overwritten: log.first_sequence,
            lost: log.lost,
            uncommitted: log.uncommitted,
            incomplete_because: log.broken.as_ref().map(error_text),
            records,
        }
    }
}

impl LogFacts {
    /// Nanoseconds since boot of the newest record that got into the log; 0 without one.
    pub(crate) fn newest_ns(&self) -> u64 {
        let mut newest = self.records.iter().rev();
        newest
            .find(|record| record.state == RecordState::Committed)
            .and_then(|record| record.timestamp_ns)
            .unwrap_or(0)
    }
}

impl From<Record> for LogRecord {
    fn from(record: Record) -> LogRecord {
        let property = |(key, value): (String, Vec<u8>)| (key, Text::new(value));
        LogRecord {
            sequence: Some(record.sequence),
            timestamp_ns: Some(record.timestamp_ns),
            caller: record.caller.map(|caller| caller.to_string()),
            level: record.level,
            facility: record.facility,
            text: Text::new(record.text),
            dictionary: record.dictionary.into_iter().map(property).collect(),
            state: RecordState::Committed,
        }
    }
}

impl From<Leftover> for LogRecord {
    fn from(line: Leftover) -> LogRecord {
        LogRecord {
            caller: Some(Caller::Cpu(line.cpu.0).to_string()),
            level: line.level,
            text: Text::new(line.text),
            state: match line.in_nmi {
                true => RecordState::LeftOverInNmi,
                false => RecordState::LeftOver,
            },
            ..LogRecord::default()
        }
    }
}

impl From<BootTime> for BootFacts {
    fn from(boot: BootTime) -> BootFacts {
        BootFacts {
            nanoseconds: boot.nanoseconds,
            known_by: match boot.known_by {
                BootTimeSource::Timekeeper => "timekeeper",
                BootTimeSource::CrashTime => "crash-time",
            },
        }
    }
}
