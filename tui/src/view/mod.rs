//! The screen. A view reads the model and changes nothing.

mod banner;
pub(crate) mod callback;
pub(crate) mod compare;
pub(crate) mod cpu_map;
pub(crate) mod cpus;
pub(crate) mod help;
pub(crate) mod log;
pub(crate) mod machines;
pub(crate) mod memory;
pub(crate) mod minimap;
pub(crate) mod overview;
mod pane;
mod popup;
pub(crate) mod splats;
pub(crate) mod stacks;
mod status;
pub(crate) mod words;

#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::layout::{self, Areas};
use crate::model::{Mode, Model};
use crate::place::Pane;

pub(crate) use status::tab_at;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model) {
    if (frame.area().width, frame.area().height) != model.size {
        return; // resized this very moment: the event is on its way
    }
    if layout::too_small(model) {
        let (width, height) = layout::SMALLEST;
        let text = format!("terminal too small ({width}x{height} at least)");
        frame.render_widget(text, frame.area());
        return;
    }
    let areas = Areas::of(model);
    status::header(frame, model, &areas);
    let (main, detail) = model.view().panes();
    for pane in [Some(main), detail].into_iter().flatten() {
        if areas.pane(pane) != Rect::ZERO {
            pane::draw(frame, model, &areas, pane);
        }
    }
    match &model.mode {
        Mode::Overlay(_) => pane::draw(frame, model, &areas, Pane::Overlay),
        Mode::Palette(palette) => popup::palette(frame, model, palette, areas.overlay),
        Mode::Normal | Mode::Prompt(_) => {}
    }
    status::footer(frame, model, &areas);
}
