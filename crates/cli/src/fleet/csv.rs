//! One row for each group, for a spreadsheet.

use std::io::Write;

use virtopsy::report::Text;

use super::Fleet;

/// Prints all groups.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn print(fleet: &Fleet, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "group",
        "name",
        "detail",
        "times",
        "dumps",
        "pass",
        "fail",
        "inconclusive",
        "error",
        "example",
    ])?;
    let all = ("all", Text::from("all dumps"), Text::default());
    let numbers = |s: &virtopsy::report::Summary, times: u64| {
        [times, s.dumps, s.pass, s.fail, s.inconclusive, s.error].map(|n| n.to_string())
    };
    let mut row =
        |group: &str, name: &Text, detail: &Text, numbers: [String; 6], example: &Text| {
            let texts = [Text::from(group), name.clone(), detail.clone()];
            let cells = texts.iter().map(cell).chain(numbers).chain([cell(example)]);
            csv.write_record(cells)
        };
    row(
        all.0,
        &all.1,
        &all.2,
        numbers(&fleet.summary, fleet.summary.dumps),
        &Text::default(),
    )?;
    for section in fleet.sections() {
        for group in section.groups {
            row(
                section.id,
                &group.name,
                group.detail.as_ref().unwrap_or(&Text::default()),
                numbers(&group.dumps, group.times),
                &group.example,
            )?;
        }
    }
    csv.flush()?;
    Ok(())
}

/// Text for a cell. A spreadsheet takes some first characters for the start of a formula, and what
/// comes from a dump must not become one.
fn cell(text: &Text) -> String {
    let text = text.to_string();
    if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::samples;

    #[test]
    fn every_group_is_a_row() {
        let mut out = Vec::new();
        print(&samples::fleet(), &mut out).unwrap();
        let mut rows = csv::Reader::from_reader(out.as_slice());
        assert_eq!(rows.headers().unwrap().len(), 10);
        let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
        assert_eq!(&rows[0][0], "all");
        assert_eq!(&rows[0][4], "9");
        let issue = rows.iter().find(|row| &row[0] == "known-issue").unwrap();
        assert_eq!((&issue[4], &issue[6]), ("3", "3"));
    }

    #[test]
    fn text_from_a_dump_is_no_formula_and_no_escape_sequence() {
        assert_eq!(cell(&Text::from("=1+1")), "'=1+1");
        assert_eq!(cell(&Text::from("\t=1")), "\\t=1");
        assert_eq!(cell(&Text::from("\x1b[31m")), "\\x1b[31m");
        assert_eq!(cell(&Text::from("7.2.13-amd64")), "7.2.13-amd64");
    }
}
