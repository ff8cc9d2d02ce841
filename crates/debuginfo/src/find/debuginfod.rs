//! Debug files from debuginfod servers, by build-id, kept in a cache.
//!
//! ```text
//! GET URL/buildid/<id>/debuginfo      the file with symbols and DWARF
//! CACHE/<id>/debuginfo                where it is kept, as elfutils' own client does
//! ```
//! A server's word is not taken: what it sends must have the build-id that was asked for before it
//! is kept, and has it when it is taken from the cache. Several threads that ask for one file wait
//! for one transfer, and so do several processes; what no server had is not asked for again while
//! the process runs. Source: debuginfod(8), debuginfod_find_debuginfo(3).

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::open_elf;
use crate::{ReadFiles, private};

/// How long a server may send nothing. It may have to unpack an archive first; elfutils waits as
/// long.
const STALLED: Duration = Duration::from_secs(90);

/// Takes what is fetched, the bytes that came so far, and how many there will be where the server
/// says; [`ControlFlow::Break`] gives the transfer up.
pub type FetchProgress = dyn Fn(&str, u64, Option<u64>) -> ControlFlow<()> + Send + Sync;

/// The cache's path of a file, or why there is none.
type Outcome = Result<PathBuf, String>;

/// debuginfod servers, and the folder in which their files are kept. Clones share what is known.
#[derive(Clone)]
pub struct Debuginfod {
    /// Without a slash at their end.
    #[cfg_attr(not(feature = "debuginfod"), allow(dead_code))]
    urls: Vec<String>,
    cache: PathBuf,
    #[cfg_attr(not(feature = "debuginfod"), allow(dead_code))]
    stalled: Duration,
    #[cfg_attr(not(feature = "debuginfod"), allow(dead_code))]
    progress: Option<Arc<FetchProgress>>,
    known: Arc<Mutex<HashMap<String, Arc<OnceLock<Outcome>>>>>,
}

impl Debuginfod {
    /// The servers of `urls`, separated by white space as in `DEBUGINFOD_URLS`, asked in that
    /// order. Words that are no `http://` or `https://` URL are passed over, so that elfutils'
    /// `ima:` words do no harm. `None`: no URL is left.
    #[must_use]
    pub fn new(urls: &str, cache: PathBuf) -> Option<Debuginfod> {
        let urls: Vec<String> = urls
            .split_whitespace()
            .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
            .map(|url| url.trim_end_matches('/').to_owned())
            .collect();
        (!urls.is_empty()).then(|| Debuginfod {
            urls,
            cache,
            stalled: STALLED,
            progress: None,
            known: Arc::default(),
        })
    }

    /// Gives up on a server that sends nothing for so long; 90 seconds by default.
    #[must_use]
    pub fn with_stall_limit(mut self, limit: Duration) -> Debuginfod {
        self.stalled = limit;
        self
    }

    /// Calls `progress` as bytes come in.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<FetchProgress>) -> Debuginfod {
        self.progress = Some(progress);
        self
    }

    /// The file with the debug info of a build, from the cache or from a server.
    ///
    /// # Errors
    /// Why there is none, a few words for each server.
    pub fn debug_info(&self, build_id: &str) -> Result<PathBuf, String> {
        let id = build_id.to_ascii_lowercase();
        if id.len() < 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("{build_id:?} is no build-id"));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Arc::clone(known.entry(id.clone()).or_default());
        drop(known);
        entry.get_or_init(|| self.cached_or_fetched(&id)).clone()
    }

    fn cached_or_fetched(&self, id: &str) -> Outcome {
        let path = self.cache.join(id).join("debuginfo");
        if self.has(&path, id) {
            return Ok(path);
        }
        let outcome = transfer::fetch(self, id, &path);
        if let Err(why) = &outcome {
            // Who asked for it wants to know why it is not there, without -v.
            tracing::warn!("no debug info of build {id} was fetched: {why}");
        }
        outcome
    }

    /// Whether the cache has the file, and it is what it should be.
    fn has(&self, path: &Path, id: &str) -> bool {
        // elfutils notes a miss as an empty file.
        if !fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0) {
            return false;
        }
        match self.trusted(path).and_then(|()| verify(path, id)) {
            Ok(()) => {
                tracing::debug!(path = %path.display(), "in the debuginfod cache");
                true
            }
            Err(why) => {
                tracing::debug!(path = %path.display(), why, "not taken from the debuginfod cache");
                false
            }
        }
    }

    /// Whether nobody but root and the user can have written a file of the cache.
    fn trusted(&self, path: &Path) -> Result<(), String> {
        let folders = path.parent().into_iter().chain([self.cache.as_path()]);
        for folder in folders {
            private::check_folder(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        private::check_file(path).map_err(|e| e.to_string())
    }
}

/// Whether a file is the debug file of a build; if not, why.
fn verify(path: &Path, id: &str) -> Result<(), String> {
    let elf = open_elf(path, &ReadFiles).map_err(|e| format!("it is no debug file: {e}"))?;
    match elf.build_id() {
        Some(found) if found == id => Ok(()),
        Some(found) => Err(format!("it has another build-id, {found}")),
        None => Err("it has no build-id".to_owned()),
    }
}

impl fmt::Debug for Debuginfod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debuginfod")
            .field("urls", &self.urls)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "debuginfod")]
mod transfer;

#[cfg(not(feature = "debuginfod"))]
mod transfer {
    use std::path::{Path, PathBuf};

    pub(super) fn fetch(_: &super::Debuginfod, _: &str, _: &Path) -> Result<PathBuf, String> {
        Err("this build cannot fetch (it was built without the feature `debuginfod`)".to_owned())
    }
}
