//! One dump in every container: the verdict must not depend on it.
//!
//! A sample is taken apart into its pages and notes and written again as ELF, as kdump with each
//! codec, and flattened. Where makedumpfile is installed, its conversions are compared as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "support/apart.rs"]
mod apart;
mod support;

use std::process::Command;

use apart::take_apart;
use support::{check, essence, samples};
use virtopsy_testkit::{Codec, Elf, Kdump, Memory, Note, flatten};

fn kdump(memory: &Memory, notes: &[Note], codec: Option<Codec>) -> Vec<u8> {
    let dump = Kdump::new(memory.clone()).codec(codec);
    notes.iter().cloned().fold(dump, Kdump::note).build().bytes
}

#[test]
fn the_verdict_is_the_same_in_every_form() {
    let sample = samples().join("svm-stuck-cpu2.kdump");
    let (status, expected) = check(&sample, &[]);
    let (memory, notes) = take_apart(&sample);
    let elf = notes
        .iter()
        .cloned()
        .fold(Elf::of(&memory), Elf::note)
        .build();
    let zlib = kdump(&memory, &notes, Some(Codec::Zlib));
    let forms = [
        ("raw kdump", kdump(&memory, &notes, None)),
        ("lzo", kdump(&memory, &notes, Some(Codec::Lzo))),
        ("snappy", kdump(&memory, &notes, Some(Codec::Snappy))),
        ("zstd", kdump(&memory, &notes, Some(Codec::Zstd))),
        (
            "flattened zlib",
            flatten(&zlib, 1 << 20, |records| records.rotate_left(1)),
        ),
        (
            "flattened elf",
            flatten(&elf, 1 << 20, |records| records.reverse()),
        ),
        ("zlib", zlib),
        ("elf", elf),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (form, bytes) in forms {
        let path = dir.path().join("dump");
        std::fs::write(&path, bytes).unwrap();
        let (got_status, got) = check(&path, &[]);
        assert_eq!(got_status, status, "{form}");
        assert_eq!(essence(&got), essence(&expected), "{form}");
        println!(
            "{form}: the same, read as {} {}",
            got["format"], got["compression"]
        );
    }
}

#[test]
fn the_verdict_survives_makedumpfile() {
    if Command::new("makedumpfile").arg("-v").output().is_err() {
        println!("SKIPPED: makedumpfile is not installed");
        return;
    }
    let (_, expected) = check(&samples().join("svm-offline-cpu3.kdump"), &[]);
    let dir = tempfile::tempdir().unwrap();
    for (form, option) in [
        ("elf", "-E"),
        ("zlib", "-c"),
        ("lzo", "-l"),
        ("snappy", "-p"),
        ("zstd", "-z"),
    ] {
        let path = dir.path().join(form);
        let mut convert = Command::new("makedumpfile");
        // -E wants a filter level; 1 leaves out zero pages alone.
        let level = if form == "elf" { "1" } else { "0" };
        let made = convert
            .args([option, "-d", level])
            .arg(samples().join("svm-offline-cpu3.kdump"))
            .arg(&path)
            .output();
        if !made.as_ref().is_ok_and(|o| o.status.success()) {
            println!("SKIPPED {form}: this makedumpfile can't write it");
            continue;
        }
        let (_, got) = check(&path, &[]);
        assert_eq!(essence(&got), essence(&expected), "{form}");
        println!("{form} by makedumpfile: the same");
    }
}
