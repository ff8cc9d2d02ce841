//! The list of stacks: every CPU, then every task that no CPU ran.

use virtopsy::kernel::{TaskInfo, TaskState};

use crate::model::{ListState, StackRow, Tab, TaskSort};
use crate::place::Pane;
use crate::view::words;

/// Puts the rows in order; the chosen one stays chosen where it still is a row.
pub(super) fn arrange(tab: &mut Tab) {
    let chosen = tab.stack_row();
    let wanted: Vec<String> = tab
        .task_filter
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let mut rows = Vec::new();
    if let Some(report) = tab.report.ready() {
        let cpus = report.virtualization.cpus.iter().enumerate();
        rows.extend(
            cpus.filter(|(_, cpu)| words::matches(&words::cpu_text(cpu), &wanted))
                .map(|(index, _)| StackRow::Cpu(index)),
        );
    }
    if let Some(list) = tab.tasks.ready() {
        let mut tasks: Vec<(usize, &TaskInfo)> = list
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| task.running_on.is_none() || tab.report.ready().is_none())
            .filter(|(_, task)| words::matches(&words::task_text(task), &wanted))
            .collect();
        match tab.task_sort {
            TaskSort::State => tasks.sort_by_key(|(_, t)| (urgency(t.state), t.pid)),
            TaskSort::Pid => tasks.sort_by_key(|(_, t)| t.pid),
            TaskSort::Name => tasks.sort_by_key(|(_, t)| (t.comm.clone(), t.pid)),
        }
        if tab.task_reverse {
            tasks.reverse();
        }
        rows.extend(tasks.into_iter().map(|(index, _)| StackRow::Task(index)));
    }
    let cursor = chosen
        .and_then(|chosen| rows.iter().position(|row| *row == chosen))
        .unwrap_or(0);
    tab.task_rows = rows;
    let state = ListState {
        cursor,
        ..tab.list(Pane::Stacks)
    };
    tab.lists.insert(Pane::Stacks, state);
}

/// Those that wait without end first, then those that wanted to run.
fn urgency(state: TaskState) -> u8 {
    match state.letter() {
        'D' => 0,
        'R' => 1,
        'S' => 2,
        'I' => 4,
        _ => 3,
    }
}

/// Sorts the tasks by the next thing.
pub(super) fn sort(tab: &mut Tab, reverse: bool) {
    if reverse {
        tab.task_reverse = !tab.task_reverse;
    } else {
        tab.task_sort = match tab.task_sort {
            TaskSort::State => TaskSort::Pid,
            TaskSort::Pid => TaskSort::Name,
            TaskSort::Name => TaskSort::State,
        };
    }
    arrange(tab);
}

/// The row of a CPU.
pub(super) fn row_of_cpu(tab: &Tab, cpu: u32) -> Option<usize> {
    let cpus = &tab.report.ready()?.virtualization.cpus;
    tab.task_rows.iter().position(|row| match row {
        StackRow::Cpu(index) => cpus.get(*index).is_some_and(|c| c.cpu == cpu),
        StackRow::Task(_) => false,
    })
}

/// The row of a task: its own, or that of the CPU that ran it.
pub(super) fn row_of_task(tab: &Tab, pid: i32) -> Option<usize> {
    let tasks = &tab.tasks.ready()?.tasks;
    let task = tasks.iter().find(|t| t.pid == pid)?;
    if let Some(row) = task.running_on.and_then(|cpu| row_of_cpu(tab, cpu.0)) {
        return Some(row);
    }
    tab.task_rows.iter().position(|row| match row {
        StackRow::Task(index) => tasks.get(*index).is_some_and(|t| t.address == task.address),
        StackRow::Cpu(_) => false,
    })
}
