//! Small readers of text, none of which can fail on hostile input.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::limits;

/// The bytes of a line as text that is safe to show: what is not UTF-8 and every control character
/// becomes `\xNN`, leading tabs become blanks.
pub(crate) fn visible(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(s) = std::str::from_utf8(bytes)
        && !s.chars().any(char::is_control)
    {
        return Cow::Borrowed(s);
    }
    let mut out = String::with_capacity(bytes.len().saturating_add(16));
    let mut leading = true;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\t' && leading {
                out.push_str("        ");
            } else if c.is_control() {
                let mut buffer = [0u8; 4];
                for b in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(out, "\\x{b:02x}");
                }
                leading = false;
            } else {
                leading &= c == ' ';
                out.push(c);
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
            leading = false;
        }
    }
    Cow::Owned(out)
}

/// A text for the result, cut to [`limits::NAME_BYTES`].
pub(crate) fn keep(s: &str) -> String {
    head(s, limits::NAME_BYTES).to_owned()
}

/// At most the first `bytes` bytes of `s`, cut at a character.
pub(crate) fn head(s: &str, bytes: usize) -> &str {
    let mut end = s.len().min(bytes);
    while !s.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    s.get(..end).unwrap_or("")
}

/// Splits behind the leading decimal digits; `None` without any, or past `u64`.
pub(crate) fn number(s: &str) -> Option<(u64, &str)> {
    let end = s
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(s.len());
    let (digits, rest) = s.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// A whole decimal number with its sign.
pub(crate) fn integer(s: &str) -> Option<i64> {
    let (sign, digits) = s.strip_prefix('-').map_or((1i64, s), |r| (-1, r));
    match number(digits) {
        Some((n, "")) => i64::try_from(n).ok()?.checked_mul(sign),
        _ => None,
    }
}

/// Splits behind the leading hexadecimal digits (no `0x`); `None` without any.
pub(crate) fn hex_digits(s: &str) -> Option<(&str, &str)> {
    let end = s
        .bytes()
        .position(|b| !b.is_ascii_hexdigit())
        .unwrap_or(s.len());
    if end == 0 {
        None
    } else {
        s.split_at_checked(end)
    }
}

/// A whole word of 8 or 16 hexadecimal digits, as `%p` prints a pointer, or `(ptrval)`.
pub(crate) fn is_pointer(s: &str) -> bool {
    let s = s.strip_prefix("0x").unwrap_or(s);
    (s.len() == 8 || s.len() == 16) && s.bytes().all(|b| b.is_ascii_hexdigit()) || s == "(ptrval)"
}

/// A pointer as the JSON wants it.
pub(crate) fn address(s: &str) -> String {
    if s.starts_with("0x") || s.starts_with('(') {
        s.to_owned()
    } else {
        format!("0x{s}")
    }
}

/// The first decimal number behind `key` in `s`, with its sign.
pub(crate) fn value_after(s: &str, key: &str) -> Option<i64> {
    let (_, rest) = s.split_once(key)?;
    let rest = rest.trim_start();
    let (sign, rest) = rest.strip_prefix('-').map_or((1, rest), |r| (-1, r));
    let (n, _) = number(rest)?;
    i64::try_from(n).ok()?.checked_mul(sign)
}

/// The first hexadecimal number (without `0x`) behind `key` in `s`.
pub(crate) fn hex_after(s: &str, key: &str) -> Option<u64> {
    let (_, rest) = s.split_once(key)?;
    let rest = rest.trim_start();
    let (digits, _) = hex_digits(rest.strip_prefix("0x").unwrap_or(rest))?;
    u64::from_str_radix(digits, 16).ok()
}

/// Blanks before the text.
pub(crate) fn indent(s: &str) -> usize {
    s.bytes().take_while(|b| *b == b' ').count()
}

/// True for a rule: at least five of the same `=` or `-` and nothing else.
pub(crate) fn is_rule(s: &str) -> bool {
    let t = s.trim();
    t.len() >= 5 && (t.bytes().all(|b| b == b'=') || t.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_as_escapes() {
        assert_eq!(visible(b"a\xffb\x1b[0m\x07"), "a\\xffb\\x1b[0m\\x07");
        assert_eq!(visible("\tx\tü".as_bytes()), "        x\\x09ü");
        assert_eq!(visible("\u{9b}".as_bytes()), "\\xc2\\x9b");
    }

    #[test]
    fn numbers_past_their_type_are_no_numbers() {
        assert_eq!(number("99999999999999999999"), None);
        assert_eq!(value_after("pid: -5,", "pid:"), Some(-5));
        assert_eq!(value_after("pid: 18446744073709551615", "pid:"), None);
    }

    #[test]
    fn names_are_cut_on_a_character() {
        assert!(keep(&"ü".repeat(4000)).len() <= limits::NAME_BYTES);
    }
}
