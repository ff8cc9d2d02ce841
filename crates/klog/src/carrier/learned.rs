//! Prefixes that nobody foresaw.
//!
//! A kernel's own words somewhere behind the start of a line give away that what stands before them
//! is a prefix. It is taken for one when a line next to it begins in the same way: the same
//! punctuation and blanks, with other digits and letters between. From then on it is taken off every
//! line that begins so, until none has for a while.

use std::sync::LazyLock;

use regex::Regex;

use super::prefix;
use crate::limits;
use crate::text::head;

/// Words that begin a line of the kernel's.
static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = [
        r"(?:\[ )?(?:BUG|INFO|WARNING|Debug): ",
        r"\[ {0,6}[0-9]{1,9}[.,][0-9]{6}\]",
        "CPU: [0-9]{1,5} (?:UID: [0-9]{1,10} )?PID: ",
        "Call [Tt]race:",
        "Kernel panic - ",
        "Oops: ",
        "Unable to handle kernel",
        "Internal error: ",
        "general protection fault",
        "-{8,16}\\[ cut here \\]",
        "Modules linked in:",
    ];
    Regex::new(&words.join("|")).ok()
});

/// What one place of a shape takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Letters and digits.
    Word,
    /// Blanks.
    Blanks,
    /// This one character.
    This(char),
}

/// How a prefix looks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    pieces: Vec<Piece>,
    /// Blanks that end it, which are counted: more belong to the text.
    end: usize,
}

impl Shape {
    /// The shape of `prefix`, where it may be that of one: letters and digits in two places at least
    /// and something else between, and no word that runs into the text.
    fn of(prefix: &str) -> Option<Self> {
        let text = prefix.trim_end_matches(' ');
        let mut pieces = Vec::new();
        for c in text.chars() {
            let piece = match c {
                ' ' => Piece::Blanks,
                c if c.is_alphanumeric() => Piece::Word,
                c => Piece::This(c),
            };
            if pieces.last() != Some(&piece) || matches!(piece, Piece::This(_)) {
                pieces.push(piece);
            }
        }
        let words = pieces.iter().filter(|p| **p == Piece::Word).count();
        let end = prefix.len().saturating_sub(text.len());
        let closed = end > 0 || pieces.last() != Some(&Piece::Word);
        (words >= 2 && pieces.len() >= 4 && closed).then_some(Self { pieces, end })
    }

    /// How many bytes of `line` it takes off.
    fn strip(&self, line: &str) -> Option<usize> {
        let mut rest = line;
        for piece in &self.pieces {
            let after = match piece {
                Piece::Word => rest.trim_start_matches(char::is_alphanumeric),
                Piece::Blanks => rest.trim_start_matches(' '),
                Piece::This(c) => rest.strip_prefix(*c)?,
            };
            if after.len() == rest.len() {
                return None;
            }
            rest = after;
        }
        let blanks = crate::text::indent(rest).min(self.end);
        // A line without text may have lost the blank behind its prefix.
        if blanks < self.end && !rest.is_empty() {
            return None;
        }
        Some(line.len().saturating_sub(rest.len()).saturating_add(blanks))
    }
}

/// What to do with a line.
pub(super) enum Line {
    /// It begins with nothing that was learned.
    Plain,
    /// So many bytes at its start are a prefix.
    Behind(usize),
    /// The next line tells; it was kept.
    Wait,
}

/// What was learned, and from which line.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    shape: Option<Shape>,
    /// The last line that had it.
    last: u64,
    /// The line before.
    previous: String,
    /// A line that waits for the next one to show the same prefix.
    waiting: Option<Waiting>,
}

/// A line whose prefix is in doubt.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) text: String,
    pub(super) number: u64,
    at: usize,
    shape: Option<Shape>,
    /// No line came before it: it may have lost the start of its prefix.
    first: bool,
}

impl Learned {
    /// Whether a line waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The line that waits, now that `next` came, and how many bytes of it are a prefix.
    pub(super) fn settle(&mut self, next: Option<&str>) -> Option<(Waiting, usize)> {
        let mut waiting = self.waiting.take()?;
        let same = waiting
            .shape
            .as_ref()
            .zip(next)
            .is_some_and(|(shape, next)| shape.strip(next).is_some());
        if same {
            self.shape = waiting.shape.take();
            self.last = waiting.number;
        }
        // `093] BUG: …`: selected a word too far, in front of a line that has all of it.
        let cut = waiting.first
            && next.is_some_and(|next| prefix::strip(next).0.stamped)
            && waiting
                .text
                .get(..waiting.at)
                .is_some_and(|p| !p.trim().contains(' '));
        let taken = if same || cut { waiting.at } else { 0 };
        Some((waiting, taken))
    }

    /// Looks at a line.
    pub(super) fn line(&mut self, text: &str, number: u64) -> Line {
        let line = self.look(text, number);
        self.previous.clear();
        if !text.trim().is_empty() {
            self.previous.push_str(head(text, limits::TALLY_HEAD));
        }
        line
    }

    fn look(&mut self, text: &str, number: u64) -> Line {
        if let Some(shape) = &self.shape {
            if let Some(taken) = shape.strip(text) {
                self.last = number;
                return Line::Behind(taken);
            }
            if number.saturating_sub(self.last) > limits::LOOKBACK_LINES {
                self.shape = None;
            }
        }
        let near = head(text, limits::TALLY_HEAD);
        let Some(at) = WORDS.as_ref().and_then(|w| w.find(near)).map(|m| m.start()) else {
            return Line::Plain;
        };
        if at == 0 || !near.is_char_boundary(at) {
            return Line::Plain;
        }
        let (known, body) = prefix::strip(text);
        let kernels = known.time.is_some() || known.syslog || known.caller.is_some();
        if kernels || known.facility.is_some() || text.len().saturating_sub(body.len()) >= at {
            return Line::Plain;
        }
        let shape = near.get(..at).and_then(Shape::of);
        if let Some(shape) = &shape
            && shape.strip(&self.previous).is_some()
        {
            self.shape = Some(shape.clone());
            self.last = number;
            return Line::Behind(at);
        }
        let first =
            self.previous.is_empty() && near.get(..at).is_some_and(|p| p.trim_end().ends_with(']'));
        if shape.is_none() && !first {
            return Line::Plain;
        }
        self.waiting = Some(Waiting {
            text: text.to_owned(),
            number,
            at,
            shape,
            first,
        });
        Line::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_takes_the_same_punctuation_with_other_words() {
        let shape = Shape::of("web-3  | 18:00:00.123 foo> ").unwrap();
        assert_eq!(shape.strip("db-17 | 07:12:59.001 bar>   x"), Some(26));
        assert_eq!(shape.strip("db-17 | 07:12:59.001 bar>"), Some(25));
        assert_eq!(shape.strip("db-17   07:12:59.001 bar> x"), None);
        assert_eq!(Shape::of("usb: "), None);
        assert_eq!(Shape::of("one two"), None);
    }
}
