//! The compressions of kdump's pages: one page in, one page out.

use std::cell::RefCell;
use std::fmt;

/// How a page of a kdump-compressed dump is stored.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// zlib (makedumpfile `-c`).
    Zlib,
    /// LZO1X (makedumpfile `-l`).
    Lzo,
    /// Snappy's raw format (makedumpfile `-p`).
    Snappy,
    /// One zstd frame (makedumpfile `-z`, since 1.7.0).
    Zstd,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::Zlib => "zlib",
            Codec::Lzo => "lzo",
            Codec::Snappy => "snappy",
            Codec::Zstd => "zstd",
        })
    }
}

impl Codec {
    /// Every codec, with its bit in the header's `status` and in a page descriptor's `flags`
    /// (makedumpfile's diskdump_mod.h, `DUMP_DH_COMPRESSED_*`).
    pub(crate) const BITS: [(u32, Codec); 4] = [
        (0x01, Codec::Zlib),
        (0x02, Codec::Lzo),
        (0x04, Codec::Snappy),
        (0x20, Codec::Zstd),
    ];

    /// This codec's bit.
    pub(crate) fn bit(self) -> u32 {
        let mut bits = Codec::BITS.iter();
        bits.find(|(_, codec)| *codec == self)
            .map_or(0, |(bit, _)| *bit)
    }

    /// The codec of a page descriptor's flags; `Ok(None)`: stored as it is. An error says what is
    /// wrong with the flags.
    pub(crate) fn of_page(flags: u32) -> Result<Option<Codec>, String> {
        if flags == 0 {
            return Ok(None);
        }
        Codec::BITS
            .iter()
            .find(|(bit, _)| *bit == flags)
            .map(|(_, codec)| Some(*codec))
            .ok_or_else(|| format!("its descriptor's flags {flags:#x} name no compression"))
    }

    /// Decodes `packed` into `page`, which it fills to the last byte. An error says what is wrong
    /// with the bytes.
    pub(crate) fn decode(self, packed: &[u8], page: &mut [u8]) -> Result<(), String> {
        let len = match self {
            Codec::Zlib => zlib(packed, page),
            Codec::Lzo => lzo::decompress_into(packed, page).map_err(|e| e.to_string()),
            Codec::Snappy => snappy(packed, page),
            Codec::Zstd => zstd(packed, page),
        }
        .map_err(|what| format!("its {self} data does not decode: {what}"))?;
        if len == page.len() {
            return Ok(());
        }
        Err(format!(
            "its {self} data decodes to {len} bytes, a page has {}",
            page.len()
        ))
    }
}

/// A zstd frame may ask for this much memory of the decoder; a page needs one page.
const ZSTD_WINDOW: u64 = 8 << 20;

thread_local! {
    static INFLATE: RefCell<flate2::Decompress> = RefCell::new(flate2::Decompress::new(true));
    static SNAPPY: RefCell<snap::raw::Decoder> = RefCell::new(snap::raw::Decoder::new());
    static ZSTD: RefCell<ruzstd::decoding::FrameDecoder> = RefCell::new({
        let mut decoder = ruzstd::decoding::FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        decoder
    });
}

fn zlib(packed: &[u8], page: &mut [u8]) -> Result<usize, String> {
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        let status = inflate
            .decompress(packed, page, flate2::FlushDecompress::Finish)
            .map_err(|e| e.to_string())?;
        match status {
            flate2::Status::StreamEnd => {
                Ok(usize::try_from(inflate.total_out()).unwrap_or(usize::MAX))
            }
            _ => Err("the stream does not end with the page".to_owned()),
        }
    })
}

fn snappy(packed: &[u8], page: &mut [u8]) -> Result<usize, String> {
    let len = snap::raw::decompress_len(packed).map_err(|e| e.to_string())?;
    if len != page.len() {
        return Ok(len);
    }
    SNAPPY
        .with_borrow_mut(|decoder| decoder.decompress(packed, page))
        .map_err(|e| e.to_string())
}

fn zstd(packed: &[u8], page: &mut [u8]) -> Result<usize, String> {
    ZSTD.with_borrow_mut(|decoder| decoder.decode_all(packed, page))
        .map_err(|e| e.to_string())
}
