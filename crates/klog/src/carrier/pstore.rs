//! The parts of a pstore dump.
//!
//! ```text
//!  Panic#1 Part1      ◄ the newest lines of the log
//!  <4>[   12.0] …
//!  Panic#1 Part2      ◄ the lines before those
//!  <4>[   11.0] …
//! ```
//! pstore_dump() (fs/pstore/platform.c) fills one record of the store after the other, from the log's
//! end backwards. Files put together in the order of their names therefore run backwards, part by
//! part; systemd-pstore turns them around. Parts that follow one another upwards are held back, within
//! a bound, and handed on in the order of time.

use crate::limits;
use crate::text::number;

/// Lines with their numbers.
type Part = Vec<(u64, Vec<u8>)>;

/// Turns parts around.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Parts {
    /// Reason and count (`Panic#1`) and the number of the part being held.
    last: Option<(Vec<u8>, u64)>,
    held: Vec<Part>,
    bytes: usize,
}

impl Parts {
    /// Whether lines are being held back.
    pub(in super::super) fn is_open(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes a line; what is due is handed to `out`.
    pub(in super::super) fn line(
        &mut self,
        raw: &[u8],
        number: u64,
        out: &mut dyn FnMut(&[u8], u64),
    ) {
        if let Some((dump, part)) = head(raw) {
            let next = self
                .last
                .as_ref()
                .is_some_and(|(d, p)| d == dump && p.checked_add(1) == Some(part));
            if !(self.is_open() && next) {
                self.finish(out);
            }
            if part == 1 || self.is_open() {
                self.held.push(Part::new());
                self.last = Some((dump.to_vec(), part));
            }
            return;
        }
        let Some(part) = self.held.last_mut() else {
            out(raw, number);
            return;
        };
        part.push((number, raw.to_vec()));
        self.bytes = self.bytes.saturating_add(raw.len()).saturating_add(32);
        if self.bytes > limits::PSTORE_BYTES {
            self.finish(out);
        }
    }

    /// Hands on what is held.
    pub(in super::super) fn finish(&mut self, out: &mut dyn FnMut(&[u8], u64)) {
        for part in std::mem::take(&mut self.held).into_iter().rev() {
            for (number, line) in part {
                out(&line, number);
            }
        }
        self.last = None;
        self.bytes = 0;
    }
}

/// `Panic#1 Part2`: the dump and the part.
fn head(raw: &[u8]) -> Option<(&[u8], u64)> {
    let line = std::str::from_utf8(raw).ok()?.trim_end();
    let (dump, part) = line.split_once(" Part")?;
    let (reason, count) = dump.split_once('#')?;
    let known = matches!(
        reason,
        "Panic" | "Oops" | "Emergency" | "Shutdown" | "Restart" | "Halt" | "Poweroff" | "Unknown"
    );
    let whole = |s: &str| number(s).filter(|(_, r)| r.is_empty()).map(|(n, _)| n);
    whole(count)?;
    Some((dump.as_bytes(), whole(part)?)).filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(log: &str) -> Vec<String> {
        let mut parts = Parts::default();
        let mut out = Vec::new();
        let mut take = |l: &[u8], n: u64| out.push(format!("{n}:{}", String::from_utf8_lossy(l)));
        for (i, line) in log.lines().enumerate() {
            parts.line(line.as_bytes(), i as u64 + 1, &mut take);
        }
        parts.finish(&mut take);
        out
    }

    #[test]
    fn parts_that_run_backwards_are_turned_around() {
        assert_eq!(
            order("x\nPanic#1 Part1\nd\ne\nPanic#1 Part2\nb\nc\nPanic#1 Part3\na\nOops#2 Part1\nf"),
            ["1:x", "9:a", "6:b", "7:c", "3:d", "4:e", "11:f"].map(str::to_owned)
        );
    }

    #[test]
    fn parts_in_the_order_of_time_stay() {
        assert_eq!(
            order("Panic#1 Part2\na\nPanic#1 Part1\nb\nPart of it\nPanic#1 Partition"),
            ["2:a", "4:b", "5:Part of it", "6:Panic#1 Partition"].map(str::to_owned)
        );
    }

    #[test]
    fn a_part_without_end_is_handed_on_at_the_bound() {
        let mut parts = Parts::default();
        let mut lines = 0u64;
        parts.line(b"Panic#1 Part1", 1, &mut |_, _| {});
        for n in 0..100_000 {
            parts.line(&[b'x'; 100], n, &mut |_, _| lines += 1);
        }
        assert!(lines > 90_000);
    }
}
