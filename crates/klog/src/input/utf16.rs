//! UTF-16, as editors and PowerShell's `>` write it, with a byte order mark or without.

use std::io::{self, Read};

use super::super::limits;

/// Which byte of a pair comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The order of a text that is UTF-16. Without a mark nearly every pair must hold one NUL, always on
    /// the same side: the text of logs is nearly all ASCII.
    pub(super) fn of(head: &[u8]) -> Option<Order> {
        match head.get(..2)? {
            [0xff, 0xfe] => return Some(Order::Little),
            [0xfe, 0xff] => return Some(Order::Big),
            _ => {}
        }
        let (mut pairs, mut little, mut big) = (0usize, 0usize, 0usize);
        for pair in head.chunks_exact(2) {
            let [a, b] = pair else { continue };
            let text = |b: u8| b >= b' ' || matches!(b, b'\n' | b'\r' | b'\t' | 0x1b);
            pairs = pairs.saturating_add(1);
            little = little.saturating_add(usize::from(*b == 0 && text(*a)));
            big = big.saturating_add(usize::from(*a == 0 && text(*b)));
        }
        let most = pairs.saturating_sub(pairs >> 3);
        if pairs < 8 {
            None
        } else if little >= most {
            Some(Order::Little)
        } else if big >= most {
            Some(Order::Big)
        } else {
            None
        }
    }
}

/// Turns UTF-16 into UTF-8; what is not a character becomes U+FFFD.
pub(super) struct Decoder<R> {
    inner: R,
    order: Order,
    /// Bytes of an unfinished pair.
    odd: Option<u8>,
    /// The first half of a character of four bytes.
    high: Option<u16>,
    out: Vec<u8>,
    at: usize,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(order: Order, inner: R) -> Self {
        Self {
            inner,
            order,
            odd: None,
            high: None,
            out: Vec::new(),
            at: 0,
        }
    }

    fn push(&mut self, c: char) {
        let mut buffer = [0u8; 4];
        self.out
            .extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }

    fn unit(&mut self, unit: u16) {
        let units = self.high.take().into_iter().chain([unit]);
        for decoded in char::decode_utf16(units) {
            match decoded {
                Ok('\u{feff}') => {}
                Ok(c) => self.push(c),
                Err(e)
                    if (0xd800..0xdc00).contains(&e.unpaired_surrogate())
                        && e.unpaired_surrogate() == unit =>
                {
                    self.high = Some(unit);
                }
                Err(_) => self.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    /// Decodes another block; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut block = vec![0u8; limits::PACKED_BLOCK_BYTES];
        let n = self.inner.read(&mut block)?;
        self.out.clear();
        self.at = 0;
        for b in block.iter().take(n).copied() {
            match self.odd.take() {
                None => self.odd = Some(b),
                Some(a) => self.unit(match self.order {
                    Order::Little => u16::from_le_bytes([a, b]),
                    Order::Big => u16::from_be_bytes([a, b]),
                }),
            }
        }
        Ok(n > 0)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.out.len() {
            if !self.more()? {
                return Ok(0);
            }
        }
        let n = self.out.get(self.at..).unwrap_or_default().read(buf)?;
        self.at = self.at.saturating_add(n);
        Ok(n)
    }
}
