//! Dumps of large machines, and files that change while they are read.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::indexing_slicing)]

use std::fs::{File, OpenOptions as FileOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use virtopsy_testkit::{Codec, Elf, Flattened, Kdump, Load, Memory};
use virtopsy_vmcore::{Dump, Format, OpenOptions, PageState, Pfn, PhysAddr};

/// Writes a file with holes where its bytes are zero.
fn write_sparse(path: &Path, bytes: &[u8]) {
    let file = File::create(path).unwrap();
    for (i, block) in bytes.chunks(4096).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, i as u64 * 4096).unwrap();
        }
    }
    file.set_len(bytes.len() as u64).unwrap();
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_sparse_dump_of_1_tib_answers_its_last_page_quickly_and_in_little_memory() {
    let memory = Memory::parse(
        "page 0x1 data 11; pages 0x8000000..0x8000100 count 1; page 0xfffffff random 9",
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let file = Kdump::new(memory.clone()).codec(Codec::Lzo).build();
    write_sparse(&path, &file.bytes);
    drop(file);
    for mmap in [true, false] {
        let options = OpenOptions::default().with_mmap(mmap);
        let before = resident();
        let start = Instant::now();
        let dump = Dump::open(std::slice::from_ref(&path), &options).unwrap();
        let page = dump.page(Pfn(0x0fff_ffff)).unwrap();
        let took = start.elapsed();
        let grown = resident().saturating_sub(before);
        eprintln!("mmap {mmap}: {took:?}, {grown} KiB");
        assert_eq!(&*page, memory.bytes(0x0fff_ffff).unwrap());
        assert!(grown < 16 << 10, "{grown} KiB");
        // A debug build on a busy machine; a release build takes a tenth.
        assert!(took < Duration::from_secs(2), "{took:?}");
        let start = Instant::now();
        for pfn in [0x0800_0080, 0x1, 0x0800_00ff] {
            assert_eq!(&*dump.page(Pfn(pfn)).unwrap(), memory.bytes(pfn).unwrap());
        }
        assert!(start.elapsed() < took, "the counts are kept");
        assert_eq!(dump.page_state(Pfn(0x0fff_fffe)), PageState::Hole);
    }
}

#[test]
fn a_small_file_that_claims_millions_of_segments_takes_little_memory() {
    let memory = Memory::parse("page 1 data 41");
    let mut elf = Elf::of(&memory).extended_numbering().build();
    // e_shoff, then sh_info of the first section header.
    let section = u64::from_le_bytes(elf[40..48].try_into().unwrap()) as usize;
    elf[section + 44..section + 48].copy_from_slice(&4_000_000_u32.to_le_bytes());
    let far = 1 << 40;
    let flat = Flattened::new()
        .record(0, elf.len() as i64, &elf)
        .record(far, 1, b"x");
    let before = resident();
    let dump = Dump::from_bytes(flat.end()).unwrap();
    assert_eq!(&*dump.page(Pfn(1)).unwrap(), memory.bytes(1).unwrap());
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB");
}

#[test]
fn a_file_truncated_while_it_is_open_ends_in_errors() {
    let memory = Memory::parse("pages 0..600 random 1");
    let elf = Elf::of(&memory).build();
    let kdump = Kdump::new(memory.clone()).codec(Codec::Zlib).build().bytes;
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("elf", elf), ("kdump", kdump)] {
        for mmap in [true, false] {
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            let options = OpenOptions::default().with_mmap(mmap).with_cache_pages(8);
            let dump = Dump::open(std::slice::from_ref(&path), &options).unwrap();
            assert!(dump.page(Pfn(599)).is_ok());
            let half = bytes.len() as u64 / 2;
            FileOptions::new()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(half)
                .unwrap();
            assert!(dump.page(Pfn(3)).is_ok(), "{name} {mmap}");
            for pfn in 400..598 {
                let error = dump.page(Pfn(pfn)).unwrap_err();
                assert_eq!(error.kind(), "incomplete", "{name} {mmap} {error}");
            }
        }
    }
}

#[test]
fn raw_images_are_opened_at_the_address_in_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let low = folder.path().join("low");
    let high = folder.path().join("high");
    std::fs::write(&low, [1; 0x2000]).unwrap();
    std::fs::write(&high, [2; 0x1000]).unwrap();
    let at = |path: &Path, address: &str| PathBuf::from(format!("{}@{address}", path.display()));
    let paths = [at(&high, "0x100000000"), at(&low, "1000")];
    let dump = Dump::open(&paths, &OpenOptions::default()).unwrap();
    assert_eq!(dump.format(), Format::Raw);
    assert_eq!(dump.page(Pfn(2)).unwrap()[0], 1);
    assert_eq!(dump.page_state(Pfn(0)), PageState::Hole);
    assert_eq!(dump.page(Pfn(0x10_0000)).unwrap()[5], 2);
    let error = Dump::open(&[low], &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("FILE@ADDRESS"), "{error}");
}

#[test]
fn what_is_no_regular_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for path in [folder.path().to_owned(), missing] {
        let error = Dump::open(&[path], &OpenOptions::default()).unwrap_err();
        assert_eq!(error.kind(), "io", "{error}");
    }
}

#[test]
fn many_threads_read_one_dump() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<Dump>();
    let memory = Memory::parse("pages 0..2000 count 1");
    let file = Kdump::new(memory.clone()).codec(Codec::Zstd).build();
    let dump = Dump::from_bytes(file.bytes).unwrap();
    std::thread::scope(|scope| {
        for step in [1, 7, 13, 1999] {
            let (dump, memory) = (&dump, &memory);
            scope.spawn(move || {
                for i in 0..4000 {
                    let pfn = i * step % 2000;
                    let mut bytes = [0; 16];
                    dump.read_at(PhysAddr(pfn * 4096 + 40), &mut bytes).unwrap();
                    assert_eq!(bytes, memory.bytes(pfn).unwrap()[40..56]);
                }
            });
        }
    });
}

#[test]
fn an_elf_dump_with_memory_far_apart_is_counted_without_walking_the_gap() {
    let loads = vec![Load::new(0, [1; 8192]), Load::new(1 << 46, [2; 4096])];
    let dump = Dump::from_bytes(Elf::new(loads).build()).unwrap();
    let counts = dump.count_pages(&std::sync::atomic::AtomicBool::new(false));
    assert_eq!((counts.data, counts.hole), (3, (1 << 34) - 2));
}
