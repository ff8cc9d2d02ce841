//! One JSON document.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use virtopsy::report::{CheckVerdict, DumpReport, SCHEMA, Summary, deceives};

use super::{Render, TOOL, Tool};
use crate::judge::Judged;

/// A value as a document that says what it is and who wrote it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Headed{T}"))]
pub(crate) struct Headed<'a, T> {
    schema: &'static str,
    tool: Tool,
    #[serde(flatten)]
    value: &'a T,
}

impl<'a, T> Headed<'a, T> {
    pub(crate) fn new(value: &'a T) -> Headed<'a, T> {
        Headed {
            schema: SCHEMA,
            tool: TOOL,
            value,
        }
    }
}

/// A dump's report, and what it counts as.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Dump<'a> {
    /// The worst verdict of the checks that count: `pass`, `fail`, `inconclusive` or `error`.
    verdict: CheckVerdict,
    #[serde(flatten)]
    report: &'a DumpReport,
}

impl<'a> Dump<'a> {
    pub(crate) fn of(judged: &'a Judged) -> Dump<'a> {
        Dump {
            verdict: judged.counted,
            report: &judged.report,
        }
    }
}

/// `{"schema", "tool", "dumps": […], "summary"}`, a dump a line.
#[derive(Debug, Default)]
pub(crate) struct Document {
    dumps: u64,
}

impl Render for Document {
    fn begin(&mut self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (schema, tool) = (
            serde_json::to_string(SCHEMA)?,
            serde_json::to_string(&TOOL)?,
        );
        write!(out, "{{\"schema\":{schema},\"tool\":{tool},\"dumps\":[")?;
        Ok(())
    }

    fn dump(&mut self, out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()> {
        out.write_all(if self.dumps == 0 { b"\n" } else { b",\n" })?;
        self.dumps = self.dumps.saturating_add(1);
        write(out, &Dump::of(judged))
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        writeln!(out, "\n],\"summary\":{}}}", serde_json::to_string(summary)?)?;
        Ok(())
    }
}

/// Prints one value as a document of its own.
pub(crate) fn print(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    write(out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Writes a value in one line. What would act on a terminal or deceive its reader is written as
/// `\uXXXX`, which every reader of JSON takes for the same text.
pub(crate) fn write(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Visible))?;
    Ok(())
}

/// Compact JSON whose strings can be looked at.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(deceives) {
            let (before, from) = rest.split_at(at);
            let mut after = from.chars();
            out.write_all(before.as_bytes())?;
            for unit in after.next().into_iter().flat_map(utf16) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// The one or two units of UTF-16 that JSON escapes a character by.
fn utf16(c: char) -> impl Iterator<Item = u16> {
    let mut units = [0; 2];
    let len = c.encode_utf16(&mut units).len();
    units.into_iter().take(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn characters_that_deceive_are_escaped_and_read_back_as_they_were() {
        let text = "a\u{9b}b\u{202e}c\u{7f}\u{e0041}\n\"é漢";
        let mut out = Vec::new();
        write(&mut out, &text).unwrap();
        let json = String::from_utf8(out).unwrap();
        assert_eq!(json, r#""a\u009bb\u202ec\u007f\udb40\udc41\n\"é漢""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn the_document_holds_schema_tool_dumps_and_summary() {
        for count in 0..3 {
            let judged = samples::all();
            let mut out = Vec::new();
            let mut document = Document::default();
            document.begin(&mut out).unwrap();
            for one in judged.iter().take(count) {
                document.dump(&mut out, one).unwrap();
            }
            document.end(&mut out, &Summary::default()).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(value["schema"], SCHEMA);
            assert_eq!(value["tool"]["name"], "virtopsy");
            assert_eq!(value["dumps"].as_array().unwrap().len(), count);
            assert_eq!(value["summary"]["dumps"], 0);
        }
    }
}
