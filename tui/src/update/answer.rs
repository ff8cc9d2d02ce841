//! Answers of workers find the place that waits for them, or are dropped.

use std::path::Path;

use crate::editor;
use crate::effect::{Answer, Effect, Reply};
use crate::model::{Mode, Model, Tab};
use crate::notes;
use crate::remote::Remote;

use super::{cpu_table, navigate, palette, search, task_table};

/// Takes an answer.
pub(super) fn take(model: &mut Model, answer: &Answer) -> Vec<Effect> {
    let Some(what) = model.jobs.remove(&answer.job) else {
        return Vec::new();
    };
    if model.jobs.is_empty() {
        model.waiting.clear();
    }
    if let Mode::Palette(palette) = &mut model.mode
        && settle(&mut palette.symbols, answer, |r| match r {
            Reply::Symbols(hits) => Some(hits.clone()),
            _ => None,
        })
    {
        return palette::arrived(model);
    }
    if model.writing.job() == Some(answer.job) {
        written(model, answer);
        return Vec::new();
    }
    if model.finding.job() == Some(answer.job) {
        return found(model, answer);
    }
    if let Err(why) = &answer.result {
        model.complain(format!("{what}: {why}"));
    }
    if let Ok(Reply::Notes(path, text)) = &answer.result {
        add_notes(model, path, text);
        return Vec::new();
    }
    let mut arrived = None;
    for tab in &mut model.tabs {
        if let Some(slot) = into_tab(tab, answer) {
            arrived = Some(slot);
            break;
        }
    }
    match arrived {
        Some(Slot::Search) => search::arrived(model),
        Some(Slot::Log | Slot::Shown) => navigate::log_arrived(model),
        Some(Slot::Memory) => navigate::memory_arrived(model),
        Some(Slot::Names) => {
            navigate::names_arrived(model);
            palette::names_arrived(model);
        }
        _ => {}
    }
    Vec::new()
}

enum Slot {
    Log,
    Shown,
    Search,
    Memory,
    /// Tasks, modules or virtual machines.
    Names,
    Other,
}

fn settle<T>(slot: &mut Remote<T>, answer: &Answer, pick: impl Fn(&Reply) -> Option<T>) -> bool {
    let result = match &answer.result {
        Ok(reply) => pick(reply)
            .ok_or_else(|| "the worker gave another answer than was asked for".to_owned()),
        Err(why) => Err(why.clone()),
    };
    slot.settle(answer.job, result)
}

macro_rules! arc {
    ($variant:ident) => {
        |reply| match reply {
            Reply::$variant(value) => Some(value.clone()),
            _ => None,
        }
    };
}

fn into_tab(tab: &mut Tab, answer: &Answer) -> Option<Slot> {
    if settle(&mut tab.report, answer, arc!(Report)) {
        cpu_table::arrange(tab);
        task_table::arrange(tab);
        return Some(Slot::Names);
    }
    if settle(&mut tab.log, answer, arc!(Log)) {
        return Some(Slot::Log);
    }
    if settle(&mut tab.log_shown, answer, arc!(Lines)) {
        return Some(Slot::Shown);
    }
    if settle(&mut tab.memory, answer, arc!(Memory)) {
        return Some(Slot::Memory);
    }
    if let Some(found) = &mut tab.search
        && settle(&mut found.lines, answer, arc!(Lines))
    {
        return Some(Slot::Search);
    }
    if settle(&mut tab.tasks, answer, arc!(Tasks)) {
        task_table::arrange(tab);
        return Some(Slot::Names);
    }
    if settle(&mut tab.modules, answer, arc!(Modules)) {
        return Some(Slot::Names);
    }
    if settle(&mut tab.vms, answer, arc!(Vms)) {
        navigate::vms_arrived(tab);
        return Some(Slot::Names);
    }
    let other = settle(&mut tab.opened, answer, arc!(Opened))
        || settle(&mut tab.code, answer, arc!(Code))
        || tab
            .stacks
            .values_mut()
            .any(|slot| settle(slot, answer, arc!(Stack)));
    other.then_some(Slot::Other)
}

fn written(model: &mut Model, answer: &Answer) {
    model.writing = Remote::Idle;
    match &answer.result {
        Ok(Reply::Written(path, bytes)) => model.say(format!(
            "wrote {bytes} bytes to {}",
            crate::effect::shown(path)
        )),
        Ok(_) => {}
        Err(why) => model.complain(why.clone()),
    }
}

/// The line of the source is found: the editor shows it.
fn found(model: &mut Model, answer: &Answer) -> Vec<Effect> {
    model.finding = Remote::Idle;
    match &answer.result {
        Ok(Reply::Source(path, line)) => {
            let command = editor::command(model.editor.as_deref(), path, *line);
            return vec![Effect::Edit(command)];
        }
        Ok(_) => {}
        Err(why) => model.complain(why.clone()),
    }
    Vec::new()
}

fn add_notes(model: &mut Model, path: &Path, text: &str) {
    if let Some(tab) = model
        .tabs
        .iter_mut()
        .find(|t| t.notes_file.as_deref() == Some(path))
    {
        let mut marks = notes::parse(text);
        marks.append(&mut tab.bookmarks);
        tab.bookmarks = marks;
    }
}
