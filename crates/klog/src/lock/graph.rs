//! The cycle of a circular report for Graphviz, in its language DOT.
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
//! The dashed arrow is the acquisition that closed the cycle. Text of a log is hostile: it is escaped.

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
    fn names_are_escaped_for_dot() {
        let splats = [splat()];
        let dot = dot(&splats);
        assert!(dot.contains("label=\"a \\\"title\\\" with <marks> & more\""));
        assert!(dot.contains("n0_2 -> n0_0 [label=\"f_now\", style=dashed];"));
    }
}
