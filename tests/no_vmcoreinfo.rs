//! The corpus dumps with their VMCOREINFO note taken out: everything that is said of them must stay.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod support;

use std::fs::OpenOptions as FileOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use support::{check, corpus, essence};
use virtopsy_vmcore::{Dump, Format, OpenOptions};

/// Copies a dump without its VMCOREINFO note. `false`: it has none, or lies in a flattened file.
fn blank(from: &Path, to: &Path) -> bool {
    let dump = Dump::open(&[from.to_path_buf()], &OpenOptions::default()).unwrap();
    if dump.vmcoreinfo().is_none() || !matches!(dump.format(), Format::Kdump | Format::Elf) {
        return false;
    }
    std::fs::copy(from, to).unwrap();
    let file = FileOptions::new().write(true).open(to).unwrap();
    for note in dump.notes().iter().filter(|note| note.name == "VMCOREINFO") {
        let content = note.offset.unwrap().0;
        file.write_all_at(&vec![0; note.size as usize], content)
            .unwrap();
        file.write_all_at(b"FORGOTTEN!", content - 12).unwrap();
    }
    if let Some(header) = dump.kdump_header() {
        // offset_vmcoreinfo and size_vmcoreinfo of the sub-header.
        file.write_all_at(&[0; 16], header.block_size + 32).unwrap();
    }
    true
}

#[test]
fn every_answer_stays_without_the_note() {
    let Some(corpus) = corpus("dumps without their VMCOREINFO note") else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut dumps: Vec<_> = std::fs::read_dir(corpus.join("dumps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    dumps.sort();
    for dump in dumps
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e != "json"))
    {
        let copy = scratch.path().join("dump");
        if !blank(dump, &copy) {
            println!(
                "SKIPPED {}: no note to take out of the file",
                dump.display()
            );
            continue;
        }
        let ((status, with), (same, without)) = (check(dump, &[]), check(&copy, &[]));
        assert_eq!(status, same, "{}", dump.display());
        assert_eq!(essence(&with), essence(&without), "{}", dump.display());
        let notes = without["notes"].to_string();
        assert!(
            notes.contains("no VMCOREINFO note"),
            "{}: {notes}",
            dump.display()
        );
    }
}
