//! Moving about: within a pane, between views, to what a line leads to, and back.

use crate::action::Command;
use crate::content;
use crate::effect::MemoryAt;
use crate::layout::Areas;
use crate::model::{ListState, Mode, Model, Overlay, Spot, Tab};
use crate::place::{Pane, Place, View};
use crate::remote::Remote;
use crate::source::PAGE;

use super::{MOST_BACK, cpu_table, search};

/// Cells that Left and Right move.
const SIDE_STEP: usize = 8;

/// Runs a command that moves.
pub(super) fn run(model: &mut Model, command: Command) {
    let page = isize::try_from(height(model, model.focus()))
        .unwrap_or(isize::MAX)
        .max(1);
    match command {
        Command::Show(view) => go(model, Place::View(view)),
        Command::Down => scroll(model, 1),
        Command::Up => scroll(model, -1),
        Command::HalfDown => scroll(model, page / 2),
        Command::HalfUp => scroll(model, -(page / 2)),
        Command::PageDown => scroll(model, page),
        Command::PageUp => scroll(model, -page),
        Command::Top => set_cursor(model, 0),
        Command::Bottom => set_cursor(model, usize::MAX),
        Command::Left | Command::Right => sideways(model, command == Command::Right),
        Command::OtherPane => other_pane(model),
        Command::Follow => follow(model),
        Command::Back => back(model),
        Command::Fold => fold_here(model),
        Command::FoldAll => fold_all(model),
        Command::StackOfCpu => {
            if let Some(cpu) = model.tab().and_then(Tab::cpu).map(|c| c.cpu) {
                go(model, Place::Stack(cpu));
            }
        }
        _ => {}
    }
}

fn height(model: &Model, pane: Pane) -> usize {
    usize::from(Areas::of(model).rows(pane).height)
}

/// Moves the cursor of the pane that has it.
pub(super) fn scroll(model: &mut Model, by: isize) {
    let pane = model.focus();
    let rows = content::rows(model, pane);
    let cursor = model.tab().map_or(0, |t| t.list(pane).cursor);
    if pane == Pane::Memory && turn_page(model, by, cursor, rows) {
        return;
    }
    set_cursor(model, cursor.saturating_add_signed(by));
}

/// Past the end of a page of memory stands the next one.
fn turn_page(model: &mut Model, by: isize, cursor: usize, rows: usize) -> bool {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return false;
    };
    let Some(start) = tab.memory.ready().map(|p| p.start) else {
        return false;
    };
    let to = if by < 0 && cursor == 0 {
        start.checked_sub(8)
    } else if by > 0 && cursor.saturating_add(1) >= rows {
        start.checked_add(PAGE)
    } else {
        return false;
    };
    if let Some(to) = to {
        show_memory(tab, MemoryAt::Address(to));
    }
    true
}

fn set_cursor(model: &mut Model, cursor: usize) {
    let pane = model.focus();
    let last = content::rows(model, pane).saturating_sub(1);
    if let Some(tab) = model.tabs.get_mut(model.active) {
        let state = tab.list(pane);
        tab.lists.insert(
            pane,
            ListState {
                cursor: cursor.min(last),
                ..state
            },
        );
        reset_detail(tab, pane);
    }
}

/// Another row is chosen: what is shown of it begins at its top.
fn reset_detail(tab: &mut Tab, pane: Pane) {
    let (main, detail) = tab.view.panes();
    if let Some(detail) = detail
        && pane == main
    {
        tab.lists.remove(&detail);
    }
}

/// Puts the cursor on a row, with some rows above it in sight.
pub(super) fn jump(model: &mut Model, pane: Pane, row: usize) {
    let above = height(model, pane) / 3;
    if let Some(tab) = model.tabs.get_mut(model.active) {
        tab.lists.insert(
            pane,
            ListState {
                cursor: row,
                top: row.saturating_sub(above),
            },
        );
        reset_detail(tab, pane);
    }
}

/// Keeps each cursor on a row that exists, and in sight.
pub(super) fn keep_in_view(model: &mut Model) {
    let (main, detail) = model.view().panes();
    let overlay = matches!(model.mode, Mode::Overlay(_)).then_some(Pane::Overlay);
    for pane in [Some(main), detail, overlay].into_iter().flatten() {
        let rows = content::rows(model, pane);
        let height = height(model, pane).max(1);
        let Some(tab) = model.tabs.get_mut(model.active) else {
            return;
        };
        let ListState { cursor, top } = tab.list(pane);
        let waiting = rows == 0;
        let cursor = if waiting {
            cursor
        } else {
            cursor.min(rows.saturating_sub(1))
        };
        let lowest = cursor.saturating_add(1).saturating_sub(height);
        let top = top
            .clamp(lowest, cursor)
            .min(rows.saturating_sub(height).max(lowest));
        tab.lists.insert(pane, ListState { cursor, top });
    }
}

fn sideways(model: &mut Model, right: bool) {
    if let Some(tab) = model.tabs.get_mut(model.active) {
        let by = SIDE_STEP;
        tab.column = if right {
            tab.column.saturating_add(by).min(1 << 16)
        } else {
            tab.column.saturating_sub(by)
        };
    }
}

fn other_pane(model: &mut Model) {
    if let Some(tab) = model.tabs.get_mut(model.active) {
        tab.detail = tab.view.panes().1.is_some() && !tab.detail;
    }
}

/// A click chooses; a click on what is chosen follows it.
pub(super) fn click(model: &mut Model, pane: Pane, row: usize) {
    let rows = content::rows(model, pane);
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let state = tab.list(pane);
    let row = state.top.saturating_add(row);
    if row >= rows {
        return;
    }
    let chosen = tab.focus() == pane && state.cursor == row;
    tab.detail = tab.view.panes().1 == Some(pane);
    tab.lists.insert(
        pane,
        ListState {
            cursor: row,
            ..state
        },
    );
    if chosen {
        follow(model);
    } else {
        reset_detail(tab, pane);
    }
}

fn follow(model: &mut Model) {
    let pane = model.focus();
    let cursor = model.tab().map_or(0, |t| t.list(pane).cursor);
    if let Some(place) = content::line(model, pane, cursor).and_then(|l| l.link) {
        go(model, place);
        return;
    }
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    if tab.view.panes().1.is_some() && !tab.detail {
        tab.detail = true;
    } else {
        model.say("this line leads nowhere");
    }
}

fn spot(tab: &Tab) -> Spot {
    Spot {
        view: tab.view,
        detail: tab.detail,
        lists: tab.lists.clone(),
        memory_at: tab.memory_at.clone(),
    }
}

fn remember(tab: &mut Tab) {
    if tab.back.len() >= MOST_BACK {
        tab.back.remove(0);
    }
    let here = spot(tab);
    tab.back.push(here);
}

fn back(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let Some(spot) = tab.back.pop() else {
        if tab.detail {
            tab.detail = false;
        } else {
            model.say("this is where you began");
        }
        return;
    };
    tab.view = spot.view;
    tab.detail = spot.detail;
    tab.lists = spot.lists;
    if tab.memory_at != spot.memory_at {
        tab.memory_at = spot.memory_at;
        tab.memory = Remote::Idle;
    }
}

/// Goes to a place; Backspace returns from there.
pub(super) fn go(model: &mut Model, place: Place) {
    match place {
        Place::Fold(name) => return fold(model, name),
        Place::Explain(id) => return super::open_overlay(model, Overlay::Explain(id)),
        Place::Record(line) => return super::open_overlay(model, Overlay::Record(line)),
        _ => {}
    }
    model.mode = Mode::Normal;
    let one_pane = model.size.0 < 100 && model.size.1 < 18;
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    if place == Place::View(tab.view) {
        return;
    }
    remember(tab);
    match place {
        Place::View(view) => show(tab, view),
        Place::Cpu(cpu) => go_to_cpu(model, cpu, one_pane),
        Place::Stack(cpu) => go_to_stack(model, cpu, one_pane),
        Place::Splat(number) => {
            show(tab, View::Splats);
            tab.detail = one_pane;
            jump(model, Pane::Splats, number);
        }
        Place::LogLine(line) => {
            show(tab, View::Log);
            tab.log_goto = Some(line);
            log_arrived(model);
        }
        Place::Module(name) => go_to_module(model, &name, one_pane),
        Place::Memory(at) => {
            show(tab, View::Memory);
            show_memory(tab, MemoryAt::Address(at));
        }
        Place::Expression(text) => {
            show(tab, View::Memory);
            show_memory(tab, MemoryAt::Expression(text));
        }
        Place::Explain(_) | Place::Record(_) | Place::Fold(_) => {}
    }
}

fn show(tab: &mut Tab, view: View) {
    tab.view = view;
    tab.detail = false;
    tab.column = 0;
}

fn show_memory(tab: &mut Tab, at: MemoryAt) {
    tab.memory_at = Some(at);
    tab.memory = Remote::Idle;
}

fn go_to_cpu(model: &mut Model, cpu: u32, one_pane: bool) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    show(tab, View::Cpus);
    let row = |tab: &Tab| {
        let cpus = tab
            .report
            .ready()
            .map(|r| r.virtualization.cpus.as_slice())
            .unwrap_or_default();
        tab.cpu_rows
            .iter()
            .position(|i| cpus.get(*i).is_some_and(|c| c.cpu == cpu))
    };
    let mut found = row(tab);
    if found.is_none() && !tab.cpu_filter.is_empty() {
        tab.cpu_filter.clear();
        cpu_table::arrange(tab);
        found = row(tab);
    }
    tab.detail = one_pane;
    match found {
        Some(row) => jump(model, Pane::Cpus, row),
        None => model.complain(format!("there is no CPU {cpu}")),
    }
}

fn go_to_stack(model: &mut Model, cpu: u32, one_pane: bool) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    show(tab, View::Stacks);
    tab.detail = one_pane;
    let cpus = tab
        .report
        .ready()
        .map(|r| r.virtualization.cpus.as_slice())
        .unwrap_or_default();
    if let Some(row) = cpus.iter().position(|c| c.cpu == cpu) {
        jump(model, Pane::Stacks, row);
    }
}

fn go_to_module(model: &mut Model, name: &str, one_pane: bool) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    show(tab, View::Modules);
    tab.detail = one_pane;
    if let Some(row) = tab
        .modules
        .ready()
        .and_then(|m| m.iter().position(|m| m.name == name))
    {
        jump(model, Pane::Modules, row);
    } else {
        tab.module_goto = Some(name.to_owned());
    }
}

/// The modules are here: goes to the one that is waited for.
pub(super) fn modules_arrived(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let Some(name) = tab.module_goto.take() else {
        return;
    };
    match tab
        .modules
        .ready()
        .and_then(|m| m.iter().position(|m| m.name == name))
    {
        Some(row) => jump(model, Pane::Modules, row),
        None => model.complain(format!("there is no module {}", crate::doc::safe(&name))),
    }
}

/// The log, or its filtered lines, are here: goes to the line that is waited for.
pub(super) fn log_arrived(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let Some(log) = tab.log.ready().cloned() else {
        return;
    };
    if let (Some(near), Some(shown)) = (tab.log_near, tab.log_shown.ready()) {
        // The line that the eye was on stays in sight, or the one that follows it.
        let row = shown.partition_point(|l| (*l as usize) < near);
        tab.log_near = None;
        jump(model, Pane::Log, row);
        return;
    }
    let Some(line) = tab.log_goto else { return };
    let target = usize::try_from(line.saturating_sub(1))
        .unwrap_or(usize::MAX)
        .min(log.len().saturating_sub(1));
    let row = if tab.log_filter.is_empty() {
        Some(target)
    } else {
        let Some(shown) = tab.log_shown.ready() else {
            return;
        };
        shown.binary_search(&(target as u32)).ok()
    };
    tab.log_goto = None;
    if row.is_none() {
        search::clear_filter(tab);
    }
    jump(model, Pane::Log, row.unwrap_or(target));
}

/// A page of memory is here: the cursor goes to the word that was asked for.
pub(super) fn memory_arrived(model: &mut Model) {
    let Some(page) = model.tab().and_then(|t| t.memory.ready()).cloned() else {
        return;
    };
    let word = usize::try_from(page.asked.saturating_sub(page.start) / 8).unwrap_or(0);
    jump(model, Pane::Memory, word);
}

fn fold(model: &mut Model, name: &'static str) {
    if let Some(tab) = model.tabs.get_mut(model.active)
        && !tab.folded.remove(name)
    {
        tab.folded.insert(name);
    }
}

/// Folds the section that the cursor is in: its heading is the nearest one above.
fn fold_here(model: &mut Model) {
    let pane = Pane::Splat;
    let cursor = model.tab().map_or(0, |t| t.list(pane).cursor);
    let Some(doc) = content::document(model, pane) else {
        return;
    };
    let heading = doc
        .lines
        .iter()
        .enumerate()
        .take(cursor.saturating_add(1))
        .rev()
        .find_map(|(row, line)| match line.link {
            Some(Place::Fold(name)) => Some((row, name)),
            _ => None,
        });
    if let Some((row, name)) = heading {
        fold(model, name);
        jump(model, pane, row);
        if let Some(tab) = model.tabs.get_mut(model.active) {
            tab.detail = true;
        }
    }
}

fn fold_all(model: &mut Model) {
    let names: Vec<&'static str> = content::document(model, Pane::Splat)
        .map(|doc| {
            let name = |l: &crate::doc::DocLine| match l.link {
                Some(Place::Fold(name)) => Some(name),
                _ => None,
            };
            doc.lines.iter().filter_map(name).collect()
        })
        .unwrap_or_default();
    if let Some(tab) = model.tabs.get_mut(model.active) {
        let open = names.iter().any(|n| !tab.folded.contains(n));
        tab.folded = if open {
            names.into_iter().collect()
        } else {
            Default::default()
        };
        tab.lists.remove(&Pane::Splat);
    }
}
