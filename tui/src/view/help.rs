//! The pages on top: the keys, what a check or a known issue means, the bookmarks.

use ratatui::widgets::Block;
use virtopsy::{CheckId, KnownIssueId};

use crate::cells;
use crate::doc::{Doc, piece, safe};
use crate::keymap::{GROUPS, Scope};
use crate::model::{Mode, Model, Overlay, Tab};
use crate::notes;
use crate::theme::Role;

/// The frame around a page.
pub(super) fn frame(model: &Model) -> Block<'static> {
    let title = format!(" {} ", title(model));
    let style = model.theme.style(Role::Muted);
    Block::bordered()
        .border_set(model.theme.border())
        .border_style(style)
        .title(title)
        .title_bottom(match &model.mode {
            Mode::Overlay(Overlay::Bookmarks) => " Enter goes there, d removes, Esc closes ",
            _ => " Esc closes ",
        })
}

/// Its title.
pub(super) fn title(model: &Model) -> String {
    match &model.mode {
        Mode::Overlay(Overlay::Help) => "Keys".into(),
        Mode::Overlay(Overlay::Explain(id)) => safe(id),
        Mode::Overlay(Overlay::Bookmarks) => "Bookmarks".into(),
        Mode::Overlay(Overlay::Record(_)) => "Record of the log".into(),
        _ => String::new(),
    }
}

/// Its text.
pub(crate) fn page(model: &Model, tab: &Tab, overlay: &Overlay, mut doc: Doc) -> Doc {
    match overlay {
        Overlay::Help => keys(model, &mut doc),
        Overlay::Explain(id) => explain(id, &mut doc),
        Overlay::Bookmarks => bookmarks(tab, &mut doc),
        Overlay::Record(line) => super::log::record(tab, *line, &mut doc),
    }
    doc
}

fn keys(model: &Model, doc: &mut Doc) {
    let column = if doc.width < 50 { 12 } else { 22 };
    for group in GROUPS {
        doc.heading(group.title);
        for binding in group.bindings {
            let keys = model.keymap.keys_of(binding.name).join("  ");
            if keys.is_empty() {
                continue;
            }
            let place = match binding.scope {
                Scope::Any => String::new(),
                Scope::In(views) => {
                    let names: Vec<&str> = views.iter().map(|v| v.name()).collect();
                    format!(" ({})", names.join(", "))
                }
            };
            let mut keys = cells::column(&format!(" {keys}"), column, "");
            for line in cells::wrap(
                &format!("{}{place}", binding.help),
                doc.width.saturating_sub(column),
            ) {
                let first = std::mem::replace(&mut keys, " ".repeat(column));
                doc.line(vec![piece(Role::Heading, first), piece(Role::Plain, line)]);
            }
        }
    }
    legend(model, doc);
}

fn legend(model: &Model, doc: &mut Doc) {
    let g = model.theme.glyphs();
    doc.heading("Marks");
    let marks = [
        (Role::Good, g.off, "VMX or SVM was off on the CPU"),
        (Role::Good, g.offline, "off, and the CPU was offline"),
        (Role::Bad, g.on, "it was ON"),
        (
            Role::Unsure,
            g.unsure,
            "not known: the dump does not hold what would decide",
        ),
        (Role::Unsure, "!", "off, but evidence disagrees"),
        (Role::Good, g.pass, "shown to be in order"),
        (Role::Bad, g.fail, "shown not to be"),
    ];
    let levels = "EACewnid: a log line's level: emerg, alert, crit, err, warn, notice, info, debug";
    for (role, glyph, what) in marks {
        doc.line(vec![
            piece(role, format!(" {glyph}   ")),
            piece(Role::Plain, what),
        ]);
    }
    doc.para(Role::Plain, 1, levels);
}

fn explain(id: &str, doc: &mut Doc) {
    if let Ok(check) = id.parse::<CheckId>().map(CheckId::described) {
        doc.para(Role::Heading, 0, check.title);
        doc.gap();
        doc.para(Role::Plain, 0, check.text);
    } else if let Ok(issue) = id.parse::<KnownIssueId>().map(KnownIssueId::described) {
        doc.para(Role::Heading, 0, issue.title);
        doc.gap();
        doc.para(Role::Plain, 0, issue.text);
        doc.gap();
        doc.field(
            "caused by",
            Role::Plain,
            issue.caused_by.unwrap_or("not known"),
        );
        doc.field(
            "fixed by",
            Role::Plain,
            issue.fixed_by.unwrap_or("not known"),
        );
    } else {
        doc.para(Role::Muted, 0, "nothing more is known of it");
    }
}

fn bookmarks(tab: &Tab, doc: &mut Doc) {
    if tab.bookmarks.is_empty() {
        doc.para(Role::Muted, 0, "none yet: b puts one where you are");
    }
    for mark in &tab.bookmarks {
        let place = cells::column(&safe(&notes::describe(&mark.place)), 28, "~");
        doc.link(
            vec![
                piece(Role::Link, place),
                piece(Role::Plain, format!(" {}", safe(&mark.note))),
            ],
            mark.place.clone(),
        );
    }
}
