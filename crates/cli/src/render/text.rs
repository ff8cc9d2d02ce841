//! Text for reading: one line for each dump of a batch, and the pages about one dump.

use std::io::Write;

use virtopsy::klog::{LogFacts, Splat, graph, print};
use virtopsy::report::{
    CallbackReport, CheckVerdict, CpuReport, DumpReport, EvidenceReport, Says, StoryStep, Summary,
    TaskReport, Verdict, VirtualizationReport,
};

use super::Render;
use crate::judge::Judged;
use crate::page::{Cell, Page, Tone, clean};
use crate::terminal::Look;
use crate::words::{self, word};

/// More CPUs than this are shown in runs of like ones.
const MANY_CPUS: usize = 32;
/// Frames of a backtrace that a report shows.
const FIRST_FRAMES: usize = 6;

/// One line for each dump: path, verdict, why, and the checks that did not pass.
#[derive(Debug)]
pub(crate) struct Lines {
    look: Look,
}

impl Lines {
    pub(crate) fn new(look: Look) -> Lines {
        Lines { look }
    }
}

impl Render for Lines {
    fn dump(&mut self, out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()> {
        let mut page = Page::new(self.look);
        let (tone, mark) = words::check(judged.counted);
        let line = format!(
            "{}: {mark}: {}{}",
            judged.report.path,
            why(judged),
            others(judged)
        );
        page.line(0, tone, &line);
        out.write_all(page.finish().as_bytes())?;
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        let Summary {
            dumps,
            pass,
            fail,
            inconclusive,
            error,
        } = summary;
        if *dumps != 1 {
            let line = format!(
                "{dumps} dumps: {pass} pass, {fail} fail, {inconclusive} inconclusive, {error} error"
            );
            writeln!(out, "{}", clean(&line, self.look.unicode))?;
        }
        Ok(())
    }
}

/// The sentence that goes with what a dump counts as.
fn why(judged: &Judged) -> String {
    let report = &judged.report;
    if let Some(error) = &report.error {
        let message = error.message.to_string();
        // The line opens with the path already.
        let message = message
            .strip_prefix(&format!("{}: ", report.path))
            .unwrap_or(&message);
        return format!("{}: {message}", error.kind);
    }
    let first = report
        .checks
        .iter()
        .find(|c| c.verdict == judged.counted && !judged.advisory.contains(&c.id));
    let summary = first
        .or(report.checks.first())
        .map_or("no check was selected", |check| &check.summary);
    summary.trim_end_matches('.').to_owned()
}

/// ` [fail: a, b; inconclusive: c]`
fn others(judged: &Judged) -> String {
    let group = |name: &str, pick: &dyn Fn(CheckVerdict, bool) -> bool| {
        let checks = judged.report.checks.iter();
        let ids = checks
            .filter(|c| pick(c.verdict, judged.advisory.contains(&c.id)))
            .map(|c| c.id.as_str());
        let ids = ids.collect::<Vec<_>>().join(", ");
        (!ids.is_empty()).then(|| format!("{name}: {ids}"))
    };
    let groups = [
        group("error", &|verdict, _| verdict == CheckVerdict::Error),
        group("fail", &|verdict, advisory| {
            verdict == CheckVerdict::Fail && !advisory
        }),
        group("inconclusive", &|verdict, advisory| {
            verdict == CheckVerdict::Inconclusive && !advisory
        }),
        group("warning", &|verdict, advisory| {
            advisory && matches!(verdict, CheckVerdict::Fail | CheckVerdict::Inconclusive)
        }),
    ];
    let groups: Vec<String> = groups.into_iter().flatten().collect();
    if groups.is_empty() {
        String::new()
    } else {
        format!(" [{}]", groups.join("; "))
    }
}

/// Everything about one dump.
pub(crate) fn report(report: &DumpReport, look: Look, verbose: bool) -> String {
    let mut page = Page::new(look);
    if let Some(error) = &report.error {
        let message = format!("! {}: {}", error.kind, error.message);
        page.hanging(&[Cell::new(Tone::Heading, "ERROR")], Tone::Bad, &message);
    }
    if report.error.is_none() || !report.virtualization.cpus.is_empty() {
        headline(&mut page, &report.virtualization);
    }
    facts(&mut page, report);
    crash(&mut page, report);
    if !report.virtualization.cpus.is_empty() {
        page.section("CPUS", Tone::Plain, "");
        cpu_table(&mut page, &report.virtualization, !verbose);
    }
    if verbose {
        for cpu in &report.virtualization.cpus {
            page.blank();
            cpu_story(&mut page, cpu);
        }
    }
    if report.error.is_none() {
        callback_section(&mut page, report);
    }
    splat_sections(&mut page, &report.splats, splat_gist);
    known_issues(&mut page, report);
    checks(&mut page, report);
    notes(&mut page, report);
    page.finish()
}

fn headline(page: &mut Page, virtualization: &VirtualizationReport) {
    let (tone, mark) = words::verdict(virtualization.verdict);
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

fn facts(page: &mut Page, report: &DumpReport) {
    let mut fields = vec![("dump", report.path.to_string())];
    let mut container = vec![
        report
            .format
            .clone()
            .unwrap_or_else(|| "unknown format".to_owned()),
    ];
    container.extend(report.compression.iter().cloned());
    container.push(format!("written by: {}", word(&report.origin)));
    match report.complete {
        Some(true) => container.push("complete".to_owned()),
        Some(false) => container.push(incomplete(&report.incomplete_because)),
        None => {}
    }
    if report.format.is_some() {
        fields.push(("file", container.join(", ")));
    }
    if let Some(release) = &report.release {
        fields.push(("kernel", release.to_string()));
    }
    if let Some(id) = &report.build_id {
        fields.push(("build-id", id.clone()));
    }
    let sources = [
        ("types", &report.types_from),
        ("symbols", &report.symbols_from),
        ("layout", &report.virtualization.era),
    ];
    let sources: Vec<String> = sources
        .iter()
        .filter_map(|(name, from)| from.as_ref().map(|from| format!("{name}: {from}")))
        .collect();
    if !sources.is_empty() {
        fields.push(("read by", sources.join(", ")));
    }
    if let Some(possible) = report.cpus_possible {
        let online = report
            .cpus_online
            .map_or_else(|| "?".to_owned(), |n| n.to_string());
        fields.push(("CPUs", format!("{possible} possible, {online} online")));
    }
    if let Some(log) = &report.log {
        let counts = [
            (log.overwritten, "overwritten"),
            (log.lost, "lost"),
            (log.uncommitted, "being written"),
        ];
        let less = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!(", {n} {word}"));
        fields.push((
            "log",
            format!("{} records{}", log.records, less.collect::<String>()),
        ));
    }
    page.blank();
    page.fields(&fields);
}

fn incomplete(reasons: &[String]) -> String {
    if reasons.is_empty() {
        "✗ incomplete".to_owned()
    } else {
        format!("✗ incomplete ({})", reasons.join("; "))
    }
}

fn crash(page: &mut Page, report: &DumpReport) {
    let Some(crash) = &report.crash else { return };
    let reason = crash
        .reason
        .as_ref()
        .map_or_else(|| "no reason recorded".to_owned(), ToString::to_string);
    page.section("CRASH", Tone::Plain, &reason);
    let cpu = crash
        .cpu
        .map_or_else(|| "unknown".to_owned(), |cpu| cpu.to_string());
    let mut fields = vec![("on CPU", cpu)];
    if let Some(task) = &crash.task {
        fields.push(("task", task_name(task)));
    }
    let shootdown = &crash.nmi_shootdown;
    let (missing, unread) = (
        words::ranges(&shootdown.missing_cpus),
        words::ranges(&shootdown.unknown_cpus),
    );
    let mut stopped = match (shootdown.ran, missing.is_empty()) {
        (None, true) => "the dump does not say whether the NMI was sent".to_owned(),
        (Some(false), _) => "no NMI was sent".to_owned(),
        (Some(true), true) if unread.is_empty() => {
            "every other online CPU answered the NMI".to_owned()
        }
        (Some(true), true) => "the NMI was sent".to_owned(),
        (_, false) => format!("✗ no answer to the NMI from CPU {missing}"),
    };
    if !unread.is_empty() {
        stopped.push_str(&format!("; ? whether CPU {unread} answered cannot be read"));
    }
    fields.push(("stopping", stopped));
    if let Some(rcu) = &crash.rcu {
        fields.push(("RCU", rcu.watching.why.clone()));
        fields.push(("RCU lock", rcu.lock_held.why.clone()));
    }
    page.fields(&fields);
}

fn task_name(task: &TaskReport) -> String {
    format!("{} (pid {})", task.comm, task.pid)
}

/// The CPUs, one a row; with `merge`, many of them in runs of like ones.
fn cpu_table(page: &mut Page, virtualization: &VirtualizationReport, merge: bool) {
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
        std::iter::once(Cell::from(words::ranges(&numbers)))
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
    key(a) == key(b) && deciding(a).map(|e| &e.what) == deciding(b).map(|e| &e.what)
}

fn cpu_cells(cpu: &CpuReport, merged: bool) -> Vec<Cell> {
    let (tone, state) = words::cpu(cpu.state);
    let task = cpu
        .task
        .as_ref()
        .filter(|_| !merged)
        .map_or_else(|| "–".to_owned(), |t| format!("{} {}", t.comm, t.pid));
    let mut decided = match deciding(cpu) {
        Some(evidence) if merged => evidence.what.clone(),
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
        Some(value) if evidence.what.len() + value.len() <= 17 => fact(evidence),
        _ => evidence.what.clone(),
    }
}

fn fact(evidence: &EvidenceReport) -> String {
    match &evidence.value {
        Some(value) => format!("{} = {value}", evidence.what),
        None => evidence.what.clone(),
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
fn cpu_story(page: &mut Page, cpu: &CpuReport) {
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
        page.fields(&[("task", task_name(task))]);
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

fn callback_section(page: &mut Page, report: &DumpReport) {
    let callback = &report.callback;
    let (tone, state) = words::callback(callback.state);
    page.section("CALLBACK", tone, &state);
    let mut fields = Vec::new();
    if let Some(variable) = &callback.variable {
        let address = callback
            .address
            .map(|address| format!(" at {address}"))
            .unwrap_or_default();
        fields.push(("variable", format!("{variable}{address}")));
    }
    if let Some(value) = callback.value {
        let symbol = callback
            .symbol
            .as_ref()
            .map(|symbol| format!(" → {symbol}"))
            .unwrap_or_default();
        let module = callback
            .module
            .as_ref()
            .map(|module| format!(" [{module}]"))
            .unwrap_or_default();
        let state = callback
            .module_state
            .as_ref()
            .map(|state| format!(" {state}"))
            .unwrap_or_default();
        fields.push(("pointer", format!("{value}{symbol}{module}{state}")));
    }
    if callback.expected == Some(false) {
        fields.push((
            "but",
            "this is not the function that this machine's KVM registers".to_owned(),
        ));
    }
    fields.extend(callback_proof(callback));
    page.fields(&fields);
    page.paragraph(2, Tone::Plain, &callback.summary);
}

/// What the pointer is held against.
fn callback_proof(callback: &CallbackReport) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(table) = &callback.ops_table {
        let says = if table.agrees {
            "names the same function".to_owned()
        } else {
            let symbol = table.symbol.as_ref().map(ToString::to_string);
            format!(
                "names {}",
                symbol.unwrap_or_else(|| table.value.to_string())
            )
        };
        fields.push(("KVM ops", format!("{says} (at {})", table.address)));
    }
    if let Some(code) = &callback.code {
        let bytes = code.bytes.as_ref().or(code.why.as_ref());
        let bytes = bytes.map(|b| format!(": {b}")).unwrap_or_default();
        fields.push(("code", format!("{}{bytes}", word(&code.state))));
    }
    if let Some(module_use) = &callback.module_use {
        let count = module_use
            .refcount
            .map_or_else(|| "not known".to_owned(), |n| n.to_string());
        let users: Vec<String> = module_use.users.iter().map(ToString::to_string).collect();
        let by = if users.is_empty() {
            String::new()
        } else {
            format!(", used by {}", users.join(", "))
        };
        fields.push(("refcount", format!("{count}{by}")));
    }
    for cpu in &callback.in_flight {
        let at = format!("CPU {} stands in {}: {}", cpu.cpu, cpu.at, cpu.why);
        fields.push(("inside", at));
    }
    if let Some(dereference) = &callback.dereference {
        fields.push((
            "read",
            format!("{}: {}", word(&dereference.state), dereference.why),
        ));
    }
    fields
}

fn splat_sections(page: &mut Page, splats: &[Splat], body: fn(&mut Page, &Splat)) {
    if splats.is_empty() {
        return;
    }
    page.section(
        "LOCK REPORTS",
        Tone::Bad,
        &format!("✗ {} in the log", splats.len()),
    );
    for (number, splat) in (1..).zip(splats) {
        splat_head(page, number, splat);
        body(page, splat);
    }
}

/// What a report means.
fn splat_head(page: &mut Page, number: usize, splat: &Splat) {
    let location = splat
        .location
        .as_ref()
        .map(|location| format!(" at {location}"))
        .unwrap_or_default();
    page.hanging(
        &[format!("  {number}.").into()],
        Tone::Bad,
        &format!("{}{location}", splat.kind.name()),
    );
    for text in [&splat.title, &splat.sentence] {
        page.paragraph(6, Tone::Plain, text);
    }
    page.paragraph(6, Tone::Muted, &splat_place(splat));
    if let Some(id) = &splat.known_issue {
        page.paragraph(6, Tone::Plain, &format!("Known issue: {id}"));
    }
    for text in splat
        .missing
        .iter()
        .map(|m| format!("Not there: {m}"))
        .chain(
            splat
                .from_memory
                .iter()
                .map(|m| format!("From memory: {m}")),
        )
    {
        page.paragraph(6, Tone::Muted, &text);
    }
}

/// The report as the kernel prints it, without stale frames.
fn splat_whole(page: &mut Page, splat: &Splat) {
    page.blank();
    for line in print::lines(splat, false) {
        page.line(6, Tone::Plain, &line);
    }
    page.blank();
}

/// Locks and the nearest functions.
fn splat_gist(page: &mut Page, splat: &Splat) {
    for edge in graph::edges(splat) {
        let by = edge
            .by
            .map(|function| format!(" by {function}"))
            .unwrap_or_default();
        let text = format!("{} is taken while {} is held{by}", edge.to, edge.from);
        page.paragraph(6, Tone::Plain, &text);
    }
    for held in &splat.held {
        let lock = &held.lock;
        let at = lock
            .at
            .as_ref()
            .map(|at| format!(" at {at}"))
            .unwrap_or_default();
        page.paragraph(
            6,
            Tone::Plain,
            &format!("holds #{}: {}{at}", held.index, lock.name),
        );
    }
    let reliable: Vec<_> = splat.trace.iter().filter(|frame| frame.reliable).collect();
    for frame in reliable.iter().take(FIRST_FRAMES) {
        let offset = match (&frame.offset, &frame.size) {
            (Some(offset), Some(size)) => format!("+{offset}/{size}"),
            (Some(offset), None) => format!("+{offset}"),
            _ => String::new(),
        };
        let module = frame
            .module
            .as_ref()
            .map(|module| format!(" [{module}]"))
            .unwrap_or_default();
        page.line(
            8,
            Tone::Plain,
            &format!("{}{offset}{module}", frame.function),
        );
    }
    if reliable.len() > FIRST_FRAMES {
        page.line(
            8,
            Tone::Muted,
            &format!(
                "… {} more",
                words::count(reliable.len() - FIRST_FRAMES, "frame")
            ),
        );
    }
}

/// When and where a report was printed.
fn splat_place(splat: &Splat) -> String {
    let mut place = Vec::new();
    place.extend(
        splat
            .timestamp
            .map(|seconds| format!("{seconds:.6} s after boot")),
    );
    place.extend(splat.cpu.map(|cpu| format!("CPU {cpu}")));
    place.extend(
        splat
            .task
            .as_ref()
            .map(|task| format!("{} (pid {})", task.comm, task.pid)),
    );
    place.push(format!("lines {}-{}", splat.first_line, splat.last_line));
    if let Some(declared) = splat.held_declared {
        place.push(words::count(usize::try_from(declared).unwrap_or(usize::MAX), "lock") + " held");
    }
    if splat.cut {
        place.push("cut short".to_owned());
    }
    place.join(", ")
}

fn known_issues(page: &mut Page, report: &DumpReport) {
    if report.known_issues.is_empty() {
        return;
    }
    let found = words::count(report.known_issues.len(), "known issue");
    page.section("KNOWN ISSUES", Tone::Bad, &format!("✗ {found} found"));
    for issue in &report.known_issues {
        page.paragraph(2, Tone::Plain, &format!("{}: {}", issue.id, issue.title));
        page.paragraph(4, Tone::Plain, &issue.because);
        if let Some(commit) = &issue.fixed_by {
            page.paragraph(4, Tone::Plain, &format!("Mended by commit {commit}."));
        }
    }
}

fn checks(page: &mut Page, report: &DumpReport) {
    if report.checks.is_empty() {
        return;
    }
    page.section("CHECKS", Tone::Plain, "");
    let row = |check: &virtopsy::report::CheckReport| {
        let (tone, mark) = words::check(check.verdict);
        vec![
            Cell::new(tone, mark),
            check.id.as_str().into(),
            check.summary.as_str().into(),
        ]
    };
    page.table(2, &[], &report.checks.iter().map(row).collect::<Vec<_>>());
}

fn notes(page: &mut Page, report: &DumpReport) {
    if report.notes.is_empty() {
        return;
    }
    page.section("NOTES", Tone::Plain, "");
    for note in &report.notes {
        page.hanging(&["  -".into()], Tone::Plain, &note.to_string());
    }
}

/// The page of `cpus`.
pub(crate) fn cpus(report: &DumpReport, look: Look) -> String {
    let mut page = Page::new(look);
    headline(&mut page, &report.virtualization);
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

/// The page of `callback`.
pub(crate) fn callback(report: &DumpReport, look: Look) -> String {
    let mut page = Page::new(look);
    callback_section(&mut page, report);
    page.finish()
}

/// The page of `splats`.
pub(crate) fn splats(splats: &[Splat], look: Look) -> String {
    let mut page = Page::new(look);
    if splats.is_empty() {
        page.line(0, Tone::Good, "✓ no lock report in the log");
    }
    splat_sections(&mut page, splats, splat_whole);
    page.finish()
}

/// What was read of a text log: one line, and a line for each reason to doubt that it is everything.
pub(crate) fn log_read(read: &LogFacts, look: Look) -> String {
    let mut page = Page::new(look);
    let mut how = if read.kernel_lines == 0 {
        Vec::new()
    } else {
        vec![read.carrier.to_string()]
    };
    how.extend(read.packed.iter().map(|p| format!("packed with {p}")));
    how.extend(read.base64.then(|| "base64".to_owned()));
    how.extend(read.utf16.then(|| "UTF-16".to_owned()));
    let how = if how.is_empty() {
        String::new()
    } else {
        format!(" ({})", how.join(", "))
    };
    let lines = if read.lines == 1 { "line" } else { "lines" };
    if read.kernel_lines == 0 {
        let text = format!(
            "? no line of a kernel log among {} {lines}{how}: whether a kernel reported anything is unknown",
            read.lines
        );
        page.paragraph(0, Tone::Unsure, &text);
    } else {
        let text = format!(
            "{} {lines} read, {} of a kernel log{how}",
            read.lines, read.kernel_lines
        );
        page.paragraph(0, Tone::Muted, &text);
    }
    if read.ends_in_report {
        page.line(0, Tone::Unsure, "The log ends in the middle of a report.");
    }
    if let Some(damage) = &read.damage {
        let text = format!("Unpacking ended early: {}.", clean(damage, look.unicode));
        page.paragraph(0, Tone::Unsure, &text);
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_batch_prints_one_line_for_each_dump() {
        let mut out = Vec::new();
        let mut lines = Lines::new(Look::of_file());
        for judged in samples::all() {
            lines.dump(&mut out, &judged).unwrap();
        }
        lines
            .end(
                &mut out,
                &Summary {
                    dumps: 3,
                    pass: 1,
                    fail: 1,
                    inconclusive: 0,
                    error: 1,
                },
            )
            .unwrap();
        let expected = "\
/dumps/good: ✓ pass: says \\x1b[31mvirt-disabled-all-cpus
/dumps/bad: ✗ fail: says \\x1b[31mvirt-disabled-all-cpus [fail: virt-disabled-all-cpus; inconclusive: crash-shutdown-complete]
/dumps/\\xff\\x1b[2J<&\">]]>: ! error: not-a-dump: not a dump: \\x1b]0;owned\\x07 </failure> \\u{202e}
3 dumps: 1 pass, 1 fail, 0 inconclusive, 1 error
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_report_opens_with_the_verdict_and_names_every_section() {
        let text = report(&samples::bad(), Look::of_file(), false);
        assert!(
            text.starts_with(
                "VERDICT  ✗ not all off: SVM was on on CPU 1, which never answered the NMI.\n"
            ),
            "{text}"
        );
        for part in [
            "\nCRASH  sysrq triggered crash\n",
            "stopping  ✗ no answer to the NMI from CPU 1; ?",
            "\n  file      kdump, zlib, written by: kdump, ✗ incomplete (3 pages are missing)\n",
            "\n  CPU  SVM    REASON          STRENGTH  TASK",
            "\nCALLBACK  ✓ registered\n",
            "→ svm_emergency_disable_virtualization_cpu\n            [kvm_amd] live",
            "\nLOCK REPORTS  ✗ 1 in the log\n  1.  suspicious-rcu at arch/x86/virt/hw.c:65\n",
            "      holds #0: sb_writers#3 at ksys_write+0x5b/0xd0\n",
            "        lockdep_rcu_suspicious+0x146/0x1a0\n",
            "        … 1 frame more\n",
            "\nKNOWN ISSUES  ✗ 1 known issue found\n",
            "  ✗ fail          virt-disabled-all-cpus    says",
            "\nNOTES\n  -  3 pages are missing\n",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn nothing_hostile_reaches_the_page() {
        for judged in samples::all() {
            for verbose in [false, true] {
                let text = report(&judged.report, Look::of_file(), verbose);
                assert!(
                    text.chars()
                        .all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
                    "{text}"
                );
                let ascii = report(
                    &judged.report,
                    Look {
                        unicode: false,
                        ..Look::of_file()
                    },
                    verbose,
                );
                assert!(ascii.is_ascii(), "{ascii}");
            }
        }
    }

    #[test]
    fn the_page_of_splats_shows_every_frame_or_that_there_is_none() {
        let text = splats(&samples::bad().splats, Look::of_file());
        assert!(
            text.contains("sysrq_handle_crash+0x16/0x20") && !text.contains('\x1b'),
            "{text}"
        );
        assert_eq!(
            splats(&[], Look::of_file()),
            "✓ no lock report in the log\n"
        );
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let plain = report(&samples::bad(), Look::of_file(), true);
        let mut coloured = report(
            &samples::bad(),
            Look {
                color: true,
                ..Look::of_file()
            },
            true,
        );
        for code in ["0", "1", "2", "33", "36", "1;31"] {
            coloured = coloured.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(coloured, plain);
    }

    #[test]
    fn a_verbose_report_shows_all_evidence() {
        let text = report(&samples::good(), Look::of_file(), true);
        assert!(
            text.contains("crash_notes = 0x1 at 0xffff88807d214000: says off (proof)"),
            "{text}"
        );
        assert!(
            text.contains("Wrong when: the handler was patched"),
            "{text}"
        );
    }

    #[test]
    fn many_like_cpus_share_a_row() {
        let mut dump = samples::good();
        let one = dump.virtualization.cpus[1].clone();
        dump.virtualization.cpus = (0..8192)
            .map(|n| CpuReport {
                cpu: n,
                ..one.clone()
            })
            .collect();
        dump.virtualization.cpus[77].conflict = true;
        let text = report(&dump, Look::of_file(), false);
        assert!(text.contains("  0-76, 78-8191  ○ off"), "{text}");
        assert!(text.lines().count() < 60);
    }

    #[test]
    fn a_dump_that_could_not_be_opened_says_why_and_no_verdict() {
        let text = report(&samples::broken(), Look::of_file(), false);
        assert!(text.starts_with("ERROR  ! not-a-dump: "), "{text}");
        assert!(
            !text.contains("VERDICT") && !text.contains("CALLBACK"),
            "{text}"
        );
    }
}
