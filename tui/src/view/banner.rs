//! The one word that matters most, so that nobody can overlook it: in large letters where there is
//! room, else in a bar across the screen.

use font8x8::legacy::BASIC_LEGACY;

use crate::cells;
use crate::doc::{Doc, piece, safe};
use crate::model::Model;
use crate::theme::{Mark, Role};

/// From this height of the screen on there is room for large letters.
const TALL: u16 = 30;
/// Cells that a large letter takes, each way.
const LETTER: usize = 4;
/// Two by two dots as one character, by the number whose bits are the dots, upper left first.
const QUADRANTS: [char; 16] = [
    ' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█',
];

/// Draws the word, and a sentence below it. The cursor stays off the word.
pub(super) fn draw(model: &Model, mark: Mark, sentence: &str, doc: &mut Doc) {
    let (role, glyph, word) = mark;
    let width = word.chars().count().saturating_mul(LETTER);
    let roomy = model.size.1 >= TALL && width.saturating_add(4) <= doc.width;
    if roomy && role != Role::Muted && !model.theme.ascii {
        for row in large(word) {
            doc.line(vec![piece(role, format!("  {row}"))]);
        }
    } else {
        doc.line(vec![piece(bar_of(role), bar(glyph, word, doc.width))]);
    }
    doc.first = doc.lines.len();
    doc.para(Role::Heading, 2, &safe(sentence));
}

/// The word across the whole width, its letters apart where there is room.
fn bar(glyph: &str, word: &str, width: usize) -> String {
    let spaced: String = word.chars().flat_map(|c| [c, ' ']).collect();
    let fits = cells::width(&spaced).saturating_add(8) < width;
    let word = if fits { spaced.trim_end() } else { word };
    cells::column(&format!("  {glyph}  {word}"), width, "")
}

fn bar_of(role: Role) -> Role {
    match role {
        Role::Good => Role::GoodBar,
        Role::Bad => Role::BadBar,
        Role::Unsure => Role::UnsureBar,
        _ => Role::PlainBar,
    }
}

/// A word in letters of four by four cells.
fn large(word: &str) -> Vec<String> {
    let dots = |c: char| BASIC_LEGACY.get(c as usize).copied().unwrap_or([0; 8]);
    let letters: Vec<[u8; 8]> = word.chars().map(dots).collect();
    let row = |y: usize| {
        let cells = letters.iter().flat_map(|letter| {
            (0..LETTER).map(move |x| {
                let bit = |dx: usize, dy: usize| {
                    let line = letter.get(y.saturating_mul(2).saturating_add(dy));
                    let at = x.saturating_mul(2).saturating_add(dx);
                    usize::from(line.copied().unwrap_or(0) >> at & 1)
                };
                let number = bit(0, 0) | bit(1, 0) << 1 | bit(0, 1) << 2 | bit(1, 1) << 3;
                QUADRANTS.get(number).copied().unwrap_or(' ')
            })
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..LETTER).map(row).filter(|row| !row.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_drawn_of_quarter_blocks() {
        assert_eq!(
            large("ON"),
            ["▗▛▙ █▖▐▌", "█ ▐▌█▜▟▌", "▜▖▟▘█ ▜▌", " ▀▘ ▀ ▝▘"]
        );
        assert_eq!(large("\u{1f980}"), [""; 0]);
    }

    #[test]
    fn a_bar_is_as_wide_as_the_screen_and_its_word_is_whole() {
        assert_eq!(bar("X", "ALL OFF", 30), "  X  A L L   O F F            ");
        assert_eq!(bar("X", "ALL OFF", 16), "  X  ALL OFF    ");
    }
}
