//! Reads the terminal on a thread of its own, which can be made to wait while another program
//! has the terminal.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;
use crossterm::event::Event;

/// What comes from outside.
#[derive(Debug)]
pub(crate) enum Input {
    /// From the terminal.
    Terminal(Event),
    /// A signal.
    Signal(i32),
    /// The terminal can't be read any more.
    Lost(io::Error),
}

/// Longest time between two looks at the gate while nobody types.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for the thread to stop reading; then the terminal is lent nevertheless.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the thread and those who want it to wait agree on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    waiting: bool,
}

/// A closed gate; dropped, it opens.
#[derive(Debug)]
pub(crate) struct Closed(Gate);

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the gate is closed.
    fn pass(&self) {
        let mut state = self.state();
        while state.closed {
            state.waiting = true;
            self.0.changed.notify_all();
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting = false;
    }

    /// Closes the gate, and returns once nothing reads the terminal any more.
    pub(crate) fn close(&self) -> Closed {
        let mut state = self.state();
        state.closed = true;
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Closed(self.clone())
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.state().closed = false;
        self.0.0.changed.notify_all();
    }
}

/// Starts the thread; what it reads goes to `inputs`.
pub(crate) fn start(inputs: Sender<Input>, gate: Gate) -> io::Result<()> {
    let read = move || {
        loop {
            gate.pass();
            let (input, lost) = match next() {
                Ok(None) => continue,
                Ok(Some(event)) => (Input::Terminal(event), false),
                Err(e) => (Input::Lost(e), true),
            };
            if inputs.send(input).is_err() || lost {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("virtopsy-tui-input".into())
        .spawn(read)
        .map(|_| ())
}

/// The next event, if one comes soon.
fn next() -> io::Result<Option<crossterm::event::Event>> {
    if crossterm::event::poll(LOOK)? {
        crossterm::event::read().map(Some)
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn nothing_is_read_while_the_gate_is_closed() {
        let gate = Gate::default();
        let (read, thread_gate) = (Arc::new(AtomicU32::new(0)), gate.clone());
        let counted = read.clone();
        std::thread::spawn(move || {
            loop {
                thread_gate.pass();
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let closed = gate.close();
        let before = read.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(read.load(Ordering::SeqCst), before);
        drop(closed);
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while read.load(Ordering::SeqCst) == before {
            assert!(std::time::Instant::now() < until, "it never went on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
