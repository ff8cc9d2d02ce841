//! Every seed, and every input that the fuzzers kept, read once: without a fuzzer, in a normal test
//! run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "fuzz/seeds.rs"]
#[allow(unreachable_pub, missing_docs)]
mod seeds;
mod support;
#[path = "fuzz/targets/mod.rs"]
#[allow(unreachable_pub, missing_docs)]
mod targets;

use std::time::{Duration, Instant};

use support::root;

/// Far above what any input takes, and far below a hang.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn every_input_of_the_corpora_is_read_or_refused_in_time() {
    let seeds = seeds::all();
    for (name, target) in targets::TARGETS {
        let mut inputs: Vec<(String, Vec<u8>)> = seeds
            .iter()
            .filter(|(of, _, _)| of == name)
            .map(|(_, seed, bytes)| (seed.clone(), bytes.clone()))
            .collect();
        assert!(!inputs.is_empty(), "{name} has no seed");
        if let Ok(kept) = std::fs::read_dir(root().join("tests/fuzz/corpus").join(name)) {
            let kept = kept.map(|entry| entry.unwrap().path());
            inputs.extend(kept.map(|p| (p.display().to_string(), std::fs::read(&p).unwrap())));
        }
        for (input, bytes) in inputs {
            let started = Instant::now();
            target(&bytes);
            assert!(started.elapsed() < LONGEST, "{name}: {input}");
        }
    }
}
