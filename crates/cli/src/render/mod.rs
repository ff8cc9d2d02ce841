//! From results to formats, one file for each.

pub(crate) mod json;
pub(crate) mod jsonl;
pub(crate) mod junit;
pub(crate) mod sarif;
pub(crate) mod text;

#[cfg(test)]
pub(crate) mod samples;

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use virtopsy::report::Summary;

use crate::judge::Judged;
use crate::terminal::Look;

/// How a batch prints its results. [`renderer`] names the file of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BatchFormat {
    /// One line for each dump
    #[default]
    Text,
    /// One document
    Json,
    /// One line of JSON for each dump, then one with the summary
    Jsonl,
    /// JUnit XML: one suite for each dump, one case for each check
    Junit,
    /// SARIF 2.1.0
    Sarif,
}

/// How a command prints its one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    /// For reading
    #[default]
    Text,
    /// One document
    Json,
}

/// How a command prints entries that can be read one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For reading
    #[default]
    Text,
    /// One document
    Json,
    /// One line of JSON for each entry
    Jsonl,
}

/// Prints the results of a batch as they come, in input order.
pub(crate) trait Render {
    /// Before the first dump.
    fn begin(&mut self, _out: &mut dyn Write) -> anyhow::Result<()> {
        Ok(())
    }

    /// One dump.
    fn dump(&mut self, out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()>;

    /// One dump as an earlier run printed it in the same format.
    fn recorded(&mut self, _out: &mut dyn Write, _line: &str) -> anyhow::Result<()> {
        anyhow::bail!("only JSONL can be taken over from an earlier run")
    }

    /// After the last dump.
    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()>;
}

/// The printer of a format.
pub(crate) fn renderer(
    format: BatchFormat,
    look: Look,
    inconclusive_fails: bool,
) -> Box<dyn Render> {
    match format {
        BatchFormat::Text => Box::new(text::Lines::new(look)),
        BatchFormat::Json => Box::new(json::Document::default()),
        BatchFormat::Jsonl => Box::new(jsonl::Lines),
        BatchFormat::Junit => Box::new(junit::Suites::new(inconclusive_fails)),
        BatchFormat::Sarif => Box::new(sarif::Log::default()),
    }
}

/// The name and version that results carry.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

pub(crate) const TOOL: Tool = Tool {
    name: "virtopsy",
    version: env!("CARGO_PKG_VERSION"),
};
