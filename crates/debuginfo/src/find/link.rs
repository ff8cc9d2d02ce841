//! Debug info that was split off: the file of the same build-id, or that `.gnu_debuglink` names.
//!
//! ```text
//! name, NUL, zeros up to a multiple of 4 │ u32 CRC-32 of the named file
//! ```
//! The places are gdb's ("Separate Debug Files" in its manual): beside the file, in `.debug` there,
//! and below each debug folder in the file's own folder.

use std::path::{Path, PathBuf};

use super::places::by_build_id;
use super::{Search, open_elf};
use crate::read::u32_at;
use crate::{DebugFile, ElfFile, Error, Files};

/// How many bytes of a file are read at once for its checksum.
const CHECKED_AT_ONCE: u64 = 1 << 20;

/// A file name and the checksum of that file.
fn named_by(elf: &ElfFile) -> Option<(String, u32)> {
    let bytes = elf.section_bytes(".gnu_debuglink").ok()??;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let name = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    let checksum = u32_at(&bytes, end.checked_add(1)?.checked_next_multiple_of(4)?)?;
    plain.then(|| (name.to_owned(), checksum))
}

impl Search {
    /// The file with the debug info of `path`, where that has neither symbols nor DWARF itself: by
    /// its build-id, else where it says.
    pub(super) fn debug_file(
        &self,
        path: &Path,
        elf: &ElfFile,
        files: &dyn Files,
    ) -> Option<PathBuf> {
        let stripped = !elf.has_dwarf() && elf.symbols().is_ok_and(|symbols| symbols.is_none());
        if !stripped {
            return None;
        }
        let id = elf.build_id();
        let own = id.as_deref().and_then(by_build_id);
        let folders = self.debug_folders();
        let mut by_id = own
            .iter()
            .flat_map(|own| folders.iter().map(move |dir| dir.join(own)));
        let is_its = |place: &PathBuf| {
            place.is_file() && open_elf(place, files).is_ok_and(|other| other.build_id() == id)
        };
        by_id
            .find(is_its)
            .or_else(|| self.split_off(path, elf, files))
    }

    /// The file with the debug info that was split off from `path`.
    pub(super) fn split_off(
        &self,
        path: &Path,
        elf: &ElfFile,
        files: &dyn Files,
    ) -> Option<PathBuf> {
        let (name, checksum) = named_by(elf)?;
        self.link_places(path, &name)
            .into_iter()
            .find(|place| place != path && place.is_file() && belongs(place, elf, checksum, files))
    }

    fn link_places(&self, path: &Path, name: &str) -> Vec<PathBuf> {
        let Some(folder) = path.parent() else {
            return Vec::new();
        };
        let mut places = vec![folder.join(name), folder.join(".debug").join(name)];
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let root = self.system_root.as_deref().unwrap_or(Path::new("/"));
        let below = whole.strip_prefix(root).or(whole.strip_prefix("/"));
        let below = below.unwrap_or(&whole);
        // /lib is a link to /usr/lib; packages have the one or the other.
        let other = below.strip_prefix("usr").unwrap_or(below);
        for root in self.debug_folders() {
            places.extend([below, other].map(|below| root.join(below).join(name)));
        }
        places
    }
}

/// Whether a file is the one that was split off: by build-id, or by the checksum where one of the
/// two has none.
fn belongs(place: &Path, elf: &ElfFile, checksum: u32, files: &dyn Files) -> bool {
    let Ok(file) = files.open(place) else {
        return false;
    };
    let Ok(other) = ElfFile::parse(file.clone()) else {
        return false;
    };
    if let (Some(own), Some(its)) = (elf.build_id(), other.build_id()) {
        return own == its;
    }
    checksum_of(&file).is_ok_and(|found| found == checksum)
}

/// The CRC-32 of a whole file.
fn checksum_of(file: &DebugFile) -> Result<u32, Error> {
    let mut crc = flate2::Crc::new();
    let mut at = 0;
    while at < file.len() {
        let len = (file.len() - at).min(CHECKED_AT_ONCE);
        crc.update(&file.bytes("checked file", at, len)?);
        at += len;
    }
    Ok(crc.sum())
}
