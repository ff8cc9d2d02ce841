//! Progress on standard error, only where that is a terminal.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Common;

/// What is on the screen, for those who have to wait somewhere below.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Says on the bar or spinner that is shown what is being waited for: `done` bytes of `of`.
pub(crate) fn waiting(what: &str, done: u64, of: Option<u64>) {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bar) = &*shown {
        let mib = |bytes: u64| bytes >> 20;
        let of = of.map_or_else(String::new, |of| format!(" of {}", mib(of)));
        bar.set_message(format!("{what}: {}{of} MiB", mib(done)));
    }
}

/// A bar or a spinner, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar over `total` dumps, with rate and time left.
    pub(crate) fn dumps(common: &Common, total: usize) -> Progress {
        let style = "{bar:30} {pos}/{len} dumps, {per_sec}, {eta} left {msg}";
        Progress::shown(wanted(common) && total > 1, total as u64, style)
    }

    /// A spinner beside `what`.
    pub(crate) fn spinner(common: &Common, what: String) -> Progress {
        let progress = Progress::shown(wanted(common), 0, "{spinner} {msg} {elapsed}");
        progress.0.set_message(what);
        progress
    }

    fn shown(show: bool, total: u64, style: &str) -> Progress {
        if !show {
            return Progress(ProgressBar::hidden());
        }
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.tick_chars("-\\|/ ").progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
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
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.finish_and_clear();
    }
}

fn wanted(common: &Common) -> bool {
    !common.no_progress && !common.quiet && common.verbose == 0 && std::io::stderr().is_terminal()
}
