//! A pane: its heading, its rows in sight, its cursor.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Clear;
use regex::bytes::Regex;

use crate::cells;
use crate::content;
use crate::doc::DocLine;
use crate::layout::Areas;
use crate::model::{Mode, Model, Tab};
use crate::place::Pane;
use crate::theme::{Role, Theme};
use crate::update::search_regex;

use super::{help, log, machines, memory, minimap, stacks, status};

/// Draws a pane.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, areas: &Areas, pane: Pane) {
    let Some(tab) = model.tab() else { return };
    let area = areas.pane(pane);
    let mut rows = areas.rows(pane);
    if pane == Pane::Overlay {
        frame.render_widget(Clear, area);
        frame.render_widget(help::frame(model), area);
    } else {
        if area.x > 0 {
            divider(frame, model.theme, area);
        }
        heading(
            frame,
            model,
            tab,
            pane,
            Rect {
                height: 1,
                ..rows_heading(area, rows)
            },
        );
    }
    if pane == Pane::Log {
        rows.width = rows.width.saturating_sub(minimap::WIDTH);
        minimap::draw(
            frame,
            model,
            tab,
            Rect {
                x: rows.right(),
                width: minimap::WIDTH,
                ..rows
            },
        );
    }
    let state = tab.list(pane);
    let lines = content::visible(model, pane, state.top, usize::from(rows.height));
    if lines.is_empty() {
        let text = cells::wrap(
            &empty(model, tab, pane),
            usize::from(rows.width).saturating_sub(2),
        )
        .join("\n ");
        frame.render_widget(
            Text::styled(format!(" {text}"), model.theme.style(Role::Muted)),
            rows,
        );
        return;
    }
    let search = search_regex(tab).filter(|_| tab.search.as_ref().is_some_and(|s| s.pane == pane));
    let focused = model.focus() == pane && !matches!(model.mode, Mode::Palette(_));
    for (number, line) in lines.iter().enumerate() {
        let area = Rect {
            y: rows.y.saturating_add(number as u16),
            height: 1,
            ..rows
        };
        let chosen = state.top.saturating_add(number) == state.cursor;
        let width = usize::from(area.width);
        let column = if focused && pane != Pane::Overlay {
            tab.column
        } else {
            0
        };
        frame.render_widget(
            spans(model.theme, line, width, column, search.as_ref()),
            area,
        );
        if chosen && (focused || is_list(pane)) {
            frame
                .buffer_mut()
                .set_style(area, model.theme.selection(focused));
        }
    }
}

fn rows_heading(area: Rect, rows: Rect) -> Rect {
    Rect {
        y: area.y,
        x: rows.x,
        width: rows.width,
        height: 1,
    }
}

/// Panes whose chosen row matters while the cursor is elsewhere.
fn is_list(pane: Pane) -> bool {
    matches!(
        pane,
        Pane::Cpus | Pane::Splats | Pane::Stacks | Pane::Modules
    )
}

fn divider(frame: &mut Frame<'_>, theme: Theme, area: Rect) {
    let style = theme.style(Role::Muted);
    for y in area.top()..area.bottom() {
        frame
            .buffer_mut()
            .set_string(area.x, y, theme.glyphs().bar, style);
    }
}

/// A line as spans, moved to the left by `column` cells, cut to `width`, matches marked.
fn spans(
    theme: Theme,
    line: &DocLine,
    width: usize,
    column: usize,
    search: Option<&Regex>,
) -> Line<'static> {
    let mut left = column;
    let mut room = width;
    let mut out = Vec::new();
    let glyph = theme.glyphs().ellipsis;
    let total = cells::width(&line.text()).saturating_sub(column);
    for piece in &line.pieces {
        let text = if theme.ascii {
            cells::ascii(&piece.text)
        } else {
            piece.text.clone()
        };
        let cells = cells::width(&text);
        let text = if left >= cells {
            left = left.saturating_sub(cells);
            continue;
        } else {
            cells::skip(&text, std::mem::take(&mut left))
        };
        let text = cells::cut(&text, room, if total > width { glyph } else { "" });
        room = room.saturating_sub(cells::width(&text));
        mark(theme, piece.role, &text, search, &mut out);
    }
    Line::from(out)
}

fn mark(
    theme: Theme,
    role: Role,
    text: &str,
    search: Option<&Regex>,
    out: &mut Vec<Span<'static>>,
) {
    let style = theme.style(role);
    let mut done = 0usize;
    for found in search
        .into_iter()
        .flat_map(|p| p.find_iter(text.as_bytes()))
        .filter(|m| !m.is_empty())
    {
        let (Some(before), Some(hit)) = (text.get(done..found.start()), text.get(found.range()))
        else {
            continue;
        };
        out.push(Span::styled(before.to_owned(), style));
        out.push(Span::styled(
            hit.to_owned(),
            style.patch(theme.style(Role::Match)),
        ));
        done = found.end();
    }
    out.push(Span::styled(
        text.get(done..).unwrap_or_default().to_owned(),
        style,
    ));
}

fn heading(frame: &mut Frame<'_>, model: &Model, tab: &Tab, pane: Pane, area: Rect) {
    let glyphs = model.theme.glyphs();
    let focused = model.focus() == pane;
    let (rows, first) = content::extent(model, pane);
    let at = tab.list(pane).cursor.saturating_sub(first);
    let place = match rows.saturating_sub(first) {
        0 => String::new(),
        n => format!(" {}/{n} ", at.saturating_add(1).min(n)),
    };
    let title = title(model, tab, pane);
    let width = usize::from(area.width);
    let room = width.saturating_sub(cells::width(&place)).saturating_sub(3);
    let title = cells::cut(&format!(" {title} "), room, glyphs.ellipsis);
    let rest = width
        .saturating_sub(cells::width(&title))
        .saturating_sub(cells::width(&place))
        .saturating_sub(1);
    let line = model.theme.style(Role::Muted);
    let style = if focused {
        model
            .theme
            .style(Role::Heading)
            .add_modifier(Modifier::BOLD)
    } else {
        line
    };
    let spans = vec![
        Span::styled(glyphs.line, line),
        Span::styled(title, style),
        Span::styled(glyphs.line.repeat(rest), line),
        Span::styled(place, line),
    ];
    frame.render_widget(Line::from(spans), area);
}

/// A pane's heading.
fn title(model: &Model, tab: &Tab, pane: Pane) -> String {
    match pane {
        Pane::Overview => tab.label.clone(),
        Pane::Cpus => super::cpus::title(tab),
        Pane::Cpu => tab.cpu().map_or("CPU".into(), |c| format!("CPU {}", c.cpu)),
        Pane::Callback => "KVM emergency callback".into(),
        Pane::Splats => "Lock reports".into(),
        Pane::Splat => "Report".into(),
        Pane::Log => log::title(tab),
        Pane::Stacks => stacks::title(tab),
        Pane::Stack => stacks::detail_title(tab),
        Pane::Modules => machines::title(tab),
        Pane::Module => machines::detail_title(tab),
        Pane::Memory => memory::title(tab),
        Pane::Compare => "Side by side".into(),
        Pane::Overlay => help::title(model),
    }
}

/// What a memory view says that has nothing to show yet.
const MEMORY_HELP: &str = "Nothing is shown yet. Press : and type a symbol, an address, or an expression: init_task, percpu(runqueues, 2).curr, *(struct module *)0xffff…, 0xffffffff81000000. Enter on a pointer follows it, Backspace returns.";

/// What stands in a pane without rows.
fn empty(model: &Model, tab: &Tab, pane: Pane) -> String {
    let none = |ready: bool, text: &str| if ready { Some(text.to_owned()) } else { None };
    let known = match pane {
        Pane::Cpus if !tab.cpu_filter.is_empty() => none(
            tab.report.ready().is_some(),
            "no CPU passes the filter; Esc shows all",
        ),
        Pane::Stacks if !tab.task_filter.is_empty() => none(
            tab.tasks.ready().is_some(),
            "no CPU and no task passes the filter; Esc shows all",
        ),
        Pane::Cpus | Pane::Stacks => tab.report.ready().map(|report| {
            let why = crate::doc::safe(&report.virtualization.summary);
            format!("nothing is known of the CPUs; {why}")
        }),
        Pane::Splats => none(
            tab.report.ready().is_some(),
            "no lock report stands in the log",
        ),
        Pane::Log if !tab.log_filter.is_empty() => none(
            tab.log_shown.ready().is_some(),
            "no line passes the filter; Esc shows all",
        ),
        Pane::Log => none(tab.log.ready().is_some(), "the log is empty"),
        Pane::Modules => none(
            tab.modules.ready().is_some(),
            "no module is loaded, and there is no virtual machine",
        ),
        Pane::Memory => none(tab.memory_at.is_none() && status::is_open(tab), MEMORY_HELP),
        _ => Some(String::new()),
    };
    known.unwrap_or_else(|| status::waiting_for(model, tab, pane))
}
