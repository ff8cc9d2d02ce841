//! `virtopsy log`: the kernel log of a dump.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Context as _, anyhow};
use clap::Args;
use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;
use virtopsy::facts::{BootFacts, LogFacts, LogRecord, RecordState};
use virtopsy::kernel::nearest;
use virtopsy::report::{SCHEMA, Text, escape};

use super::ask_session;
use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::page::{clean, clean_bytes};
use crate::policy::Day;
use crate::render::{ListFormat, json};
use crate::terminal::say;
use crate::words;

/// The kernel log of a dump
///
/// Prints it as dmesg does, oldest record first. Control characters are shown visibly. Options
/// that choose records hold together: a record must satisfy all of them.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Only records of these levels: emerg, alert, crit, err, warn, notice, info, debug, or 0-7
    ///
    /// `warn+` means warn and more severe, `+warn` means warn and less severe.
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = level_set)]
    pub(crate) level: Vec<u8>,
    /// Only records from so many seconds after boot on
    #[arg(long, value_name = "SECONDS", value_parser = nanoseconds)]
    pub(crate) since: Option<u64>,
    /// Only records whose text matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// Only records of this caller: T and a thread's number, or C and a CPU's
    #[arg(long, value_name = "T<PID>|C<CPU>")]
    pub(crate) caller: Option<String>,
    /// Also every other record of the callers whose records were chosen
    ///
    /// Untangles one thread's (or one CPU's) story from what others printed in between.
    #[arg(long)]
    pub(crate) follow_caller: bool,
    /// Times of day instead of seconds since boot, UTC
    ///
    /// The kernel's log clock and the wall clock run apart by little, but while the machine sleeps
    /// the first stands still: after a suspend times are too early.
    #[arg(long)]
    pub(crate) wall_clock: bool,
    /// Facility and level before each line
    #[arg(long)]
    pub(crate) decode: bool,
    /// Below each record what it is about, as drivers say it: SUBSYSTEM, DEVICE
    #[arg(long)]
    pub(crate) dictionary: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ListFormat,
}

/// The names of the levels, from 0.
const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

/// The names of the facilities, from 0 (syslog(3)).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
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
    /// Records that newer ones have overwritten.
    overwritten: u64,
    /// Records whose text is gone.
    lost: u64,
    /// Records that were reserved and never committed.
    uncommitted: u64,
    /// Nanoseconds of the wall clock at boot, since 1970, UTC, and how they are known.
    booted: Option<BootFacts>,
    incomplete_because: Option<&'a Text>,
    log: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Record<'a> {
    /// Absent of text that never got into the log.
    sequence: Option<u64>,
    /// Seconds since boot.
    timestamp: Option<f64>,
    /// The same on the wall clock, with `--wall-clock`.
    time: Option<String>,
    caller: Option<&'a str>,
    level: Option<u8>,
    facility: Option<u8>,
    text: &'a Text,
    dictionary: BTreeMap<&'a str, &'a Text>,
    state: RecordState,
}

/// What is before the text.
fn mark(state: RecordState) -> &'static str {
    match state {
        RecordState::Unfinished => "(unfinished) ",
        RecordState::LeftOver => "(left in the CPU's buffer) ",
        RecordState::LeftOverInNmi => "(left in the CPU's buffer by an NMI) ",
        _ => "",
    }
}

/// Prints the records that were asked for.
///
/// # Errors
/// When an option makes no sense or the records cannot be printed.
pub(crate) fn run(args: &LogArgs, common: &Common) -> anyhow::Result<Status> {
    let filter = Filter::new(args)?;
    let asked = ask_session(&args.dump, common, |session| {
        let log = session.log()?;
        let booted = args.wall_clock.then(|| session.boot_time(&log));
        Ok((log, booted.transpose()?))
    });
    let Some((log, booted)) = asked else {
        return Ok(Status::Error);
    };
    let path = Text::new(args.dump.as_encoded_bytes());
    if let Some(problem) = filter.unknown_caller(&log.records) {
        say(&format!("{path}: {problem}"));
        return Ok(Status::Error);
    }
    let chosen = filter.choose(&log.records);
    if chosen.is_empty() && !log.records.is_empty() && !common.quiet {
        let all = words::count(log.records.len(), "record");
        say(&format!(
            "{path}: none of the {all} is one that was asked for"
        ));
    }
    let epoch = booted.map(|boot| boot.nanoseconds);
    let mut records = chosen.iter().map(|entry| Record::of(entry, epoch));
    let mut out = Output::stdout();
    match args.format {
        ListFormat::Text => {
            let look = common.look();
            let style = Style::new(args, epoch, look.unicode);
            chosen
                .iter()
                .try_for_each(|entry| out.write_all(style.lines(entry).as_bytes()))?;
        }
        ListFormat::Json => json::print(
            &mut out,
            &Document {
                schema: SCHEMA,
                path: &path,
                overwritten: log.overwritten,
                lost: log.lost,
                uncommitted: log.uncommitted,
                booted,
                incomplete_because: log.incomplete_because.as_ref(),
                log: records.collect(),
            },
        )?,
        ListFormat::Jsonl => records.try_for_each(|r| json::print(&mut out, &r))?,
    }
    out.finish()?;
    if !common.quiet {
        losses(&log)
            .iter()
            .for_each(|loss| say(&format!("{path}: {loss}")));
    }
    Ok(Status::Pass)
}

/// What the log lacks, a sentence each.
fn losses(log: &LogFacts) -> Vec<String> {
    let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    [
        counted(log.overwritten, "older records were overwritten"),
        counted(log.lost, "records are there, but not their text"),
        counted(log.uncommitted, "records were never committed"),
        log.incomplete_because
            .as_ref()
            .map(|why| format!("the log ends early: {why}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// When a record was printed, on the wall clock.
fn time(record: &LogRecord, booted: Option<i64>) -> Option<String> {
    let since_boot = i64::try_from(record.timestamp_ns?).ok()?;
    wall_clock(booted?.checked_add(since_boot)?)
}

/// Nanoseconds since 1970 as RFC 3339 has them, in microseconds.
fn wall_clock(nanoseconds: i64) -> Option<String> {
    let nanoseconds = u64::try_from(nanoseconds).ok()?;
    let (seconds, micros) = (
        nanoseconds / 1_000_000_000,
        nanoseconds % 1_000_000_000 / 1000,
    );
    let day = Day::from_days_since_1970(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    Some(format!(
        "{day}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
    ))
}

impl<'a> Record<'a> {
    fn of(entry: &'a LogRecord, booted: Option<i64>) -> Record<'a> {
        let property = |(key, value): &'a (String, Text)| (key.as_str(), value);
        Record {
            sequence: entry.sequence,
            timestamp: entry.timestamp_ns.map(|ns| ns as f64 / 1e9),
            time: time(entry, booted),
            caller: entry.caller.as_deref(),
            level: entry.level,
            facility: entry.facility,
            text: &entry.text,
            dictionary: entry.dictionary.iter().map(property).collect(),
            state: entry.state,
        }
    }
}

/// How lines are printed.
struct Style {
    /// Nanoseconds of the wall clock at boot, for times of day.
    booted: Option<i64>,
    decode: bool,
    dictionary: bool,
    unicode: bool,
}

impl Style {
    fn new(args: &LogArgs, booted: Option<i64>, unicode: bool) -> Style {
        Style {
            booted,
            decode: args.decode,
            dictionary: args.dictionary,
            unicode,
        }
    }

    /// A record as dmesg prints it: every line of it with the prefix.
    fn lines(&self, entry: &LogRecord) -> String {
        let prefix = self.prefix(entry);
        let text = entry.text.as_bytes();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mark = mark(entry.state);
        let line = |line: &[u8]| format!("{prefix} {mark}{}\n", clean_bytes(line, self.unicode));
        let mut out: String = text.split(|b| *b == b'\n').map(line).collect();
        if self.dictionary {
            for (key, value) in &entry.dictionary {
                let value = format!("{key}={value}");
                // Writing to a string cannot fail.
                let _ = writeln!(out, "  {}", clean(&value, self.unicode));
            }
        }
        out
    }

    fn prefix(&self, entry: &LogRecord) -> String {
        let mut prefix = String::new();
        if self.decode {
            let facility = entry.facility.and_then(|n| FACILITIES.get(usize::from(n)));
            let level = entry.level.and_then(|n| LEVELS.get(usize::from(n)));
            let (facility, level) = (facility.unwrap_or(&"?"), level.unwrap_or(&"?"));
            prefix = format!("{facility:<8}:{level:<6}: ");
        }
        let time = match (time(entry, self.booted), entry.timestamp_ns) {
            (Some(time), _) => time,
            (None, Some(ns)) => {
                let (seconds, micros) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1000);
                format!("{seconds:>5}.{micros:06}")
            }
            (None, None) => format!("{:>12}", "?"),
        };
        let _ = write!(prefix, "[{time}]");
        if let Some(caller) = &entry.caller {
            let _ = write!(prefix, "[{:>6}]", escape(caller.as_bytes()));
        }
        prefix
    }
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

    /// Why no record can be of the caller that was named: none is, of those that tell theirs.
    fn unknown_caller(&self, records: &[LogRecord]) -> Option<String> {
        let wanted = self.caller.as_deref()?;
        let callers: HashSet<&str> = records.iter().filter_map(|r| r.caller.as_deref()).collect();
        if callers.contains(wanted) {
            return None;
        }
        let near = nearest(wanted, &callers);
        Some(match (callers.is_empty(), near.is_empty()) {
            (true, _) => "the log does not tell callers (CONFIG_PRINTK_CALLER is off)".to_owned(),
            (false, true) => format!("no record is of caller {wanted}"),
            (false, false) => format!(
                "no record is of caller {wanted}; near to it are {}",
                near.join(", ")
            ),
        })
    }

    /// The records to print, in order.
    fn choose<'a>(&self, records: &'a [LogRecord]) -> Vec<&'a LogRecord> {
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
        let followed = |r: &&LogRecord| {
            self.matches(r) || r.caller.as_deref().is_some_and(|c| callers.contains(c))
        };
        records.iter().filter(followed).collect()
    }

    fn matches(&self, record: &LogRecord) -> bool {
        record.timestamp_ns.is_none_or(|at| at >= self.since)
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

    fn record(sequence: u64, caller: &str, level: u8, text: &str) -> LogRecord {
        LogRecord {
            sequence: Some(sequence),
            timestamp_ns: Some(sequence * 1_500_000_000),
            caller: (!caller.is_empty()).then(|| caller.to_owned()),
            level: Some(level),
            facility: Some(0),
            text: Text::from(text),
            dictionary: vec![("SUBSYSTEM".to_owned(), Text::from("usb"))],
            state: RecordState::Committed,
        }
    }

    const PLAIN: Style = Style {
        booted: None,
        decode: false,
        dictionary: false,
        unicode: true,
    };

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
            .filter_map(|record| record.sequence)
            .collect()
    }

    #[test]
    fn records_are_printed_as_dmesg_does() {
        assert_eq!(
            PLAIN.lines(&record(1, "T91", 4, "two\nlines\n")),
            "[    1.500000][   T91] two\n[    1.500000][   T91] lines\n"
        );
        assert_eq!(
            PLAIN.lines(&record(9, "", 4, "a\x1b[2J\tb\r")),
            "[   13.500000] a\\x1b[2J\\tb\\r\n"
        );
        let ascii = Style {
            unicode: false,
            ..PLAIN
        };
        assert_eq!(
            ascii.lines(&record(0, "T1", 4, "é")),
            "[    0.000000][    T1] \\u{e9}\n"
        );
    }

    #[test]
    fn the_wall_clock_the_level_and_the_dictionary_are_printed_when_asked_for() {
        let style = Style {
            booted: Some(951_782_400_000_000_000),
            decode: true,
            dictionary: true,
            unicode: true,
        };
        assert_eq!(
            style.lines(&record(1, "T91", 4, "late")),
            "kern    :warn  : [2000-02-29T00:00:01.500000Z][   T91] late\n  SUBSYSTEM=usb\n"
        );
    }

    #[test]
    fn text_that_never_got_into_the_log_is_marked() {
        let unfinished = LogRecord {
            state: RecordState::Unfinished,
            ..record(2, "C1", 3, "half a")
        };
        assert_eq!(
            PLAIN.lines(&unfinished),
            "[    3.000000][    C1] (unfinished) half a\n"
        );
        let left = LogRecord {
            sequence: None,
            timestamp_ns: None,
            state: RecordState::LeftOverInNmi,
            ..record(0, "C2", 4, "NMI backtrace")
        };
        assert_eq!(
            PLAIN.lines(&left),
            "[           ?][    C2] (left in the CPU's buffer by an NMI) NMI backtrace\n"
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
