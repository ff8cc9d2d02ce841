//! The cursor of a pane.

use crate::layout::Areas;
use crate::model::{ListState, Model, Tab};
use crate::place::Pane;

/// Rows of a pane that are in sight.
pub(super) fn height(model: &Model, pane: Pane) -> usize {
    usize::from(Areas::of(model).rows(pane).height)
}

/// Another row is chosen: what is shown of it begins at its top.
pub(super) fn reset_detail(tab: &mut Tab, pane: Pane) {
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
