//! One file over HTTP into the cache.
//!
//! The HTTP client blocks, and knows one limit for the whole of a request, which a file of a
//! gigabyte cannot have. So each transfer runs on a thread of its own that reports what came, and
//! the caller's thread watches that something does. A panic of the client ends that thread and
//! nothing else.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use minreq::ResponseLazy;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Debuginfod, verify};
use crate::private;

/// The largest file that is kept, in bytes; a vmlinux with all its DWARF has about 1 GB.
const MAX_FILE: u64 = 4 << 30;
/// Redirections that are followed.
const MAX_REDIRECTIONS: usize = 5;
/// Bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;
/// Bytes that are read at a time.
const PIECE: usize = 128 << 10;
/// Seconds after which a transfer that was given up is sure to end its thread.
const LONGEST: u64 = 4 * 3600;
/// How often it is asked whether another process is through with the same file.
const POLL: Duration = Duration::from_millis(200);
/// How the name of a file that is being fetched begins.
const UNFINISHED: &str = ".virtopsy-";

/// What a transfer's thread tells.
enum Event {
    /// The server answered; the length where it says.
    Length(Option<u64>),
    Piece(Vec<u8>),
    End,
    Failed(String),
}

/// Asks each server in turn.
pub(super) fn fetch(servers: &Debuginfod, id: &str, path: &Path) -> Result<PathBuf, String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make(folder)?;
    let _lock = lock(servers, folder)?;
    // Another process may have fetched it, or failed to and removed the folder.
    if servers.has(path, id) {
        return Ok(path.to_owned());
    }
    make(folder)?;
    private::remove_left_behind(folder, UNFINISHED);
    let mut reasons = Vec::new();
    for server in &servers.urls {
        match from_server(servers, server, id, path, folder) {
            Ok(()) => return Ok(path.to_owned()),
            Err(reason) => {
                tracing::debug!(server, id, reason, "not fetched");
                reasons.push(format!("{server}: {reason}"));
            }
        }
    }
    // A folder without a file is no use; it stays where others wrote into it.
    let _ = fs::remove_dir(folder);
    Err(reasons.join("; "))
}

fn make(folder: &Path) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))
}

/// Waits until no other process fetches this file. `Ok(None)`: the file system has no locks, so
/// that several may fetch it at a time, which costs time and nothing else.
fn lock(servers: &Debuginfod, folder: &Path) -> Result<Option<File>, String> {
    let Ok(file) = File::open(folder) else {
        return Ok(None);
    };
    let what = format!("{} (another process fetches it)", folder.display());
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => servers.tell(&what, 0, None)?,
            Err(Errno::INTR) => {}
            Err(error) => {
                tracing::debug!(%error, folder = %folder.display(), "not locked");
                return Ok(None);
            }
        }
        std::thread::sleep(POLL);
    }
}

fn from_server(
    servers: &Debuginfod,
    server: &str,
    id: &str,
    path: &Path,
    folder: &Path,
) -> Result<(), String> {
    let url = format!("{server}/buildid/{id}/debuginfo");
    // Nobody else may write it: its build-id says nothing of who made its content.
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?;
    // It may have to unpack an archive before anything comes.
    servers.tell(&url, 0, None)?;
    let events = start(url.clone())?;
    receive(servers, &url, &events, file.as_file_mut())?;
    verify(file.path(), id).map_err(|why| format!("of what it sent: {why}"))?;
    servers.trusted(file.path())?;
    file.persist(path).map_err(|e| e.to_string())?;
    Ok(())
}

/// Writes what comes into `file`.
fn receive(
    servers: &Debuginfod,
    url: &str,
    events: &Receiver<Event>,
    file: &mut File,
) -> Result<(), String> {
    let (mut came, mut length) = (0_u64, None);
    loop {
        match events.recv_timeout(servers.stalled) {
            Ok(Event::Length(stated)) => length = stated,
            Ok(Event::Piece(bytes)) => {
                came = came.saturating_add(bytes.len() as u64);
                file.write_all(&bytes).map_err(|e| e.to_string())?;
            }
            Ok(Event::End) if length.is_some_and(|length| length != came) => {
                let of = length.unwrap_or(0);
                return Err(format!("the transfer ended after {came} of {of} bytes"));
            }
            Ok(Event::End) => return file.flush().map_err(|e| e.to_string()),
            Ok(Event::Failed(why)) => return Err(why),
            Err(RecvTimeoutError::Timeout) => {
                let waited = servers.stalled.as_secs_f64();
                return Err(format!("nothing came for {waited} s"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err("the transfer broke off".to_owned());
            }
        }
        if came.max(length.unwrap_or(0)) > MAX_FILE {
            return Err(format!("the file has more than {MAX_FILE} bytes"));
        }
        servers.tell(url, came, length)?;
    }
}

impl Debuginfod {
    fn tell(&self, what: &str, came: u64, of: Option<u64>) -> Result<(), String> {
        match &self.progress {
            Some(progress) if progress(what, came, of).is_break() => Err("cancelled".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Starts a transfer on its own thread, which ends when nobody listens any more.
fn start(url: String) -> Result<Receiver<Event>, String> {
    let (tell, events) = sync_channel(16);
    std::thread::Builder::new()
        .name("debuginfod".to_owned())
        .spawn(move || {
            if let Err(why) = transfer(&url, &tell) {
                // Nobody listens: nobody wants to know.
                let _ = tell.send(Event::Failed(why));
            }
        })
        .map_err(|e| e.to_string())?;
    Ok(events)
}

fn transfer(url: &str, tell: &SyncSender<Event>) -> Result<(), String> {
    let mut response = answer(url)?;
    let stated = |name| {
        let value = header(&response, name)?;
        value.trim().parse::<u64>().ok()
    };
    // A server that unpacks while it sends knows the size, and states it under another name.
    let length = stated("content-length").or_else(|| stated("x-debuginfod-size"));
    let gone = |_| "nobody listens".to_owned();
    tell.send(Event::Length(length)).map_err(gone)?;
    loop {
        let mut piece = vec![0; PIECE];
        match response.read(&mut piece) {
            Ok(0) => return tell.send(Event::End).map_err(gone),
            Ok(read) => {
                piece.truncate(read);
                tell.send(Event::Piece(piece)).map_err(gone)?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
    }
}

/// The answer that has the file, after redirections. The client's own would leave TLS where a
/// server says so.
fn answer(url: &str) -> Result<ResponseLazy, String> {
    let agent = concat!("virtopsy/", env!("CARGO_PKG_VERSION"));
    let mut at = url.to_owned();
    for _ in 0..=MAX_REDIRECTIONS {
        if at.starts_with("https://") && !cfg!(feature = "debuginfod-tls") {
            return Err("this build speaks no TLS (feature `debuginfod-tls`)".to_owned());
        }
        let response = minreq::get(at.as_str())
            .with_header("User-Agent", agent)
            .with_follow_redirects(false)
            .with_max_headers_size(MAX_HEAD)
            .with_timeout(LONGEST)
            .send_lazy()
            .map_err(|e| e.to_string())?;
        match response.status_code {
            200 => return Ok(response),
            404 => return Err("it does not have it".to_owned()),
            301 | 302 | 303 | 307 | 308 => at = redirected(&at, header(&response, "location"))?,
            status => return Err(format!("it answered {status} {}", response.reason_phrase)),
        }
    }
    Err(format!("more than {MAX_REDIRECTIONS} redirections"))
}

/// Where a redirection leads: to another server, or to another path of the same.
fn redirected(from: &str, to: Option<&str>) -> Result<String, String> {
    let to = to.ok_or("a redirection without a place")?.trim();
    let secure = from.starts_with("https://");
    if to.starts_with("https://") || (to.starts_with("http://") && !secure) {
        return Ok(to.to_owned());
    }
    let path = to.starts_with('/') && !to.starts_with("//");
    let scheme = from.find("://").map_or(0, |at| at + 3);
    let server = from.get(scheme..).and_then(|rest| rest.split('/').next());
    match server.filter(|_| path) {
        Some(server) => {
            let end = scheme.saturating_add(server.len());
            Ok(format!("{}{to}", from.get(..end).unwrap_or(from)))
        }
        None => Err(format!("a redirection to {to}, which is not followed")),
    }
}

fn header<'a>(response: &'a ResponseLazy, wanted: &str) -> Option<&'a str> {
    let headers = response.headers.iter();
    headers
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.as_str())
        .next()
}

#[cfg(test)]
mod tests {
    use super::redirected;

    #[test]
    fn a_redirection_stays_on_http_and_never_leaves_tls() {
        let to = |from, to| redirected(from, Some(to)).ok();
        assert_eq!(
            to("http://a:8002/x/buildid/1", "/y?z"),
            Some("http://a:8002/y?z".into())
        );
        assert_eq!(to("http://a/x", "https://b/y"), Some("https://b/y".into()));
        assert_eq!(to("https://a/x", "http://b/y"), None);
        for other in ["file:///etc/passwd", "//b/y", "y", "", "ftp://b/y"] {
            assert_eq!(to("http://a/x", other), None, "{other}");
        }
        assert!(redirected("http://a/x", None).is_err());
    }
}
