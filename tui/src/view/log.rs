//! The kernel log, line by line.

use virtopsy::report::escape;

use crate::doc::{Doc, DocLine, piece};
use crate::logtext::{Line, level_letter, level_name};
use crate::model::{Model, Tab};
use crate::place::Place;
use crate::theme::Role;

/// The heading: what is shown.
pub(super) fn title(tab: &Tab) -> String {
    let filter = tab.log_filter.describe();
    let all = tab.log.ready().map_or(0, |l| l.len());
    let moved = if tab.column > 0 {
        format!(", from cell {}", tab.column)
    } else {
        String::new()
    };
    if filter.is_empty() {
        format!("Log{moved}")
    } else {
        format!("Log: {filter} (of {all} lines){moved}")
    }
}

/// A row.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize) -> Option<DocLine> {
    let number = tab.log_line(row)?;
    let line = tab.log.ready()?.line(number)?;
    let level = line.record.level;
    let head = prefix(&line, usize::from(model.size.0));
    let role = match level {
        Some(0..=3) => Role::Bad,
        Some(4) => Role::Unsure,
        _ => Role::Plain,
    };
    let splat = splat_at(tab, number);
    let mark = if splat.is_some() {
        piece(Role::Bad, model.theme.glyphs().bar)
    } else {
        piece(Role::Plain, " ")
    };
    let pieces = vec![
        piece(Role::Muted, head),
        mark,
        piece(role, shown(line.text)),
    ];
    Some(DocLine {
        pieces,
        link: splat.or(Some(Place::Record(number))),
    })
}

/// A line's text, escaped; a tab does no harm, and is as wide as it seems.
fn shown(text: &[u8]) -> String {
    let parts: Vec<String> = text.split(|b| *b == b'\t').map(escape).collect();
    parts.join("    ")
}

/// Time, caller and level, as far as there is room; blanks for a record's further lines.
fn prefix(line: &Line<'_>, width: usize) -> String {
    let record = line.record;
    let word = record.level.map_or("", level_name);
    let letter = record.level.map_or(" ", level_letter);
    let caller = record.caller.as_deref().unwrap_or_default();
    let (seconds, micros) = seconds(record.timestamp_ns.unwrap_or(0));
    let head = match width {
        0..60 => format!("{letter} "),
        60..100 => format!("{seconds:>5}.{micros:06} {caller:>5} {letter} "),
        _ => format!("{seconds:>7}.{micros:06} {caller:>6} {word:<6} "),
    };
    if line.first {
        head
    } else {
        " ".repeat(head.len())
    }
}

/// A record, whole: for the overlay.
pub(super) fn record(tab: &Tab, number: usize, doc: &mut Doc) {
    let Some(line) = tab.log.ready().and_then(|l| l.line(number)) else {
        return;
    };
    let record = line.record;
    let (seconds, micros) = seconds(record.timestamp_ns.unwrap_or(0));
    doc.field("line", Role::Plain, &number.saturating_add(1).to_string());
    let sequence = record.sequence.map_or(String::new(), |n| n.to_string());
    doc.field("record", Role::Plain, &sequence);
    doc.field(
        "time",
        Role::Plain,
        &format!("{seconds}.{micros:06} s since boot"),
    );
    doc.field(
        "caller",
        Role::Plain,
        record.caller.as_deref().unwrap_or("not recorded"),
    );
    let level = record
        .level
        .map_or("not known".into(), |l| format!("{l} ({})", level_name(l)));
    doc.field("level", Role::Plain, &level);
    doc.field(
        "facility",
        Role::Plain,
        &record.facility.map_or(String::new(), |f| f.to_string()),
    );
    doc.gap();
    for line in record.text.as_bytes().split(|b| *b == b'\n') {
        doc.para(Role::Plain, 0, &shown(line));
    }
}

/// Seconds and microseconds.
fn seconds(ns: u64) -> (u64, u64) {
    (ns / 1_000_000_000, ns % 1_000_000_000 / 1_000)
}

/// The lock report that a line (from 0) belongs to.
fn splat_at(tab: &Tab, line: usize) -> Option<Place> {
    let line = (line as u64).saturating_add(1);
    let splats = &tab.report.ready()?.splats;
    let after = splats.partition_point(|s| s.first_line <= line);
    let number = after.checked_sub(1)?;
    let inside = splats.get(number).is_some_and(|s| line <= s.last_line);
    inside.then_some(Place::Splat(number))
}
