//! The one place where the model changes: `update(model, action)` gives what is to be done.

mod answer;
mod bookmark;
mod cpu_table;
mod cursor;
mod navigate;
mod palette;
mod prompt;
mod search;
mod task_table;
mod want;

#[cfg(test)]
mod tests;

pub(crate) use search::regex as search_regex;

use crossterm::event::KeyCode;

use crate::action::Action;
use crate::content;
use crate::effect::{Effect, JobId, Request};
use crate::key::Key;
use crate::keymap::Command;
use crate::keymap::Meaning;
use crate::layout;
use crate::model::{Message, Mode, Model, Overlay};
use crate::place::{Pane, View};

/// Most places to go back to.
const MOST_BACK: usize = 200;

/// Changes the model; what is to be done in the world comes back.
pub(crate) fn update(model: &mut Model, action: Action) -> Vec<Effect> {
    let mut effects = match action {
        Action::Key(key) => on_key(model, key),
        Action::Paste(text) => prompt::paste(model, &text),
        Action::Resize(width, height) => {
            model.size = (width, height);
            Vec::new()
        }
        Action::Click(column, row) => click(model, column, row),
        Action::Wheel(lines) => {
            navigate::scroll(model, lines);
            Vec::new()
        }
        Action::Answer(answer) => answer::take(model, &answer),
        Action::Tick(waiting) => {
            model.waiting = waiting.unwrap_or_else(|| std::mem::take(&mut model.waiting));
            model.ticks = model.ticks.wrapping_add(1);
            Vec::new()
        }
        Action::Suspend => vec![Effect::Suspend],
    };
    effects.extend(want::start(model));
    navigate::keep_in_view(model);
    effects
}

/// What has to be done before anything has happened.
pub(crate) fn begin(model: &mut Model) -> Vec<Effect> {
    let mut effects = want::start(model);
    effects.extend(want::notes(model));
    effects
}

impl Model {
    /// Numbers a request and notes that it is under way.
    fn job(&mut self, request: Request) -> (JobId, Effect) {
        let job = JobId(self.next_job);
        self.next_job = self.next_job.saturating_add(1);
        self.jobs.insert(job, request.describe());
        (job, Effect::Start(job, request))
    }

    fn say(&mut self, text: impl Into<String>) {
        self.message = Some(Message {
            bad: false,
            text: text.into(),
        });
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.message = Some(Message {
            bad: true,
            text: text.into(),
        });
    }
}

fn on_key(model: &mut Model, key: Key) -> Vec<Effect> {
    model.message = None;
    match model.mode {
        Mode::Prompt(_) => prompt::key(model, key),
        Mode::Palette(_) => palette::key(model, key),
        Mode::Normal | Mode::Overlay(_) => command_key(model, key),
    }
}

fn command_key(model: &mut Model, key: Key) -> Vec<Effect> {
    model.pending.push(key);
    match model.keymap.meaning(&model.pending, model.view()) {
        Meaning::Prefix => Vec::new(),
        Meaning::Command(command) => {
            model.pending.clear();
            run(model, command)
        }
        Meaning::Nothing => {
            let sequence = model.pending.len() > 1;
            model.pending.clear();
            if sequence {
                command_key(model, key)
            } else {
                unknown_key(model, key)
            }
        }
    }
}

fn unknown_key(model: &mut Model, key: Key) -> Vec<Effect> {
    if !matches!(key.code, KeyCode::Null | KeyCode::Modifier(_)) {
        model.say(format!("{key} does nothing here; ? shows all keys"));
    }
    Vec::new()
}

fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    if matches!(model.mode, Mode::Overlay(_))
        && matches!(
            command,
            Command::Quit | Command::Cancel | Command::Help | Command::Back
        )
    {
        model.mode = Mode::Normal;
        return Vec::new();
    }
    match command {
        Command::Quit => model.quit = true,
        Command::Help => open_overlay(model, Overlay::Help),
        Command::Bookmarks => open_overlay(model, Overlay::Bookmarks),
        Command::Goto => return palette::open(model),
        Command::Cancel => return cancel(model),
        Command::Reload => want::ask_again(model),
        Command::Redraw => return vec![Effect::Redraw],
        Command::Suspend => return vec![Effect::Suspend],
        Command::Mouse => {
            model.mouse = !model.mouse;
            let how = if model.mouse {
                "taken; the terminal's own selection needs Shift"
            } else {
                "let go"
            };
            model.say(format!("the mouse is {how}"));
            return vec![Effect::Mouse(model.mouse)];
        }
        Command::NextDump => switch_tab(model, 1),
        Command::PreviousDump => switch_tab(model, model.tabs.len().saturating_sub(1)),
        Command::RemoveBookmark => return bookmark::remove(model),
        Command::Source => return want::source(model),
        Command::Copy | Command::CopyAll => return copy(model, command == Command::CopyAll),
        Command::Search | Command::Filter | Command::Export | Command::Bookmark => {
            prompt::open(model, command);
        }
        Command::SearchNext => search::next(model, true),
        Command::SearchPrevious => search::next(model, false),
        Command::Sort | Command::SortReverse | Command::NextProblem => sort(model, command),
        Command::Level | Command::Caller => return search::narrow_log(model, command),
        other => navigate::run(model, other),
    }
    Vec::new()
}

fn sort(model: &mut Model, command: Command) {
    match model.tabs.get_mut(model.active) {
        Some(tab) if tab.view == View::Stacks => {
            task_table::sort(tab, command == Command::SortReverse);
        }
        _ => cpu_table::run(model, command),
    }
}

fn open_overlay(model: &mut Model, overlay: Overlay) {
    if let Some(tab) = model.tabs.get_mut(model.active) {
        tab.lists.remove(&Pane::Overlay);
    }
    model.mode = Mode::Overlay(overlay);
}

fn switch_tab(model: &mut Model, by: usize) {
    let count = model.tabs.len();
    if count < 2 {
        model.say("only one dump is open (`virtopsy open A B` opens two)");
        return;
    }
    model.active = model
        .active
        .saturating_add(by)
        .checked_rem(count)
        .unwrap_or(0);
    model.mode = Mode::Normal;
}

/// Esc: stops work first, then leaves the search, then the filter.
fn cancel(model: &mut Model) -> Vec<Effect> {
    let stopped = want::cancel(model);
    if !stopped.is_empty() {
        model.say("cancelled; r asks again");
        return stopped;
    }
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    if tab.search.take().is_some() {
        return Vec::new();
    }
    match tab.view {
        View::Log if !tab.log_filter.is_empty() => search::clear_filter(tab),
        View::Cpus if !tab.cpu_filter.is_empty() => {
            tab.cpu_filter.clear();
            cpu_table::arrange(tab);
        }
        View::Stacks if !tab.task_filter.is_empty() => {
            tab.task_filter.clear();
            task_table::arrange(tab);
        }
        _ if tab.detail => tab.detail = false,
        _ => {}
    }
    Vec::new()
}

/// Longest text that is put on the clipboard, in bytes: xterm takes 74,994 characters of base64.
const LONGEST_COPY: usize = 56_000;

fn copy(model: &mut Model, all: bool) -> Vec<Effect> {
    let pane = model.focus();
    let text = if all {
        content::text(model, pane, LONGEST_COPY)
    } else {
        let cursor = model.tab().map_or(0, |t| t.list(pane).cursor);
        content::line(model, pane, cursor).map_or(String::new(), |l| l.text().trim().to_owned())
    };
    if text.is_empty() {
        model.say("there is nothing to copy here");
        return Vec::new();
    }
    if text.len() > LONGEST_COPY {
        model.complain("too long for the clipboard; e writes it to a file");
        return Vec::new();
    }
    model.say(format!("copied {} characters", text.chars().count()));
    vec![Effect::Copy(text)]
}

fn click(model: &mut Model, column: u16, row: u16) -> Vec<Effect> {
    model.message = None;
    if let Some(view) = crate::view::tab_at(model, column, row) {
        navigate::run(model, Command::Show(view));
        return Vec::new();
    }
    if let Some((pane, row)) = layout::hit(model, column, row) {
        navigate::click(model, pane, row);
    }
    Vec::new()
}
