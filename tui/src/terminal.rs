//! The terminal: entered on start, left in every way that a program can end.

use std::io::{self, Stdout, Write as _, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use signal_hook::consts::SIGTSTP;

use crate::model::Model;

/// What the event loop asks of a screen.
pub(crate) trait Screen {
    /// Shows the model.
    fn draw(&mut self, model: &Model) -> io::Result<()>;
    /// Columns and rows as they are now; `None` where the screen does not know better than events.
    fn size(&self) -> io::Result<Option<(u16, u16)>>;
    /// Forgets what is on the screen: the next drawing draws all.
    fn redraw(&mut self) -> io::Result<()>;
    /// Puts text on the clipboard.
    fn copy(&mut self, text: &str) -> io::Result<()>;
    /// Takes the mouse, or lets it go.
    fn mouse(&mut self, take: bool) -> io::Result<()>;
    /// Stops the process; returns when it is continued.
    fn suspend(&mut self) -> io::Result<()>;
    /// Gives the terminal back for another program's use, until [`Screen::resume`].
    fn lend(&mut self) -> io::Result<()>;
    /// Puts the terminal back into its mode, after something else may have changed it.
    fn resume(&mut self) -> io::Result<()>;
}

/// True while the terminal is ours.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back as it was. Harmless when it already is.
fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        // Whatever fails here, the rest must still be tried. The alternate screen is left before
        // raw mode, so that nothing typed meanwhile is echoed into it.
        let _ = execute!(
            stdout(),
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    ENTERED.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)
    } else {
        Ok(())
    }
}

type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Sync + Send + 'static>;

/// The terminal, ours until dropped.
pub(crate) struct Guard {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
    hook: Arc<Hook>,
}

impl Guard {
    /// Takes the terminal. A panic of this thread gives it back before it is reported; one of a
    /// worker is reported by the worker's answer alone.
    pub(crate) fn enter(mouse: bool) -> io::Result<Guard> {
        let hook: Arc<Hook> = Arc::new(std::panic::take_hook());
        let (before, ui) = (hook.clone(), std::thread::current().id());
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == ui {
                leave();
                before(info);
            } else if std::thread::current().name() != Some("virtopsy-tui-worker") {
                before(info);
            }
        }));
        let made = enter(mouse).and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match made {
            Ok(terminal) => Ok(Guard {
                terminal,
                mouse,
                hook,
            }),
            Err(e) => {
                leave();
                restore_hook(hook);
                Err(e)
            }
        }
    }

    /// Columns and rows, as they are now.
    pub(crate) fn columns_and_rows(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|s| (s.width, s.height))
    }

    /// Forgets what is on the screen. `Terminal::clear` would ask the terminal where its cursor
    /// is, and the answer would go to the thread that reads keys.
    fn forget(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))?;
        let size = self.terminal.size()?;
        self.terminal
            .resize(Rect::new(0, 0, size.width, size.height))
    }
}

/// Puts the panic hook back that was there before.
fn restore_hook(hook: Arc<Hook>) {
    if !std::thread::panicking() {
        drop(std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| hook(info)));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
        restore_hook(self.hook.clone());
    }
}

impl Screen for Guard {
    fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.terminal
            .draw(|frame| crate::view::draw(frame, model))
            .map(|_| ())
    }

    fn size(&self) -> io::Result<Option<(u16, u16)>> {
        self.columns_and_rows().map(Some)
    }

    fn redraw(&mut self) -> io::Result<()> {
        self.forget()
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut out = stdout();
        write!(out, "\x1b]52;c;{}\x07", BASE64.encode(text))?;
        out.flush()
    }

    fn mouse(&mut self, take: bool) -> io::Result<()> {
        self.mouse = take;
        if take {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        }
    }

    fn suspend(&mut self) -> io::Result<()> {
        leave();
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        enter(self.mouse)?;
        self.forget()
    }

    fn lend(&mut self) -> io::Result<()> {
        leave();
        Ok(())
    }

    fn resume(&mut self) -> io::Result<()> {
        let _ = disable_raw_mode();
        enter(self.mouse)?;
        self.forget()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::io::Read as _;

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    #[test]
    #[ignore = "runs in the pseudo-terminal of the test below"]
    fn takes_the_terminal_and_panics() {
        let _guard = Guard::enter(true).unwrap();
        panic!("on purpose");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_reported() {
        let size = PtySize {
            rows: 200,
            cols: 80,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        let inner = "terminal::tests::takes_the_terminal_and_panics";
        command.args(["--exact", inner, "--ignored", "--nocapture"]);
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut screen = vt100::Parser::new(200, 80, 0);
        let (mut buffer, mut taken) = ([0; 4096], false);
        // The end of a pseudo-terminal is an error on Linux.
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            for byte in buffer.get(..n).unwrap() {
                screen.process(&[*byte]);
                taken |= screen.screen().alternate_screen();
            }
        }
        assert!(!child.wait().unwrap().success());
        let screen = screen.screen();
        assert!(taken && !screen.alternate_screen() && !screen.hide_cursor());
        assert!(!screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(
            screen.contents().contains("on purpose"),
            "{}",
            screen.contents()
        );
    }
}
