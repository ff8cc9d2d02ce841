//! An extract holds the bytes that were read, and no other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Cursor;

use virtopsy_testkit::{Codec as Made, Kdump, Memory, Note, Page};
use virtopsy_vmcore::{
    Dump, ExtractHead, HeldBytes, OpenOptions, PageError, PagePacking, PhysAddr,
};

const SECRET: &[u8] = b"a secret beside it";

/// A dump of three pages, one hole and one page that was left out. The second page has a word at
/// 0x1100 and a secret at 0x1108.
fn dump(dir: &std::path::Path) -> Dump {
    let mut page = vec![0x55; 4096];
    page[0x100..0x108].copy_from_slice(&0x1122_3344_5566_7788_u64.to_le_bytes());
    page[0x108..0x108 + SECRET.len()].copy_from_slice(SECRET);
    let mut memory = Memory::new(4096);
    memory.pages.insert(0, Page::Data(vec![0x11; 4096]));
    memory.pages.insert(1, Page::Data(page));
    memory.pages.insert(2, Page::Data(vec![0x22; 4096]));
    memory.pages.insert(3, Page::Excluded);
    let file = Kdump::new(memory)
        .codec(Made::Zlib)
        .max_pfn(6)
        .note(Note::new("CORE", 99, b"kept".to_vec()))
        .vmcoreinfo("OSRELEASE=6.1.0-made\nPAGESIZE=4096\n")
        .build();
    let path = dir.join("vmcore");
    std::fs::write(&path, file.bytes).unwrap();
    Dump::open(&[path], &OpenOptions::default().with_record(true)).unwrap()
}

fn written(dump: &Dump, held: &HeldBytes, packing: PagePacking) -> Vec<u8> {
    let mut head = ExtractHead::default();
    head.vmcoreinfo = "OSRELEASE=6.1.0-made\nPAGESIZE=4096\n".to_owned();
    head.about = b"{}".to_vec();
    head.packing = packing;
    let mut out = Cursor::new(Vec::new());
    dump.write_extract(held, &head, &mut out).unwrap();
    out.into_inner()
}

#[test]
fn what_was_read_is_there_and_all_else_is_excluded() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dump(dir.path());
    let mut word = [0; 8];
    dump.read_at(PhysAddr(0x1100), &mut word).unwrap();
    assert!(dump.read_at(PhysAddr(0x3000), &mut word).is_err());
    let held = dump.recorded();
    for packing in [PagePacking::Zlib, PagePacking::Zstd, PagePacking::None] {
        let bytes = written(&dump, &held, packing);
        let secret = bytes.windows(SECRET.len()).any(|window| window == SECRET);
        assert!(!secret, "{packing:?}");
        let small = Dump::from_bytes(bytes).unwrap();
        small.read_at(PhysAddr(0x1100), &mut word).unwrap();
        assert_eq!(u64::from_le_bytes(word), 0x1122_3344_5566_7788);
        let excluded = |at: u64, first: u64| {
            let error = small.read_at(PhysAddr(at), &mut [0; 16]).unwrap_err();
            let want = PageError::Excluded {
                at: PhysAddr(first),
            };
            assert_eq!(error, want, "{at:#x}");
        };
        excluded(0x1100, 0x1108);
        excluded(0x10f8, 0x10f8);
        excluded(0x0, 0x0);
        excluded(0x3000, 0x3000);
        let hole = small.read_at(PhysAddr(0x5000), &mut word).unwrap_err();
        assert_eq!(hole.kind(), "hole");
        let mut page = vec![0xff; 4096];
        assert!(small.read_at(PhysAddr(0x1000), &mut page).is_err());
        assert_eq!(
            small.notes().iter().filter(|n| n.desc == b"kept").count(),
            1
        );
        assert_eq!(small.extract_note(), Some(&b"{}"[..]));
        assert!(small.completeness().complete);
    }
}

#[test]
fn an_extract_whose_list_is_lost_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dump(dir.path());
    dump.read_at(PhysAddr(0x1100), &mut [0; 8]).unwrap();
    let bytes = written(&dump, &dump.recorded(), PagePacking::None);
    let list = bytes
        .windows(4)
        .rposition(|window| window == [1, 0, 0, 0])
        .unwrap();
    let mut other = bytes.clone();
    other[list] = 9;
    let error = Dump::from_bytes(other).unwrap_err().to_string();
    assert!(error.contains("form 9"), "{error}");
    let owners: Vec<usize> = bytes
        .windows(8)
        .enumerate()
        .filter(|(_, window)| *window == b"VIRTOPSY")
        .map(|(at, _)| at)
        .collect();
    // The second note's type: what is left says that this is an extract, not of what.
    let mut other = bytes;
    other[owners[1] - 4] = 7;
    assert!(Dump::from_bytes(other).is_err());
}

#[test]
fn a_page_that_the_dump_lost_is_lost_in_the_extract() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vmcore");
    let mut memory = Memory::new(4096);
    for pfn in 0..4 {
        memory
            .pages
            .insert(pfn, Page::Data(vec![pfn as u8 + 1; 4096]));
    }
    let file = Kdump::new(memory).vmcoreinfo("OSRELEASE=6.1.0\n").build();
    std::fs::write(&path, &file.bytes[..file.places[&3].data]).unwrap();
    let dump = Dump::open(&[path], &OpenOptions::default().with_record(true)).unwrap();
    let mut word = [0; 8];
    dump.read_at(PhysAddr(0x0), &mut word).unwrap();
    assert_eq!(
        dump.read_at(PhysAddr(0x3000), &mut word)
            .unwrap_err()
            .kind(),
        "incomplete"
    );
    let small = Dump::from_bytes(written(&dump, &dump.recorded(), PagePacking::None)).unwrap();
    small.read_at(PhysAddr(0x0), &mut word).unwrap();
    assert_eq!(
        small
            .read_at(PhysAddr(0x3000), &mut word)
            .unwrap_err()
            .kind(),
        "incomplete"
    );
    assert_eq!(
        small
            .read_at(PhysAddr(0x1000), &mut word)
            .unwrap_err()
            .kind(),
        "excluded"
    );
}
