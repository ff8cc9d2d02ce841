//! One dump through makedumpfile's conversions, page by page: what it still has is the same, and
//! what it has no more is told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use virtopsy_testkit::skipped;
use virtopsy_vmcore::{Dump, Format, OpenOptions, PageState, Pfn};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/svm-offline-cpu3.kdump")
}

fn open(paths: &[PathBuf]) -> Dump {
    Dump::open(paths, &OpenOptions::default()).unwrap()
}

/// Every page of the original against the converted one. Only pages that were left out may be
/// missing, and with `only_zeros` only if they are all zero.
fn compare(original: &Dump, converted: &Dump, only_zeros: bool, what: &str) {
    let (mut same, mut left_out) = (0_u64, 0_u64);
    for pfn in (0..original.max_pfn().0.max(converted.max_pfn().0)).map(Pfn) {
        match (original.page(pfn), converted.page(pfn)) {
            (Ok(one), Ok(other)) => {
                assert!(*one == *other, "{what}: page {pfn}");
                same += 1;
            }
            (Ok(one), Err(e)) => {
                assert_eq!(e.kind(), "excluded", "{what}: page {pfn}: {e}");
                let zero = one.iter().all(|byte| *byte == 0);
                assert!(
                    zero || !only_zeros,
                    "{what}: page {pfn} is lost and not zero"
                );
                left_out += 1;
            }
            // ELF has no page that is described and empty where makedumpfile filled a gap.
            (Err(_), Ok(other)) => {
                assert!(other.iter().all(|byte| *byte == 0), "{what}: page {pfn}");
            }
            (Err(_), Err(_)) => {}
        }
    }
    assert!(same > 1000, "{what}: {same} pages compared");
    println!("{what}: {same} pages the same, {left_out} left out");
    assert_eq!(
        original.vmcoreinfo().map(|info| info.entries().count()),
        converted.vmcoreinfo().map(|info| info.entries().count()),
        "{what}"
    );
    assert_eq!(
        original.prstatus().len(),
        converted.prstatus().len(),
        "{what}"
    );
}

#[test]
fn what_makedumpfile_converts_has_the_same_pages() {
    if Command::new("makedumpfile").arg("-v").output().is_err() {
        skipped("conversions by makedumpfile: it is not installed");
        return;
    }
    let original = open(&[sample()]);
    let folder = tempfile::tempdir().unwrap();
    for (form, options) in [
        ("raw", "-d 0"),
        ("zlib", "-c -d 0"),
        ("lzo", "-l -d 0"),
        ("snappy", "-p -d 0"),
        ("zstd", "-z -d 0"),
        ("zlib without zeros", "-c -d 1"),
        ("elf without zeros", "-E -d 1"),
    ] {
        let path = folder.path().join("converted");
        let made = Command::new("makedumpfile")
            .args(options.split(' '))
            .args([&sample(), &path])
            .output();
        if !made.is_ok_and(|output| output.status.success()) {
            skipped(&format!("{form}: this makedumpfile cannot write it"));
            continue;
        }
        compare(&original, &open(std::slice::from_ref(&path)), true, form);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_makedumpfile_flattens_and_splits_has_the_same_pages() {
    let folder = tempfile::tempdir().unwrap();
    let flat = folder.path().join("flat");
    let made = Command::new("makedumpfile")
        .args(["-c", "-d", "0", "-F"])
        .arg(sample())
        .stdout(File::create(&flat).unwrap())
        .stderr(Stdio::null())
        .status();
    let original = open(&[sample()]);
    match made {
        Ok(status) if status.success() => {
            let converted = open(&[flat]);
            assert_eq!(converted.format(), Format::KdumpFlattened);
            compare(&original, &converted, true, "flattened");
        }
        _ => skipped("flattened: makedumpfile is not installed or cannot"),
    }
    let parts: Vec<PathBuf> = (0..3)
        .map(|i| folder.path().join(format!("part{i}")))
        .collect();
    let made = Command::new("makedumpfile")
        .args(["-c", "-d", "0", "--split"])
        .arg(sample())
        .args(&parts)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        skipped("split: makedumpfile is not installed or cannot");
        return;
    }
    let mut turned = parts.clone();
    turned.rotate_left(1);
    compare(&original, &open(&turned), true, "split");
    // makedumpfile may put all pages into the first part.
    let without = open(&parts[1..]);
    assert!(!without.completeness().complete);
    let lost = (0..without.max_pfn().0)
        .filter(|pfn| without.page_state(Pfn(*pfn)) == PageState::Incomplete)
        .count();
    assert!(lost > 100, "{lost} pages of the missing part");
}
