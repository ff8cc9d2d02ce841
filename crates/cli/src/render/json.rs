//! One JSON document.

use std::io::Write;

use serde::Serialize;
use virtopsy::report::{SCHEMA, Summary};

use super::{Render, TOOL};
use crate::judge::Judged;

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
        serde_json::to_writer(out, &judged.report)?;
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        writeln!(out, "\n],\"summary\":{}}}", serde_json::to_string(summary)?)?;
        Ok(())
    }
}

/// Prints one value as a document of its own.
pub(crate) fn print(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
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
