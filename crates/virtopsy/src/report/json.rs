//! JSON that can be looked at on a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use virtopsy_klog::deceives;

/// Writes a value in one line. What would act on a terminal or deceive its reader is written as
/// `\uXXXX`, which every reader of JSON takes for the same text.
///
/// # Errors
/// Where `out` can't be written to.
pub fn write_json(out: impl Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Visible))
}

/// Compact JSON whose strings can be looked at.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(deceives) {
            let (before, from) = rest.split_at(at);
            let mut after = from.chars();
            out.write_all(before.as_bytes())?;
            for unit in after.next().into_iter().flat_map(utf16) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// The one or two units of UTF-16 that JSON escapes a character by.
fn utf16(c: char) -> impl Iterator<Item = u16> {
    let mut units = [0; 2];
    let len = c.encode_utf16(&mut units).len();
    units.into_iter().take(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_deceive_are_escaped_and_read_back_as_they_were() {
        let text = "a\u{9b}b\u{202e}c\u{7f}\u{e0041}\n\"é漢";
        let mut out = Vec::new();
        write_json(&mut out, &text).unwrap();
        let json = String::from_utf8(out).unwrap();
        assert_eq!(json, r#""a\u009bb\u202ec\u007f\udb40\udc41\n\"é漢""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
