//! Progress: a bar or a spinner where standard error is a terminal, a line where a download begins
//! and it is none. Worker processes tell the one that started them, the terminal UI asks.

use std::fmt;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use virtopsy::report::escape;

use crate::terminal::say;

/// Who is told what is being waited for.
static SHOWN: Mutex<Shown> = Mutex::new(Shown::Nowhere);
/// Begins a line of a worker's standard error that is no message.
const WAITING: &str = "\u{1e}waiting ";

/// What is being waited for, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) what: What,
    /// Bytes that are done.
    pub(crate) done: u64,
    /// Bytes in all, where that is known.
    pub(crate) of: Option<u64>,
}

/// A long work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// A packed dump is being unpacked.
    Unpacking,
    /// This is being downloaded.
    Fetching(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Unpacking => f.write_str("unpacking"),
            What::Fetching(what) => write!(f, "fetching {what}"),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        // The number first: what is behind may not fit.
        write!(f, "{}", mib(self.done))?;
        if let Some(of) = self.of {
            write!(f, " of {}", mib(of))?;
        }
        write!(f, " MiB: {}", self.what)
    }
}

/// With what was told last, where the same is not told again.
#[derive(Debug)]
enum Shown {
    Nowhere,
    Bar(ProgressBar),
    /// Standard error is no terminal: each download is told once.
    Lines(Option<What>),
    /// The process that started this worker.
    Starter(String),
    /// Kept until the terminal UI asks.
    Kept(Option<String>),
}

fn shown() -> MutexGuard<'static, Shown> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says what is being waited for.
pub(crate) fn waiting(waiting: &Waiting) {
    match &mut *shown() {
        Shown::Nowhere => {}
        Shown::Bar(bar) => bar.set_message(escape(waiting.to_string().as_bytes())),
        Shown::Lines(last) => line(last, &waiting.what),
        Shown::Starter(last) => {
            let text = waiting.to_string();
            if *last != text
                && let Ok(record) = serde_json::to_string(waiting)
            {
                let _ = writeln!(stderr(), "{WAITING}{record}");
                *last = text;
            }
        }
        // What has ended is waited for no more.
        Shown::Kept(kept) => {
            *kept = Some(if waiting.of == Some(waiting.done) {
                String::new()
            } else {
                waiting.to_string()
            });
        }
    }
}

/// Takes a line that a worker wrote; whether it was about waiting.
pub(crate) fn from_worker(said: &str) -> bool {
    let Some(record) = said.strip_prefix(WAITING) else {
        return false;
    };
    if let Ok(told) = serde_json::from_str(record) {
        waiting(&told);
    }
    true
}

/// A download is told once.
fn line(last: &mut Option<What>, what: &What) {
    if let What::Fetching(_) = what
        && last.as_ref() != Some(what)
    {
        say(&what.to_string());
        *last = Some(what.clone());
    }
}

/// From here on the process that started this one is told.
pub(crate) fn tell_starter() {
    *shown() = Shown::Starter(String::new());
}

/// From here on [`kept`] has it.
#[cfg(feature = "tui")]
pub(crate) fn keep() {
    *shown() = Shown::Kept(None);
}

/// What is waited for, if that changed since it was asked last; empty where it has ended.
#[cfg(feature = "tui")]
pub(crate) fn kept() -> Option<String> {
    match &mut *shown() {
        Shown::Kept(text) => text.take(),
        _ => None,
    }
}

/// A bar or a spinner, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar over `total` dumps, with rate and time left.
    pub(crate) fn dumps(wanted: bool, total: usize) -> Progress {
        let style = "{bar:30} {pos}/{len} dumps, {per_sec}, {eta} left {msg}";
        Progress::shown(wanted, total > 1, total as u64, style)
    }

    /// A spinner beside `what`.
    pub(crate) fn spinner(wanted: bool, what: String) -> Progress {
        let progress = Progress::shown(wanted, true, 0, "{spinner} {msg} {elapsed}");
        progress.0.set_message(what);
        progress
    }

    fn shown(wanted: bool, useful: bool, total: u64, style: &str) -> Progress {
        let terminal = stderr().is_terminal();
        if !wanted || !terminal || !useful {
            if wanted && !terminal {
                *shown() = Shown::Lines(None);
            }
            return Progress(ProgressBar::hidden());
        }
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.tick_chars("-\\|/ ").progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        *shown() = Shown::Bar(bar.clone());
        Progress(bar)
    }

    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Runs `print` with the bar out of the way.
    pub(crate) fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *shown() = Shown::Nowhere;
        self.0.finish_and_clear();
    }
}
