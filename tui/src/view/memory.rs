//! Memory, word by word, with the names of what the words point to.

use crate::doc::{DocLine, piece, safe};
use crate::effect::MemoryAt;
use crate::model::{Model, Tab};
use crate::place::Place;
use crate::theme::Role;

/// The heading: what was asked for.
pub(super) fn title(tab: &Tab) -> String {
    let asked = match &tab.memory_at {
        None => return "Memory".into(),
        Some(MemoryAt::Address(at)) => format!("{at:#x}"),
        Some(MemoryAt::Expression(text)) => safe(text),
    };
    let name = tab
        .memory
        .ready()
        .and_then(|p| p.name.as_deref())
        .map_or(String::new(), |n| format!(" = {}", safe(n)));
    let ty = tab
        .memory
        .ready()
        .and_then(|p| p.type_name.as_deref())
        .map_or(String::new(), |t| format!(": {}", safe(t)));
    format!("Memory at {asked}{name}{ty}")
}

/// A row: address, value, characters, and what the value points to.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let page = tab.memory.ready()?;
    let (value, name) = page.words.get(row)?;
    let at = page.start.wrapping_add((row as u64).wrapping_mul(8));
    let asked = if page.asked & !7 == at {
        model.theme.glyphs().arrow
    } else {
        ""
    };
    let link = is_kernel_address(*value).then_some(Place::Memory(*value));
    let mut pieces = vec![
        piece(Role::Heading, format!("{asked:<2}")),
        piece(Role::Muted, format!("{at:016x}  ")),
        piece(
            if *value == 0 {
                Role::Muted
            } else {
                Role::Plain
            },
            format!("{value:016x}  "),
        ),
    ];
    if width >= 50 {
        pieces.push(piece(Role::Muted, format!("{}  ", characters(*value))));
    }
    if let Some(members) = page.members.get(&row) {
        pieces.push(piece(Role::Plain, members_text(members)));
    }
    if let Some(name) = name {
        pieces.push(piece(Role::Link, safe(name)));
    }
    Some(DocLine { pieces, link })
}

/// Members that begin in a word: `.state = 3  .flags = 0`.
fn members_text(members: &[(String, String)]) -> String {
    members
        .iter()
        .map(|(path, value)| {
            format!(
                "{} = {}  ",
                safe(path.strip_prefix('.').unwrap_or(path)),
                safe(value)
            )
        })
        .collect()
}

/// The word's bytes as characters, in the order in which they lie in memory.
fn characters(value: u64) -> String {
    value
        .to_le_bytes()
        .iter()
        .map(|b| {
            if b.is_ascii_graphic() {
                char::from(*b)
            } else {
                '.'
            }
        })
        .collect()
}

/// Whether a value may be an address of the kernel: the upper half, and no small negative number.
pub(crate) fn is_kernel_address(value: u64) -> bool {
    (0xff00_0000_0000_0000..0xffff_ffff_ffff_0000).contains(&value)
}
