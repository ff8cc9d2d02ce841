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

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::time::{Duration, Instant};

use support::root;

/// Far above what any input takes, and far below a hang.
const LONGEST: Duration = Duration::from_secs(20);

/// What the fuzzer kept of a target's inputs, by name.
fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let path = root().join(format!("tests/fuzz/corpus/{target}.tar.zst"));
    let packed = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let unpacked = ruzstd::decoding::StreamingDecoder::new(BufReader::new(packed)).unwrap();
    let mut archive = tar::Archive::new(unpacked);
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

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
        inputs.extend(kept(name));
        for (input, bytes) in inputs {
            let started = Instant::now();
            target(&bytes);
            assert!(started.elapsed() < LONGEST, "{name}: {input}");
        }
    }
}
