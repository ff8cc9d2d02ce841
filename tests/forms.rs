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
use virtopsy_testkit::{Codec, Elf, Kdump, Load, Memory, Note, Page, flatten, skipped};

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
        ("a copy of /proc/kcore", kcore(&memory, &notes)),
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

/// An ELF file as /proc/kcore is one: the kernel's image and the direct map, and ranges that are
/// virtual only, as long in the file as in the address space: far past any end.
fn kcore(memory: &Memory, notes: &[Note]) -> Vec<u8> {
    let image: Vec<u8> = memory
        .pages
        .values()
        .take_while(|page| matches!(page, Page::Data(_)))
        .take(16)
        .flat_map(|page| match page {
            Page::Data(bytes) => bytes.clone(),
            _ => Vec::new(),
        })
        .collect();
    let first = *memory.pages.keys().next().unwrap() * memory.page_size;
    let virtual_only = Load {
        vaddr: 0xffff_c900_0000_0000,
        mem_size: 32 << 40,
        ..Load::new(u64::MAX, [])
    };
    let image = Load {
        vaddr: 0xffff_ffff_8100_0000,
        ..Load::new(first, image)
    };
    let elf = Elf::of(memory).direct_map(0xffff_8880_0000_0000);
    let elf = elf.before(image).before(virtual_only);
    let mut bytes = notes.iter().cloned().fold(elf, Elf::note).build();
    // p_filesz of the second program header: the first is that of the notes.
    let size = 64 + 56 + 32;
    bytes[size..size + 8].copy_from_slice(&(32_u64 << 40).to_le_bytes());
    bytes
}

#[test]
fn the_verdict_survives_makedumpfile() {
    if Command::new("makedumpfile").arg("-v").output().is_err() {
        skipped("conversions by makedumpfile: it is not installed");
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
            skipped(&format!("{form}: this makedumpfile can't write it"));
            continue;
        }
        let (_, got) = check(&path, &[]);
        assert_eq!(essence(&got), essence(&expected), "{form}");
        println!("{form} by makedumpfile: the same");
    }
}
