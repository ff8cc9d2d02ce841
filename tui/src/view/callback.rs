//! The KVM emergency callback: the way of the pointer, the module, the code.

use virtopsy::report::{CallbackReport, CallbackState};

use crate::doc::{Doc, DocLine, piece, safe, shown};
use crate::model::{Model, Tab};
use crate::place::{Pane, Place};
use crate::remote::Remote;
use crate::source::{CodeRow, Listing};
use crate::theme::Role;

use super::status;

/// The page.
pub(crate) fn page(model: &Model, tab: &Tab, mut doc: Doc) -> Doc {
    let Some(report) = tab.report.ready() else {
        doc.para(
            Role::Muted,
            1,
            &status::waiting_for(model, tab, Pane::Callback),
        );
        return doc;
    };
    doc.mark(
        model.theme.glyphs().callback(report.callback.state),
        &safe(&report.callback.summary),
        None,
    );
    doc.gap();
    chain(model, &report.callback, &mut doc);
    code(model, tab, &mut doc);
    doc
}

/// variable -> pointer -> function -> module, drawn.
fn chain(model: &Model, callback: &CallbackReport, doc: &mut Doc) {
    let Some(variable) = &callback.variable else {
        doc.para(
            Role::Muted,
            1,
            "this kernel has no variable for such a callback",
        );
        return;
    };
    let at = callback.address.map(|a| Place::Memory(a.0));
    let address = callback
        .address
        .map_or("address not known".into(), |a| a.to_string());
    node(
        doc,
        &safe(variable),
        &format!("the variable, at {address}"),
        at,
    );
    let Some(value) = callback.value else {
        arrow(model, doc, "its value can't be read");
        return;
    };
    arrow(model, doc, "holds");
    if value.0 == 0 {
        node(doc, "0x0", "null: nothing is registered", None);
        return;
    }
    let to = Some(Place::Memory(value.0));
    node(doc, &value.to_string(), "the pointer", to.clone());
    arrow(model, doc, "points to");
    let expected = match callback.expected {
        Some(true) => "what KVM registers here",
        Some(false) => "NOT what KVM registers here",
        None => "a function",
    };
    match &callback.symbol {
        Some(symbol) => node(doc, &symbol.to_string(), expected, to),
        None => node(
            doc,
            "(nothing that has a name)",
            "no symbol holds this address",
            to,
        ),
    }
    let state = callback
        .module_state
        .as_deref()
        .unwrap_or("state not known");
    match (&callback.module, callback.state) {
        (Some(module), _) => {
            arrow(model, doc, "in the module");
            let name = module.to_string();
            node(
                doc,
                &name,
                &format!("its state: {}", safe(state)),
                Some(Place::Module(shown(Some(module)))),
            );
        }
        (None, CallbackState::Dangling) => {
            arrow(model, doc, "in no module");
            node(doc, "(nothing)", "the code is gone", None);
        }
        (None, _) => {}
    }
}

fn node(doc: &mut Doc, name: &str, what: &str, to: Option<Place>) {
    let role = if to.is_some() {
        Role::Link
    } else {
        Role::Heading
    };
    let pieces = vec![
        piece(Role::Plain, "   "),
        piece(role, name),
        piece(Role::Muted, format!("   {what}")),
    ];
    doc.lines.push(DocLine { pieces, link: to });
}

fn arrow(model: &Model, doc: &mut Doc, word: &str) {
    let glyphs = model.theme.glyphs();
    doc.line(vec![piece(
        Role::Muted,
        format!("     {} {word}", glyphs.bar),
    )]);
    doc.line(vec![piece(Role::Muted, format!("     {}", glyphs.down))]);
}

fn code(model: &Model, tab: &Tab, doc: &mut Doc) {
    doc.heading("Code, as it stands in the dump");
    match &tab.code {
        Remote::Ready(listings) if listings.is_empty() => {
            doc.para(Role::Muted, 1, "there is none to show");
        }
        Remote::Ready(listings) => listings.iter().for_each(|l| listing(model, l, doc)),
        Remote::Failed(why) => doc.para(Role::Unsure, 1, &safe(why)),
        Remote::Idle | Remote::Waiting(_) => doc.para(Role::Muted, 1, "being read"),
    }
}

fn listing(model: &Model, listing: &Listing, doc: &mut Doc) {
    doc.gap();
    doc.line(vec![piece(
        Role::Heading,
        format!(" {}", safe(&listing.title)),
    )]);
    doc.para(Role::Muted, 1, &safe(&listing.note));
    for row in &listing.rows {
        instruction(model, row, doc);
    }
}

fn instruction(model: &Model, row: &CodeRow, doc: &mut Doc) {
    let arrow = if row.mark.is_empty() {
        "  ".to_owned()
    } else {
        format!("{:2}", model.theme.glyphs().arrow)
    };
    let role = if row.mark.is_empty() {
        Role::Plain
    } else {
        Role::Bad
    };
    let mut pieces = vec![
        piece(role, format!(" {arrow} ")),
        piece(Role::Muted, format!("{:x}  ", row.address)),
        piece(
            if row.mark.is_empty() {
                Role::Plain
            } else {
                Role::Heading
            },
            safe(&row.text),
        ),
    ];
    if let Some((_, name)) = &row.target {
        pieces.push(piece(Role::Link, format!("  <{}>", safe(name))));
    }
    if !row.mark.is_empty() {
        pieces.push(piece(
            Role::Heading,
            format!("  {} {}", model.theme.glyphs().line, row.mark),
        ));
    }
    let to = Place::Memory(row.target.as_ref().map_or(row.address, |(at, _)| *at));
    doc.link(pieces, to);
}
