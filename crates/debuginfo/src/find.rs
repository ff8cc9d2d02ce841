//! Which files on disk belong to a kernel: its vmlinux and its modules.
//!
//! Places, in the order in which they are tried; the first vmlinux that fits wins:
//!
//! 1. the file or folder that the user gave,
//! 2. each debug folder: by build-id, then by release,
//! 3. beside the dump,
//! 4. where distributions put them, below the system's root,
//! 5. debuginfod servers, where the caller gives a client for them.
//!
//! What a machine boots (vmlinuz) has the least in it: of the second to the
//! fourth it comes last.
//!
//! A module's file is found by the build-id that the dump has of it, else by its name (`module`);
//! what dwz moved to a file of its own, by that file's build-id (`alternate`).
//!
//! A vmlinux whose build-id differs from the dump's is never taken, and every
//! file that was not taken is kept with its reason, for messages.

mod alternate;
mod debuginfod;
mod link;
mod module;
mod open;
mod places;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Files;

pub use debuginfod::{Debuginfod, FetchProgress};
pub use open::open_elf;
use open::{Fit, check_vmlinux};
use places::DEBUG;

/// The most files and folders that are listed below one folder.
const MAX_LISTED: usize = 200_000;
/// How deep folders are listed: `lib/modules/REL/kernel/drivers/net/…`.
const MAX_DEPTH: usize = 16;
/// The most reasons that are kept.
const MAX_REJECTED: usize = 200;

/// Where to look, and for which kernel.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What the user gave as vmlinux: a file, or a folder that may hold the
    /// modules too.
    pub vmlinux: Option<PathBuf>,
    /// Whether no other vmlinux is looked for; what belongs to that one still is.
    pub only_given: bool,
    /// Folders laid out like `/usr/lib/debug`.
    pub debug_dirs: Vec<PathBuf>,
    /// The dump; a vmlinux may lie beside it.
    pub dump: Option<PathBuf>,
    /// The folder to which the distributions' places are relative, `/` on a
    /// machine; `None` leaves them out.
    pub system_root: Option<PathBuf>,
    /// The build-id of the dump's kernel, in lower-case hex.
    pub build_id: Option<String>,
    /// Its release (`uname -r`).
    pub release: Option<String>,
    /// The client that is asked for what is nowhere else; `None`: none.
    pub debuginfod: Option<Debuginfod>,
}

/// A file that was looked at and not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The file.
    pub path: PathBuf,
    /// Why, in a few words.
    pub reason: String,
}

/// The files of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelFiles {
    /// The kernel itself.
    pub vmlinux: Option<PathBuf>,
    /// Whether its build-id is that of the dump. `false` if one of them has none.
    pub verified: bool,
    /// Files of modules, by the module's name (`kvm_intel`). They are found by
    /// their names only: [`Search::module`] holds one against the dump's build-id.
    pub modules: BTreeMap<String, PathBuf>,
    /// What was not taken, and why.
    pub rejected: Vec<Rejected>,
}

impl Search {
    /// Looks for the files. Nothing but absence of files is an answer: what
    /// cannot be read is in [`KernelFiles::rejected`].
    #[must_use]
    pub fn run(&self, files: &dyn Files) -> KernelFiles {
        let mut found = KernelFiles::default();
        if let Some(given) = &self.vmlinux {
            self.given(given, files, &mut found);
        }
        let places = if self.only_given {
            Vec::new()
        } else {
            self.places()
        };
        for place in places {
            if found.vmlinux.is_some() {
                break;
            }
            if place.is_file() {
                self.try_vmlinux(&place, files, &mut found);
            }
        }
        self.fetch(files, &mut found);
        for folder in self.module_folders(found.vmlinux.as_deref()) {
            // Beside a dump only its own folder: it may be a folder of anything.
            let beside_dump = self.dump.as_deref().and_then(Path::parent) == Some(folder.as_path());
            let deepest = if beside_dump { 0 } else { MAX_DEPTH };
            collect(&folder, deepest, &mut found, &mut Vec::new());
        }
        tracing::debug!(vmlinux = ?found.vmlinux, modules = found.modules.len(), "searched files");
        found
    }

    /// Asks the debuginfod client where nothing else had a vmlinux, and the dump says which one it is.
    fn fetch(&self, files: &dyn Files, found: &mut KernelFiles) {
        let (Some(client), Some(id)) = (&self.debuginfod, &self.build_id) else {
            return;
        };
        if self.only_given {
            return;
        }
        if found
            .vmlinux
            .as_deref()
            .is_some_and(|path| !boots(path) || has_types(path, files))
        {
            return;
        }
        match client.debug_info(id) {
            Ok(path) => self.try_vmlinux(&path, files, found),
            Err(reason) => found.reject(Path::new("debuginfod"), &reason),
        }
    }

    /// The user's file, with modules beside it; or the user's folder.
    fn given(&self, given: &Path, files: &dyn Files, found: &mut KernelFiles) {
        if !given.is_dir() {
            self.try_vmlinux(given, files, found);
            return;
        }
        let mut candidates = Vec::new();
        collect(given, MAX_DEPTH, found, &mut candidates);
        // The plain name first, then shorter paths: vmlinux before vmlinux.o or tools/…/vmlinux.
        // A vmlinuz has the least in it, and takes a second to unpack.
        candidates.sort_by_key(|path| {
            let plain = path.file_name().is_some_and(|name| name == "vmlinux");
            (boots(path), !plain, path.components().count(), path.clone())
        });
        if candidates.is_empty() && self.vmlinux.is_some() {
            found.reject(given, "no file named vmlinux… in this folder");
        }
        for candidate in candidates {
            if found.vmlinux.is_some() {
                break;
            }
            self.try_vmlinux(&candidate, files, found);
        }
    }

    fn try_vmlinux(&self, path: &Path, files: &dyn Files, found: &mut KernelFiles) {
        match check_vmlinux(path, files, self.build_id.as_deref()) {
            Ok((fit, elf)) => {
                // Without a build-id only a path that the user gave, or that
                // names the release, says anything.
                let named = self
                    .release
                    .as_deref()
                    .is_some_and(|rel| path.to_string_lossy().contains(rel));
                let given = self
                    .vmlinux
                    .as_deref()
                    .is_some_and(|given| path.starts_with(given));
                if fit == Fit::Unknown && !named && !given {
                    found.reject(
                        path,
                        "its build-id cannot be compared, as the dump or the file has none",
                    );
                    return;
                }
                let path = self
                    .debug_file(path, &elf, files)
                    .unwrap_or_else(|| path.to_owned());
                tracing::debug!(path = %path.display(), ?fit, "vmlinux found");
                found.vmlinux = Some(path);
                found.verified = fit == Fit::Same;
            }
            Err(reason) => found.reject(path, &reason),
        }
    }

    /// The folders in which modules of this kernel may lie.
    fn module_folders(&self, vmlinux: Option<&Path>) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        if self.vmlinux.as_ref().is_none_or(|given| !given.is_dir())
            && let Some(beside) = vmlinux
                .and_then(Path::parent)
                .filter(|folder| self.may_list(folder))
        {
            folders.push(beside.to_owned());
        }
        if let Some(release) = self.safe_release() {
            for root in self.debug_dirs.iter().chain(&self.system_root) {
                for place in places::MODULES {
                    folders.push(root.join(place.replace("REL", release)));
                }
            }
        }
        folders.retain(|folder| folder.is_dir());
        folders
    }

    /// Beside a file that the user gave there may be modules; `/boot` and
    /// `/usr/lib/debug/boot` have none and may be large.
    fn may_list(&self, folder: &Path) -> bool {
        let given = self.vmlinux.as_deref().and_then(Path::parent);
        let dump = self.dump.as_deref().and_then(Path::parent);
        given == Some(folder) || dump == Some(folder)
    }
}

impl KernelFiles {
    fn reject(&mut self, path: &Path, reason: &str) {
        tracing::debug!(path = %path.display(), reason, "file not taken");
        if self.rejected.len() < MAX_REJECTED {
            self.rejected.push(Rejected {
                path: path.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }

    /// Takes a module's file unless a better one is known: files with all debug
    /// info before plain ones, plain ones before compressed ones.
    fn offer_module(&mut self, name: String, path: PathBuf) {
        let rank = |path: &Path| match path.extension().and_then(|ext| ext.to_str()) {
            Some("debug") => 0,
            Some("ko") => 1,
            _ => 2,
        };
        let known = self.modules.entry(name).or_insert_with(|| path.clone());
        if rank(&path) < rank(known) {
            *known = path;
        }
    }
}

/// The name of the module that a file is named after: `kvm-intel.ko.zst` is
/// `kvm_intel`. `None` if it is not named like a module.
#[must_use]
pub fn module_name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (stem, suffix) = name.split_once(".ko")?;
    let known = matches!(suffix, "" | ".debug" | ".zst" | ".gz" | ".xz" | ".lz4");
    (known && !stem.is_empty()).then(|| stem.replace('-', "_"))
}

/// Lists a folder, down to folders that are `deepest` below it: modules go to `found`, what may be a vmlinux to `candidates`.
fn collect(folder: &Path, deepest: usize, found: &mut KernelFiles, candidates: &mut Vec<PathBuf>) {
    let mut todo = vec![(folder.to_owned(), 0)];
    let mut listed = 0;
    while let Some((folder, depth)) = todo.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.reject(&folder, &error.to_string());
                continue;
            }
        };
        let mut listing: Vec<_> = entries
            .filter_map(Result::ok)
            .take(MAX_LISTED + 1)
            .filter_map(|entry| Some((entry.path(), entry.file_type().ok()?)))
            .collect();
        listing.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, file_type) in listing {
            listed += 1;
            if listed > MAX_LISTED {
                let reason = "too many files below this folder; the rest was not listed";
                return found.reject(&folder, reason);
            }
            // Links to folders are not followed: `build` and `source` lead to whole trees.
            if file_type.is_dir() {
                if depth < deepest {
                    todo.push((path, depth + 1));
                } else if deepest > 0 {
                    found.reject(&path, "too many folders inside each other; not listed");
                }
            } else {
                sort_in(path, found, candidates);
            }
        }
    }
}

fn sort_in(path: PathBuf, found: &mut KernelFiles, candidates: &mut Vec<PathBuf>) {
    if let Some(name) = module_name_of(&path) {
        found.offer_module(name, path);
        return;
    }
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if name.starts_with("vmlinux") || boots(&path) {
        candidates.push(path);
    }
}

/// Whether a file is named like the compressed kernel that a machine boots.
fn boots(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("vmlinuz") || name == "bzImage")
}

/// Whether what a machine boots has BTF in it; it never has DWARF.
fn has_types(path: &Path, files: &dyn Files) -> bool {
    open_elf(path, files).is_ok_and(|elf| elf.section(".BTF").is_some())
}

#[cfg(test)]
mod tests;
