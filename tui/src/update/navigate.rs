//! Moving about: within a pane, between views, to what a line leads to, and back.

use crate::content;
use crate::keymap::Command;
use crate::layout;
use crate::model::{ListState, Mode, Model, Overlay, Shape, Spot, Tab};
use crate::place::{Pane, Place, View};
use crate::remote::Remote;
use crate::source::{MemoryAt, PAGE};

use super::cursor::{height, jump, reset_detail};
use super::{MOST_BACK, cpu_table, search, task_table};

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
        Command::OtherShape => other_shape(model),
        Command::Fold => fold_here(model),
        Command::FoldAll => fold_all(model),
        Command::Stack => {
            if let Some(cpu) = model.tab().and_then(Tab::cpu).map(|c| c.cpu) {
                go(model, Place::Stack(cpu));
            }
        }
        _ => {}
    }
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
    if tab.shape() != Shape::Words {
        return false;
    }
    let to = if by < 0 && cursor == 0 {
        start.checked_sub(8)
    } else if by > 0 && cursor.saturating_add(1) >= rows {
        start.checked_add(PAGE)
    } else {
        return false;
    };
    if let Some(to) = to {
        show_memory(tab, MemoryAt::Address(to));
        tab.shape = Some(Shape::Words);
    }
    true
}

/// Shows memory in the next shape that it can be shown in.
fn other_shape(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let (shapes, now) = (tab.shapes(), tab.shape());
    let next = shapes
        .iter()
        .position(|s| *s == now)
        .and_then(|at| shapes.get(at.saturating_add(1)))
        .or(shapes.first())
        .copied();
    if next == Some(now) || next.is_none() {
        model.say("this can be shown in one way only");
        return;
    }
    tab.shape = next;
    memory_arrived(model);
}

fn set_cursor(model: &mut Model, cursor: usize) {
    let pane = model.focus();
    let (rows, first) = content::extent(model, pane);
    if let Some(tab) = model.tabs.get_mut(model.active) {
        let state = tab.list(pane);
        tab.lists.insert(
            pane,
            ListState {
                cursor: cursor.min(rows.saturating_sub(1)).max(first),
                ..state
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
        let (rows, first) = content::extent(model, pane);
        let height = height(model, pane).max(1);
        let Some(tab) = model.tabs.get_mut(model.active) else {
            return;
        };
        let ListState { cursor, top } = tab.list(pane);
        let waiting = rows == 0;
        let cursor = if waiting {
            cursor
        } else {
            cursor.min(rows.saturating_sub(1)).max(first)
        };
        // Where the cursor can go no further up, what stands above it is in sight too.
        let top = if cursor == first && first > 0 { 0 } else { top };
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
        shape: tab.shape,
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
    tab.shape = spot.shape;
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
    let one_pane = layout::takes_turns(model);
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
        Place::Stack(_) | Place::Task(_) | Place::Module(_) | Place::Vm(_) => {
            go_to_row(model, place, one_pane);
        }
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
    tab.shape = None;
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

/// Goes to a row of a list, or remembers that it is waited for.
fn go_to_row(model: &mut Model, place: Place, one_pane: bool) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let stack = matches!(place, Place::Stack(_) | Place::Task(_));
    show(tab, if stack { View::Stacks } else { View::Modules });
    tab.detail = one_pane;
    tab.pending = Some(place);
    names_arrived(model);
}

/// A list is here, or was: goes to the row of it that is waited for.
pub(super) fn names_arrived(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let Some(place) = tab.pending.clone() else {
        return;
    };
    let pane = match place {
        Place::Stack(_) | Place::Task(_) => Pane::Stacks,
        _ => Pane::Modules,
    };
    let mut row = row_of(tab, &place);
    if row.is_none() && pane == Pane::Stacks && !tab.task_filter.is_empty() {
        let filter = std::mem::take(&mut tab.task_filter);
        task_table::arrange(tab);
        row = row_of(tab, &place);
        if row.is_none() {
            tab.task_filter = filter;
            task_table::arrange(tab);
        }
    }
    if let Some(row) = row {
        tab.pending = None;
        jump(model, pane, row);
    } else if is_complete(tab, &place) {
        tab.pending = None;
        let what = crate::doc::safe(&crate::notes::describe(&place));
        model.complain(format!("there is no such thing: {what}"));
    }
}

fn row_of(tab: &Tab, place: &Place) -> Option<usize> {
    match place {
        Place::Stack(cpu) => task_table::row_of_cpu(tab, *cpu),
        Place::Task(pid) => task_table::row_of_task(tab, *pid),
        Place::Vm(at) => tab.vm_list().iter().position(|vm| vm.address.0 == *at),
        Place::Module(name) => {
            let row = tab
                .module_list()
                .iter()
                .position(|m| m.name.to_string() == *name)?;
            Some(row.saturating_add(tab.vm_list().len()))
        }
        _ => None,
    }
}

/// Whether nothing more will come that could hold the place.
fn is_complete(tab: &Tab, place: &Place) -> bool {
    match place {
        Place::Stack(_) => tab.report.ready().is_some(),
        Place::Task(_) => tab.tasks.ready().is_some() && tab.report.ready().is_some(),
        Place::Vm(_) => tab.vms.ready().is_some(),
        Place::Module(_) => tab.modules.ready().is_some(),
        _ => true,
    }
}

/// The virtual machines stand before the modules: the cursor stays on what it was on.
pub(super) fn vms_arrived(tab: &mut Tab) {
    let state = tab.list(Pane::Modules);
    if state.cursor > 0 {
        let moved = state.cursor.saturating_add(tab.vm_list().len());
        let state = ListState {
            cursor: moved,
            ..state
        };
        tab.lists.insert(Pane::Modules, state);
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

/// Memory is here: the cursor goes to what was asked for.
pub(super) fn memory_arrived(model: &mut Model) {
    let Some(tab) = model.tab() else { return };
    let Some(page) = tab.memory.ready() else {
        return;
    };
    let row = match (tab.shape(), &page.code) {
        (Shape::Typed, _) => 0,
        (Shape::Code, Some(code)) => code
            .instructions
            .partition_point(|row| row.address.0 <= page.asked)
            .saturating_sub(1),
        _ => usize::try_from(page.asked.saturating_sub(page.start) / 8).unwrap_or(0),
    };
    jump(model, Pane::Memory, row);
}

fn fold(model: &mut Model, name: String) {
    if let Some(tab) = model.tabs.get_mut(model.active)
        && !tab.folded.remove(&name)
    {
        tab.folded.insert(name);
    }
}

/// The pane of a view that has sections.
fn folding_pane(view: View) -> Pane {
    match view {
        View::Stacks => Pane::Stack,
        View::Callback => Pane::Callback,
        _ => Pane::Splat,
    }
}

/// Folds the section that the cursor is in: its heading is the nearest one above.
fn fold_here(model: &mut Model) {
    let pane = folding_pane(model.view());
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
        .find_map(|(row, line)| match &line.link {
            Some(Place::Fold(name)) => Some((row, name.clone())),
            _ => None,
        });
    if let Some((row, name)) = heading {
        fold(model, name);
        jump(model, pane, row);
        if let Some(tab) = model.tabs.get_mut(model.active) {
            tab.detail = tab.view.panes().1 == Some(pane);
        }
    } else {
        model.say("there is no section above the cursor to fold");
    }
}

fn fold_all(model: &mut Model) {
    let pane = folding_pane(model.view());
    let names: Vec<String> = content::document(model, pane)
        .map(|doc| {
            let name = |l: &crate::doc::DocLine| match &l.link {
                Some(Place::Fold(name)) => Some(name.clone()),
                _ => None,
            };
            doc.lines.iter().filter_map(name).collect()
        })
        .unwrap_or_default();
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let open = names.iter().any(|n| !tab.folded.contains(n));
    for name in names {
        if open {
            tab.folded.insert(name);
        } else {
            tab.folded.remove(&name);
        }
    }
    tab.lists.remove(&pane);
}
