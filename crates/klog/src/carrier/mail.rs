//! The bodies of mails as they are on disk: quoted-printable and base64 (RFC 2045, section 6).
//!
//! A part of a mail says in its head how its body is encoded. Without a head, as a log cut from a
//! mail's source has none, quoted-printable shows in itself: lines that end in `=`, `=3D`.

use crate::input::base64_line;
use crate::limits;

/// How the lines that come are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    /// As they are, or not known.
    #[default]
    Plain,
    QuotedPrintable,
    Base64,
}

/// Undoes the encoding of bodies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    /// What the head of a part named, until its body begins.
    named: Option<Encoding>,
    body: Encoding,
    /// The last line that showed quoted-printable by itself.
    shown: Option<u64>,
    /// A line that goes on, and where it began.
    line: Vec<u8>,
    began: u64,
    /// Digits of base64 that wait for others.
    digits: Vec<u8>,
}

impl Mail {
    /// Whether what comes next depends on what came.
    pub(crate) fn is_open(&self) -> bool {
        self.named.is_some() || self.body != Encoding::Plain || !self.line.is_empty()
    }

    /// Takes a line; what it stands for is handed to `out`.
    pub(crate) fn line(&mut self, raw: &[u8], number: u64, out: &mut dyn FnMut(&[u8], u64)) {
        let trimmed = raw.trim_ascii();
        if let Some(encoding) = named(trimmed) {
            self.finish(out);
            self.body = Encoding::Plain;
            self.named = Some(encoding);
            return out(raw, number);
        }
        if self.named.is_some() && trimmed.is_empty() {
            self.body = self.named.take().unwrap_or_default();
            return out(raw, number);
        }
        if self.body != Encoding::Plain && ends_part(raw) {
            self.finish(out);
            self.body = Encoding::Plain;
            return out(raw, number);
        }
        let mut encoding = self.body;
        if encoding == Encoding::Plain && self.shows_quoted(raw, number) {
            encoding = Encoding::QuotedPrintable;
        }
        match encoding {
            Encoding::Base64 if !trimmed.is_empty() => {
                if !self.base64(raw, number, out) {
                    self.finish(out);
                    self.body = Encoding::Plain;
                    out(raw, number);
                }
            }
            Encoding::QuotedPrintable => self.quoted(raw, number, out),
            _ => {
                self.finish(out);
                out(raw, number);
            }
        }
    }

    /// Hands on a line that nothing completes.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(&[u8], u64)) {
        if !self.line.is_empty() {
            out(&std::mem::take(&mut self.line), self.began);
        }
        self.digits.clear();
    }

    /// Whether a line without a mail's head is quoted-printable, by itself or by one near.
    fn shows_quoted(&mut self, raw: &[u8], number: u64) -> bool {
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        let soft =
            (60..=76).contains(&line.len()) && line.ends_with(b"=") && !line.ends_with(b"==");
        let shown = soft || memchr::memmem::find(line, b"=3D").is_some();
        if shown {
            self.shown = Some(number);
        }
        let near = |n: u64| number.saturating_sub(n) <= limits::LOOKBACK_LINES;
        shown || !self.line.is_empty() || self.shown.is_some_and(near)
    }

    fn quoted(&mut self, raw: &[u8], number: u64, out: &mut dyn FnMut(&[u8], u64)) {
        if self.line.is_empty() {
            self.began = number;
        }
        let line = raw.trim_ascii_end();
        let (line, soft) = match line.strip_suffix(b"=") {
            Some(rest) if !rest.ends_with(b"=") => (rest, true),
            _ => (raw, false),
        };
        unquote(line, &mut self.line);
        if soft && self.line.len() < limits::LINE_BYTES {
            return;
        }
        let whole = std::mem::take(&mut self.line);
        out(&whole, self.began);
    }

    /// Decodes a line; false when it is none of base64.
    fn base64(&mut self, raw: &[u8], number: u64, out: &mut dyn FnMut(&[u8], u64)) -> bool {
        if self.line.is_empty() {
            self.began = number;
        }
        let kept = self.line.len();
        if !base64_line(raw, &mut self.digits, &mut self.line) {
            self.line.truncate(kept);
            return false;
        }
        while let Some(end) = memchr::memchr(b'\n', &self.line) {
            let rest = self.line.split_off(end.saturating_add(1));
            let mut whole = std::mem::replace(&mut self.line, rest);
            whole.pop();
            out(&whole, self.began);
            self.began = number;
        }
        if self.line.len() > limits::LINE_BYTES {
            self.finish(out);
        }
        true
    }
}

/// The encoding that a line of a part's head names.
fn named(line: &[u8]) -> Option<Encoding> {
    const FIELD: &[u8] = b"content-transfer-encoding:";
    let (field, value) = line.split_at_checked(FIELD.len())?;
    if !field.eq_ignore_ascii_case(FIELD) {
        return None;
    }
    let value = value.trim_ascii();
    Some(if value.eq_ignore_ascii_case(b"quoted-printable") {
        Encoding::QuotedPrintable
    } else if value.eq_ignore_ascii_case(b"base64") {
        Encoding::Base64
    } else {
        Encoding::Plain
    })
}

/// A boundary of MIME, or the first line of the next mail in an mbox.
fn ends_part(line: &[u8]) -> bool {
    let boundary = line.strip_prefix(b"--").is_some_and(|b| {
        b.len() >= 8 && !b.contains(&b' ') && b.iter().any(u8::is_ascii_alphanumeric)
    });
    boundary || line.starts_with(b"From ") && line.contains(&b':')
}

/// Decodes `=XX` onto `out`.
fn unquote(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let byte = behind
            .get(1..3)
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let taken = if let Some(byte) = byte {
            out.push(byte);
            3
        } else {
            out.push(b'=');
            1
        };
        rest = behind.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mail: &str) -> Vec<String> {
        let mut state = Mail::default();
        let mut out = Vec::new();
        let mut sink = |l: &[u8], n: u64| out.push(format!("{n}:{}", String::from_utf8_lossy(l)));
        for (number, line) in (1..).zip(mail.lines()) {
            state.line(line.as_bytes(), number, &mut sink);
        }
        state.finish(&mut sink);
        out
    }

    #[test]
    fn a_part_is_decoded_as_its_head_says_and_the_next_as_its_own() {
        let mail = "Content-Type: text/plain\nContent-Transfer-Encoding: Quoted-Printable\n\na=3Db =\nc\n--=_boundary_1\nContent-Transfer-Encoding: base64\n\nZGVmCmdo\naQo=\n--=_boundary_1--\na=3Db";
        assert_eq!(
            read(mail)[3..],
            [
                "4:a=b c",
                "6:--=_boundary_1",
                "7:Content-Transfer-Encoding: base64",
                "8:",
                "9:def",
                "9:ghi",
                "11:--=_boundary_1--",
                "12:a=b"
            ]
        );
    }

    #[test]
    fn quoted_printable_without_a_head_shows_in_itself_and_rules_do_not() {
        let long = format!("{}=", "x".repeat(75));
        assert_eq!(
            read(&format!("{long}\ny=3D1\nz")),
            [format!("1:{}y=1", "x".repeat(75)), "3:z".to_owned()]
        );
        let rule = "=".repeat(76);
        assert_eq!(read(&rule), [format!("1:{rule}")]);
        assert_eq!(read("a=b="), ["1:a=b="]);
    }
}
