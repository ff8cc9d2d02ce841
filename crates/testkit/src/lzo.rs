//! A small LZO1X compressor: literal runs and M3 matches, enough for test pages.
//!
//! ```text
//! 001LLLLL  (zero bytes, rest)  u16 (distance-1)<<2 | S    copy, then S literals
//! 0000LLLL  (zero bytes, rest)  literals                   a run of at least 4
//! 0x11 0 0                                                 the end
//! ```

use std::collections::HashMap;

/// Compresses `data`.
pub(crate) fn compress(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut seen: HashMap<[u8; 4], usize> = HashMap::new();
    let (mut at, mut run) = (0, 0);
    while at + 4 <= data.len() {
        let key: [u8; 4] = data[at..at + 4].try_into().unwrap();
        let from = seen.insert(key, at).filter(|from| at - from <= 16384);
        // The first instruction is a literal run, and a match needs three bytes or more.
        let Some(from) = from.filter(|_| at > 0) else {
            at += 1;
            continue;
        };
        let mut len = 4;
        while at + len < data.len() && data[from + len] == data[at + len] {
            len += 1;
        }
        literals(&mut out, &data[run..at]);
        copy(&mut out, at - from, len);
        at += len;
        run = at;
    }
    literals(&mut out, &data[run..]);
    out.extend([0x11, 0, 0]);
    out
}

fn length(out: &mut Vec<u8>, mut rest: usize) {
    while rest > 255 {
        out.push(0);
        rest -= 255;
    }
    out.push(rest as u8);
}

fn literals(out: &mut Vec<u8>, run: &[u8]) {
    match run.len() {
        0 => {}
        1..=3 if out.is_empty() => out.push(17 + run.len() as u8),
        // Up to three literals are counted in the last bits of the match before them.
        1..=3 => {
            let at = out.len() - 2;
            out[at] |= run.len() as u8;
        }
        4..=18 => out.push(run.len() as u8 - 3),
        _ => {
            out.push(0);
            length(out, run.len() - 18);
        }
    }
    out.extend(run);
}

fn copy(out: &mut Vec<u8>, distance: usize, len: usize) {
    if len <= 33 {
        out.push(0x20 | (len - 2) as u8);
    } else {
        out.push(0x20);
        length(out, len - 33);
    }
    out.extend((((distance - 1) as u16) << 2).to_le_bytes());
}
