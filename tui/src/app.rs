//! The event loop: keys, signals and workers' answers become actions; effects are carried out.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select};
use crossterm::event::{Event, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::action::Action;
use crate::effect::{Answer, Effect};
use crate::error::Error;
use crate::key::Key;
use crate::model::{Message, Model};
use crate::reader::{Gate, Input};
use crate::terminal::Screen;
use crate::update::{begin, update};
use crate::worker::Pool;

/// How often the spinner turns while work is going on.
const TICK: Duration = Duration::from_millis(120);
/// Most events that are taken in before the screen is drawn again.
const BURST: usize = 256;
/// Lines that a turn of the wheel moves.
const WHEEL: isize = 3;
/// How often it is asked whether an editor has ended.
const EDITOR_TICK: Duration = Duration::from_millis(40);

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
    /// Closed while another program has the terminal.
    pub(crate) gate: Option<Gate>,
    /// Asks what is waited for.
    pub(crate) waiting: Option<fn() -> Option<String>>,
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
                default(TICK) => self.act(Action::Tick(self.waiting.and_then(|ask| ask()))),
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
                Effect::Edit(command) => self.edit(&command)?,
                Effect::Mouse(take) => self.screen.mouse(take)?,
                Effect::Redraw => self.screen.redraw()?,
            }
        }
        Ok(())
    }
}

/// The editor has the terminal meanwhile.
impl<S: Screen> App<'_, S> {
    /// Lends the terminal to an editor until it ends.
    fn edit(&mut self, command: &[OsString]) -> Result<(), Error> {
        let Some((program, args)) = command.split_first() else {
            return Ok(());
        };
        let closed = self.gate.as_ref().map(Gate::close);
        self.screen.lend()?;
        let ended = match Command::new(program).args(args).spawn() {
            Ok(child) => self.attend(child),
            Err(e) => Ok(Some(e.to_string())),
        };
        drop(closed);
        self.screen.resume()?;
        if let Some(why) = ended? {
            let program = crate::doc::safe(&program.to_string_lossy());
            self.model.message = Some(Message {
                bad: true,
                text: format!("{program}: {why} ($VISUAL or $EDITOR names another editor)"),
            });
        }
        Ok(())
    }

    /// Waits for the editor; stops with it, and ends it when told to end. What went wrong comes
    /// back in words.
    fn attend(&mut self, mut child: Child) -> Result<Option<String>, Error> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok((!status.success()).then(|| format!("ended with {status}")));
            }
            match self.inputs.recv_timeout(EDITOR_TICK) {
                Ok(Input::Signal(SIGTSTP)) => {
                    signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
                }
                Ok(Input::Signal(number @ (SIGTERM | SIGHUP))) => {
                    // It may have ended by itself, which is as well.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Error::Signal { number });
                }
                Ok(Input::Lost(e)) => return Err(Error::Io(e)),
                // Ctrl-C is the editor's; so is what was typed before it came up.
                Ok(Input::Signal(_) | Input::Terminal(_)) => {}
                Err(_) => std::thread::sleep(EDITOR_TICK / 8),
            }
        }
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
