//! A folder of profiles, shared by all runs of a user.
//!
//! ```text
//! FOLDER/BUILDID.dump-auto.profile              written by runs, bounded, the oldest go first
//! FOLDER/BUILDID.vmlinux-0123…-dwarf.profile
//! FOLDER/installed/…                            put there by hand, never removed
//! ```
//! A file is written under another name and renamed: who reads meanwhile has the old one or the new
//! one. Folder and files are the user's alone; what others may write is not read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::{Error, private};

use super::{MAX_PROFILE, Profile, ProfileKey};

/// The most files that runs leave behind, and their bytes altogether.
const MAX_FILES: usize = 256;
const MAX_BYTES: u64 = 64 << 20;
const SUFFIX: &str = ".profile";
const INSTALLED: &str = "installed";
/// How the name of a file that is being written begins.
const UNFINISHED: &str = ".new-";

/// Where profiles are kept.
#[derive(Clone, Debug)]
pub struct ProfileStore {
    folder: PathBuf,
}

/// One profile of a store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// Whether it was put there by hand.
    pub installed: bool,
    /// Bytes.
    pub size: u64,
    /// What is in it; an error says why it is not used.
    pub profile: Result<Profile, Error>,
}

impl ProfileStore {
    /// A store in a folder, which is made when something is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The profile of a key. `None`: there is none that holds; the log says why.
    #[must_use]
    pub fn load(&self, key: &ProfileKey) -> Option<Profile> {
        self.take(&self.path_of(key), key)
            .or_else(|| self.load_installed(key))
    }

    /// The profile of a dump's key, if it was put here by hand. (For those of a vmlinux see
    /// [`Self::installed`].)
    #[must_use]
    pub fn load_installed(&self, key: &ProfileKey) -> Option<Profile> {
        let path = self.folder.join(INSTALLED).join(name_of(key));
        self.take(&path, key).filter(|_| key.is_of_dump())
    }

    fn take(&self, path: &Path, key: &ProfileKey) -> Option<Profile> {
        match read(path) {
            Ok(profile) if profile.key == *key => {
                tracing::debug!(path = %path.display(), "profile taken");
                return Some(profile);
            }
            Ok(profile) => {
                let found = profile.key;
                tracing::debug!(path = %path.display(), ?found, "profile of another kernel, not taken");
            }
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(%error, "profile not taken"),
        }
        None
    }

    /// The first profile of a build-id that was put here by hand and was read from a vmlinux, by
    /// the order of names.
    #[must_use]
    pub fn installed(&self, build_id: &str) -> Option<Profile> {
        let stored = files_in(&self.folder.join(INSTALLED)).into_iter();
        let named = stored.filter(|(path, _)| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(build_id))
        });
        let mut profiles = named.filter_map(|(path, _)| read(&path).ok());
        profiles.find(|profile| profile.key.build_id == build_id && !profile.key.is_of_dump())
    }

    /// Writes a profile, with what another run may have written under its key meanwhile.
    ///
    /// # Errors
    /// Where the folder or the file can't be written.
    pub fn save(&self, profile: &Profile) -> Result<PathBuf, Error> {
        let mut whole = profile.clone();
        if let Some(other) = self.load(&profile.key) {
            whole.merge(&other);
        }
        make(&self.folder)?;
        let path = self.path_of(&profile.key);
        write(&self.folder, &path, &whole.encode()?)?;
        self.make_room(&path);
        Ok(path)
    }

    /// Puts a profile in by hand. One that was read from a dump serves other dumps of that kernel,
    /// one that was read from a vmlinux those that have no symbols or types of their own.
    ///
    /// # Errors
    /// Where the file is no profile of this version, or the store can't be written.
    pub fn install(&self, path: &Path) -> Result<(Profile, PathBuf), Error> {
        let profile = Profile::decode(&bytes_of(path)?)?;
        let folder = self.folder.join(INSTALLED);
        make(&self.folder)?;
        make(&folder)?;
        let at = folder.join(name_of(&profile.key));
        write(&folder, &at, &profile.encode()?)?;
        Ok((profile, at))
    }

    /// All profiles, by their files' names.
    #[must_use]
    pub fn list(&self) -> Vec<Stored> {
        let folders = [
            (self.folder.clone(), false),
            (self.folder.join(INSTALLED), true),
        ];
        let mut all = Vec::new();
        for (folder, installed) in folders {
            for (path, metadata) in files_in(&folder) {
                all.push(Stored {
                    profile: read(&path),
                    size: metadata.len(),
                    path,
                    installed,
                });
            }
        }
        all
    }

    fn path_of(&self, key: &ProfileKey) -> PathBuf {
        self.folder.join(name_of(key))
    }

    /// Removes the files that were written longest ago, but for `kept`, down to the bounds.
    fn make_room(&self, kept: &Path) {
        let mut files: Vec<_> = files_in(&self.folder)
            .into_iter()
            .map(|(path, metadata)| {
                let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                (written, metadata.len(), path)
            })
            .collect();
        files.sort();
        let mut count = files.len();
        let mut bytes: u64 = files.iter().map(|(_, len, _)| *len).sum();
        for (_, len, path) in files.iter().filter(|(_, _, path)| path != kept) {
            if count <= MAX_FILES && bytes <= MAX_BYTES {
                break;
            }
            // Another run may have removed it.
            let _ = fs::remove_file(path);
            count -= 1;
            bytes = bytes.saturating_sub(*len);
        }
        private::remove_left_behind(&self.folder, UNFINISHED);
    }
}

fn name_of(key: &ProfileKey) -> String {
    format!("{}.{}{SUFFIX}", key.build_id, key.source)
}

/// The profiles of a folder, by name.
fn files_in(folder: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .filter(|(_, metadata)| metadata.is_file())
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files
}

/// A profile of the store: a regular file that nobody else may write.
fn read(path: &Path) -> Result<Profile, Error> {
    private::check_file(path).map_err(|error| Error::io(path, error))?;
    Profile::decode(&bytes_of(path)?)
}

/// A file of any origin, as far as a profile can go.
fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::io(path, error);
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(MAX_PROFILE + 64);
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn make(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(folder)
        .map_err(|error| Error::io(folder, error))
}

/// Writes a file whole or not at all.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos());
    let name = format!("{UNFINISHED}{}-{count}-{now}", std::process::id());
    let unfinished = folder.join(name);
    let failed = |error| Error::io(path, error);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&unfinished).map_err(failed)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.map_err(failed)
}
