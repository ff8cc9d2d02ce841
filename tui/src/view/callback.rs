//! The KVM emergency callback: the way of the pointer, the module, the code.

use virtopsy::report::{CallbackReport, CallbackState};

use crate::doc::{Doc, DocLine, piece, safe, shown};
use crate::model::{Model, Tab};
use crate::place::{Pane, Place};
use crate::remote::Remote;
use crate::theme::Role;
use virtopsy::{CodeRow, Listing};

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
    doc.heading("Pointer");
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
    let down = model.theme.glyphs().down;
    doc.line(vec![piece(Role::Muted, format!("     {down} {word}"))]);
}

fn code(model: &Model, tab: &Tab, doc: &mut Doc) {
    match &tab.code {
        Remote::Ready(listings) if listings.is_empty() => {
            doc.heading("Code, as it stands in the dump");
            doc.para(
                Role::Muted,
                1,
                "none of the functions on the way to the callback is in the dump",
            );
        }
        Remote::Ready(listings) => {
            path(model, listings, doc);
            listings.iter().for_each(|l| listing(model, tab, l, doc));
        }
        Remote::Failed(why) => {
            doc.heading("Code, as it stands in the dump");
            doc.para(Role::Unsure, 1, &safe(why));
        }
        Remote::Idle | Remote::Waiting(_) => {
            doc.heading("Code, as it stands in the dump");
            doc.para(Role::Muted, 1, "being read");
        }
    }
}

/// Who calls whom on the way to the callback: each function, and its steps.
fn path(model: &Model, listings: &[Listing], doc: &mut Doc) {
    doc.heading("Call path, as the code in the dump has it");
    for listing in listings {
        let first = listing.instructions.first().map(|row| row.address.0);
        node(doc, &safe(&listing.function), "", first.map(Place::Memory));
        for row in listing.instructions.iter().filter(|row| row.step.is_some()) {
            let offset = row.address.0.wrapping_sub(first.unwrap_or(row.address.0));
            let target = row.target.as_ref();
            let name = target.map_or(String::new(), |target| format!(" {}", safe(&target.name)));
            let text = format!(
                "     {} +{offset:#x} {}{name}",
                model.theme.glyphs().down,
                row.step.unwrap_or_default()
            );
            doc.link(vec![piece(Role::Muted, text)], Place::Memory(row.address.0));
        }
    }
}

fn listing(model: &Model, tab: &Tab, listing: &Listing, doc: &mut Doc) {
    let glyphs = model.theme.glyphs();
    let name = format!("Code of {}", safe(&listing.function));
    let open = !tab.folded.contains(&name);
    let glyph = if open { glyphs.open } else { glyphs.folded };
    if !doc.fold(&name, Some(listing.instructions.len()), open, glyph) {
        return;
    }
    doc.para(Role::Muted, 3, &safe(&listing.note));
    let mut left_out: Option<(u64, usize)> = None;
    for (number, row) in listing.instructions.iter().enumerate() {
        if is_near_a_step(&listing.instructions, number) {
            elision(model, &mut left_out, doc);
            doc.lines.push(instruction(model, row, false));
        } else {
            let (_, count) = left_out.get_or_insert((row.address.0, 0));
            *count = count.saturating_add(1);
        }
    }
    elision(model, &mut left_out, doc);
}

/// Instructions around a step that are shown.
const AROUND: usize = 3;
/// Instructions of a function without steps that are shown.
const BEGINNING: usize = 12;

fn is_near_a_step(rows: &[CodeRow], number: usize) -> bool {
    let near = rows
        .iter()
        .skip(number.saturating_sub(AROUND))
        .take(AROUND.saturating_mul(2).saturating_add(1))
        .any(|row| row.step.is_some());
    near || (number < BEGINNING && rows.iter().all(|row| row.step.is_none()))
}

/// What is left out of a listing; Enter shows it.
fn elision(model: &Model, left_out: &mut Option<(u64, usize)>, doc: &mut Doc) {
    if let Some((address, count)) = left_out.take() {
        let dots = model.theme.glyphs().ellipsis;
        let text = format!(
            "    {dots} {} left out",
            super::words::count(count, "instruction")
        );
        doc.link(vec![piece(Role::Muted, text)], Place::Memory(address));
    }
}

/// A line of a listing; `here` marks it where it is what was asked for.
pub(super) fn instruction(model: &Model, row: &CodeRow, here: bool) -> DocLine {
    let marked = here || row.step.is_some();
    let glyphs = model.theme.glyphs();
    let (arrow, role, text) = if marked {
        (glyphs.arrow, Role::Bad, Role::Heading)
    } else {
        ("", Role::Plain, Role::Plain)
    };
    let mut pieces = vec![
        piece(role, format!(" {arrow:2} ")),
        piece(Role::Muted, format!("{:x}  ", row.address.0)),
        piece(text, safe(&row.text)),
    ];
    if let Some(target) = &row.target {
        pieces.push(piece(Role::Link, format!("  <{}>", safe(&target.name))));
    }
    if let Some(step) = row.step {
        pieces.push(piece(Role::Heading, format!("  {} {step}", glyphs.line)));
    }
    let to = row
        .target
        .as_ref()
        .map_or(row.address.0, |target| target.address.0);
    DocLine {
        pieces,
        link: Some(Place::Memory(to)),
    }
}
