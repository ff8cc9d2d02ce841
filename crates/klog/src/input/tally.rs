//! How many lines of a text are a kernel's.
//!
//! Every line is counted, so this is cheap: a line of a console or of dmesg is known by two words of
//! eight bytes around the point of its time ([`is_console`]). Most others show in their first bytes
//! what they are (` kernel: `, a record of /dev/kmsg). What is left counts where it holds what the
//! kernel alone prints, or where its clock has the shape of the clock of such a line (dmesg -T, or a
//! CI system in front of a bare console).

use std::fmt;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::super::limits;
use super::LogFacts;

/// How the lines of a kernel log came.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Medium {
    /// Not at all.
    #[default]
    None,
    /// With the kernel's own time: a console, dmesg.
    Console,
    /// With a syslog prefix whose tag is `kernel`: syslog, journalctl.
    Syslog,
    /// Records of /dev/kmsg or extended netconsole.
    Kmsg,
    /// Members of JSON objects.
    Json,
    /// Fields of the journal's export format.
    JournalExport,
    /// Quoted in mail.
    Mail,
    /// Behind a clock that is not the kernel's.
    Clock,
    /// Without a prefix.
    Bare,
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Medium::None => "no carrier",
            Medium::Console => "console or dmesg",
            Medium::Syslog => "syslog",
            Medium::Kmsg => "/dev/kmsg or netconsole",
            Medium::Json => "JSON",
            Medium::JournalExport => "journal export",
            Medium::Mail => "mail",
            Medium::Clock => "clock of another program",
            Medium::Bare => "no prefix",
        })
    }
}

/// Texts that kernels alone print. Each begins with letters that are quickly looked for.
static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = [
        "Call [Tt]race:",
        r"CPU: [0-9]{1,5} (UID: [0-9]{1,10} )?PID: [0-9]",
        r"Pid: [0-9]{1,8}, comm: ",
        r"\+0x[0-9a-f]{1,8}/0x[0-9a-f]",
        "Linux version [0-9]",
        "Kernel command line: ",
        "BIOS-e820: ",
        "Kernel panic - not syncing",
        "Modules linked in:",
        r"RIP: [0-9a-f]{4}:",
        "-{4}\\[ cut here \\]-{4}",
        r"---\[ end (trace|Kernel) ",
        "Hardware name: ",
        "audit: type=[0-9]",
        r"usb [0-9]{1,3}-[0-9.]{1,12}: ",
        r" 0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]: ",
        r"EXT[234]-fs \(",
        r"XFS \(",
        r"BTRFS (info|warning|error|critical) ",
        "Freeing unused kernel ",
        "random: crng ",
        "clocksource: ",
        "possible (circular|recursive|irq lock) ",
        r"suspicious (RCU|rcu_[a-z_]{1,40}\(\)) usage",
        "sleeping function called from invalid",
        "scheduling while atomic: ",
        r"using [_a-z]{1,40}\(\) in preemptible ",
        "locks? held by .{1,32}/[0-9]{1,8}",
        "blocked for more than [0-9]{1,6} seconds",
        r"in_atomic\(\): ?[01]",
        "rcu_scheduler_active = ",
        "soft lockup - CPU#",
        "detected stalls? on CPU",
        "NMI watchdog: ",
        "Oops: [0-9a-f]{4}",
        r"printk: (console|legacy|log_buf)",
    ];
    Regex::new(&format!("(?-u:{})", words.join("|"))).ok()
});

/// What the tag of syslog ends with, where it has a pid.
const TAG_END: &[u8] = b"]: ";

/// Where in a block something stands next; looked for when a line asks, so once for each find.
struct Ahead<'a, F> {
    bytes: &'a [u8],
    find: F,
    /// The next one; past the end where there is none. `None` before the first question.
    next: Option<usize>,
}

impl<'a, F: Fn(&[u8]) -> Option<usize>> Ahead<'a, F> {
    fn new(bytes: &'a [u8], find: F) -> Self {
        Self {
            bytes,
            find,
            next: None,
        }
    }

    /// Whether one begins in this line.
    fn is_within(&mut self, start: usize, end: usize) -> bool {
        let next = match self.next {
            Some(next) if next >= start => next,
            _ => {
                let rest = self.bytes.get(start..).unwrap_or_default();
                let found = (self.find)(rest).map(|at| start.saturating_add(at));
                *self.next.insert(found.unwrap_or(usize::MAX))
            }
        };
        next < end
    }
}

/// Lines whose clock has one shape.
#[derive(Clone, Copy, Debug, Default)]
struct Clocked {
    shape: u64,
    lines: u64,
    /// One of them held a word of the kernel's.
    kernel: bool,
}

/// Counts the lines of a text.
#[derive(Debug, Default)]
pub(super) struct Tally {
    lines: u64,
    /// Where the point of the time stood in the last line of a console that was looked at closely.
    point: usize,
    /// Kernel lines by [`Medium`].
    of: [u64; 9],
    clocked: [Clocked; limits::CLOCKS],
    /// The head of a line that is not complete.
    unfinished: Vec<u8>,
    /// It has bytes, though maybe none that are kept.
    begun: bool,
}

impl Tally {
    /// Counts what `bytes` hold.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut start = 0usize;
        let mut words = Ahead::new(bytes, |rest| Some(WORDS.as_ref()?.find(rest)?.start()));
        let tag = memchr::memmem::Finder::new(TAG_END);
        let mut tags = Ahead::new(bytes, |rest| tag.find(rest));
        let (mut lines, mut consoles) = (0u64, 0u64);
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = bytes.get(start..end).unwrap_or_default();
            if self.begun {
                self.keep(line);
                self.end_unfinished();
            } else if is_console(line, self.point) && !tags.is_within(start, end) {
                lines = lines.wrapping_add(1);
                consoles = consoles.wrapping_add(1);
            } else {
                lines = lines.wrapping_add(1);
                self.line(line, tags.is_within(start, end), |_| {
                    words.is_within(start, end)
                });
            }
            start = end.saturating_add(1);
        }
        self.lines = self.lines.saturating_add(lines);
        if let Some(count) = self.of.get_mut(Medium::Console as usize) {
            *count = count.saturating_add(consoles);
        }
        let rest = bytes.get(start..).unwrap_or_default();
        if !rest.is_empty() {
            self.begun = true;
            self.keep(rest);
        }
    }

    /// Keeps the head of a line that is not complete.
    fn keep(&mut self, piece: &[u8]) {
        let room = limits::TALLY_BYTES.saturating_sub(self.unfinished.len());
        self.unfinished
            .extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
    }

    fn end_unfinished(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        self.begun = false;
        self.lines = self.lines.saturating_add(1);
        self.line(&line, true, has_word);
    }

    /// Sorts a line; `tag` says that it has [`TAG_END`].
    fn line(&mut self, line: &[u8], tag: bool, has_word: impl FnOnce(&[u8]) -> bool) {
        let head = line
            .get(..line.len().min(limits::TALLY_HEAD))
            .unwrap_or_default();
        if let Some(point) = point_of(head) {
            self.point = point;
        }
        let medium = match certain(head, tag) {
            Certain::Kernel(medium) => medium,
            Certain::Foreign => return,
            Certain::No => match clock_shape(head) {
                Some(shape) => return self.clocked(shape, has_word(line)),
                None if has_word(line) => bare(head),
                None => return,
            },
        };
        if let Some(count) = self.of.get_mut(medium as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts a line behind a clock of this shape.
    fn clocked(&mut self, shape: u64, kernel: bool) {
        let slot = self
            .clocked
            .iter_mut()
            .find(|c| c.shape == shape || c.lines == 0);
        if let Some(slot) = slot {
            slot.shape = shape;
            slot.lines = slot.lines.saturating_add(1);
            slot.kernel |= kernel;
        }
    }

    /// Writes down what was counted, a last line without a newline included.
    pub(super) fn tell(&self, facts: &mut LogFacts) {
        let mut whole = Tally {
            lines: self.lines,
            point: self.point,
            of: self.of,
            clocked: self.clocked,
            unfinished: self.unfinished.clone(),
            begun: self.begun,
        };
        if whole.begun {
            whole.end_unfinished();
        }
        let mut of = whole.of;
        let clocked = whole.clocked.iter().filter(|c| c.kernel);
        if let Some(count) = of.get_mut(Medium::Clock as usize) {
            *count = clocked.fold(0u64, |n, c| n.saturating_add(c.lines));
        }
        facts.lines = whole.lines;
        facts.kernel_lines = of.iter().fold(0u64, |n, count| n.saturating_add(*count));
        let mut most = 0;
        for (medium, count) in MEDIA.iter().zip(of) {
            if count > most {
                most = count;
                facts.carrier = *medium;
            }
        }
    }
}

/// In the order of their numbers.
const MEDIA: [Medium; 9] = [
    Medium::None,
    Medium::Console,
    Medium::Syslog,
    Medium::Kmsg,
    Medium::Json,
    Medium::JournalExport,
    Medium::Mail,
    Medium::Clock,
    Medium::Bare,
];

fn has_word(line: &[u8]) -> bool {
    WORDS.as_ref().is_some_and(|words| words.is_match(line))
}

/// What a line shows in its first bytes.
enum Certain {
    Kernel(Medium),
    /// Another program's.
    Foreign,
    No,
}

/// `[SECONDS.MICROS]` at the start of a line, its point at byte `point`: what [`certain`] would find of
/// a line without a tag, told by two words of eight bytes.
fn is_console(line: &[u8], point: usize) -> bool {
    // The five characters before the point: blanks, then digits.
    let Some(before) = point.checked_sub(SECONDS) else {
        return false;
    };
    let words = line.get(before..point.saturating_add(8));
    let Some((whole, fraction)) =
        words.and_then(|w| Some((w.first_chunk::<8>()?, w.last_chunk::<8>()?)))
    else {
        return false;
    };
    const DIGIT: u64 = 0x3030_3030_3030_3030;
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const SIX: u64 = 0x0606_0606_0606_0606;
    // `.dddddd]`, the point in the lowest byte.
    let fraction = u64::from_le_bytes(*fraction);
    let micros = fraction >> 8 & 0xffff_ffff_ffff | DIGIT << 48;
    let seconds = u64::from_le_bytes(*whole) & 0xff_ffff_ffff;
    // Bit 4 tells a digit from a blank; those that are digits must be the last ones.
    let digits = (seconds >> 4 & 0x01_0101_0101).wrapping_mul(0xff);
    let as_digits = seconds | 0x10_1010_1010 | DIGIT << 40;
    let is_digits = |word: u64| word & HIGH == DIGIT && word.wrapping_add(SIX) & HIGH == DIGIT;
    let blanks = !digits & 0xff_ffff_ffff;
    fraction & 0xff == u64::from(b'.')
        && fraction >> 56 == u64::from(b']')
        && is_digits(micros)
        && is_digits(as_digits)
        && seconds & blanks == 0x20_2020_2020 & blanks
        && digits.wrapping_add(digits & digits.wrapping_neg()) == 1 << 40
        && line.first() == Some(&b'[')
        && line.get(1..before).is_some_and(|more| {
            more.is_empty() || blanks == 0 && more.iter().all(u8::is_ascii_digit)
        })
}

/// Digits and blanks that printk puts before the point of a time at least.
const SECONDS: usize = 5;

/// Where the point of a console's time stands.
fn point_of(head: &[u8]) -> Option<usize> {
    let inside = head.strip_prefix(b"[")?;
    kernel_time(inside)?;
    memchr::memchr2(b'.', b',', inside)?.checked_add(1)
}

fn certain(head: &[u8], tag: bool) -> Certain {
    // The common ones first.
    let mut at = 0usize;
    while let Some(open) = head
        .get(at..)
        .and_then(|rest| memchr::memchr(b'[', rest))
        .and_then(|n| at.checked_add(n))
    {
        let inside = head.get(open.saturating_add(1)..).unwrap_or_default();
        if let Some(length) = kernel_time(inside) {
            let behind = inside.get(length..).unwrap_or_default();
            return if tag && is_tagged(behind) {
                Certain::Foreign
            } else {
                Certain::Kernel(medium_before(head.get(..open).unwrap_or_default()))
            };
        }
        at = open.saturating_add(1);
    }
    if let Some(tag) = memchr::memmem::find(head, b"kernel: ")
        && (tag == 0 || matches!(head.get(tag.saturating_sub(1)), Some(b' ' | b'.')))
    {
        return Certain::Kernel(Medium::Syslog);
    }
    match head.first() {
        Some(b'0'..=b'9') if is_record(head) => Certain::Kernel(Medium::Kmsg),
        Some(b'{' | b'-') => json(head),
        Some(b' ' | b'"') if trimmed(head).starts_with(b"\"msg\":") => {
            Certain::Kernel(Medium::Json)
        }
        Some(b'_') if head.starts_with(b"_TRANSPORT=kernel") => {
            Certain::Kernel(Medium::JournalExport)
        }
        Some(b'k') if head.starts_with(b"kern ") && head.get(6) == Some(&b':') => {
            Certain::Kernel(Medium::Console)
        }
        Some(b'<') if is_raw(head) => Certain::Kernel(Medium::Console),
        _ if trimmed(head).split(|b| *b == b' ').take(6).any(is_record) => {
            Certain::Kernel(Medium::Kmsg)
        }
        _ => Certain::No,
    }
}

fn trimmed(s: &[u8]) -> &[u8] {
    s.trim_ascii_start()
}

/// The kernel's time behind `[`: blanks, seconds, and six digits behind a point or a comma; how many
/// bytes with the bracket that closes it. Other programs print fewer digits.
fn kernel_time(inside: &[u8]) -> Option<usize> {
    let blanks = inside.iter().take_while(|b| **b == b' ').count();
    let sign = usize::from(matches!(inside.get(blanks), Some(b'+' | b'<')));
    let start = blanks.checked_add(sign)?;
    let digits = |from: usize| {
        let rest = inside.get(from..).unwrap_or_default();
        rest.iter()
            .take(13)
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(start);
    let point = start.checked_add(whole)?;
    if whole == 0 || whole > 12 || !matches!(inside.get(point), Some(b'.' | b',')) {
        return None;
    }
    let fraction = point.checked_add(1)?;
    if digits(fraction) != 6 {
        return None;
    }
    let end = fraction.checked_add(6)?;
    let rest = inside.get(end..)?;
    let close = memchr::memchr(b']', rest.get(..rest.len().min(40))?)?;
    matches!(rest.first(), Some(b']' | b' ' | b'@' | b's'))
        .then(|| end.saturating_add(close).saturating_add(1))
}

/// ` host sshd[123]: ` behind the time: journalctl -o short-monotonic of another program. The tag
/// alone, as systemd writes into the kernel's log, is the kernel log's.
fn is_tagged(behind: &[u8]) -> bool {
    let near = behind.get(..behind.len().min(96)).unwrap_or_default();
    let Some(close) = memchr::memchr_iter(b']', near).find(|at| {
        near.get(at.saturating_add(1)..)
            .is_some_and(|rest| rest.starts_with(b": "))
    }) else {
        return false;
    };
    let tag = near.get(..close).unwrap_or_default();
    let Some(open) = memchr::memrchr(b'[', tag) else {
        return false;
    };
    let pid = tag.get(open.saturating_add(1)..).unwrap_or_default();
    let words = trimmed(tag.get(..open).unwrap_or_default());
    let host = words.split(|b| *b == b' ').next().unwrap_or_default();
    !pid.is_empty()
        && pid.iter().all(u8::is_ascii_digit)
        && words.iter().filter(|b| **b == b' ').count() == 1
        && !host.ends_with(b":")
}

/// The medium by what stands before the kernel's time.
fn medium_before(prefix: &[u8]) -> Medium {
    if memchr::memmem::find(prefix, b"kernel:").is_some() {
        Medium::Syslog
    } else if prefix.first() == Some(&b'>') {
        Medium::Mail
    } else if matches!(trimmed(prefix).first(), Some(b'{' | b'"' | b'-')) {
        Medium::Json
    } else if prefix.starts_with(b"MESSAGE=") {
        Medium::JournalExport
    } else {
        Medium::Console
    }
}

/// A record of the kernel's in the form of /dev/kmsg: `PRI,SEQ,USEC,FLAG`, the facility 0.
fn is_record(s: &[u8]) -> bool {
    let head = s.get(..s.len().min(240)).unwrap_or_default();
    let Some(end) = memchr::memchr(b';', head) else {
        return false;
    };
    let mut fields = head
        .get(..end)
        .unwrap_or_default()
        .split(|b| *b == b',')
        .skip_while(|field| field.contains(&b'.'));
    let number = |field: Option<&[u8]>| {
        let text = std::str::from_utf8(field?).ok()?;
        text.parse::<u64>().ok()
    };
    number(fields.next()).is_some_and(|priority| priority < 8)
        && number(fields.next()).is_some()
        && number(fields.next()).is_some()
        && matches!(fields.next(), Some(b"-" | b"c" | b"+"))
}

/// `<4>text` of dmesg -r and of a console without times.
fn is_raw(head: &[u8]) -> bool {
    matches!(head, [b'<', b'0'..=b'7', b'>', ..])
}

/// An object of journalctl -o json.
fn json(head: &[u8]) -> Certain {
    let has = |text: &[u8]| memchr::memmem::find(head, text).is_some();
    if has(b"\"_TRANSPORT\":\"kernel\"") || has(b"\"SYSLOG_IDENTIFIER\":\"kernel\"") {
        Certain::Kernel(Medium::Json)
    } else {
        Certain::No
    }
}

/// The medium of a line that a word of the kernel's alone gives away.
fn bare(head: &[u8]) -> Medium {
    match trimmed(head).first() {
        Some(b'>') => Medium::Mail,
        Some(b'{') => Medium::Json,
        _ if head.starts_with(b"MESSAGE=") => Medium::JournalExport,
        _ => Medium::Bare,
    }
}

/// The shape of what leads up to a clock near the start of a line (`hh:mm:ss`), and the clock's:
/// runs of digits and of letters count as one, whatever they say.
fn clock_shape(head: &[u8]) -> Option<u64> {
    let near = head.get(..head.len().min(limits::CLOCK_BYTES))?;
    let clock = near.windows(8).position(|w| {
        matches!(w, [a, b, b':', c, d, b':', e, f]
            if [a, b, c, d, e, f].iter().all(|b| b.is_ascii_digit()))
    })?;
    let rest = near.get(clock..)?;
    let end = rest
        .iter()
        .position(|b| matches!(b, b' ' | b']' | b'\t'))
        .map_or(near.len(), |n| clock.saturating_add(n));
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut last = 0u8;
    for b in near.get(..end)?.iter().copied() {
        let class = match b {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => b'a',
            other => other,
        };
        let repeated = class == last && matches!(class, b'0' | b'a' | b' ');
        last = class;
        if !repeated {
            hash = (hash ^ u64::from(class)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    // A line of syslog whose tag has a pid is another program's.
    let behind = head.get(end..).unwrap_or_default();
    (!is_tagged(behind.strip_prefix(b"]").unwrap_or(behind))).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_tell_a_console_line_as_its_bytes_one_by_one_do() {
        let whole = ["    0", "   11", "12345", "123456", "1234567890"];
        let broken = [
            "     ",
            "1    ",
            " 1 12",
            "   1a",
            "   -1",
            "12 3456",
            "   12 ",
            " \u{1}\u{1}11",
        ];
        let behind = ["", " usb 1-1: x", "[    T1] x", "x"];
        let ends = [
            ".000000]",
            ".999999]",
            ".99999]",
            ".9999999]",
            ",999999]",
            ".99:999]",
            ".999999 ]",
        ];
        for seconds in whole.iter().chain(&broken) {
            for (end, behind) in ends.iter().flat_map(|e| behind.iter().map(move |b| (e, b))) {
                let line = format!("[{seconds}{end}{behind}");
                let line = line.as_bytes();
                let is = matches!(certain(line, true), Certain::Kernel(Medium::Console));
                let at_start = is && kernel_time(&line[1..]).is_some();
                let quick = is_console(line, seconds.len() + 1);
                assert!(!quick || at_start, "{}", line.escape_ascii());
                if whole.contains(seconds) && end.len() == 8 && !end.contains([',', ':']) {
                    assert!(quick, "{}", line.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn what_is_counted_does_not_depend_on_the_blocks_that_were_read() {
        let log = "[    1.000000] a\n[99999.000000] b\n[100000.000000] c\n[100001.000000] h sshd[12]: d\n\
                   [100002.000000] systemd[1]: e\n[    3.000000] f\nno kernel's\n\n[    4,000000] g\n\
                   Jul 25 10:00:00 h kernel: [    5.000000] i\nJul 25 10:00:00 h cron[5]: k\n[    6.000000] l";
        for size in [1, 2, 7, 16, 17, 64, log.len()] {
            let mut tally = Tally::default();
            log.as_bytes()
                .chunks(size)
                .for_each(|block| tally.feed(block));
            let mut facts = LogFacts::default();
            tally.tell(&mut facts);
            assert_eq!(
                (facts.lines, facts.kernel_lines, facts.carrier),
                (12, 8, Medium::Console),
                "blocks of {size}"
            );
        }
    }
}
