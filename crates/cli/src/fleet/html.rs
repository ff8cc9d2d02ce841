//! One page that needs nothing else: no script, no other file, no network.
//!
//! Each state has a word and a glyph besides its colour, and every bar its numbers. Text is
//! escaped twice: what would deceive a reader is shown visibly, and what HTML would take for
//! markup is quoted by the template.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use virtopsy::report::{CheckVerdict, Summary, Text};

use super::{Fleet, Group, Section, shares, text};
use crate::render::TOOL;
use crate::words;

/// Rows of a table before the rest is folded.
const OPEN_ROWS: usize = 20;

const STYLE: &str = "
:root { --ground: #fff; --ink: #1b1f24; --soft: #5b6570; --line: #d8dee4; --band: #f6f8fa;
  --pass: #2c6fbb; --fail: #c8401a; --inconclusive: #d9a200; --error: #6f4a8e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181d; --ink: #e6e9ed; --soft: #9aa4af; --line: #313941; --band: #1c2228;
    --pass: #5b9be6; --fail: #ee6f45; --inconclusive: #e9bd3c; --error: #a98bc9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.5rem 4rem; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
.soft { color: var(--soft); }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0 1rem; }
.card { flex: 1 1 9rem; border: 1px solid var(--line); border-top: 4px solid var(--ink);
  border-radius: 6px; padding: .7rem 1rem; }
.card b { display: block; font-size: 1.9rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.card.pass { border-top-color: var(--pass); } .card.fail { border-top-color: var(--fail); }
.card.inconclusive { border-top-color: var(--inconclusive); }
.card.error { border-top-color: var(--error); }
svg { display: block; width: 100%; }
rect.pass { fill: var(--pass); } rect.fail { fill: var(--fail); }
rect.inconclusive { fill: var(--inconclusive); } rect.error { fill: var(--error); }
rect.track { fill: var(--band); }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85rem; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; width: 5.2rem; }
th.bar, td.bar { width: 30%; }
td.bar { padding-top: .6rem; }
td.name { overflow-wrap: anywhere; }
td.name small, td.name code { color: var(--soft); display: block; font-size: .8rem; }
td.zero { color: var(--line); }
summary { cursor: pointer; color: var(--soft); padding: .5rem 0; }
.notice { border-left: 4px solid var(--inconclusive); padding: .3rem .8rem; background: var(--band); }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
";

/// The whole page.
pub(crate) fn page(fleet: &Fleet) -> String {
    let summary = &fleet.summary;
    let title = format!("virtopsy: {}", dumps(summary.dumps));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Nothing is fetched and nothing runs, whatever a dump managed to say.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (dumps(summary.dumps)) }
                p.soft {
                    "Each by the worst of its checks: " (text::headline(summary)) "."
                }
                (cards(summary))
                (bar(summary, summary.dumps, 28))
                (notices(fleet))
                @for section in fleet.sections() { (table(&section)) }
                p.soft { "Written by " (TOOL.name) " " (TOOL.version) " from " (sources(fleet)) "." }
            }
        }
    };
    page.into_string()
}

fn dumps(count: u64) -> String {
    words::count(usize::try_from(count).unwrap_or(usize::MAX), "dump")
}

fn cards(summary: &Summary) -> Markup {
    html! {
        div.cards {
            @for (verdict, count) in shares(summary) {
                div class={ "card " (words::word(&verdict)) } {
                    b { (count) }
                    (words::check(verdict).1)
                }
            }
        }
    }
}

/// A bar of the shares of `summary`, as long as its dumps are of `longest`.
fn bar(summary: &Summary, longest: u64, height: u32) -> Markup {
    // In thousandths of the longest bar; a share that is there is always seen.
    let longest = longest.max(1);
    let width = |count: u64| match count {
        0 => 0,
        count => (u128::from(count) * 1000 / u128::from(longest)).clamp(4, 1000),
    };
    let mut x = 0;
    let pieces = shares(summary).map(|(verdict, count)| {
        let piece = (x, width(count), verdict, count);
        x += piece.1;
        piece
    });
    let label = text::headline(summary);
    html! {
        svg viewBox={ "0 0 1000 " (height) } preserveAspectRatio="none" height=(height) role="img" aria-label=(label) {
            title { (label) }
            rect class="track" x="0" y="0" width="1000" height=(height) {}
            @for (x, width, verdict, count) in pieces {
                @if count > 0 {
                    rect class=(words::word(&verdict)) x=(x) y="0" width=(width) height=(height) {}
                }
            }
        }
    }
}

fn table(section: &Section<'_>) -> Markup {
    let longest = section.groups.iter().map(|group| group.dumps.dumps).max();
    let longest = longest.unwrap_or_default();
    let (open, folded) = section
        .groups
        .split_at_checked(OPEN_ROWS)
        .unwrap_or((section.groups, &[]));
    html! {
        @if !section.groups.is_empty() {
            h2 id=(section.id) { (section.title) }
            (rows(section, open, longest))
            @if !folded.is_empty() {
                details {
                    summary { (folded.len()) " more" }
                    (rows(section, folded, longest))
                }
            }
        }
    }
}

fn rows(section: &Section<'_>, groups: &[Group], longest: u64) -> Markup {
    html! {
        table {
            tr {
                th { (section.head) }
                th.bar { "dumps by verdict" }
                th.number { "dumps" }
                @for (verdict, _) in shares(&Summary::default()) {
                    th.number { (short(verdict)) }
                }
            }
            @for group in groups {
                tr {
                    td.name {
                        (Shown(&group.name))
                        @if let Some(detail) = &group.detail { small { (Shown(detail)) } }
                        @if group.times > group.dumps.dumps { small { "seen " (group.times) " times" } }
                        code { "e.g. " (Shown(&group.example)) }
                    }
                    td.bar { (bar(&group.dumps, longest, 14)) }
                    td.number { (group.dumps.dumps) }
                    @for (_, count) in shares(&group.dumps) {
                        td.number.zero[count == 0] { (count) }
                    }
                }
            }
        }
    }
}

fn short(verdict: CheckVerdict) -> String {
    let (_, mark) = words::check(verdict);
    mark.replace("inconclusive", "unsure")
}

fn notices(fleet: &Fleet) -> Markup {
    html! {
        @for file in fleet.files.iter().filter(|file| !file.complete) {
            p.notice {
                (Shown(&file.path)) ": " (dumps(file.dumps)) ", and no summary: the run was stopped, or goes on."
            }
        }
    }
}

fn sources(fleet: &Fleet) -> String {
    let named: Vec<String> = fleet
        .files
        .iter()
        .take(3)
        .map(|file| file.path.to_string())
        .collect();
    match fleet.files.len() {
        0..=3 => named.join(", "),
        all => format!("{} and {} more", named.join(", "), all - named.len()),
    }
}

/// Text from a dump: what would deceive is shown visibly, and markup is quoted.
struct Shown<'a>(&'a Text);

impl maud::Render for Shown<'_> {
    fn render(&self) -> Markup {
        html! { (self.0.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::samples;

    #[test]
    fn the_page_stands_alone_and_holds_every_group() {
        let page = page(&samples::fleet());
        assert!(page.starts_with("<!DOCTYPE html>"));
        for absent in [
            "<script", "src=", "href=", "@import", "url(", "http://", "https://",
        ] {
            assert!(!page.contains(absent), "{absent}");
        }
        for part in [
            "9 dumps",
            "Kernels",
            "Known issues",
            "Lock reports",
            "Not examined",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.matches("<svg").count() > 10);
    }

    #[test]
    fn what_a_dump_says_is_no_markup() {
        let mut fleet = samples::fleet();
        for group in &mut fleet.kernels {
            group.name = "</td><img onerror=x>\u{202e}\x1b".into();
            group.detail = Some("<b>&\"".into());
        }
        let page = page(&fleet);
        assert!(!page.contains("<img") && !page.contains("<b>&\""));
        assert!(
            page.contains("&lt;img onerror=x&gt;\\u{202e}\\x1b"),
            "{page}"
        );
        assert!(page.contains("&lt;b&gt;&amp;"));
    }

    #[test]
    fn a_small_share_is_still_seen_and_an_absent_one_is_not() {
        let summary = Summary {
            dumps: 10_000,
            pass: 9_999,
            fail: 1,
            ..Summary::default()
        };
        let bar = bar(&summary, 10_000, 10).into_string();
        assert!(
            bar.contains("class=\"fail\" x=\"0\" y=\"0\" width=\"4\""),
            "{bar}"
        );
        assert!(bar.contains("class=\"pass\" x=\"4\"") && !bar.contains("class=\"error\""));
    }

    #[test]
    fn many_groups_are_folded() {
        let mut fleet = samples::fleet();
        fleet.kernels = (0..50)
            .map(|n| Group {
                name: Text::from(format!("6.{n}")),
                ..Group::default()
            })
            .collect();
        let page = page(&fleet);
        assert!(page.contains("30 more") && page.contains("6.49"));
    }
}
