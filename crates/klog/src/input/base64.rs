//! base64 (RFC 4648): a whole file of it, or the lines of a mail's body.

use std::io::{self, BufRead, BufReader, Read};

use super::super::limits;

/// The value of a digit.
fn digit(b: u8) -> Option<u32> {
    Some(u32::from(match b {
        b'A'..=b'Z' => b.wrapping_sub(b'A'),
        b'a'..=b'z' => b.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => b.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Decodes one line onto `out`; `rest` carries the digits of an unfinished group from line to line.
/// False at the first byte that is not base64.
pub(crate) fn decode(line: &[u8], rest: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
    for b in line.iter().copied() {
        match b {
            b'\r' | b' ' | b'\t' | b'=' => continue,
            _ if digit(b).is_none() => return false,
            _ => rest.push(b),
        }
        if rest.len() == 4 {
            group(rest, out);
        }
    }
    if line.contains(&b'=') {
        group(rest, out);
    }
    true
}

/// Decodes a group of up to four digits.
fn group(rest: &mut Vec<u8>, out: &mut Vec<u8>) {
    let digits = rest.len();
    let mut bits = 0u32;
    for b in rest.drain(..) {
        bits = bits << 6 | digit(b).unwrap_or(0);
    }
    bits <<= 6u32.saturating_mul(4u32.saturating_sub(digits.try_into().unwrap_or(4)));
    let [_, a, b, c] = bits.to_be_bytes();
    let bytes = [a, b, c];
    out.extend_from_slice(bytes.get(..digits.saturating_sub(1)).unwrap_or_default());
}

/// Whether a text that begins with `head` is base64 and nothing else: lines of one length, none with
/// anything but digits, upper and lower case and decimal among them.
pub(super) fn is_text(head: &[u8]) -> bool {
    let whole = memchr::memrchr(b'\n', head).and_then(|end| head.get(..end));
    let mut lines = whole.unwrap_or(head).split(|b| *b == b'\n');
    let trim = |l: &[u8]| l.strip_suffix(b"\r").unwrap_or(l).len();
    let Some(first) = lines.next() else {
        return false;
    };
    let width = trim(first);
    let equal = lines.clone().all(|l| trim(l) <= width);
    let even = lines.clone().rev().skip(1).all(|l| trim(l) == width);
    let text = head
        .iter()
        .all(|b| digit(*b).is_some() || matches!(b, b'\r' | b'\n' | b'='));
    let some = |range: std::ops::RangeInclusive<u8>| head.iter().any(|b| range.contains(b));
    head.len() >= 128
        && width >= 60
        && width & 3 == 0
        && equal
        && even
        && text
        && some(b'A'..=b'Z')
        && some(b'a'..=b'z')
        && some(b'0'..=b'9')
}

/// A file of base64 as the bytes that it stands for.
pub(super) struct Decoder<R> {
    inner: BufReader<R>,
    rest: Vec<u8>,
    out: Vec<u8>,
    at: usize,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner: BufReader::with_capacity(limits::PACKED_BLOCK_BYTES, inner),
            rest: Vec::new(),
            out: Vec::new(),
            at: 0,
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.out.len() {
            self.out.clear();
            self.at = 0;
            let block = self.inner.fill_buf()?;
            if block.is_empty() {
                return Ok(0);
            }
            let n = block.len();
            for line in block.split(|b| *b == b'\n') {
                decode(line, &mut self.rest, &mut self.out);
            }
            self.inner.consume(n);
        }
        let n = self.out.get(self.at..).unwrap_or_default().read(buf)?;
        self.at = self.at.saturating_add(n);
        Ok(n)
    }
}
