//! The log's levels at a glance: a column in which each cell stands for a part of what is shown.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::logtext::{LogText, NO_LEVEL};
use crate::model::{ListState, Model, Tab};
use crate::place::Pane;
use crate::theme::Role;

/// Cells that the map takes.
pub(super) const WIDTH: u16 = 2;

/// Draws the map: the worst level of each part, and which part is in sight.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, tab: &Tab, area: Rect) {
    let Some(log) = tab.log.ready() else { return };
    let rows = tab.log_rows();
    let height = usize::from(area.height);
    if rows <= height || area.width < WIDTH {
        return;
    }
    let ListState { top, .. } = tab.list(Pane::Log);
    let [error, warning, other] = model.theme.glyphs().map;
    for y in 0..height {
        let part = |n: usize| n.saturating_mul(rows).checked_div(height).unwrap_or(0);
        let (start, end) = (part(y), part(y.saturating_add(1)));
        let (glyph, role) = match worst(log, tab, start, end) {
            0..=3 => (error, Role::Bad),
            4 => (warning, Role::Unsure),
            5..NO_LEVEL => (other, Role::Muted),
            _ => (" ", Role::Muted),
        };
        let row = area.y.saturating_add(y as u16);
        let seen = top < end && start < top.saturating_add(height);
        let frame_glyph = if seen { model.theme.glyphs().bar } else { " " };
        frame
            .buffer_mut()
            .set_string(area.x, row, frame_glyph, model.theme.style(Role::Heading));
        frame.buffer_mut().set_string(
            area.x.saturating_add(1),
            row,
            glyph,
            model.theme.style(role),
        );
    }
}

/// The most severe level among rows of the pane.
fn worst(log: &LogText, tab: &Tab, start: usize, end: usize) -> u8 {
    if tab.log_filter.is_empty() {
        return log.severity(start, end);
    }
    // A part of a filtered log can hold very many lines: some of them speak for it.
    let step = end.saturating_sub(start).div_ceil(512).max(1);
    let level = |row: usize| {
        tab.log_line(row)
            .and_then(|l| log.line(l))
            .and_then(|l| l.record.level)
    };
    (start..end)
        .step_by(step)
        .filter_map(level)
        .min()
        .unwrap_or(NO_LEVEL)
}
