//! Progress: a bar or a spinner where standard error is a terminal, a line where a download begins
//! and it is none. Worker processes tell the one that started them, the terminal UI asks.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::say;

/// Who is told what is being waited for.
static SHOWN: Mutex<Shown> = Mutex::new(Shown::Nowhere);
/// Begins what is told of a download.
pub(crate) const FETCHING: &str = "fetching ";
/// Begins a line of a worker's standard error that is no message.
const WAITING: &str = "\u{1e}waiting ";

/// With what was told last, where the same is not told again.
#[derive(Debug)]
enum Shown {
    Nowhere,
    Bar(ProgressBar),
    /// Standard error is no terminal: each download is told once.
    Lines(String),
    /// The process that started this worker.
    Starter(String),
    /// Kept until the terminal UI asks.
    Kept(Option<String>),
}

fn shown() -> MutexGuard<'static, Shown> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says what is being waited for: `done` bytes of `of`.
pub(crate) fn waiting(what: &str, done: u64, of: Option<u64>) {
    let mib = |bytes: u64| bytes >> 20;
    let in_all = of.map_or_else(String::new, |of| format!(" of {}", mib(of)));
    // The number first: what is behind may not fit.
    let text = format!("{}{in_all} MiB: {what}", mib(done));
    match &mut *shown() {
        Shown::Nowhere => {}
        Shown::Bar(bar) => bar.set_message(text),
        Shown::Lines(last) => line(last, what),
        Shown::Starter(last) if *last == text => {}
        Shown::Starter(last) => {
            let _ = writeln!(stderr(), "{WAITING}{text}");
            *last = text;
        }
        // What has ended is waited for no more.
        Shown::Kept(kept) => {
            *kept = Some(if of == Some(done) {
                String::new()
            } else {
                text
            });
        }
    }
}

/// Takes a line that a worker wrote; whether it was about waiting.
pub(crate) fn from_worker(said: &str) -> bool {
    let Some(text) = said.strip_prefix(WAITING) else {
        return false;
    };
    match &mut *shown() {
        Shown::Bar(bar) => bar.set_message(virtopsy::report::escape(text.as_bytes())),
        Shown::Lines(last) => line(last, text.split_once(": ").map_or(text, |(_, what)| what)),
        _ => {}
    }
    true
}

fn line(last: &mut String, what: &str) {
    if last != what && what.starts_with(FETCHING) {
        say(what);
        what.clone_into(last);
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
                *shown() = Shown::Lines(String::new());
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
