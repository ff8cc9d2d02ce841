//! `virtopsy log`: the kernel log of a dump.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Context as _, anyhow};
use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;
use virtopsy::report::{ErrorReport, SCHEMA, Text, escape};
use virtopsy::{LogLine, Session};

use crate::args::{Common, ListFormat, LogArgs};
use crate::exit::Status;
use crate::output::Output;
use crate::page::clean;
use crate::progress::Progress;
use crate::render::json;
use crate::terminal::{Look, say};
use crate::{batch, input};

/// The names of the levels, from 0.
const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

/// A set of levels as bits: `err`, `3`, `err+` (it and more severe), `+err` (it and less severe).
pub(crate) fn level_set(text: &str) -> Result<u8, String> {
    let (up, rest) = text
        .strip_suffix('+')
        .map_or((false, text), |rest| (true, rest));
    let (down, name) = rest
        .strip_prefix('+')
        .map_or((false, rest), |rest| (true, rest));
    let aliases = [("panic", "emerg"), ("error", "err"), ("warning", "warn")];
    let name = aliases
        .iter()
        .find(|(alias, _)| *alias == name)
        .map_or(name, |(_, name)| name);
    let named = LEVELS.iter().position(|level| *level == name);
    let numbered = name.parse::<usize>().ok().filter(|n| *n < LEVELS.len());
    let level = named
        .or(numbered)
        .ok_or_else(|| format!("the levels are {}, or 0 to 7", LEVELS.join(", ")))?;
    let from = if up { 0 } else { level };
    let to = if down { LEVELS.len() - 1 } else { level };
    Ok((from..=to).fold(0, |set, level| set | (1 << level)))
}

/// Seconds with up to nine decimals, in nanoseconds.
pub(crate) fn nanoseconds(text: &str) -> Result<u64, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let nanos = (!whole.is_empty() && digits(part) && part.len() <= 9).then(|| {
        let whole: u64 = whole.parse().ok()?;
        let part: u64 = format!("{part:0<9}").parse().ok()?;
        whole.checked_mul(1_000_000_000)?.checked_add(part)
    });
    nanos
        .flatten()
        .ok_or_else(|| "a number of seconds is needed, for example 11.776041".to_owned())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    path: &'a Text,
    log: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Record<'a> {
    sequence: u64,
    /// Seconds since boot.
    timestamp: f64,
    caller: Option<&'a str>,
    level: Option<u8>,
    facility: Option<u8>,
    text: &'a Text,
}

/// Prints the records that were asked for.
///
/// # Errors
/// When an option makes no sense or the records cannot be printed.
pub(crate) fn run(args: &LogArgs, common: &Common) -> anyhow::Result<Status> {
    let filter = Filter::new(args)?;
    let path = Text::new(args.dump.as_encoded_bytes());
    let records = match read(args, common) {
        Ok(records) => records,
        Err(error) => {
            say(&format!("{path}: {}: {}", error.kind, error.message));
            return Ok(Status::Error);
        }
    };
    let chosen = filter.choose(&records);
    let mut out = Output::stdout();
    match args.format {
        ListFormat::Text => {
            let look = Look::of_stdout(common.color);
            chosen
                .iter()
                .try_for_each(|record| out.write_all(lines(record, look.unicode).as_bytes()))?;
        }
        ListFormat::Json => {
            let log = chosen.into_iter().map(Record::of).collect();
            json::print(
                &mut out,
                &Document {
                    schema: SCHEMA,
                    path: &path,
                    log,
                },
            )?;
        }
        ListFormat::Jsonl => chosen
            .into_iter()
            .map(Record::of)
            .try_for_each(|r| json::print(&mut out, &r))?,
    }
    out.finish()?;
    Ok(Status::Pass)
}

fn read(args: &LogArgs, common: &Common) -> Result<Vec<LogLine>, ErrorReport> {
    let _spinner = Progress::spinner(common, "reading the log".to_owned());
    let (spec, options) = (input::spec(&args.dump), common.options());
    batch::catch(|| Session::open(&spec, &options).and_then(|session| session.log()))
        .unwrap_or_else(Err)
}

impl<'a> Record<'a> {
    fn of(line: &'a LogLine) -> Record<'a> {
        Record {
            sequence: line.sequence,
            timestamp: line.timestamp_ns as f64 / 1e9,
            caller: line.caller.as_deref(),
            level: line.level,
            facility: line.facility,
            text: &line.text,
        }
    }
}

/// A record as dmesg prints it: every line of it with the prefix.
fn lines(record: &LogLine, unicode: bool) -> String {
    let (seconds, micros) = (
        record.timestamp_ns / 1_000_000_000,
        record.timestamp_ns % 1_000_000_000 / 1000,
    );
    let mut prefix = format!("[{seconds:>5}.{micros:06}]");
    if let Some(caller) = &record.caller {
        // Writing to a string cannot fail.
        let _ = write!(prefix, "[{:>6}]", escape(caller.as_bytes()));
    }
    let text = record.text.as_bytes();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let line = |line: &[u8]| format!("{prefix} {}\n", clean(&escape(line), unicode));
    text.split(|b| *b == b'\n').map(line).collect()
}

/// A pattern over bytes: what is in a log need not be UTF-8.
fn regex(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).build()
}

struct Filter {
    levels: Option<u8>,
    since: u64,
    grep: Option<Regex>,
    caller: Option<String>,
    follow: bool,
}

impl Filter {
    fn new(args: &LogArgs) -> anyhow::Result<Filter> {
        let grep = args
            .grep
            .as_deref()
            .map(regex)
            .transpose()
            .context("--grep")?;
        let levels = args.level.iter().copied().reduce(|a, b| a | b);
        let chooses =
            levels.is_some() || grep.is_some() || args.since.is_some() || args.caller.is_some();
        if args.follow_caller && !chooses {
            return Err(anyhow!(
                "--follow-caller needs a choice to follow: --grep, --level, --since or --caller"
            ));
        }
        let (since, caller) = (args.since.unwrap_or(0), args.caller.clone());
        Ok(Filter {
            levels,
            since,
            grep,
            caller,
            follow: args.follow_caller,
        })
    }

    /// The records to print, in order.
    fn choose<'a>(&self, records: &'a [LogLine]) -> Vec<&'a LogLine> {
        if !self.follow {
            return records
                .iter()
                .filter(|record| self.matches(record))
                .collect();
        }
        let callers: HashSet<&str> = records
            .iter()
            .filter(|record| self.matches(record))
            .filter_map(|record| record.caller.as_deref())
            .collect();
        let followed = |r: &&LogLine| {
            self.matches(r) || r.caller.as_deref().is_some_and(|c| callers.contains(c))
        };
        records.iter().filter(followed).collect()
    }

    fn matches(&self, record: &LogLine) -> bool {
        record.timestamp_ns >= self.since
            && self.levels.is_none_or(|set| {
                record
                    .level
                    .is_some_and(|level| level < 8 && set & (1 << level) != 0)
            })
            && self
                .caller
                .as_ref()
                .is_none_or(|caller| record.caller.as_ref() == Some(caller))
            && self
                .grep
                .as_ref()
                .is_none_or(|grep| grep.is_match(record.text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, caller: &str, level: u8, text: &str) -> LogLine {
        LogLine {
            sequence,
            timestamp_ns: sequence * 1_500_000_000,
            caller: (!caller.is_empty()).then(|| caller.to_owned()),
            level: Some(level),
            facility: Some(0),
            text: Text::from(text),
        }
    }

    fn all() -> Filter {
        Filter {
            levels: None,
            since: 0,
            grep: None,
            caller: None,
            follow: false,
        }
    }

    fn chosen(filter: &Filter) -> Vec<u64> {
        let records = [
            record(0, "T0", 5, "Linux version"),
            record(1, "T91", 4, "WARNING: suspicious"),
            record(2, "C3", 6, "in between"),
            record(3, "T91", 6, "its trace"),
            record(4, "", 3, "nobody"),
        ];
        filter
            .choose(&records)
            .iter()
            .map(|record| record.sequence)
            .collect()
    }

    #[test]
    fn records_are_printed_as_dmesg_does() {
        assert_eq!(
            lines(&record(1, "T91", 4, "two\nlines\n"), true),
            "[    1.500000][   T91] two\n[    1.500000][   T91] lines\n"
        );
        assert_eq!(
            lines(&record(9, "", 4, "a\x1b[2J\tb\r"), true),
            "[   13.500000] a\\x1b[2J\\tb\\r\n"
        );
        assert_eq!(
            lines(&record(0, "T1", 4, "é"), false),
            "[    0.000000][    T1] \\u{e9}\n"
        );
    }

    #[test]
    fn choices_hold_together() {
        assert_eq!(chosen(&all()), [0, 1, 2, 3, 4]);
        assert_eq!(
            chosen(&Filter {
                levels: Some(level_set("warn+").unwrap()),
                ..all()
            }),
            [1, 4]
        );
        assert_eq!(
            chosen(&Filter {
                since: 3_000_000_000,
                caller: Some("T91".to_owned()),
                ..all()
            }),
            [3]
        );
        assert_eq!(
            chosen(&Filter {
                grep: Some(regex("(?i)warn.*\\s").unwrap()),
                ..all()
            }),
            [1]
        );
    }

    #[test]
    fn following_adds_the_other_records_of_the_same_callers() {
        let grep = Some(regex("suspicious|nobody").unwrap());
        assert_eq!(
            chosen(&Filter {
                grep,
                follow: true,
                ..all()
            }),
            [1, 3, 4]
        );
    }

    #[test]
    fn levels_are_named_numbered_or_ranges() {
        assert_eq!(level_set("emerg"), Ok(1));
        assert_eq!(level_set("3"), Ok(8));
        assert_eq!(level_set("error+"), Ok(0b1111));
        assert_eq!(level_set("+info"), Ok(0b1100_0000));
        assert!(level_set("8").is_err() && level_set("loud").is_err() && level_set("").is_err());
    }

    #[test]
    fn seconds_are_read_exactly() {
        assert_eq!(nanoseconds("11.776041"), Ok(11_776_041_000));
        assert_eq!(nanoseconds("0"), Ok(0));
        for bad in ["", ".5", "-1", "1.0000000001", "1e3", "99999999999999"] {
            assert!(nanoseconds(bad).is_err(), "{bad}");
        }
    }
}
