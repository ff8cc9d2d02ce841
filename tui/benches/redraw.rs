//! How long a key takes until its frame stands, with a log of a million lines and 8192 CPUs; and
//! how long a search and a filter take.
//!
//! `cargo bench -p virtopsy-tui --features bench`: first criterion's figures for each kind of key,
//! then the 99th percentile of all of them, which should stay below 16 ms.

use std::io::Write as _;
use std::time::{Duration, Instant};

use criterion::Criterion;
use virtopsy_tui::bench::Bench;

/// Name, keys to begin with, keys whose frames are measured.
const KEYS: [(&str, &str, &str); 9] = [
    ("overview, down", "1", "j j k"),
    ("CPUs, down", "2", "j j j PageDown"),
    ("CPUs, ends", "2", "G Home"),
    ("CPUs, sort", "2", "s"),
    ("log, down", "5", "j j PageDown"),
    ("log, ends", "5", "G Home"),
    ("stacks, down", "6", "j j PageDown"),
    ("views", "1", "1 2 3 4 5 6 7 8"),
    ("goto, typing", "1", ": c p u Space 8 Esc"),
];

fn main() {
    let mut bench = Bench::new(200, 50, 8192, 1_000_000);
    let mut criterion = Criterion::default().configure_from_args().sample_size(30);
    keys(&mut criterion, &mut bench);
    scans(&mut criterion, &mut bench);
    criterion.final_summary();
    percentiles(&mut bench);
}

fn keys(criterion: &mut Criterion, bench: &mut Bench) {
    let mut group = criterion.benchmark_group("key to frame");
    for (name, begin, keys) in KEYS {
        bench.settle(begin);
        let mut turn = keys.split(' ').cycle();
        group.bench_function(name, |b| {
            b.iter(|| bench.press(turn.next().unwrap_or("j")));
        });
        bench.settle("Esc");
    }
    group.finish();
}

fn scans(criterion: &mut Criterion, bench: &mut Bench) {
    let mut group = criterion.benchmark_group("a million lines");
    group.sample_size(10);
    bench.settle("5");
    group.bench_function("search", |b| {
        b.iter(|| bench.settle("Esc / \"unit\" Space \"999999\" Enter"));
    });
    group.bench_function("filter", |b| {
        b.iter(|| bench.settle("Esc Esc f Ctrl-u \"driver\" Space \"3\" Enter"));
    });
    group.finish();
    bench.settle("Esc Esc");
}

/// The 99th percentile of a thousand keys of each kind.
fn percentiles(bench: &mut Bench) {
    let mut out = std::io::stdout();
    for (name, begin, keys) in KEYS {
        bench.settle(begin);
        let mut times: Vec<Duration> = keys
            .split(' ')
            .cycle()
            .take(1000)
            .map(|key| {
                let begun = Instant::now();
                bench.press(key);
                begun.elapsed()
            })
            .collect();
        bench.settle("Esc");
        times.sort();
        let at = |percent: usize| times.get(percent * (times.len() - 1) / 100);
        let _ = writeln!(
            out,
            "{name:16} p50 {:>10.3?}  p99 {:>10.3?}  max {:>10.3?}",
            at(50).unwrap_or(&Duration::ZERO),
            at(99).unwrap_or(&Duration::ZERO),
            at(100).unwrap_or(&Duration::ZERO)
        );
    }
}
