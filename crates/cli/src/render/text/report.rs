//! Everything about one dump: the verdict first, then what it rests on.

use virtopsy::report::{CheckId, CheckVerdict, DumpReport};

use super::callback::callback_section;
use super::cpus::{cpu_story, cpu_table};
use super::crashes::{cause, crash_sections};
use super::splats::{splat_gist, splat_sections};
use super::verdict::headline;
use crate::page::{Cell, Page, Tone};
use crate::terminal::Look;
use crate::words::{self, word};

/// Everything about one dump.
pub(crate) fn report(report: &DumpReport, look: Look, verbose: bool) -> String {
    let mut page = Page::new(look);
    if let Some(error) = &report.error {
        let message = format!("! {}: {}", error.kind, error.message);
        page.hanging(&[Cell::new(Tone::Heading, "ERROR")], Tone::Bad, &message);
    }
    if report.error.is_none() || !report.virtualization.cpus.is_empty() {
        headline(&mut page, report);
    }
    if let Some(crash) = &report.crash {
        cause(&mut page, crash, verbose);
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
    crash_sections(&mut page, &report.crashes, false);
    splat_sections(&mut page, &report.splats, splat_gist);
    known_issues(&mut page, report);
    checks(&mut page, report);
    notes(&mut page, report);
    page.finish()
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
        fields.push(("task", words::task(task)));
    }
    let shootdown = &crash.nmi_shootdown;
    let (missing, unread) = (
        virtopsy::report::ranges(&shootdown.missing_cpus),
        virtopsy::report::ranges(&shootdown.unknown_cpus),
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
            page.paragraph(4, Tone::Plain, &format!("Fixed by commit {commit}."));
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
        // Why nothing is known of these has its own section above.
        let summary = match (check.verdict, check.id) {
            (CheckVerdict::Inconclusive, CheckId::VirtDisabledAllCpus) => "see VERDICT",
            (CheckVerdict::Inconclusive, CheckId::EmergencyCallbackSound) => "see CALLBACK",
            _ => check.summary.as_str(),
        };
        vec![Cell::new(tone, mark), check.id.id().into(), summary.into()]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;
    use virtopsy::report::CpuReport;

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
            "\nCAUSE  sh (PID 107) asked for a crash by sysrq.\n",
            "panic text = sysrq triggered crash at 0xffffffff83702000",
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
