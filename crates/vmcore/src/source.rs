//! Where a dump's bytes come from: a file, its mapping, a buffer, or pieces of another file. One kind of read for all: exactly these bytes, or why not.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use crate::map::MappedFile;
use crate::{Error, FileOffset};

/// Reads of at least this many bytes go past the mapping: a bitmap streamed through it would stay
/// in the process's resident memory.
const STREAMED: usize = 64 << 10;

/// No read that allocates is larger; a file can claim any size by being sparse, or flattened.
pub(crate) const LARGEST: u64 = 256 << 20;

/// Why bytes cannot be had from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The source ends first.
    PastEnd,
    /// A flattened file lost the record that holds these bytes.
    Missing,
    /// What the bytes come from is damaged: where in the file, and how.
    Corrupt(u64, String),
    /// The system's words.
    Io(String),
}

/// A file that is made of the pieces of another, and is read as if it were one itself.
pub(crate) trait Layer: std::fmt::Debug + Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Fills `buf` from `offset`, or says why that cannot be.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Why pieces at the end are not there; `None`: all are.
    fn damage(&self) -> Option<&Damage> {
        None
    }
}

/// Why the list of a layer's pieces ends too early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Where in the file below.
    pub(crate) at: FileOffset,
    /// What is wrong there.
    pub(crate) what: String,
}

/// The bytes of one dump file.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Buffer(Vec<u8>),
    File(File),
    Mapped(MappedFile),
    Layer(Box<dyn Layer>),
}

impl Source {
    /// Opens a file for reading by position, mapped if `mmap` and the system allows it.
    pub(crate) fn open(path: &Path, mmap: bool) -> Result<Source, Error> {
        let name = path.display().to_string();
        let failed = |doing: &str, what: String| Error::Io {
            file: name.clone(),
            doing: doing.to_owned(),
            what,
        };
        let metadata = fs::metadata(path).map_err(|e| failed("open", e.to_string()))?;
        let kind = metadata.file_type();
        if kind.is_dir() || kind.is_fifo() || kind.is_socket() {
            let what = "it is no regular file; a dump is read at random, save it to a file first";
            return Err(failed("open", what.to_owned()));
        }
        let file = File::open(path).map_err(|e| failed("open", e.to_string()))?;
        let len = length(&file).map_err(|e| failed("find the length", e.to_string()))?;
        // Touching a hole of a mapped file on a full tmpfs raises SIGBUS; reading it does not.
        let holes = metadata.blocks().saturating_mul(512) < len;
        let bytes = if mmap && kind.is_file() && !holes && !is_procfs(path) {
            MappedFile::new(file).map_or_else(
                |(file, error)| {
                    tracing::debug!(file = %name, %error, "not mapped, reading by position");
                    Bytes::File(file)
                },
                Bytes::Mapped,
            )
        } else {
            Bytes::File(file)
        };
        tracing::debug!(file = %name, len, mapped = matches!(bytes, Bytes::Mapped(_)), "opened");
        Ok(Source { name, len, bytes })
    }

    /// A file that is a buffer.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Source {
        Source::named("(memory)", bytes)
    }

    /// A buffer under a file's name.
    pub(crate) fn named(name: &str, bytes: Vec<u8>) -> Source {
        Source {
            name: name.to_owned(),
            len: bytes.len() as u64,
            bytes: Bytes::Buffer(bytes),
        }
    }

    /// An open file of `len` bytes, read by position.
    pub(crate) fn from_file(name: String, file: File, len: u64) -> Source {
        Source {
            name,
            len,
            bytes: Bytes::File(file),
        }
    }

    /// The file that a layer makes of another.
    pub(crate) fn from_layer(name: String, layer: impl Layer + 'static) -> Source {
        Source {
            name,
            len: layer.len(),
            bytes: Bytes::Layer(Box::new(layer)),
        }
    }

    /// The file as the user named it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Length in bytes when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Why the end of the file is not there, where it is made of another's pieces.
    pub(crate) fn damage(&self) -> Option<&Damage> {
        match &self.bytes {
            Bytes::Layer(layer) => layer.damage(),
            _ => None,
        }
    }

    /// Fills `buf` from `offset`, or says why that cannot be.
    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        if buf.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(buf.len() as u64)
            .ok_or(ReadError::PastEnd)?;
        if end > self.len {
            return Err(ReadError::PastEnd);
        }
        match &self.bytes {
            Bytes::Buffer(bytes) => copy_from(bytes, offset, buf),
            Bytes::File(file) => read_file(file, offset, buf),
            Bytes::Mapped(map) if buf.len() >= STREAMED => read_file(map.file(), offset, buf),
            Bytes::Mapped(map) => match map.copy(offset, buf) {
                Ok(true) => Ok(()),
                Ok(false) => Err(ReadError::PastEnd),
                Err(error) => Err(ReadError::Io(error.to_string())),
            },
            Bytes::Layer(layer) => layer.read_at(offset, buf),
        }
    }

    /// `N` bytes at `offset`.
    pub(crate) fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// `len` bytes at `offset`, in memory of their own. The length is held against the source's
    /// and against [`LARGEST`] before anything is allocated.
    pub(crate) fn vec(&self, offset: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        let end = offset.checked_add(len).ok_or(ReadError::PastEnd)?;
        if end > self.len {
            return Err(ReadError::PastEnd);
        }
        if len > LARGEST {
            return Err(ReadError::Io(format!("{len} bytes at once are too many")));
        }
        let len = usize::try_from(len).map_err(|_| ReadError::PastEnd)?;
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The header `what` of `len` bytes at `offset`; an [`Error`] that names it otherwise.
    pub(crate) fn header(&self, what: &str, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        self.vec(offset, len)
            .map_err(|error| self.header_error(what, offset, len, error))
    }

    /// What a header that cannot be read means for the whole file.
    pub(crate) fn header_error(
        &self,
        what: &str,
        offset: u64,
        len: u64,
        error: ReadError,
    ) -> Error {
        match error {
            ReadError::PastEnd | ReadError::Missing => Error::Truncated {
                file: self.name.clone(),
                what: what.to_owned(),
                offset: FileOffset(offset),
                expected: offset.saturating_add(len),
                found: self.len,
            },
            ReadError::Corrupt(_, words) | ReadError::Io(words) => Error::Io {
                file: self.name.clone(),
                doing: format!("read {what} at {offset:#x}"),
                what: words,
            },
        }
    }

    /// A header field with an impossible value.
    pub(crate) fn corrupt(
        &self,
        what: &str,
        offset: u64,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Error {
        Error::CorruptHeader {
            file: self.name.clone(),
            what: what.to_owned(),
            offset: FileOffset(offset),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// Length in bytes; of a block device too, whose metadata says 0.
fn length(mut file: &File) -> std::io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    let len = file.metadata()?.len();
    if len > 0 {
        return Ok(len);
    }
    file.seek(SeekFrom::End(0))
}

/// Whether a path leads into /proc. `/proc/vmcore` and `/proc/kcore` are read by position: their
/// pages can vanish, and a mapping of the one is not allowed, of the other not wanted.
#[must_use]
pub fn is_procfs(path: &Path) -> bool {
    path.canonicalize()
        .is_ok_and(|path| path.starts_with("/proc"))
}

fn copy_from(bytes: &[u8], offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
    let start = usize::try_from(offset).map_err(|_| ReadError::PastEnd)?;
    let end = start.checked_add(buf.len()).ok_or(ReadError::PastEnd)?;
    let bytes = bytes.get(start..end).ok_or(ReadError::PastEnd)?;
    buf.copy_from_slice(bytes);
    Ok(())
}

fn read_file(file: &File, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
    file.read_exact_at(buf, offset).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            ReadError::PastEnd
        } else {
            ReadError::Io(error.to_string())
        }
    })
}
