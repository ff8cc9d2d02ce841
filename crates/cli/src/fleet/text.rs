//! The summary for reading in a terminal.

use virtopsy::report::{CheckVerdict, Summary};

use super::{Fleet, Group, Section};
use crate::page::{Cell, Page, Tone};
use crate::terminal::Look;
use crate::words;

/// Rows of a table; what is more is counted only.
const ROWS: usize = 15;

/// The whole page.
pub(crate) fn page(fleet: &Fleet, look: Look) -> String {
    let mut page = Page::new(look);
    let summary = &fleet.summary;
    page.line(
        0,
        Tone::Heading,
        &words::count(usize::try_from(summary.dumps).unwrap_or(usize::MAX), "dump"),
    );
    for (verdict, count) in super::shares(summary) {
        if count > 0 {
            let (tone, mark) = words::check(verdict);
            let share = percent(count, summary.dumps);
            page.table(
                2,
                &[],
                &[vec![
                    Cell::new(tone, mark),
                    format!("{count}").into(),
                    share.into(),
                ]],
            );
        }
    }
    for section in fleet.sections() {
        table(&mut page, &section);
    }
    incomplete(&mut page, fleet);
    page.finish()
}

fn table(page: &mut Page, section: &Section<'_>) {
    if section.groups.is_empty() {
        return;
    }
    page.section(&section.title.to_uppercase(), Tone::Plain, "");
    let rows: Vec<Vec<Cell>> = section.groups.iter().take(ROWS).map(row).collect();
    let header = ["DUMPS", "FAIL", "UNSURE", "ERROR", section.head];
    let header = header.map(str::to_uppercase);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    page.table(2, &header, &rows);
    if section.groups.len() > ROWS {
        let more = section.groups.len() - ROWS;
        page.line(
            2,
            Tone::Muted,
            &format!("… and {more} more; --format json, csv and html have all"),
        );
    }
}

fn row(group: &Group) -> Vec<Cell> {
    let counted = |tone, count: u64| {
        let tone = if count > 0 { tone } else { Tone::Muted };
        Cell::new(tone, count.to_string())
    };
    let detail = group
        .detail
        .as_ref()
        .map(|detail| format!("  ({detail})"))
        .unwrap_or_default();
    let times = if group.times > group.dumps.dumps {
        format!("  {} times", group.times)
    } else {
        String::new()
    };
    vec![
        group.dumps.dumps.to_string().into(),
        counted(Tone::Bad, group.dumps.fail),
        counted(Tone::Unsure, group.dumps.inconclusive),
        counted(Tone::Bad, group.dumps.error),
        format!("{}{detail}{times}", group.name).into(),
    ]
}

fn incomplete(page: &mut Page, fleet: &Fleet) {
    for file in fleet.files.iter().filter(|file| !file.complete) {
        let dumps = words::count(usize::try_from(file.dumps).unwrap_or(usize::MAX), "dump");
        page.blank();
        page.paragraph(
            0,
            words::check(CheckVerdict::Inconclusive).0,
            &format!(
                "{}: {dumps}, and no summary: the run was stopped, or goes on",
                file.path
            ),
        );
    }
}

fn percent(count: u64, of: u64) -> String {
    // Counts of dumps are far below where a float loses units.
    let share = 100.0 * count as f64 / of.max(1) as f64;
    format!("{share:.1} %")
}

/// What a summary comes to in one line, for the page's head.
pub(super) fn headline(summary: &Summary) -> String {
    super::shares(summary)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| {
            format!(
                "{count} {} ({})",
                words::word(&verdict),
                percent(count, summary.dumps)
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::samples;

    #[test]
    fn the_page_tells_the_counts_and_every_group() {
        let text = page(&samples::fleet(), Look::of_file());
        assert!(text.starts_with("9 dumps\n  ✗ fail  3  33.3 %\n"), "{text}");
        for part in [
            "VMX/SVM AT THE CRASH",
            "KERNELS",
            "KNOWN ISSUES",
            "LOCK REPORTS",
            "NOT EXAMINED",
            "not-a-dump",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let bare = text.chars().all(|c| c == '\n' || !c.is_control());
        assert!(bare && !text.contains('\u{202e}'), "{text}");
    }

    #[test]
    fn a_headline_leaves_out_what_there_is_none_of() {
        assert_eq!(
            headline(&samples::fleet().summary),
            "3 fail (33.3 %), 1 error (11.1 %), 5 pass (55.6 %)"
        );
    }
}
