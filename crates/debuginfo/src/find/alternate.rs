//! The alternate file of a debug file, which dwz made.
//!
//! Debian: `/usr/lib/debug/.dwz/x86_64-linux-gnu/PACKAGE.debug`; Fedora and openSUSE:
//! `../../.dwz/PACKAGE.x86_64`, from the debug file's folder. As debug files are often named by
//! links of `.build-id`, the folder is that of the file itself, not only of the link.

use std::path::{Path, PathBuf};

use super::{DEBUG, Search, open_elf};
use crate::{ElfFile, Error, Files};

impl Search {
    /// Opens a debug file, packed or not, together with the alternate file that it needs. Where
    /// that is not found, what is in it is an error when it is asked for.
    ///
    /// # Errors
    /// Where the file itself can't be read.
    pub fn open(&self, path: &Path, files: &dyn Files) -> Result<ElfFile, Error> {
        let elf = open_elf(path, files)?;
        let Ok(Some(link)) = elf.alternate_link() else {
            return Ok(elf);
        };
        let taken = |place: &Path| {
            let other = open_elf(place, files).ok()?;
            let fits = other.is_alternate(&link.id);
            tracing::debug!(path = %place.display(), fits, "alternate file");
            fits.then_some(other)
        };
        let mut places = self.alternate_places(path, &link.path, &link.id);
        places.retain(|place| place.is_file());
        let found = places.iter().find_map(|place| taken(place)).or_else(|| {
            let servers = self.debuginfod.as_ref()?;
            taken(&servers.debug_info(&link.id).ok()?)
        });
        Ok(match found {
            Some(alternate) => elf.with_alternate(alternate),
            None => elf,
        })
    }

    fn alternate_places(&self, path: &Path, link: &Path, id: &str) -> Vec<PathBuf> {
        let mut places = Vec::new();
        let folders = [Some(path.to_owned()), path.canonicalize().ok()];
        for folder in folders.iter().flatten().filter_map(|path| path.parent()) {
            places.push(folder.join(link));
        }
        // Below a folder laid out like /usr/lib/debug it is where it is there.
        let text = link.to_string_lossy();
        let below = text.rfind(".dwz/").and_then(|at| text.get(at..));
        let own = super::places::by_build_id(id);
        for root in self.debug_folders() {
            places.extend(own.iter().map(|own| root.join(own)));
            places.extend(below.map(|below| root.join(below)));
        }
        places
    }

    /// All folders laid out like `/usr/lib/debug`.
    pub(super) fn debug_folders(&self) -> Vec<PathBuf> {
        let given = self.debug_dirs.iter();
        let given = given.flat_map(|dir| [dir.clone(), dir.join(DEBUG)]);
        let system = self.system_root.iter().map(|root| root.join(DEBUG));
        given.chain(system).collect()
    }
}
