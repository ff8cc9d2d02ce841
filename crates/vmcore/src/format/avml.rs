//! AVML images: LiME's headers, each range a snappy stream.
//!
//! ```text
//! 0    u32 magic 0x4c4d5641 │ u32 version 2 │ u64 first address │ u64 last address │ 8 reserved
//! 32   frames:  u8 kind │ u24 length │ that many bytes
//!               0xff  "sNaPpY"                                   a stream begins
//!               0x00  u32 masked CRC-32C │ snappy, at most 64 KiB decoded
//!               0x01  u32 masked CRC-32C │ bytes as they are
//!               0x80… padding and other things to pass over
//! end  u64 length of the frames, and the next range's header
//! ```
//!
//! Source: AVML's src/image.rs (version 2 of the format; uncompressed images are LiME's);
//! google/snappy's framing_format.txt. Since AVML 0.12 blocks of 16 MiB that are all zero are left
//! out, so a hole here may be memory of zeros.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::fields::Fields;
use crate::image::{Extent, Image};
use crate::source::{Layer, ReadError, Source};

use super::{Format, ImageFormat};

const MAGIC: [u8; 4] = 0x4c4d_5641_u32.to_le_bytes();

/// AVML's compressed form.
pub(super) const AVML: ImageFormat = ImageFormat {
    format: Format::Avml,
    magic: &MAGIC,
    open,
};

const HEADER_LEN: u64 = 32;
/// Bytes that a frame decodes to at most, by snappy's specification.
const FRAME_MAX: u64 = 65536;
/// Ranges that are read: blocks of 16 MiB in 16 TiB.
const RANGES_READ: usize = 1 << 20;
/// Decoded frames that are kept: 1 MiB.
const FRAMES_KEPT: usize = 16;
/// Where no virtual file reaches: memory that the header describes and no frame has.
const NOWHERE: u64 = 1 << 55;

/// One frame with data.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Where its decoded bytes begin in the virtual file.
    start: u64,
    /// How many they are.
    len: u64,
    /// File offset of the checksum; the data follows.
    at: u64,
    /// Bytes of the data.
    packed: u64,
    compressed: bool,
}

/// The frames of all ranges as one virtual file.
#[derive(Debug)]
pub(crate) struct Frames {
    source: Arc<Source>,
    frames: Vec<Frame>,
    /// Decoded frames by their index, the one used last at the end.
    kept: Mutex<Vec<(usize, Arc<[u8]>)>>,
}

/// Walks all ranges and frames: a few bytes of each 64 KiB of memory are read.
fn open(source: Arc<Source>) -> Result<(Image, Vec<String>), Error> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut extents = Vec::new();
    let mut reasons = Vec::new();
    let mut at = 0;
    while at < source.len() && extents.len() < RANGES_READ {
        let (start, len) = match range(&source, at) {
            Ok(range) => range,
            Err(error) if extents.is_empty() => return Err(error),
            Err(error) => {
                reasons.push(error.to_string());
                break;
            }
        };
        let from = end_of(&frames);
        let walked = walk(&source, at.saturating_add(HEADER_LEN), len, &mut frames);
        let held = end_of(&frames).saturating_sub(from);
        let part = |start, len, offset| Extent {
            start,
            len,
            offset: Some(offset),
            file: 0,
        };
        extents.push(part(start, held.min(len), from));
        let rest = len.saturating_sub(held);
        extents.push(part(start.saturating_add(held), rest, NOWHERE));
        match walked {
            Ok(end) => at = end.saturating_add(8),
            Err(what) => {
                reasons.push(format!("{}: {what}", source.name()));
                break;
            }
        }
    }
    let name = source.name().to_owned();
    let frames = Frames {
        source,
        frames,
        kept: Mutex::default(),
    };
    let inner = Arc::new(Source::from_layer(name, frames));
    Ok((Image::new(vec![inner], &extents), reasons))
}

fn end_of(frames: &[Frame]) -> u64 {
    frames.last().map_or(0, |f| f.start.saturating_add(f.len))
}

/// The first address and the length of the range at `at`.
fn range(source: &Source, at: u64) -> Result<(u64, u64), Error> {
    let header = source.header("AVML range header", at, HEADER_LEN)?;
    let f = Fields(&header);
    let found = f.u32(0).unwrap_or(0);
    if found.to_le_bytes() != MAGIC {
        let found = format!("{found:#x}");
        return Err(source.corrupt("AVML magic", at, "0x4c4d5641", found));
    }
    let version = f.u32(4).unwrap_or(0);
    if version != 2 {
        return Err(source.corrupt("AVML version", at.saturating_add(4), "2", version));
    }
    let (first, last) = (f.u64(8).unwrap_or(0), f.u64(16).unwrap_or(0));
    let len = last
        .checked_sub(first)
        .and_then(|len| len.checked_add(1))
        .filter(|len| *len < NOWHERE);
    let len = len.ok_or_else(|| {
        let expected = format!("not below {first:#x}");
        source.corrupt("AVML last address", at.saturating_add(16), expected, last)
    })?;
    Ok((first, len))
}

/// Lists frames from `at` until they hold `len` bytes; gives the offset behind the last one.
fn walk(source: &Source, at: u64, len: u64, frames: &mut Vec<Frame>) -> Result<u64, String> {
    let mut at = at;
    let mut left = len;
    while left > 0 {
        let cut = || format!("truncated: a frame at offset {at:#x} is not whole");
        let header = source.array::<4>(at).map_err(|_| cut())?;
        let kind = header.first().copied().unwrap_or(0);
        let size = u64::from(u32::from_le_bytes(header) >> 8);
        let data = at.saturating_add(4);
        let end = data.saturating_add(size);
        if end > source.len() {
            return Err(cut());
        }
        if kind <= 1 {
            let packed = size.checked_sub(4).ok_or_else(cut)?;
            let decoded = if kind == 0 {
                decoded_len(source, data.saturating_add(4), packed)
            } else {
                Some(packed)
            };
            let decoded = decoded.filter(|len| *len <= FRAME_MAX.min(left));
            let decoded =
                decoded.ok_or_else(|| format!("the frame at offset {at:#x} has a wrong length"))?;
            if decoded > 0 {
                frames.push(Frame {
                    start: end_of(frames),
                    len: decoded,
                    at: data,
                    packed,
                    compressed: kind == 0,
                });
            }
            left = left.saturating_sub(decoded);
        } else if kind < 0x80 {
            return Err(format!(
                "the frame at offset {at:#x} is of unknown kind {kind:#x}"
            ));
        }
        at = end;
    }
    Ok(at)
}

/// The decoded length that a snappy block of `packed` bytes begins with.
fn decoded_len(source: &Source, at: u64, packed: u64) -> Option<u64> {
    let head = source.vec(at, packed.min(5)).ok()?;
    let len = snap::raw::decompress_len(&head).ok()?;
    u64::try_from(len).ok()
}

impl Layer for Frames {
    fn len(&self) -> u64 {
        end_of(&self.frames)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let after = self.frames.partition_point(|frame| frame.start <= at);
            let index = after.checked_sub(1).ok_or(ReadError::PastEnd)?;
            let frame = self.frames.get(index).ok_or(ReadError::PastEnd)?;
            let bytes = self.decoded(index, frame)?;
            let skip = usize::try_from(at.saturating_sub(frame.start)).unwrap_or(usize::MAX);
            let bytes = bytes.get(skip..).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or(ReadError::PastEnd)?;
            let len = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut_checked(len).ok_or(ReadError::PastEnd)?;
            now.copy_from_slice(bytes.get(..len).unwrap_or_default());
            at = at.saturating_add(len as u64);
            rest = later;
        }
        Ok(())
    }
}

impl Frames {
    /// The decoded bytes of a frame; the lock is not held while it is decoded.
    fn decoded(&self, index: usize, frame: &Frame) -> Result<Arc<[u8]>, ReadError> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = lock();
        if let Some(place) = kept.iter().position(|(i, _)| *i == index) {
            let found = kept.remove(place);
            let bytes = found.1.clone();
            kept.push(found);
            return Ok(bytes);
        }
        drop(kept);
        let bytes: Arc<[u8]> = self.decode(frame)?.into();
        let mut kept = lock();
        if kept.len() >= FRAMES_KEPT {
            kept.remove(0);
        }
        kept.push((index, bytes.clone()));
        Ok(bytes)
    }

    fn decode(&self, frame: &Frame) -> Result<Vec<u8>, ReadError> {
        let corrupt = |what: String| ReadError::Corrupt(frame.at, what);
        let sum = u32::from_le_bytes(self.source.array(frame.at)?);
        let packed = self.source.vec(frame.at.saturating_add(4), frame.packed)?;
        let bytes = if frame.compressed {
            let decoded = snap::raw::Decoder::new().decompress_vec(&packed);
            decoded.map_err(|e| corrupt(format!("its snappy frame does not decode: {e}")))?
        } else {
            packed
        };
        if masked_crc(&bytes) != sum {
            return Err(corrupt("its snappy frame has a wrong checksum".to_owned()));
        }
        Ok(bytes)
    }
}

/// The table of CRC-32C (Castagnoli, reflected) for single bytes.
const CRC: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        #[allow(clippy::indexing_slicing)] // at compile time
        {
            table[byte] = crc;
        }
        byte += 1;
    }
    table
};

/// CRC-32C, turned and moved as snappy's frames have it.
fn masked_crc(bytes: &[u8]) -> u32 {
    let crc = !bytes.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc as u8 ^ byte) as usize;
        (crc >> 8) ^ CRC.get(index).copied().unwrap_or(0)
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_snappy_library() {
        // CRC-32C of "123456789" is 0xe3069283 (RFC 3720's check value).
        let crc = 0xe306_9283_u32;
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc(b"123456789"), masked);
    }
}
