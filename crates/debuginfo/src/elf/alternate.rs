//! Debug info that several files share: the file that dwz moved it to.
//!
//! ```text
//! .gnu_debugaltlink   path, NUL │ build-id of that file
//! .debug_sup          u16 version 5 │ u8 1 in the shared file itself │ path, NUL │ ULEB128 length │ checksum
//! ```
//! The first is GNU's, the second DWARF 5's (7.3.6), where both files have the checksum. A path that
//! is not absolute starts in the folder of the file that names it.

use std::path::PathBuf;
use std::sync::Arc;

use gimli::{EndianSlice, LittleEndian, Reader as _};

use super::{ElfFile, MAX_BUILD_ID, hex};
use crate::Error;
use crate::read::c_str_at;

/// The longest path of an alternate file, in bytes (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// Which file is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlternateLink {
    /// Where it was when this was written.
    pub(crate) path: PathBuf,
    /// Its build-id, or the checksum of its `.debug_sup`, in lower-case hex.
    pub(crate) id: String,
}

impl ElfFile {
    /// The alternate file that this one needs; `Ok(None)`: none.
    pub(crate) fn alternate_link(&self) -> Result<Option<AlternateLink>, Error> {
        if let Some(bytes) = self.section_bytes(".gnu_debugaltlink")? {
            let link = c_str_at(&bytes, 0, MAX_PATH)
                .and_then(|path| link(path, bytes.get(path.len() + 1..)?));
            return link.map(Some).ok_or_else(|| bad(".gnu_debugaltlink"));
        }
        match self.supplementary()? {
            Some((path, id)) if !path.is_empty() => {
                let link = link(path.as_bytes(), &id);
                link.map(Some).ok_or_else(|| bad(".debug_sup"))
            }
            _ => Ok(None),
        }
    }

    /// Whether this is the alternate file that others know by `id`.
    pub(crate) fn is_alternate(&self, id: &str) -> bool {
        self.build_id().as_deref() == Some(id)
            || matches!(self.supplementary(), Ok(Some((path, own))) if path.is_empty() && hex(&own) == id)
    }

    /// With the alternate file that it needs.
    pub(crate) fn with_alternate(self, alternate: ElfFile) -> ElfFile {
        ElfFile {
            alternate: Some(Arc::new(alternate)),
            ..self
        }
    }

    /// The alternate file; `Ok(None)`: none is needed.
    ///
    /// # Errors
    /// [`Error::NoAlternate`] where one is needed and not at hand.
    pub(crate) fn alternate(&self) -> Result<Option<&ElfFile>, Error> {
        match (&self.alternate, self.alternate_link()?) {
            (Some(found), _) => Ok(Some(found)),
            (None, None) => Ok(None),
            (None, Some(AlternateLink { path, id })) => Err(Error::NoAlternate { path, id }),
        }
    }

    /// Path and checksum of `.debug_sup`; the path is empty in the alternate file itself.
    fn supplementary(&self) -> Result<Option<(String, Vec<u8>)>, Error> {
        let Some(bytes) = self.section_bytes(".debug_sup")? else {
            return Ok(None);
        };
        let read = || -> Result<_, gimli::Error> {
            let mut rest = EndianSlice::new(&bytes, LittleEndian);
            let known = rest.read_u16()? == 5;
            let itself = rest.read_u8()? == 1;
            let path = rest.read_null_terminated_slice()?;
            let len = rest.read_uleb128()?.min(u64::from(u32::MAX)) as usize;
            let id = rest.split(len)?.to_vec();
            let fits = known && path.len() <= MAX_PATH && itself == path.is_empty();
            Ok(fits.then(|| (path.to_string_lossy().into_owned(), id)))
        };
        read()
            .ok()
            .flatten()
            .map(Some)
            .ok_or_else(|| bad(".debug_sup"))
    }
}

fn link(path: &[u8], id: &[u8]) -> Option<AlternateLink> {
    let path = std::str::from_utf8(path).ok()?;
    let plausible = !path.is_empty() && (1..=MAX_BUILD_ID).contains(&id.len());
    plausible.then(|| AlternateLink {
        path: path.into(),
        id: hex(id),
    })
}

fn bad(section: &'static str) -> Error {
    let found = "something else, or nothing";
    Error::malformed(
        section,
        0,
        "a path and what identifies the file there",
        found,
    )
}
