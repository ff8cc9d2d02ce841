//! What carriers did to the bytes of a line.

use std::borrow::Cow;

/// Removes terminal escapes (CSI sequences and two-byte escapes), CR and NUL of a serial console; a CR
/// that an editor or `cat -v` wrote out as `^M` too. A tab behind text is one blank.
pub(super) fn console(raw: &[u8]) -> Cow<'_, [u8]> {
    let raw = raw.strip_suffix(b"^M").unwrap_or(raw);
    let text = raw.trim_ascii_start();
    if memchr::memchr3(0x1b, b'\r', 0, raw).is_none() && memchr::memchr(b'\t', text).is_none() {
        return Cow::Borrowed(raw);
    }
    let leading = raw.len().saturating_sub(text.len());
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(b) = bytes.next() {
        match b {
            b'\r' | 0 => {}
            0x1b => skip_escape(&mut bytes),
            b'\t' if out.len() >= leading => out.push(b' '),
            _ => out.push(b),
        }
    }
    Cow::Owned(out)
}

/// Reads over one escape sequence; ESC itself is gone already.
fn skip_escape(bytes: &mut impl Iterator<Item = u8>) {
    if bytes.next() != Some(b'[') {
        return;
    }
    // Parameters and intermediates, then one final byte (ECMA-48 5.4); no real one is longer.
    for b in bytes.take(32) {
        if (0x40..=0x7e).contains(&b) {
            return;
        }
    }
}

/// No-break spaces, which web pages and editors put into indented text, as blanks.
pub(super) fn blanks(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\u{a0}') {
        Cow::Owned(text.replace('\u{a0}', " "))
    } else {
        text
    }
}

/// `\xNN` of /dev/kmsg (msg_print_ext_body, kernel/printk/printk.c).
pub(super) fn kmsg(s: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s;
    while let Some((head, tail)) = rest.split_once("\\x") {
        out.extend_from_slice(head.as_bytes());
        match tail.get(..2).and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(b) => {
                out.push(b);
                rest = tail.get(2..).unwrap_or("");
            }
            None => {
                out.extend_from_slice(b"\\x");
                rest = tail;
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// `#NNN` of rsyslog ($EscapeControlCharactersOnReceive): three octal digits for a control character.
pub(super) fn rsyslog(s: &str) -> String {
    s.replace("#012", "\n")
        .replace("#011", "        ")
        .replace("#015", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_terminals_are_removed_and_never_read_past_the_line() {
        assert_eq!(console(b"\x1b[1;31mred\x1b[0m\r").as_ref(), b"red");
        assert_eq!(console(b"a\x1b[").as_ref(), b"a");
        assert_eq!(console(b"a\x1b").as_ref(), b"a");
    }

    #[test]
    fn a_broken_kmsg_escape_stays_as_it_is() {
        assert_eq!(kmsg("a\\xzz\\x41\\x"), b"a\\xzzA\\x");
    }
}
