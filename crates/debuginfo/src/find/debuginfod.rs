//! Debug files from debuginfod servers, by build-id: what elfutils' client, `debuginfod-find`,
//! brings.
//!
//! ```text
//! debuginfod-find -v debuginfo BUILDID
//!   stdout   the path of the file in the client's cache
//!   stderr   `Progress DONE / OF` while bytes come in, and what went wrong
//! ```
//! The client knows the servers, https, proxies and its cache by its environment
//! (`DEBUGINFOD_URLS` and others, see debuginfod_find_debuginfo(3)); it is started without a shell.
//! Neither its word nor a server's is taken: the file must have the build-id that was asked for.
//! Several threads that ask for one file wait for one client; what no server had is not asked for
//! again while the process runs. Source: debuginfod-find(1), elfutils 0.188.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::open_elf;
use crate::ReadFiles;

/// How long the client may say nothing. It gives a server that sends nothing up by itself
/// (`DEBUGINFOD_TIMEOUT`, 90 seconds), and then asks the next.
const SILENT: Duration = Duration::from_secs(600);
/// How long it may take in all.
const LONGEST: Duration = Duration::from_secs(4 * 3600);
/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(100);
/// The most bytes that are read of a line of the client, or of the path that it prints.
const MAX_LINE: u64 = 16 << 10;

/// Takes what is fetched, the bytes that came so far, and how many there will be where the server
/// says; [`ControlFlow::Break`] gives the transfer up.
pub type FetchProgress = dyn Fn(&str, u64, Option<u64>) -> ControlFlow<()> + Send + Sync;

/// The path of a file, or why there is none.
type Outcome = Result<PathBuf, String>;

/// elfutils' client for debuginfod servers. Clones share what is known.
#[derive(Clone)]
pub struct Debuginfod {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    silent: Duration,
    progress: Option<Arc<FetchProgress>>,
    known: Arc<Mutex<HashMap<String, Arc<OnceLock<Outcome>>>>>,
}

impl Debuginfod {
    /// The client `program`, a path to `debuginfod-find`, which gets `environment` and nothing
    /// else of this process's.
    #[must_use]
    pub fn new(
        program: PathBuf,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Debuginfod {
        Debuginfod {
            program,
            environment: environment.into_iter().collect(),
            silent: SILENT,
            progress: None,
            known: Arc::default(),
        }
    }

    /// Ends a client that says nothing for so long; ten minutes by default.
    #[must_use]
    pub fn with_silence_limit(mut self, limit: Duration) -> Debuginfod {
        self.silent = limit;
        self
    }

    /// Calls `progress` while the client runs.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<FetchProgress>) -> Debuginfod {
        self.progress = Some(progress);
        self
    }

    /// The file with the debug info of a build, in the client's cache.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    pub fn debug_info(&self, build_id: &str) -> Result<PathBuf, String> {
        let id = build_id.to_ascii_lowercase();
        if id.len() < 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("{build_id:?} is not a build-id"));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Arc::clone(known.entry(id.clone()).or_default());
        drop(known);
        entry.get_or_init(|| self.brought(&id)).clone()
    }

    fn brought(&self, id: &str) -> Outcome {
        let outcome = self.find(id).and_then(|path| {
            verify(&path, id).map_err(|why| format!("{}: {why}", path.display()))?;
            Ok(path)
        });
        match &outcome {
            Ok(path) => tracing::debug!(path = %path.display(), "brought by debuginfod-find"),
            // Who asked for it wants to know why it is not there, without -v.
            Err(why) => tracing::warn!("no debug info of build {id} was fetched: {why}"),
        }
        outcome
    }

    /// Runs the client: the path that it prints.
    fn find(&self, id: &str) -> Outcome {
        let named = |e: std::io::Error| format!("{}: {e}", self.program.display());
        let child = Command::new(&self.program)
            .args(["-v", "debuginfo", id])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(named)?;
        let mut client = Client(child);
        let said = client.listen();
        let last = self.attend(&said, &format!("debug info of build {id}"))?;
        let ended = client.0.wait().map_err(named)?;
        if !ended.success() {
            let why = last.complaint.unwrap_or_else(|| ended.to_string());
            return Err(format!("debuginfod-find: {why}"));
        }
        let line = last.printed.split(|byte| *byte == b'\n').next();
        match line {
            Some([]) | None => Err("debuginfod-find printed no path".to_owned()),
            Some(path) => Ok(PathBuf::from(OsString::from_vec(path.to_vec()))),
        }
    }

    /// Follows what the client says until it has closed both its outputs.
    fn attend(&self, said: &Receiver<Said>, what: &str) -> Result<LastWords, String> {
        let began = Instant::now();
        let (mut heard, mut done, mut of) = (began, 0, None);
        let mut last = LastWords::default();
        loop {
            match said.recv_timeout(TICK) {
                Ok(said) => {
                    heard = Instant::now();
                    match said {
                        Said::Progress(now, all) => (done, of) = (now, all),
                        Said::Line(line) => last.complaint = Some(line),
                        Said::Printed(bytes) => last.printed = bytes,
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(last),
            }
            if heard.elapsed() > self.silent || began.elapsed() > LONGEST {
                return Err("debuginfod-find did not end in time".to_owned());
            }
            let go_on = |progress: &Arc<FetchProgress>| progress(what, done, of).is_continue();
            if !self.progress.as_ref().is_none_or(go_on) {
                return Err("cancelled".to_owned());
            }
        }
    }
}

/// What the client said before it ended.
#[derive(Debug, Default)]
struct LastWords {
    /// The last line on standard error that is not about progress.
    complaint: Option<String>,
    /// Standard output.
    printed: Vec<u8>,
}

/// Something that the client said.
#[derive(Debug)]
enum Said {
    /// Bytes that came, and how many there will be where that is known.
    Progress(u64, Option<u64>),
    /// Another line on standard error.
    Line(String),
    /// All of standard output.
    Printed(Vec<u8>),
}

/// A client that runs. It ends with its owner.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Client {
    /// What it says from here on, until both its outputs are closed.
    fn listen(&mut self) -> Receiver<Said> {
        let (tell, said) = channel();
        if let Some(output) = self.0.stdout.take() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                // What could not be read is a path that is not there.
                let _ = output.take(MAX_LINE).read_to_end(&mut bytes);
                tell.send(Said::Printed(bytes))
            });
        }
        if let Some(errors) = self.0.stderr.take() {
            std::thread::spawn(move || lines(errors, &tell));
        }
        said
    }
}

/// Tells the lines of the client's standard error. A carriage return ends one too.
fn lines(errors: impl Read, tell: &Sender<Said>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = errors.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if !read.is_ok_and(|read| read > 0) {
            return;
        }
        for part in line.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let text = String::from_utf8_lossy(part);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            tracing::debug!(text, "debuginfod-find");
            let said = progress(text).unwrap_or_else(|| Said::Line(text.to_owned()));
            if tell.send(said).is_err() {
                return;
            }
        }
    }
}

/// `Progress DONE / OF`; an end that is not known is 0 or less.
fn progress(line: &str) -> Option<Said> {
    let (done, of) = line.strip_prefix("Progress ")?.split_once('/')?;
    let number = |text: &str| text.trim().parse::<i64>().ok();
    let of = u64::try_from(number(of)?).ok().filter(|of| *of > 0);
    Some(Said::Progress(
        u64::try_from(number(done)?).unwrap_or(0),
        of,
    ))
}

/// Whether a file is the debug file of a build; if not, why.
fn verify(path: &Path, id: &str) -> Result<(), String> {
    let elf = open_elf(path, &ReadFiles).map_err(|e| format!("it is not a debug file: {e}"))?;
    match elf.build_id() {
        Some(found) if found == id => Ok(()),
        Some(found) => Err(format!("it has another build-id, {found}")),
        None => Err("it has no build-id".to_owned()),
    }
}

impl fmt::Debug for Debuginfod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = OsStr::new("DEBUGINFOD_URLS");
        let urls = self.environment.iter().find(|(name, _)| name == urls);
        f.debug_struct("Debuginfod")
            .field("program", &self.program)
            .field("urls", &urls.map(|(_, value)| value))
            .finish_non_exhaustive()
    }
}
