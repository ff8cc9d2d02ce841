//! From the lines of a file to the lines of the kernel log.
//!
//! A log reaches a file through many hands. Each puts something before the text, and several change
//! the text itself; all of that is undone here, by shape and never by asking which carrier it is:
//!
//! | carrier | a line of it |
//! |---|---|
//! | console, dmesg | `[   11.776041][    T1] text`, `<4>[   11.7] text`, CR LF, ANSI colours |
//! | dmesg -T, -x, -d, -e, iso | `[Thu May  7 18:00:00 2026] text`, `kern  :warn  : [   11.7] text`, … |
//! | dmesg, journald | further lines of a record without prefix, indented to its width |
//! | dmesg --json | `"time": 11.776041,` then `"msg": "text"` |
//! | journalctl | `Dec 14 06:35:48 host kernel: text`, `-o json` too |
//! | rsyslog | the same, newlines inside a record as `#012` |
//! | /dev/kmsg, netconsole | `4,339,5140900,-,caller=T1;text`, other bytes as `\xNN` |
//! | pstore | `<4>[   11.7] text`, in parts that run backwards |
//! | phones and boards | `[   11.776041]  [0:      swapper/0:    1] text`, … |
//! | mail | `> text`, indentation lost, wrapped; quoted-printable, base64 |
//! | containers, clusters, test labs | `{"log": "[   11.7] text\n", …}` |
//! | journalctl -o export | `MESSAGE=text` among other fields |
//! | web pages | `&lt;TASK&gt;` |
//! | anything else | a prefix that is learned from the lines it is before ([`learned`]) |
//!
//! What another CPU or a login prompt printed into the middle of a line is split off where the next
//! `[time]` begins. State is kept for [`limits::LOOKBACK_LINES`] lines at most, so that reading may
//! begin anywhere that many lines before what matters.

mod export;
mod html;
mod json;
mod learned;
mod mail;
mod netconsole;
mod prefix;
mod pstore;
mod stamp;
mod unescape;
mod vendor;
mod wrap;

use crate::limits;
use crate::text::visible;

pub(super) use mail::Mail;
pub(super) use pstore::Parts;
pub(super) use stamp::Prefix;
pub(super) use wrap::Wrap;

/// Who printed a line: a task or, in irq context and early boot, a CPU (PRINTK_CALLER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) cpu: bool,
    pub(super) id: u64,
}

impl Caller {
    /// Reads `T91` or `C0`.
    pub(super) fn parse(s: &str) -> Option<Self> {
        let t = s.trim();
        let (cpu, digits) = match (t.strip_prefix('T'), t.strip_prefix('C')) {
            (Some(d), _) => (false, d),
            (None, Some(d)) => (true, d),
            (None, None) => return None,
        };
        if digits.is_empty() || digits.len() > 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            cpu,
            id: digits.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.cpu { 'C' } else { 'T' }, self.id)
    }
}

/// One line of the kernel log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogLine<'a> {
    /// Number of the file's line it stands on, from 1.
    pub(super) number: u64,
    /// Seconds since boot.
    pub(super) time: Option<f64>,
    pub(super) caller: Option<Caller>,
    /// It had a prefix of its own, or is the continuation of one that had.
    pub(super) prefixed: bool,
    /// The text, leading blanks kept where the carrier kept them.
    pub(super) text: &'a str,
}

/// What an indented continuation inherits.
#[derive(Clone, Debug)]
struct Continued {
    number: u64,
    width: usize,
    prefix: Prefix,
}

/// Reads one line after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Carrier {
    continued: Option<Continued>,
    record: json::Record,
    entry: export::Entry,
    learned: learned::Learned,
    fragments: Option<netconsole::Pending>,
}

impl Carrier {
    /// Hands every kernel line on the file's line `raw` to `sink`. What user space logged is left out.
    pub(crate) fn line(&mut self, raw: &[u8], number: u64, sink: &mut dyn FnMut(LogLine<'_>)) {
        match self.entry.line(raw, number) {
            export::Line::No => {}
            export::Line::Part => return,
            entry => return entry_lines(&entry, sink),
        }
        let clean = unescape::console(raw);
        let text = unescape::blanks(visible(&clean));
        match html::text(&text) {
            None => self.text(&text, number, sink),
            Some(plain) => {
                for line in plain.split('\n').take(limits::PIECES_PER_LINE) {
                    self.text(line, number, sink);
                }
            }
        }
    }

    /// A line of text: JSON, or a line of a log.
    fn text(&mut self, text: &str, number: u64, sink: &mut dyn FnMut(LogLine<'_>)) {
        match self.record.line(text, number) {
            json::Line::No => self.plain(text, number, sink),
            json::Line::Part => {}
            json::Line::Message(prefix, message) => {
                self.continued = None;
                let bytes = message.as_bytes();
                for part in bytes.split(|b| *b == b'\n').take(limits::PIECES_PER_LINE) {
                    emit(&prefix, number, &visible(part), sink);
                }
            }
            json::Line::Text(message) => {
                let lines = message.trim_end_matches('\n').split('\n');
                for line in lines.take(limits::PIECES_PER_LINE) {
                    let clean = unescape::console(line.as_bytes());
                    self.plain(&visible(&clean), number, sink);
                }
            }
        }
    }

    /// A line of a log, behind whatever prefix.
    fn plain(&mut self, text: &str, number: u64, sink: &mut dyn FnMut(LogLine<'_>)) {
        self.settle(Some(text), sink);
        if text.contains(",ncfrag=") {
            for piece in netconsole::pieces(text) {
                self.kmsg(piece, number, sink);
            }
        } else if !self.kmsg(text, number, sink) {
            match self.learned.line(text, number) {
                learned::Line::Plain => self.pieces(text, false, number, sink),
                learned::Line::Behind(prefix) => {
                    let body = text.get(prefix..).unwrap_or_default();
                    self.pieces(body, true, number, sink);
                }
                learned::Line::Wait => {}
            }
        }
    }

    /// Hands on a line whose prefix was in doubt, now that the next one came.
    fn settle(&mut self, next: Option<&str>, sink: &mut dyn FnMut(LogLine<'_>)) {
        if let Some((line, prefix)) = self.learned.settle(next) {
            let body = line.text.get(prefix..).unwrap_or_default();
            self.pieces(body, prefix > 0, line.number, sink);
        }
    }

    /// A record of /dev/kmsg or netconsole, or a piece of one; false when the line is neither.
    fn kmsg(&mut self, text: &str, number: u64, sink: &mut dyn FnMut(LogLine<'_>)) -> bool {
        let Some(found) = prefix::kmsg(text) else {
            return false;
        };
        self.continued = None;
        let Some(place) = found.place else {
            self.end_fragments(sink);
            escaped(&found.prefix, number, found.body, sink);
            return true;
        };
        let joined = self
            .fragments
            .as_mut()
            .is_some_and(|p| p.join(found.head, place, found.body));
        if !joined {
            self.end_fragments(sink);
            let begun =
                netconsole::Pending::begin(found.prefix, number, found.head, place, found.body);
            self.fragments = Some(begun);
        }
        if self.fragments.as_ref().is_some_and(|p| !p.is_waiting()) {
            self.end_fragments(sink);
        }
        true
    }

    /// Hands on a record whose pieces came, or of which no more come.
    fn end_fragments(&mut self, sink: &mut dyn FnMut(LogLine<'_>)) {
        if let Some(record) = self.fragments.take() {
            escaped(&record.prefix, record.number, &record.text, sink);
        }
    }

    /// Whether a record is waiting for its next piece, or a line for the next one.
    pub(super) fn is_waiting(&self) -> bool {
        self.fragments.is_some() || self.learned.is_waiting() || self.entry.is_open()
    }

    /// Hands on what no further line completes.
    pub(super) fn finish(&mut self, sink: &mut dyn FnMut(LogLine<'_>)) {
        self.settle(None, sink);
        self.end_fragments(sink);
        entry_lines(&self.entry.finish(), sink);
    }

    /// Splits a line at the prefixes spliced into it; `behind` a prefix that was learned.
    fn pieces(&mut self, text: &str, behind: bool, number: u64, sink: &mut dyn FnMut(LogLine<'_>)) {
        let mut rest = text;
        for _ in 0..limits::PIECES_PER_LINE {
            let (mut prefix, body) = prefix::strip(rest);
            prefix.stamped |= behind;
            let (piece, next) = match prefix::spliced(body) {
                Some(at) => body
                    .split_at_checked(at)
                    .map_or((body, None), |(a, b)| (a, Some(b))),
                None => (body, None),
            };
            self.piece(rest, &prefix, piece, number, sink);
            match next {
                Some(next) => rest = next,
                None => return,
            }
        }
    }

    /// One piece with its prefix, which may be none.
    fn piece(
        &mut self,
        whole: &str,
        prefix: &Prefix,
        body: &str,
        number: u64,
        sink: &mut dyn FnMut(LogLine<'_>),
    ) {
        if prefix.is_some() {
            let width = whole.len().saturating_sub(body.len()).min(whole.len());
            if prefix.stamped {
                self.continued = Some(Continued {
                    number,
                    width: prefix.width.unwrap_or(width),
                    prefix: prefix.clone(),
                });
            }
            if prefix.syslog && body.contains("#0") {
                for part in unescape::rsyslog(body)
                    .split('\n')
                    .take(limits::PIECES_PER_LINE)
                {
                    emit(prefix, number, part, sink);
                }
                return;
            }
            emit(prefix, number, body, sink);
            return;
        }
        let inherited = self
            .continued
            .as_ref()
            .filter(|c| number.saturating_sub(c.number) <= limits::LOOKBACK_LINES);
        if let Some(c) = inherited {
            let blanks = super::text::indent(body);
            if c.width > 0 && blanks >= c.width {
                emit(&c.prefix, number, body.get(c.width..).unwrap_or(""), sink);
                return;
            }
        }
        emit(prefix, number, body, sink);
    }
}

/// Hands on the lines of an entry of the journal.
fn entry_lines(entry: &export::Line, sink: &mut dyn FnMut(LogLine<'_>)) {
    if let export::Line::Entry(prefix, number, text) = entry {
        for part in text.split(|b| *b == b'\n').take(limits::PIECES_PER_LINE) {
            emit(prefix, *number, &visible(part), sink);
        }
    }
}

/// Hands on the lines of a record in the form of /dev/kmsg.
fn escaped(prefix: &Prefix, number: u64, body: &str, sink: &mut dyn FnMut(LogLine<'_>)) {
    let bytes = unescape::kmsg(body);
    for part in bytes.split(|b| *b == b'\n').take(limits::PIECES_PER_LINE) {
        emit(prefix, number, &visible(part), sink);
    }
}

/// Hands a line on, unless user space wrote it.
fn emit(prefix: &Prefix, number: u64, text: &str, sink: &mut dyn FnMut(LogLine<'_>)) {
    if prefix.foreign || prefix.facility.is_some_and(|f| f != 0) {
        return;
    }
    sink(LogLine {
        number,
        time: prefix.time,
        caller: prefix.caller,
        prefixed: prefix.stamped,
        text,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str) -> Vec<(u64, Option<f64>, Option<String>, String)> {
        let mut carrier = Carrier::default();
        let mut out = Vec::new();
        for (i, raw) in log.split('\n').enumerate() {
            carrier.line(raw.as_bytes(), i as u64 + 1, &mut |l| {
                out.push((
                    l.number,
                    l.time,
                    l.caller.map(|c| c.to_string()),
                    l.text.to_owned(),
                ));
            });
        }
        out
    }

    fn texts(log: &str) -> Vec<String> {
        read(log).into_iter().map(|l| l.3).collect()
    }

    #[test]
    fn the_prefix_of_a_console_is_stripped_in_any_order() {
        for log in [
            "[   11.776041][    T1]  ? f+0x1/0x2",
            "<4>[   11.776041][    T1]  ? f+0x1/0x2",
            "[   11.776041] [    T1]  ? f+0x1/0x2",
            "kern  :warn  : [   11.776041] [    T1]  ? f+0x1/0x2",
            "\x1b[32m[   11.776041]\x1b[0m[    T1]  ? f+0x1/0x2\r",
            "> [   11.776041][    T1]  ? f+0x1/0x2",
            "4,339,11776041,-,caller=T1; ? f+0x1/0x2",
            "Dec 14 06:35:48 host kernel: [   11.776041][    T1]  ? f+0x1/0x2",
        ] {
            assert_eq!(
                read(log),
                vec![(1, Some(11.776041), Some("T1".into()), " ? f+0x1/0x2".into())],
                "{log}"
            );
        }
    }

    #[test]
    fn clocks_of_dmesg_and_syslog_are_stripped() {
        for log in [
            "[Thu May  7 18:00:00 2026]  x y",
            "[  +0.000010]  x y",
            "[May 7 18:00]  x y",
            "[    1.000000 <    0.000010>]  x y",
            "[2026/05/07, 18:00:00.334]  x y",
            "[2026-05-07 18:00:00.334] [    1.000000]  x y",
            "[18:00:00:334]  x y",
            "2026/05/07 18:00:00.123 [    1.000000]  x y",
            "Thu 2026-05-07 18:00:00 CEST host kernel:  x y",
            "1778176800.123456 host kernel:  x y",
            "Feb 12 10:35:19 d user.err kernel: [    1.000000]  x y",
            "Feb 12 10:35:19 d user.err kernel:  x y",
            "<4>1 2026-05-07T18:00:00.123456+02:00 host kernel - - -  x y",
            "[    1.000000@1]  x y",
            "[    1.000000 / 05-07 18:00:00.123]  x y",
            "[    1.000000]  x y^M",
            "2026-05-07T18:00:00,123456+02:00  x y",
            "2026-05-07T18:00:00.123456+02:00 host kernel:  x y",
            "May  7 18:00:00.123 host kernel:  x y",
            "[   11.776041] host kernel:  x y",
            "<4> x y",
        ] {
            assert_eq!(texts(log), vec![" x y"], "{log}");
        }
    }

    #[test]
    fn what_user_space_wrote_is_left_out() {
        assert_eq!(texts("<14>[    1.000000] WARNING: x"), Vec::<String>::new());
        assert_eq!(
            texts("May  7 18:00:00 host app[12]: WARNING: x"),
            Vec::<String>::new()
        );
        assert_eq!(texts("12,1,1000,-;WARNING: x"), Vec::<String>::new());
        assert_eq!(
            texts("user  :warn  : [    1.000000] WARNING: x"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_prefix_spliced_into_a_line_begins_a_new_one() {
        assert_eq!(
            read("login: [   35.184476] a[   35.2    ] b[   36.000000][  C1] c"),
            vec![
                (1, None, None, "login: ".into()),
                (1, Some(35.184476), None, "a[   35.2    ] b".into()),
                (1, Some(36.0), Some("C1".into()), "c".into()),
            ]
        );
    }

    #[test]
    fn indented_continuation_lines_inherit_the_prefix() {
        let log = "[   11.776041] \n               but task\n[   11.8] x\n           y";
        assert_eq!(texts(log), vec!["", "but task", "x", " y"]);
        let journal = "Dec 14 06:35:48 host kernel:\n                              but task";
        let got = read(journal);
        assert_eq!(got.last().unwrap().3.trim(), "but task");
    }

    #[test]
    fn rsyslog_and_kmsg_escapes_are_undone() {
        assert_eq!(
            texts("Dec 14 06:35:48 host kernel: #012but task is"),
            vec!["", "but task is"]
        );
        assert_eq!(texts("4,1,5,-;\\x0abut \\x5cx"), vec!["", "but \\x"]);
    }

    #[test]
    fn fragments_of_netconsole_become_one_record() {
        let head = "4,416,11776041,-,caller=T1";
        let lines = format!(
            "{head},ncfrag=0/23;ffff (a){{+.+{head},ncfrag=12/23;.}}, at: f+0\n{head},ncfrag=0/30;lost\n6.12.0,4,417,11776042,-; next"
        )
        .replace("\\n", "\n");
        assert_eq!(
            texts(&lines),
            ["ffff (a){+.+.}, at: f+0", "lost", " next"].map(str::to_owned)
        );
    }

    #[test]
    fn json_of_dmesg_and_journalctl_is_read() {
        let log = "   \"dmesg\": [\n      {\n         \"pri\": 4,\n         \"time\":    11.776041,\n         \"caller\": \"T1\",\n         \"msg\": \"\\nbut \\\"task\\\"\"\n      },{";
        assert_eq!(
            read(log),
            vec![
                (6, Some(11.776041), Some("T1".into()), String::new()),
                (6, Some(11.776041), Some("T1".into()), "but \"task\"".into())
            ]
        );
        let log = r#"{"_TRANSPORT":"kernel","MESSAGE":" x+0x1/0x2","_SOURCE_MONOTONIC_TIMESTAMP":"11776041"}"#;
        assert_eq!(
            read(log),
            vec![(1, Some(11.776041), None, " x+0x1/0x2".into())]
        );
    }
}
