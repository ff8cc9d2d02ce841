//! `virtopsy explain`: what an id means.

use clap::Args;
use virtopsy::kernel::nearest;

use super::print;
use crate::exit::Status;
use crate::explain::{self, Explanation};
use crate::options::Common;
use crate::page::{Page, Tone};
use crate::terminal::{Look, say};

/// What a check or a known issue means, and what to do
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The id of a check or a known issue; without one, all ids are listed
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// Prints the explanation of an id, or all ids.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<Status> {
    let look = common.look();
    let Some(id) = &args.id else {
        print(&list(look))?;
        return Ok(Status::Pass);
    };
    let Some(explanation) = explain::find(id) else {
        let ids: Vec<&str> = explain::check_ids()
            .chain(explain::issue_ids())
            .chain(explain::crash_ids())
            .collect();
        let near = nearest(id, &ids);
        let near = match near.is_empty() {
            true => String::new(),
            false => format!("near to it are {}; ", near.join(", ")),
        };
        say(&format!(
            "nothing is known of `{id}`; {near}the ids are {}",
            ids.join(", ")
        ));
        return Ok(Status::Error);
    };
    print(&page(&explanation, look))?;
    Ok(Status::Pass)
}

fn list(look: Look) -> String {
    let mut page = Page::new(look);
    let ids = [
        ("CHECKS", explain::check_ids().collect::<Vec<_>>()),
        ("KNOWN ISSUES", explain::issue_ids().collect()),
        ("CRASH REPORTS", explain::crash_ids().collect()),
    ];
    for (name, ids) in ids {
        page.section(name, Tone::Plain, "");
        let known = ids.into_iter().filter_map(explain::find);
        let rows: Vec<_> = known.map(|e| vec![e.id.into(), e.title.into()]).collect();
        page.table(2, &[], &rows);
    }
    page.finish()
}

fn page(explanation: &Explanation, look: Look) -> String {
    let mut page = Page::new(look);
    page.line(0, Tone::Heading, explanation.id);
    page.paragraph(0, Tone::Plain, explanation.title);
    for paragraph in explanation.text.split("\n\n") {
        page.blank();
        page.paragraph(0, Tone::Plain, &paragraph.replace('\n', " "));
    }
    if let Some(next) = explanation.next {
        page.blank();
        page.paragraph(0, Tone::Plain, &format!("What to look at next: {next}"));
    }
    let commits = [
        ("Brought in by", explanation.caused_by),
        ("Fixed by", explanation.fixed_by),
    ];
    let known = commits
        .iter()
        .filter_map(|(what, commit)| commit.map(|commit| format!("{what} commit {commit}.")));
    let known: Vec<String> = releases(explanation).into_iter().chain(known).collect();
    if !known.is_empty() {
        page.blank();
        page.paragraph(0, Tone::Plain, &known.join(" "));
    }
    page.finish()
}

/// Which upstream releases have a known issue. Stable and distribution kernels carry backports.
fn releases(explanation: &Explanation) -> Option<String> {
    match (explanation.since, explanation.until) {
        (Some(since), Some(until)) => Some(format!("In Linux {since} and later, until {until}.")),
        (Some(since), None) => Some(format!("In Linux {since} and later.")),
        (None, Some(until)) => Some(format!("In Linux before {until}.")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_page_that_opens_with_it() {
        let look = Look {
            color: false,
            unicode: true,
            width: 80,
        };
        for id in explain::check_ids()
            .chain(explain::issue_ids())
            .chain(explain::crash_ids())
        {
            assert!(page(&explain::find(id).unwrap(), look).starts_with(id));
            assert!(list(look).contains(id));
        }
    }
}
