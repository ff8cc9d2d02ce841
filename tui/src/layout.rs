//! Where everything stands on the screen. A pure function of the model, so that `update` knows
//! how far a page is and what was clicked on.

use ratatui::layout::Rect;

use crate::model::{Mode, Model, Tab};
use crate::place::{Pane, View};

/// Smaller terminals show one line that says so.
pub(crate) const SMALLEST: (u16, u16) = (30, 8);
/// From this height on there is a title and a line of key hints of its own.
const TALL: u16 = 16;
/// From this width on two panes stand side by side.
const WIDE: u16 = 100;

/// From this height on a list and what is chosen in it stand one above the other.
const SPLIT: u16 = 12;

/// The parts of the screen; an empty rectangle where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) title: Rect,
    pub(crate) tabs: Rect,
    pub(crate) main: Rect,
    pub(crate) detail: Rect,
    pub(crate) status: Rect,
    pub(crate) hints: Rect,
    pub(crate) overlay: Rect,
}

impl Areas {
    /// Lays the screen out.
    pub(crate) fn of(model: &Model) -> Areas {
        let (width, height) = model.size;
        let tall = height >= TALL;
        let row = |y: u16, rows: u16| Rect::new(0, y, width, rows);
        let (head, body) = frame(model);
        let foot = if tall { 2 } else { 1 };
        let mut areas = Areas {
            title: if tall { row(0, 1) } else { Rect::ZERO },
            tabs: row(head.saturating_sub(1), 1),
            main: body,
            status: row(height.saturating_sub(foot), 1),
            hints: if tall {
                row(height.saturating_sub(1), 1)
            } else {
                Rect::ZERO
            },
            overlay: overlay(body),
            ..Areas::default()
        };
        if let Some(tab) = model.tab()
            && tab.view.panes().1.is_some()
        {
            let rows = tab.table_rows(tab.view.panes().0);
            (areas.main, areas.detail) = split(body, tab, rows);
        }
        areas
    }

    /// The whole rectangle of a pane, its heading included.
    pub(crate) fn pane(&self, pane: Pane) -> Rect {
        match pane {
            Pane::Overlay => self.overlay,
            Pane::Cpu | Pane::Splat | Pane::Stack | Pane::Module => self.detail,
            _ => self.main,
        }
    }

    /// The rectangle of a pane's rows.
    pub(crate) fn rows(&self, pane: Pane) -> Rect {
        let area = self.pane(pane);
        if pane == Pane::Overlay {
            return Rect {
                x: area.x.saturating_add(2),
                y: area.y.saturating_add(1),
                width: area.width.saturating_sub(4),
                height: area.height.saturating_sub(2),
            };
        }
        let left = u16::from(area.x > 0) * 2;
        Rect {
            x: area.x.saturating_add(left),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(left),
            height: area.height.saturating_sub(1),
        }
    }
}

/// Whether a list and what is chosen in it take turns on the screen.
pub(crate) fn takes_turns(model: &Model) -> bool {
    let (_, body) = frame(model);
    body.width < WIDE && body.height < SPLIT
}

/// Rows above the views' content, and the content.
fn frame(model: &Model) -> (u16, Rect) {
    let (width, height) = model.size;
    let (head, foot) = if height >= TALL { (2, 2) } else { (1, 1) };
    let rows = height.saturating_sub(head).saturating_sub(foot);
    (head, Rect::new(0, head, width, rows))
}

/// A list and what is chosen in it: side by side, one above the other, or one at a time.
fn split(body: Rect, tab: &Tab, rows: usize) -> (Rect, Rect) {
    if body.width >= WIDE {
        let share = if tab.view == View::Stacks {
            body.width / 3
        } else {
            body.width / 5 * 2
        };
        let (main, rest) = columns(body, share.clamp(30, 76));
        return (main, rest);
    }
    if body.height >= SPLIT {
        // The list takes what it needs, and no more than it may: its heading and a gap included.
        let needed = u16::try_from(rows.max(1))
            .unwrap_or(u16::MAX)
            .saturating_add(2);
        let main = needed.min(body.height / 5 * 2).max(3);
        let rest = body.height.saturating_sub(main);
        return (
            Rect {
                height: main,
                ..body
            },
            Rect {
                y: body.y.saturating_add(main),
                height: rest,
                ..body
            },
        );
    }
    if tab.detail {
        (Rect::ZERO, body)
    } else {
        (body, Rect::ZERO)
    }
}

fn columns(body: Rect, left: u16) -> (Rect, Rect) {
    let right = body.width.saturating_sub(left);
    (
        Rect {
            width: left,
            ..body
        },
        Rect {
            x: body.x.saturating_add(left),
            width: right,
            ..body
        },
    )
}

fn overlay(body: Rect) -> Rect {
    let width = body.width.min(100);
    Rect {
        x: body.x.saturating_add(body.width.saturating_sub(width) / 2),
        width,
        ..body
    }
}

/// Whether the terminal is too small to show anything.
pub(crate) fn too_small(model: &Model) -> bool {
    model.size.0 < SMALLEST.0 || model.size.1 < SMALLEST.1
}

/// The pane under a cell, and the row in it from its top.
pub(crate) fn hit(model: &Model, column: u16, row: u16) -> Option<(Pane, usize)> {
    let areas = Areas::of(model);
    let panes: Vec<Pane> = match &model.mode {
        Mode::Overlay(_) => vec![Pane::Overlay],
        _ => {
            let (main, detail) = model.view().panes();
            detail.into_iter().chain([main]).collect()
        }
    };
    panes.into_iter().find_map(|pane| {
        let rows = areas.rows(pane);
        rows.contains((column, row).into())
            .then(|| (pane, usize::from(row.saturating_sub(rows.y))))
    })
}
