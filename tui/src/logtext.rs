//! The kernel log as lines that can be shown, filtered and searched.

use regex::bytes::{Regex, RegexBuilder};
use virtopsy::facts::LogRecord;

use crate::source::Cancelled;

/// Lines that share one entry of the severity index.
const BLOCK: usize = 256;
/// Severity of a line whose level is not known: below all levels.
pub(crate) const NO_LEVEL: u8 = 8;

/// A line: a part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LineRef {
    record: u32,
    start: u32,
    end: u32,
}

/// The log, with an index of its lines.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LogText {
    records: Vec<LogRecord>,
    lines: Vec<LineRef>,
    /// The most severe level of each [`BLOCK`] lines.
    blocks: Vec<u8>,
}

/// A line as it stands in the dump.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) record: &'a LogRecord,
    /// Its bytes: hostile until escaped.
    pub(crate) text: &'a [u8],
    /// Whether it is the first of its record.
    pub(crate) first: bool,
}

impl LogText {
    /// Splits records into lines.
    pub(crate) fn new(records: Vec<LogRecord>) -> LogText {
        let mut lines = Vec::with_capacity(records.len());
        for (number, record) in records.iter().enumerate() {
            let bytes = record.text.as_bytes();
            let mut start = 0usize;
            for end in memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]) {
                lines.push(LineRef {
                    record: number as u32,
                    start: start as u32,
                    end: end as u32,
                });
                start = end.saturating_add(1);
            }
        }
        let mut text = LogText {
            records,
            lines,
            blocks: Vec::new(),
        };
        text.blocks = (0..text.lines.len().div_ceil(BLOCK))
            .map(|b| {
                text.scan_severity(
                    b.saturating_mul(BLOCK),
                    b.saturating_add(1).saturating_mul(BLOCK),
                )
            })
            .collect();
        text
    }

    /// Number of lines.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// A line, from 0.
    pub(crate) fn line(&self, number: usize) -> Option<Line<'_>> {
        let at = self.lines.get(number)?;
        let record = self.records.get(at.record as usize)?;
        let text = record
            .text
            .as_bytes()
            .get(at.start as usize..at.end as usize)?;
        Some(Line {
            record,
            text,
            first: at.start == 0,
        })
    }

    fn scan_severity(&self, start: usize, end: usize) -> u8 {
        let end = end.min(self.lines.len());
        (start..end)
            .filter_map(|i| self.line(i))
            .map(|l| l.record.level.unwrap_or(NO_LEVEL))
            .min()
            .unwrap_or(NO_LEVEL)
    }

    /// The most severe level among lines `start..end`.
    pub(crate) fn severity(&self, start: usize, end: usize) -> u8 {
        if end.saturating_sub(start) <= BLOCK.saturating_mul(2) {
            return self.scan_severity(start, end);
        }
        let (first, last) = (start.div_ceil(BLOCK), end.checked_div(BLOCK).unwrap_or(0));
        let whole = self
            .blocks
            .get(first..last)
            .unwrap_or_default()
            .iter()
            .copied()
            .min()
            .unwrap_or(NO_LEVEL);
        let head = self.scan_severity(start, first.saturating_mul(BLOCK));
        let tail = self.scan_severity(last.saturating_mul(BLOCK), end);
        whole.min(head).min(tail)
    }

    /// The lines that pass `filter`, among `within` where that is given.
    ///
    /// # Errors
    /// What is wrong with the pattern; or that the scan was cancelled.
    pub(crate) fn scan(
        &self,
        filter: &LogFilter,
        within: Option<&[u32]>,
        cancelled: &Cancelled,
    ) -> Result<Vec<u32>, String> {
        let pattern = filter.regex()?;
        let passes = |number: &u32| {
            self.line(*number as usize)
                .is_some_and(|line| filter.passes(&line, pattern.as_ref()))
        };
        let mut found = Vec::new();
        let all = self.lines.len() as u32;
        let mut numbers: Box<dyn Iterator<Item = u32>> = match within {
            Some(lines) => Box::new(lines.iter().copied()),
            None => Box::new(0..all),
        };
        loop {
            let before = found.len();
            let mut seen = 0usize;
            found.extend(
                numbers
                    .by_ref()
                    .take(1 << 14)
                    .inspect(|_| seen = seen.saturating_add(1))
                    .filter(&passes),
            );
            if cancelled.is_set() {
                return Err("cancelled".into());
            }
            if seen == 0 {
                debug_assert_eq!(before, found.len());
                return Ok(found);
            }
        }
    }
}

/// Which lines of the log are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogFilter {
    /// The least severe level that is shown.
    pub(crate) level: Option<u8>,
    /// The only caller that is shown.
    pub(crate) caller: Option<String>,
    /// What a line must match: a regular expression, in any case while it has no capital letter.
    pub(crate) pattern: String,
}

impl LogFilter {
    /// Whether everything passes.
    pub(crate) fn is_empty(&self) -> bool {
        *self == LogFilter::default()
    }

    /// The pattern, compiled.
    pub(crate) fn regex(&self) -> Result<Option<Regex>, String> {
        if self.pattern.is_empty() {
            Ok(None)
        } else {
            compile(&self.pattern).map(Some)
        }
    }

    fn passes(&self, line: &Line<'_>, pattern: Option<&Regex>) -> bool {
        self.level
            .is_none_or(|max| line.record.level.is_some_and(|l| l <= max))
            && self
                .caller
                .as_ref()
                .is_none_or(|c| line.record.caller.as_ref() == Some(c))
            && pattern.is_none_or(|p| p.is_match(line.text))
    }

    /// What is shown, in words; empty when that is everything.
    pub(crate) fn describe(&self) -> String {
        let level = self
            .level
            .map(|l| format!("level {} and worse", level_name(l)));
        let caller = self.caller.as_ref().map(|c| format!("caller {c}"));
        let pattern =
            (!self.pattern.is_empty()).then(|| format!("/{}/", crate::doc::safe(&self.pattern)));
        [level, caller, pattern]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Compiles what a user typed: a regular expression, or else the very text.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let build = |p: &str| {
        RegexBuilder::new(p)
            .unicode(false)
            .case_insensitive(!pattern.chars().any(char::is_uppercase))
            .size_limit(1 << 20)
            .build()
    };
    build(pattern)
        .or_else(|_| build(&regex::escape(pattern)))
        .map_err(|e| e.to_string())
}

/// The name of a syslog level.
pub(crate) fn level_name(level: u8) -> &'static str {
    match level {
        0 => "emerg",
        1 => "alert",
        2 => "crit",
        3 => "err",
        4 => "warn",
        5 => "notice",
        6 => "info",
        7 => "debug",
        _ => "?",
    }
}

/// The letter of a syslog level, where there is no room for its name.
pub(crate) fn level_letter(level: u8) -> &'static str {
    ["E", "A", "C", "e", "w", "n", "i", "d"]
        .get(usize::from(level))
        .copied()
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use virtopsy::report::Text;

    fn log(lines: &[(&str, u8, &str)]) -> LogText {
        let record = |(caller, level, text): &(&str, u8, &str)| LogRecord {
            caller: Some((*caller).into()),
            level: Some(*level),
            text: Text::from(*text),
            ..LogRecord::default()
        };
        LogText::new(lines.iter().map(record).collect())
    }

    #[test]
    fn a_record_of_two_lines_is_two_lines() {
        let log = log(&[("T1", 6, "one\ntwo"), ("T2", 3, "three")]);
        assert_eq!(log.len(), 3);
        assert_eq!(log.line(1).unwrap().text, b"two");
        assert!(!log.line(1).unwrap().first);
        assert_eq!(log.severity(0, 3), 3);
        assert_eq!(log.severity(0, 2), 6);
    }

    #[test]
    fn severity_over_many_lines_is_that_of_the_worst() {
        let mut lines = vec![("T1", 6, "x"); 2000];
        lines.insert(1500, ("T1", 2, "bad"));
        let log = log(&lines);
        assert_eq!(log.severity(0, 2001), 2);
        assert_eq!(log.severity(0, 1500), 6);
        assert_eq!(log.severity(1501, 2001), 6);
        assert_eq!(log.severity(10, 1501), 2);
    }

    #[test]
    fn filters_add_up() {
        let log = log(&[("T1", 6, "alpha"), ("T2", 3, "ALPHA"), ("T2", 6, "beta")]);
        let scan = |f: &LogFilter| log.scan(f, None, &Cancelled::default()).unwrap();
        assert_eq!(
            scan(&LogFilter {
                pattern: "alp".into(),
                ..LogFilter::default()
            }),
            [0, 1]
        );
        assert_eq!(
            scan(&LogFilter {
                pattern: "ALP".into(),
                ..LogFilter::default()
            }),
            [1]
        );
        assert_eq!(
            scan(&LogFilter {
                caller: Some("T2".into()),
                level: Some(4),
                ..LogFilter::default()
            }),
            [1]
        );
        assert_eq!(
            scan(&LogFilter {
                pattern: "a(".into(),
                ..LogFilter::default()
            }),
            [0u32; 0]
        );
    }
}
