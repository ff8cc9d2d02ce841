//! The terminal UI of virtopsy: opens dumps, and shows what `virtopsy report` says and what stands
//! behind it, each statement a key away from its proof.
//!
//! ```text
//!  keys, signals ──► Action ──► update(&mut Model, Action) ──► Effect ──► workers ──┐
//!                                      ▲        │                                  │
//!                                      │        ▼                                  │
//!                                      │   view::draw(&Model)                      │
//!                                      └──────────────── Answer ◄──────────────────┘
//! ```
//! `update` is pure: it reads no file and waits for nothing. What may take long runs on workers;
//! each job has a number, and an answer that nobody waits for any more is dropped. All that is
//! known of a dump comes from the library; nothing is analysed here.
//!
//! This crate reads no environment variable and no file of its own accord: [`Settings`] says
//! everything. [`keys`] is the table of keys, for manuals.

mod action;
mod app;
#[cfg(any(test, feature = "bench"))]
pub mod bench;
mod cells;
mod content;
mod doc;
#[cfg(any(test, feature = "bench"))]
mod drive;
mod editor;
mod effect;
mod error;
#[cfg(any(test, feature = "bench"))]
mod fixture;
mod fuzzy;
mod input;
#[cfg(test)]
mod journeys;
mod json;
mod key;
mod keymap;
mod layout;
mod live;
mod logtext;
mod model;
mod notes;
mod place;
mod reader;
mod remote;
mod settings;
mod source;
mod terminal;
mod theme;
mod update;
mod view;
mod worker;

use std::io::{IsTerminal as _, stdin, stdout};
use std::sync::Arc;

use crossbeam_channel::unbounded;
use virtopsy::{DumpSpec, Options};

pub use error::Error;
pub use settings::{ConfigError, Settings, ThemeChoice};

/// Workers: enough that a long job does not keep a short one waiting.
const WORKERS: usize = 4;

/// Shows dumps in the terminal until the user leaves; then the terminal is as it was.
///
/// # Errors
/// [`Error::NotATerminal`] where there is no terminal to show them in, [`Error::Signal`] when a
/// signal ended it, [`Error::Io`] when the terminal fails. A dump that can't be opened is no
/// error: it is shown as such.
pub fn run(dumps: Vec<DumpSpec>, options: Options, settings: Settings) -> Result<(), Error> {
    if dumps.is_empty() {
        return Err(Error::NoDump);
    }
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Error::NotATerminal);
    }
    let (input_to, inputs) = unbounded();
    let (answer_to, answers) = unbounded();
    let signals = app::read_signals(input_to.clone())?;
    let mut screen = terminal::Guard::enter(settings.mouse)?;
    let model = model::Model::new(&dumps, &settings, screen.columns_and_rows()?);
    let pool = worker::Pool::start(
        Arc::new(live::Library { dumps, options }),
        WORKERS,
        &answer_to,
    )?;
    let gate = reader::Gate::default();
    reader::start(input_to, gate.clone())?;
    let ended = app::App {
        model,
        screen: &mut screen,
        pool,
        gate: Some(gate),
        waiting: settings.waiting,
        inputs,
        answers,
    }
    .run();
    drop(screen);
    signals.close();
    ended
}

/// A row of the table of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The part of the table that it stands in.
    pub group: &'static str,
    /// The keys, as they are written in [`Settings::keys`].
    pub keys: Vec<&'static str>,
    /// The action's name, as it is written in [`Settings::keys`].
    pub action: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// The table of keys, as the help shows it; for manuals.
pub fn keys() -> Vec<KeyRow> {
    let row = |group: &'static str, b: &keymap::Binding| KeyRow {
        group,
        keys: b.keys.to_vec(),
        action: b.name,
        help: b.help,
    };
    keymap::GROUPS
        .iter()
        .flat_map(|g| g.bindings.iter().map(|b| row(g.title, b)))
        .collect()
}
