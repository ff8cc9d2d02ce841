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
use std::process::Command;

use serde_json::Value;
use support::{check, essence, root};
use virtopsy_testkit::{corpus, skipped};
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
    let blanked = scratch.path().join("dumps");
    std::fs::create_dir(&blanked).unwrap();
    let mut dumps: Vec<_> = std::fs::read_dir(corpus.join("dumps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    dumps.sort();
    for dump in dumps
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e != "json"))
    {
        let copy = blanked.join(dump.file_name().unwrap());
        if !blank(dump, &copy) {
            skipped(&format!(
                "{}: no note to take out of the file",
                dump.display()
            ));
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
    grade(&corpus, scratch.path());
}

/// Holds what is said of the blanked dumps against their truth, by the tool that grades the corpus.
fn grade(corpus: &Path, scratch: &Path) {
    let shared = root().join("../shared");
    let (tool, truth) = (
        shared.join("bin/truth"),
        shared.join("corpus/dumps/truth.json"),
    );
    let Ok(text) = std::fs::read(&truth) else {
        skipped(&format!("the grading: no {}", truth.display()));
        return;
    };
    let all: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let blanked = |entry: &&Value| {
        let file = entry["file"].as_str().unwrap();
        scratch.join("dumps").join(file).exists()
    };
    let blanked: Vec<&Value> = all.iter().filter(blanked).collect();
    assert!(!blanked.is_empty());
    let list = scratch.join("truth.json");
    std::fs::write(&list, serde_json::to_vec(&blanked).unwrap()).unwrap();
    std::os::unix::fs::symlink(corpus.join("kernels"), scratch.join("kernels")).unwrap();
    for how in [&[][..], &["--no-vmlinux"]] {
        let graded = Command::new(&tool)
            .args(["--bin", env!("CARGO_BIN_EXE_virtopsy")])
            .arg("--corpus")
            .arg(scratch)
            .arg("--truth")
            .arg(&list)
            .args(how)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&graded.stdout);
        assert!(graded.status.success(), "{how:?}: {said}");
        println!("{} {how:?}: {said}", blanked.len());
    }
}
