//! Opens a dump, reads one page, and says what that took.
//!
//! ```text
//! cargo run --release -p virtopsy-vmcore --example page -- [--no-mmap] PFN DUMP...
//! ```
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::Instant;

use virtopsy_vmcore::{Dump, OpenOptions, Pfn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = arguments.len();
    arguments.retain(|argument| argument != "--no-mmap");
    let options = OpenOptions::default().with_mmap(arguments.len() == named);
    let (pfn, paths) = arguments.split_first().ok_or("usage: page PFN DUMP...")?;
    let pfn = Pfn(u64::from_str_radix(pfn.trim_start_matches("0x"), 16)?);
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let start = Instant::now();
    let dump = Dump::open(&paths, &options)?;
    let opened = start.elapsed();
    let page = dump.page(pfn);
    let read = start.elapsed();
    match page {
        Ok(page) => println!("page {pfn}: {:02x?}…", page.get(..16).unwrap_or(&page)),
        Err(error) => println!("{error}"),
    }
    println!("{}, pages to {}", dump.format(), dump.max_pfn());
    println!("opened in {opened:.2?}, page after {read:.2?}, {}", peak());
    Ok(())
}

/// The most memory the process had, in the system's words.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.unwrap_or("peak memory unknown").to_owned()
}
