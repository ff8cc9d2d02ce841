//! A page of text with meaning: what most panes show.
//!
//! A page is built from the model alone, for a width, so that `update` and the views agree on its
//! lines. All text from a dump comes in through [`virtopsy::report::Text`] or already escaped.

use virtopsy::report::Text;

use crate::cells;
use crate::place::Place;
use crate::theme::{Mark, Role};

/// A run of text with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) role: Role,
    pub(crate) text: String,
}

/// A piece, shorter to write.
pub(crate) fn piece(role: Role, text: impl Into<String>) -> Piece {
    Piece {
        role,
        text: text.into(),
    }
}

/// A line, and what Enter on it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DocLine {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) link: Option<Place>,
}

impl DocLine {
    /// Its text.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|p| p.text.as_str()).collect()
    }
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doc {
    /// Cells that a line may take; longer ones are wrapped by [`Doc::para`], else cut when drawn.
    pub(crate) width: usize,
    pub(crate) lines: Vec<DocLine>,
    /// The first line that the cursor can be on: what stands above is no text.
    pub(crate) first: usize,
}

impl Doc {
    pub(crate) fn new(width: usize) -> Doc {
        Doc {
            width,
            lines: Vec::new(),
            first: 0,
        }
    }

    /// A line of pieces.
    pub(crate) fn line(&mut self, pieces: Vec<Piece>) {
        self.lines.push(DocLine { pieces, link: None });
    }

    /// A line that leads somewhere.
    pub(crate) fn link(&mut self, pieces: Vec<Piece>, to: Place) {
        self.lines.push(DocLine {
            pieces,
            link: Some(to),
        });
    }

    /// An empty line, unless there is nothing above it.
    pub(crate) fn gap(&mut self) {
        if self.lines.last().is_some_and(|l| !l.pieces.is_empty()) {
            self.lines.push(DocLine::default());
        }
    }

    /// A heading, with a gap above.
    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.line(vec![piece(Role::Heading, text)]);
    }

    /// Wrapped text, each line behind `indent` blanks.
    pub(crate) fn para(&mut self, role: Role, indent: usize, text: &str) {
        self.para_to(role, indent, text, None);
    }

    /// Wrapped text whose lines all lead to `to`.
    pub(crate) fn para_to(&mut self, role: Role, indent: usize, text: &str, to: Option<&Place>) {
        for line in cells::wrap(text, self.width.saturating_sub(indent)) {
            let pieces = vec![piece(Role::Plain, " ".repeat(indent)), piece(role, line)];
            self.lines.push(DocLine {
                pieces,
                link: to.cloned(),
            });
        }
    }

    /// `label   value`, the value wrapped behind its label. An empty value leaves the line out.
    pub(crate) fn field(&mut self, label: &str, role: Role, value: &str) {
        self.field_to(label, role, value, None);
    }

    /// A field that leads somewhere.
    pub(crate) fn field_to(&mut self, label: &str, role: Role, value: &str, to: Option<Place>) {
        if value.is_empty() {
            return;
        }
        let indent = if self.width < 50 { 13 } else { 15 };
        let mut label = cells::column(&format!(" {label} "), indent, "");
        for line in cells::wrap(value, self.width.saturating_sub(indent)) {
            let label = std::mem::replace(&mut label, " ".repeat(indent));
            let role = if to.is_some() { Role::Link } else { role };
            self.lines.push(DocLine {
                pieces: vec![piece(Role::Muted, label), piece(role, line)],
                link: to.clone(),
            });
        }
    }

    /// A state (glyph and word) and what it is of.
    pub(crate) fn mark(&mut self, mark: Mark, rest: &str, to: Option<Place>) {
        let (role, glyph, word) = mark;
        let head = format!(" {glyph} {word}");
        let indent = cells::width(&head).saturating_add(2);
        let mut head = Some(head);
        for line in cells::wrap(rest, self.width.saturating_sub(indent)) {
            let first = match head.take() {
                Some(head) => piece(role, cells::column(&head, indent, "")),
                None => piece(Role::Plain, " ".repeat(indent)),
            };
            self.lines.push(DocLine {
                pieces: vec![first, piece(Role::Plain, line)],
                link: to.clone(),
            });
        }
    }

    /// The heading of a section that can be folded; true while it is open.
    pub(crate) fn fold(
        &mut self,
        name: &str,
        count: Option<usize>,
        open: bool,
        glyph: &str,
    ) -> bool {
        self.gap();
        let count = count.map_or(String::new(), |n| format!(" ({n})"));
        self.link(
            vec![piece(Role::Heading, format!("{glyph} {name}{count}"))],
            Place::Fold(name.to_owned()),
        );
        open
    }

    /// The page as plain text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            out.push_str(line.text().trim_end());
            out.push('\n');
        }
        out
    }
}

/// Text of a dump, safe to show.
pub(crate) fn shown(text: Option<&Text>) -> String {
    text.map_or(String::new(), ToString::to_string)
}

/// A string that went through the library, but may hold what a dump said: escaped once more where
/// it is not printable.
pub(crate) fn safe(text: &str) -> String {
    virtopsy::report::escape(text.as_bytes())
}
