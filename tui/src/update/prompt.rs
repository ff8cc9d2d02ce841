//! A line being typed at the bottom: a search, a filter, a file's name, a note.

use std::path::PathBuf;

use crossterm::event::KeyCode;

use crate::action::Command;
use crate::content;
use crate::effect::{Effect, Payload, Request};
use crate::input::LineInput;
use crate::key::Key;
use crate::model::{Bookmark, Mode, Model, Prompt, PromptKind, Tab};
use crate::notes;
use crate::place::{Pane, Place, View};
use crate::remote::Remote;

use super::{cpu_table, palette, search};

/// Opens the line.
pub(super) fn open(model: &mut Model, command: Command) {
    let Some(tab) = model.tab() else { return };
    let (kind, text) = match command {
        Command::Search => (PromptKind::Search, String::new()),
        Command::Filter if tab.view == View::Log => {
            (PromptKind::Filter, tab.log_filter.pattern.clone())
        }
        Command::Filter => (PromptKind::Filter, tab.cpu_filter.clone()),
        Command::Export => (PromptKind::Export, export_name(model, tab)),
        _ => (PromptKind::Note, String::new()),
    };
    model.mode = Mode::Prompt(Prompt {
        kind,
        input: LineInput::new(text),
    });
}

fn export_name(model: &Model, tab: &Tab) -> String {
    let name: String = tab
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!(
        "{}{name}-{}.txt",
        model.export_dir,
        tab.view.name().to_lowercase()
    )
}

/// Takes a key.
pub(super) fn key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Mode::Prompt(prompt) = &mut model.mode else {
        return Vec::new();
    };
    if key.code == KeyCode::Esc || key == Key::parse("Ctrl-c").unwrap_or(key) && key.ctrl {
        model.mode = Mode::Normal;
        return Vec::new();
    }
    if key.code == KeyCode::Enter {
        let (kind, text) = (prompt.kind, prompt.input.text().to_owned());
        model.mode = Mode::Normal;
        return accept(model, kind, &text);
    }
    prompt.input.key(key);
    Vec::new()
}

/// Takes pasted text.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    match &mut model.mode {
        Mode::Prompt(prompt) => prompt.input.insert(text),
        Mode::Palette(_) => return palette::paste(model, text),
        Mode::Normal | Mode::Overlay(_) => {
            model.say("there is no line to paste into; / or : opens one");
        }
    }
    Vec::new()
}

fn accept(model: &mut Model, kind: PromptKind, text: &str) -> Vec<Effect> {
    match kind {
        PromptKind::Search => search::begin(model, text),
        PromptKind::Filter => {
            filter(model, text);
            Vec::new()
        }
        PromptKind::Export => export(model, text.trim()),
        PromptKind::Note => bookmark(model, text.trim()),
    }
}

fn filter(model: &mut Model, text: &str) {
    if model.view() == View::Log {
        search::filter_log(model, text);
    } else if let Some(tab) = model.tabs.get_mut(model.active) {
        tab.cpu_filter = text.trim().to_owned();
        cpu_table::arrange(tab);
    }
}

/// Writes the pane that has the cursor; a name that ends in `!` may replace a file.
fn export(model: &mut Model, name: &str) -> Vec<Effect> {
    let (name, over) = match name.strip_suffix('!') {
        Some(name) => (name, true),
        None => (name, false),
    };
    if name.is_empty() {
        return Vec::new();
    }
    let pane = model.focus();
    let Some(tab) = model.tab() else {
        return Vec::new();
    };
    let payload = if name.ends_with(".json") {
        tab.report.ready().map(|r| Payload::Json(r.clone()))
    } else if pane == Pane::Log {
        let lines = if tab.log_filter.is_empty() {
            None
        } else {
            tab.log_shown.ready().cloned()
        };
        tab.log.ready().map(|log| Payload::Log(log.clone(), lines))
    } else {
        Some(Payload::Text(content::text(model, pane, usize::MAX)))
    };
    let Some(payload) = payload else {
        model.complain("there is nothing to write yet");
        return Vec::new();
    };
    let (job, effect) = model.job(Request::Write {
        path: PathBuf::from(name),
        payload,
        over,
    });
    model.writing = Remote::Waiting(job);
    vec![effect]
}

/// What the bookmark of this very place is.
fn here(tab: &Tab) -> Place {
    let cursor = tab.list(tab.focus()).cursor;
    match tab.view {
        View::Cpus => tab
            .cpu()
            .map_or(Place::View(View::Cpus), |c| Place::Cpu(c.cpu)),
        View::Stacks => tab
            .stack_cpu()
            .map_or(Place::View(View::Stacks), |c| Place::Stack(c.cpu)),
        View::Splats => Place::Splat(tab.list(Pane::Splats).cursor),
        View::Log => Place::LogLine((tab.log_line(cursor).unwrap_or(0) as u64).saturating_add(1)),
        View::Modules => {
            let row = tab.list(Pane::Modules).cursor;
            let name = tab
                .modules
                .ready()
                .and_then(|m| m.get(row))
                .map(|m| m.name.clone());
            name.map_or(Place::View(View::Modules), Place::Module)
        }
        View::Memory => {
            let at = tab
                .memory
                .ready()
                .map(|p| p.start.wrapping_add((cursor as u64).wrapping_mul(8)));
            at.map_or(Place::View(View::Memory), Place::Memory)
        }
        view => Place::View(view),
    }
}

fn bookmark(model: &mut Model, note: &str) -> Vec<Effect> {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    let place = here(tab);
    let said = format!("bookmark at {}", notes::describe(&place));
    tab.bookmarks.push(Bookmark {
        place,
        note: note.to_owned(),
    });
    let file = tab
        .notes_file
        .clone()
        .map(|path| (path, Payload::Text(notes::write(&tab.bookmarks))));
    model.say(said);
    match file {
        Some((path, payload)) => vec![
            model
                .job(Request::Write {
                    path,
                    payload,
                    over: true,
                })
                .1,
        ],
        None => Vec::new(),
    }
}
