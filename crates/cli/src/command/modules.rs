//! `virtopsy modules`: loaded modules.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use virtopsy::Session;
use virtopsy::facts::ModulesFacts;

use super::{ask_session, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::Look;

/// Loaded modules: state, memory, users, taints
#[derive(Debug, Args)]
pub(crate) struct ModulesArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Prints the modules.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &ModulesArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(answer) = ask_session(&args.dump, common, Session::modules) else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    let nothing = answer.modules.is_empty() && answer.incomplete_because.is_some();
    Ok(if nothing { Status::Error } else { Status::Pass })
}

fn text(answer: &ModulesFacts, look: Look) -> String {
    let mut out = format!(
        "{:<24} {:<8} {:>9} {:>5}  {:<18}  USED BY\n",
        "MODULE", "STATE", "BYTES", "REFS", "TEXT AT"
    );
    for module in &answer.modules {
        let text = module.areas.iter().find(|area| area.text);
        let at = text.map_or_else(|| "-".to_owned(), |area| format!("{:#018x}", area.base.0));
        let refs = module
            .refcount
            .map_or_else(|| "-".to_owned(), |n| n.to_string());
        let mut users: Vec<String> = module.used_by.iter().map(ToString::to_string).collect();
        // That it has none and that they can't be read are two things.
        if module.used_by_incomplete_because.is_some() {
            users.push("?".to_owned());
        }
        let taints = module.taints.as_deref().filter(|t| !t.is_empty());
        let taints = taints.map(|t| format!(" ({t})")).unwrap_or_default();
        let name = format!("{}{taints}", module.name);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name:<24} {:<8} {:>9} {refs:>5}  {at:<18}  {}",
            module.state,
            module.size,
            users.join(","),
        );
    }
    if let Some(taints) = answer.taints.as_deref() {
        let taints = if taints.is_empty() { "none" } else { taints };
        let _ = writeln!(out, "Taints of the kernel: {taints}");
    }
    if let Some(last) = &answer.last_unloaded {
        let _ = writeln!(out, "Unloaded last: {last}");
    }
    if let Some(why) = &answer.incomplete_because {
        let _ = writeln!(out, "The list is not whole: {why}");
    }
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}
