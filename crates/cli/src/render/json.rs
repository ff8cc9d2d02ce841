//! One JSON document.

use std::io::Write;

use serde::Serialize;
pub(crate) use virtopsy::report::write_json as write;
use virtopsy::report::{CheckVerdict, DumpReport, SCHEMA, Summary};

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
        Ok(write(out, &Dump::of(judged))?)
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        writeln!(out, "\n],\"summary\":{}}}", serde_json::to_string(summary)?)?;
        Ok(())
    }
}

/// Prints one value as a document of its own.
pub(crate) fn print(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    write(&mut *out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

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
