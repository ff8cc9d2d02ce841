//! Damaged files: every operation ends, none panics, and none asks for memory by the file's word.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use virtopsy_testkit::{Codec, Elf, Kdump, Memory, Note, avml, flatten, lime};
use virtopsy_vmcore::{Dump, Pfn, PhysAddr};

const INFO: &str = "OSRELEASE=7.2.0-test\nPAGESIZE=4096\nSYMBOL(prb)=ffffffff82e4d3a0\n";

/// Small files of every format.
fn files() -> Vec<Vec<u8>> {
    let memory = Memory::parse(
        "pages 1..6 count 1; page 6 zero; page 7 excluded; page 8 incomplete; page 9 random 1; \
         page 10 zero; page 0x120 data 41",
    );
    let mut whole = memory.clone();
    whole.pages.remove(&8);
    let kdump = |codec: Option<Codec>| {
        let kdump = Kdump::new(memory.clone()).codec(codec).vmcoreinfo(INFO);
        kdump.note(Note::prstatus(1, &[1])).erase_info("erase x")
    };
    let elf = Elf::of(&whole)
        .note(Note::vmcoreinfo(INFO))
        .note(Note::prstatus(1, &[1]));
    let mut files: Vec<Vec<u8>> = std::iter::once(None)
        .chain(Codec::ALL.map(Some))
        .map(|codec| kdump(codec).build().bytes)
        .collect();
    files.push(kdump(Some(Codec::Zlib)).split(0..0x100).build().bytes);
    files.push(kdump(None).version(1).one_bitmap().build().bytes);
    files.push(elf.clone().build());
    files.push(elf.clone().class(32).align(1).build());
    files.push(elf.clone().extended_numbering().build());
    files.push(flatten(&files[1], 3000, |records| records.reverse()));
    files.push(flatten(&elf.build(), 5000, |_| {}));
    files.push(avml(&[(0x1000, &[1; 0x3000]), (0x9000, &[2; 0x1000])]));
    files.push(lime(&[(0x1000, &[1; 0x3000]), (0x9000, &[2; 0x1000])]));
    files
}

/// Asks an open dump everything.
fn use_up(bytes: Vec<u8>) {
    let Ok(dump) = Dump::from_bytes(bytes) else {
        return;
    };
    let never = AtomicBool::new(false);
    let max = dump.max_pfn();
    // A header may claim any number of pages; asking for them all is the caller's choice.
    if max.0 < 1 << 24 {
        let _ = dump.completeness();
        let counts = dump.count_pages(&never);
        assert_eq!(counts.total(), max.0);
        let scanned = dump.scan(Pfn(0)..max, &never, |_, _| {});
        assert_eq!(scanned.total(), max.0);
        let _ = dump.find_vmcoreinfo(&never);
    }
    for pfn in (0..20).chain([0x11f, 0x120, 0x121]) {
        let page = dump.page(Pfn(pfn));
        let state = dump.page_state(Pfn(pfn));
        if let Ok(page) = &page {
            assert_eq!(page.len() as u64, dump.page_size());
            assert_eq!(state, virtopsy_vmcore::PageState::Data);
        }
    }
    for at in [0, 0xfff, 0x1ffc, 1 << 52, u64::MAX - 3, u64::MAX] {
        let read = dump.read_at(PhysAddr(at), &mut [0; 64]);
        if let Err(error) = read {
            assert!(error.at() >= PhysAddr(at), "{error}");
        }
    }
    let _ = dump.prstatus();
    let _ = dump.qemu_cpus();
    let _ = dump.physical_ranges();
    let _ = dump.erase_info();
    dump.vmcoreinfo().map(|info| info.entries().count());
}

#[derive(Clone, Debug)]
enum Damage {
    Byte(usize, u8),
    Number(usize, u64),
    Half(usize, u32),
    Cut(usize),
    Copy(usize, usize, usize),
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0_u32..64).prop_map(|shift| 1_u64 << shift),
        (0_u32..64).prop_map(|shift| (1_u64 << shift).wrapping_sub(1)),
        0_u64..20_000,
        (0_u64..5000).prop_map(|n| u64::MAX - n),
    ]
}

/// Places early in the file are headers, and more worth hitting.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![
        0_usize..70,
        400_usize..480,
        4096_usize..4260,
        0_usize..60_000
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (place(), number()).prop_map(|(at, number)| Damage::Number(at, number)),
        (place(), number()).prop_map(|(at, number)| Damage::Half(at, number as u32)),
        place().prop_map(Damage::Cut),
        (place(), place(), 1_usize..200).prop_map(|(a, b, len)| Damage::Copy(a, b, len)),
    ]
}

fn write(file: &mut [u8], at: usize, bytes: &[u8]) {
    let at = at % file.len().max(1);
    let len = bytes.len().min(file.len() - at);
    file[at..at + len].copy_from_slice(&bytes[..len]);
}

fn apply(file: &mut Vec<u8>, damage: &Damage) {
    if file.is_empty() {
        return;
    }
    match *damage {
        Damage::Byte(at, byte) => write(file, at, &[byte]),
        Damage::Number(at, number) => write(file, at, &number.to_le_bytes()),
        Damage::Half(at, number) => write(file, at, &number.to_le_bytes()),
        Damage::Cut(at) => file.truncate(at),
        Damage::Copy(from, to, len) => {
            let from = from % file.len();
            let bytes = file[from..(from + len).min(file.len())].to_vec();
            write(file, to, &bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_never_panics(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..5),
    ) {
        thread_local! {
            static FILES: Vec<Vec<u8>> = files();
        }
        let mut file = FILES.with(|files| which.get(files).clone());
        damages.iter().for_each(|damage| apply(&mut file, damage));
        use_up(file);
    }
}

#[test]
fn undamaged_files_answer_everything() {
    files().into_iter().for_each(use_up);
}

#[test]
fn every_byte_of_the_headers_can_be_flipped() {
    for file in files() {
        for at in (0..70).chain(424..464).chain(4096..4200) {
            for flip in [0x01, 0x80, 0xff] {
                let mut copy = file.clone();
                if let Some(byte) = copy.get_mut(at) {
                    *byte ^= flip;
                    use_up(copy);
                }
            }
        }
    }
}
