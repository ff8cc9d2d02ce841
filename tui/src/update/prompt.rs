//! A line being typed at the bottom: a search, a filter, a file's name, a note.

use std::path::PathBuf;

use crossterm::event::KeyCode;

use crate::content;
use crate::effect::{Effect, Payload, Request};
use crate::input::LineInput;
use crate::key::Key;
use crate::keymap::Command;
use crate::model::{Mode, Model, Prompt, PromptKind, Tab};
use crate::place::{Pane, View};
use crate::remote::Remote;

use super::{bookmark, cpu_table, palette, search, task_table};

/// Opens the line.
pub(super) fn open(model: &mut Model, command: Command) {
    let Some(tab) = model.tab() else { return };
    let (kind, text) = match command {
        Command::Search => (PromptKind::Search, String::new()),
        Command::Filter if tab.view == View::Log => {
            (PromptKind::Filter, tab.log_filter.pattern.clone())
        }
        Command::Filter if tab.view == View::Stacks => {
            (PromptKind::Filter, tab.task_filter.clone())
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
        PromptKind::Note => bookmark::put(model, text.trim()),
    }
}

fn filter(model: &mut Model, text: &str) {
    if model.view() == View::Log {
        search::filter_log(model, text);
    } else if let Some(tab) = model.tabs.get_mut(model.active) {
        if tab.view == View::Stacks {
            tab.task_filter = text.trim().to_owned();
            task_table::arrange(tab);
        } else {
            tab.cpu_filter = text.trim().to_owned();
            cpu_table::arrange(tab);
        }
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
    let json = name.ends_with(".json");
    let payload = if pane == Pane::Log {
        log_payload(tab, json)
    } else if json {
        let view = crate::json::pane(model, pane).map(Payload::View);
        view.or_else(|| tab.report.ready().map(|r| Payload::Report(r.clone())))
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

/// The log, or what the filter leaves of it.
fn log_payload(tab: &Tab, json: bool) -> Option<Payload> {
    let log = tab.log.ready()?.clone();
    let lines = if tab.log_filter.is_empty() {
        None
    } else {
        Some(tab.log_shown.ready()?.clone())
    };
    Some(if json {
        Payload::LogJson(log, lines)
    } else {
        Payload::Log(log, lines)
    })
}
