//! Drives a model in tests: keys in, effects carried out on the spot.

#![cfg_attr(not(test), allow(dead_code))]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

use crate::action::Action;
use crate::effect::{Answer, Effect};
use crate::fixture::{self, Sample};
use crate::key::Key;
use crate::model::Model;
use crate::settings::{Settings, ThemeChoice};
use crate::update::{begin, update};
use crate::worker::Pool;

/// A model and the workers that answer it, one answer after the other.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) model: Model,
    pool: Pool,
    answers: crossbeam_channel::Receiver<Answer>,
    /// Effects that are not jobs.
    pub(crate) effects: Vec<Effect>,
}

pub(crate) fn mono() -> Settings {
    Settings {
        theme: ThemeChoice::Mono,
        ..Settings::default()
    }
}

impl Driven {
    pub(crate) fn new(size: (u16, u16), dumps: usize, cpus: u32, settings: &Settings) -> Driven {
        let (to, answers) = crossbeam_channel::unbounded();
        let sample = Sample {
            cpus,
            delay: Duration::ZERO,
        };
        let pool = Pool::start(Arc::new(sample), 1, &to).unwrap();
        let model = Model::new(&fixture::dumps(dumps), settings, size);
        let mut driven = Driven {
            model,
            pool,
            answers,
            effects: Vec::new(),
        };
        let effects = begin(&mut driven.model);
        driven.settle(effects);
        driven
    }

    /// Carries effects out until nothing is under way.
    fn settle(&mut self, effects: Vec<Effect>) {
        let mut todo = effects;
        loop {
            for effect in todo.drain(..) {
                match effect {
                    Effect::Start(job, request) => self.pool.begin(job, request),
                    Effect::Cancel(job) => self.pool.cancel(job),
                    other => self.effects.push(other),
                }
            }
            if self.model.jobs.is_empty() {
                return;
            }
            let answer = self.answers.recv_timeout(Duration::from_secs(20)).unwrap();
            self.pool.done(answer.job);
            todo = update(&mut self.model, Action::Answer(answer));
        }
    }

    /// Presses keys: names divided by blanks, or `"text"` typed letter by letter.
    pub(crate) fn keys(&mut self, keys: &str) -> &mut Driven {
        for word in keys.split(' ') {
            let typed = word.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
            let presses: Vec<Key> = match typed {
                Some(text) => text
                    .chars()
                    .map(|c| Key::parse(&c.to_string()).unwrap())
                    .collect(),
                None => vec![Key::parse(word).unwrap()],
            };
            for key in presses {
                let effects = update(&mut self.model, Action::Key(key));
                self.settle(effects);
            }
        }
        self
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) -> &mut Driven {
        let effects = update(&mut self.model, Action::Resize(width, height));
        self.settle(effects);
        self
    }

    /// The screen as text.
    pub(crate) fn screen(&self) -> String {
        let (width, height) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| crate::view::draw(frame, &self.model))
            .unwrap();
        shown(terminal.backend().buffer())
    }
}

/// A buffer as text; a line in which something is reversed begins with `*`.
pub(crate) fn shown(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let (mut line, mut hidden, mut mark) = (String::new(), 0, ' ');
        for x in 0..buffer.area.width {
            let cell = buffer.cell((x, y)).unwrap();
            if cell.modifier.contains(Modifier::REVERSED) {
                mark = '*';
            }
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            hidden = crate::cells::width(cell.symbol()).saturating_sub(1);
            line.push_str(cell.symbol());
        }
        out.push_str(format!("{mark}{line}").trim_end());
        out.push('\n');
    }
    out
}
