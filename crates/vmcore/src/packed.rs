//! Dumps that were packed whole, for the archive or for the mail: gzip, xz, zstd or lz4 around any
//! format that is read.
//!
//! ```text
//! packed file ──► decoder ──► first 4 KiB: a dump? ──no──► refused before anything is written
//!                    │ yes
//!                    └──► a file without a name ──► read like any other dump
//! ```
//! A dump is read at random, a packed stream only from its beginning: so it is unpacked once, onto
//! disk and not into memory. What the decoder holds is bounded by its window, see
//! [`ZSTD_WINDOW`] and [`XZ_DICTIONARY`]; blocks of zeros become holes of the file. A few bytes can
//! unpack to a disk full of others, so some of it is always left free ([`Unpack::with_reserve`]). A
//! stream that is cut or damaged gives what comes before, as a truncated dump does.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Error;
use crate::source::{ReadError, Source};

/// Bytes that are unpacked and written at a time.
const PIECE: usize = 256 << 10;
/// Blocks of the unpacked file that are left out where they are zero.
const BLOCK: usize = 4096;
/// The most that a zstd frame may ask for: what `zstd -d` allows without being told to.
const ZSTD_WINDOW: u64 = 128 << 20;
/// The largest xz dictionary, in KiB: `xz -9` takes 64 MiB.
const XZ_DICTIONARY: u32 = 128 << 10;

/// Bytes written between two looks at the room that the disk has.
const LOOK_AGAIN: u64 = 64 << 20;
/// What is left free of a disk, or a twentieth of it where that is less.
const RESERVE: u64 = 2 << 30;

/// A compression of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Packing {
    /// gzip, one member or several.
    Gzip,
    /// xz.
    Xz,
    /// zstd, one frame or several.
    Zstd,
    /// lz4's frame format.
    Lz4,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Packing::Gzip => "gzip",
            Packing::Xz => "xz",
            Packing::Zstd => "zstd",
            Packing::Lz4 => "lz4",
        })
    }
}

impl Packing {
    /// How a file is packed, by its first bytes; `None`: it is not, or in a way that is not read.
    pub(crate) fn of(head: &[u8]) -> Option<Packing> {
        Some(match head.get(..6)? {
            [0x1f, 0x8b, 8, ..] => Packing::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Packing::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Packing::Lz4,
            _ => return None,
        })
    }

    fn decoder<'a>(self, packed: impl BufRead + 'a) -> Box<dyn Read + 'a> {
        match self {
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                packed,
                true,
                XZ_DICTIONARY,
            )),
            Packing::Zstd => Box::new(ZstdFrames::new(packed)),
            Packing::Lz4 => Box::new(Lz4Frames(lz4_flex::frame::FrameDecoder::new(packed))),
        }
    }
}

/// Takes the bytes of the packed file that were read so far and its length; [`ControlFlow::Break`]
/// ends the unpacking with an error.
pub type UnpackProgress = dyn Fn(u64, u64) -> ControlFlow<()> + Send + Sync;

/// Where and how to unpack dumps that were packed whole.
#[derive(Clone)]
pub struct Unpack {
    folder: PathBuf,
    limit: u64,
    reserve: Option<u64>,
    progress: Option<Arc<UnpackProgress>>,
}

impl Unpack {
    /// The most that is unpacked unless [`Unpack::with_limit`] says otherwise, zeros included.
    pub const LIMIT: u64 = 16 << 40;

    /// Into a file without a name in `folder`, which must be on a disk with room for the dump; it
    /// is gone when the dump is closed, or the process ends.
    #[must_use]
    pub fn into_folder(folder: PathBuf) -> Unpack {
        Unpack {
            folder,
            limit: Unpack::LIMIT,
            reserve: None,
            progress: None,
        }
    }

    /// At most `bytes` unpacked bytes of each file.
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Unpack {
        self.limit = bytes;
        self
    }

    /// Leaves at least `bytes` of the disk free; without this 2 GiB, or a twentieth of the disk where
    /// that is less.
    #[must_use]
    pub fn with_reserve(mut self, bytes: u64) -> Unpack {
        self.reserve = Some(bytes);
        self
    }

    /// Calls `progress` as the work goes on.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<UnpackProgress>) -> Unpack {
        self.progress = Some(progress);
        self
    }
}

impl fmt::Debug for Unpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpack")
            .field("folder", &self.folder)
            .field("limit", &self.limit)
            .field("reserve", &self.reserve)
            .finish_non_exhaustive()
    }
}

/// An unpacked file.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) source: Source,
    pub(crate) packing: Packing,
    /// What is wrong with the stream: it ends early, or does not decode from there on.
    pub(crate) damage: Option<String>,
}

/// Unpacks `source`. `Err(source)` gives it back where it is not packed.
pub(crate) fn unpack(
    source: Source,
    how: &Unpack,
    accept: impl Fn(&Source) -> Result<(), Error>,
) -> Result<Result<Unpacked, Source>, Error> {
    let head = source.header("first bytes", 0, source.len().min(6))?;
    let Some(packing) = Packing::of(&head) else {
        return Ok(Err(source));
    };
    let failed = |what: String| Error::Unpack {
        file: source.name().to_owned(),
        packing: packing.to_string(),
        folder: how.folder.display().to_string(),
        what,
    };
    let file = tempfile::tempfile_in(&how.folder).map_err(|e| failed(e.to_string()))?;
    let packed = BufReader::with_capacity(PIECE, Stream::new(&source, how.progress.as_deref()));
    let mut decoder = packing.decoder(packed);
    let mut piece = vec![0; PIECE];
    let (mut len, mut damage) = (0_u64, None);
    let mut room = Room::new(how.reserve);
    loop {
        let (filled, end) = fill(&mut decoder, &mut piece);
        let bytes = piece.get(..filled).unwrap_or_default();
        if let (0, 0, End::Damaged(e)) = (len, filled, &end) {
            return Err(failed(e.to_string()));
        }
        if len == 0 {
            let first = bytes.get(..BLOCK).unwrap_or(bytes);
            accept(&Source::named(source.name(), first.to_vec()))?;
        }
        let after = len.saturating_add(filled as u64);
        if after > how.limit {
            return Err(failed(format!("it has more than {} bytes", how.limit)));
        }
        room.take(&file, bytes.len() as u64)
            .and_then(|()| write_sparse(&file, len, bytes))
            .map_err(|e| failed(e.to_string()))?;
        len = after;
        match end {
            End::Open => {}
            End::Reached => break,
            End::Damaged(e) if is_cancelled(&e) => return Err(failed(e.to_string())),
            End::Damaged(e) => {
                damage = Some(format!(
                    "{}: the {packing} stream is cut or damaged behind {len:#x} unpacked bytes \
                     ({e}); what comes before is read",
                    source.name()
                ));
                break;
            }
        }
    }
    file.set_len(len).map_err(|e| failed(e.to_string()))?;
    tracing::info!(file = source.name(), %packing, len, ?damage, "unpacked");
    Ok(Ok(Unpacked {
        source: Source::from_file(source.name().to_owned(), file, len),
        packing,
        damage,
    }))
}

/// What may still be written before the disk is asked again.
struct Room {
    reserve: Option<u64>,
    left: u64,
}

impl Room {
    fn new(reserve: Option<u64>) -> Room {
        Room { reserve, left: 0 }
    }

    /// Takes `bytes`, zeros included; an error where the disk would have less left than is to be.
    fn take(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        if self.left < bytes {
            let disk = rustix::fs::fstatvfs(file)?;
            let (free, size) = (
                disk.f_bavail.saturating_mul(disk.f_frsize),
                disk.f_blocks.saturating_mul(disk.f_frsize),
            );
            let reserve = self.reserve.unwrap_or(RESERVE.min(size / 20));
            let usable = free.saturating_sub(reserve);
            if usable < bytes {
                return Err(io::Error::other(format!(
                    "{free} bytes of the disk are free, and {reserve} are to stay so; another folder with more room may do"
                )));
            }
            self.left = usable.min(LOOK_AGAIN.max(bytes));
        }
        self.left = self.left.saturating_sub(bytes);
        Ok(())
    }
}

/// Whether there is more behind a piece.
enum End {
    Open,
    Reached,
    Damaged(io::Error),
}

/// Fills `piece` as far as the stream goes, in small reads: one that fails may lose what it had.
fn fill(decoder: &mut dyn Read, piece: &mut [u8]) -> (usize, End) {
    let mut filled = 0_usize;
    while filled < piece.len() {
        let end = filled.saturating_add(BLOCK).min(piece.len());
        match decoder.read(piece.get_mut(filled..end).unwrap_or_default()) {
            Ok(0) => return (filled, End::Reached),
            Ok(read) => filled = filled.saturating_add(read),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (filled, End::Damaged(e)),
        }
    }
    (filled, End::Open)
}

/// Writes `bytes` at `offset`, blocks of zeros left out.
fn write_sparse(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut at = offset;
    for block in bytes.chunks(BLOCK) {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, at)?;
        }
        at = at.saturating_add(block.len() as u64);
    }
    Ok(())
}

/// What a progress callback that breaks turns into on its way through the decoders.
const CANCELLED: &str = "cancelled";

fn is_cancelled(error: &io::Error) -> bool {
    error.to_string() == CANCELLED
}

/// A source from its beginning to its end.
struct Stream<'a> {
    source: &'a Source,
    at: u64,
    progress: Option<&'a UnpackProgress>,
}

impl<'a> Stream<'a> {
    fn new(source: &'a Source, progress: Option<&'a UnpackProgress>) -> Stream<'a> {
        Stream {
            source,
            at: 0,
            progress,
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(progress) = self.progress
            && progress(self.at, self.source.len()).is_break()
        {
            return Err(io::Error::other(CANCELLED));
        }
        let left = self.source.len().saturating_sub(self.at);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let buf = buf.get_mut(..len).unwrap_or_default();
        match self.source.read_at(self.at, buf) {
            Ok(()) => {
                self.at = self.at.saturating_add(len as u64);
                Ok(len)
            }
            // The file became shorter: as if it ended here.
            Err(ReadError::PastEnd | ReadError::Missing) => Ok(0),
            Err(ReadError::Corrupt(_, what) | ReadError::Io(what)) => Err(io::Error::other(what)),
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
            if read > 0 || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(read);
            }
        }
    }
}

/// zstd frames one behind the other, skippable ones passed over. Their checksums are not compared:
/// the decoder would count them for each page of every kdump as well.
struct ZstdFrames<R> {
    packed: R,
    decoder: ruzstd::decoding::FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(packed: R) -> ZstdFrames<R> {
        let mut decoder = ruzstd::decoding::FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        ZstdFrames {
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
            if !self.in_frame && !self.next_frame()? {
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
