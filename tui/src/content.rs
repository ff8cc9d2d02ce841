//! What stands in a pane: pages are built whole, tables row by row.

use crate::doc::{Doc, DocLine};
use crate::layout::Areas;
use crate::model::{Mode, Model, Tab};
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
        Pane::Stack => view::stacks::detail(tab, doc),
        Pane::Module => view::modules::detail(tab, doc),
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

/// How many rows a table has; 0 for a page.
pub(crate) fn table_rows(tab: &Tab, pane: Pane) -> usize {
    let report = tab.report.ready();
    match pane {
        Pane::Cpus => tab.cpu_rows.len(),
        Pane::Splats => report.map_or(0, |r| r.splats.len()),
        Pane::Log => tab.log_rows(),
        Pane::Stacks => report.map_or(0, |r| r.virtualization.cpus.len()),
        Pane::Modules => tab.modules.ready().map_or(0, |m| m.len()),
        Pane::Memory => tab.memory.ready().map_or(0, |m| m.words.len()),
        _ => 0,
    }
}

/// How many rows a pane has.
pub(crate) fn rows(model: &Model, pane: Pane) -> usize {
    match document(model, pane) {
        Some(doc) => doc.lines.len(),
        None => model.tab().map_or(0, |tab| table_rows(tab, pane)),
    }
}

/// A row of a table.
fn table_line(model: &Model, tab: &Tab, pane: Pane, row: usize) -> Option<DocLine> {
    let width = width(model, pane);
    match pane {
        Pane::Cpus => view::cpus::row(model, tab, row, width),
        Pane::Splats => view::splats::row(model, tab, row, width),
        Pane::Log => view::log::row(model, tab, row),
        Pane::Stacks => view::stacks::row(model, tab, row, width),
        Pane::Modules => view::modules::row(model, tab, row, width),
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

/// A pane as plain text; it ends soon after `limit` bytes.
pub(crate) fn text(model: &Model, pane: Pane, limit: usize) -> String {
    if let Some(doc) = document(model, pane) {
        return doc.text();
    }
    let Some(tab) = model.tab() else {
        return String::new();
    };
    let mut out = String::new();
    for row in 0..table_rows(tab, pane) {
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
