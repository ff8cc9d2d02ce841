//! What stands on each CPU's stacks.

use crate::doc::{Doc, DocLine, piece, safe};
use crate::model::{Model, Tab};
use crate::place::Place;
use crate::remote::Remote;
use crate::source::StackPart;
use crate::theme::Role;

/// A row of the list.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let cpu = tab.report.ready()?.virtualization.cpus.get(row)?;
    let (role, glyph, _) = model.theme.glyphs().cpu(cpu.state, cpu.online);
    let task = cpu
        .task
        .as_ref()
        .map_or(String::new(), |t| format!("{} {}", t.comm, t.pid));
    let pieces = vec![
        piece(Role::Plain, format!(" {:>4} ", cpu.cpu)),
        piece(role, format!("{glyph} ")),
        piece(
            Role::Muted,
            crate::cells::cut(
                &task,
                width.saturating_sub(9),
                model.theme.glyphs().ellipsis,
            ),
        ),
    ];
    Some(DocLine { pieces, link: None })
}

/// The chosen CPU's stacks.
pub(crate) fn detail(tab: &Tab, mut doc: Doc) -> Doc {
    let Some(cpu) = tab.stack_cpu() else {
        return doc;
    };
    doc.field_to(
        "CPU",
        Role::Plain,
        &safe(&cpu.summary),
        Some(Place::Cpu(cpu.cpu)),
    );
    doc.para(Role::Muted, 1, "Code addresses on the stacks, callers first. A word can be left over from an earlier call: a scan proves nothing by itself.");
    match tab.stacks.get(&cpu.cpu) {
        Some(Remote::Ready(stack)) => stack.parts.iter().for_each(|p| part(p, &mut doc)),
        Some(Remote::Failed(why)) => doc.para(Role::Unsure, 1, &safe(why)),
        _ => doc.para(Role::Muted, 1, "being read"),
    }
    doc
}

fn part(part: &StackPart, doc: &mut Doc) {
    doc.heading(&safe(&part.title));
    if !part.note.is_empty() {
        doc.para(Role::Muted, 1, &safe(&part.note));
    }
    for (at, value, name) in &part.words {
        let pieces = vec![
            piece(Role::Muted, format!(" {at:016x}  ")),
            piece(Role::Plain, format!("{value:016x}  ")),
            piece(Role::Link, safe(name)),
        ];
        doc.link(pieces, Place::Memory(*value));
    }
}
