//! The overview: the verdict, large; the CPUs at a glance; what else was found, and what is missing.

use virtopsy::report::{CheckVerdict, CpuState, DumpReport, ErrorReport};

use crate::doc::{Doc, piece, safe, shown};
use crate::model::{Model, Tab};
use crate::place::{Place, View};
use crate::remote::Remote;
use crate::theme::Role;

use super::{banner, cpu_map, status, words};

/// Most problem CPUs that are listed by name.
const MOST_CPUS: usize = 12;

/// The page.
pub(crate) fn page(model: &Model, tab: &Tab, mut doc: Doc) -> Doc {
    if let Remote::Ready(Err(error)) = &tab.opened {
        failed(model, error, &mut doc);
        return doc;
    }
    let Some(report) = tab.report.ready() else {
        waiting(model, tab, &mut doc);
        return doc;
    };
    if let Some(error) = &report.error {
        failed(model, error, &mut doc);
    }
    verdict(model, report, &mut doc);
    cpus(model, report, &mut doc);
    crash(report, &mut doc);
    callback(model, report, &mut doc);
    splats(model, report, &mut doc);
    issues(model, report, &mut doc);
    checks(model, report, &mut doc);
    missing(report, &mut doc);
    bookmarks(tab, &mut doc);
    about(report, &mut doc);
    doc
}

fn failed(model: &Model, error: &ErrorReport, doc: &mut Doc) {
    banner::draw(
        model,
        (Role::Bad, "!", "CAN'T BE OPENED"),
        &error.message.to_string(),
        doc,
    );
    doc.field("kind", Role::Plain, &safe(&error.kind));
    doc.gap();
    doc.para(
        Role::Muted,
        1,
        "r tries again; q leaves. `virtopsy report -v DUMP` says what was tried.",
    );
}

fn waiting(model: &Model, tab: &Tab, doc: &mut Doc) {
    let spinner = model.theme.glyphs().spinner;
    let glyph = spinner
        .get(model.ticks.checked_rem(spinner.len()).unwrap_or(0))
        .copied()
        .unwrap_or_default();
    let text = status::waiting_for(model, tab, crate::place::Pane::Overview);
    let failed = matches!(tab.report, Remote::Failed(_)) || matches!(tab.opened, Remote::Failed(_));
    let mark = if failed {
        (Role::Bad, "!", "NO REPORT")
    } else {
        (Role::Muted, glyph, "EXAMINING")
    };
    banner::draw(model, mark, &text, doc);
    if let Some(Ok(opened)) = tab.opened.ready() {
        doc.field("kernel", Role::Plain, &shown(opened.release.as_ref()));
        doc.field("format", Role::Plain, &opened.format);
        doc.field("problem", Role::Bad, &shown(opened.kernel_error.as_ref()));
    }
}

fn verdict(model: &Model, report: &DumpReport, doc: &mut Doc) {
    let virtualization = &report.virtualization;
    let glyphs = model.theme.glyphs();
    let mark = glyphs.verdict(virtualization.verdict);
    let failed = report.failed_beside_verdict();
    if failed == 0 {
        banner::draw(model, mark, &virtualization.summary, doc);
        return;
    }
    // The word is that of the CPUs, its colour that of the whole.
    let checks = words::count(failed, "check");
    let sentence = format!("{checks} failed; {}", virtualization.summary);
    banner::draw(model, (Role::Bad, glyphs.fail, mark.2), &sentence, doc);
}

fn cpus(model: &Model, report: &DumpReport, doc: &mut Doc) {
    let all = &report.virtualization.cpus;
    if all.is_empty() {
        return;
    }
    let online = report
        .cpus_online
        .map_or(String::new(), |n| format!(", {n} online"));
    doc.heading(&format!(
        "{} on {}{online}",
        words::feature_word(report.virtualization.feature),
        words::count(all.len(), "CPU")
    ));
    let (width, height) = (doc.width, usize::from(model.size.1));
    cpu_map::draw(model.theme, all, width, (height / 3).max(2), doc);
    let problems = all
        .iter()
        .filter(|c| c.state != CpuState::Off || c.conflict);
    for cpu in problems.clone().take(MOST_CPUS) {
        let mark = model.theme.glyphs().cpu(cpu.state, cpu.online);
        doc.mark(mark, &safe(&cpu.summary), Some(Place::Cpu(cpu.cpu)));
    }
    let more = problems.count().saturating_sub(MOST_CPUS);
    if more > 0 {
        doc.link(
            vec![piece(
                Role::Link,
                format!(" and {} more", words::count(more, "CPU")),
            )],
            Place::View(View::Cpus),
        );
    }
}

fn crash(report: &DumpReport, doc: &mut Doc) {
    let Some(crash) = &report.crash else { return };
    doc.heading("Crash");
    doc.field("reason", Role::Plain, &shown(crash.reason.as_ref()));
    let task = crash
        .task
        .as_ref()
        .map_or(String::new(), |t| format!(", {} (pid {})", t.comm, t.pid));
    if let Some(cpu) = crash.cpu {
        doc.field_to(
            "on",
            Role::Plain,
            &format!("CPU {cpu}{task}"),
            Some(Place::Cpu(cpu)),
        );
    }
    let shootdown = &crash.nmi_shootdown;
    let said = match (shootdown.ran, shootdown.missing_cpus.as_slice()) {
        (None, _) => "whether the other CPUs were stopped is not known".into(),
        (Some(false), _) => "the NMI that stops the other CPUs was not used".into(),
        (Some(true), []) => "every other CPU answered the NMI".into(),
        (Some(true), missing) => format!(
            "{} never answered the NMI: {}",
            words::count(missing.len(), "CPU"),
            list(missing)
        ),
    };
    let role = if shootdown.missing_cpus.is_empty() {
        Role::Plain
    } else {
        Role::Bad
    };
    let to = shootdown.missing_cpus.first().map(|c| Place::Cpu(*c));
    match to {
        Some(to) => doc.field_to("stopped", role, &said, Some(to)),
        None => doc.field("stopped", role, &said),
    }
}

/// The first numbers, and how many more there are.
fn list(cpus: &[u32]) -> String {
    let first: Vec<String> = cpus.iter().take(MOST_CPUS).map(u32::to_string).collect();
    let more = cpus.len().saturating_sub(MOST_CPUS);
    if more > 0 {
        format!("{} and {more} more", first.join(", "))
    } else {
        first.join(", ")
    }
}

fn callback(model: &Model, report: &DumpReport, doc: &mut Doc) {
    let callback = &report.callback;
    doc.heading("Emergency callback");
    let to = Some(Place::View(View::Callback));
    doc.mark(
        model.theme.glyphs().callback(callback.state),
        &safe(&callback.summary),
        to,
    );
}

fn splats(model: &Model, report: &DumpReport, doc: &mut Doc) {
    if report.splats.is_empty() {
        return;
    }
    doc.heading(&format!(
        "Lock reports in the log ({})",
        report.splats.len()
    ));
    for (number, splat) in report.splats.iter().enumerate().take(MOST_CPUS) {
        let mark = (Role::Bad, model.theme.glyphs().fail, splat.kind.name());
        doc.mark(mark, &safe(&splat.title), Some(Place::Splat(number)));
    }
    let more = report.splats.len().saturating_sub(MOST_CPUS);
    if more > 0 {
        doc.link(
            vec![piece(Role::Link, format!(" and {more} more"))],
            Place::View(View::Splats),
        );
    }
}

fn issues(model: &Model, report: &DumpReport, doc: &mut Doc) {
    if report.known_issues.is_empty() {
        return;
    }
    doc.heading("Known issues");
    for issue in &report.known_issues {
        let to = Place::Explain(issue.id.id().into());
        doc.mark(
            (Role::Bad, model.theme.glyphs().fail, "known"),
            &safe(&issue.title),
            Some(to.clone()),
        );
        doc.para_to(Role::Muted, 4, &safe(&issue.because), Some(&to));
        if let Some(commit) = &issue.fixed_by {
            doc.para_to(
                Role::Muted,
                4,
                &format!("fixed by {}", safe(commit)),
                Some(&to),
            );
        }
    }
}

fn checks(model: &Model, report: &DumpReport, doc: &mut Doc) {
    if report.checks.is_empty() {
        return;
    }
    doc.heading("Checks");
    for check in &report.checks {
        let (role, glyph, word) = model.theme.glyphs().check(check.verdict);
        let text = match check.verdict {
            CheckVerdict::Pass => check.id.id().into(),
            _ => format!("{}: {}", check.id, safe(&check.summary)),
        };
        doc.mark(
            (role, glyph, word),
            &text,
            Some(Place::Explain(check.id.id().into())),
        );
    }
}

fn missing(report: &DumpReport, doc: &mut Doc) {
    if report.notes.is_empty() && report.incomplete_because.is_empty() {
        return;
    }
    doc.heading("What is missing, and other notes");
    for why in &report.incomplete_because {
        doc.para(Role::Unsure, 1, &safe(why));
    }
    for note in &report.notes {
        doc.para(Role::Plain, 1, &note.to_string());
    }
}

fn bookmarks(tab: &Tab, doc: &mut Doc) {
    if tab.bookmarks.is_empty() {
        return;
    }
    doc.heading(&format!("Your bookmarks ({})", tab.bookmarks.len()));
    for mark in &tab.bookmarks {
        let place = safe(&crate::notes::describe(&mark.place));
        doc.field_to(&place, Role::Plain, &note(mark), Some(mark.place.clone()));
    }
}

fn note(mark: &crate::notes::Bookmark) -> String {
    if mark.note.is_empty() {
        "(no note)".into()
    } else {
        safe(&mark.note)
    }
}

fn about(report: &DumpReport, doc: &mut Doc) {
    doc.heading("Dump");
    doc.field("kernel", Role::Plain, &shown(report.release.as_ref()));
    doc.field(
        "build-id",
        Role::Plain,
        &safe(report.build_id.as_deref().unwrap_or_default()),
    );
    let compression = if report.compression.is_empty() {
        String::new()
    } else {
        format!(", {}", report.compression.join(", "))
    };
    doc.field(
        "format",
        Role::Plain,
        &safe(&format!(
            "{}{compression}",
            report.format.as_deref().unwrap_or_default()
        )),
    );
    let origin = match report.origin {
        virtopsy::report::Origin::Kdump => "written by the crash kernel (kdump)",
        virtopsy::report::Origin::Hypervisor => "taken by a hypervisor",
        virtopsy::report::Origin::Live => "the running machine",
        virtopsy::report::Origin::Unknown => "not known",
    };
    doc.field("origin", Role::Plain, origin);
    doc.field(
        "layout",
        Role::Plain,
        &safe(report.virtualization.era.as_deref().unwrap_or_default()),
    );
    let types = report.types_from.as_deref().unwrap_or("none");
    let symbols = report.symbols_from.as_deref().unwrap_or("none");
    doc.field(
        "read by",
        Role::Plain,
        &safe(&format!("types: {types}; symbols: {symbols}")),
    );
    if let Some(log) = &report.log {
        let gone = if log.overwritten > 0 {
            format!(", {} older ones overwritten", log.overwritten)
        } else {
            String::new()
        };
        doc.field_to(
            "log",
            Role::Plain,
            &format!("{} records{gone}", log.records),
            Some(Place::View(View::Log)),
        );
    }
}
