//! Keys pushed through the real event loop, with workers on threads and a screen that is a table.

#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};
use crossterm::event::{Event, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::app::App;
use crate::drive::mono;
use crate::error::Error;
use crate::fixture::{self, Sample};
use crate::key::Key;
use crate::model::Model;
use crate::reader::Input;
use crate::terminal::Screen;
use crate::worker::Pool;

/// A screen that remembers what it showed and was asked.
struct Table {
    terminal: Terminal<TestBackend>,
    shown: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Screen for Table {
    fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.terminal
            .backend_mut()
            .resize(model.size.0, model.size.1);
        self.terminal
            .draw(|frame| crate::view::draw(frame, model))
            .unwrap();
        *self.shown.lock().unwrap() = crate::drive::shown(self.terminal.backend().buffer());
        Ok(())
    }

    fn size(&self) -> io::Result<Option<(u16, u16)>> {
        Ok(None)
    }

    fn redraw(&mut self) -> io::Result<()> {
        self.asked.lock().unwrap().push("redraw".into());
        Ok(())
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        self.asked.lock().unwrap().push(format!("copy {text}"));
        Ok(())
    }

    fn mouse(&mut self, take: bool) -> io::Result<()> {
        self.asked.lock().unwrap().push(format!("mouse {take}"));
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.asked.lock().unwrap().push("suspend".into());
        Ok(())
    }

    fn lend(&mut self) -> io::Result<()> {
        self.asked.lock().unwrap().push("lend".into());
        Ok(())
    }

    fn resume(&mut self) -> io::Result<()> {
        self.asked.lock().unwrap().push("resume".into());
        Ok(())
    }
}

/// A running UI, from outside.
struct Journey {
    inputs: Sender<Input>,
    shown: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
    ended: std::thread::JoinHandle<Result<(), Error>>,
}

fn begin(delay: Duration, cpus: u32) -> Journey {
    let (inputs, input) = unbounded();
    let (shown, asked) = (
        Arc::<Mutex<String>>::default(),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let mut screen = Table {
        terminal: Terminal::new(TestBackend::new(80, 24)).unwrap(),
        shown: shown.clone(),
        asked: asked.clone(),
    };
    let ended = std::thread::spawn(move || {
        let (to, answers) = unbounded();
        let pool = Pool::start(Arc::new(Sample { cpus, delay }), 2, &to).unwrap();
        let model = Model::new(&fixture::dumps(1), &mono(), (80, 24));
        App {
            model,
            screen: &mut screen,
            pool,
            gate: None,
            waiting: None,
            inputs: input,
            answers,
        }
        .run()
    });
    Journey {
        inputs,
        shown,
        asked,
        ended,
    }
}

impl Journey {
    /// Waits until the screen shows `text`.
    fn sees(&self, text: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.shown.lock().unwrap().contains(text) {
            assert!(
                Instant::now() < until,
                "no {text:?} on\n{}",
                self.shown.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn keys(&self, keys: &str) {
        for key in keys.split(' ') {
            let key = Key::parse(key).unwrap();
            let modifiers = if key.ctrl {
                KeyModifiers::CONTROL
            } else {
                KeyModifiers::NONE
            };
            self.inputs
                .send(Input::Terminal(Event::Key(KeyEvent::new(
                    key.code, modifiers,
                ))))
                .unwrap();
        }
    }

    fn end(self) -> Result<(), Error> {
        self.ended.join().unwrap()
    }
}

#[test]
fn from_the_verdict_to_the_proof_and_out() {
    let journey = begin(Duration::ZERO, 4);
    journey.sees("SVM was ON");
    journey.keys("2 p Enter");
    journey.sees("virtualization_nr_users");
    journey.keys("5 / r c u Enter");
    journey.sees("match 1 of");
    journey.keys("y : k v m _ e Enter");
    journey.sees("Memory at 0xffffffff8ee8dd18");
    assert!(
        journey
            .asked
            .lock()
            .unwrap()
            .iter()
            .any(|a| a.starts_with("copy "))
    );
    journey.keys("q");
    journey.end().unwrap();
}

#[test]
fn keys_are_taken_while_a_slow_dump_is_opened_and_esc_cancels() {
    let journey = begin(Duration::from_millis(700), 4);
    journey.sees("opening the dump");
    journey.keys("5");
    journey.sees("Log");
    journey.keys("Esc");
    journey.sees("cancelled");
    journey.keys("1 r");
    journey.sees("SVM was ON");
    journey.keys("q");
    journey.end().unwrap();
}

#[test]
fn a_resize_and_a_suspension_are_survived_and_a_signal_ends() {
    let journey = begin(Duration::ZERO, 100);
    journey.sees("SVM was ON");
    journey
        .inputs
        .send(Input::Terminal(Event::Resize(60, 15)))
        .unwrap();
    journey.keys("2");
    journey.sees("CPUs by number");
    journey
        .inputs
        .send(Input::Signal(signal_hook::consts::SIGTSTP))
        .unwrap();
    journey
        .inputs
        .send(Input::Signal(signal_hook::consts::SIGCONT))
        .unwrap();
    journey
        .inputs
        .send(Input::Signal(signal_hook::consts::SIGTERM))
        .unwrap();
    let asked = journey.asked.clone();
    assert!(matches!(journey.end(), Err(Error::Signal { number: 15 })));
    assert_eq!(*asked.lock().unwrap(), ["suspend", "resume"]);
}

#[test]
fn a_terminal_that_is_lost_ends_it() {
    let journey = begin(Duration::ZERO, 4);
    journey
        .inputs
        .send(Input::Lost(io::Error::other("gone")))
        .unwrap();
    assert!(matches!(journey.end(), Err(Error::Io(_))));
}
