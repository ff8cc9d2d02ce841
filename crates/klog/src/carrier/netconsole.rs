//! Fragments of extended netconsole.
//!
//! A record longer than a packet is cut, each piece with the record's own head and its place in the
//! text (send_msg_fragmented, drivers/net/netconsole.c):
//!
//! ```text
//!  6,416,1758426,-,ncfrag=0/33;the first part of the te     offset / total bytes of the text
//!  6,416,1758426,-,ncfrag=25/33;xt goes on
//! ```
//! Packets bring no newline but the text's own, so a listener that writes them as they come puts the
//! next head right behind the piece.

use super::Prefix;
use crate::limits;
use crate::text::number;

/// Where a piece belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: usize,
    pub(super) total: usize,
}

impl Place {
    /// Reads `OFFSET/TOTAL`.
    pub(super) fn parse(s: &str) -> Option<Self> {
        let (offset, total) = s.split_once('/')?;
        let whole = |s: &str| {
            let (n, rest) = number(s)?;
            usize::try_from(n).ok().filter(|_| rest.is_empty())
        };
        Some(Self {
            offset: whole(offset)?,
            total: whole(total)?,
        })
    }
}

/// A record of which more is to come.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) prefix: Prefix,
    pub(super) number: u64,
    pub(super) text: String,
    head: String,
    total: usize,
}

impl Pending {
    /// Begins a record with a piece of it.
    pub(super) fn begin(prefix: Prefix, number: u64, head: &str, place: Place, text: &str) -> Self {
        // A piece from the middle, whose beginning was lost, waits for nothing.
        let total = if place.offset == 0 { place.total } else { 0 };
        Self {
            prefix,
            number,
            text: text.to_owned(),
            head: head.to_owned(),
            total,
        }
    }

    /// Whether more is to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.text.len() < self.total
    }

    /// Adds the next piece; false when it is another record's, or one between was lost.
    pub(super) fn join(&mut self, head: &str, place: Place, text: &str) -> bool {
        let fits = self.head == head
            && place.total == self.total
            && place.offset == self.text.len()
            && self.text.len().saturating_add(text.len()) <= limits::LINE_BYTES;
        if fits {
            self.text.push_str(text);
        }
        fits
    }
}

/// Splits a line at the heads of further pieces of the same record that stand in it.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let Some((head, _)) = text.split_once(",ncfrag=") else {
        return vec![text];
    };
    let mut out = Vec::new();
    let mut rest = text;
    let next = format!("{head},ncfrag=");
    while out.len() < limits::PIECES_PER_LINE {
        let at = rest
            .get(next.len()..)
            .and_then(|r| r.find(&next))
            .and_then(|at| at.checked_add(next.len()));
        let Some((piece, more)) = at.and_then(|at| rest.split_at_checked(at)) else {
            break;
        };
        out.push(piece);
        rest = more;
    }
    out.push(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_heads_of_its_own_record() {
        assert_eq!(
            pieces("6,4,1,-,ncfrag=0/9;abc6,4,1,-,ncfrag=3/9;def6,4,1,-,ncfrag=6/9;ghi"),
            [
                "6,4,1,-,ncfrag=0/9;abc",
                "6,4,1,-,ncfrag=3/9;def",
                "6,4,1,-,ncfrag=6/9;ghi"
            ]
        );
        assert_eq!(pieces("6,4,1,-;abc"), ["6,4,1,-;abc"]);
    }

    #[test]
    fn a_place_is_two_numbers() {
        assert_eq!(
            Place::parse("25/33"),
            Some(Place {
                offset: 25,
                total: 33
            })
        );
        assert_eq!(Place::parse("25/x"), None);
    }
}
