//! How long a key takes until its frame stands: a log of a million lines, 8192 CPUs.
//!
//! `cargo test -p virtopsy-tui --release -- --ignored --nocapture measure`

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use virtopsy::LogLine;
use virtopsy::report::Text;

use crate::action::Action;
use crate::drive::{Driven, mono};
use crate::key::Key;
use crate::logtext::LogText;
use crate::remote::Remote;
use crate::update::update;

/// The aim: 16 ms at the 99th percentile.
const AIM: Duration = Duration::from_millis(16);

fn million() -> LogText {
    let record = |n: u64| LogLine {
        sequence: n,
        timestamp_ns: n * 1_000,
        caller: Some(format!("T{}", n % 300)),
        level: Some((n % 8) as u8),
        facility: Some(0),
        text: Text::from(format!(
            "driver {}: something happened to unit {n}, which is told in a line of usual length",
            n % 17
        )),
    };
    LogText::new((0..1_000_000).map(record).collect())
}

/// Times of key to frame, sorted.
fn times(driven: &mut Driven, keys: &str, turns: usize) -> Vec<Duration> {
    let (width, height) = driven.model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut all = Vec::new();
    for _ in 0..turns {
        for key in keys.split(' ') {
            let begun = Instant::now();
            update(&mut driven.model, Action::Key(Key::parse(key).unwrap()));
            terminal
                .draw(|frame| crate::view::draw(frame, &driven.model))
                .unwrap();
            all.push(begun.elapsed());
        }
    }
    all.sort();
    all
}

#[test]
#[ignore = "takes time; run it alone, in release"]
fn measure_key_to_frame() {
    let mut driven = Driven::new((200, 50), 1, 8192, &mono());
    let begun = Instant::now();
    driven.model.tabs.first_mut().unwrap().log = Remote::Ready(Arc::new(million()));
    eprintln!("a million lines made and indexed in {:?}", begun.elapsed());
    for (name, keys, turns) in [
        ("overview, down", "1 j j k", 100),
        ("CPUs, down", "2 j j j PageDown", 100),
        ("CPUs, sort", "2 s", 40),
        ("CPUs, ends", "2 G g g", 40),
        ("log, down", "5 j j PageDown", 200),
        ("log, ends", "5 G g g", 100),
        ("stacks, down", "6 j", 100),
        ("goto, typing", ": c p u Space 8 Esc", 20),
    ] {
        let times = times(&mut driven, keys, turns);
        let at = |percent: usize| {
            times
                .get(times.len() * percent / 100)
                .or(times.last())
                .copied()
                .unwrap()
        };
        eprintln!(
            "{name:16} p50 {:>10.3?}  p99 {:>10.3?}  max {:>10.3?}",
            at(50),
            at(99),
            at(100)
        );
        assert!(at(99) < AIM * 4, "{name} is far from the aim");
    }
    // Nobody answered the jobs of the keys above.
    driven.model.jobs.clear();
    let begun = Instant::now();
    driven.keys("5 / \"unit\" Space \"999999\" Enter");
    eprintln!(
        "search for the last of a million lines: {:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    driven.keys("Esc f \"driver\" Space \"3\" Enter");
    eprintln!("filter of a million lines: {:?}", begun.elapsed());
    let times = times(&mut driven, "5 j j PageDown G g g", 50);
    eprintln!(
        "filtered log      p99 {:?}",
        times.get(times.len() * 99 / 100)
    );
}
