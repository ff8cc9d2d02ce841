//! A place in memory: by its type, as code, or word by word.

use crate::cells;
use crate::doc::{DocLine, piece, safe};
use crate::model::{Model, Shape, Tab};
use crate::place::Place;
use crate::source::{MemoryAt, MemoryPage, TypedRow};
use crate::theme::Role;

use super::callback::instruction;

/// The heading: what was asked for, and what it is.
pub(super) fn title(tab: &Tab) -> String {
    let asked = match &tab.memory_at {
        None => return "Memory".into(),
        Some(MemoryAt::Address(at)) => format!("{at:#x}"),
        Some(MemoryAt::Expression(text)) => safe(text),
    };
    let Some(page) = tab.memory.ready() else {
        return format!("Memory at {asked}");
    };
    let name = page
        .name
        .as_deref()
        .map_or(String::new(), |n| format!(" = {}", safe(n)));
    let shape = match tab.shape() {
        Shape::Typed => "typed",
        Shape::Code => "code",
        Shape::Words => "words",
    };
    format!("Memory at {asked}{name}, {shape}")
}

/// A row.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let page = tab.memory.ready()?;
    match tab.shape() {
        Shape::Typed => page.tree.get(row).map(|row| typed(row, width)),
        Shape::Code => {
            let rows = &page.code.as_ref()?.instructions;
            let code = rows.get(row)?;
            let next = rows.get(row.saturating_add(1)).map(|next| next.address.0);
            let here = code.address.0 <= page.asked && next.is_none_or(|next| page.asked < next);
            Some(instruction(model, code, here))
        }
        Shape::Words => word(model, page, row, width),
    }
}

/// `name = value`, indented by its depth, the type at the right where there is room.
fn typed(row: &TypedRow, width: usize) -> DocLine {
    let indent = " ".repeat(row.depth.min(12).saturating_mul(2).saturating_add(1));
    let name = if row.name.is_empty() {
        safe(&row.type_name)
    } else {
        safe(&row.name)
    };
    let role = if row.to.is_some() {
        Role::Link
    } else if row.value.starts_with('!') {
        Role::Unsure
    } else {
        Role::Plain
    };
    let head = if row.value.is_empty() || row.depth == 0 {
        Role::Heading
    } else {
        Role::Muted
    };
    let equals = if row.value.is_empty() { "" } else { " = " };
    let value = safe(&row.value);
    let used = [indent.as_str(), &name, equals, &value]
        .iter()
        .map(|t| cells::width(t))
        .sum::<usize>();
    let mut pieces = vec![
        piece(Role::Plain, indent),
        piece(head, name),
        piece(Role::Muted, equals),
        piece(role, value),
    ];
    let ty = safe(&row.type_name);
    let room = width.saturating_sub(used);
    if !row.name.is_empty() && room > cells::width(&ty).saturating_add(3) {
        let gap = room.saturating_sub(cells::width(&ty)).saturating_sub(1);
        pieces.push(piece(Role::Muted, format!("{}{ty}", " ".repeat(gap))));
    }
    DocLine {
        pieces,
        link: row.to.clone().or(row.address.map(Place::Memory)),
    }
}

/// Address, value, characters, and what the value points to.
fn word(model: &Model, page: &MemoryPage, row: usize, width: usize) -> Option<DocLine> {
    let (value, name) = page.words.get(row)?;
    let at = page.start.wrapping_add((row as u64).wrapping_mul(8));
    let asked = if page.asked & !7 == at {
        model.theme.glyphs().arrow
    } else {
        ""
    };
    let link = is_kernel_address(*value).then_some(Place::Memory(*value));
    let role = if *value == 0 {
        Role::Muted
    } else {
        Role::Plain
    };
    let mut pieces = vec![
        piece(Role::Heading, format!("{asked:<2}")),
        piece(Role::Muted, format!("{at:016x}  ")),
        piece(role, format!("{value:016x}  ")),
    ];
    if width >= 50 {
        pieces.push(piece(Role::Muted, format!("{}  ", characters(*value))));
    }
    if let Some(name) = name {
        pieces.push(piece(Role::Link, safe(name)));
    }
    Some(DocLine { pieces, link })
}

/// The word's bytes as characters, in the order in which they lie in memory.
fn characters(value: u64) -> String {
    let shown = |b: &u8| {
        if b.is_ascii_graphic() {
            char::from(*b)
        } else {
            '.'
        }
    };
    value.to_le_bytes().iter().map(shown).collect()
}

/// Whether a value may be an address of the kernel: the upper half, and no small negative number.
pub(crate) fn is_kernel_address(value: u64) -> bool {
    (0xff00_0000_0000_0000..0xffff_ffff_ffff_0000).contains(&value)
}
