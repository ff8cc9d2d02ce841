//! `virtopsy modules`: loaded modules.

use std::fmt::Write as _;

use serde::Serialize;
use virtopsy::report::{Hex, Text};
use virtopsy_kernel::{Error, Kernel, Module};

use super::{ask_kernel, error_text, print, print_json};
use crate::args::{Common, ModulesArgs, PageFormat};
use crate::exit::Status;
use crate::page::clean;
use crate::terminal::Look;

#[derive(Serialize)]
struct Answer {
    /// Letters of the kernel's taints, as an oops shows them; empty without.
    taints: Option<String>,
    modules: Vec<Entry>,
    last_unloaded: Option<Text>,
    /// Why modules are missing.
    incomplete_because: Option<Text>,
}

#[derive(Serialize)]
struct Entry {
    name: Text,
    address: Hex,
    state: String,
    refcount: Option<i64>,
    used_by: Vec<Text>,
    taints: Option<String>,
    /// Bytes of all its memory.
    size: u64,
    areas: Vec<Area>,
    percpu: Hex,
    /// How many symbols its kallsyms have; absent where they can't be read.
    symbols: Option<usize>,
}

#[derive(Serialize)]
struct Area {
    base: Hex,
    size: u64,
    text: bool,
}

/// Prints the modules.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &ModulesArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(answer) = ask_kernel(&args.dump, common, answer) else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, Look::of_stdout(common.color)))?,
    }
    let nothing = answer.modules.is_empty() && answer.incomplete_because.is_some();
    Ok(if nothing { Status::Error } else { Status::Pass })
}

// A question of the kernel may fail; this one never does.
#[allow(clippy::unnecessary_wraps)]
fn answer(kernel: &Kernel) -> Result<Answer, Error> {
    let list = kernel.modules();
    let last = kernel.last_unloaded_module().ok().flatten();
    Ok(Answer {
        taints: kernel.taints().ok(),
        modules: list
            .modules
            .iter()
            .map(|module| entry(kernel, module))
            .collect(),
        last_unloaded: last.map(|module| Text::new(module.name)),
        incomplete_because: list.broken.as_ref().map(error_text),
    })
}

fn entry(kernel: &Kernel, module: &Module) -> Entry {
    let users = kernel.module_users(module).unwrap_or_default();
    Entry {
        name: Text::from(module.name.as_str()),
        address: Hex(module.address.0),
        state: module.state.to_string(),
        refcount: module.refcount,
        used_by: users.into_iter().map(Text::new).collect(),
        taints: kernel.module_taints(module).ok(),
        size: module
            .areas
            .iter()
            .fold(0, |sum, area| area.size.saturating_add(sum)),
        areas: module
            .areas
            .iter()
            .map(|area| Area {
                base: Hex(area.base.0),
                size: area.size,
                text: area.text,
            })
            .collect(),
        percpu: Hex(module.percpu.0),
        symbols: kernel.module_symbol_count(module).ok(),
    }
}

fn text(answer: &Answer, look: Look) -> String {
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
        let users: Vec<String> = module.used_by.iter().map(ToString::to_string).collect();
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
