//! Two dumps side by side.

use std::collections::BTreeMap;

use virtopsy::report::DumpReport;

use crate::cells;
use crate::doc::{Doc, DocLine, piece, safe, shown};
use crate::model::{Model, Tab};
use crate::place::{Place, View};
use crate::theme::Role;

use super::words;

/// Most CPUs that are named as different.
const MOST: usize = 200;

/// The page.
pub(crate) fn page(model: &Model, tab: &Tab, mut doc: Doc) -> Doc {
    let count = model.tabs.len();
    let next = model
        .active
        .saturating_add(1)
        .checked_rem(count)
        .and_then(|n| model.tabs.get(n));
    let Some(other) = next.filter(|_| count > 1) else {
        doc.para(Role::Muted, 1, "Only one dump is open. `virtopsy open A B` opens two; this view then shows where they differ.");
        return doc;
    };
    let (Some(a), Some(b)) = (tab.report.ready(), other.report.ready()) else {
        for (tab, report) in [(tab, tab.report.ready()), (other, other.report.ready())] {
            let state = match report {
                Some(_) => "examined".into(),
                None => super::status::waiting_for(model, tab, crate::place::Pane::Overview),
            };
            doc.field(&tab.name, Role::Plain, &state);
        }
        return doc;
    };
    let mut table = Table { model, doc };
    table.row("", &tab.name, &other.name);
    table.doc.gap();
    facts(&mut table, a, b);
    checks(&mut table, a, b);
    cpus(&mut table, a, b);
    table.doc
}

struct Table<'a> {
    model: &'a Model,
    doc: Doc,
}

impl Table<'_> {
    /// A row; a mark says where the two differ.
    fn row(&mut self, label: &str, a: &str, b: &str) {
        self.row_to(label, a, b, None);
    }

    /// A row that leads somewhere in the dump on screen.
    fn row_to(&mut self, label: &str, a: &str, b: &str, to: Option<Place>) {
        let indent = if self.doc.width < 60 { 11 } else { 20 };
        let half = self.doc.width.saturating_sub(indent).saturating_sub(4) / 2;
        let (left, right) = (cells::wrap(a, half), cells::wrap(b, half));
        let differs = a != b && !label.is_empty();
        let role = if differs { Role::Unsure } else { Role::Plain };
        for line in 0..left.len().max(right.len()) {
            let label = if line == 0 { label } else { "" };
            let mark = match (differs && line == 0, self.model.theme.ascii) {
                (false, _) => " ",
                (true, true) => "#",
                (true, false) => "≠",
            };
            let cell = |side: &[String]| {
                cells::column(side.get(line).map_or("", String::as_str), half, "")
            };
            let pieces = vec![
                piece(
                    Role::Muted,
                    cells::column(
                        &format!(" {label}"),
                        indent,
                        self.model.theme.glyphs().ellipsis,
                    ),
                ),
                piece(Role::Unsure, format!("{mark} ")),
                piece(role, cell(&left)),
                piece(Role::Plain, "  "),
                piece(role, cell(&right)),
            ];
            self.doc.lines.push(DocLine {
                pieces,
                link: to.clone(),
            });
        }
    }
}

fn facts(table: &mut Table<'_>, a: &DumpReport, b: &DumpReport) {
    let glyphs = table.model.theme.glyphs();
    let text = |value: &Option<String>| value.as_deref().map_or(String::new(), safe);
    table.row(
        "verdict",
        glyphs.verdict(a.virtualization.verdict).2,
        glyphs.verdict(b.virtualization.verdict).2,
    );
    table.row(
        "why",
        &safe(&a.virtualization.summary),
        &safe(&b.virtualization.summary),
    );
    table.row(
        "kernel",
        &shown(a.release.as_ref()),
        &shown(b.release.as_ref()),
    );
    table.row("build-id", &text(&a.build_id), &text(&b.build_id));
    table.row(
        "extension",
        words::feature_word(a.virtualization.feature),
        words::feature_word(b.virtualization.feature),
    );
    table.row(
        "layout",
        &text(&a.virtualization.era),
        &text(&b.virtualization.era),
    );
    table.row(
        "CPUs",
        &a.virtualization.cpus.len().to_string(),
        &b.virtualization.cpus.len().to_string(),
    );
    let reason = |r: &DumpReport| shown(r.crash.as_ref().and_then(|c| c.reason.as_ref()));
    table.row("crash", &reason(a), &reason(b));
    table.row_to(
        "callback",
        glyphs.callback(a.callback.state).2,
        glyphs.callback(b.callback.state).2,
        Some(Place::View(View::Callback)),
    );
    table.row(
        "function",
        &shown(a.callback.symbol.as_ref()),
        &shown(b.callback.symbol.as_ref()),
    );
    let splats = |r: &DumpReport| {
        r.splats
            .iter()
            .map(|s| safe(&s.title))
            .collect::<Vec<_>>()
            .join("; ")
    };
    table.row_to(
        "lock reports",
        &splats(a),
        &splats(b),
        Some(Place::View(View::Splats)),
    );
    let issues = |r: &DumpReport| {
        r.known_issues
            .iter()
            .map(|i| i.id.id())
            .collect::<Vec<_>>()
            .join(", ")
    };
    table.row("known issues", &issues(a), &issues(b));
}

fn checks(table: &mut Table<'_>, a: &DumpReport, b: &DumpReport) {
    table.doc.heading("Checks");
    let word = |r: &DumpReport, id| {
        let check = r.checks.iter().find(|c| c.id == id);
        check.map_or("", |c| table_word(table.model, c.verdict))
    };
    let rows: Vec<(String, &str, &str)> = a
        .checks
        .iter()
        .map(|c| (c.id.id().to_owned(), word(a, c.id), word(b, c.id)))
        .collect();
    for (id, left, right) in rows {
        let to = Place::Explain(id.clone());
        table.row_to(&id, left, right, Some(to));
    }
}

fn table_word(model: &Model, verdict: virtopsy::report::CheckVerdict) -> &'static str {
    model.theme.glyphs().check(verdict).2
}

fn cpus(table: &mut Table<'_>, a: &DumpReport, b: &DumpReport) {
    table.doc.heading("CPUs that differ");
    let words = |r: &DumpReport| -> BTreeMap<u32, String> {
        let glyphs = table.model.theme.glyphs();
        let word = |c: &virtopsy::report::CpuReport| {
            format!(
                "{}, {}",
                glyphs.cpu(c.state, c.online).2,
                words::reason_word(c.reason)
            )
        };
        r.virtualization
            .cpus
            .iter()
            .map(|c| (c.cpu, word(c)))
            .collect()
    };
    let (left, right) = (words(a), words(b));
    let all: std::collections::BTreeSet<u32> = left.keys().chain(right.keys()).copied().collect();
    let different: Vec<u32> = all
        .into_iter()
        .filter(|c| left.get(c) != right.get(c))
        .collect();
    for cpu in different.iter().take(MOST) {
        let word = |side: &BTreeMap<u32, String>| {
            side.get(cpu).cloned().unwrap_or_else(|| "not there".into())
        };
        let to = left.contains_key(cpu).then_some(Place::Cpu(*cpu));
        table.row_to(&format!("CPU {cpu}"), &word(&left), &word(&right), to);
    }
    if different.is_empty() {
        table.doc.para(Role::Muted, 1, "none");
    } else if different.len() > MOST {
        table.doc.para(
            Role::Muted,
            1,
            &format!("and {} more", different.len().saturating_sub(MOST)),
        );
    }
}
