//! Hostile text on its way to a terminal.

/// `bytes` as text that is safe on a terminal: what is not printable is shown as an escape.
///
/// Tabs and newlines are escaped too; split lines before, where they are meant as such.
pub fn escape(bytes: &[u8]) -> String {
    // Nearly all text is this; without a way out in between the loop is one of vectors.
    let plain = |all: bool, byte: &u8| all & (0x20..0x7f).contains(byte);
    if bytes.iter().fold(true, plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                c if c.is_ascii() && deceives(c) => {
                    out.push_str(&format!("\\x{:02x}", c as u32));
                }
                c if deceives(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Whether a character acts on a terminal, or changes how the text around it is shown: controls,
/// direction marks, zero-width characters, line separators, tags. [`escape`] and the writer of JSON
/// show these, and no others, as escapes.
pub fn deceives(c: char) -> bool {
    matches!(c as u32, 0..=0x1f | 0x7f..=0x9f | 0xad | 0x61c | 0x180e | 0x200b..=0x200f
        | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_shown_visibly() {
        let text = escape(b"a\x1b[31m\xe2\x80\xaeb\xff\n");
        assert_eq!(text, "a\\x1b[31m\\u{202e}b\\xff\\n");
    }
}
