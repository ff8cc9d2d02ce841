//! Text for reading: headings, wrapped paragraphs and aligned tables.
//!
//! Everything that comes in is escaped here, so that nothing from a dump reaches a terminal raw;
//! without a UTF-8 locale it is brought to ASCII. Colour is put on last and never alone.

use unicode_width::UnicodeWidthStr as _;
use virtopsy::report::escape;

use crate::terminal::Look;

/// What a piece of text says by its colour. The words say it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Heading,
    Good,
    Bad,
    Unsure,
    Muted,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Heading => Some("1"),
            Tone::Good => Some("36"),
            Tone::Bad => Some("1;31"),
            Tone::Unsure => Some("33"),
            Tone::Muted => Some("2"),
        }
    }
}

/// One cell of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell(Tone, String);

impl Cell {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Cell {
        Cell(tone, text.into())
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell(Tone::Plain, text.into())
    }
}

/// A page in the making.
#[derive(Debug)]
pub(crate) struct Page {
    look: Look,
    out: String,
}

/// A last column narrower than this stands on lines of its own.
const NARROW: usize = 20;

impl Page {
    pub(crate) fn new(look: Look) -> Page {
        Page {
            look,
            out: String::new(),
        }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// A section's name, and what it comes to.
    pub(crate) fn section(&mut self, name: &str, tone: Tone, text: &str) {
        self.blank();
        self.hanging(&[Cell::new(Tone::Heading, name)], tone, text);
    }

    /// A paragraph, `indent` columns in.
    pub(crate) fn paragraph(&mut self, indent: usize, tone: Tone, text: &str) {
        let text = self.clean(text);
        for line in wrap(&text, self.look.width.saturating_sub(indent)) {
            self.push(indent, tone, &line);
            self.out.push('\n');
        }
    }

    /// Text behind a head, its further lines below its first.
    pub(crate) fn hanging(&mut self, head: &[Cell], tone: Tone, text: &str) {
        let mut row = head.to_vec();
        row.push(Cell::new(tone, text));
        self.table(0, &[], &[row]);
    }

    /// A line that is never wrapped.
    pub(crate) fn line(&mut self, indent: usize, tone: Tone, text: &str) {
        let text = self.clean(text);
        self.push(indent, tone, &text);
        self.out.push('\n');
    }

    /// Names and what stands for them, two columns in.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) {
        let rows: Vec<Vec<Cell>> = fields
            .iter()
            .map(|(name, text)| vec![Cell::new(Tone::Muted, *name), text.as_str().into()])
            .collect();
        self.table(2, &[], &rows);
    }

    /// Columns as wide as they need; the last one wraps.
    pub(crate) fn table(&mut self, indent: usize, header: &[&str], rows: &[Vec<Cell>]) {
        let header: Vec<Cell> = header
            .iter()
            .map(|name| Cell::new(Tone::Muted, *name))
            .collect();
        let head = (!header.is_empty()).then_some(&header);
        let rows: Vec<Vec<Cell>> = head
            .into_iter()
            .chain(rows)
            .map(|row| self.clean_row(row.as_slice()))
            .collect();
        let widths = widths(&rows);
        for row in &rows {
            self.row(indent, &widths, row);
        }
    }

    fn row(&mut self, indent: usize, widths: &[usize], row: &[Cell]) {
        let Some((Cell(tone, last), fixed)) = row.split_last() else {
            return;
        };
        let column = fixed
            .iter()
            .zip(widths)
            .fold(indent, |column, (_, width)| column + width + 2);
        let mut pad = indent;
        for (Cell(tone, text), width) in fixed.iter().zip(widths) {
            self.push(pad, *tone, text);
            pad = width.saturating_sub(text.width()) + 2;
        }
        let room = self.look.width.saturating_sub(column);
        let (mut pad, column, room) = if room >= NARROW || last.width() <= room {
            (pad, column, room)
        } else {
            self.out.push('\n');
            (
                indent + 4,
                indent + 4,
                self.look.width.saturating_sub(indent + 4),
            )
        };
        let lines = wrap(last, room);
        for line in &lines {
            self.push(pad, *tone, line);
            self.out.push('\n');
            pad = column;
        }
        if lines.is_empty() {
            self.out.push('\n');
        }
    }

    fn push(&mut self, pad: usize, tone: Tone, text: &str) {
        if text.is_empty() {
            return;
        }
        self.out.extend(std::iter::repeat_n(' ', pad));
        match tone.code().filter(|_| self.look.color) {
            Some(code) => self.out.push_str(&format!("\x1b[{code}m{text}\x1b[0m")),
            None => self.out.push_str(text),
        }
    }

    fn clean_row(&self, row: &[Cell]) -> Vec<Cell> {
        row.iter()
            .map(|Cell(tone, text)| Cell(*tone, self.clean(text)))
            .collect()
    }

    fn clean(&self, text: &str) -> String {
        clean(text, self.look.unicode)
    }
}

/// `text` as it may be shown: escaped, and in ASCII where nothing else can be shown.
pub(crate) fn clean(text: &str, unicode: bool) -> String {
    clean_bytes(text.as_bytes(), unicode)
}

/// Bytes of any kind as text that may be shown.
pub(crate) fn clean_bytes(text: &[u8], unicode: bool) -> String {
    let escaped = escape(text);
    if unicode || escaped.is_ascii() {
        escaped
    } else {
        to_ascii(&escaped)
    }
}

fn to_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c),
            '✓' => out.push('+'),
            '✗' => out.push('x'),
            '●' => out.push('#'),
            '○' => out.push('o'),
            '–' | '—' => out.push('-'),
            '…' => out.push_str("..."),
            '→' => out.push_str("->"),
            '≥' => out.push_str(">="),
            '≤' => out.push_str("<="),
            '×' => out.push('x'),
            '‘' | '’' => out.push('\''),
            '“' | '”' => out.push('"'),
            c => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    out
}

fn widths(rows: &[Vec<Cell>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..columns)
        .map(|i| {
            rows.iter()
                .filter_map(|row| row.get(i))
                .map(|Cell(_, t)| t.width())
                .max()
                .unwrap_or(0)
        })
        .collect()
}

/// `text` in lines of at most `width` columns; a longer word has a line for itself.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        color: false,
        unicode: true,
        width: 40,
    };

    #[test]
    fn columns_are_aligned_and_the_last_one_wraps_below_itself() {
        let mut page = Page::new(PLAIN);
        page.table(
            2,
            &["A", "LONG"],
            &[vec![
                "x".into(),
                "one two three four five six seven eight".into(),
            ]],
        );
        page.table(
            2,
            &[],
            &[
                vec!["漢字".into(), "1".into()],
                vec!["x".into(), "2".into()],
            ],
        );
        assert_eq!(
            page.finish(),
            "  A  LONG\n  x  one two three four five six seven\n     eight\n  漢字  1\n  x     2\n"
        );
    }

    #[test]
    fn a_narrow_last_column_goes_to_its_own_line() {
        let mut page = Page::new(PLAIN);
        page.table(
            0,
            &[],
            &[vec![
                "a".repeat(30).into(),
                "some words that do not fit".into(),
            ]],
        );
        assert_eq!(
            page.finish(),
            format!("{}\n    some words that do not fit\n", "a".repeat(30))
        );
    }

    #[test]
    fn what_comes_in_is_escaped_and_colour_is_put_on_after() {
        let mut page = Page::new(Look {
            color: true,
            ..PLAIN
        });
        page.line(0, Tone::Bad, "a\x1b[0mb\u{202e}\r");
        assert_eq!(page.finish(), "\x1b[1;31ma\\x1b[0mb\\u{202e}\\r\x1b[0m\n");
    }

    #[test]
    fn without_utf8_only_ascii_is_printed() {
        let mut page = Page::new(Look {
            unicode: false,
            ..PLAIN
        });
        page.paragraph(0, Tone::Plain, "✓ a → b … é");
        assert_eq!(page.finish(), "+ a -> b ... \\u{e9}\n");
    }
}
