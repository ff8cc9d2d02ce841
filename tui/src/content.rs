//! What stands in a pane: pages are built whole, tables row by row.

use crate::doc::{Doc, DocLine};
use crate::layout::Areas;
use crate::model::{Mode, Model, Shape, Tab};
use crate::place::Pane;
use crate::view;

/// Cells that a pane's rows have.
fn width(model: &Model, pane: Pane) -> usize {
    usize::from(Areas::of(model).rows(pane).width)
}

/// The page of a pane; `None` for a table.
pub(crate) fn document(model: &Model, pane: Pane) -> Option<Doc> {
    let tab = model.tab()?;
    let doc = Doc::new(width(model, pane));
    Some(match pane {
        Pane::Overview => view::overview::page(model, tab, doc),
        Pane::Cpu => view::cpus::detail(model, tab, doc),
        Pane::Callback => view::callback::page(model, tab, doc),
        Pane::Splat => view::splats::detail(model, tab, doc),
        Pane::Stack => view::stacks::detail(model, tab, doc),
        Pane::Module => view::machines::detail(tab, doc),
        Pane::Compare => view::compare::page(model, tab, doc),
        Pane::Overlay => match &model.mode {
            Mode::Overlay(overlay) => view::help::page(model, tab, overlay, doc),
            _ => doc,
        },
        Pane::Cpus | Pane::Splats | Pane::Log | Pane::Stacks | Pane::Modules | Pane::Memory => {
            return None;
        }
    })
}

/// How many rows a pane has, and the first that the cursor can be on.
pub(crate) fn extent(model: &Model, pane: Pane) -> (usize, usize) {
    match document(model, pane) {
        Some(doc) => {
            let last = doc.lines.len().saturating_sub(1);
            (doc.lines.len(), doc.first.min(last))
        }
        None => (model.tab().map_or(0, |tab| tab.table_rows(pane)), 0),
    }
}

/// How many rows a pane has.
pub(crate) fn rows(model: &Model, pane: Pane) -> usize {
    extent(model, pane).0
}

/// A row of a table.
fn table_line(model: &Model, tab: &Tab, pane: Pane, row: usize) -> Option<DocLine> {
    let width = width(model, pane);
    match pane {
        Pane::Cpus => view::cpus::row(model, tab, row, width),
        Pane::Splats => view::splats::row(model, tab, row, width),
        Pane::Log => view::log::row(model, tab, row),
        Pane::Stacks => view::stacks::row(model, tab, row, width),
        Pane::Modules => view::machines::row(model, tab, row, width),
        Pane::Memory => view::memory::row(model, tab, row, width),
        _ => None,
    }
}

/// A row of a pane.
pub(crate) fn line(model: &Model, pane: Pane, row: usize) -> Option<DocLine> {
    match document(model, pane) {
        Some(doc) => doc.lines.into_iter().nth(row),
        None => table_line(model, model.tab()?, pane, row),
    }
}

/// The rows of a pane that are in sight: only these are built, where it is a table.
pub(crate) fn visible(model: &Model, pane: Pane, top: usize, height: usize) -> Vec<DocLine> {
    match document(model, pane) {
        Some(doc) => doc.lines.into_iter().skip(top).take(height).collect(),
        None => {
            let Some(tab) = model.tab() else {
                return Vec::new();
            };
            (top..top.saturating_add(height))
                .map_while(|row| table_line(model, tab, pane, row))
                .collect()
        }
    }
}

/// The instruction in a row of a pane: of a listing its own, not where it leads.
pub(crate) fn code_at(model: &Model, pane: Pane, row: usize) -> Option<u64> {
    let tab = model.tab()?;
    if pane != Pane::Memory || tab.shape() != Shape::Code {
        return None;
    }
    let code = tab.memory.ready()?.code.as_ref()?;
    code.instructions.get(row).map(|row| row.address.0)
}

/// A pane as plain text; it ends soon after `limit` bytes.
pub(crate) fn text(model: &Model, pane: Pane, limit: usize) -> String {
    if let Some(doc) = document(model, pane) {
        return doc.text();
    }
    let Some(tab) = model.tab() else {
        return String::new();
    };
    let mut out = String::new();
    for row in 0..tab.table_rows(pane) {
        if out.len() > limit {
            break;
        }
        if let Some(line) = table_line(model, tab, pane, row) {
            out.push_str(line.text().trim_end());
            out.push('\n');
        }
    }
    out
}
