//! What the environment says of places outside the dump: where to unpack, which servers may be
//! asked for debug files, and where those are kept. The libraries read none of it.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use virtopsy::{Debuginfod, Unpack};

use crate::progress;

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
        progress::waiting("unpacking", done, Some(of));
        ControlFlow::Continue(())
    }))
}

/// The servers of `DEBUGINFOD_URLS`, if the user wants them asked.
pub(crate) fn debuginfod(wanted: bool) -> Option<Debuginfod> {
    if !wanted {
        return None;
    }
    let urls = std::env::var("DEBUGINFOD_URLS").ok()?;
    let cache = debuginfod_cache(&|name| std::env::var_os(name))?;
    let mut servers = Debuginfod::new(&urls, cache)?;
    let limit = std::env::var("DEBUGINFOD_TIMEOUT").ok();
    // 0 means no limit to elfutils; here it is the usual one.
    if let Some(seconds) = limit.and_then(|text| text.trim().parse::<u32>().ok())
        && seconds > 0
    {
        servers = servers.with_stall_limit(Duration::from_secs(seconds.into()));
    }
    Some(servers.with_progress(Arc::new(|what, done, of| {
        progress::waiting(&format!("{}{what}", progress::FETCHING), done, of);
        ControlFlow::Continue(())
    })))
}

/// Why `--debuginfod` can have no effect; `None`: it can, or was not given.
pub(crate) fn debuginfod_lacks(wanted: bool) -> Option<&'static str> {
    (wanted && debuginfod(wanted).is_none()).then_some(
        "--debuginfod: nothing is fetched: DEBUGINFOD_URLS names no server, or there is no HOME \
         for the cache (DEBUGINFOD_CACHE_PATH)",
    )
}

/// The cache that elfutils' own client uses.
fn debuginfod_cache(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    absolute(variable("DEBUGINFOD_CACHE_PATH"))
        .or_else(|| Some(cache(variable)?.join("debuginfod_client")))
}

/// The folder of the user's caches.
fn cache(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    absolute(variable("XDG_CACHE_HOME"))
        .or_else(|| absolute(variable("HOME")).map(|home| home.join(".cache")))
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_elfutils_has_it() {
        let cache = |set: &[(&str, &str)]| {
            debuginfod_cache(&|name| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| OsString::from(value))
            })
        };
        let all = [
            ("DEBUGINFOD_CACHE_PATH", "/d"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(cache(&all), Some("/d".into()));
        assert_eq!(cache(&all[1..]), Some("/x/debuginfod_client".into()));
        assert_eq!(cache(&all[2..]), Some("/h/.cache/debuginfod_client".into()));
        assert_eq!(cache(&[("HOME", "relative")]), None);
    }
}
