//! JSON that logs come in: util-linux `dmesg --json` (one member per line), `journalctl -o json`
//! (one object per line), and what containers, clusters and test labs keep: an object for each line
//! of a console (`{"log": "[    1.000000] text\\n", …}`, LAVA's `- {"lvl": "target", "msg": "…"}`).
//! Only string members are needed, so no general reader is.

use super::{Caller, Prefix};
use crate::limits;
use crate::text::number;

/// What a line is to JSON.
pub(super) enum Line {
    /// No JSON.
    No,
    /// A member that was noted, or structure.
    Part,
    /// The message of a record.
    Message(Prefix, String),
    /// Lines of a log, with prefixes of their own.
    Text(String),
}

/// Names of the member that holds the text, in the order in which they are asked for.
const TEXTS: &[&str] = &["log", "msg", "message", "MESSAGE", "text", "line"];

/// The members seen of the record being read (dmesg).
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    since: u64,
    prefix: Prefix,
}

impl Record {
    /// Offers a line.
    pub(super) fn line(&mut self, text: &str, number: u64) -> Line {
        let t = text.trim_start();
        if t.starts_with("{\"") && t.contains("\"MESSAGE\"") {
            return journal(t);
        }
        if ["{", "- {", "[{", ",{"].iter().any(|s| t.starts_with(s))
            && let Some(text) = TEXTS.iter().find_map(|name| any_member(t, name))
        {
            return Line::Text(text);
        }
        if !t.starts_with('"') {
            let bracket = !t.is_empty()
                && t.len() <= 4
                && t.bytes()
                    .all(|b| matches!(b, b'{' | b'}' | b'[' | b']' | b','));
            return if bracket && line_is_near(self.since, number) {
                Line::Part
            } else {
                Line::No
            };
        }
        self.member(t, number)
    }

    /// One `"name": value` line of dmesg.
    fn member(&mut self, t: &str, line: u64) -> Line {
        if !line_is_near(self.since, line) {
            self.prefix = Prefix::default();
        }
        if let Some(value) = t.strip_prefix("\"time\":") {
            self.prefix.time = seconds(value);
        } else if let Some(value) = t.strip_prefix("\"pri\":") {
            self.prefix = Prefix::default();
            self.prefix.facility = u64_of(value).map(|p| p >> 3);
        } else if let Some(value) = t.strip_prefix("\"caller\":") {
            self.prefix.caller =
                Caller::parse(value.trim().trim_end_matches(',').trim_matches('"'));
        } else if let Some(value) = t.strip_prefix("\"fac\":") {
            // -x prints the name instead of the number.
            self.prefix = Prefix::default();
            self.prefix.facility = Some(u64::from(!value.contains("\"kern\"")));
        } else if let Some(value) = t.strip_prefix("\"MESSAGE\"") {
            // journalctl -o json-pretty
            let value = value.trim_start().strip_prefix(':').unwrap_or_default();
            self.since = line;
            return string(value.trim_start()).map_or(Line::No, Line::Text);
        } else if let Some(value) = t.strip_prefix("\"msg\":") {
            let mut prefix = std::mem::take(&mut self.prefix);
            prefix.stamped = true;
            self.since = line;
            return string(value.trim_start()).map_or(Line::No, |m| Line::Message(prefix, m));
        } else if !(t.starts_with("\"dmesg\":") || t.starts_with("\"level\":")) {
            return Line::No;
        }
        self.since = line;
        Line::Part
    }
}

/// Whether JSON was seen a few lines ago (lines count from 1, so 0 is never).
fn line_is_near(since: u64, line: u64) -> bool {
    since != 0 && line.saturating_sub(since) <= limits::LOOKBACK_LINES
}

/// A number that starts `value`.
fn u64_of(value: &str) -> Option<u64> {
    number(value.trim()).map(|(n, _)| n)
}

/// `   11.776041,`.
fn seconds(value: &str) -> Option<f64> {
    value
        .trim()
        .trim_end_matches(',')
        .trim_matches('"')
        .trim()
        .parse()
        .ok()
        .filter(|t: &f64| t.is_finite())
}

/// One object of journalctl.
fn journal(t: &str) -> Line {
    let Some(message) = text_member(t, "MESSAGE") else {
        return Line::No;
    };
    let mut prefix = Prefix {
        stamped: true,
        ..Prefix::default()
    };
    prefix.foreign = text_member(t, "_TRANSPORT").is_some_and(|s| s != "kernel");
    let micros = text_member(t, "_SOURCE_MONOTONIC_TIMESTAMP").and_then(|s| s.parse::<u64>().ok());
    prefix.time = micros.map(micros_to_seconds);
    Line::Message(prefix, message)
}

/// Microseconds as seconds; exact below 2^53.
#[allow(clippy::cast_precision_loss)]
pub(super) fn micros_to_seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The string member `name` of an object on one line; an array of bytes counts as one too.
fn text_member(object: &str, name: &str) -> Option<String> {
    let key = format!("\"{name}\"");
    let (_, tail) = object.split_once(key.as_str())?;
    let value = tail.trim_start().strip_prefix(':')?.trim_start();
    if let Some(array) = value.strip_prefix('[') {
        let (items, _) = array.split_once(']')?;
        let bytes: Option<Vec<u8>> = items.split(',').map(|i| i.trim().parse().ok()).collect();
        return Some(String::from_utf8_lossy(&bytes?).into_owned());
    }
    string(value)
}

/// The string member `name` of an object as JSON or YAML write it in one line.
fn any_member(object: &str, name: &str) -> Option<String> {
    for (at, _) in object.match_indices(name).take(limits::REMARKS) {
        let before = object.get(..at)?.trim_end_matches('"');
        let tail = object.get(at.checked_add(name.len())?..)?;
        let value = tail.trim_start_matches('"').trim_start().strip_prefix(':');
        if !before.ends_with(['{', ' ', ',']) {
            continue;
        }
        match value.map(str::trim_start) {
            Some(value) if value.starts_with('"') => return string(value),
            Some(value) if value.starts_with('\'') => {
                let text = value.get(1..)?;
                let end = text.rfind('\'')?;
                return Some(text.get(..end)?.replace("''", "'"));
            }
            _ => {}
        }
    }
    None
}

/// A JSON string at the start of `s`, unescaped; an unfinished one is taken as far as it goes.
fn string(s: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = s.strip_prefix('"')?.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('u') => {
                    let code: String = chars.by_ref().take(4).collect();
                    let c = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                    out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some('r' | 'b' | 'f') => {}
                Some(other) => out.push(other),
                None => break,
            },
            _ => out.push(c),
        }
    }
    Some(out)
}
