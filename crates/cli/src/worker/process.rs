//! The other end: a worker process, its limits, and what its death means.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use virtopsy::DumpSpec;
use virtopsy::report::{DumpReport, ErrorReport, Text};

use super::{FLAG, Limits, Request};
use crate::batch::{Examiner, POLL, defect, failed};

/// How many of a worker's last lines on standard error are kept, to tell why it died.
const LAST_WORDS: usize = 8;
/// The longest of such a line that is kept, in bytes.
const LONGEST_WORD: usize = 400;

/// How to start a worker.
type Start = dyn Fn() -> Command + Send + Sync;

/// Examines in a process, which is started when it is needed, and again after it died.
pub(crate) struct Worker {
    start: Arc<Start>,
    limits: Limits,
    /// Set by a signal: nothing that runs is waited for.
    cancel: Arc<AtomicBool>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

/// Why a worker gave no answer.
enum Silence {
    Timeout,
    Cancelled,
    Died,
    Garbled(serde_json::Error),
}

impl Worker {
    /// A worker that is this program again.
    pub(crate) fn new(limits: Limits, cancel: Arc<AtomicBool>) -> Worker {
        let start = || {
            // The file that this process runs, even when another has taken its name since.
            let mut command = Command::new("/proc/self/exe");
            command
                .arg0("virtopsy")
                .arg(FLAG)
                .args(env::args_os().skip(1));
            command
        };
        Worker::started_by(Arc::new(start), limits, cancel)
    }

    fn started_by(start: Arc<Start>, limits: Limits, cancel: Arc<AtomicBool>) -> Worker {
        Worker {
            start,
            limits,
            cancel,
            running: None,
        }
    }

    fn running(&mut self) -> Result<&mut Running, ErrorReport> {
        if self.running.is_none() {
            let started = Running::start((self.start)());
            let message = |error| defect(format!("no worker process could be started: {error}"));
            self.running = Some(started.map_err(message)?);
        }
        self.running
            .as_mut()
            .ok_or_else(|| defect("no worker process".to_owned()))
    }

    /// The report; nothing after a signal.
    fn try_examine(&mut self, spec: &DumpSpec) -> Result<Option<DumpReport>, ErrorReport> {
        loop {
            let fresh = self.running.is_none();
            let (limits, cancel) = (self.limits, Arc::clone(&self.cancel));
            let silence = match self.running()?.ask(spec, limits, &cancel) {
                Ok(report) => return Ok(Some(*report)),
                Err(silence) => silence,
            };
            let Some(running) = self.running.take() else {
                continue;
            };
            match silence {
                Silence::Cancelled => return Ok(None),
                Silence::Timeout => return Err(timeout(limits)),
                // What it kept of earlier dumps may have been too much, or they left it damaged:
                // the answer must not depend on them.
                Silence::Died if !fresh => {}
                Silence::Died => return Err(running.cause_of_death(limits)),
                Silence::Garbled(cause) => {
                    let words = format!("the worker's answer is not understood: {cause}");
                    return Err(defect(words));
                }
            }
        }
    }
}

impl Examiner for Worker {
    fn examine(&mut self, spec: &DumpSpec) -> Option<DumpReport> {
        self.try_examine(spec).unwrap_or_else(|error| {
            Some(DumpReport {
                files: spec.files(),
                ..failed(error)
            })
        })
    }
}

impl Running {
    fn start(mut command: Command) -> std::io::Result<Running> {
        // ^C at the terminal is this process's matter.
        command.process_group(0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(stdout), Some(stderr)) = pipes else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let (line, answers) = channel();
        thread::Builder::new().spawn(move || {
            for answer in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.send(answer).is_err() {
                    return;
                }
            }
        })?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&last_words);
        thread::Builder::new().spawn(move || pass_on(BufReader::new(stderr), &kept))?;
        Ok(Running {
            child,
            requests,
            answers,
            last_words,
        })
    }

    fn ask(
        &mut self,
        spec: &DumpSpec,
        limits: Limits,
        cancel: &AtomicBool,
    ) -> Result<Box<DumpReport>, Silence> {
        let mut line = serde_json::to_vec(&Request::of(spec)).map_err(Silence::Garbled)?;
        line.push(b'\n');
        self.requests.write_all(&line).map_err(|_| Silence::Died)?;
        let started = Instant::now();
        loop {
            let left = limits
                .timeout
                .map(|limit| limit.saturating_sub(started.elapsed()));
            match self.answers.recv_timeout(left.unwrap_or(POLL).min(POLL)) {
                Ok(answer) => return serde_json::from_str(&answer).map_err(Silence::Garbled),
                Err(RecvTimeoutError::Disconnected) => return Err(Silence::Died),
                Err(RecvTimeoutError::Timeout) if left.is_some_and(|left| left.is_zero()) => {
                    return Err(Silence::Timeout);
                }
                Err(RecvTimeoutError::Timeout) if cancel.load(Ordering::Relaxed) => {
                    return Err(Silence::Cancelled);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Why a process that has died did.
    fn cause_of_death(mut self, limits: Limits) -> ErrorReport {
        let ended = self.child.wait();
        // What it said last may still be on its way.
        thread::sleep(POLL);
        let words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        cause_of_death(ended.ok(), &words.join("\n"), limits)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, or about to be: nothing is to be done about an error. One that hangs in
        // the kernel (a network file system that does not answer) dies when that lets it go, and
        // is not waited for.
        let _ = self.child.kill();
        for _ in 0..200 {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(POLL / 10),
                _ => return,
            }
        }
    }
}

/// Passes a worker's messages on, and keeps the last ones.
fn pass_on(mut stderr: impl std::io::BufRead, kept: &Mutex<VecDeque<String>>) {
    let mut line = Vec::new();
    while stderr
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        let mut text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        // The runtime's own words about its end are told in the dump's error.
        if crate::progress::from_worker(&text) {
            continue;
        }
        if !is_last_word(&text) {
            crate::terminal::pass_on(&text);
        }
        if let Some((end, _)) = text.char_indices().nth(LONGEST_WORD) {
            text.truncate(end);
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LAST_WORDS {
            kept.pop_front();
        }
        kept.push_back(text);
    }
}

fn is_last_word(text: &str) -> bool {
    text.is_empty()
        || text.contains("memory allocation of")
        || text.contains("has overflowed its stack")
        || text.starts_with("fatal runtime error")
}

fn timeout(limits: Limits) -> ErrorReport {
    let limit = limits.timeout.unwrap_or_default().as_secs_f64();
    error(
        "timeout",
        format!("not examined within {limit} s; --timeout sets the limit"),
    )
}

fn cause_of_death(ended: Option<ExitStatus>, words: &str, limits: Limits) -> ErrorReport {
    const SIGKILL: i32 = 9;
    const SIGBUS: i32 = 7;
    let signal = ended.and_then(|status| status.signal());
    if words.contains("memory allocation of") {
        return match limits.memory {
            Some(limit) => error(
                "memory-limit",
                format!("needs more than {limit} bytes of memory; --memory-limit sets the limit"),
            ),
            None => error("out-of-memory", "there was no memory left".to_owned()),
        };
    }
    match signal {
        Some(SIGKILL) => error(
            "killed",
            "its process was killed from outside, as the system does when memory runs out; fewer --jobs, or a --memory-limit, help".to_owned(),
        ),
        Some(SIGBUS) => error(
            "io",
            "the file could not be read while it was mapped: it shrank, or its disk failed; --no-mmap gives a better message".to_owned(),
        ),
        Some(signal) => defect(format!("this is a defect of virtopsy: its process died of signal {signal}: {words}")),
        None => defect(format!("this is a defect of virtopsy: its process ended: {words}")),
    }
}

fn error(kind: &str, message: String) -> ErrorReport {
    ErrorReport {
        kind: kind.to_owned(),
        message: Text::from(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A worker whose process is a shell that runs `script`.
    fn shell(script: &str, limits: Limits) -> Worker {
        let script = script.to_owned();
        let start = move || {
            let mut command = Command::new("sh");
            command.arg("-c").arg(&script);
            command
        };
        Worker::started_by(Arc::new(start), limits, Arc::default())
    }

    fn spec() -> DumpSpec {
        DumpSpec {
            paths: vec!["d".into()],
        }
    }

    fn kind(worker: &mut Worker) -> String {
        match worker.examine(&spec()) {
            None => "no report".to_owned(),
            Some(report) => report
                .error
                .map_or_else(|| "none".to_owned(), |error| error.kind),
        }
    }

    const ANSWER: &str = r#"echo '{"path":"d"}'"#;

    #[test]
    fn one_process_answers_for_one_dump_after_the_other() {
        let mut worker = shell(
            r#"while read line; do n=$((n+1)); echo "{\"cpus_online\":$n}"; done"#,
            Limits::default(),
        );
        let seen: Vec<_> = (0..3)
            .map(|_| worker.examine(&spec()).unwrap().cpus_online)
            .collect();
        assert_eq!(seen, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn a_process_that_takes_too_long_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let limits = Limits {
            timeout: Some(Duration::from_millis(300)),
            memory: None,
        };
        let script = format!("echo $$ > {}; read line; exec sleep 100", pid.display());
        let started = Instant::now();
        assert_eq!(kind(&mut shell(&script, limits)), "timeout");
        assert!(started.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(pid).unwrap();
        assert!(
            !std::path::Path::new("/proc").join(pid.trim()).exists(),
            "it is gone"
        );
    }

    #[test]
    fn a_process_that_dies_is_told_by_how_it_died() {
        let limited = Limits {
            timeout: None,
            memory: Some(1 << 30),
        };
        let out_of_memory =
            "read line; echo memory allocation of 8 bytes failed >&2; kill -ABRT $$";
        for (script, limits, expected) in [
            (out_of_memory, limited, "memory-limit"),
            (out_of_memory, Limits::default(), "out-of-memory"),
            ("read line; kill -KILL $$", limited, "killed"),
            ("read line; kill -BUS $$", limited, "io"),
            ("read line; kill -SEGV $$", limited, "internal"),
            ("read line; exit 3", limited, "internal"),
            ("read line; echo what", limited, "internal"),
            ("exit 0", limited, "internal"),
        ] {
            assert_eq!(kind(&mut shell(script, limits)), expected, "{script}");
        }
    }

    #[test]
    fn a_process_that_earlier_dumps_wore_out_is_replaced_and_the_dump_asked_for_again() {
        // Each process answers once, and dies when asked a second time.
        let script = format!("read line; {ANSWER}; read line; kill -ABRT $$");
        let mut worker = shell(&script, Limits::default());
        for _ in 0..3 {
            assert_eq!(kind(&mut worker), "none");
        }
    }

    #[test]
    fn nothing_is_waited_for_after_a_signal() {
        let mut worker = shell("read line; exec sleep 100", Limits::default());
        worker.cancel.store(true, Ordering::Relaxed);
        assert_eq!(kind(&mut worker), "no report");
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error_of_the_dump() {
        let start = || Command::new("/no/such/program");
        let mut worker = Worker::started_by(Arc::new(start), Limits::default(), Arc::default());
        assert_eq!(kind(&mut worker), "internal");
    }
}
