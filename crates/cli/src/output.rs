//! Where results go: standard output, or a file that appears when it is complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::OFlags;

/// Where results go.
#[derive(Debug)]
pub(crate) enum Output {
    Stdout(BufWriter<StdoutLock<'static>>),
    /// Something that cannot be replaced, like a pipe or a device.
    Stream(BufWriter<File>),
    /// `FILE.partial`, which becomes `FILE` in the end.
    File {
        partial: BufWriter<File>,
        path: PathBuf,
    },
}

/// The name of an output file while it is being written.
pub(crate) fn partial(path: &Path) -> PathBuf {
    with_suffix(path, ".partial")
}

/// The name that what a stopped run left behind has while the next run writes.
pub(crate) fn kept(path: &Path) -> PathBuf {
    with_suffix(path, ".partial~")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

impl Output {
    pub(crate) fn stdout() -> Output {
        Output::Stdout(BufWriter::with_capacity(1 << 16, io::stdout().lock()))
    }

    /// Standard output where `path` is absent.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Output> {
        let Some(path) = path else {
            return Ok(Output::stdout());
        };
        Output::file(path).with_context(|| format!("--output {}", path.display()))
    }

    fn file(path: &Path) -> io::Result<Output> {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(meta) if !meta.is_file() => {
                return Ok(Output::Stream(BufWriter::new(
                    File::options().write(true).open(path)?,
                )));
            }
            _ => {}
        }
        // What an earlier run left stays until this one is complete: it may be resumed from.
        keep_aside(path)?;
        // A new file, never one that somebody put there under this name, nor what a link leads to.
        let partial = BufWriter::with_capacity(1 << 16, File::create_new(partial(path))?);
        Ok(Output::File {
            partial,
            path: path.to_path_buf(),
        })
    }

    /// Writes out what is buffered; a complete file gets its name.
    ///
    /// # Errors
    /// When that fails, as on a full disk: `FILE` is then as it was before.
    pub(crate) fn finish(self) -> io::Result<()> {
        let Output::File { mut partial, path } = self else {
            return self.keep();
        };
        partial.flush()?;
        partial.get_ref().sync_all()?;
        fs::rename(self::partial(&path), &path)?;
        match fs::remove_file(kept(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes out what is buffered and leaves the file with its partial name.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Adds what a stopped run left to what those before it left. No link is followed: another user may
/// have put one there.
fn keep_aside(path: &Path) -> io::Result<()> {
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let itself = |options: &mut OpenOptions, path| {
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        options.custom_flags(no_link).open(path)
    };
    match fs::symlink_metadata(kept(path)) {
        Err(error) if absent(&error) => {
            return match fs::rename(partial(path), kept(path)) {
                Err(error) if absent(&error) => Ok(()),
                renamed => renamed,
            };
        }
        there => there?,
    };
    let mut left = match itself(File::options().read(true), partial(path)) {
        Err(error) if absent(&error) => return Ok(()),
        left => left?,
    };
    let mut kept = itself(File::options().append(true), kept(path))?;
    // The last line before may be cut.
    kept.write_all(b"\n")?;
    io::copy(&mut left, &mut kept)?;
    fs::remove_file(partial(path))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(out) => out.write(bytes),
            Output::Stream(out) | Output::File { partial: out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(out) => out.flush(),
            Output::Stream(out) | Output::File { partial: out, .. } => out.flush(),
        }
    }
}

/// Whether the reader of our output has gone: no error, there is just nobody to tell more.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(Some(&path)).unwrap();
        output.write_all(b"new").unwrap();
        output.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(!partial(&path).exists());
    }

    #[test]
    fn what_a_stopped_run_left_is_there_until_the_next_one_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let mut output = Output::create(Some(&path)).unwrap();
        output.write_all(b"half").unwrap();
        output.keep().unwrap();
        assert!(!path.exists());
        let mut output = Output::create(Some(&path)).unwrap();
        assert_eq!(fs::read(kept(&path)).unwrap(), b"half");
        output.write_all(b"more").unwrap();
        output.keep().unwrap();
        let output = Output::create(Some(&path)).unwrap();
        assert_eq!(fs::read(kept(&path)).unwrap(), b"half\nmore");
        output.finish().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// A folder, the name of an output file in it, and a file that a link leads to, which stands
    /// where `name` says.
    fn linked(name: impl Fn(&Path) -> PathBuf) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let victim = directory.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, name(&path)).unwrap();
        (directory, path, victim)
    }

    #[test]
    fn a_link_in_the_place_of_the_partial_file_is_not_followed() {
        let (_directory, path, victim) = linked(partial);
        let mut output = Output::create(Some(&path)).unwrap();
        output.write_all(b"report").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&path).unwrap(), b"report");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_link_in_the_place_of_what_was_kept_is_an_error() {
        let (_directory, path, victim) = linked(kept);
        fs::write(partial(&path), "half").unwrap();
        assert!(Output::create(Some(&path)).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
        let mut output = Output::create(Some(Path::new("/dev/full"))).unwrap();
        output.write_all(b"x").unwrap();
        let error = anyhow::Error::from(output.finish().unwrap_err());
        assert!(!is_closed_pipe(&error));
        let closed =
            anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_closed_pipe(&closed));
    }
}
