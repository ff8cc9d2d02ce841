//! Files that this user's earlier runs wrote, in folders where others might write too.
//!
//! Only what nobody else can have written is read back: a cache decides what reports say.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// A file that nothing was written to for so long was left behind by a process that was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// A regular file, no link, that only its owner may write: this user or root.
pub(crate) fn check_file(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(refused("it is no regular file"));
    }
    check_owner(&metadata)?;
    if metadata.mode() & 0o022 != 0 {
        return Err(refused("others may write it"));
    }
    Ok(())
}

/// A folder of this user or of root in which not everybody may write. Its group may, as many
/// systems give each user one of their own.
#[cfg_attr(not(feature = "debuginfod"), allow(dead_code))]
pub(crate) fn check_folder(path: &Path) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    check_owner(&metadata)?;
    if metadata.mode() & 0o002 != 0 {
        return Err(refused("everybody may write there"));
    }
    Ok(())
}

/// Removes from a folder what processes that were killed left behind: files of a name that begins
/// with `unfinished`.
pub(crate) fn remove_left_behind(folder: &Path, unfinished: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(unfinished);
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|written| written.elapsed().ok());
        if named && age.is_some_and(|age| age > LEFT_BEHIND) {
            // It may be another user's; then it stays.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn check_owner(metadata: &fs::Metadata) -> io::Result<()> {
    // The user that this process runs as; unknown where /proc is not there.
    let user = fs::metadata("/proc/self").ok().map(|me| me.uid());
    if user.is_some_and(|user| user != metadata.uid()) && metadata.uid() != 0 {
        return Err(refused("it belongs to another user"));
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
