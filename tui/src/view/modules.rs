//! Modules: their state, and where they lie.

use crate::cells;
use crate::doc::{Doc, DocLine, piece, safe};
use crate::model::{Model, Tab};
use crate::place::{Pane, Place};
use crate::source::ModuleRow;
use crate::theme::Role;

/// A row of the list.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let module = tab.modules.ready()?.get(row)?;
    let name = cells::column(
        &safe(&module.name),
        width.saturating_sub(28).clamp(10, 32),
        model.theme.glyphs().ellipsis,
    );
    let role = if module.state == "live" {
        Role::Plain
    } else {
        Role::Unsure
    };
    let users = module.refcount.map_or("?".into(), |n| n.to_string());
    let pieces = vec![
        piece(Role::Plain, format!(" {name} ")),
        piece(role, format!("{:<9}", safe(&module.state))),
        piece(Role::Muted, format!("{users:>4} {:>8}", size(module))),
    ];
    Some(DocLine { pieces, link: None })
}

fn size(module: &ModuleRow) -> String {
    format!("{}K", module.size().div_ceil(1024))
}

/// The chosen module.
pub(crate) fn detail(tab: &Tab, mut doc: Doc) -> Doc {
    let Some(module) = tab
        .modules
        .ready()
        .and_then(|m| m.get(tab.list(Pane::Modules).cursor))
    else {
        return doc;
    };
    doc.field("name", Role::Heading, &safe(&module.name));
    doc.field("state", Role::Plain, &safe(&module.state));
    doc.field(
        "references",
        Role::Plain,
        &module
            .refcount
            .map_or("not known".into(), |n| n.to_string()),
    );
    doc.field_to(
        "module at",
        Role::Plain,
        &format!("{:#x}", module.address),
        Some(Place::Memory(module.address)),
    );
    if module.percpu != 0 {
        doc.field("per-CPU", Role::Plain, &format!("{:#x}", module.percpu));
    }
    doc.heading("Memory");
    for (base, size, text) in &module.areas {
        let kind = if *text { "code" } else { "data" };
        let end = base.wrapping_add(*size);
        let callback = callback_in(tab, *base, end);
        let pieces = vec![
            piece(Role::Link, format!(" {base:016x}-{end:016x}")),
            piece(Role::Plain, format!(" {kind} {size:>8} bytes")),
            piece(Role::Heading, callback),
        ];
        doc.link(pieces, Place::Memory(*base));
    }
    doc
}

/// Says where the emergency callback points into.
fn callback_in(tab: &Tab, base: u64, end: u64) -> &'static str {
    let value = tab
        .report
        .ready()
        .and_then(|r| r.callback.value)
        .map(|v| v.0);
    if value.is_some_and(|v| (base..end).contains(&v)) {
        "  the callback points in here"
    } else {
        ""
    }
}
