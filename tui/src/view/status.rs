//! The frame around the panes: title, views, status line, key hints.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use virtopsy::report::CheckVerdict;

use crate::cells;
use crate::keymap::Command;
use crate::keymap::{self, Scope};
use crate::layout::Areas;
use crate::model::{Mode, Model, PromptKind, Tab};
use crate::place::{Pane, View};
use crate::remote::Remote;
use crate::theme::Role;

/// Title and views.
pub(super) fn header(frame: &mut Frame<'_>, model: &Model, areas: &Areas) {
    if areas.title != Rect::ZERO {
        title(frame, model, areas.title);
    }
    let mut spans = Vec::new();
    for (view, label, _) in labels(model) {
        let style = model.theme.style(Role::Plain);
        let style = if view == model.view() {
            style.add_modifier(Modifier::REVERSED | Modifier::BOLD)
        } else {
            style
        };
        spans.push(Span::styled(label, style));
    }
    frame.render_widget(Line::from(spans), areas.tabs);
}

/// How the views are called where there is more or less room; the one on screen always by its
/// whole name.
#[derive(Clone, Copy, Debug)]
enum Names {
    Whole,
    Short,
    None,
}

/// Each view's label and the column that it begins at.
fn labels(model: &Model) -> Vec<(View, String, u16)> {
    let splats = model
        .tab()
        .and_then(|t| t.report.ready())
        .map_or(0, |r| r.splats.len());
    let compare = model.tabs.len() > 1;
    let shown = || {
        View::ALL
            .into_iter()
            .filter(|v| compare || *v != View::Compare || model.view() == *v)
            .enumerate()
    };
    let label = |number: usize, view: View, names: Names| {
        let active = view == model.view();
        let name = match names {
            _ if active => view.name(),
            Names::Whole => view.name(),
            Names::Short => view.short_name(),
            Names::None => "",
        };
        let count = match view {
            View::Splats if splats > 0 && !name.is_empty() => format!("({splats})"),
            _ => String::new(),
        };
        let gap = if name.is_empty() { "" } else { " " };
        let end = if active { " " } else { "" };
        format!(" {}{gap}{name}{count}{end}", number.saturating_add(1))
    };
    let room = usize::from(model.size.0);
    let fits = |names: &Names| {
        shown()
            .map(|(n, v)| cells::width(&label(n, v, *names)))
            .sum::<usize>()
            <= room
    };
    let names = [Names::Whole, Names::Short].into_iter().find(fits);
    let names = names.unwrap_or(Names::None);
    let mut column = 0u16;
    shown()
        .map(|(number, view)| {
            let label = label(number, view, names);
            let start = column;
            column = column.saturating_add(cells::width(&label) as u16);
            (view, label, start)
        })
        .collect()
}

/// The view whose label is at a cell.
pub(crate) fn tab_at(model: &Model, column: u16, row: u16) -> Option<View> {
    if !Areas::of(model).tabs.contains((column, row).into()) {
        return None;
    }
    let all = labels(model);
    all.iter()
        .rev()
        .find(|(_, _, start)| *start <= column)
        .map(|(view, _, _)| *view)
}

fn title(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let mut spans = vec![Span::styled(" virtopsy ", model.theme.style(Role::Heading))];
    for (number, tab) in model.tabs.iter().enumerate() {
        let active = number == model.active;
        let name = if active && model.tabs.len() > 1 {
            format!("[{}]", tab.name)
        } else {
            tab.name.clone()
        };
        let (role, glyph) = verdict_mark(model, tab);
        spans.push(Span::styled(format!(" {glyph}"), model.theme.style(role)));
        let style = model
            .theme
            .style(if active { Role::Heading } else { Role::Muted });
        spans.push(Span::styled(name, style));
    }
    if let Some(tab) = model.tab() {
        spans.push(Span::styled(
            facts(model, tab),
            model.theme.style(Role::Muted),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}

/// A dump's verdict at a glance, where there are several dumps to compare.
fn verdict_mark(model: &Model, tab: &Tab) -> (Role, String) {
    let glyphs = model.theme.glyphs();
    let mark = match (tab.opened.ready(), tab.report.ready()) {
        _ if model.tabs.len() < 2 => return (Role::Plain, String::new()),
        (Some(Err(_)), _) => (Role::Bad, "!"),
        (_, Some(report)) => {
            let (role, glyph, _) = match report.failed_beside_verdict() {
                0 => glyphs.verdict(report.virtualization.verdict),
                _ => glyphs.check(CheckVerdict::Fail),
            };
            (role, glyph)
        }
        (_, None) => (Role::Muted, glyphs.ellipsis),
    };
    (mark.0, format!("{} ", mark.1))
}

fn facts(model: &Model, tab: &Tab) -> String {
    let Some(Ok(opened)) = tab.opened.ready() else {
        return String::new();
    };
    let separator = model.theme.glyphs().separator;
    let release = crate::doc::shown(opened.release.as_ref());
    [release.as_str(), opened.format.as_str()]
        .into_iter()
        .filter(|s| !s.is_empty())
        .map(|s| format!("  {separator} {s}"))
        .collect()
}

/// Status line and key hints.
pub(super) fn footer(frame: &mut Frame<'_>, model: &Model, areas: &Areas) {
    if let Mode::Prompt(prompt) = &model.mode {
        prompt_line(
            frame,
            model,
            prompt.kind,
            prompt.input.halves(),
            areas.status,
        );
    } else {
        let one_line = areas.hints == Rect::ZERO;
        match status(model) {
            Some((role, text)) => {
                let text = cells::cut(
                    &text,
                    usize::from(areas.status.width),
                    model.theme.glyphs().ellipsis,
                );
                frame.render_widget(Line::styled(text, model.theme.style(role)), areas.status);
            }
            None if one_line => hints(frame, model, areas.status),
            None => {}
        }
    }
    if areas.hints != Rect::ZERO {
        hints(frame, model, areas.hints);
    }
}

fn prompt_line(
    frame: &mut Frame<'_>,
    model: &Model,
    kind: PromptKind,
    halves: (&str, &str),
    area: Rect,
) {
    let label = match kind {
        PromptKind::Search => " /",
        PromptKind::Filter => " filter: ",
        PromptKind::Export => " write to: ",
        PromptKind::Note => " note: ",
    };
    let before = format!("{label}{}", halves.0);
    let room = usize::from(area.width).saturating_sub(1);
    let skipped = cells::width(&before).saturating_sub(room);
    let before = cells::skip(&before, skipped);
    let cursor = u16::try_from(cells::width(&before)).unwrap_or(0);
    let text = if model.theme.ascii {
        cells::ascii(halves.1)
    } else {
        halves.1.to_owned()
    };
    frame.render_widget(
        Line::styled(format!("{before}{text}"), model.theme.style(Role::Plain)),
        area,
    );
    frame.set_cursor_position((area.x.saturating_add(cursor), area.y));
}

/// What is said, or what is being worked on.
fn status(model: &Model) -> Option<(Role, String)> {
    let work = work(model);
    if let Some(message) = &model.message {
        let role = if message.bad { Role::Bad } else { Role::Plain };
        let mark = if message.bad { "! " } else { "" };
        return Some((role, format!(" {mark}{}", message.text)));
    }
    work.map(|w| (Role::Muted, w))
}

fn work(model: &Model) -> Option<String> {
    let first = model.jobs.values().next()?;
    let spinner = model.theme.glyphs().spinner;
    let glyph = spinner
        .get(model.ticks.checked_rem(spinner.len()).unwrap_or(0))
        .copied()
        .unwrap_or_default();
    let more = match model.jobs.len().saturating_sub(1) {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    let waiting = match model.waiting.as_str() {
        "" => String::new(),
        waiting => format!(": {}", crate::doc::safe(waiting)),
    };
    Some(format!(" {glyph} {first}{more}{waiting} (Esc cancels)"))
}

/// The keys that matter here, from the table.
fn hints(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let view = model.view();
    let mut spans = Vec::new();
    let mut room = usize::from(area.width);
    let here = keymap::bindings()
        .filter(|b| !b.hint.is_empty() && matches!(b.scope, Scope::In(_)) && b.scope.holds(view));
    // The last of the table, help and quit, must be seen wherever anything is.
    let always: Vec<_> = keymap::bindings()
        .filter(|b| !b.hint.is_empty() && b.scope == Scope::Any)
        .collect();
    let (help, rest): (Vec<_>, Vec<_>) = always
        .into_iter()
        .partition(|b| matches!(b.command, Command::Help | Command::Quit));
    for binding in here.chain(help).chain(rest) {
        let Some(key) = model.keymap.keys_of(binding.name).into_iter().next() else {
            continue;
        };
        if binding.command == Command::OtherPane && view.panes().1.is_none() {
            continue;
        }
        let needed = cells::width(&key)
            .saturating_add(cells::width(binding.hint))
            .saturating_add(3);
        if needed > room {
            break;
        }
        room = room.saturating_sub(needed);
        spans.push(Span::styled(
            format!(" {key}"),
            model.theme.style(Role::Heading),
        ));
        spans.push(Span::styled(
            format!(" {} ", binding.hint),
            model.theme.style(Role::Muted),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}

/// Whether there is a dump whose parts can be waited for.
pub(super) fn is_open(tab: &Tab) -> bool {
    matches!(tab.opened.ready(), Some(Ok(_)))
}

/// Why a pane is still empty.
pub(super) fn waiting_for(model: &Model, tab: &Tab, pane: Pane) -> String {
    let slot = match &tab.opened {
        Remote::Ready(Err(e)) => return format!("the dump could not be opened: {}", e.message),
        Remote::Ready(Ok(_)) => pane_state(tab, pane),
        Remote::Idle | Remote::Waiting(_) => {
            return format!("opening the dump {}", model.theme.glyphs().ellipsis);
        }
        Remote::Failed(why) => return format!("the dump could not be opened: {why}"),
    };
    let kernel = tab
        .opened
        .ready()
        .and_then(|o| o.as_ref().ok())
        .and_then(|o| o.kernel_error.as_ref());
    match (slot, kernel) {
        (Some(why), _) => why,
        (None, Some(why)) => format!("not known: {why}"),
        (None, None) => format!("being read {}", model.theme.glyphs().ellipsis),
    }
}

/// Why what a pane shows is not to be had, where that is known.
fn pane_state(tab: &Tab, pane: Pane) -> Option<String> {
    fn failed<T>(slot: &Remote<T>) -> Option<String> {
        match slot {
            Remote::Failed(why) => Some(why.clone()),
            _ => None,
        }
    }
    match pane {
        Pane::Log => failed(&tab.log).or_else(|| failed(&tab.log_shown)),
        Pane::Stacks | Pane::Stack => failed(&tab.report).or_else(|| failed(&tab.tasks)),
        Pane::Modules | Pane::Module => failed(&tab.modules).or_else(|| failed(&tab.vms)),
        Pane::Memory => failed(&tab.memory),
        _ => failed(&tab.report),
    }
}
