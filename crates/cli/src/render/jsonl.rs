//! One line of JSON for each dump, then one with the summary.

use std::io::Write;

use serde::Serialize;
use virtopsy::report::Summary;

use super::Render;
use super::json::{self, Dump, Headed};
use crate::judge::Judged;

/// The lines.
#[derive(Debug, Default)]
pub(crate) struct Lines;

/// The last line.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Last<'a> {
    summary: &'a Summary,
}

impl Render for Lines {
    fn dump(&mut self, out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()> {
        // A line can be read alone: it says what it is, and who wrote it.
        json::print(out, &Headed::new(&Dump::of(judged)))
    }

    fn recorded(&mut self, out: &mut dyn Write, line: &str) -> anyhow::Result<()> {
        writeln!(out, "{line}")?;
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        json::print(out, &Last { summary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{TOOL, samples};
    use virtopsy::report::SCHEMA;

    #[test]
    fn a_dump_is_one_bare_line_and_the_summary_the_last() {
        let mut out = Vec::new();
        for one in samples::all() {
            Lines.dump(&mut out, &one).unwrap();
        }
        Lines
            .end(
                &mut out,
                &Summary {
                    dumps: 3,
                    ..Summary::default()
                },
            )
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        let values: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(values.len(), samples::all().len() + 1);
        assert_eq!(values[0]["path"], "/dumps/good");
        assert_eq!(values[0]["schema"], SCHEMA);
        assert_eq!(values[0]["tool"]["version"], TOOL.version);
        assert_eq!(values.last().unwrap()["summary"]["dumps"], 3);
        assert!(text.bytes().all(|b| b == b'\n' || (b >= 0x20 && b != 0x7f)));
    }
}
