//! A line of text being typed.

use crossterm::event::KeyCode;

use crate::key::Key;

/// A line and the cursor in it (a byte offset at a character's start).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineInput {
    text: String,
    cursor: usize,
}

/// Longest line that is taken, in bytes: pasting a file by mistake must not matter.
const LONGEST: usize = 4096;

impl LineInput {
    /// A line to start from, the cursor at its end.
    pub(crate) fn new(text: impl Into<String>) -> LineInput {
        let text = text.into();
        LineInput {
            cursor: text.len(),
            text,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor, and from it on.
    pub(crate) fn halves(&self) -> (&str, &str) {
        self.text
            .split_at_checked(self.cursor)
            .unwrap_or((&self.text, ""))
    }

    /// Inserts what is printable.
    pub(crate) fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() < LONGEST {
                self.text.insert(self.cursor, c);
                self.cursor = self.cursor.saturating_add(c.len_utf8());
            }
        }
    }

    /// Takes an editing key; false if it is none.
    pub(crate) fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl) {
            (KeyCode::Char('u'), true) => self.remove_before(0),
            (KeyCode::Char('w'), true) => self.remove_before(self.word_start()),
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.text.len(),
            (KeyCode::Char(c), false) if !key.alt => self.insert(c.encode_utf8(&mut [0; 4])),
            (KeyCode::Backspace, _) => self.remove_before(self.before()),
            (KeyCode::Delete, _) => {
                if self.cursor < self.text.len() {
                    self.text.remove(self.cursor);
                }
            }
            (KeyCode::Left, _) => self.cursor = self.before(),
            (KeyCode::Right, _) => self.cursor = self.after(),
            _ => return false,
        }
        true
    }

    fn before(&self) -> usize {
        let last = self.halves().0.chars().next_back();
        self.cursor.saturating_sub(last.map_or(0, char::len_utf8))
    }

    fn after(&self) -> usize {
        let next = self.halves().1.chars().next();
        self.cursor.saturating_add(next.map_or(0, char::len_utf8))
    }

    fn word_start(&self) -> usize {
        let head = self.halves().0.trim_end_matches(' ');
        head.rfind(' ').map_or(0, |at| at.saturating_add(1))
    }

    fn remove_before(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn editing_keeps_to_characters() {
        let mut line = LineInput::new("aé日");
        for key in ["Left", "Backspace", "x", "End", "Ctrl-w"] {
            assert!(line.key(Key::parse(key).unwrap()), "{key}");
        }
        assert_eq!(line.text(), "");
        line.insert("one two\n\x1b");
        assert_eq!(line.text(), "one two");
        line.key(Key::parse("Ctrl-w").unwrap());
        assert_eq!(line.halves(), ("one ", ""));
        assert!(!line.key(Key::parse("Enter").unwrap()));
    }
}
