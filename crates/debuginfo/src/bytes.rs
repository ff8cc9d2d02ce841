//! The bytes that this crate is handed, and who opens files for it.

use std::fmt;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use crate::Error;

/// Shared, immutable bytes: a file read or mapped by the caller, a section of
/// it, or a piece of a dump. Clones and slices share the same memory.
#[derive(Clone)]
pub struct FileBytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl FileBytes {
    /// Takes anything that owns bytes, such as a memory map.
    pub fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::from_shared(Arc::new(owner))
    }

    /// Takes bytes that are shared already.
    #[must_use]
    pub fn from_shared(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let len = (*owner).as_ref().len();
        Self {
            owner,
            range: 0..len,
        }
    }

    /// Reads a whole file into memory.
    pub fn read(path: &Path) -> Result<Self, Error> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::from(bytes)),
            Err(source) => Err(Error::io(path, source)),
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
        (*self.owner)
            .as_ref()
            .get(self.range.clone())
            .unwrap_or_default()
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
        Self::new(bytes)
    }
}

impl From<Arc<[u8]>> for FileBytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::new(bytes)
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

/// Opens files for this crate, so that a caller can hand in memory maps.
///
/// Every closure `Fn(&Path) -> io::Result<FileBytes>` is one.
pub trait Files: Send + Sync {
    /// The bytes of the file at `path`.
    fn open(&self, path: &Path) -> io::Result<FileBytes>;
}

/// The plain way: reads each file whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadFiles;

impl Files for ReadFiles {
    fn open(&self, path: &Path) -> io::Result<FileBytes> {
        std::fs::read(path).map(FileBytes::from)
    }
}

impl<F> Files for F
where
    F: Fn(&Path) -> io::Result<FileBytes> + Send + Sync,
{
    fn open(&self, path: &Path) -> io::Result<FileBytes> {
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
}
