//! Bookmarks: where one is, and a note; each dump keeps its own.

use crate::effect::{Effect, Payload, Request};
use crate::model::{MachineRow, Mode, Model, Overlay, Shape, Tab};
use crate::notes::{self, Bookmark};
use crate::place::{Pane, Place, View};
use crate::source::MemoryAt;

/// What the bookmark of this very place is.
fn here(tab: &Tab) -> Place {
    let cursor = tab.list(tab.focus()).cursor;
    match tab.view {
        View::Cpus => tab
            .cpu()
            .map_or(Place::View(View::Cpus), |c| Place::Cpu(c.cpu)),
        View::Stacks => stack_place(tab),
        View::Splats => Place::Splat(tab.list(Pane::Splats).cursor),
        View::Log => Place::LogLine((tab.log_line(cursor).unwrap_or(0) as u64).saturating_add(1)),
        View::Modules => match tab.machine(tab.list(Pane::Modules).cursor) {
            Some(MachineRow::Vm(vm)) => Place::Vm(vm.address.0),
            Some(MachineRow::Module(module)) => Place::Module(module.name.to_string()),
            None => Place::View(View::Modules),
        },
        View::Memory => memory_place(tab, cursor),
        view => Place::View(view),
    }
}

fn stack_place(tab: &Tab) -> Place {
    let row = tab.stack_row();
    let cpu = row.and_then(|row| tab.cpu_of(row));
    let task = row.and_then(|row| tab.task_of(row));
    match (cpu, task) {
        (Some(cpu), _) => Place::Stack(cpu.cpu),
        (None, Some(task)) => Place::Task(task.pid),
        (None, None) => Place::View(View::Stacks),
    }
}

fn memory_place(tab: &Tab, cursor: usize) -> Place {
    match (&tab.memory_at, tab.memory.ready()) {
        (_, Some(page)) if tab.shape() == Shape::Words => {
            Place::Memory(page.start.wrapping_add((cursor as u64).wrapping_mul(8)))
        }
        (Some(MemoryAt::Expression(text)), _) => Place::Expression(text.clone()),
        (Some(MemoryAt::Address(at)), _) => Place::Memory(*at),
        (None, _) => Place::View(View::Memory),
    }
}

/// Puts a bookmark here.
pub(super) fn put(model: &mut Model, note: &str) -> Vec<Effect> {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    let place = here(tab);
    let said = format!("bookmark at {}", notes::describe(&place));
    tab.bookmarks.push(Bookmark {
        place,
        note: note.to_owned(),
    });
    model.say(said);
    keep(model)
}

/// Removes the bookmark under the cursor, where the bookmarks are shown.
pub(super) fn remove(model: &mut Model) -> Vec<Effect> {
    if model.mode != Mode::Overlay(Overlay::Bookmarks) {
        model.say("' shows the bookmarks; d removes one there");
        return Vec::new();
    }
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    let cursor = tab.list(Pane::Overlay).cursor;
    if cursor >= tab.bookmarks.len() {
        return Vec::new();
    }
    let gone = tab.bookmarks.remove(cursor);
    model.say(format!(
        "removed {}",
        crate::doc::safe(&notes::describe(&gone.place))
    ));
    keep(model)
}

/// Writes the bookmarks of the dump on screen to their file.
fn keep(model: &mut Model) -> Vec<Effect> {
    let file = model.tab().and_then(|tab| {
        let path = tab.notes_file.clone()?;
        Some((path, Payload::Text(notes::write(&tab.bookmarks))))
    });
    let Some((path, payload)) = file else {
        return Vec::new();
    };
    let request = Request::Write {
        path,
        payload,
        over: true,
    };
    vec![model.job(request).1]
}
