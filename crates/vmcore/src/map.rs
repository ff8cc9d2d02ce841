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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::io::Write as _;

    use super::*;

    const LEN: usize = 3 * 4096 + 17;

    fn byte(at: usize) -> u8 {
        (at % 251) as u8
    }

    fn mapped(len: usize) -> MappedFile {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..len).map(byte).collect();
        file.write_all(&bytes).unwrap();
        MappedFile::new(file).unwrap()
    }

    /// Copies into the middle of a buffer, which must stay as it was around.
    fn copy(map: &MappedFile, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut buf = vec![0xee; len + 16];
        let copied = map.copy(offset, &mut buf[8..8 + len]).unwrap();
        assert!(buf[..8].iter().chain(&buf[8 + len..]).all(|b| *b == 0xee));
        copied.then(|| buf[8..8 + len].to_vec())
    }

    #[test]
    fn what_the_file_has_is_copied_and_nothing_beyond() {
        let map = mapped(LEN);
        for (offset, len) in [
            (0, 0),
            (0, 1),
            (0, LEN),
            (4095, 2),
            (LEN - 1, 1),
            (LEN, 0),
            (8192, 4113),
        ] {
            let want: Vec<u8> = (offset..offset + len).map(byte).collect();
            assert_eq!(
                copy(&map, offset as u64, len).unwrap(),
                want,
                "{offset} {len}"
            );
        }
        for (offset, len) in [
            (0, LEN + 1),
            (LEN as u64, 1),
            (LEN as u64 + 1, 0),
            (16 * 4096, 1), // behind the last mapped page
            (u64::MAX, 0),
            (u64::MAX, 1),
            (u64::MAX - 3, 8),
            (1 << 63, 4096),
        ] {
            assert_eq!(copy(&map, offset, len), None, "{offset} {len}");
        }
    }

    #[test]
    fn a_file_that_changes_its_length_is_asked_for_it() {
        let map = mapped(LEN);
        map.file().set_len(100).unwrap();
        assert!(copy(&map, 0, 100).is_some());
        assert_eq!(copy(&map, 0, 101), None);
        assert_eq!(copy(&map, 4096, 1), None);
        // What was not there when it was mapped is no part of the map.
        map.file().set_len(1 << 20).unwrap();
        assert_eq!(copy(&map, LEN as u64, 1), None);
        assert_eq!(copy(&map, 200, 4).unwrap(), [0; 4]);
    }

    #[test]
    fn an_empty_file_gives_nothing() {
        let file = tempfile::tempfile().unwrap();
        if let Ok(map) = MappedFile::new(file) {
            assert_eq!(copy(&map, 0, 1), None);
        }
    }

    #[test]
    fn many_may_copy_at_once() {
        let map = mapped(LEN);
        std::thread::scope(|scope| {
            for start in 0..4 {
                let map = &map;
                scope.spawn(move || {
                    for offset in (start..LEN - 64).step_by(97) {
                        assert_eq!(copy(map, offset as u64, 64).unwrap()[0], byte(offset));
                    }
                });
            }
        });
    }
}
