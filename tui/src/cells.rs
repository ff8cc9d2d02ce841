//! Text measured in terminal cells: a wide character takes two, a combining one none.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cells that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The longest beginning of `text` that fits into `cells`, and whether that is all of it.
pub(crate) fn fitting(text: &str, cells: usize) -> (&str, bool) {
    let mut used = 0usize;
    for (at, c) in text.char_indices() {
        used = used.saturating_add(c.width().unwrap_or(0));
        if used > cells {
            return (text.get(..at).unwrap_or_default(), false);
        }
    }
    (text, true)
}

/// `text` cut to `cells`; a cut is shown by `mark`.
pub(crate) fn cut(text: &str, cells: usize, mark: &str) -> String {
    let (head, whole) = fitting(text, cells);
    if whole {
        return head.to_owned();
    }
    let (head, _) = fitting(text, cells.saturating_sub(width(mark)));
    let (mark, _) = fitting(mark, cells);
    format!("{head}{mark}")
}

/// `text` cut or padded to exactly `cells`.
pub(crate) fn column(text: &str, cells: usize, mark: &str) -> String {
    let mut out = cut(text, cells, mark);
    let used = width(&out);
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(used)));
    out
}

/// `text` without its first `cells` cells; half a wide character becomes a blank.
pub(crate) fn skip(text: &str, cells: usize) -> String {
    let mut passed = 0usize;
    for (at, c) in text.char_indices() {
        if passed >= cells {
            let blanks = " ".repeat(passed.saturating_sub(cells));
            return format!("{blanks}{}", text.get(at..).unwrap_or_default());
        }
        passed = passed.saturating_add(c.width().unwrap_or(0));
    }
    String::new()
}

/// `text` in lines of at most `cells`, broken at blanks where there are any.
pub(crate) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(4);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        if !line.is_empty() && width(&line).saturating_add(1).saturating_add(width(word)) > cells {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        while width(word) > cells {
            let room = cells.saturating_sub(width(&line)).max(1);
            let (head, _) = fitting(word, room);
            let head = if head.is_empty() {
                word.get(..word.chars().next().map_or(0, char::len_utf8))
                    .unwrap_or(word)
            } else {
                head
            };
            line.push_str(head);
            lines.push(std::mem::take(&mut line));
            word = word.get(head.len()..).unwrap_or_default();
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// `text` with nothing outside ASCII, for terminals that could not show it.
pub(crate) fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.escape_unicode().to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_is_never_halved() {
        assert_eq!(cut("日本語", 5, "…"), "日本…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!(column("日本", 3, "…"), "日…");
        assert_eq!(skip("日本語", 1), " 本語");
        assert_eq!(skip("abc", 9), "");
    }

    #[test]
    fn long_words_are_broken_and_others_kept_whole() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("日日日日", 4), ["日日", "日日"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn ascii_shows_other_characters_as_escapes() {
        assert_eq!(ascii("aé"), "a\\u{e9}");
    }
}
