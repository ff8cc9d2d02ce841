//! Memory images: LiME, AVML and raw.

use std::io::Write;

use crate::Little;

/// A LiME image of ranges, each its first address and its bytes.
#[must_use]
pub fn lime(ranges: &[(u64, &[u8])]) -> Vec<u8> {
    let mut image = Vec::new();
    for (start, bytes) in ranges {
        image.u32(0x4c69_4d45);
        image.u32(1);
        image.u64(*start);
        image.u64(start + bytes.len() as u64 - 1);
        image.u64(0);
        image.extend(*bytes);
    }
    image
}

/// An AVML image of ranges, each its first address and its bytes, compressed by the snappy crate's
/// own framing.
#[must_use]
pub fn avml(ranges: &[(u64, &[u8])]) -> Vec<u8> {
    let mut image = Vec::new();
    for (start, bytes) in ranges {
        image.u32(0x4c4d_5641);
        image.u32(2);
        image.u64(*start);
        image.u64(start + bytes.len() as u64 - 1);
        image.u64(0);
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        let frames = encoder.into_inner().unwrap();
        image.extend(&frames);
        image.u64(frames.len() as u64);
    }
    image
}

/// A raw image of `len` bytes from `start`, with ranges written into it.
#[must_use]
pub fn raw(start: u64, len: usize, ranges: &[(u64, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; len];
    for (at, bytes) in ranges {
        crate::put(&mut image, (at - start) as usize, bytes);
    }
    image
}
