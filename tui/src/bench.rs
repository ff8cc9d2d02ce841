//! What the benchmarks drive: the whole way from a key to its frame, over a log and a machine as
//! large as one likes, with no dump and no terminal.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use virtopsy::facts::LogRecord;
use virtopsy::report::Text;

use crate::action::Action;
use crate::drive::{Driven, mono};
use crate::key::Key;
use crate::logtext::LogText;
use crate::remote::Remote;
use crate::update::update;

/// A terminal UI without a terminal.
#[derive(Debug)]
pub struct Bench {
    driven: Driven,
    terminal: Terminal<TestBackend>,
}

impl Bench {
    /// A screen of so many columns and rows, on a machine with so many CPUs whose log has so many
    /// lines.
    pub fn new(columns: u16, rows: u16, cpus: u32, log_lines: u64) -> Bench {
        let mut driven = Driven::new((columns, rows), 1, cpus, &mono());
        let records = (0..log_lines).map(record).collect();
        let tab = driven.model.tabs.first_mut().unwrap();
        tab.log = Remote::Ready(Arc::new(LogText::new(records)));
        Bench {
            driven,
            terminal: Terminal::new(TestBackend::new(columns, rows)).unwrap(),
        }
    }

    /// Presses a key, as the table of keys writes it, and draws. Workers get no time.
    pub fn press(&mut self, key: &str) {
        update(
            &mut self.driven.model,
            Action::Key(Key::parse(key).unwrap()),
        );
        self.terminal
            .draw(|frame| crate::view::draw(frame, &self.driven.model))
            .unwrap();
    }

    /// Presses keys divided by blanks (`"text"` is typed), and waits for the workers after each.
    pub fn settle(&mut self, keys: &str) {
        self.driven.model.jobs.clear();
        self.driven.keys(keys);
    }
}

fn record(n: u64) -> LogRecord {
    LogRecord {
        sequence: Some(n),
        timestamp_ns: Some(n.saturating_mul(1_000)),
        caller: Some(format!("T{}", n % 300)),
        level: Some((n % 8) as u8),
        facility: Some(0),
        text: Text::from(format!(
            "driver {}: something happened to unit {n}, which is told in a line of usual length",
            n % 17
        )),
        ..LogRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_reach_the_screen() {
        let mut bench = Bench::new(80, 24, 2, 100);
        bench.settle("5 f \"driver\" Space \"3\" Enter");
        bench.press("j");
        let shown = crate::drive::shown(bench.terminal.backend().buffer());
        assert!(
            shown.contains("driver 3: something happened to unit 3,"),
            "{shown}"
        );
    }
}
