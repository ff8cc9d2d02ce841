//! Format × codec × version × layout × damage, each with the expected outcome of every page.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use virtopsy_testkit::{
    Codec, Elf, Flattened, Kdump, KdumpBytes, Load, Memory, Note, Page, avml, flatten, lime,
};
use virtopsy_vmcore::{Dump, Error, Format, PageError, PageState, Pfn, PhysAddr};

/// Every kind of page, runs and gaps, across byte and granule borders of the bitmaps.
const MEMORY: &str = "
    page 0x0 count 5
    page 0x7 data 41
    page 0x8 zero
    page 0x9 excluded
    pages 0x10..0x14 random 9
    pages 0x20..0x30 count 1
    page 0x30 zero
    pages 0x31..0x34 excluded
    page 0x1fff data 7f
    page 0x2000 data 80
    pages 0x2001..0x2004 count 77
    page 0x4321 random 3
";

const INFO: &str = "OSRELEASE=7.2.0-test\nPAGESIZE=4096\nSYMBOL(prb)=ffffffff82e4d3a0\n";

fn memory() -> Memory {
    Memory::parse(MEMORY)
}

/// Every page of the dump is what the description says; what is excluded may be a hole where the
/// format has no word for it.
fn check(dump: &Dump, memory: &Memory, excluded: PageState, what: &str) {
    let size = memory.page_size;
    assert_eq!(dump.page_size(), size, "{what}");
    for pfn in 0..dump.max_pfn().0 + 20 {
        let at = PhysAddr(pfn * size);
        let expected = match memory.pages.get(&pfn) {
            None => PageState::Hole,
            Some(Page::Data(_)) => PageState::Data,
            Some(Page::Excluded) => excluded,
            Some(Page::Incomplete) => PageState::Incomplete,
        };
        assert_eq!(dump.page_state(Pfn(pfn)), expected, "{what}: page {pfn:#x}");
        let page = dump.page(Pfn(pfn));
        match expected {
            PageState::Data => assert_eq!(&*page.unwrap(), memory.bytes(pfn).unwrap(), "{what}"),
            PageState::Hole => assert_eq!(page, Err(PageError::Hole { at }), "{what}"),
            PageState::Excluded => assert_eq!(page, Err(PageError::Excluded { at }), "{what}"),
            _ => assert_eq!(page, Err(PageError::Incomplete { at }), "{what}"),
        }
    }
}

fn codecs() -> impl Iterator<Item = Option<Codec>> {
    std::iter::once(None).chain(Codec::ALL.map(Some))
}

#[test]
fn kdump_files_of_every_version_and_codec_give_every_page() {
    let memory = memory();
    for version in 0..=6 {
        for codec in codecs() {
            let file = Kdump::new(memory.clone())
                .version(version)
                .codec(codec)
                .vmcoreinfo(INFO)
                .erase_info("erase init_task.comm size 16\n")
                .note(Note::prstatus(77, &[1, 2, 3]))
                .garbage_above_version()
                .build();
            let what = format!("version {version} {codec:?}");
            let dump = Dump::from_bytes(file.bytes).unwrap();
            assert_eq!(dump.format(), Format::Kdump);
            check(&dump, &memory, PageState::Excluded, &what);
            let name = codec.map(|codec| format!("{codec:?}").to_lowercase());
            let declared: Vec<String> =
                dump.compression().iter().map(ToString::to_string).collect();
            assert_eq!(declared, Vec::from_iter(name), "{what}");
            assert_eq!(dump.vmcoreinfo().is_some(), version >= 3, "{what}");
            assert_eq!(
                dump.notes().len(),
                if version >= 4 { 2 } else { 0 },
                "{what}"
            );
            assert_eq!(dump.erase_info().is_some(), version >= 5, "{what}");
            assert_eq!(dump.kdump_header().unwrap().split, None, "{what}");
            assert!(
                dump.completeness().complete,
                "{what}: {:?}",
                dump.completeness()
            );
        }
    }
}

#[test]
fn the_diskdump_signature_one_bitmap_and_odd_names_are_read() {
    let memory = memory();
    let names = ["", "x86_64", "", "Linux", "", "\u{fffd}"];
    let file = Kdump::new(memory.clone())
        .version(1)
        .signature(*b"DISKDUMP")
        .utsname(names)
        .codec(Codec::Zlib)
        .one_bitmap()
        .build();
    let dump = Dump::from_bytes(file.bytes).unwrap();
    assert!(!dump.kdump_header().unwrap().two_bitmaps);
    check(&dump, &memory, PageState::Hole, "one bitmap");
}

#[test]
fn blocks_of_other_sizes_are_pages_of_other_sizes() {
    for size in [512, 1024, 8192, 16384, 65536] {
        let memory = Memory::parse_with(
            size,
            "pages 0x3..0x9 count 3; page 0x9 zero; page 0xb excluded; page 0x22 random 4",
        );
        for codec in codecs() {
            let file = Kdump::new(memory.clone()).codec(codec).build();
            let dump = Dump::from_bytes(file.bytes).unwrap();
            check(
                &dump,
                &memory,
                PageState::Excluded,
                &format!("{size} {codec:?}"),
            );
        }
    }
}

#[test]
fn pages_that_were_lost_in_writing_are_incomplete_and_not_zero() {
    let memory = Memory::parse(
        "page 1 data 11; page 2 incomplete; page 3 zero; page 4 excluded; page 5 incomplete",
    );
    let file = Kdump::new(memory.clone())
        .incomplete()
        .codec(Codec::Lzo)
        .build();
    let dump = Dump::from_bytes(file.bytes).unwrap();
    check(&dump, &memory, PageState::Excluded, "incomplete");
    let completeness = dump.completeness();
    assert!(!completeness.complete);
    assert!(
        completeness.reasons[0].contains("cut short"),
        "{completeness:?}"
    );
}

fn patched(file: &KdumpBytes, at: usize, bytes: &[u8]) -> Dump {
    let mut copy = file.bytes.clone();
    copy[at..at + bytes.len()].copy_from_slice(bytes);
    Dump::from_bytes(copy).unwrap()
}

#[test]
fn a_damaged_descriptor_spoils_its_own_page_and_no_other() {
    let memory = memory();
    for codec in codecs() {
        let file = Kdump::new(memory.clone()).codec(codec).build();
        let desc = file.places[&0x21].descriptor;
        let damages: [(usize, &[u8], &str); 6] = [
            (8, &0_u32.to_le_bytes(), "size 0"),
            (8, &4097_u32.to_le_bytes(), "size above a page"),
            (8, &u32::MAX.to_le_bytes(), "size -1"),
            (12, &0x40_u32.to_le_bytes(), "unknown flags"),
            (0, &8_u64.to_le_bytes(), "data in the header"),
            (0, &(u64::MAX - 5).to_le_bytes(), "data nowhere"),
        ];
        for (at, bytes, what) in damages {
            let dump = patched(&file, desc + at, bytes);
            let error = dump.page(Pfn(0x21)).unwrap_err();
            assert_eq!(error.kind(), "corrupt", "{codec:?} {what}: {error}");
            assert_eq!(dump.page_state(Pfn(0x21)), PageState::Corrupt);
            for (pfn, bytes) in [(0x20, 0), (0x22, 0), (0x7, 0), (0x4321, 0)] {
                let page = dump.page(Pfn(pfn)).unwrap();
                assert_eq!(&page[bytes..], memory.bytes(pfn).unwrap(), "{what}");
            }
        }
        let dump = patched(&file, desc, &[0; 24]);
        assert_eq!(dump.page_state(Pfn(0x21)), PageState::Incomplete);
    }
}

#[test]
fn data_of_the_wrong_length_is_corrupt_whatever_the_codec() {
    for codec in Codec::ALL {
        for len in [0, 1, 4095, 4097, 8192, 100_000] {
            let memory = Memory::parse("page 1 data 41; page 2 count 9");
            let file = Kdump::new(memory).codec(codec).build();
            let packed = codec.compress(&vec![0x41; len]);
            if packed.len() > 4096 {
                continue;
            }
            let place = file.places[&1];
            let mut bytes = file.bytes.clone();
            let at = bytes.len() as u64;
            bytes.extend(&packed);
            bytes[place.descriptor..][..8].copy_from_slice(&at.to_le_bytes());
            bytes[place.descriptor + 8..][..4]
                .copy_from_slice(&(packed.len() as u32).to_le_bytes());
            let dump = Dump::from_bytes(bytes).unwrap();
            let error = dump.page(Pfn(1)).unwrap_err();
            assert_eq!(error.kind(), "corrupt", "{codec:?} {len}: {error}");
            assert!(dump.page(Pfn(2)).is_ok());
        }
    }
}

#[test]
fn a_kdump_file_cut_anywhere_gives_the_pages_before_the_cut_and_says_so() {
    let memory = memory();
    for codec in codecs() {
        let file = Kdump::new(memory.clone())
            .codec(codec)
            .vmcoreinfo(INFO)
            .build();
        let len = file.bytes.len();
        let mut cuts: Vec<usize> = (file.bitmaps + 1..len).step_by(997).collect();
        cuts.extend([
            file.descriptors,
            file.descriptors + 30,
            file.data,
            file.data + 1,
            len - 1,
        ]);
        for cut in cuts {
            let dump = Dump::from_bytes(file.bytes[..cut].to_vec()).unwrap();
            assert!(
                !dump.completeness().complete,
                "{codec:?} cut at {cut} of {len}"
            );
            for (pfn, place) in &file.places {
                let there = place.data + place.size <= cut && place.descriptor + 24 <= cut;
                let there = there && file.descriptors <= cut;
                match dump.page(Pfn(*pfn)) {
                    Ok(page) => {
                        assert!(there, "{pfn:#x} at {cut}");
                        assert_eq!(&*page, memory.bytes(*pfn).unwrap());
                    }
                    Err(error) => {
                        assert!(!there, "{pfn:#x} at {cut}: {error}");
                        assert_eq!(error.kind(), "incomplete", "{pfn:#x} at {cut}: {error}");
                    }
                }
            }
        }
        for cut in [0, 3, 7] {
            let error = Dump::from_bytes(file.bytes[..cut].to_vec()).unwrap_err();
            assert_eq!(error.kind(), "not-a-dump", "{cut}: {error}");
        }
        for cut in [8, 400, 463, 464, 4096, 4150, file.bitmaps] {
            let error = Dump::from_bytes(file.bytes[..cut].to_vec()).unwrap_err();
            assert_eq!(error.kind(), "truncated", "{cut}: {error}");
        }
    }
}

#[test]
fn split_dumps_are_put_together_in_any_order() {
    let memory = memory();
    let windows = [0..0x11, 0x11..0x2000, 0x2000..0x4322];
    for version in [2, 3, 5, 6] {
        for codec in codecs() {
            let part = |i: usize| {
                let kdump = Kdump::new(memory.clone()).version(version).codec(codec);
                kdump
                    .vmcoreinfo(INFO)
                    .split(windows[i].clone())
                    .build()
                    .bytes
            };
            for order in [
                [0, 1, 2],
                [0, 2, 1],
                [1, 0, 2],
                [1, 2, 0],
                [2, 0, 1],
                [2, 1, 0],
            ] {
                let dump = Dump::from_parts(order.map(part).to_vec()).unwrap();
                assert_eq!(dump.format(), Format::KdumpSplit);
                assert!(dump.completeness().complete);
                check(
                    &dump,
                    &memory,
                    PageState::Excluded,
                    &format!("{version} {order:?}"),
                );
            }
        }
    }
}

#[test]
fn flattened_parts_of_a_split_dump_are_put_together() {
    let memory = memory();
    let part = |window: std::ops::Range<u64>| {
        let kdump = Kdump::new(memory.clone()).codec(Codec::Lzo).split(window);
        flatten(&kdump.build().bytes, 5000, |records| records.reverse())
    };
    let dump = Dump::from_parts(vec![part(0x20..0x4322), part(0..0x20)]).unwrap();
    assert_eq!(dump.format(), Format::KdumpSplit);
    check(&dump, &memory, PageState::Excluded, "split flattened");
    assert!(dump.completeness().complete);
}

#[test]
fn the_pages_of_a_missing_part_are_lost_and_its_holes_are_still_holes() {
    let windows = [0..0x11, 0x11..0x2000, 0x2000..0x4322];
    for missing in 0..3 {
        let mut memory = memory();
        let parts: Vec<Vec<u8>> = (0..3)
            .filter(|i| *i != missing)
            .map(|i| {
                Kdump::new(memory.clone())
                    .split(windows[i].clone())
                    .build()
                    .bytes
            })
            .collect();
        for (pfn, page) in &mut memory.pages {
            if windows[missing].contains(pfn) && matches!(page, Page::Data(_)) {
                *page = Page::Incomplete;
            }
        }
        let dump = Dump::from_parts(parts).unwrap();
        check(
            &dump,
            &memory,
            PageState::Excluded,
            &format!("without {missing}"),
        );
        let completeness = dump.completeness();
        assert!(completeness.reasons[0].contains("part"), "{completeness:?}");
    }
}

#[test]
fn parts_of_different_dumps_are_refused() {
    let part = |memory: &str, window| {
        Kdump::new(Memory::parse(memory))
            .split(window)
            .build()
            .bytes
    };
    let a = part("pages 0..9 count 1", 0..4);
    let other = part("pages 0..10 count 1", 4..10);
    let overlapping = part("pages 0..9 count 1", 3..9);
    let whole = Kdump::new(Memory::parse("pages 0..9 count 1"))
        .build()
        .bytes;
    let elf = Elf::new(vec![Load::new(0, [0; 4096])]).build();
    for b in [other, overlapping, whole, elf, a.clone()] {
        let error = Dump::from_parts(vec![a.clone(), b]).unwrap_err();
        assert_eq!(error.kind(), "split-mismatch", "{error}");
    }
}

/// Puts the records of a flattened file into an order.
type Order = fn(&mut Vec<(usize, &[u8])>);

#[test]
fn flattened_files_read_as_what_they_flatten() {
    let memory = memory();
    let kdump = Kdump::new(memory.clone())
        .codec(Codec::Zlib)
        .vmcoreinfo(INFO)
        .build()
        .bytes;
    let elf = Elf::of(&memory).note(Note::vmcoreinfo(INFO)).build();
    for (file, format) in [(kdump, Format::KdumpFlattened), (elf, Format::ElfFlattened)] {
        for size in [96, 4096, 10_000, 1 << 20] {
            let orders: [Order; 4] = [
                |_| {},
                |records| records.reverse(),
                |records| records.sort_by_key(|(at, _)| (at * 7919) % 104_729),
                // A first version of the file, all wrong, that later records overwrite.
                |records| {
                    let wrong: Vec<(usize, &[u8])> = records
                        .iter()
                        .map(|(at, bytes)| {
                            (*at, &records[records.len() / 2].1[..bytes.len().min(50)])
                        })
                        .collect();
                    records.splice(0..0, wrong);
                },
            ];
            for (i, order) in orders.into_iter().enumerate() {
                let dump = Dump::from_bytes(flatten(&file, size, order)).unwrap();
                assert_eq!(dump.format(), format);
                check(
                    &dump,
                    &memory,
                    PageState::Excluded,
                    &format!("{format} {size} order {i}"),
                );
                assert!(dump.completeness().complete);
                assert_eq!(dump.vmcoreinfo().unwrap().os_release(), Some("7.2.0-test"));
            }
        }
    }
}

#[test]
fn a_flattened_file_without_its_end_gives_what_it_has() {
    let memory = memory();
    let kdump = Kdump::new(memory.clone()).codec(Codec::Lzo).build();
    let flat = flatten(&kdump.bytes, 4096, |_| {});
    let mut lost = 0;
    for cut in (4096 + 16 + kdump.descriptors + 200..flat.len()).step_by(4001) {
        let dump = Dump::from_bytes(flat[..cut].to_vec()).unwrap();
        let completeness = dump.completeness();
        assert!(
            completeness.reasons[0].contains("no end"),
            "{completeness:?}"
        );
        for pfn in kdump.places.keys() {
            match dump.page(Pfn(*pfn)) {
                Ok(page) => assert_eq!(&*page, memory.bytes(*pfn).unwrap()),
                Err(error) => {
                    assert_eq!(error.kind(), "incomplete");
                    lost += 1;
                }
            }
        }
    }
    assert!(lost > 0);
}

#[test]
fn a_cut_flattened_file_opens_although_the_rest_of_the_header_s_block_is_in_no_record() {
    let memory = memory();
    let kdump = Kdump::new(memory).codec(Codec::Zlib).build();
    // As makedumpfile writes them: headers without the padding of their blocks.
    let mut flat = Flattened::new().record(0, 464, &kdump.bytes[..464]);
    let mut at = 4096;
    while at < kdump.bytes.len() {
        let len = (kdump.bytes.len() - at).min(4096);
        flat = flat.record(at as i64, len as i64, &kdump.bytes[at..at + len]);
        at += len;
    }
    let whole = flat.clone().end();
    let dump = Dump::from_bytes(whole.clone()).unwrap();
    assert!(dump.completeness().complete);
    let cut = flat.cut();
    for lost in [0, 1000] {
        let dump = Dump::from_bytes(cut[..cut.len() - lost].to_vec()).unwrap();
        assert_eq!(dump.format(), Format::KdumpFlattened);
        assert!(!dump.completeness().complete);
    }
    // Of a header that is cut itself nothing is made up.
    assert!(Dump::from_bytes(cut[..4096 + 16 + 463].to_vec()).is_err());
}

#[test]
fn a_record_with_senseless_numbers_ends_the_list_and_is_told() {
    let elf = Elf::new(vec![Load::new(0, [7; 4096])]).build();
    for (offset, size) in [(-5, 10), (10, -5), (1 << 20, i64::MAX), (i64::MAX, 10)] {
        let flat =
            Flattened::new()
                .record(0, elf.len() as i64, &elf)
                .record(offset, size, b"0123456789");
        let dump = Dump::from_bytes(flat.end()).unwrap();
        assert_eq!(&*dump.page(Pfn(0)).unwrap(), [7; 4096]);
        // Far behind the end is odd, and no damage.
        assert_eq!(
            dump.completeness().complete,
            offset == i64::MAX,
            "{offset} {size}"
        );
    }
}

#[test]
fn elf_files_of_both_classes_give_every_page() {
    let memory = memory();
    for class in [64, 32] {
        for align in [1, 4096] {
            for extended in [false, true] {
                let mut elf = Elf::of(&memory).class(class).align(align);
                elf = elf
                    .note(Note::vmcoreinfo(INFO))
                    .note(Note::prstatus(1, &[]));
                if extended {
                    elf = elf.extended_numbering();
                }
                let dump = Dump::from_bytes(elf.build()).unwrap();
                let what = format!("{class} {align} {extended}");
                check(&dump, &memory, PageState::Excluded, &what);
                assert_eq!(dump.elf_header().unwrap().class, class);
                assert!(dump.completeness().complete);
                assert_eq!(dump.prstatus().len(), 1);
            }
        }
    }
}

#[test]
fn more_than_65535_segments_are_read() {
    let number = 70_000_u64;
    let loads = (0..number).map(|i| Load::new(i * 8192, (i as u32).to_le_bytes()));
    let dump = Dump::from_bytes(
        Elf::new(loads.collect())
            .align(1)
            .extended_numbering()
            .build(),
    );
    let dump = dump.unwrap();
    assert_eq!(dump.elf_header().unwrap().segments, number + 1);
    for i in [0, 1, 65_534, 65_535, 65_536, number - 1] {
        let mut word = [0; 4];
        dump.read_at(PhysAddr(i * 8192), &mut word).unwrap();
        assert_eq!(u64::from(u32::from_le_bytes(word)), i);
        let at = PhysAddr(i * 8192 + 4);
        assert_eq!(dump.read_at(at, &mut word), Err(PageError::Hole { at }));
    }
}

#[test]
fn unaligned_and_sub_page_segments_give_their_bytes_and_no_more() {
    let bytes: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
    let mut tail = Load::new(0x5800, vec![9; 0x400]);
    tail.mem_size = 0x800;
    let loads = vec![
        Load::new(0x1234, bytes.clone()),
        Load::new(0x1234 + 5000, [5; 8]),
        tail,
    ];
    let dump = Dump::from_bytes(Elf::new(loads).align(1).build()).unwrap();
    let mut all = vec![0; 5008];
    dump.read_at(PhysAddr(0x1234), &mut all).unwrap();
    assert_eq!(all[..5000], bytes);
    assert_eq!(all[5000..], [5; 8]);
    let at = PhysAddr(0x1233);
    assert_eq!(dump.read_at(at, &mut [0; 2]), Err(PageError::Hole { at }));
    let at = PhysAddr(0x1234 + 5008);
    let error = dump.read_at(PhysAddr(0x1234), &mut vec![0; 5009]);
    assert_eq!(error, Err(PageError::Hole { at }));
    assert_eq!(dump.page(Pfn(1)).unwrap_err().kind(), "hole");
    assert_eq!(dump.page_state(Pfn(1)), PageState::Hole);
    let at = PhysAddr(0x5c00);
    let error = dump.read_at(PhysAddr(0x5800), &mut [0; 0x401]);
    assert_eq!(error, Err(PageError::Excluded { at }));
    assert_eq!(dump.physical_ranges().len(), 2);
}

#[test]
fn of_overlapping_segments_the_one_with_data_wins_then_the_first() {
    let mut without = Load::new(0x1000, []);
    without.mem_size = 0x3000;
    let loads = vec![
        without,
        Load::new(0x2000, [2; 0x1000]),
        Load::new(0x1000, [1; 0x2000]),
        Load::new(0x3000, []),
    ];
    let dump = Dump::from_bytes(Elf::new(loads).build()).unwrap();
    assert_eq!(dump.page(Pfn(1)).unwrap()[0], 1);
    assert_eq!(dump.page(Pfn(2)).unwrap()[0], 2);
    assert_eq!(dump.page_state(Pfn(3)), PageState::Excluded);
    assert_eq!(dump.page_state(Pfn(4)), PageState::Hole);
}

#[test]
fn segments_that_all_claim_physical_zero_have_no_physical_address() {
    let at = |vaddr, paddr| Load {
        vaddr,
        ..Load::new(paddr, [7; 4096])
    };
    let loads = vec![
        at(0x1000, 0),
        at(0x9000, 0),
        at(0xf000, 0x4000),
        at(0x5000, u64::MAX),
    ];
    let dump = Dump::from_bytes(Elf::new(loads.clone()).build()).unwrap();
    assert_eq!(dump.page_state(Pfn(0)), PageState::Hole);
    assert_eq!(dump.page_state(Pfn(4)), PageState::Data);
    let error = Dump::from_bytes(Elf::new(loads[..2].to_vec()).build()).unwrap_err();
    assert_eq!(error.kind(), "corrupt-header", "{error}");
}

#[test]
fn a_cut_elf_file_loses_its_tail_and_says_how_much() {
    let memory = Memory::parse("pages 0..8 count 1; pages 16..20 random 1");
    let file = Elf::of(&memory).build();
    let dump = Dump::from_bytes(file[..file.len() - 5000].to_vec()).unwrap();
    let completeness = dump.completeness();
    assert!(
        completeness.reasons[0].contains("0x1388 bytes"),
        "{completeness:?}"
    );
    for pfn in [18, 19] {
        assert_eq!(dump.page_state(Pfn(pfn)), PageState::Incomplete);
        assert_eq!(dump.page(Pfn(pfn)).unwrap_err().kind(), "incomplete");
    }
    assert_eq!(&*dump.page(Pfn(17)).unwrap(), memory.bytes(17).unwrap());
    let cut = Elf::of(&memory).flags(1).build();
    assert!(!Dump::from_bytes(cut).unwrap().completeness().complete);
}

#[test]
fn lime_images_give_every_range() {
    let (a, b) = (vec![1; 0x2000], vec![2; 0x1800]);
    let file = lime(&[(0x1000, &a), (0x8000, &b)]);
    let dump = Dump::from_bytes(file.clone()).unwrap();
    assert_eq!(dump.format(), Format::Lime);
    assert_eq!(&*dump.page(Pfn(2)).unwrap(), [1; 4096]);
    assert_eq!(dump.page_state(Pfn(3)), PageState::Hole);
    let mut half = [0; 0x800];
    dump.read_at(PhysAddr(0x9000), &mut half).unwrap();
    assert_eq!(half, [2; 0x800]);
    assert!(dump.completeness().complete);
    let cut = Dump::from_bytes(file[..file.len() - 0x900].to_vec()).unwrap();
    assert_eq!(cut.page_state(Pfn(8)), PageState::Incomplete);
    assert!(!cut.completeness().complete);
}

#[test]
fn avml_images_give_every_range_and_check_each_frame() {
    let memory = Memory::parse("pages 1..90 count 1; pages 0x100..0x110 random 3; page 0x110 zero");
    let (a, b) = (memory.run(1..90), memory.run(0x100..0x111));
    let file = avml(&[(0x1000, &a), (0x10_0000, &b)]);
    let dump = Dump::from_bytes(file.clone()).unwrap();
    assert_eq!(dump.format(), Format::Avml);
    check(&dump, &memory, PageState::Excluded, "avml");
    assert!(dump.completeness().complete);
    // The last bytes are the end of the last frame, and its length.
    let mut flipped = file.clone();
    let at = flipped.len() - 20;
    flipped[at] ^= 1;
    let dump = Dump::from_bytes(flipped).unwrap();
    assert_eq!(dump.page(Pfn(0x110)).unwrap_err().kind(), "corrupt");
    assert_eq!(&*dump.page(Pfn(0x20)).unwrap(), memory.bytes(0x20).unwrap());
    let cut = Dump::from_bytes(file[..file.len() - 30].to_vec()).unwrap();
    assert_eq!(cut.page(Pfn(0x110)).unwrap_err().kind(), "incomplete");
    assert_eq!(cut.page_state(Pfn(0x110)), PageState::Incomplete);
    assert_eq!(&*cut.page(Pfn(89)).unwrap(), memory.bytes(89).unwrap());
    assert!(!cut.completeness().complete);
}

#[test]
fn qemus_notes_give_control_registers_and_segments() {
    let regs: [u64; 18] = std::array::from_fn(|i| i as u64 + 100);
    let segments = std::array::from_fn(|i| (i as u32, 0xffff, 0x9b, i as u64 * 0x1000));
    let cr = [0x8005_0033, 0, 0x1234, 0x5_8e70, 0x35_26f0];
    for base in [None, Some(0xffff_8880_0000_0000)] {
        let elf = Elf::new(vec![Load::new(0, [0; 4096])])
            .note(Note::prstatus(1, &[0xf; 27]))
            .note(Note::qemu(&regs, &segments, &cr, base));
        let dump = Dump::from_bytes(elf.build()).unwrap();
        let cpus = dump.qemu_cpus();
        assert_eq!(cpus.len(), 1);
        assert_eq!(cpus[0].cr, cr);
        assert_eq!(cpus[0].kernel_gs_base, base);
        assert_eq!(
            (cpus[0].regs.rax, cpus[0].regs.rip, cpus[0].regs.rflags),
            (100, 116, 117)
        );
        assert_eq!((cpus[0].idt.base, cpus[0].idt.selector), (0x9000, 9));
        let prstatus = dump.prstatus();
        assert_eq!((prstatus[0].pid, prstatus[0].regs.gs), (1, 0xf));
    }
}

#[test]
fn a_cut_behind_which_only_shared_zeros_are_described_is_noticed() {
    // More pages of zeros than are looked at in one go, all sharing one place near the start.
    let memory = Memory::parse("page 0 zero; pages 1..9 random 5; pages 10..9000 zero");
    let file = Kdump::new(memory.clone()).build();
    let last = file.places[&8];
    let end = last.data + last.size;
    let whole = Dump::from_bytes(file.bytes.clone()).unwrap();
    assert!(whole.completeness().complete, "{:?}", whole.completeness());
    let cut = Dump::from_bytes(file.bytes[..end - 1].to_vec()).unwrap();
    assert!(!cut.completeness().complete);
    assert_eq!(cut.page_state(Pfn(8)), PageState::Incomplete);
    assert_eq!(cut.page_state(Pfn(8999)), PageState::Data);
}

#[test]
fn an_elf_file_that_was_cut_short_when_written_says_so() {
    let memory = Memory::parse("page 1 data 11");
    let flagged = Dump::from_bytes(Elf::of(&memory).flags(1).build()).unwrap();
    let completeness = flagged.completeness();
    assert!(!completeness.complete);
    assert_eq!(completeness.reasons.len(), 1, "{completeness:?}");
    let whole = Dump::from_bytes(Elf::of(&memory).build()).unwrap();
    assert!(whole.completeness().complete);
}

#[test]
fn device_dumps_are_listed_by_name_and_other_notes_are_none() {
    let mut desc = b"cxgb4_0000:02:00.4\0".to_vec();
    desc.resize(44, 0);
    desc.extend([7; 100]);
    let device = Note::new("LINUX", 0x700, desc);
    let nameless = Note::new("LINUX", 0x700, vec![0; 10]);
    let memory = Memory::parse("page 1 data 11");
    for bytes in [
        Elf::of(&memory)
            .note(device.clone())
            .note(nameless.clone())
            .note(Note::prstatus(1, &[]))
            .build(),
        Kdump::new(memory)
            .note(device)
            .note(nameless)
            .note(Note::prstatus(1, &[]))
            .build()
            .bytes,
    ] {
        let dump = Dump::from_bytes(bytes).unwrap();
        let names: Vec<_> = dump
            .notes()
            .iter()
            .map(virtopsy_vmcore::Note::device_dump)
            .collect();
        assert_eq!(
            names,
            [
                Some("cxgb4_0000:02:00.4".to_owned()),
                Some(String::new()),
                None
            ]
        );
    }
}

#[test]
fn vmcoreinfo_is_found_in_memory_alone_behind_a_note_s_header_and_across_pages() {
    let mut memory = Memory::parse("pages 0x10..0x20 zero");
    let mut put = |at: usize, bytes: &[u8]| {
        for (i, byte) in bytes.iter().enumerate() {
            let Some(Page::Data(page)) = memory.pages.get_mut(&((at + i) as u64 >> 12)) else {
                panic!()
            };
            page[(at + i) & 0xfff] = *byte;
        }
    };
    put(0x11000, INFO.as_bytes());
    put(0x13018, INFO.as_bytes());
    put(0x15ff0, INFO.as_bytes());
    put(0x18000, b"OSRELEASE=%s\n\0BUILD-ID=");
    let dump = Dump::from_bytes(Elf::of(&memory).build()).unwrap();
    let found = dump.find_vmcoreinfo(&std::sync::atomic::AtomicBool::new(false));
    let places: Vec<u64> = found.iter().map(|f| f.at.0).collect();
    assert_eq!(places, [0x11000, 0x13018, 0x15ff0]);
    assert!(
        found
            .iter()
            .all(|f| f.info.symbol("prb") == Some(0xffff_ffff_82e4_d3a0))
    );
}

#[test]
fn a_note_name_without_its_nul_is_the_same_name() {
    let mut note = Note::vmcoreinfo(INFO);
    note.nul = false;
    let elf = Elf::new(vec![Load::new(0, [0; 4096])]).note(note).build();
    assert!(Dump::from_bytes(elf).unwrap().vmcoreinfo().is_some());
}

#[test]
fn files_of_other_kinds_are_refused_by_name_with_a_way_out() {
    let elf = |kind| Elf::new(vec![Load::new(0, [0; 4096])]).kind(kind).build();
    let process = Elf::new(vec![Load::new(0, [0; 4096])]).note(Note::new("CORE", 6, [0; 16]));
    let xen = Elf::new(vec![Load::new(0, [0; 4096])]).note(Note::new("Xen", 0x100_0001, [0; 16]));
    let mut hibernation = vec![0; 4096];
    hibernation[4086..4095].copy_from_slice(b"S1SUSPEND");
    let files: Vec<(Vec<u8>, &str)> = vec![
        (elf(2), "vmlinux"),
        (elf(1), "module"),
        (process.build(), "process"),
        (xen.build(), "Xen"),
        (Elf::new(vec![]).build(), "Xen"),
        (hibernation, "hibernation"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec(), "gzip"),
        (b"\xfd7zXZ\0\0\0".to_vec(), "xz"),
        (b"\x28\xb5\x2f\xfd\0\0".to_vec(), "zstd"),
        (b"QEVM\0\0\0\x03".to_vec(), "QEMU"),
        (b"LibvirtQemudSave\0\0".to_vec(), "libvirt"),
        (b"sadump\0\0".to_vec(), "sadump"),
        (0xbed2_bed2_u32.to_le_bytes().to_vec(), "VMware"),
        (0xa819_0173_618f_23ed_u64.to_le_bytes().to_vec(), "LKCD"),
    ];
    for (file, name) in files {
        let error = Dump::from_bytes(file).unwrap_err();
        assert_eq!(error.kind(), "unsupported-format", "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for (file, found) in [
        (vec![], "empty"),
        (vec![0; 5000], "zeros"),
        (b"hello".to_vec(), "68 65"),
    ] {
        let error = Dump::from_bytes(file).unwrap_err();
        assert_eq!(error.kind(), "not-a-dump");
        assert!(error.to_string().contains(found), "{error}");
    }
    assert_eq!(Dump::from_parts(vec![]).unwrap_err(), Error::NoInput);
}

#[test]
fn kdump_headers_with_impossible_fields_are_refused_with_the_place() {
    let file = Kdump::new(memory()).build().bytes;
    let fields: [(usize, u32, &str); 6] = [
        (8, 0xffff_ffff, "header_version"),
        (428, 0, "block_size"),
        (428, 4095, "block_size"),
        (428, 1 << 30, "block_size"),
        (432, 0xffff_ffff, "sub_hdr_size"),
        (436, 0, "max_mapnr"),
    ];
    for (at, value, field) in fields {
        let mut copy = file.clone();
        copy[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let error = Dump::from_bytes(copy).unwrap_err();
        assert_eq!(error.kind(), "corrupt-header", "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

/// What reading page by page gives: the bytes before the first page that is missing, and its error.
fn by_page(dump: &Dump, at: u64, len: usize) -> (Vec<u8>, Result<(), PageError>) {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let here = at + bytes.len() as u64;
        let mut piece = vec![0; (4096 - here as usize % 4096).min(len - bytes.len())];
        if let Err(error) = dump.read_at(PhysAddr(here), &mut piece) {
            return (bytes, Err(error));
        }
        bytes.extend(piece);
    }
    (bytes, Ok(()))
}

fn long_reads_agree(dump: &Dump, what: &str) {
    for at in [0, 0x801, 0x10_000, 0x33_ff8] {
        for len in [0x10_000, 0x20_123, 0x90_000, 0x140_000] {
            let (expected, result) = by_page(dump, at, len);
            let mut got = vec![0xee; len];
            let long = dump.read_at(PhysAddr(at), &mut got);
            let what = format!("{what}: {len:#x} bytes at {at:#x}");
            assert_eq!(
                long.as_ref().map_err(PageError::kind),
                result.as_ref().map_err(PageError::kind),
                "{what}"
            );
            assert_eq!(
                long.map_err(|e| e.at().0 & !0xfff),
                result.map_err(|e| e.at().0 & !0xfff),
                "{what}"
            );
            assert!(got.starts_with(&expected), "{what}");
        }
    }
}

const LONG: &str = "
    pages 0x0..0x60 random 5
    page 0x60 zero
    page 0x61 zero
    pages 0x62..0x90 count 3
    page 0x90 zero
    pages 0x91..0xd0 random 8
    page 0xd0 excluded
    pages 0xd1..0x120 count 9
";

#[test]
fn a_long_read_gives_what_reading_page_by_page_gives() {
    for codec in codecs() {
        let built = Kdump::new(Memory::parse(LONG))
            .codec(codec)
            .vmcoreinfo(INFO)
            .build();
        let what = format!("{codec:?}");
        long_reads_agree(&Dump::from_bytes(built.bytes.clone()).unwrap(), &what);
        let cut = built.bytes[..built.places[&0x70].data + 7].to_vec();
        long_reads_agree(&Dump::from_bytes(cut).unwrap(), &format!("{what}, cut"));
        let mut bad = built.bytes.clone();
        let place = &built.places[&0x65];
        bad[place.descriptor + 8..place.descriptor + 12].fill(0xff);
        long_reads_agree(&Dump::from_bytes(bad).unwrap(), &format!("{what}, damaged"));
    }
    let bytes = |len: usize| -> Vec<u8> { (0..len).map(|n| (n / 61) as u8).collect() };
    let elf = Elf::new(vec![
        Load::new(0, bytes(0xa0_000)),
        Load::new(0xb0_000, bytes(0x100_000)),
    ])
    .build();
    long_reads_agree(
        &Dump::from_bytes(elf[..0x70_000].to_vec()).unwrap(),
        "elf, cut",
    );
    long_reads_agree(&Dump::from_bytes(elf).unwrap(), "elf");
}
