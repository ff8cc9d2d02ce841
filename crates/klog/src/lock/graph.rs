//! The cycle of a circular report as a picture: Graphviz' DOT, or SVG drawn here.
//!
//! ```text
//!        ┌──────┐  f_now   ┌──────┐
//!        │  &a  │ ◄─────── │ &c   │      an arrow A ► B: B is taken while A is held; its label is
//!        └──────┘          └──────┘      the function that takes B
//!            │  b_under_a     ▲
//!            ▼                │
//!        ┌──────┐  c_under_b  │
//!        │  b   │ ────────────┘
//!        └──────┘
//! ```
//! The dashed arrow is the acquisition that closed the cycle. Text of a log is hostile: it is escaped
//! for each format.

use std::fmt::Write as _;

use crate::escape;
use crate::lock::splat::Splat;
use crate::lock::title::first_outside;

/// One dependency: `to` is taken while `from` is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The lock held.
    pub from: String,
    /// The lock taken under it.
    pub to: String,
    /// The function that takes it, where the report has its trace.
    pub by: Option<String>,
    /// This is the acquisition that was being made when lockdep reported.
    pub now: bool,
}

/// The dependencies of a report's cycle, the one that closed it first; none unless the report is a
/// circular one and names at least two locks.
#[must_use]
pub fn edges(splat: &Splat) -> Vec<Edge> {
    if splat.cycle.len() < 2 {
        return Vec::new();
    }
    // cycle[i] was taken while cycle[i-1] was held; cycle[0], index 0 of the chain, is taken now
    // under the last.
    (0..splat.cycle.len())
        .filter_map(|i| {
            let from = match i.checked_sub(1) {
                Some(before) => splat.cycle.get(before)?,
                None => splat.cycle.last()?,
            };
            let to = splat.cycle.get(i)?;
            let entry = splat
                .chain
                .iter()
                .find(|e| usize::try_from(e.index).is_ok_and(|n| n == i));
            Some(Edge {
                from: from.clone(),
                to: to.clone(),
                by: entry.and_then(|e| first_outside(&e.trace)),
                now: i == 0,
            })
        })
        .collect()
}

/// The cycles of all circular reports as one DOT document.
#[must_use]
pub fn dot(splats: &[Splat]) -> String {
    let mut out = String::from("digraph locks {\n  node [shape=box, fontname=\"monospace\"];\n");
    for (number, splat) in splats.iter().enumerate() {
        let edges = edges(splat);
        if edges.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "  subgraph cluster_{number} {{\n    label=\"{}\";",
            dot_text(&splat.title)
        );
        for (at, lock) in splat.cycle.iter().enumerate() {
            let _ = writeln!(out, "    n{number}_{at} [label=\"{}\"];", dot_text(lock));
        }
        let last = edges.len().saturating_sub(1);
        for (to, edge) in edges.iter().enumerate() {
            let from = to.checked_sub(1).unwrap_or(last);
            let label = edge.by.as_deref().map_or_else(String::new, dot_text);
            let style = if edge.now { ", style=dashed" } else { "" };
            let _ = writeln!(
                out,
                "    n{number}_{from} -> n{number}_{to} [label=\"{label}\"{style}];"
            );
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// A string for a quoted DOT label.
fn dot_text(text: &str) -> String {
    let text = escape(text.as_bytes());
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Pixels between the rows of one cycle.
const ROW: usize = 64;
/// Height of a lock's box.
const BOX: usize = 28;
/// Width of one character of the monospaced font, at 13 px.
const CHAR: usize = 8;
/// Space around everything.
const MARGIN: usize = 24;
/// Length kept of a label: longer ones would make the picture unreadable.
const LABEL: usize = 80;

/// The cycles of all circular reports as one SVG document: each cycle a column of boxes, from the
/// lock taken now downwards, with an arrow back up from the last.
#[must_use]
pub fn svg(splats: &[Splat]) -> String {
    let drawn: Vec<(&Splat, Vec<Edge>)> = splats
        .iter()
        .map(|s| (s, edges(s)))
        .filter(|(_, edges)| !edges.is_empty())
        .collect();
    let mut body = String::new();
    let (mut top, mut widest) = (MARGIN, 0usize);
    for (splat, edges) in &drawn {
        let (height, width) = column(&mut body, splat, edges, top);
        top = top.saturating_add(height);
        widest = widest.max(width);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{widest}\" height=\"{top}\" viewBox=\"0 0 {widest} {top}\" \
         font-family=\"monospace\" font-size=\"13\">\n<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0 L10 5 L0 10 z\"/></marker></defs>\n\
         <rect width=\"{widest}\" height=\"{top}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Draws one cycle from `top` on; its height and width.
fn column(out: &mut String, splat: &Splat, edges: &[Edge], top: usize) -> (usize, usize) {
    let locks: Vec<String> = splat.cycle.iter().map(|l| label(l)).collect();
    let by: Vec<String> = edges
        .iter()
        .map(|e| e.by.as_deref().map_or_else(String::new, label))
        .collect();
    let longest = |texts: &[String]| texts.iter().map(|t| t.chars().count()).max().unwrap_or(0);
    let box_width = longest(&locks).saturating_mul(CHAR).saturating_add(MARGIN);
    let right = MARGIN.saturating_add(box_width);
    let middle = MARGIN.saturating_add(box_width / 2);
    let first = top.saturating_add(MARGIN);
    let title = label(&splat.title);
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"{top}\">{}</text>",
        xml(&title)
    );
    for (row, lock) in locks.iter().enumerate() {
        let y = first.saturating_add(row.saturating_mul(ROW));
        let _ = writeln!(
            out,
            "<rect x=\"{MARGIN}\" y=\"{y}\" width=\"{box_width}\" height=\"{BOX}\" rx=\"4\" fill=\"none\" stroke=\"black\"/>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            y.saturating_add(19),
            xml(lock)
        );
        if row == 0 {
            continue;
        }
        // The arrow from the box above: this lock is taken while that one is held.
        let start = y.saturating_sub(ROW.saturating_sub(BOX));
        let _ = writeln!(
            out,
            "<line x1=\"{middle}\" y1=\"{start}\" x2=\"{middle}\" y2=\"{y}\" stroke=\"black\" marker-end=\"url(#arrow)\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"#444\">{}</text>",
            middle.saturating_add(8),
            start.saturating_add(22),
            xml(by.get(row).map_or("", String::as_str))
        );
    }
    // The arrow that closes the cycle, from the last box around to the first.
    let last = first.saturating_add(locks.len().saturating_sub(1).saturating_mul(ROW));
    let (from, to) = (last.saturating_add(BOX / 2), first.saturating_add(BOX / 2));
    let by_room = longest(&by).saturating_mul(CHAR);
    let bend = right.saturating_add(by_room / 2).saturating_add(40);
    let _ = writeln!(
        out,
        "<path d=\"M{right} {from} H{bend} V{to} H{right}\" fill=\"none\" stroke=\"#b00\" stroke-dasharray=\"6 4\" marker-end=\"url(#arrow)\"/>\
         <text x=\"{}\" y=\"{}\" fill=\"#b00\">{}</text>",
        bend.saturating_add(8),
        from.midpoint(to),
        xml(by.first().map_or("", String::as_str))
    );
    let height = locks.len().saturating_mul(ROW).saturating_add(MARGIN * 2);
    let width = bend
        .saturating_add(by_room)
        .max(title.chars().count().saturating_mul(CHAR))
        .saturating_add(MARGIN * 2);
    (height, width)
}

/// A label of bounded length.
fn label(text: &str) -> String {
    if text.chars().count() <= LABEL {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LABEL).collect();
    short.push('…');
    short
}

/// A string for the text of an XML element.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text.as_bytes()).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // No XML document may hold these.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::kind::Kind;
    use crate::lock::parts::{ChainEntry, Lock};
    use crate::lock::splat::Splat;
    use crate::model::Frame;

    fn splat() -> Splat {
        let mut s = Splat::new(Kind::Circular, 1);
        s.title = "a \"title\" with <marks> & more".into();
        s.cycle = vec!["&a".into(), "b".into(), "c<x>".into()];
        s.chain = [
            (2u32, "c<x>", "c_under_b"),
            (1, "b", "b_under_a"),
            (0, "&a", "f_now"),
        ]
        .into_iter()
        .map(|(index, name, function)| ChainEntry {
            index,
            lock: Lock {
                name: name.into(),
                ..Lock::default()
            },
            trace: ["lock_acquire", function]
                .into_iter()
                .map(|f| Frame {
                    function: f.into(),
                    reliable: true,
                    ..Frame::default()
                })
                .collect(),
        })
        .collect();
        s
    }

    #[test]
    fn each_lock_points_at_the_one_taken_under_it() {
        let got: Vec<_> = edges(&splat())
            .into_iter()
            .map(|e| (e.from, e.to, e.by.unwrap(), e.now))
            .collect();
        let edge = |from: &str, to: &str, by: &str, now| (from.into(), to.into(), by.into(), now);
        assert_eq!(
            got,
            [
                edge("c<x>", "&a", "f_now", true),
                edge("&a", "b", "b_under_a", false),
                edge("b", "c<x>", "c_under_b", false),
            ]
        );
        assert!(edges(&Splat::new(Kind::Recursive, 1)).is_empty());
    }

    #[test]
    fn names_are_escaped_for_dot_and_for_xml() {
        let splats = [splat()];
        let dot = dot(&splats);
        assert!(dot.contains("label=\"a \\\"title\\\" with <marks> & more\""));
        assert!(dot.contains("n0_2 -> n0_0 [label=\"f_now\", style=dashed];"));
        let svg = svg(&splats);
        assert!(svg.contains(">c&lt;x&gt;</text>") && svg.contains(">&amp;a</text>"));
        assert!(!svg.contains("<marks>"));
        assert_eq!(svg.matches("marker-end").count(), 3);
    }
}
