//! The event loop: keys, signals and workers' answers become actions; effects are carried out.

use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select};
use crossterm::event::{Event, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::action::Action;
use crate::effect::{Answer, Effect};
use crate::error::Error;
use crate::key::Key;
use crate::model::Model;
use crate::terminal::Screen;
use crate::update::{begin, update};
use crate::worker::Pool;

/// How often the spinner turns while work is going on.
const TICK: Duration = Duration::from_millis(120);
/// Most events that are taken in before the screen is drawn again.
const BURST: usize = 256;
/// Lines that a turn of the wheel moves.
const WHEEL: isize = 3;

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

/// Reads the terminal on a thread of its own.
pub(crate) fn read_terminal(inputs: Sender<Input>) -> io::Result<()> {
    let read = move || {
        loop {
            let (input, lost) = match crossterm::event::read() {
                Ok(event) => (Input::Terminal(event), false),
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

/// Waits for signals on a thread of its own; the handle ends it.
pub(crate) fn read_signals(inputs: Sender<Input>) -> io::Result<signal_hook::iterator::Handle> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT])?;
    let handle = signals.handle();
    let read = move || {
        for signal in signals.forever() {
            if inputs.send(Input::Signal(signal)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("virtopsy-tui-signals".into())
        .spawn(read)?;
    Ok(handle)
}

/// The parts of a running UI.
pub(crate) struct App<'a, S> {
    pub(crate) model: Model,
    pub(crate) screen: &'a mut S,
    pub(crate) pool: Pool,
    pub(crate) inputs: Receiver<Input>,
    pub(crate) answers: Receiver<Answer>,
}

impl<S: Screen> App<'_, S> {
    /// Runs until the user leaves.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        // The first frame stands before anything is asked for.
        self.screen.draw(&self.model)?;
        let effects = begin(&mut self.model);
        self.carry_out(effects)?;
        while !self.model.quit {
            self.wait()?;
            self.drain()?;
            if !self.model.quit {
                self.draw()?;
            }
        }
        Ok(())
    }

    /// Draws for the size that the screen has now: the event that tells of a resize may be late.
    fn draw(&mut self) -> Result<(), Error> {
        if let Some((width, height)) = self.screen.size()?
            && (width, height) != self.model.size
        {
            self.act(Action::Resize(width, height))?;
        }
        Ok(self.screen.draw(&self.model)?)
    }

    /// Takes the next event, or a tick.
    fn wait(&mut self) -> Result<(), Error> {
        let (inputs, answers) = (self.inputs.clone(), self.answers.clone());
        if self.model.jobs.is_empty() {
            select! {
                recv(inputs) -> input => self.input(input.unwrap_or_else(|_| gone())),
                recv(answers) -> answer => self.answer(answer.ok()),
            }
        } else {
            select! {
                recv(inputs) -> input => self.input(input.unwrap_or_else(|_| gone())),
                recv(answers) -> answer => self.answer(answer.ok()),
                default(TICK) => self.act(Action::Tick),
            }
        }
    }

    /// Takes what has piled up, so that the screen is drawn once for all of it.
    fn drain(&mut self) -> Result<(), Error> {
        for _ in 0..BURST {
            if self.model.quit {
                return Ok(());
            }
            if let Ok(input) = self.inputs.try_recv() {
                self.input(input)?;
            } else if let Ok(answer) = self.answers.try_recv() {
                self.answer(Some(answer))?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&mut self, answer: Option<Answer>) -> Result<(), Error> {
        let Some(answer) = answer else {
            return Err(Error::Io(io::Error::other("the workers are gone")));
        };
        self.pool.done(answer.job);
        self.act(Action::Answer(answer))
    }

    fn input(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Lost(e) => Err(Error::Io(e)),
            Input::Signal(SIGTSTP) => self.act(Action::Suspend),
            Input::Signal(SIGCONT) => Ok(self.screen.resume()?),
            Input::Signal(number) => Err(Error::Signal { number }),
            Input::Terminal(event) => match action(event) {
                Some(action) => self.act(action),
                None => Ok(()),
            },
        }
    }

    fn act(&mut self, action: Action) -> Result<(), Error> {
        let effects = update(&mut self.model, action);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Error> {
        for effect in effects {
            match effect {
                Effect::Start(job, request) => self.pool.begin(job, request),
                Effect::Cancel(job) => self.pool.cancel(job),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Suspend => self.screen.suspend()?,
                Effect::Mouse(take) => self.screen.mouse(take)?,
                Effect::Redraw => self.screen.redraw()?,
            }
        }
        Ok(())
    }
}

fn gone() -> Input {
    Input::Lost(io::Error::other("nothing reads the terminal any more"))
}

/// What an event of the terminal means; `None` for those that mean nothing here.
fn action(event: Event) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Action::Key(Key::of(&key))),
        Event::Paste(text) => Some(Action::Paste(text)),
        Event::Resize(width, height) => Some(Action::Resize(width, height)),
        Event::Mouse(mouse) => mouse_action(mouse),
        _ => None,
    }
}

fn mouse_action(mouse: MouseEvent) -> Option<Action> {
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Action::Click(mouse.column, mouse.row)),
        MouseEventKind::ScrollDown => Some(Action::Wheel(WHEEL)),
        MouseEventKind::ScrollUp => Some(Action::Wheel(-WHEEL)),
        _ => None,
    }
}
