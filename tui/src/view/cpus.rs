//! The CPUs as a table, and the evidence on the chosen one.

use virtopsy::report::{CpuReport, EvidenceReport, Says};

use crate::cells;
use crate::doc::{Doc, DocLine, piece, safe};
use crate::model::{CpuSort, Model, Tab};
use crate::place::Place;
use crate::theme::Role;

use super::words;

/// The table's heading.
pub(super) fn title(tab: &Tab) -> String {
    let by = match tab.cpu_sort {
        CpuSort::Number => "number",
        CpuSort::State => "state",
        CpuSort::Reason => "reason",
        CpuSort::Strength => "strength",
        CpuSort::Task => "task",
    };
    let order = if tab.cpu_reverse { ", reversed" } else { "" };
    let filter = if tab.cpu_filter.is_empty() {
        String::new()
    } else {
        format!(", filter: {}", safe(&tab.cpu_filter))
    };
    format!("CPUs by {by}{order}{filter}")
}

/// A row of the table.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let cpus = &tab.report.ready()?.virtualization.cpus;
    let cpu = cpus.get(*tab.cpu_rows.get(row)?)?;
    let label = cpus.last().map_or(1, |c| c.cpu.to_string().len()).max(3);
    let (role, glyph, word) = model.theme.glyphs().cpu(cpu.state, cpu.online);
    let conflict = if cpu.conflict { "!" } else { " " };
    let strength = words::strength_word(cpu.strength);
    let mut pieces = vec![
        piece(Role::Plain, format!(" {:>label$} ", cpu.cpu)),
        piece(role, format!(" {glyph} {word:<8}")),
        piece(Role::Unsure, conflict),
        piece(
            Role::Plain,
            format!(" {:<19}", words::reason_word(cpu.reason)),
        ),
    ];
    if width >= 44 {
        pieces.push(piece(Role::Muted, format!("{strength:<7}")));
    }
    if width >= 60 {
        let task = cpu
            .task
            .as_ref()
            .map_or(String::new(), |t| format!("{} {}", t.comm, t.pid));
        pieces.push(piece(
            Role::Muted,
            cells::cut(
                &task,
                width.saturating_sub(48),
                model.theme.glyphs().ellipsis,
            ),
        ));
    }
    Some(DocLine { pieces, link: None })
}

/// The chosen CPU.
pub(crate) fn detail(model: &Model, tab: &Tab, mut doc: Doc) -> Doc {
    let Some(cpu) = tab.cpu() else {
        doc.para(Role::Muted, 1, "nothing is chosen");
        return doc;
    };
    summary(model, cpu, &mut doc);
    doc.heading("Evidence, in the order of the kernel's events");
    if cpu.evidence.is_empty() {
        doc.para(
            Role::Muted,
            1,
            "none: the dump holds nothing that speaks of this CPU",
        );
    }
    for evidence in &cpu.evidence {
        statement(model, evidence, &mut doc);
    }
    doc
}

fn summary(model: &Model, cpu: &CpuReport, doc: &mut Doc) {
    let mark = model.theme.glyphs().cpu(cpu.state, cpu.online);
    doc.mark(mark, &safe(&cpu.summary), None);
    doc.field("reason", Role::Plain, words::reason_word(cpu.reason));
    doc.field("certainty", Role::Plain, words::strength_word(cpu.strength));
    if cpu.conflict {
        doc.field(
            "conflict",
            Role::Unsure,
            "evidence of equal standing disagrees, or strong evidence disagrees with proof",
        );
    }
    let online = match cpu.online {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    doc.field("online", Role::Plain, online);
    let task = cpu
        .task
        .as_ref()
        .map_or(String::new(), |t| format!("{} (pid {})", t.comm, t.pid));
    doc.field_to("task", Role::Plain, &task, Some(Place::Stack(cpu.cpu)));
    doc.field_to(
        "stack",
        Role::Plain,
        "what stands on its stacks",
        Some(Place::Stack(cpu.cpu)),
    );
}

fn statement(model: &Model, evidence: &EvidenceReport, doc: &mut Doc) {
    let (role, glyph, word) = model.theme.glyphs().says(evidence.says);
    let strength = words::strength_word(evidence.strength);
    let strength = if evidence.says == Says::Neutral {
        String::new()
    } else {
        format!("  {strength}")
    };
    let to = evidence.address.map(|a| Place::Memory(a.0));
    doc.gap();
    let head = vec![
        piece(role, format!(" {glyph} {word:<8}")),
        piece(Role::Heading, evidence.what.id().to_owned()),
        piece(Role::Muted, strength),
    ];
    doc.lines.push(DocLine {
        pieces: head,
        link: to.clone(),
    });
    if let Some(at) = evidence.address {
        let value = evidence
            .value
            .as_deref()
            .map_or(String::new(), |v| format!(" = {}", safe(v)));
        doc.para_to(Role::Link, 3, &format!("{at}{value}"), to.as_ref());
    } else if let Some(value) = &evidence.value {
        doc.para(Role::Plain, 3, &safe(value));
    }
    doc.para_to(Role::Plain, 3, &safe(&evidence.why), to.as_ref());
    if let Some(lies) = &evidence.lies_when {
        doc.para_to(
            Role::Muted,
            3,
            &format!("wrong when {}", safe(lies)),
            to.as_ref(),
        );
    }
}
