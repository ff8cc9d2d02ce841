//! The terminal UI in a real pseudo-terminal: that it starts, takes keys, and gives the terminal
//! back however it ends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The example `open`, which cargo builds for tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/open")
}

struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn std::io::Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    begun: Instant,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn start(args: &[&str]) -> Session {
    let pair = native_pty_system().openpty(size(24, 80)).unwrap();
    let mut command = CommandBuilder::new(program());
    command.args(args);
    command.env("TERM", "xterm-256color");
    let begun = Instant::now();
    let child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let keys = pair.master.take_writer().unwrap();
    let screen = Arc::new(Mutex::new(vt100::Parser::new(24, 80, 0)));
    let seen = screen.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            seen.lock().unwrap().process(buffer.get(..n).unwrap());
        }
    });
    Session {
        child,
        master: pair.master,
        keys,
        screen,
        begun,
    }
}

impl Session {
    fn until(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) -> Duration {
        while !holds(self.screen.lock().unwrap().screen()) {
            assert!(
                self.begun.elapsed() < PATIENCE,
                "waited in vain for {what}:\n{}",
                self.screen.lock().unwrap().screen().contents()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        self.begun.elapsed()
    }

    fn sees(&self, text: &str) -> Duration {
        self.until(text, |screen| screen.contents().contains(text))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for the end; the terminal must be as it was.
    fn ends(&mut self) -> u32 {
        let status = self.child.wait().unwrap();
        self.until("the terminal given back", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        status.exit_code()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

#[test]
fn it_starts_says_what_is_wrong_resizes_and_quits() {
    let mut session = start(&["/nonexistent/vmcore"]);
    let first = session.sees("virtopsy");
    session.sees("C A N ' T");
    session.master.resize(size(15, 60)).unwrap();
    session.screen.lock().unwrap().screen_mut().set_size(15, 60);
    session.signal("WINCH");
    session.press("?");
    session.sees("Esc closes");
    session.press("qq");
    assert_eq!(session.ends(), 0);
    assert!(first < PATIENCE, "{first:?}");
}

#[test]
fn signals_give_the_terminal_back() {
    for name in ["TERM", "HUP", "INT"] {
        let mut session = start(&["/nonexistent/vmcore"]);
        session.sees("C A N ' T");
        session.signal(name);
        assert_eq!(session.ends(), 1, "after {name}");
    }
}

#[test]
fn it_is_stopped_and_continued() {
    let mut session = start(&["/nonexistent/vmcore"]);
    session.sees("C A N ' T");
    session.press("\x1a");
    session.until("the terminal given back", |screen| {
        !screen.alternate_screen()
    });
    session.signal("CONT");
    session.until("the screen again", |screen| {
        screen.alternate_screen() && screen.contents().contains("C A N ' T")
    });
    session.press("q");
    assert_eq!(session.ends(), 0);
}

#[test]
fn a_real_dump_is_searched_and_exported() {
    let dump = sample();
    let mut session = start(&[dump.to_str().unwrap()]);
    session.sees("virtopsy");
    session.sees("Emergency callback");
    session.press("5/Linux version\r");
    session.sees("match 1 of");
    session.press(":cpu 1\r");
    session.sees("Evidence");
    session.press("t");
    session.sees("Who called whom");
    let file = std::env::temp_dir().join(format!("virtopsy-pty-{}.json", std::process::id()));
    session.press(&format!("1e\x15{}\r", file.display()));
    session.sees("wrote");
    session.press("q");
    assert_eq!(session.ends(), 0);
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("\"virtualization\"")
    );
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_editor_has_the_terminal_until_it_ends() {
    let dir = std::env::temp_dir().join(format!("virtopsy-pty-src-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("kernel")).unwrap();
    let editor = dir.join("editor");
    // It says what it was called with, waits for a line, and says that it got it.
    std::fs::write(
        &editor,
        "echo \"edits $1 of $2\"\nread word\necho \"got $word\"\nsleep 1\n",
    )
    .unwrap();
    std::fs::write(dir.join("kernel/panic.c"), "").unwrap();
    let state = dir.join("state");
    let dump = sample();
    let mut session = start(&[
        "--source",
        dir.to_str().unwrap(),
        "--editor",
        &format!("sh {}", editor.display()),
        "--state",
        state.to_str().unwrap(),
        dump.to_str().unwrap(),
    ]);
    session.sees("Emergency callback");
    // A note that names a place in the source is such a place.
    session.press("bkernel/panic.c:12\r");
    session.sees("bookmark at");
    session.press("'o");
    session.sees("edits +12 of");
    session.until("the terminal lent", |screen| !screen.alternate_screen());
    session.press("qqword\r");
    session.sees("got qqword");
    session.until("the screen again", vt100::Screen::alternate_screen);
    session.sees("Bookmarks");
    session.press("qq");
    assert_eq!(session.ends(), 0);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_dump_that_vanishes_and_one_cut_short_are_told_and_leave_the_rest() {
    let dir = std::env::temp_dir().join(format!("virtopsy-pty-cut-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let whole = std::fs::read(sample()).unwrap();
    let (cut, short) = (dir.join("cut.kdump"), dir.join("short.kdump"));
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(&short, &whole[..1000]).unwrap();
    let mut session = start(&[cut.to_str().unwrap(), short.to_str().unwrap()]);
    session.sees("truncated at");
    std::fs::remove_dir_all(&dir).unwrap();
    session.press("]");
    session.sees("C A N ' T");
    session.press("[5");
    session.sees("5 Log");
    session.press("6j7j8:init_task\r");
    session.sees("Memory at init_task");
    session.press("q");
    assert_eq!(session.ends(), 0);
}

/// A dump that comes with the project.
fn sample() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("samples/svm-stuck-cpu2.kdump")
}
