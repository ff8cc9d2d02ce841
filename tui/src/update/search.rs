//! Searching a pane, and narrowing the log.

use regex::bytes::Regex;

use crate::content;
use crate::doc::DocLine;
use crate::effect::Effect;
use crate::keymap::Command;
use crate::logtext;
use crate::model::{Model, Search, Tab};
use crate::place::Pane;
use crate::remote::Remote;

use super::cursor::jump;
use super::want;

/// Begins a search for what was typed; an empty pattern ends it.
pub(super) fn begin(model: &mut Model, pattern: &str) -> Vec<Effect> {
    let stopped = stop(model);
    if pattern.is_empty() {
        return stopped;
    }
    if let Err(why) = logtext::compile(pattern) {
        model.complain(format!("this can't be searched for: {why}"));
        return stopped;
    }
    let pane = model.focus();
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return stopped;
    };
    let from = tab.list(pane).cursor;
    tab.search = Some(Search {
        pattern: pattern.into(),
        pane,
        lines: Remote::Idle,
        from: (pane == Pane::Log).then_some(from),
    });
    if pane != Pane::Log {
        step(model, pane, from, true);
    }
    stopped
}

/// Ends the search.
fn stop(model: &mut Model) -> Vec<Effect> {
    let job = model
        .tabs
        .get_mut(model.active)
        .and_then(|t| t.search.take())
        .and_then(|s| s.lines.job());
    want::forget(model, job.into_iter().collect())
}

/// The matches in the log are here: goes to the first one from where the search began.
pub(super) fn arrived(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let Some(search) = &mut tab.search else {
        return;
    };
    let Some(from) = search.from.take() else {
        return;
    };
    go_to_match(model, from, true);
}

/// The next match, or the one before.
pub(super) fn next(model: &mut Model, forward: bool) {
    let pane = model.focus();
    match model
        .tabs
        .get_mut(model.active)
        .and_then(|tab| tab.search.as_mut())
    {
        Some(search) => search.pane = pane,
        None => {
            model.say("nothing is searched for; / begins");
            return;
        }
    }
    let Some(tab) = model.tab() else { return };
    let rows = content::rows(model, pane).max(1);
    let cursor = tab.list(pane).cursor;
    let by = if forward { 1 } else { rows.saturating_sub(1) };
    let from = cursor.saturating_add(by).checked_rem(rows).unwrap_or(0);
    if pane == Pane::Log {
        go_to_match(model, from, forward);
    } else {
        step(model, pane, from, forward);
    }
}

/// Goes to the match in the log that is nearest to row `from`, around the end if need be.
fn go_to_match(model: &mut Model, from: usize, forward: bool) {
    let Some(tab) = model.tab() else { return };
    let Some(lines) = tab.search.as_ref().and_then(|s| s.lines.ready()).cloned() else {
        model.say("still searching");
        return;
    };
    let line = tab.log_line(from).unwrap_or(0) as u32;
    let at = if forward {
        let at = lines.partition_point(|l| *l < line);
        if at < lines.len() { at } else { 0 }
    } else {
        let at = lines.partition_point(|l| *l <= line);
        at.checked_sub(1).unwrap_or(lines.len().saturating_sub(1))
    };
    let Some(found) = lines.get(at) else {
        model.complain("no line matches");
        return;
    };
    let row = match (&tab.log_shown, tab.log_filter.is_empty()) {
        (Remote::Ready(shown), false) => shown.binary_search(found).unwrap_or(0),
        _ => *found as usize,
    };
    model.say(format!("match {} of {}", at.saturating_add(1), lines.len()));
    jump(model, Pane::Log, row);
}

/// Looks through a pane's lines, from row `from`.
fn step(model: &mut Model, pane: Pane, from: usize, forward: bool) {
    let Some(pattern) = model.tab().and_then(regex) else {
        return;
    };
    let rows = content::rows(model, pane);
    let doc = content::document(model, pane);
    let matches = |row: usize| -> bool {
        let text = match &doc {
            Some(doc) => doc.lines.get(row).map(DocLine::text),
            None => content::line(model, pane, row).map(|l| l.text()),
        };
        text.is_some_and(|t| pattern.is_match(t.as_bytes()))
    };
    let found = if forward {
        (from..rows).chain(0..from.min(rows)).find(|r| matches(*r))
    } else {
        (0..from.saturating_add(1).min(rows))
            .rev()
            .chain((from..rows).rev())
            .find(|r| matches(*r))
    };
    match found {
        Some(row) => jump(model, pane, row),
        None => model.complain("no line matches"),
    }
}

/// The pattern of the search under way, compiled.
pub(crate) fn regex(tab: &Tab) -> Option<Regex> {
    tab.search
        .as_ref()
        .and_then(|s| logtext::compile(&s.pattern).ok())
}

/// Shows the whole log again, the same line under the cursor.
pub(super) fn clear_filter(tab: &mut Tab) {
    let line = tab.log_line(tab.list(Pane::Log).cursor);
    tab.log_filter = logtext::LogFilter::default();
    filter_changed(tab, line);
}

/// The filter has changed: its lines, and those of a search, are to be found anew.
fn filter_changed(tab: &mut Tab, line: Option<usize>) {
    tab.log_shown = Remote::Idle;
    if let Some(search) = &mut tab.search {
        search.lines = Remote::Idle;
        search.from = None;
    }
    let state = tab.list(Pane::Log);
    match line {
        Some(line) if tab.log_filter.is_empty() => {
            let above = state.cursor.saturating_sub(state.top);
            let state = crate::model::ListState {
                cursor: line,
                top: line.saturating_sub(above),
            };
            tab.lists.insert(Pane::Log, state);
        }
        _ => tab.log_near = line,
    }
}

/// Filters by a pattern; an empty one takes the filter away.
pub(super) fn filter_log(model: &mut Model, pattern: &str) {
    if let Err(why) = logtext::compile(pattern) {
        model.complain(format!("this can't be searched for: {why}"));
        return;
    }
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let line = tab.log_line(tab.list(Pane::Log).cursor);
    tab.log_filter.pattern = pattern.into();
    filter_changed(tab, line);
}

/// Filters by level, or by the caller of the line under the cursor.
pub(super) fn narrow_log(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    let cursor = tab.list(Pane::Log).cursor;
    let line = tab.log_line(cursor);
    if command == Command::Level {
        tab.log_filter.level = match tab.log_filter.level {
            None => Some(5),
            Some(5) => Some(4),
            Some(4) => Some(3),
            Some(_) => None,
        };
    } else if tab.log_filter.caller.take().is_none() {
        let caller = tab
            .log
            .ready()
            .zip(line)
            .and_then(|(log, at)| log.line(at)?.record.caller.clone());
        if caller.is_none() {
            model.say("this kernel did not record who printed the line");
            return Vec::new();
        }
        tab.log_filter.caller = caller;
    }
    let stopped: Vec<_> = tab.log_shown.job().into_iter().collect();
    filter_changed(tab, line);
    want::forget(model, stopped)
}
