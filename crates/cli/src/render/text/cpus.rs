//! CPUs: the table of their states, and how one came to its state.

use virtopsy::report::{
    CpuReport, DumpReport, EvidenceReport, Says, StoryStep, VirtualizationReport,
};

use super::verdict::headline;
use crate::page::{Cell, Page, Tone};
use crate::terminal::Look;
use crate::words::{self, word};

/// More CPUs than this are shown in runs of like ones.
const MANY_CPUS: usize = 32;

/// The page of `cpus`.
pub(crate) fn cpus(report: &DumpReport, look: Look) -> String {
    let mut page = Page::new(look);
    headline(&mut page, report);
    page.blank();
    cpu_table(&mut page, &report.virtualization, false);
    page.finish()
}

/// The page of `cpus --explain N`.
pub(crate) fn cpu(cpu: &CpuReport, look: Look) -> String {
    let mut page = Page::new(look);
    cpu_story(&mut page, cpu);
    page.finish()
}

/// The CPUs, one a row; with `merge`, many of them in runs of like ones.
pub(super) fn cpu_table(page: &mut Page, virtualization: &VirtualizationReport, merge: bool) {
    let cpus = &virtualization.cpus;
    let merge = merge && cpus.len() > MANY_CPUS;
    // The first CPU of each row, and the numbers of all.
    let mut rows: Vec<(&CpuReport, Vec<u32>)> = Vec::new();
    for cpu in cpus {
        let mut rows_so_far = rows.iter_mut().filter(|_| merge);
        match rows_so_far.find(|(first, _)| are_alike(first, cpu)) {
            Some((_, numbers)) => numbers.push(cpu.cpu),
            None => rows.push((cpu, vec![cpu.cpu])),
        }
    }
    let row = |(first, numbers): (&CpuReport, Vec<u32>)| {
        std::iter::once(Cell::from(virtopsy::report::ranges(&numbers)))
            .chain(cpu_cells(first, merge))
            .collect()
    };
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(row).collect();
    let feature = words::feature(virtualization.feature);
    page.table(
        2,
        &["CPU", feature, "REASON", "STRENGTH", "TASK", "DECIDED BY"],
        &rows,
    );
}

fn are_alike(a: &CpuReport, b: &CpuReport) -> bool {
    let key = |cpu: &CpuReport| {
        (
            cpu.state,
            cpu.reason,
            cpu.strength,
            cpu.conflict,
            cpu.online,
        )
    };
    key(a) == key(b) && deciding(a).map(|e| e.what) == deciding(b).map(|e| e.what)
}

fn cpu_cells(cpu: &CpuReport, merged: bool) -> Vec<Cell> {
    let (tone, state) = words::cpu(cpu.state);
    let task = cpu
        .task
        .as_ref()
        .filter(|_| !merged)
        .map_or_else(|| "–".to_owned(), |t| format!("{} {}", t.comm, t.pid));
    let mut decided = match deciding(cpu) {
        Some(evidence) if merged => evidence.what.id().to_owned(),
        Some(evidence) => short_fact(evidence),
        None => "nothing in the dump decides".to_owned(),
    };
    if cpu.conflict {
        decided.push_str(" (evidence conflicts)");
    }
    let reason = word(&cpu.reason);
    vec![
        Cell::new(tone, state),
        reason.into(),
        word(&cpu.strength).into(),
        task.into(),
        decided.into(),
    ]
}

/// The strongest evidence that says what the state is.
fn deciding(cpu: &CpuReport) -> Option<&EvidenceReport> {
    let says = match cpu.state {
        virtopsy::report::CpuState::Off => Says::Off,
        virtopsy::report::CpuState::On => Says::On,
        virtopsy::report::CpuState::Unknown => return None,
    };
    let agrees = cpu.evidence.iter().filter(|evidence| evidence.says == says);
    // Of equals, the first in the order of events.
    agrees.rev().max_by_key(|evidence| evidence.strength)
}

/// The evidence as far as a table has room for it; its story tells all.
fn short_fact(evidence: &EvidenceReport) -> String {
    match &evidence.value {
        Some(value) if evidence.what.id().len() + value.len() <= 17 => fact(evidence),
        _ => evidence.what.id().to_owned(),
    }
}

fn fact(evidence: &EvidenceReport) -> String {
    match &evidence.value {
        Some(value) => format!("{} = {value}", evidence.what),
        None => evidence.what.id().to_owned(),
    }
}

/// The steps of a story; one that goes on is named once.
fn story<'a>(steps: &'a [StoryStep]) -> Vec<(&'a str, String)> {
    let mut last = None;
    let named = |step: &'a StoryStep| {
        let when = step.when.as_str();
        let again = last.replace(when) == Some(when);
        (if again { "" } else { when }, step.text.clone())
    };
    steps.iter().map(named).collect()
}

/// How one CPU came to its state: the story, then all evidence, in the order of events.
pub(super) fn cpu_story(page: &mut Page, cpu: &CpuReport) {
    let (tone, state) = words::cpu(cpu.state);
    let told = format!(
        "{state} ({}, {}): {}",
        word(&cpu.reason),
        word(&cpu.strength),
        cpu.summary
    );
    page.hanging(
        &[Cell::new(Tone::Heading, format!("CPU {}", cpu.cpu))],
        tone,
        &told,
    );
    if let Some(task) = &cpu.task {
        page.fields(&[("task", words::task(task))]);
    }
    if cpu.conflict {
        page.paragraph(
            2,
            Tone::Unsure,
            "? The evidence conflicts: all of it stands below.",
        );
    }
    if cpu.evidence.is_empty() {
        page.paragraph(
            2,
            Tone::Unsure,
            "? The dump holds no evidence for this CPU.",
        );
    }
    if !cpu.story.is_empty() {
        page.fields(&story(&cpu.story));
        page.line(2, Tone::Heading, "evidence");
    }
    for (number, evidence) in (1..).zip(&cpu.evidence) {
        story_step(page, number, evidence);
    }
}

fn story_step(page: &mut Page, number: usize, evidence: &EvidenceReport) {
    let tone = match evidence.says {
        Says::Off => Tone::Good,
        Says::On => Tone::Bad,
        Says::Neutral => Tone::Plain,
    };
    let says = match evidence.says {
        Says::Neutral => "frames the others".to_owned(),
        says => format!("says {} ({})", word(&says), word(&evidence.strength)),
    };
    let address = evidence
        .address
        .map(|address| format!(" at {address}"))
        .unwrap_or_default();
    page.hanging(
        &[format!("  {number}.").into()],
        tone,
        &format!("{}{address}: {says}", fact(evidence)),
    );
    page.paragraph(6, Tone::Plain, &evidence.why);
    if let Some(unless) = &evidence.lies_when {
        page.paragraph(6, Tone::Muted, &format!("Wrong when: {unless}"));
    }
}
