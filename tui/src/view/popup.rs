//! The goto box.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use crate::cells;
use crate::model::{Model, Palette};
use crate::remote::Remote;
use crate::theme::Role;

/// Draws the box.
pub(super) fn palette(frame: &mut Frame<'_>, model: &Model, palette: &Palette, area: Rect) {
    let theme = model.theme;
    let height = area.height.min(20);
    let width = area.width.min(90);
    let area = Rect {
        x: area.x.saturating_add(area.width.saturating_sub(width) / 2),
        width,
        height,
        ..area
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_set(theme.border())
        .title(" go to ")
        .title_bottom(state(palette));
    let inner = block.inner(area);
    frame.render_widget(block.border_style(theme.style(Role::Muted)), area);
    let (before, after) = palette.input.halves();
    let head = format!(": {before}");
    frame.render_widget(
        Line::raw(format!("{head}{after}")),
        Rect { height: 1, ..inner },
    );
    let cursor = u16::try_from(cells::width(&head))
        .unwrap_or(0)
        .min(inner.width.saturating_sub(1));
    frame.set_cursor_position((inner.x.saturating_add(cursor), inner.y));
    let rows = usize::from(inner.height.saturating_sub(1));
    let top = palette.chosen.saturating_add(1).saturating_sub(rows);
    for (number, index) in (top..palette.entries.len()).take(rows).enumerate() {
        let Some(entry) = palette.entries.get(index) else {
            continue;
        };
        let y = inner.y.saturating_add(1).saturating_add(number as u16);
        let area = Rect {
            y,
            height: 1,
            ..inner
        };
        let name = if theme.ascii {
            cells::ascii(&entry.name)
        } else {
            entry.name.clone()
        };
        let kind = Span::styled(format!(" {:8}", entry.kind), theme.style(Role::Muted));
        let line = Line::from(vec![
            kind,
            Span::raw(cells::cut(
                &name,
                usize::from(inner.width).saturating_sub(9),
                "~",
            )),
        ]);
        frame.render_widget(line, area);
        if index == palette.chosen {
            frame.buffer_mut().set_style(area, theme.selection(true));
        }
    }
}

fn state(palette: &Palette) -> String {
    match &palette.symbols {
        Remote::Idle => String::new(),
        Remote::Waiting(_) => if palette.hurried {
            " searching symbols, then going there "
        } else {
            " searching symbols "
        }
        .into(),
        Remote::Ready(_) if palette.entries.is_empty() => {
            " nothing matches; Enter reads it as an expression ".into()
        }
        Remote::Ready(_) => " Enter goes there, Esc leaves ".into(),
        Remote::Failed(why) => format!(" no symbols: {} ", crate::doc::safe(why)),
    }
}
