//! Text logs of any length in constant memory.
//!
//! Nearly all of a log is no report, so blocks of it are searched for the few words that a header
//! must contain, at the speed of memory. Only around those are lines taken apart: from
//! [`limits::LOOKBACK_LINES`] before the header on, until no report is open. What a line-by-line
//! reading would have found is found; a test compares the two.

use std::io::{self, Read};
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::carrier::{Carrier, Mail, Parts, Wrap};
use crate::crash;
use crate::limits;
use crate::lock::search;
use crate::log::Log;
use crate::reader::Reader;

/// A text that every header or attachment has in it. A superset of what the headers and
/// attachments of `lock` are, whatever the carrier did to the line.
static ANCHORS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let alone = search::ALONE.iter().map(|words| regex::escape(words));
    let words: Vec<String> = ["WARNING:", "INFO:", "BUG:"]
        .into_iter()
        // A piece of a record, which may cut the words; parts of a pstore dump, which may run backwards.
        .chain([",ncfrag=", "Panic#", "Oops#", "Emergency#", "Shutdown#"])
        // What a mail says of its body.
        .chain(["ransfer-[Ee]ncoding:"])
        .chain(crash::ANCHORS.iter().copied())
        .map(str::to_owned)
        .chain(alone)
        .collect();
    Regex::new(&words.join("|")).ok()
});

/// What ours go on with behind `INFO:` and `BUG:`, which many lines have. dmesg colours the word, so
/// an escape may stand between, and mail may have wrapped the line anywhere behind it.
static WANTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = search::behind_info_or_bug();
    let colour = "(?:\\x1b\\[[0-9;]{0,16}m)* ";
    let alone: Vec<String> = search::ALONE.iter().map(|w| regex::escape(w)).collect();
    let alone = alone.join("|");
    let pieces = ",ncfrag=|(?:Panic|Oops|Emergency|Shutdown)#[0-9]{1,10} Part[0-9]";
    let cut = "(?:INFO|BUG|WARNING):(?: [A-Za-z_() -]{0,40})?=?[ \\r]*$";
    // A no-break space of a web page.
    let spaced = "(?:INFO|BUG|WARNING):\\xc2\\xa0";
    let encoded = "ransfer-[Ee]ncoding: *(?i:base64|quoted-printable)";
    Regex::new(&format!(
        "(?-u:WARNING:{colour}|(?:INFO|BUG):{colour}(?:{words})|{alone}|{pieces}|{cut}|{spaced}|{encoded}|{})",
        crash::WANTED.join("|")
    ))
    .ok()
});

/// Reads a text log.
pub(crate) fn read(input: impl Read) -> io::Result<Log> {
    let fast = ANCHORS.is_some() && WANTED.is_some();
    Stream::new(fast, limits::BLOCK_BYTES).read(input)
}

/// A window on the input.
struct Stream {
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold input.
    filled: usize,
    /// Where the next line to look at begins, and its number.
    at: usize,
    number: u64,
    /// The first line that no carrier has seen, where lines are being skipped: `(offset, number)`.
    unread: Option<(usize, u64)>,
    /// Reading over the rest of a line that is too long.
    in_long_line: bool,
    fast: bool,
    lines: Lines,
}

/// What a line goes through: each hands on what it made of it.
#[derive(Default)]
struct Lines {
    mail: Mail,
    parts: Parts,
    carrier: Carrier,
    wrap: Wrap,
    reader: Reader,
}

impl Lines {
    fn line(&mut self, raw: &[u8], number: u64) {
        let Self {
            mail,
            parts,
            carrier,
            wrap,
            reader,
        } = self;
        mail.line(raw, number, &mut |raw, number| {
            parts.line(raw, number, &mut |raw, number| {
                carrier.line(raw, number, &mut |l| {
                    wrap.line(&l, &mut |l| reader.line(l));
                });
            });
        });
    }

    /// Whether nothing waits for the next line.
    fn is_idle(&self) -> bool {
        self.reader.is_idle()
            && !self.mail.is_open()
            && !self.parts.is_open()
            && !self.carrier.is_waiting()
            && !self.wrap.is_waiting()
    }

    fn finish(self) -> Log {
        let Self {
            mut mail,
            mut parts,
            mut carrier,
            mut wrap,
            mut reader,
        } = self;
        let mut last = |carrier: &mut Carrier, raw: &[u8], number| {
            carrier.line(raw, number, &mut |l| wrap.line(&l, &mut |l| reader.line(l)));
        };
        mail.finish(&mut |raw, number| {
            parts.line(raw, number, &mut |raw, number| {
                last(&mut carrier, raw, number);
            });
        });
        parts.finish(&mut |raw, number| last(&mut carrier, raw, number));
        carrier.finish(&mut |l| wrap.line(&l, &mut |l| reader.line(l)));
        wrap.finish(&mut |l| reader.line(l));
        reader.finish()
    }
}

impl Stream {
    /// `fast` skips what cannot matter; a block must hold the longest line and the lines before it.
    fn new(fast: bool, block: usize) -> Self {
        Self {
            buffer: vec![0; block],
            filled: 0,
            at: 0,
            number: 1,
            unread: None,
            in_long_line: false,
            fast,
            lines: Lines::default(),
        }
    }

    fn read(mut self, mut input: impl Read) -> io::Result<Log> {
        loop {
            let more = self.fill(&mut input)?;
            self.lines(!more);
            if !more {
                return Ok(self.lines.finish());
            }
        }
    }

    /// Makes room and reads a block; false at the end of the input.
    fn fill(&mut self, input: &mut impl Read) -> io::Result<bool> {
        let keep = self.lookback();
        self.buffer.copy_within(keep..self.filled, 0);
        self.filled = self.filled.saturating_sub(keep);
        self.at = self.at.saturating_sub(keep);
        self.unread = self
            .unread
            .map(|(offset, number)| (offset.saturating_sub(keep), number));
        while self.filled < self.buffer.len() {
            let Some(room) = self.buffer.get_mut(self.filled..) else {
                break;
            };
            match input.read(room) {
                Ok(0) => return Ok(false),
                Ok(n) => self.filled = self.filled.saturating_add(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Where the input that is still needed begins: a few lines before the next one, unread.
    fn lookback(&mut self) -> usize {
        let Some((first, number)) = self.unread else {
            return self.at;
        };
        let window = self.at.saturating_sub(limits::LOOKBACK_BYTES).max(first);
        let mut start = self.at;
        let mut lines = 0u64;
        while lines < limits::LOOKBACK_LINES && start > window {
            let before = self
                .buffer
                .get(window..start.saturating_sub(1))
                .unwrap_or_default();
            start = match memchr::memrchr(b'\n', before) {
                Some(n) => window.saturating_add(n).saturating_add(1),
                None if window == first => first,
                None => break, // the line is longer than the window
            };
            lines = lines.saturating_add(1);
        }
        self.unread = Some((start, self.number.saturating_sub(lines).max(number)));
        start
    }
}

impl Stream {
    /// Works through the complete lines of the buffer; with `last`, through all of it.
    fn lines(&mut self, last: bool) {
        loop {
            if self.fast && self.lines.is_idle() && !self.in_long_line && !self.skip(last) {
                return;
            }
            if !self.one(last) {
                return;
            }
        }
    }

    /// The end of the lines that are complete.
    fn complete(&self, last: bool) -> usize {
        let rest = self.buffer.get(self.at..self.filled).unwrap_or_default();
        if last {
            return self.filled;
        }
        memchr::memrchr(b'\n', rest)
            .map_or(self.at, |n| self.at.saturating_add(n).saturating_add(1))
    }

    /// Skips to the next line that may matter and goes back to where its context begins; false when
    /// there is none in the buffer.
    fn skip(&mut self, last: bool) -> bool {
        let end = self.complete(last);
        let from = self.at;
        self.unread = Some(self.unread.unwrap_or((self.at, self.number)));
        let mut search = from;
        while let Some(found) = self.anchor(search, end) {
            let (start, stop) = self.line_around(found, from, end);
            let line = self
                .buffer
                .get(start..stop.min(start.saturating_add(limits::LINE_BYTES)))
                .unwrap_or_default();
            if WANTED.as_ref().is_some_and(|w| w.is_match(line)) {
                self.advance(start);
                self.rewind(start);
                return true;
            }
            search = stop.max(found.saturating_add(1));
        }
        self.advance(end);
        // A line that is too long before it ends is read as far as it counts.
        if !last && self.filled.saturating_sub(end) >= limits::LINE_BYTES {
            self.rewind(end);
            return true;
        }
        false
    }

    /// Goes back to the lines before `start` and reads them for what they say of the one there.
    fn rewind(&mut self, start: usize) {
        let back = self.lookback();
        if let Some((_, number)) = self.unread.take() {
            self.number = number;
            self.at = back;
        }
        while self.at < start && self.one(true) {}
    }

    fn anchor(&self, from: usize, end: usize) -> Option<usize> {
        let hay = self.buffer.get(from..end)?;
        ANCHORS
            .as_ref()?
            .find(hay)
            .map(|m| from.saturating_add(m.start()))
    }

    /// Start and end of the line at `found`.
    fn line_around(&self, found: usize, from: usize, end: usize) -> (usize, usize) {
        let before = self.buffer.get(from..found).unwrap_or_default();
        let start = memchr::memrchr(b'\n', before)
            .map_or(from, |n| from.saturating_add(n).saturating_add(1));
        let after = self.buffer.get(found..end).unwrap_or_default();
        (
            start,
            memchr::memchr(b'\n', after).map_or(end, |n| found.saturating_add(n)),
        )
    }

    /// Counts the lines up to `to`, the start of one.
    fn advance(&mut self, to: usize) {
        let passed = self.buffer.get(self.at..to).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', passed).count();
        self.number = self
            .number
            .saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
        self.at = to;
    }

    /// Reads one line; false when none is complete.
    fn one(&mut self, last: bool) -> bool {
        let rest = self.buffer.get(self.at..self.filled).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest);
        let too_long = end.is_none() && rest.len() >= limits::LINE_BYTES;
        let (length, next) = match end {
            Some(n) => (n, n.saturating_add(1)),
            None if last && !rest.is_empty() || too_long => (rest.len(), rest.len()),
            None => return false,
        };
        let line = rest
            .get(..length.min(limits::LINE_BYTES))
            .unwrap_or_default();
        if !self.in_long_line {
            self.lines.line(line, self.number);
        }
        self.in_long_line = end.is_none();
        if end.is_some() {
            self.number = self.number.saturating_add(1);
        }
        self.at = self.at.saturating_add(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Splat;

    const BLOCK: usize = 192 << 10;

    fn both(log: &[u8]) -> (Log, Log) {
        let fast = Stream::new(true, BLOCK).read(log).unwrap();
        let slow = Stream::new(false, BLOCK).read(log).unwrap();
        (fast, slow)
    }

    /// A report whose parts depend on what stands before the header.
    fn report(n: usize) -> String {
        let t = format!("[ {n:4}.000001]");
        format!(
            "{t} ------------[ cut here ]------------\n{t} usb 1-1: other\n{t} downgrading a read lock\n\
             {t} WARNING: CPU: 1 PID: 7 at kernel/locking/lockdep.c:3553 lock_downgrade+0x4d2/0x910\n\
             {t} CPU: 1 PID: 7 Comm: blkid Not tainted 4.20.0+ #1\n{t} Call Trace:\n{t}  dump_stack+0x1/0x2\n{t}  f{n}+0x1/0x2\n\
             {t} ---[ end trace 0000000000000000 ]---\n"
        )
    }

    fn noise(lines: usize) -> String {
        (0..lines)
            .map(|i| format!("[    1.{i:06}] INFO: BUG: line {i} says WARNING and no more\n"))
            .collect()
    }

    fn functions(splats: &[Splat]) -> Vec<String> {
        splats
            .iter()
            .map(|s| {
                s.trace
                    .last()
                    .map(|f| f.function.clone())
                    .unwrap_or_default()
            })
            .collect()
    }

    /// Lines and offers to open reports that a log costs, and the reports found.
    fn work(log: &str) -> u64 {
        let mut stream = Stream::new(true, BLOCK);
        let mut input = log.as_bytes();
        loop {
            let more = stream.fill(&mut input).unwrap();
            stream.lines(!more);
            if !more {
                return stream.lines.reader.work();
            }
        }
    }

    #[test]
    fn work_grows_with_the_length_of_a_hostile_log_and_no_faster() {
        let t = "[    1.000000]";
        let hostile: &[(&str, String)] = &[
            ("headers", "BUG: sleeping function called from invalid context at a.c:1\n".into()),
            ("framed headers", "WARNING: suspicious RCU usage\n".into()),
            ("headers of many callers", "[    1.000000][T1] WARNING: bad contention detected!\n[    1.000000][T2] WARNING: held lock freed!\n".into()),
            ("a report that never ends", format!("{t} WARNING: inconsistent lock state\n{}", format!("{t} x\n").repeat(100))),
            ("locks never closed", format!("WARNING: suspicious RCU usage\n1 lock held by a/1:\n #0: (\n{}\n", "x){".repeat(500))),
            ("prefixes without end", format!("{}\n", t.repeat(900))),
            ("escapes", format!("4,1,1,-;{}\n", "\\x0a".repeat(900))),
            ("warnings of others", "WARNING: CPU: 1 PID: 7 at a.c:1 f+0x1/0x2()\n".into()),
            ("chains", "WARNING: possible circular locking dependency detected\n-> #1 (a){..}:\n       f+0x1/0x2\n".into()),
            ("dumps", "Showing all locks held in the system:\n1 lock held by a/1:\n #0: (x){..}, at: f+0x1/0x2\n".into()),
        ];
        for (name, piece) in hostile {
            let (small, large) = (piece.repeat(200), piece.repeat(1600));
            let (a, b) = (work(&small), work(&large));
            assert!(
                b <= a.saturating_mul(9),
                "{name}: {a} for 200, {b} for 1600"
            );
            let pieces = u64::try_from(large.len()).unwrap() / 5;
            let lines = u64::try_from(large.lines().count()).unwrap();
            assert!(
                b <= lines
                    .max(pieces)
                    .saturating_mul(1 + limits::OPEN_REPORTS as u64),
                "{name}"
            );
        }
    }

    #[test]
    fn skipping_finds_what_reading_every_line_finds() {
        let mut log = String::new();
        for i in 0..60usize {
            log.push_str(&noise(i.wrapping_mul(7919) % 900));
            log.push_str(&report(i));
            if i % 5 == 0 {
                log.push_str("> a wrapped line\n\nShowing all locks held in the system:\n1 lock held by a/1:\n #0: (x){..}, at: f+0x1/0x2\n\n=====\n");
            }
        }
        let (fast, slow) = both(log.as_bytes());
        assert_eq!(functions(&slow.splats).len(), 60);
        assert!(
            slow.splats
                .iter()
                .all(|s| s.message.as_deref() == Some("downgrading a read lock"))
        );
        assert_eq!(fast, slow);
    }

    #[test]
    fn a_report_at_any_distance_from_the_end_of_a_block_is_whole() {
        for shift in 0..40usize {
            let mut log = noise(BLOCK.wrapping_div(60));
            log.truncate(
                BLOCK
                    .saturating_sub(700)
                    .saturating_add(shift.wrapping_mul(31)),
            );
            log.push('\n');
            log.push_str(&report(shift));
            let (fast, slow) = both(log.as_bytes());
            assert_eq!(fast.splats.len(), 1);
            assert_eq!(fast, slow);
        }
    }

    #[test]
    fn lines_longer_than_a_block_are_read_over_and_counted_as_one() {
        for length in [limits::LINE_BYTES, BLOCK, BLOCK.wrapping_mul(3)] {
            let mut log = String::from("a\n");
            log.push_str(&"WARNING: x".repeat(length.wrapping_div(10).wrapping_add(7)));
            log.push('\n');
            log.push_str(&report(1));
            log.push_str(&"y".repeat(length));
            let (fast, slow) = both(log.as_bytes());
            assert_eq!(fast, slow);
            assert_eq!(fast.splats.first().map(|s| s.first_line), Some(6));
        }
    }
}
