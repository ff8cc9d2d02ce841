//! A file mapped into memory: the one module with `unsafe`.
//!
//! Touching a mapped byte that the file no longer has raises SIGBUS. So the file's length is asked
//! for before every copy, and bytes are copied out at once: a file that was truncated since it was
//! opened ends in an error. What remains is a truncation between the question and the copy, a
//! microsecond later; [`crate::OpenOptions::mmap`] set to `false` has not even that.

use std::fs::File;
use std::io;

/// A file and its read-only mapping.
#[derive(Debug)]
pub(crate) struct MappedFile {
    map: memmap2::Mmap,
    file: File,
}

impl MappedFile {
    /// Maps the whole file; gives the file back where the system refuses (no memory, no regular
    /// file), so that the caller can read it by position instead.
    pub(crate) fn new(file: File) -> Result<MappedFile, (File, io::Error)> {
        #[allow(unsafe_code)]
        // SAFETY: the mapping is private to this struct and never lent out: `copy` is the only
        // access, it checks the file's present length first, and it copies bytes into a buffer
        // that nothing else aliases. Bytes changed meanwhile by another process are bytes of a
        // hostile dump like any other.
        let map = unsafe { memmap2::Mmap::map(&file) };
        match map {
            Ok(map) => Ok(MappedFile { map, file }),
            Err(error) => Err((file, error)),
        }
    }

    /// Copies the bytes at `offset`. `Ok(false)`: the file has no longer, or never had, all of
    /// them.
    pub(crate) fn copy(&self, offset: u64, buf: &mut [u8]) -> io::Result<bool> {
        let Some(end) = offset.checked_add(buf.len() as u64) else {
            return Ok(false);
        };
        if end > self.file.metadata()?.len() {
            return Ok(false);
        }
        let range = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(start, end)| self.map.get(start..end));
        match range {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The file behind the mapping, for reads that should not fill the process's memory.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}
