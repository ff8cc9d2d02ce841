//! The debug file of a loaded module.

use std::path::{Path, PathBuf};

use super::{Rejected, Search, places};
use crate::{ElfFile, Files};

impl Search {
    /// The file of a module: by the build-id that the dump has of it, in the debug folders; else
    /// `named`, which was found by its name, or the file that it says its debug info was split off
    /// to; else, where `fetch` is set, from the servers.
    ///
    /// Without a build-id in the dump a file that was found by its name may be another build's.
    ///
    /// # Errors
    /// What was tried, and why it was not taken; empty where nothing was there.
    pub fn module(
        &self,
        build_id: Option<&str>,
        named: Option<&Path>,
        fetch: bool,
        files: &dyn Files,
    ) -> Result<(PathBuf, ElfFile), Vec<Rejected>> {
        let mut rejected = Vec::new();
        let mut taken = |path| self.module_file(path, build_id, files, &mut rejected);
        let own = build_id.and_then(places::by_build_id);
        for folder in self.debug_folders() {
            let place = own.as_ref().map(|own| folder.join(own));
            if let Some(found) = place.filter(|p| p.is_file()).and_then(&mut taken) {
                return Ok(found);
            }
        }
        let mut plain = None;
        if let Some((path, elf)) = named.and_then(|path| taken(path.to_owned())) {
            if elf.has_dwarf() {
                return Ok((path, elf));
            }
            let split = self.split_off(&path, &elf, files);
            if let Some(found) = split.and_then(&mut taken) {
                return Ok(found);
            }
            plain = Some((path, elf));
        }
        let servers = self.debuginfod.as_ref().filter(|_| fetch);
        if let Some((servers, id)) = servers.zip(build_id)
            && let Ok(path) = servers.debug_info(id)
            && let Some(found) = taken(path)
        {
            return Ok(found);
        }
        plain.ok_or(rejected)
    }

    /// A file that may be the module's, opened; why it is not goes to `rejected`.
    #[inline(never)]
    fn module_file(
        &self,
        path: PathBuf,
        build_id: Option<&str>,
        files: &dyn Files,
        rejected: &mut Vec<Rejected>,
    ) -> Option<(PathBuf, ElfFile)> {
        let reason = match self.open(&path, files) {
            Err(error) => error.to_string(),
            Ok(elf) => match (build_id, elf.build_id()) {
                (Some(wanted), Some(found)) if wanted != found => format!(
                    "it is of another build: its build-id is {found}, that of the module in the dump {wanted}"
                ),
                _ => return Some((path, elf)),
            },
        };
        tracing::debug!(path = %path.display(), reason, "module's file not taken");
        rejected.push(Rejected { path, reason });
        None
    }
}
