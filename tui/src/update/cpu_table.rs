//! The table of CPUs: its order, its filter, the next one that needs looking at.

use std::cmp::Reverse;

use virtopsy::report::{CpuReport, CpuState};

use crate::keymap::Command;
use crate::model::{CpuSort, ListState, Model, Tab};
use crate::place::Pane;
use crate::view::words;

use super::cursor::jump;

/// Puts the rows in order; the chosen CPU stays chosen where it still is a row.
pub(super) fn arrange(tab: &mut Tab) {
    let chosen = tab.cpu().map(|c| c.cpu);
    let Some(report) = tab.report.ready().cloned() else {
        return;
    };
    let cpus = &report.virtualization.cpus;
    let wanted: Vec<String> = tab
        .cpu_filter
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let mut rows: Vec<(usize, &CpuReport)> = cpus
        .iter()
        .enumerate()
        .filter(|(_, cpu)| words::matches(&words::cpu_text(cpu), &wanted))
        .collect();
    match tab.cpu_sort {
        CpuSort::Number => rows.sort_by_key(|(_, c)| c.cpu),
        CpuSort::State => rows.sort_by_key(|(_, c)| (urgency(c), c.cpu)),
        CpuSort::Reason => rows.sort_by_key(|(_, c)| (words::reason_word(c.reason), c.cpu)),
        CpuSort::Strength => rows.sort_by_key(|(_, c)| (c.strength, c.cpu)),
        CpuSort::Task => rows.sort_by_key(|(_, c)| {
            (
                Reverse(c.task.is_some()),
                c.task.as_ref().map(|t| t.comm.clone()),
                c.cpu,
            )
        }),
    }
    if tab.cpu_reverse {
        rows.reverse();
    }
    tab.cpu_rows = rows.iter().map(|(index, _)| *index).collect();
    let cursor = rows
        .iter()
        .position(|(_, c)| Some(c.cpu) == chosen)
        .unwrap_or(0);
    tab.lists.insert(
        Pane::Cpus,
        ListState {
            cursor,
            ..tab.list(Pane::Cpus)
        },
    );
}

/// On first, then unknown, then conflicts, then the rest.
fn urgency(cpu: &CpuReport) -> u8 {
    match cpu.state {
        CpuState::On => 0,
        CpuState::Unknown => 1,
        CpuState::Off if cpu.conflict => 2,
        CpuState::Off => 3,
    }
}

/// Runs a command of the table.
pub(super) fn run(model: &mut Model, command: Command) {
    if command == Command::NextProblem {
        next_problem(model);
        return;
    }
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    if command == Command::SortReverse {
        tab.cpu_reverse = !tab.cpu_reverse;
    } else {
        tab.cpu_sort = match tab.cpu_sort {
            CpuSort::Number => CpuSort::State,
            CpuSort::State => CpuSort::Reason,
            CpuSort::Reason => CpuSort::Strength,
            CpuSort::Strength => CpuSort::Task,
            CpuSort::Task => CpuSort::Number,
        };
    }
    arrange(tab);
}

fn next_problem(model: &mut Model) {
    let Some(tab) = model.tab() else { return };
    let Some(report) = tab.report.ready() else {
        return;
    };
    let cursor = tab.list(Pane::Cpus).cursor;
    let count = tab.cpu_rows.len();
    let problem = |row: &usize| {
        let index = tab.cpu_rows.get(*row).copied().unwrap_or(usize::MAX);
        report
            .virtualization
            .cpus
            .get(index)
            .is_some_and(|c| urgency(c) < 3)
    };
    let found = (cursor.saturating_add(1)..count)
        .chain(0..count.min(cursor.saturating_add(1)))
        .find(problem);
    match found {
        Some(row) => jump(model, Pane::Cpus, row),
        None => model.say("every CPU listed is shown to be off"),
    }
}
