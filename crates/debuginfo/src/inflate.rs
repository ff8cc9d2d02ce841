//! Decompression of sections and of module files, with a bound on the result.

use std::io::Read;

use crate::{Error, FileBytes};

/// The largest section or file that is unpacked, in bytes. The largest sections
/// of kernels with full DWARF have a few hundred megabytes.
const MAX_UNPACKED: u64 = 4 << 30;
/// How much is set aside before anything has been unpacked.
const FIRST_ALLOCATION: u64 = 16 << 20;
/// The largest xz dictionary, in KiB: `xz -9` takes 64 MiB, kernel images up to 128 MiB.
const XZ_DICTIONARY: u32 = 256 << 10;

/// The ways that bytes are packed in ELF sections and module files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Zlib,
    Gzip,
    Zstd,
    Xz,
    Lz4,
}

impl Packing {
    /// How a whole file is packed, by its first bytes; `None`: it is not.
    pub(crate) fn of(bytes: &[u8]) -> Option<Packing> {
        Some(match bytes.get(..4)? {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
            [0xfd, b'7', b'z', b'X'] => Packing::Xz,
            // The frame format, and the older one that `lz4 -l` writes for kernel images.
            [0x04, 0x22, 0x4d, 0x18] | [0x02, 0x21, 0x4c, 0x18] => Packing::Lz4,
            _ => return None,
        })
    }
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
        // One stream: what follows in a kernel image is its size.
        Packing::Xz => lzma_rust2::XzReader::new_mem_limit(packed, false, XZ_DICTIONARY)
            .take(limit + 1)
            .read_to_end(&mut bytes),
        Packing::Lz4 => lz4_flex::frame::FrameDecoder::new(packed)
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
