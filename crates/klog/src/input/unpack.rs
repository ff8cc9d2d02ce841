//! Logs that rotation or an uploader packed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

use super::super::limits;
use super::Damage;

/// A compression of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Packing {
    /// gzip, one member or several.
    Gzip,
    /// xz.
    Xz,
    /// zstd, one frame or several.
    Zstd,
    /// lz4's frame format, also the older one.
    Lz4,
    /// bzip2, one stream or several.
    Bzip2,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Packing::Gzip => "gzip",
            Packing::Xz => "xz",
            Packing::Zstd => "zstd",
            Packing::Lz4 => "lz4",
            Packing::Bzip2 => "bzip2",
        })
    }
}

impl Packing {
    /// How a file is packed, by its first bytes; `None`: it is not, or in a way that is not read.
    pub(super) fn of(head: &[u8]) -> Option<Packing> {
        Some(match head.get(..6)? {
            [0x1f, 0x8b, 8, ..] => Packing::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Packing::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => Packing::Lz4,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, _] => Packing::Bzip2,
            _ => return None,
        })
    }

    fn decoder<'a>(self, packed: impl BufRead + 'a) -> Box<dyn Read + 'a> {
        match self {
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                packed,
                true,
                limits::XZ_DICTIONARY_KIB,
            )),
            Packing::Zstd => Box::new(ZstdFrames::new(packed)),
            Packing::Lz4 => Box::new(Lz4Frames(lz4_flex::frame::FrameDecoder::new(packed))),
            Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        }
    }
}

/// Unpacked bytes. What damages the packed ones ends them, and is noted.
pub(super) struct Unpacked<'a> {
    bytes: Box<dyn Read + 'a>,
    /// Bytes that may still come.
    left: u64,
    damage: Damage,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(packing: Packing, packed: impl Read + 'a, damage: Damage) -> Self {
        Self {
            bytes: packing.decoder(BufReader::with_capacity(limits::PACKED_BLOCK_BYTES, packed)),
            left: limits::UNPACKED_BYTES,
            damage,
        }
    }

    /// Nothing more comes.
    fn end(&mut self, why: String) {
        self.left = 0;
        self.damage.borrow_mut().get_or_insert(why);
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        match self.bytes.read(buf) {
            Ok(n) => {
                self.left = self.left.saturating_sub(n.try_into().unwrap_or(u64::MAX));
                if self.left == 0 {
                    self.end(format!(
                        "more than {} GiB are packed in it",
                        limits::UNPACKED_BYTES >> 30
                    ));
                }
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                self.end(e.to_string());
                Ok(0)
            }
        }
    }
}

/// lz4 frames one behind the other.
struct Lz4Frames<R: Read>(lz4_flex::frame::FrameDecoder<R>);

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buf)?;
            // Nothing is the end of a frame, and each frame takes some of the file.
            if read > 0 || buf.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(read);
            }
        }
    }
}

/// zstd frames one behind the other, skippable ones passed over.
struct ZstdFrames<R> {
    packed: R,
    decoder: ruzstd::decoding::FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(packed: R) -> Self {
        let mut decoder = ruzstd::decoding::FrameDecoder::new();
        decoder.set_max_window_size(limits::ZSTD_WINDOW_BYTES);
        Self {
            packed,
            decoder,
            in_frame: false,
        }
    }

    /// Begins the next frame; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
        while !self.packed.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.packed).take(length.into());
                    io::copy(&mut skipped, &mut io::sink())?;
                }
                Err(e) => return Err(io::Error::other(e.to_string())),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        loop {
            if buf.is_empty() || !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            let read = self.decoder.read(buf)?;
            if read > 0 {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.in_frame = false;
                continue;
            }
            self.decoder
                .decode_blocks(&mut self.packed, UptoBlocks(1))
                .map_err(|e| io::Error::other(e.to_string()))?;
        }
    }
}
