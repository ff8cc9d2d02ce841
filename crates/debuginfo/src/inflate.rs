//! Decompression of sections and of module files, with a bound on the result.

use std::io::Read;

use crate::{Error, FileBytes};

/// The largest section or file that is unpacked, in bytes. The largest sections
/// of kernels with full DWARF have a few hundred megabytes.
const MAX_UNPACKED: u64 = 4 << 30;
/// How much is set aside before anything has been unpacked.
const FIRST_ALLOCATION: u64 = 16 << 20;

/// The ways that bytes are packed in ELF sections and module files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Zlib,
    Gzip,
    Zstd,
}

/// Unpacks all of `packed`. If the size is stated, the result has that size.
pub(crate) fn unpack(
    packing: Packing,
    packed: &[u8],
    stated: Option<u64>,
    place: &'static str,
) -> Result<FileBytes, Error> {
    let limit = stated.unwrap_or(MAX_UNPACKED);
    if limit > MAX_UNPACKED {
        return Err(Error::malformed(
            place,
            0,
            "at most 4 GiB of unpacked bytes",
            format!("{limit} bytes"),
        ));
    }
    let mut bytes =
        Vec::with_capacity(limit.min(FIRST_ALLOCATION).min(stated.unwrap_or(0)) as usize);
    // One byte more than allowed tells "too long" from "just fits".
    let result = match packing {
        Packing::Zlib => flate2::bufread::ZlibDecoder::new(packed)
            .take(limit + 1)
            .read_to_end(&mut bytes),
        Packing::Gzip => flate2::bufread::MultiGzDecoder::new(packed)
            .take(limit + 1)
            .read_to_end(&mut bytes),
        Packing::Zstd => match ruzstd::decoding::StreamingDecoder::new(packed) {
            Ok(decoder) => decoder.take(limit + 1).read_to_end(&mut bytes),
            Err(error) => Err(std::io::Error::other(error.to_string())),
        },
    };
    if let Err(error) = result {
        return Err(Error::malformed(
            place,
            bytes.len(),
            "intact compressed bytes",
            error.to_string(),
        ));
    }
    if bytes.len() as u64 > limit || stated.is_some_and(|stated| stated != bytes.len() as u64) {
        let found = format!("{} bytes or more, {limit} allowed or stated", bytes.len());
        return Err(Error::malformed(
            place,
            0,
            "the stated number of unpacked bytes",
            found,
        ));
    }
    Ok(FileBytes::from(bytes))
}
