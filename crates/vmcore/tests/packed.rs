//! Dumps that were packed whole.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virtopsy_testkit::{Codec, Elf, Kdump, Memory, flatten, lime};
use virtopsy_vmcore::{Dump, Error, Format, OpenOptions, Packing, PageState, Pfn, Unpack};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    let blocks = FrameInfo::new().block_size(BlockSize::Max64KB);
    let mut out = FrameEncoder::with_frame_info(blocks, Vec::new());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Packs a file.
type Pack = fn(&[u8]) -> Vec<u8>;

const WAYS: [(Packing, Pack); 4] = [
    (Packing::Gzip, gzip),
    (Packing::Xz, xz),
    (Packing::Zstd, zstd),
    (Packing::Lz4, lz4),
];

fn memory() -> Memory {
    Memory::parse("pages 1..40 random 1; page 40 zero; page 41 excluded; pages 50..200 count 3")
}

fn write(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("vmcore.packed");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn open(path: &Path, folder: &Path) -> Result<Dump, Error> {
    let unpack = Unpack::into_folder(folder.to_owned());
    Dump::open(
        &[path.to_owned()],
        &OpenOptions::default().with_unpack(unpack),
    )
}

fn holds(dump: &Dump, memory: &Memory) {
    for pfn in 0..memory.end() {
        match memory.bytes(pfn) {
            Some(bytes) => assert_eq!(&*dump.page(Pfn(pfn)).unwrap(), bytes, "{pfn}"),
            None => assert_ne!(dump.page_state(Pfn(pfn)), PageState::Data, "{pfn}"),
        }
    }
}

#[test]
fn every_format_is_read_through_every_packing() {
    let memory = memory();
    let kdump = Kdump::new(memory.clone()).codec(Codec::Lzo).build().bytes;
    let elf = Elf::of(&memory).build();
    let files = [
        (
            flatten(&kdump, 5000, |records| records.reverse()),
            Format::KdumpFlattened,
        ),
        (kdump, Format::Kdump),
        (elf, Format::Elf),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (packing, pack) in WAYS {
        for (file, format) in &files {
            let path = write(folder.path(), &pack(file));
            let dump = open(&path, folder.path()).unwrap();
            assert_eq!((dump.format(), dump.packing()), (*format, Some(packing)));
            assert!(dump.completeness().complete, "{packing} {format}");
            holds(&dump, &memory);
        }
    }
}

#[test]
fn several_members_and_frames_are_one_file() {
    let memory = memory();
    let elf = Elf::of(&memory).build();
    let (a, b) = elf.split_at(elf.len() / 3);
    let folder = tempfile::tempdir().unwrap();
    for (packing, pack) in WAYS {
        let mut file = pack(a);
        if packing == Packing::Zstd {
            // A skippable frame between them, as pzstd and seekable zstd write.
            file.extend([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]);
        }
        file.extend(pack(b));
        let dump = open(&write(folder.path(), &file), folder.path()).unwrap();
        assert!(dump.completeness().complete, "{packing}");
        holds(&dump, &memory);
    }
}

#[test]
fn a_cut_or_damaged_stream_gives_what_comes_before_and_says_so() {
    let memory = memory();
    let elf = Elf::of(&memory).build();
    let folder = tempfile::tempdir().unwrap();
    for (packing, pack) in WAYS {
        let whole = pack(&elf);
        let cut = whole[..whole.len() * 2 / 3].to_vec();
        let mut flipped = whole.clone();
        let at = whole.len() * 2 / 3;
        flipped[at..at + 64]
            .iter_mut()
            .for_each(|byte| *byte ^= 0x5a);
        for (what, file) in [("cut", cut), ("flipped", flipped)] {
            let dump = open(&write(folder.path(), &file), folder.path()).unwrap();
            let page = dump.page(Pfn(1)).unwrap();
            assert_eq!(&*page, memory.bytes(1).unwrap(), "{packing} {what}");
            let completeness = dump.completeness();
            // zstd and lz4 need not have checksums.
            if what == "cut" || matches!(packing, Packing::Gzip | Packing::Xz) {
                assert!(!completeness.complete, "{packing} {what}");
                let first = &completeness.reasons[0];
                assert!(first.contains("cut or damaged"), "{packing} {first}");
            }
            if what == "cut" {
                assert_eq!(dump.page_state(Pfn(199)), PageState::Incomplete);
            }
        }
    }
}

#[test]
fn what_is_no_dump_is_refused_before_it_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    // Unpacked, the first would be over the limit.
    let unpack = Unpack::into_folder(folder.path().to_owned()).with_limit(1 << 20);
    for (file, kind) in [
        (gzip(&vec![7; 64 << 20]), "not-a-dump"),
        (gzip(b"PK\x03\x04"), "unsupported-format"),
        (gzip(&gzip(b"KDUMP   ")), "unsupported-format"),
        (gzip(b""), "not-a-dump"),
    ] {
        let path = write(folder.path(), &file);
        let options = OpenOptions::default().with_unpack(unpack.clone());
        let error = Dump::open(&[path], &options).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn without_leave_a_packed_file_is_named_with_the_command_that_unpacks_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &gzip(&Elf::of(&memory()).build()));
    let error = Dump::open(&[path], &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("gzip -dc"), "{error}");
}

#[test]
fn a_limit_a_missing_folder_and_a_cancel_end_in_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &gzip(&Elf::of(&memory()).build()));
    let into = |folder: &Path| Unpack::into_folder(folder.to_owned());
    let cancel = into(folder.path()).with_progress(Arc::new(|_, _| ControlFlow::Break(())));
    for (unpack, what) in [
        (into(folder.path()).with_limit(100_000), "more than 100000"),
        (into(folder.path()).with_reserve(u64::MAX), "are to stay so"),
        (into(&folder.path().join("none")), "No such file"),
        (cancel, "cancelled"),
    ] {
        let options = OpenOptions::default().with_unpack(unpack);
        let error = Dump::open(std::slice::from_ref(&path), &options).unwrap_err();
        assert_eq!(error.kind(), "unpack");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn nothing_is_left_behind_and_zeros_take_no_room() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let image = lime(&[(0, &vec![0; 32 << 20]), (1 << 30, &[5; 4096])]);
    let path = write(folder.path(), &gzip(&image));
    let dump = open(&path, folder.path()).unwrap();
    assert_eq!(&*dump.page(Pfn(1 << 18)).unwrap(), [5; 4096]);
    let open_files = std::fs::read_dir("/proc/self/fd").unwrap();
    let lengths = open_files.filter_map(|fd| std::fs::metadata(fd.unwrap().path()).ok());
    let unpacked = lengths
        .into_iter()
        .find(|file| file.len() == image.len() as u64)
        .unwrap();
    assert!(unpacked.blocks() * 512 < 1 << 20, "{}", unpacked.blocks());
    drop(dump);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the packed file itself");
}

#[test]
fn a_raw_image_and_the_parts_of_a_split_dump_may_be_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &xz(&[9; 0x3000]));
    let named = PathBuf::from(format!("{}@0x2000", path.display()));
    let dump = open(&named, folder.path()).unwrap();
    assert_eq!(
        (dump.format(), dump.packing()),
        (Format::Raw, Some(Packing::Xz))
    );
    assert_eq!(&*dump.page(Pfn(4)).unwrap(), [9; 4096]);
    let memory = memory();
    let part = |name: &str, window| {
        let bytes = Kdump::new(memory.clone()).split(window).build().bytes;
        let path = folder.path().join(name);
        std::fs::write(&path, zstd(&bytes)).unwrap();
        path
    };
    let parts = [part("b", 20..200), part("a", 0..20)];
    let unpack = Unpack::into_folder(folder.path().to_owned());
    let dump = Dump::open(&parts, &OpenOptions::default().with_unpack(unpack)).unwrap();
    assert!(dump.completeness().complete);
    holds(&dump, &memory);
}
