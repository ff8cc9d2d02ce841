//! Circular dependencies: the chain, `Chain exists of:`, the scenario table, the cycle itself.

use crate::limits;
use crate::lock::line;
use crate::lock::open::{Next, Open, TraceSlot};
use crate::lock::parts::{ChainEntry, Scenario, ScenarioStep};
use crate::text::{indent, keep, number};

/// Offers a line.
pub(super) fn take(open: &mut Open, text: &str, t: &str) -> bool {
    chain_entry(open, t) || chain_exists(open, t) || scenario(open, text, t)
}

/// `-> #N (NAME){U}-{o:i}:`; the trace of the acquisition follows.
fn chain_entry(open: &mut Open, t: &str) -> bool {
    let Some((n, rest)) = t.strip_prefix("-> #").and_then(number) else {
        return false;
    };
    let Some(found) = line::lock(rest.trim_end_matches(':')) else {
        return false;
    };
    open.body.place = None;
    if open.splat.chain.len() >= limits::CHAIN {
        open.bound("links of the chain");
        return true;
    }
    open.splat.chain.push(ChainEntry {
        index: u32::try_from(n).unwrap_or(u32::MAX),
        lock: found,
        trace: Vec::new(),
    });
    open.body.place = Some(TraceSlot::Chain);
    open.body.due = None;
    true
}

/// `Chain exists of:`, printed when the cycle has more than two locks.
fn chain_exists(open: &mut Open, t: &str) -> bool {
    if t != "Chain exists of:" {
        return false;
    }
    open.body.place = None;
    open.body.next = Next::ChainExists;
    true
}

/// `A --> B --> C`.
pub(super) fn exists(open: &mut Open, t: &str) -> bool {
    if !t.contains(" --> ") {
        return false;
    }
    open.splat.chain_exists = t.split(" --> ").take(limits::CHAIN).map(keep).collect();
    open.body.next = Next::Nothing;
    true
}

/// The title of a table, its column heads, its rows.
fn scenario(open: &mut Open, text: &str, t: &str) -> bool {
    if let Some(title) = t.strip_suffix(" unsafe locking scenario:")
        && (title == "Possible" || title == "Possible interrupt")
    {
        open.body.place = None;
        open.body.in_scenario = true;
        open.splat.scenario = Some(Scenario {
            title: t.trim_end_matches(':').to_owned(),
            steps: Vec::new(),
        });
        return true;
    }
    if !open.body.in_scenario {
        return false;
    }
    if t.starts_with("CPU0") && t.split(' ').all(|w| w.is_empty() || w.starts_with("CPU"))
        || t.split(' ').all(|w| w.is_empty() || w == "----")
    {
        return true;
    }
    let Some((action, lock)) = step(t) else {
        return false;
    };
    // The second column stands behind 31 blanks, the first behind 2 or 4; none where they are lost.
    let cpu = match indent(text) {
        0 => None,
        1..=15 => Some(0),
        _ => Some(1),
    };
    if let Some(table) = open.splat.scenario.as_mut()
        && table.steps.len() < limits::SCENARIO
    {
        table.steps.push(ScenarioStep { cpu, action, lock });
    }
    true
}

/// `lock(A);`, `rlock(A);`, `sync(A);`, `local_irq_disable();`, `<Interrupt>`.
fn step(t: &str) -> Option<(String, Option<String>)> {
    if t == "<Interrupt>" {
        return Some((t.to_owned(), None));
    }
    let (action, rest) = t.split_once('(')?;
    let name = rest.strip_suffix(");")?;
    match action {
        "lock" | "rlock" | "sync" => Some((action.to_owned(), Some(keep(name)))),
        "local_irq_disable" => Some((action.to_owned(), None)),
        _ => None,
    }
}
