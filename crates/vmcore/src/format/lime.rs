//! LiME images.
//!
//! ```text
//! 0    u32 magic 0x4c694d45 │ u32 version 1 │ u64 first address │ u64 last address │ 8 reserved
//! 32   the bytes from the first to the last address, inclusive
//!      the next range's header …
//! ```
//!
//! Source: LiME's doc/README.md, "Spec".

use std::sync::Arc;

use crate::Error;
use crate::fields::Fields;
use crate::image::{Extent, Image};
use crate::source::Source;

use super::{Format, ImageFormat};

const MAGIC: [u8; 4] = 0x4c69_4d45_u32.to_le_bytes();

/// LiME images.
pub(super) const LIME: ImageFormat = ImageFormat {
    format: Format::Lime,
    magic: &MAGIC,
    open,
};

const HEADER_LEN: u64 = 32;
/// Ranges that are read; a machine's memory map has a few dozen.
const RANGES_READ: usize = 1 << 16;

/// Walks the ranges; the list ends at the file's end or at a header that is none.
fn open(source: Arc<Source>) -> Result<(Image, Vec<String>), Error> {
    let mut extents = Vec::new();
    let mut reasons = Vec::new();
    let mut at = 0_u64;
    while at < source.len() && extents.len() < RANGES_READ {
        let extent = match range(&source, at) {
            Ok(extent) => extent,
            Err(error) if extents.is_empty() => return Err(error),
            Err(error) => {
                reasons.push(error.to_string());
                break;
            }
        };
        let data = at.saturating_add(HEADER_LEN);
        let end = data.saturating_add(extent.len);
        if end > source.len() {
            reasons.push(format!(
                "{}: truncated at {:#x}: the range at physical {:#x} ends at {end:#x}",
                source.name(),
                source.len(),
                extent.start
            ));
        }
        extents.push(extent);
        at = end;
    }
    Ok((Image::new(vec![source], &extents), reasons))
}

fn range(source: &Source, at: u64) -> Result<Extent, Error> {
    let header = source.header("LiME range header", at, HEADER_LEN)?;
    let f = Fields(&header);
    let found = f.u32(0).unwrap_or(0);
    if found.to_le_bytes() != MAGIC {
        let found = format!("{found:#x}");
        return Err(source.corrupt("LiME magic", at, "0x4c694d45", found));
    }
    let version = f.u32(4).unwrap_or(0);
    if version != 1 {
        return Err(source.corrupt("LiME version", at.saturating_add(4), "1", version));
    }
    let (first, last) = (f.u64(8).unwrap_or(0), f.u64(16).unwrap_or(0));
    let len = last
        .checked_sub(first)
        .and_then(|len| len.checked_add(1))
        .ok_or_else(|| {
            let expected = format!("not below {first:#x}");
            source.corrupt("LiME last address", at.saturating_add(16), expected, last)
        })?;
    Ok(Extent {
        start: first,
        len,
        offset: Some(at.saturating_add(HEADER_LEN)),
        file: 0,
    })
}
