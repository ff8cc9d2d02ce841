//! `virtopsy summary`: what the results of many runs add up to.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use virtopsy::report::Text;

use crate::exit::Status;
use crate::fleet::{self, Fleet, Problem, Reader};
use crate::options::Common;
use crate::output::Output;
use crate::render::json;
use crate::terminal::{Look, say};
use crate::words;

const SUMMARY_HELP: &str = "\
Examples:
  virtopsy summary results/*.jsonl
  virtopsy summary --format html --output fleet.html results/*.jsonl
  virtopsy check --format jsonl /var/crash | virtopsy summary -

Exit status:
  0  every line was read, whatever it says
  2  usage, input or internal error, or a line that is no result";

/// What the results of many runs add up to
///
/// Reads what `check --format jsonl` wrote, of one run or of many shares, and groups the dumps by
/// kernel, verdict, check, known issue and lock report. A dump that is named twice counts by its
/// last line. Lines that are no results are told, and cost nothing else.
#[derive(Debug, Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct SummaryArgs {
    /// Results of `check --format jsonl`, or `-` for standard input
    #[arg(required = true, value_name = "FILE|-")]
    pub(crate) files: Vec<OsString>,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: SummaryFormat,
    /// Write the summary to FILE, which appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// For reading
    #[default]
    Text,
    /// One document
    Json,
    /// One row for each group
    Csv,
    /// One page with charts, which needs no other file
    Html,
}

/// Lines that are no results are named one by one up to this many.
const NAMED: usize = 10;

/// Reads the results of runs and prints their summary.
///
/// # Errors
/// When the summary cannot be written.
pub(crate) fn run(args: &SummaryArgs, common: &Common) -> anyhow::Result<Status> {
    let mut reader = Reader::default();
    let mut status = Status::Pass;
    for name in &args.files {
        if let Err(error) = read(&mut reader, name) {
            say(&format!("{}: {error}", Text::new(name.as_bytes())));
            status = Status::Error;
        }
    }
    let (fleet, problems, repeated) = reader.finish();
    if repeated > 0 && !common.quiet {
        let lines = words::count(usize::try_from(repeated).unwrap_or(usize::MAX), "line");
        say(&format!(
            "{lines} of a dump that was named before: its last one counts"
        ));
    }
    if !problems.is_empty() {
        tell(&problems);
        status = Status::Error;
    }
    print(&fleet, args, common)?;
    Ok(status)
}

fn read(reader: &mut Reader, name: &OsStr) -> io::Result<()> {
    let path = Text::new(name.as_bytes());
    if name == "-" {
        return reader.read(path, &mut io::stdin().lock());
    }
    reader.read(path, &mut BufReader::new(File::open(name)?))
}

fn tell(problems: &[Problem]) {
    for problem in problems.iter().take(NAMED) {
        say(&problem.to_string());
    }
    if let Some(more @ 1..) = problems.len().checked_sub(NAMED) {
        say(&format!("{} like these", words::count(more, "more line")));
    }
}

fn print(fleet: &Fleet, args: &SummaryArgs, common: &Common) -> anyhow::Result<()> {
    let mut out = Output::create(args.output.as_deref())?;
    let look = match &args.output {
        Some(_) => Look::of_file(),
        None => common.look(),
    };
    match args.format {
        SummaryFormat::Text => out.write_all(fleet::text_page(fleet, look).as_bytes())?,
        SummaryFormat::Json => json::print(&mut out, &json::Headed::new(fleet))?,
        SummaryFormat::Csv => fleet::print_csv(fleet, &mut out)?,
        SummaryFormat::Html => out.write_all(fleet::html_page(fleet).as_bytes())?,
    }
    out.finish().context("the summary could not be written")
}
