//! The bytes of an extract without names of tasks and text of the log, in their old places.
//!
//! Of the log's text stays what the redacted reports tell, and no more: a record, then a word of a
//! record, is blanked wherever the reports, redacted, say the same without it.

use std::collections::BTreeMap;
use std::ops::Range;

use virtopsy_kernel::{Kernel, Log, Private, Record};
use virtopsy_klog::{Crash, Splat, scan_log_records};
use virtopsy_vmcore::PhysAddr;

use crate::known_issue::{self, Case, Traces};
use crate::report::{DumpReport, KnownIssueReport, REDACTED};
use crate::session::splat_record;

/// What letters and digits become.
const BLANK: u8 = b'x';
/// Records before a report that may belong to it: a line that rules it off.
const BEFORE: usize = 2;

/// What stands in the extract in place of the bytes that were read, by address. `None`: the reports
/// in the log can't be told with less than all of its text.
pub(super) fn replacements(kernel: &Kernel) -> Option<Vec<(PhysAddr, Vec<u8>)>> {
    let kept = match kernel.log() {
        Ok(log) => kept_text(&log.records)?,
        // What was read of it is blanked.
        Err(_) => BTreeMap::new(),
    };
    let space = kernel.space();
    let mut out = Vec::new();
    for (at, what, bytes) in space.private() {
        let new = match what {
            Private::TaskName => task_name(&bytes),
            Private::LogText => log_text(&bytes, &kept),
        };
        let mut rest = new.as_slice();
        for (place, len) in space.places(at, bytes.len()) {
            let (here, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            out.push((place, here.to_vec()));
            rest = after;
        }
    }
    Some(out)
}

/// What stays of text of the log: as in the record that it is, or of which it is a part, like the
/// message of a panic.
fn log_text(bytes: &[u8], kept: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    if let Some(text) = kept.get(bytes) {
        return text.clone();
    }
    let mut out = blanked(bytes);
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    let part = bytes.get(..end).filter(|part| !part.is_empty());
    let found = part.and_then(|part| {
        let mut whole = kept.iter();
        whole.find_map(|(original, text)| {
            let at = memchr::memmem::find(original, part)?;
            text.get(at..at.checked_add(part.len())?)
        })
    });
    if let (Some(found), Some(out)) = (found, out.get_mut(..end)) {
        out.copy_from_slice(found);
    }
    out
}

/// A name that tells nothing, as long as the array that it stands in.
fn task_name(array: &[u8]) -> Vec<u8> {
    let mut name = REDACTED.as_bytes().to_vec();
    name.truncate(array.len().saturating_sub(1));
    name.resize(array.len(), 0);
    name
}

/// `text` with each letter and digit blanked; what separates them stays.
fn blanked(text: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| {
        if is_part_of_a_word(*byte) {
            BLANK
        } else {
            *byte
        }
    };
    text.iter().map(blank).collect()
}

fn is_part_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// What a log tells, redacted.
#[derive(PartialEq)]
struct Told {
    splats: Vec<Splat>,
    crashes: Vec<Crash>,
    issues: Vec<KnownIssueReport>,
}

impl Told {
    fn by(records: &[Record]) -> Told {
        let found = scan_log_records(records.iter().map(splat_record));
        let report = DumpReport {
            splats: found.splats,
            crashes: found.crashes,
            ..DumpReport::default()
        };
        let log = Log {
            records: records.to_vec(),
            ..Log::default()
        };
        let issues = known_issue::recognise(&Case {
            report: &report,
            traces: &Traces::default(),
            log: Some(&log),
        });
        let DumpReport {
            splats,
            crashes,
            known_issues,
            ..
        } = DumpReport {
            known_issues: issues,
            ..report
        }
        .redacted();
        Told {
            splats,
            crashes,
            issues: known_issues,
        }
    }
}

/// The text of each record of which something stays, and what does. `None`: the reports would not be
/// the same.
fn kept_text(records: &[Record]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let all = Told::by(records);
    let mut kept: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for window in windows(records, &all) {
        let Some(records) = records.get(window) else {
            continue;
        };
        for (record, text) in records.iter().zip(least(records)) {
            let stays = kept
                .entry(record.text.clone())
                .or_insert_with(|| blanked(&record.text));
            keep_both(stays, &text, &record.text);
        }
    }
    let mut without = records.to_vec();
    for record in &mut without {
        record.text = kept
            .get(&record.text)
            .cloned()
            .unwrap_or_else(|| blanked(&record.text));
    }
    (Told::by(&without) == all).then_some(kept)
}

/// Keeps of `original` what one of two texts keeps.
fn keep_both(stays: &mut [u8], other: &[u8], original: &[u8]) {
    for ((stays, other), original) in stays.iter_mut().zip(other).zip(original) {
        if other == original {
            *stays = *original;
        }
    }
}

/// The records of each report; of reports that share some, together.
fn windows(records: &[Record], told: &Told) -> Vec<Range<usize>> {
    let splats = told.splats.iter().map(|s| (s.first_line, s.last_line));
    let crashes = told.crashes.iter().map(|c| (c.first_line, c.last_line));
    let mut lines: Vec<(u64, u64)> = splats.chain(crashes).collect();
    lines.sort_unstable();
    let mut ends = Vec::with_capacity(records.len());
    let mut line = 0u64;
    for record in records {
        line = line.saturating_add(record.text.split(|byte| *byte == b'\n').count() as u64);
        ends.push(line);
    }
    let mut out: Vec<Range<usize>> = Vec::new();
    for (first, last) in lines {
        let start = ends.partition_point(|end| *end < first);
        let end = ends.partition_point(|end| *end < last).saturating_add(1);
        match out.last_mut() {
            Some(before) if start < before.end => before.end = before.end.max(end),
            _ => out.push(start.saturating_sub(BEFORE)..end.min(records.len())),
        }
    }
    out
}

/// The texts of `records` with as much blanked as their reports can do without: runs of records,
/// shorter and shorter, then words.
fn least(records: &[Record]) -> Vec<Vec<u8>> {
    let told = Told::by(records);
    let mut now = records.to_vec();
    let mut run = records.len();
    while run > 0 {
        for start in (0..records.len()).step_by(run) {
            let mut tried = now.clone();
            let blank = tried.iter_mut().skip(start).take(run);
            blank.for_each(|record| record.text = blanked(&record.text));
            if tried != now && Told::by(&tried) == told {
                now = tried;
            }
        }
        run /= 2;
    }
    for at in 0..now.len() {
        for word in now.get(at).map(|r| words(&r.text)).unwrap_or_default() {
            let mut tried = now.clone();
            let text = tried.get_mut(at).and_then(|r| r.text.get_mut(word));
            if let Some(text) = text {
                text.fill(BLANK);
            }
            if tried != now && Told::by(&tried) == told {
                now = tried;
            }
        }
    }
    now.into_iter().map(|record| record.text).collect()
}

/// Where the words of a text are.
fn words(text: &[u8]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        if is_part_of_a_word(*byte) {
            match out.last_mut() {
                Some(word) if word.end == at => word.end = at.saturating_add(1),
                _ => out.push(at..at.saturating_add(1)),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
host-db42 says hello to alice@example.org
BUG: assuming atomic context at net/core/filter.c:379
in_atomic(): 0, irqs_disabled(): 0, pid: 62, name: secretd
audit: login of alice
no locks held by secretd/62.
CPU: 2 PID: 62 Comm: secretd Not tainted 6.12.0 #1
Hardware name: db42
Call Trace:
 <TASK>
 dump_stack_lvl+0x96/0xd0
 __cant_sleep+0xb2/0xd0
 run_filter+0x7/0x20
 </TASK>
eth0: address 10.1.2.3
";

    fn records(text: &str) -> Vec<Record> {
        let record = |(sequence, line): (usize, &str)| Record {
            sequence: sequence as u64,
            text: line.as_bytes().to_vec(),
            newline: true,
            ..Record::default()
        };
        text.lines().enumerate().map(record).collect()
    }

    #[test]
    fn what_stays_of_a_log_is_what_its_redacted_reports_tell() {
        let all = records(REPORT);
        let kept = kept_text(&all).unwrap();
        let mut left = String::new();
        for record in &all {
            let text = kept.get(&record.text).cloned();
            let text = text.unwrap_or_else(|| blanked(&record.text));
            left.push_str(&String::from_utf8(text).unwrap());
            left.push('\n');
        }
        assert_eq!(left.len(), REPORT.len());
        for secret in [
            "db42", "alice", "example", "secretd", "eth0", "login", "hello",
        ] {
            assert!(!left.contains(secret), "{secret}: {left}");
        }
        for needed in [
            "assuming atomic context",
            "__cant_sleep",
            "run_filter",
            "62",
        ] {
            assert!(left.contains(needed), "{needed}: {left}");
        }
    }

    #[test]
    fn the_message_of_a_panic_is_blanked_as_its_line_in_the_log() {
        let line = b"Kernel panic: CPU 2 of db42".to_vec();
        let kept = BTreeMap::from([(line, b"Kernel panic: CPU 2 xx xxxx".to_vec())]);
        assert_eq!(
            log_text(b"CPU 2 of db42\0old", &kept),
            b"CPU 2 xx xxxx\0xxx"
        );
        assert_eq!(log_text(b"another text", &kept), b"xxxxxxx xxxx");
    }

    #[test]
    fn a_log_without_reports_keeps_no_word() {
        let kept = kept_text(&records("a secret\nanother one\n")).unwrap();
        assert!(kept.is_empty());
        assert_eq!(blanked(b"it's \xc3\xa9t\xc3\xa9 7"), b"xx'x xxxxx x");
    }

    #[test]
    fn a_name_fills_its_array_and_leaves_nothing_of_a_longer_one() {
        assert_eq!(task_name(b"secret-vmm\0old\0\0"), b"[redacted]\0\0\0\0\0\0");
        assert_eq!(task_name(b"abcd"), b"[re\0");
    }
}
