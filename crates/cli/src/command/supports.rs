//! `virtopsy supports`: what could be answered of a kernel, without a crash.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use virtopsy::report::ErrorReport;
use virtopsy::{SupportedFact, SupportedVerdict, SupportsFacts};

use super::{ask_session, print, print_json};
use crate::batch;
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::say;

const SUPPORTS_HELP: &str = "\
Examples:
  virtopsy supports                              the running kernel
  virtopsy supports vmcore                       the kernel of a dump
  virtopsy supports --vmlinux vmlinux
  virtopsy supports --btf vmlinux.btf --symbols System.map

Exit status:
  0  a verdict would be possible on every CPU
  3  not always: what is missing says which CPUs would be unknown
  1  never
  2  usage, input or internal error";

/// What could be answered of a kernel, without a crash
#[derive(Debug, Args)]
#[command(after_long_help = SUPPORTS_HELP)]
pub(crate) struct SupportsArgs {
    /// A dump; none: the files that the options name, or the running kernel
    #[arg(value_name = "DUMP")]
    pub(crate) dump: Option<OsString>,
    /// The kernel's symbols beside --btf: a System.map, or the text of /proc/kallsyms
    #[arg(long, value_name = "FILE", conflicts_with = "dump")]
    pub(crate) symbols: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Prints the table.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &SupportsArgs, common: &Common) -> anyhow::Result<Status> {
    let (source, found) = match &args.dump {
        Some(dump) => (
            dump.clone(),
            ask_session(dump, common, virtopsy::Session::supports),
        ),
        None => of_files(args, common),
    };
    let Some(found) = found else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&source, &found)?,
        PageFormat::Text => {
            let unicode = common.look().unicode;
            let lines = table(&found);
            print(
                &lines
                    .lines()
                    .map(|line| clean(line, unicode) + "\n")
                    .collect::<String>(),
            )?;
        }
    }
    Ok(match found.verdict {
        SupportedVerdict::EveryCpu => Status::Pass,
        SupportedVerdict::NotAlways => Status::Inconclusive,
        SupportedVerdict::Never => Status::Fail,
    })
}

fn of_files(args: &SupportsArgs, common: &Common) -> (OsString, Option<SupportsFacts>) {
    let named = common.btf.as_ref().or(common.vmlinux.as_ref());
    let named = named.or(args.symbols.as_ref());
    let source = named.map_or_else(|| OsString::from("the running kernel"), OsString::from);
    let options = common.options();
    let found = batch::catch(|| {
        virtopsy::supports(&options, args.symbols.as_deref()).map_err(ErrorReport::from)
    });
    match found.unwrap_or_else(Err) {
        Ok(found) => (source, Some(found)),
        Err(error) => {
            say(&format!(
                "{}: {}: {}",
                source.display(),
                error.kind,
                error.message
            ));
            (source, None)
        }
    }
}

fn table(found: &SupportsFacts) -> String {
    let mut out = String::new();
    let none = || "none".to_owned();
    let said = match found.verdict {
        SupportedVerdict::EveryCpu => "a verdict is possible on every CPU",
        SupportedVerdict::NotAlways => "a verdict is possible, not always on every CPU",
        SupportedVerdict::Never => "no verdict is possible",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{said}");
    let _ = writeln!(out, "layout   {}", found.era);
    let _ = writeln!(
        out,
        "types    {}",
        found.types_from.clone().unwrap_or_else(none)
    );
    let _ = writeln!(
        out,
        "symbols  {}",
        found.symbols_from.clone().unwrap_or_else(none)
    );
    if let Some(hint) = found.hint {
        let _ = writeln!(out, "hint     {hint}");
    }
    let mut part = "";
    for fact in &found.facts {
        if fact.needed_for != part {
            part = fact.needed_for;
            let _ = writeln!(out, "\n{part}");
        }
        let _ = writeln!(out, "  {:<34}  {}", fact.fact, state(fact));
        if let Some(consequence) = fact.consequence {
            let why = fact.by_design.map(|why| format!(" ({why})"));
            let _ = writeln!(out, "      {consequence}{}", why.unwrap_or_default());
        }
    }
    out
}

fn state(fact: &SupportedFact) -> String {
    match &fact.read_from {
        Some(from) => from.clone(),
        None if fact.unknown => {
            format!(
                "not known, the module is not at hand: {}",
                fact.alternatives.join(" or ")
            )
        }
        None => format!("missing: {}", fact.alternatives.join(" or ")),
    }
}
