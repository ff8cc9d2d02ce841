//! Takes away, one by one, the pages that a verdict stands on: a CPU's state may become unknown,
//! and never the opposite.
//!
//! A sample is written again with plain pages, so that one page at a time can be marked as lost,
//! or filled with zeros, in place. Pages of the symbol and type tables are many and alike; every
//! `STRIDE`th of them is taken, all others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../../../tests/support/apart.rs"]
mod apart;
#[path = "../../../tests/support/pages.rs"]
mod pages;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use apart::take_apart;
use pages::Pages;
use tracing_subscriber::layer::SubscriberExt;
use virtopsy::report::CpuState;
use virtopsy::{DumpSpec, Options, examine};
use virtopsy_testkit::Kdump;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name)
}

fn states(path: &Path) -> Vec<(u32, CpuState)> {
    // By position, not mapped: the file changes between runs.
    let mut options = Options::default();
    options.dump.mmap = false;
    options.kernel.system_root = None;
    let report = examine(
        &DumpSpec {
            paths: vec![path.to_path_buf()],
        },
        &options,
    );
    report
        .virtualization
        .cpus
        .iter()
        .map(|c| (c.cpu, c.state))
        .collect()
}

/// Runs `damage` on every page that the verdict on `name` reads, and compares.
fn take_away_each_page(name: &str, stride: usize) {
    let (memory, notes) = take_apart(&sample(name));
    let built = notes
        .into_iter()
        .fold(Kdump::new(memory).codec(None), Kdump::note)
        .build();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dump");
    std::fs::write(&path, &built.bytes).unwrap();
    let pages = Pages::default();
    let subscriber = tracing_subscriber::registry().with(pages.clone());
    let expected = tracing::subscriber::with_default(subscriber, || states(&path));
    let read: Vec<u64> = pages.0.lock().unwrap().iter().copied().collect();
    assert!(read.len() > 100 && expected.iter().any(|(_, s)| *s != CpuState::Unknown));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let mut flips = Vec::new();
    let mut softened = 0;
    for pfn in pages_to_take(&read, stride) {
        let Some(place) = built.places.get(&pfn) else {
            continue;
        }; // excluded already
        let descriptor = built.bytes[place.descriptor..place.descriptor + 24].to_vec();
        let data = built.bytes[place.data..place.data + place.size].to_vec();
        for (how, at, blank) in [
            ("lost", place.descriptor, vec![0; 24]),
            ("zeroed", place.data, vec![0; data.len()]),
        ] {
            file.write_all_at(&blank, at as u64).unwrap();
            let got = states(&path);
            file.write_all_at(if how == "lost" { &descriptor } else { &data }, at as u64)
                .unwrap();
            softened += usize::from(got != expected);
            for (cpu, state) in &got {
                let was = expected.iter().find(|(n, _)| n == cpu).map(|(_, s)| *s);
                if *state != CpuState::Unknown
                    && was.is_some_and(|w| w != CpuState::Unknown && w != *state)
                {
                    flips.push(format!(
                        "pfn {pfn:#x} {how}: CPU {cpu} {was:?} -> {state:?}"
                    ));
                }
            }
        }
    }
    println!(
        "{name}: {} pages read, {softened} damages changed the answer",
        read.len()
    );
    assert!(flips.is_empty(), "{name}:\n{}", flips.join("\n"));
    assert!(softened > 0, "no page matters?");
}

/// All pages, but only every `stride`th of long runs: those are the symbol and type tables.
fn pages_to_take(read: &[u64], stride: usize) -> Vec<u64> {
    let in_run = |i: usize| i >= 8 && read.get(i + 8).is_some_and(|last| last - read[i - 8] == 16);
    (0..read.len())
        .filter(|i| !in_run(*i) || i % stride == 0)
        .map(|i| read[i])
        .collect()
}

// One test, as the pages are noted through a subscriber of `tracing`, whose caches are shared by
// all threads.
#[test]
fn no_single_page_turns_a_verdict_around() {
    take_away_each_page("svm-stuck-cpu2.kdump", 40);
    take_away_each_page("svm-offline-cpu3.kdump", 40);
}
