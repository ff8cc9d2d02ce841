//! What the environment says of places outside the dump: where to unpack, and who may be asked for
//! debug files. The libraries read none of it.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virtopsy::{Debuginfod, Unpack};

use crate::progress::{self, Waiting, What};

/// Where a dump that is packed whole is unpacked: `--unpack-dir`, else `TMPDIR`, else `/var/tmp`,
/// which is on a disk where `/tmp` may be memory.
pub(crate) fn unpack(named: Option<PathBuf>) -> Unpack {
    let folder = named
        .or_else(|| absolute(std::env::var_os("TMPDIR")))
        .unwrap_or_else(|| {
            let disk = Path::new("/var/tmp");
            if disk.is_dir() {
                disk.to_owned()
            } else {
                std::env::temp_dir()
            }
        });
    Unpack::into_folder(folder).with_progress(Arc::new(|done, of| {
        progress::waiting(&Waiting {
            what: What::Unpacking,
            done,
            of: Some(of),
        });
        ControlFlow::Continue(())
    }))
}

/// Why no debuginfod server can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDebuginfod {
    /// `DEBUGINFOD_URLS` names none.
    NoServer,
    /// elfutils' client is not in `PATH`.
    NoClient,
}

impl std::fmt::Display for NoDebuginfod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NoDebuginfod::NoServer => "DEBUGINFOD_URLS names no server",
            NoDebuginfod::NoClient => {
                "debuginfod-find is not installed (elfutils: package debuginfod of Debian and \
                 Ubuntu, elfutils-debuginfod-client of Fedora and RHEL, debuginfod-client of \
                 openSUSE)"
            }
        })
    }
}

/// elfutils' client for the servers of `DEBUGINFOD_URLS`, with the user's environment.
pub(crate) fn debuginfod() -> Result<Debuginfod, NoDebuginfod> {
    let urls = std::env::var_os("DEBUGINFOD_URLS");
    if urls.is_none_or(|urls| urls.as_encoded_bytes().trim_ascii().is_empty()) {
        return Err(NoDebuginfod::NoServer);
    }
    let program = program("debuginfod-find", std::env::var_os("PATH"));
    let client = Debuginfod::new(program.ok_or(NoDebuginfod::NoClient)?, std::env::vars_os());
    Ok(client.with_progress(Arc::new(|what, done, of| {
        progress::waiting(&Waiting {
            what: What::Fetching(what.to_owned()),
            done,
            of,
        });
        ControlFlow::Continue(())
    })))
}

/// Where a program is, by the absolute folders of `PATH`.
fn program(name: &str, path: Option<OsString>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path?;
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|file| {
        std::fs::metadata(file)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_what_can_be_run_in_an_absolute_folder_of_path() {
        let path = |text: &str| Some(OsString::from(text));
        assert_eq!(program("sh", path("/nowhere:/bin")), Some("/bin/sh".into()));
        assert_eq!(program("sh", path("bin:.")), None);
        assert_eq!(program("passwd", path("/etc")), None);
        assert_eq!(program("sh", None), None);
    }
}
