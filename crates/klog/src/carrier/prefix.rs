//! The prefixes of log lines.

use super::Caller;
use super::json::micros_to_seconds;
use super::netconsole::Place;
use super::stamp::{Prefix, enclosed, is_hours};
use super::vendor;
use crate::text::{head, number};

/// Strips every prefix from `line`.
pub(super) fn strip(line: &str) -> (Prefix, &str) {
    let mut prefix = Prefix::default();
    let mut rest = line;
    while let Some(quoted) = rest.strip_prefix('>') {
        rest = quoted.strip_prefix(' ').unwrap_or(quoted);
        prefix.stripped = true;
    }
    // No carrier nests deeper; each turn strips one part.
    for _ in 0..8 {
        let before = rest;
        rest = step(rest, &mut prefix, line.len());
        if rest.len() == before.len() {
            break;
        }
        prefix.stripped = true;
    }
    (prefix, rest)
}

/// Strips one part, if one stands here.
fn step<'a>(s: &'a str, prefix: &mut Prefix, whole: usize) -> &'a str {
    match s.bytes().next() {
        Some(b'[') => bracket(s, prefix)
            .or_else(|| vendor::execution(s, prefix))
            .unwrap_or(s),
        Some(b' ') if prefix.stamped && !prefix.syslog => {
            // One blank may stand between the parts: dmesg puts it before the caller.
            s.strip_prefix(' ')
                .filter(|t| t.starts_with('['))
                .and_then(|t| bracket(t, prefix))
                .or_else(|| vendor::execution(s, prefix))
                .unwrap_or(s)
        }
        Some(b'<') => priority(s, prefix).unwrap_or(s),
        Some(b'(') => vendor::execution(s, prefix).unwrap_or(s),
        Some(b) if b.is_ascii_alphanumeric() => levels(s, prefix)
            .or_else(|| rfc5424(s, prefix))
            .or_else(|| vendor::execution(s, prefix))
            .or_else(|| vendor::logcat(s, prefix))
            .or_else(|| syslog(s, prefix, whole))
            .or_else(|| clock(s, prefix))
            .unwrap_or(s),
        _ => s,
    }
}

/// `[time]` in any of its forms, or `[caller]`; and the one blank behind.
fn bracket<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (inside, rest) = enclosed(s, '[', ']')?;
    if let Some(time) = boot_time(inside) {
        if prefix.time.is_some() {
            return None; // a second time is a second line
        }
        prefix.time = Some(time);
    } else if let Some(caller) = Caller::parse(inside) {
        if prefix.caller.is_some() {
            return None;
        }
        prefix.caller = Some(caller);
    } else if !is_clock(inside) || prefix.stamped && !prefix.syslog {
        return None;
    }
    prefix.stamped = true;
    Some(
        rest.strip_prefix(' ')
            .filter(|_| !next_is_caller(rest))
            .unwrap_or(rest),
    )
}

/// `[time] [caller] text`: the blank belongs between, not to the text.
fn next_is_caller(rest: &str) -> bool {
    rest.strip_prefix(' ')
        .and_then(|t| enclosed(t, '[', ']'))
        .is_some_and(|(c, _)| Caller::parse(c).is_some())
}

/// `  11.776041`, also with ` <    0.000010>` of dmesg -d behind, or with what vendors add: the CPU
/// (`11.776041@1`), the unit (`11.776041s`), the wall clock (`11.776041 / 05-07 18:00:00.123`).
pub(super) fn boot_time(inside: &str) -> Option<f64> {
    let t = inside.trim_start();
    let t = t.split_once(" <").map_or(t, |(time, _)| time);
    let t = t.split_once(" / ").map_or(t, |(time, _)| time);
    let t = match t.split_once('@') {
        Some((time, cpu)) if is_cpu(cpu) => time,
        Some(_) => return None,
        None => t.strip_suffix('s').unwrap_or(t),
    };
    // Some locales write a comma; so short a text with six digits behind one is no list.
    let (whole, fraction) = t
        .split_once('.')
        .or_else(|| t.split_once(',').filter(|(_, f)| f.len() == 6))?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 12 || fraction.len() > 9 {
        return None;
    }
    let point = t.replace(',', ".");
    point.parse().ok().filter(|t: &f64| t.is_finite())
}

/// `1`, `c1`.
fn is_cpu(s: &str) -> bool {
    number(s.strip_prefix('c').unwrap_or(s)).is_some_and(|(_, rest)| rest.is_empty())
}

/// A wall clock or a difference in brackets: `Thu May  7 18:00:00 2026`, `May 7 18:00`, `  +0.000010`,
/// `<    0.000010>`; by terminal programs `2026-05-07 18:00:00.123`, `2026/05/07, 18:00:00`,
/// `18:00:00.123`.
fn is_clock(inside: &str) -> bool {
    let t = inside.trim();
    let time = t.split_once(['T', ' ', ',']).map_or(t, |(date, time)| {
        if is_date(date) {
            time.trim_start_matches([' ', ','])
        } else {
            t
        }
    });
    if is_hours(time.trim_end_matches('Z')) {
        return true;
    }
    if let Some(difference) = t
        .strip_prefix('+')
        .or_else(|| t.strip_prefix('<').and_then(|d| d.strip_suffix('>')))
    {
        return boot_time(difference).is_some();
    }
    // Weekday and month in whatever language.
    let mut words = t.split(' ').filter(|w| !w.is_empty());
    words.clone().count() >= 3
        && words.clone().any(is_hours)
        && words.all(|w| w.len() <= 16 && w.chars().all(is_of_date))
}

/// `2026-05-07`, `2026/05/07`.
pub(super) fn is_date(word: &str) -> bool {
    word.len() == 10
        && word.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => matches!(b, b'-' | b'/'),
            _ => b.is_ascii_digit(),
        })
}

/// What dates are written with, in letters of any script.
fn is_of_date(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | ',' | ':' | '/' | '-' | '+')
}

/// `<N>`: priority, facility times 8 plus level.
fn priority<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (inside, rest) = enclosed(s, '<', '>')?;
    match number(inside) {
        Some((n, "")) if n < 192 => {
            prefix.facility = Some(n >> 3);
            prefix.stamped = true;
            Some(rest)
        }
        // An early console prints the level as a letter: `<c>[time]`.
        _ if inside == "c" || inside == "d" => Some(rest),
        _ => None,
    }
}

/// Names of facilities, in the order of their numbers.
const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp",
];

/// Names of levels.
const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

/// `kern  :warn  : ` of dmesg -x.
fn levels<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (facility, tail) = head(s, 32).split_once(':')?;
    let (level, _) = tail.split_once(':')?;
    let facility = facility.trim_end();
    let at = FACILITIES
        .iter()
        .position(|f| *f == facility)
        .or_else(|| (facility.starts_with("local") || facility.starts_with("res")).then_some(16))?;
    if !LEVELS.contains(&level.trim_end()) {
        return None;
    }
    prefix.facility = u64::try_from(at).ok();
    prefix.stamped = true;
    let (_, rest) = s.split_once(':')?;
    let (_, rest) = rest.split_once(':')?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// `1 2026-05-07T18:00:00Z host app proc msgid data text` behind `<PRI>` (RFC 5424, section 6).
fn rfc5424<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    prefix.facility?;
    let rest = iso_clock(s.strip_prefix("1 ")?)?;
    let (_host, rest) = rest.split_once(' ')?;
    let (app, rest) = rest.split_once(' ')?;
    let (_process, rest) = rest.split_once(' ')?;
    let (_message_id, rest) = rest.split_once(' ')?;
    let body = match rest.strip_prefix("- ") {
        Some(body) => body,
        None => rest.strip_prefix('[')?.split_once("] ")?.1,
    };
    prefix.foreign |= app != "kernel";
    prefix.syslog = true;
    prefix.stamped = true;
    Some(body)
}

/// A syslog line: `Dec 14 06:35:48[.5] host tag: `, `2026-05-07T18:00:00+00:00 host tag: `,
/// `Thu 2026-05-07 18:00:00 CEST host tag: `, `1778176800.123456 host tag: ` (journalctl),
/// `host kernel: ` behind a monotonic time, or `kernel: ` alone.
fn syslog<'a>(s: &'a str, prefix: &mut Prefix, whole: usize) -> Option<&'a str> {
    let dated = day_clock(s);
    let timed = dated
        .or_else(|| iso_clock(s))
        .or_else(|| weekday_clock(s))
        .or_else(|| unix_clock(s));
    let after_time = timed.unwrap_or(s);
    let (tag, rest) = tag(after_time, timed.is_some() || prefix.stamped)?;
    let kernel = tag == "kernel" || tag.starts_with("kernel[");
    // Behind an ISO time the text may follow at once (dmesg, CI systems), and `Hardware name:` has the
    // shape of host and tag; so only a tag with a PID is one. A day is only ever syslog's.
    if !kernel && dated.is_none() && (timed.is_none() || !has_pid(tag)) {
        return None;
    }
    prefix.foreign |= !kernel;
    prefix.syslog = true;
    prefix.stamped = true;
    // journald leaves the rest of the line empty and indents the text to one column further.
    let column = whole.saturating_sub(rest.len());
    let body = rest.strip_prefix(' ').unwrap_or(rest);
    prefix.width = Some(column.saturating_add(1));
    Some(body)
}

/// The tag before `:` (behind `host ` when `with_host`), and what follows the colon.
fn tag(s: &str, with_host: bool) -> Option<(&str, &str)> {
    if let Some(rest) = s.strip_prefix("kernel:") {
        return Some(("kernel", rest));
    }
    if !with_host {
        return None;
    }
    let (host, tail) = s.split_at_checked(head(s, 256).find(' ')?)?;
    let tail = tail.strip_prefix(' ')?;
    let tail = without_level(tail);
    let (tag, rest) = tail.split_at_checked(head(tail, 80).find(':')?)?;
    let rest = rest.strip_prefix(':')?;
    if host.is_empty()
        || host.ends_with(':')
        || tag.is_empty()
        || tag.contains(' ')
        || tag.len() > 64
        || tag.contains("+0x")
    {
        return None;
    }
    Some((tag, rest))
}

/// `sshd[1234]`; no `[HC0[0]` of lockdep.
fn has_pid(tag: &str) -> bool {
    tag.split_once('[')
        .and_then(|(name, pid)| Some((name, pid.strip_suffix(']')?)))
        .is_some_and(|(name, pid)| !name.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()))
}

/// BusyBox' syslogd puts `facility.level ` before the tag, and gives the kernel the facility `user`.
fn without_level(tail: &str) -> &str {
    tail.split_once(' ')
        .filter(|(word, _)| {
            word.split_once('.').is_some_and(|(facility, level)| {
                FACILITIES.contains(&facility) && LEVELS.contains(&level)
            })
        })
        .map_or(tail, |(_, rest)| rest)
}

/// `Thu 2026-05-07 18:00:00 CEST ` (journalctl -o short-full), the weekday in any language.
fn weekday_clock(s: &str) -> Option<&str> {
    let (day, rest) = head(s, 24).split_once(' ')?;
    if !day.chars().all(|c| c.is_alphabetic() || c == '.') {
        return None;
    }
    iso_clock(rest)?;
    let rest = iso_clock(s.get(day.len().checked_add(1)?..)?)?;
    let (zone, rest) = rest.split_once(' ')?;
    (zone.len() <= 6 && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+'))
        .then_some(rest)
}

/// `1778176800.123456 ` (journalctl -o short-unix).
fn unix_clock(s: &str) -> Option<&str> {
    let (time, rest) = s.split_at_checked(head(s, 24).find(' ')?)?;
    let (seconds, fraction) = time.split_once('.')?;
    (seconds.len() == 10 && fraction.len() == 6 && boot_time(time).is_some())
        .then(|| rest.strip_prefix(' '))?
}

/// `Dec 14 06:35:48.5 `, `juil. 25 12:45:43 `, `7月 25 12:45:43 `, `14. Dez 2026 06:35:48 `: a day and
/// the name of a month in any language, in any order, before the clock.
fn day_clock(s: &str) -> Option<&str> {
    let near = head(s, 64);
    let (mut day, mut words) = (false, 0usize);
    let mut rest = near;
    while let Some((word, behind)) = rest.split_once(' ') {
        if words >= 2 && day && is_hours(word) {
            return s.get(near.len().saturating_sub(behind.len())..);
        }
        if !word.is_empty() {
            let date = word.len() <= 16 && !word.contains(':') && word.chars().all(is_of_date);
            if !date || words >= 4 {
                return None;
            }
            day |= number(word).is_some_and(|(n, tail)| (1..=31).contains(&n) && tail.len() <= 4);
            words = words.saturating_add(1);
        }
        rest = behind;
    }
    None
}

/// `2026-05-07T18:00:00[.,]123456+02:00 `, `2026-05-07 18:00:00 `.
fn iso_clock(s: &str) -> Option<&str> {
    let date = s.get(..10)?;
    let shape = date.bytes().enumerate().all(|(i, b)| {
        if i == 4 || i == 7 {
            b == b'-'
        } else {
            b.is_ascii_digit()
        }
    });
    let separator = s.get(10..11)?;
    if !shape || !(separator == "T" || separator == " ") {
        return None;
    }
    let rest = s.get(11..)?;
    let (clock, rest) = rest.split_at_checked(head(rest, 32).find(' ')?)?;
    is_hours(clock.get(..5)?).then(|| rest.strip_prefix(' '))?
}

/// A clock with no tag: dmesg --time-format=iso, and the `hh:mm:ss ` or ISO time that CI systems put
/// before a console's own prefix.
fn clock<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    if prefix.stamped {
        return None;
    }
    if let Some(rest) = iso_clock(s) {
        prefix.stamped = s.get(10..11) == Some("T") || rest.starts_with(['[', '<']);
        return prefix.stamped.then_some(rest);
    }
    if let Some((date, rest)) = s.split_once(' ')
        && is_date(date)
    {
        // `2026/05/07 18:00:00 [   11.776041] text`
        return clock(rest, prefix);
    }
    let (word, rest) = s.split_at_checked(head(s, 24).find(' ')?)?;
    (is_hours(word) && rest.trim_start().starts_with(['[', '<'])).then(|| rest.trim_start())
}

/// Where the next `[time]` begins inside `body`, if one does: nine or more characters of blanks,
/// digits, a dot and exactly six digits.
pub(super) fn spliced(body: &str) -> Option<usize> {
    for at in memchr::memchr_iter(b'[', body.as_bytes()) {
        if at == 0 {
            continue;
        }
        let inside = body.get(at.saturating_add(1)..)?;
        let Some((time, rest)) = head(inside, 24).split_once(']') else {
            continue;
        };
        let exact = time.rsplit_once('.').is_some_and(|(_, f)| f.len() == 6);
        if exact && boot_time(time).is_some() && (rest.is_empty() || rest.starts_with([' ', '['])) {
            return Some(at);
        }
    }
    None
}

/// A record as /dev/kmsg and extended netconsole print it.
pub(super) struct Kmsg<'a> {
    pub(super) prefix: Prefix,
    /// `PRI,SEQ,USEC,FLAG[,caller=…]`: the same for all pieces of a record.
    pub(super) head: &'a str,
    /// Which piece of the record this is, if it is one.
    pub(super) place: Option<Place>,
    pub(super) body: &'a str,
}

/// A record at the start of `s`, or behind what a receiver put before it (a syslog daemon its clock
/// and the sender's address).
pub(super) fn kmsg(s: &str) -> Option<Kmsg<'_>> {
    record(s).or_else(|| {
        let (before, _) = head(s, 320).split_once(';')?;
        let at = before.rfind([' ', '|', '>'])?;
        record(s.get(at.checked_add(1)?..)?)
    })
}

/// `[RELEASE,]PRI,SEQ,USEC,FLAG[,caller=…][,ncfrag=…];text`; netconsole puts the release in front
/// where it is asked to.
fn record(s: &str) -> Option<Kmsg<'_>> {
    if !s.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
        return None;
    }
    let (header, _) = head(s, 240).split_once(';')?;
    let body = s.get(header.len().saturating_add(1)..)?;
    let fields = header
        .split_once(',')
        .filter(|(release, _)| release.contains('.'))
        .map_or(header, |(_, rest)| rest);
    let mut fields = fields.split(',');
    let priority = whole_number(fields.next()?)?;
    whole_number(fields.next()?)?;
    let micros = whole_number(fields.next()?)?;
    if !matches!(fields.next()?, "-" | "c" | "+") {
        return None;
    }
    let mut found = Kmsg {
        prefix: Prefix {
            facility: Some(priority >> 3),
            time: Some(micros_to_seconds(micros)),
            stamped: true,
            ..Prefix::default()
        },
        head: header.split_once(",ncfrag=").map_or(header, |(h, _)| h),
        place: None,
        body,
    };
    for option in fields {
        if let Some(caller) = option.strip_prefix("caller=") {
            found.prefix.caller = Caller::parse(caller);
        } else if let Some(place) = option.strip_prefix("ncfrag=") {
            found.place = Place::parse(place);
        }
    }
    Some(found)
}

/// A word that is one decimal number.
fn whole_number(s: &str) -> Option<u64> {
    number(s)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_brackets_are_no_times() {
        assert_eq!(
            strip("[<ffffffff81ca45ed>] f+0x1/0x2").1,
            "[<ffffffff81ca45ed>] f+0x1/0x2"
        );
        assert_eq!(
            strip("[ INFO: suspicious RCU usage. ]").1,
            "[ INFO: suspicious RCU usage. ]"
        );
        assert_eq!(spliced("a [<ffffffff81ca45ed>] b [1.5] c"), None);
    }

    #[test]
    fn a_syslog_line_of_another_program_is_foreign() {
        assert!(strip("Dec 14 06:35:48 host sshd[1]: x").0.foreign);
        assert!(!strip("Dec 14 06:35:48 host kernel: x").0.foreign);
    }
}
