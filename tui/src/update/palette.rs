//! The goto box: views, CPUs, checks, splats and modules from the model, symbols from a worker.

use std::cmp::Reverse;

use crossterm::event::KeyCode;
use virtopsy::report::Text;
use virtopsy::{CheckId, KnownIssueId};

use crate::effect::Effect;
use crate::fuzzy::{self, Best};
use crate::key::Key;
use crate::model::{Entry, Mode, Model, Palette};
use crate::place::{Place, View};
use crate::source::SymbolHit;

use super::{navigate, want};

/// Entries from the model that are shown at most.
const MOST_NEAR: usize = 50;

/// Opens the box.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    model.mode = Mode::Palette(Palette::default());
    typed(model)
}

/// Takes pasted text.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    if let Mode::Palette(palette) = &mut model.mode {
        palette.input.insert(text);
    }
    typed(model)
}

/// Takes a key.
pub(super) fn key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Mode::Palette(palette) = &mut model.mode else {
        return Vec::new();
    };
    match (key.code, key.ctrl) {
        (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => return close(model),
        (KeyCode::Enter, _) => return accept(model),
        // Already on the way: what is typed now is not for this box.
        _ if palette.hurried => {}
        (KeyCode::Down | KeyCode::Tab, _) | (KeyCode::Char('n'), true) => {
            palette.chosen = palette
                .chosen
                .saturating_add(1)
                .min(palette.entries.len().saturating_sub(1));
        }
        (KeyCode::Up | KeyCode::BackTab, _) | (KeyCode::Char('p'), true) => {
            palette.chosen = palette.chosen.saturating_sub(1);
        }
        _ => {
            let before = palette.input.text().to_owned();
            palette.input.key(key);
            if palette.input.text() != before {
                return typed(model);
            }
        }
    }
    Vec::new()
}

/// Puts what the model knows and the symbols in one order. What the user has chosen stays chosen.
pub(super) fn merge(palette: &mut Palette) {
    let chosen = palette
        .entries
        .get(palette.chosen)
        .filter(|_| palette.chosen > 0)
        .map(|e| e.place.clone());
    let symbol = |hit: &SymbolHit| Entry {
        kind: "symbol",
        name: crate::doc::safe(&hit.name),
        place: Place::Memory(hit.address),
        score: hit.score,
    };
    let symbols = palette
        .symbols
        .ready()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut entries: Vec<Entry> = palette
        .near
        .iter()
        .cloned()
        .chain(symbols.iter().map(symbol))
        .collect();
    entries.sort_by_key(|e| Reverse(e.score));
    palette.chosen = chosen
        .and_then(|place| entries.iter().position(|e| e.place == place))
        .unwrap_or(0);
    palette.entries = entries;
}

/// The symbols are here.
pub(super) fn arrived(model: &mut Model) -> Vec<Effect> {
    let Mode::Palette(palette) = &mut model.mode else {
        return Vec::new();
    };
    merge(palette);
    if palette.hurried {
        accept(model)
    } else {
        Vec::new()
    }
}

/// Tasks, modules or the report are here: they can be gone to.
pub(super) fn names_arrived(model: &mut Model) {
    let Mode::Palette(palette) = &model.mode else {
        return;
    };
    let near = near(model, palette.input.text().trim());
    if let Mode::Palette(palette) = &mut model.mode {
        palette.near = near;
        merge(palette);
    }
}

fn close(model: &mut Model) -> Vec<Effect> {
    let job = match &model.mode {
        Mode::Palette(p) => p.symbols.job(),
        _ => None,
    };
    model.mode = Mode::Normal;
    want::forget(model, job.into_iter().collect())
}

fn accept(model: &mut Model) -> Vec<Effect> {
    let Mode::Palette(palette) = &mut model.mode else {
        return Vec::new();
    };
    let text = palette.input.text().trim().to_owned();
    // What is named in full needs no symbols to be found.
    let named = palette.entries.first();
    let named = named.is_some_and(|entry| entry.name.eq_ignore_ascii_case(&text));
    if palette.symbols.job().is_some() && palette.chosen == 0 && !named {
        palette.hurried = true;
        return Vec::new();
    }
    let chosen = palette.entries.get(palette.chosen).map(|e| e.place.clone());
    let place = chosen.or_else(|| (!text.is_empty()).then_some(Place::Expression(text)));
    let effects = close(model);
    if let Some(place) = place {
        navigate::go(model, place);
    }
    effects
}

fn typed(model: &mut Model) -> Vec<Effect> {
    let Mode::Palette(palette) = &model.mode else {
        return Vec::new();
    };
    let query = palette.input.text().trim().to_owned();
    let near = near(model, &query);
    let effects = want::symbols(model, &query);
    if let Mode::Palette(palette) = &mut model.mode {
        palette.near = near;
        palette.chosen = 0;
        palette.hurried = false;
        merge(palette);
    }
    effects
}

/// Entries of the model that match, best first.
fn near(model: &Model, query: &str) -> Vec<Entry> {
    if let Some(entry) = exact(query) {
        return vec![entry];
    }
    let lower = query.to_lowercase();
    let mut best = Best::new(MOST_NEAR);
    candidates(model, &mut |kind, name: &str, place: &dyn Fn() -> Place| {
        if let Some(score) = fuzzy::score(lower.as_bytes(), name.as_bytes())
            && best.takes(score)
        {
            best.add(
                score,
                Entry {
                    kind,
                    name: name.into(),
                    place: place(),
                    score,
                },
            );
        }
    });
    best.into_vec()
}

/// An address, or an expression: it can only mean memory.
fn exact(query: &str) -> Option<Entry> {
    let named = query.contains(['+', '(', '*', '.', '[', ':']) || query.contains("->");
    let entry = |place| Entry {
        kind: "memory",
        name: query.into(),
        place,
        score: i32::MAX,
    };
    if named {
        return Some(entry(Place::Expression(query.into())));
    }
    let hex = query
        .strip_prefix("0x")
        .or_else(|| query.starts_with("ffff").then_some(query))?;
    let at = u64::from_str_radix(&hex.replace('_', ""), 16).ok()?;
    Some(entry(Place::Memory(at)))
}

type Offer<'a> = dyn FnMut(&'static str, &str, &dyn Fn() -> Place) + 'a;

fn candidates(model: &Model, offer: &mut Offer<'_>) {
    for view in View::ALL {
        offer("view", view.name(), &|| Place::View(view));
    }
    let Some(tab) = model.tab() else { return };
    if let Some(report) = tab.report.ready() {
        for cpu in &report.virtualization.cpus {
            offer("CPU", &format!("cpu {}", cpu.cpu), &|| Place::Cpu(cpu.cpu));
            if let Some(task) = cpu.task.as_ref().filter(|_| tab.tasks.ready().is_none()) {
                let name = format!("pid {} {}", task.pid, task.comm);
                offer("task", &name, &|| Place::Stack(cpu.cpu));
            }
        }
        for (number, splat) in report.splats.iter().enumerate() {
            offer("splat", &crate::doc::safe(&splat.title), &|| {
                Place::Splat(number)
            });
        }
    }
    if let Some(tasks) = tab.tasks.ready() {
        for task in tasks.tasks.iter().filter(|t| t.pid != 0) {
            let name = format!("pid {} {}", task.pid, Text::new(task.comm.clone()));
            offer("task", &name, &|| Place::Task(task.pid));
        }
    }
    for vm in tab.vm_list() {
        let owner = vm.owner.map_or("?".into(), |pid| pid.to_string());
        offer("VM", &format!("vm of pid {owner}"), &|| {
            Place::Vm(vm.address.0)
        });
    }
    for module in tab.module_list() {
        offer("module", &module.name.to_string(), &|| {
            Place::Module(module.name.to_string())
        });
    }
    for id in CheckId::ALL.iter().map(|check| check.id()) {
        offer("check", id, &|| Place::Explain(id.into()));
    }
    for id in KnownIssueId::ALL.iter().map(|issue| issue.id()) {
        offer("issue", id, &|| Place::Explain(id.into()));
    }
}
