//! The CPUs at a glance, from 2 to 8192: a mark for each, or for as many as must share one.

use virtopsy::report::{CpuReport, CpuState};

use crate::cells;
use crate::doc::{Doc, Piece, piece};
use crate::place::{Place, View};
use crate::theme::{Role, Theme};

use super::words;

/// Up to this many CPUs, each mark has its number beside it.
const NUMBERED: usize = 32;

/// Draws the map in at most `rows` lines, and the legend.
pub(super) fn draw(theme: Theme, cpus: &[CpuReport], width: usize, rows: usize, doc: &mut Doc) {
    let label = cpus.last().map_or(1, |c| c.cpu.to_string().len());
    let shared = if cpus.len() <= NUMBERED {
        numbered(theme, cpus, width, label, doc);
        1
    } else {
        marks(theme, cpus, width, rows, label, doc)
    };
    legend(theme, cpus, shared, doc);
}

fn numbered(theme: Theme, cpus: &[CpuReport], width: usize, label: usize, doc: &mut Doc) {
    let cell = label.saturating_add(4);
    let per_line = width
        .saturating_sub(1)
        .checked_div(cell)
        .unwrap_or(1)
        .clamp(1, 16);
    for line in cpus.chunks(per_line) {
        let mut pieces = vec![piece(Role::Plain, " ")];
        for cpu in line {
            pieces.push(piece(Role::Muted, format!(" {:>label$} ", cpu.cpu)));
            pieces.push(mark(theme, cpu));
            pieces.push(piece(Role::Plain, " "));
        }
        doc.link(pieces, link(line));
    }
}

/// One mark for each CPU, or for several; how many.
fn marks(
    theme: Theme,
    cpus: &[CpuReport],
    width: usize,
    rows: usize,
    label: usize,
    doc: &mut Doc,
) -> usize {
    let room = width.saturating_sub(label).saturating_sub(4).max(8);
    let per_line = [128, 64, 32, 16, 8]
        .into_iter()
        .find(|n| *n <= room)
        .unwrap_or(8);
    let shared = cpus
        .len()
        .div_ceil(per_line.saturating_mul(rows.max(1)))
        .max(1);
    for line in cpus.chunks(per_line.saturating_mul(shared)) {
        let first = line.first().map_or(0, |c| c.cpu);
        let mut pieces = vec![piece(Role::Muted, format!(" {first:>label$}  "))];
        for group in line.chunks(shared) {
            if let Some(worst) = group.iter().min_by_key(|c| urgency(c)) {
                push(&mut pieces, mark(theme, worst));
            }
        }
        doc.link(pieces, link(line));
    }
    shared
}

/// Joins marks of one meaning into one piece.
fn push(pieces: &mut Vec<Piece>, mark: Piece) {
    match pieces.last_mut() {
        Some(last) if last.role == mark.role && pieces_are_marks(last) => {
            last.text.push_str(&mark.text);
        }
        _ => pieces.push(mark),
    }
}

fn pieces_are_marks(piece: &Piece) -> bool {
    !piece.text.starts_with(' ')
}

/// The CPU of a line that most needs looking at; the table, where none does.
fn link(line: &[CpuReport]) -> Place {
    match line.iter().min_by_key(|c| urgency(c)) {
        Some(cpu) if urgency(cpu) < 3 => Place::Cpu(cpu.cpu),
        _ => Place::View(View::Cpus),
    }
}

fn urgency(cpu: &CpuReport) -> u8 {
    match cpu.state {
        CpuState::On => 0,
        CpuState::Unknown => 1,
        CpuState::Off if cpu.conflict => 2,
        CpuState::Off if cpu.online == Some(false) => 4,
        CpuState::Off => 3,
    }
}

fn mark(theme: Theme, cpu: &CpuReport) -> Piece {
    if cpu.state == CpuState::Off && cpu.conflict {
        return piece(Role::Unsure, "!");
    }
    let (role, glyph, _) = theme.glyphs().cpu(cpu.state, cpu.online);
    piece(role, glyph)
}

/// What the marks mean, and how many there are of each.
fn legend(theme: Theme, cpus: &[CpuReport], shared: usize, doc: &mut Doc) {
    let glyphs = theme.glyphs();
    let of = |n: u8| cpus.iter().filter(|c| urgency(c) == n).count();
    let kinds = [
        (Role::Bad, glyphs.on, "ON", of(0)),
        (Role::Unsure, glyphs.unsure, "unknown", of(1)),
        (Role::Unsure, "!", "off, in conflict", of(2)),
        (Role::Good, glyphs.off, "off", of(3)),
        (Role::Good, glyphs.offline, "off, offline", of(4)),
    ];
    let mut pieces = vec![piece(Role::Plain, " ")];
    let mut used = 1usize;
    for (role, glyph, word, n) in kinds.into_iter().filter(|(_, _, _, n)| *n > 0) {
        let text = format!(" {glyph} {word} {n}  ");
        used = used.saturating_add(cells::width(&text));
        if used > doc.width {
            doc.line(std::mem::replace(
                &mut pieces,
                vec![piece(Role::Plain, " ")],
            ));
            used = cells::width(&text).saturating_add(1);
        }
        pieces.push(piece(role, text));
    }
    doc.line(pieces);
    if shared > 1 {
        doc.para(
            Role::Muted,
            2,
            &format!(
                "a mark stands for {}, and shows the worst of them",
                words::count(shared, "CPU")
            ),
        );
    }
}
