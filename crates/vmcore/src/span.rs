//! Ranges that may overlap, laid out as a sorted list that does not.
//!
//! ```text
//! given   aaaaaaaa         given earlier or with a higher rank: on top
//!             bbbbbbbbb    below
//! laid    aaaaaaaabbbbb
//! ```

use std::collections::BTreeSet;

/// A range of some space, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) start: u64,
    /// One past the last byte.
    pub(crate) end: u64,
    /// Where `start` is found in the file; `None`: described, and without data.
    pub(crate) target: Option<u64>,
}

impl Span {
    /// The file offset of `at`, which lies in the span; `None` if the span has no data.
    pub(crate) fn offset_of(&self, at: u64) -> Option<u64> {
        self.target?.checked_add(at.checked_sub(self.start)?)
    }
}

/// Lays spans out without overlaps. Where several cover a byte, the one that comes first in
/// `spans` wins. Empty and inverted spans are dropped. Takes O(n log n), gives at most 2n spans.
pub(crate) fn lay_out(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    let sorted = spans.windows(2).all(|pair| match pair {
        [a, b] => a.end <= b.start,
        _ => true,
    });
    if sorted {
        return spans;
    }
    sweep(&spans)
}

fn sweep(spans: &[Span]) -> Vec<Span> {
    let mut edges: Vec<(u64, bool, usize)> = Vec::with_capacity(spans.len().saturating_mul(2));
    for (rank, span) in spans.iter().enumerate() {
        edges.push((span.start, true, rank));
        edges.push((span.end, false, rank));
    }
    edges.sort_unstable();
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut laid: Vec<Span> = Vec::with_capacity(spans.len());
    let mut from = 0;
    for (at, opens, rank) in edges {
        if at > from
            && let Some(top) = open.first().and_then(|rank| spans.get(*rank))
        {
            push(&mut laid, top, from, at);
        }
        from = at;
        if opens {
            open.insert(rank);
        } else {
            open.remove(&rank);
        }
    }
    laid
}

/// Appends `start..end` of `of`, joined to the last span where it is its continuation.
fn push(laid: &mut Vec<Span>, of: &Span, start: u64, end: u64) {
    let target = of.offset_of(start);
    if let Some(last) = laid.last_mut()
        && last.end == start
        && (last.offset_of(start) == target)
        && (last.target.is_some() == target.is_some())
    {
        last.end = end;
        return;
    }
    laid.push(Span { start, end, target });
}

/// The span that holds `at`, or the next one after it.
pub(crate) fn find(spans: &[Span], at: u64) -> Option<&Span> {
    spans.get(spans.partition_point(|span| span.end <= at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64, target: u64) -> Span {
        Span {
            start,
            end,
            target: Some(target),
        }
    }

    #[test]
    fn of_two_overlapping_spans_the_first_wins() {
        let laid = lay_out(vec![span(4, 8, 100), span(0, 6, 200), span(7, 10, 300)]);
        assert_eq!(laid, [span(0, 4, 200), span(4, 8, 100), span(8, 10, 301)]);
    }

    #[test]
    fn a_span_inside_another_splits_it() {
        let laid = lay_out(vec![span(4, 6, 0), span(0, 10, 100)]);
        assert_eq!(laid, [span(0, 4, 100), span(4, 6, 0), span(6, 10, 106)]);
    }

    #[test]
    fn the_laid_out_spans_agree_with_asking_each_byte() {
        let mut seed = 7u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..300 {
            let spans: Vec<Span> = (0..next(8))
                .map(|i| {
                    let start = next(40);
                    Span {
                        start,
                        end: start + next(12),
                        target: (next(3) > 0).then_some(i * 1000),
                    }
                })
                .collect();
            let laid = lay_out(spans.clone());
            assert!(laid.windows(2).all(|w| w[0].end <= w[1].start));
            for at in 0..60 {
                let want = spans
                    .iter()
                    .find(|s| s.start <= at && at < s.end)
                    .map(|s| s.offset_of(at));
                let got = find(&laid, at)
                    .filter(|s| s.start <= at)
                    .map(|s| s.offset_of(at));
                assert_eq!(got, want, "{spans:?} at {at}");
            }
        }
    }
}
