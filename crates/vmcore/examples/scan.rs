//! Decodes every page of a dump on all processors, and says how fast.
//!
//! ```text
//! cargo run --release -p virtopsy-vmcore --example scan -- [--no-mmap] DUMP...
//! RAYON_NUM_THREADS=1 …                                    # on one
//! ```
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use virtopsy_vmcore::{Dump, OpenOptions, Pfn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = arguments.len();
    arguments.retain(|argument| argument != "--no-mmap");
    let options = OpenOptions::default().with_mmap(arguments.len() == named);
    let paths: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let dump = Dump::open(&paths, &options)?;
    let never = AtomicBool::new(false);

    let start = Instant::now();
    let counts = dump.count_pages(&never);
    println!("counted in {:.1?}: {counts:?}", start.elapsed());

    let start = Instant::now();
    let scanned = dump.scan(Pfn(0)..dump.max_pfn(), &never, |_, _| {});
    let took = start.elapsed();
    println!("decoded in {took:.1?}: {scanned:?}");
    let pages = scanned.data.saturating_add(scanned.zero);
    println!(
        "{pages} pages, {}",
        rate(pages.saturating_mul(dump.page_size()), took)
    );

    let start = Instant::now();
    for found in dump.find_vmcoreinfo(&never) {
        println!("VMCOREINFO at {}: {:?}", found.at, found.info.os_release());
    }
    println!("searched in {:.1?}", start.elapsed());

    let start = Instant::now();
    let mut read = 0_u64;
    for pfn in (0..dump.max_pfn().0).rev().map(Pfn) {
        read = read.saturating_add(dump.page(pfn).is_ok().into());
    }
    println!(
        "one by one, backwards, {read} pages in {:.1?}",
        start.elapsed()
    );
    Ok(())
}

fn rate(bytes: u64, took: Duration) -> String {
    format!("{:.0} MB/s", bytes as f64 / 1e6 / took.as_secs_f64())
}
