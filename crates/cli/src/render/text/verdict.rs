//! The verdict's line, which heads the pages that have one.

use virtopsy::report::{DumpReport, Verdict, VirtualizationReport};

use crate::page::{Cell, Page, Tone};
use crate::words;

/// What the evidence on all CPUs comes to.
pub(super) fn headline(page: &mut Page, report: &DumpReport) {
    let virtualization = &report.virtualization;
    let (tone, mark) = words::verdict(virtualization.verdict);
    let (tone, mark) = match words::failed_beside(report) {
        Some(both) => (Tone::Bad, format!("✗ {both}")),
        None => (tone, mark),
    };
    let why = if virtualization.summary.is_empty() {
        counted(virtualization)
    } else {
        virtualization.summary.clone()
    };
    page.hanging(
        &[Cell::new(Tone::Heading, "VERDICT")],
        tone,
        &format!("{mark}: {why}"),
    );
}

/// The verdict in numbers, where the library gave no sentence.
fn counted(virtualization: &VirtualizationReport) -> String {
    let feature = words::feature(virtualization.feature);
    let of = |state| {
        virtualization
            .cpus
            .iter()
            .filter(|cpu| cpu.state == state)
            .count()
    };
    let (off, on) = (
        of(virtopsy::report::CpuState::Off),
        of(virtopsy::report::CpuState::On),
    );
    match virtualization.verdict {
        Verdict::NotApplicable => "the CPUs have neither VMX nor SVM".to_owned(),
        _ => format!(
            "{feature} off on {off}, on on {on} of {}",
            words::count(virtualization.cpus.len(), "CPU")
        ),
    }
}
