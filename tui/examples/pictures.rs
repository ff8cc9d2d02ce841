//! Makes the pictures of the manual: `pictures DUMP FOLDER` opens the dump in a terminal that
//! exists in memory only, presses keys, and writes what stands there as SVG: a recording, and a
//! still of its first step.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use virtopsy::{DumpSpec, Options};
use virtopsy_tui::{Settings, ThemeChoice};

const ROWS: u16 = 32;
const COLUMNS: u16 = 104;
/// Seconds that each step of the recording is shown.
const SHOWN: f32 = 3.5;
/// Pixels of a cell.
const CELL: (f32, f32) = (8.4, 18.0);
/// No output for so long: the screen stands.
const QUIET: Duration = Duration::from_millis(600);
/// Longest wait for a screen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name of a step, keys, and what must then be on the screen.
const STEPS: [(&str, &str, &str); 8] = [
    ("overview", "", "Emergency callback"),
    ("cpus", "2p", "Evidence"),
    ("memory", "\t/0xffff\r\r", "Memory at"),
    ("callback", "3", "Call path"),
    ("stacks", ":cpu 0\rt", "Who called whom"),
    ("vms", "7", "vCPU 0"),
    ("log", "5/panic\r", "match 1 of"),
    ("goto", ":emerg_virt", "symbol"),
];
/// The step that is written as a picture of its own too.
const STILL: &str = "overview";

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["--show", dump] => show(dump),
        [dump, folder] => record(dump, Path::new(folder)),
        _ => Err("usage: pictures DUMP FOLDER".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Standard error may be closed; the exit status says it too.
            let _ = writeln!(io::stderr(), "pictures: {e}");
            ExitCode::FAILURE
        }
    }
}

/// What runs inside the terminal.
fn show(dump: &str) -> Result<(), Failed> {
    let spec = DumpSpec {
        paths: vec![dump.into()],
    };
    let settings = Settings {
        theme: ThemeChoice::Dark,
        ..Settings::default()
    };
    Ok(virtopsy_tui::run(vec![spec], Options::default(), settings)?)
}

fn record(dump: &str, folder: &Path) -> Result<(), Failed> {
    let size = PtySize {
        rows: ROWS,
        cols: COLUMNS,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new(std::env::current_exe()?);
    command.args(["--show", dump]);
    command.cwd(std::env::current_dir()?);
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let output = read(&*pair.master)?;
    let mut keys = pair.master.take_writer()?;
    let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
    let mut frames = Vec::new();
    for (name, pressed, expected) in STEPS {
        keys.write_all(pressed.as_bytes())?;
        keys.flush()?;
        wait(&output, &mut screen, expected)?;
        frames.push((name, draw(screen.screen())));
    }
    keys.write_all(b"\x1bq")?;
    keys.flush()?;
    // It may have ended by itself, which is as well.
    let _ = child.kill();
    child.wait()?;
    std::fs::create_dir_all(folder)?;
    for (name, frame) in frames.iter().filter(|(name, _)| *name == STILL) {
        std::fs::write(folder.join(format!("tui-{name}.svg")), picture("", frame))?;
    }
    std::fs::write(folder.join("tui.svg"), recording(&frames))?;
    Ok(())
}

/// What the program writes, from a thread that reads it.
fn read(master: &dyn MasterPty) -> Result<Receiver<Vec<u8>>, Failed> {
    let mut reader = master.try_clone_reader()?;
    let (to, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            let bytes = buffer.get(..n).unwrap_or_default().to_vec();
            if to.send(bytes).is_err() {
                return;
            }
        }
    });
    Ok(output)
}

/// Waits until the screen shows `expected` and stands still.
fn wait(
    output: &Receiver<Vec<u8>>,
    screen: &mut vt100::Parser,
    expected: &str,
) -> Result<(), Failed> {
    let begun = Instant::now();
    loop {
        match output.recv_timeout(QUIET) {
            Ok(bytes) => screen.process(&bytes),
            Err(RecvTimeoutError::Timeout) if screen.screen().contents().contains(expected) => {
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("the program ended".into()),
        }
        if begun.elapsed() > PATIENCE {
            let shown = screen.screen().contents();
            return Err(format!("{expected:?} never came up:\n{shown}").into());
        }
    }
}

/// Background, text, and the sixteen colours.
const PAPER: &str = "#16181d";
const INK: &str = "#d5d9e0";
const COLORS: [&str; 16] = [
    "#16181d", "#d05a5a", "#7fae6b", "#d9a441", "#5b8dd9", "#b07cc6", "#56b6c2", "#b9bfca",
    "#7a8290", "#ff6b6b", "#98c379", "#ffd166", "#6fb1ff", "#d69cf0", "#66d9ef", "#ffffff",
];

fn color(color: vt100::Color, default: &'static str) -> &'static str {
    match color {
        vt100::Color::Idx(n) => COLORS.get(usize::from(n)).copied().unwrap_or(default),
        _ => default,
    }
}

/// How a run of cells looks.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    ink: &'static str,
    paper: &'static str,
    bold: bool,
    underlined: bool,
}

fn look(cell: &vt100::Cell) -> Look {
    let (mut ink, mut paper) = (color(cell.fgcolor(), INK), color(cell.bgcolor(), PAPER));
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    Look {
        ink,
        paper,
        bold: cell.bold(),
        underlined: cell.underline(),
    }
}

/// The screen as the inside of a picture.
fn draw(screen: &vt100::Screen) -> String {
    let mut out = String::new();
    for row in 0..ROWS {
        let mut runs: Vec<(u16, u16, Look, String)> = Vec::new();
        for column in 0..COLUMNS {
            let Some(cell) = screen.cell(row, column) else {
                continue;
            };
            if cell.is_wide_continuation() {
                continue;
            }
            let (width, look) = (if cell.is_wide() { 2 } else { 1 }, look(cell));
            let text = if cell.has_contents() {
                cell.contents()
            } else {
                " "
            };
            match runs.last_mut() {
                Some((start, cells, last, run)) if *last == look && *start + *cells == column => {
                    *cells += width;
                    run.push_str(text);
                }
                _ => runs.push((column, width, look, text.to_owned())),
            }
        }
        for (start, cells, look, text) in runs {
            run(&mut out, row, start, cells, look, &text);
        }
    }
    out
}

fn run(out: &mut String, row: u16, start: u16, cells: u16, look: Look, text: &str) {
    let (x, y) = (f32::from(start) * CELL.0, f32::from(row) * CELL.1);
    let width = f32::from(cells) * CELL.0;
    // Writing to a string cannot fail.
    if look.paper != PAPER {
        let (paper, height) = (look.paper, CELL.1);
        let _ = writeln!(
            out,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{paper}"/>"#
        );
    }
    blocks(out, (x, y), look.ink, text);
    let text: String = text
        .chars()
        .map(|c| if BLOCKS.contains(c) { ' ' } else { c })
        .collect();
    let shown = text.trim();
    if shown.is_empty() {
        return;
    }
    // Viewers join blanks: text begins where its first letter is, and holds hard ones.
    let indent = text.chars().take_while(|c| *c == ' ').count();
    let blanks = text.chars().count() - shown.chars().count();
    let x = x + indent as f32 * CELL.0;
    let width = width - blanks as f32 * CELL.0;
    let bold = if look.bold {
        r#" font-weight="bold""#
    } else {
        ""
    };
    let line = if look.underlined {
        r#" text-decoration="underline""#
    } else {
        ""
    };
    let (ink, base, text) = (look.ink, y + CELL.1 * 0.75, xml(shown));
    let _ = writeln!(
        out,
        r#"<text x="{x:.1}" y="{base:.1}" textLength="{width:.1}" lengthAdjust="spacingAndGlyphs" fill="{ink}"{bold}{line}>{text}</text>"#
    );
}

/// Two by two dots as one character, by the number whose bits are the dots, upper left first.
const BLOCKS: &str = "▘▝▀▖▌▞▛▗▚▐▜▄▙▟█";

/// Blocks as rectangles: a font's leave gaps between lines.
fn blocks(out: &mut String, at: (f32, f32), ink: &str, text: &str) {
    let (half, height) = (CELL.0 / 2.0, CELL.1 / 2.0);
    for (number, c) in text.chars().enumerate() {
        let Some(bits) = BLOCKS.chars().position(|block| block == c) else {
            continue;
        };
        for dot in (0..4usize).filter(|dot| (bits + 1) >> dot & 1 == 1) {
            let x = at.0 + CELL.0 * number as f32 + half * (dot % 2) as f32;
            let y = at.1 + height * (dot / 2) as f32;
            let _ = writeln!(
                out,
                r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" fill="{ink}"/>"#,
                half + 0.4,
                height + 0.4
            );
        }
    }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(' ', "\u{a0}")
}

fn picture(style: &str, inside: &str) -> String {
    let (width, height) = (f32::from(COLUMNS) * CELL.0, f32::from(ROWS) * CELL.1);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -12 {:.0} {:.0}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
<style>{style}</style>
<rect x="-12" y="-12" width="100%" height="100%" rx="8" fill="{PAPER}"/>
{inside}</svg>
"#,
        width + 24.0,
        height + 24.0
    )
}

/// All frames, one after the other, for ever.
fn recording(frames: &[(&str, String)]) -> String {
    let count = frames.len() as f32;
    let (whole, share) = (SHOWN * count, 100.0 / count);
    let mut style = format!(
        "@keyframes turn{{0%,{share:.2}%{{visibility:visible}}{:.2}%,100%{{visibility:hidden}}}} .f{{visibility:hidden;animation:turn {whole}s step-end infinite}}",
        share + 0.01
    );
    let mut inside = String::new();
    for (number, (_, frame)) in frames.iter().enumerate() {
        let delay = SHOWN * number as f32;
        let _ = write!(style, " .f{number}{{animation-delay:{delay}s}}");
        let _ = writeln!(inside, r#"<g class="f f{number}">"#);
        inside.push_str(frame);
        inside.push_str("</g>\n");
    }
    picture(&style, &inside)
}
