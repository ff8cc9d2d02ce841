//! The bytes that this crate is handed, and who opens files for it.
//!
//! A vmlinux with DWARF has hundreds of megabytes, of which a question needs a few. So a file on
//! disk stays there ([`DebugFile`]) and its pieces are read by position when they are asked for.
//! It is not mapped: a mapped file that somebody truncates kills the process, a read that finds
//! nothing is an error.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;

/// Shared, immutable bytes in memory: a section of a file, or a piece of a dump.
/// Clones and slices share the same memory.
#[derive(Clone)]
pub struct FileBytes {
    // A concrete type: tables are asked for single bytes, millions of times.
    owner: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl FileBytes {
    /// Reads a whole file into memory.
    pub fn read(path: &Path) -> Result<Self, Error> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::from(bytes)),
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// The bytes by themselves; not copied where nobody else has them.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        let part = |all: &[u8]| all.get(self.range.clone()).unwrap_or_default().to_vec();
        match Arc::try_unwrap(self.owner) {
            Ok(all) if self.range == (0..all.len()) => all,
            Ok(all) => part(&all),
            Err(shared) => part(&shared),
        }
    }

    /// The part from `start`, `len` bytes long; `None` if it is not inside.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len)?;
        if end > self.range.len() {
            return None;
        }
        let range = self.range.start.checked_add(start)?..self.range.start.checked_add(end)?;
        Some(Self {
            owner: Arc::clone(&self.owner),
            range,
        })
    }
}

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        self.owner.get(self.range.clone()).unwrap_or_default()
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl From<Vec<u8>> for FileBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            range: 0..bytes.len(),
            owner: Arc::new(bytes),
        }
    }
}

impl From<&[u8]> for FileBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl Default for FileBytes {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBytes({} bytes)", self.range.len())
    }
}

/// A file whose pieces are read when they are asked for, or one that is in
/// memory. Clones and parts share the same file.
#[derive(Clone, Debug)]
pub struct DebugFile {
    place: Place,
    /// Where this starts in the file or the memory, in bytes.
    start: u64,
    len: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(FileBytes),
    Disk(Arc<(File, PathBuf)>),
}

impl DebugFile {
    /// Opens a file. What is no regular file (a pipe, a file of /proc or /sys
    /// that states no length) is read whole.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() == 0 {
            return std::fs::read(path).map(Self::from);
        }
        Ok(Self {
            place: Place::Disk(Arc::new((file, path.to_owned()))),
            start: 0,
            len: metadata.len(),
        })
    }

    /// Its length in bytes, when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part from `start`, `len` bytes long, which nothing is read of yet;
    /// `None` if it is not inside.
    #[must_use]
    pub fn part(&self, start: u64, len: u64) -> Option<Self> {
        if start.checked_add(len)? > self.len {
            return None;
        }
        Some(Self {
            place: self.place.clone(),
            start: self.start.checked_add(start)?,
            len,
        })
    }

    /// The bytes from `start`, `len` of them: read into memory of their own, or
    /// shared with the memory that the file is in.
    ///
    /// # Errors
    /// [`Error::Truncated`] with `what` where they are not inside, before anything
    /// is allocated; [`Error::Io`] where the system gives none, also because the
    /// file was truncated since it was opened.
    pub fn bytes(&self, what: &'static str, start: u64, len: u64) -> Result<FileBytes, Error> {
        let outside = || Error::Truncated {
            place: what,
            offset: start,
            need: len,
            have: self.len.saturating_sub(start),
        };
        let part = self.part(start, len).ok_or_else(outside)?;
        let size = usize::try_from(len).map_err(|_| outside())?;
        match &self.place {
            Place::Memory(bytes) => usize::try_from(part.start)
                .ok()
                .and_then(|start| bytes.slice(start, size))
                .ok_or_else(outside),
            Place::Disk(disk) => {
                let mut bytes = vec![0; size];
                read_exact(disk, part.start, &mut bytes)?;
                Ok(FileBytes::from(bytes))
            }
        }
    }

    /// The first bytes, at most `len`.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn first(&self, what: &'static str, len: u64) -> Result<FileBytes, Error> {
        self.bytes(what, 0, len.min(self.len))
    }

    /// All bytes.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn whole(&self, what: &'static str) -> Result<FileBytes, Error> {
        self.bytes(what, 0, self.len)
    }

    /// Fills `buf` from `start`.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn read_at(&self, what: &'static str, start: u64, buf: &mut [u8]) -> Result<(), Error> {
        let need = buf.len() as u64;
        let outside = || Error::Truncated {
            place: what,
            offset: start,
            need,
            have: self.len.saturating_sub(start),
        };
        let part = self.part(start, need).ok_or_else(outside)?;
        match &self.place {
            Place::Memory(bytes) => {
                let from = usize::try_from(part.start).ok();
                let from = from.and_then(|start| bytes.get(start..start.checked_add(buf.len())?));
                buf.copy_from_slice(from.ok_or_else(outside)?);
                Ok(())
            }
            Place::Disk(disk) => read_exact(disk, part.start, buf),
        }
    }
}

fn read_exact(disk: &(File, PathBuf), start: u64, buf: &mut [u8]) -> Result<(), Error> {
    let (file, path) = disk;
    file.read_exact_at(buf, start).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let words = format!("it was truncated while in use: no byte at {start:#x}");
            return Error::io(path, io::Error::new(io::ErrorKind::UnexpectedEof, words));
        }
        Error::io(path, error)
    })
}

impl<T: Into<FileBytes>> From<T> for DebugFile {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self {
            start: 0,
            len: bytes.len() as u64,
            place: Place::Memory(bytes),
        }
    }
}

/// Opens files for this crate, so that a caller can hand in what it has in memory.
///
/// Every closure `Fn(&Path) -> io::Result<DebugFile>` is one.
pub trait Files: Send + Sync {
    /// The file at `path`.
    fn open(&self, path: &Path) -> io::Result<DebugFile>;
}

/// The plain way: opens each file, and reads what is asked for by position.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadFiles;

impl Files for ReadFiles {
    fn open(&self, path: &Path) -> io::Result<DebugFile> {
        DebugFile::open(path)
    }
}

impl<F> Files for F
where
    F: Fn(&Path) -> io::Result<DebugFile> + Send + Sync,
{
    fn open(&self, path: &Path) -> io::Result<DebugFile> {
        self(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_slice_shares_the_bytes_and_stays_inside() {
        let all = FileBytes::from(vec![0, 1, 2, 3, 4, 5]);
        let middle = all.slice(1, 4).unwrap();
        assert_eq!(&*middle, &[1, 2, 3, 4]);
        assert_eq!(&*middle.slice(2, 2).unwrap(), &[3, 4]);
        assert!(middle.slice(2, 3).is_none());
        assert!(middle.slice(usize::MAX, 2).is_none());
    }

    #[test]
    fn a_piece_of_a_file_is_the_same_from_disk_and_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..=255).collect();
        std::fs::write(&path, &content).unwrap();
        for file in [DebugFile::open(&path).unwrap(), DebugFile::from(content)] {
            assert_eq!(file.len(), 256);
            assert_eq!(&*file.bytes("piece", 10, 3).unwrap(), &[10, 11, 12]);
            let part = file.part(100, 20).unwrap();
            assert_eq!(&*part.bytes("piece", 18, 2).unwrap(), &[118, 119]);
            assert!(matches!(
                part.bytes("piece", 19, 2),
                Err(Error::Truncated { have: 1, .. })
            ));
            assert!(file.bytes("piece", u64::MAX, 2).is_err());
            let mut buf = [0; 2];
            part.read_at("piece", 0, &mut buf).unwrap();
            assert_eq!(buf, [100, 101]);
            assert!(part.read_at("piece", 19, &mut buf).is_err());
        }
    }

    #[test]
    fn a_file_that_is_truncated_while_in_use_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vmlinux");
        std::fs::write(&path, [7; 8192]).unwrap();
        let file = DebugFile::open(&path).unwrap();
        std::fs::write(&path, [7; 100]).unwrap();
        assert!(file.bytes("piece", 0, 100).is_ok());
        let error = file.bytes("piece", 4096, 16).unwrap_err().to_string();
        assert!(
            error.contains("vmlinux") && error.contains("truncated while in use"),
            "{error}"
        );
    }
}
