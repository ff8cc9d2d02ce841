//! The matrix: format × codec × version × layout × damage, and for each cell what becomes of each
//! page.
//!
//! A cell is a line of text, `FORMAT DAMAGE`, over one description of memory. testkit writes the
//! file, the damage is done to it, and the expected outcome of every page follows from where
//! testkit put that page, not from what the reader says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::BTreeMap;

use virtopsy_testkit::{Codec, Elf, Kdump, KdumpBytes, Memory, Note, Page, avml, flatten, lime};
use virtopsy_vmcore::{Dump, Format, PageState, Pfn, PhysAddr};

/// Runs, gaps, every kind of page; the first pages, the last, and both sides of a bitmap's byte.
const MEMORY: &str = "
    page 0x0 count 5
    page 0x7 data 41
    page 0x8 zero
    page 0x9 excluded
    pages 0x10..0x14 random 9
    pages 0x20..0x28 count 1
    page 0x28 zero
    pages 0x29..0x2c excluded
    pages 0x1ff..0x203 count 77
    page 0x321 random 3
";
const INFO: &str = "OSRELEASE=7.2.0-test\nPAGESIZE=4096\nSYMBOL(prb)=ffffffff82e4d3a0\n";

const DAMAGES: &str = "none cut-data cut-descriptors cut-tail flip-descriptor zero-descriptor \
                       bad-flags lost-in-writing";

/// A file, and what must become of each page that is no hole.
struct Cell {
    name: String,
    parts: Vec<Vec<u8>>,
    format: Format,
    expected: BTreeMap<u64, PageState>,
    complete: bool,
}

/// What a file without damage says of its pages.
fn whole(memory: &Memory, excluded: PageState) -> BTreeMap<u64, PageState> {
    let state = |page: &Page| match page {
        Page::Data(_) => PageState::Data,
        Page::Excluded => excluded,
        Page::Incomplete => PageState::Incomplete,
    };
    memory
        .pages
        .iter()
        .map(|(pfn, page)| (*pfn, state(page)))
        .collect()
}

/// Pages of a kdump file whose descriptor and data end before the cut.
fn cut_at(cell: &mut Cell, file: &KdumpBytes, cut: usize) {
    cell.parts = vec![file.bytes[..cut].to_vec()];
    cell.complete = false;
    for (pfn, place) in &file.places {
        if place.descriptor + 24 > cut || place.data + place.size > cut {
            cell.expected.insert(*pfn, PageState::Incomplete);
        }
    }
}

/// Overwrites a descriptor of a page.
fn in_descriptor(cell: &mut Cell, file: &KdumpBytes, pfn: u64, at: usize, bytes: &[u8]) {
    let mut copy = file.bytes.clone();
    let start = file.places[&pfn].descriptor + at;
    copy[start..start + bytes.len()].copy_from_slice(bytes);
    cell.parts = vec![copy];
}

/// Damages a kdump file and says what that does to its pages.
fn damage(cell: &mut Cell, file: &KdumpBytes, damage: &str) {
    let victim = 0x21;
    match damage {
        "none" => {}
        "cut-data" => {
            let place = file.places[&0x12];
            cut_at(cell, file, place.data + place.size / 2);
        }
        "cut-descriptors" => cut_at(cell, file, file.places[&0x20].descriptor + 7),
        "cut-tail" => cut_at(cell, file, file.bytes.len() - 1),
        "flip-descriptor" => {
            in_descriptor(cell, file, victim, 0, &(u64::MAX - 9).to_le_bytes());
            cell.expected.insert(victim, PageState::Corrupt);
        }
        "zero-descriptor" => {
            in_descriptor(cell, file, victim, 0, &[0; 24]);
            cell.expected.insert(victim, PageState::Incomplete);
        }
        "bad-flags" => {
            in_descriptor(cell, file, victim, 12, &0x40_u32.to_le_bytes());
            cell.expected.insert(victim, PageState::Corrupt);
        }
        other => panic!("{other}"),
    }
}

fn kdump(version: i32, codec: Option<Codec>, memory: &Memory) -> Kdump {
    Kdump::new(memory.clone())
        .version(version)
        .codec(codec)
        .vmcoreinfo(INFO)
        .note(Note::prstatus(7, &[1, 2]))
        .garbage_above_version()
}

fn kdump_cells(cells: &mut Vec<Cell>) {
    let layouts = ["two-bitmaps", "one-bitmap", "diskdump"];
    for version in 0..=6 {
        for codec in std::iter::once(None).chain(Codec::ALL.map(Some)) {
            for layout in layouts {
                for what in DAMAGES.split_whitespace() {
                    let mut memory = Memory::parse(MEMORY);
                    if what == "lost-in-writing" {
                        memory.pages.insert(0x11, Page::Incomplete);
                        memory.pages.insert(0x321, Page::Incomplete);
                    }
                    let mut made = kdump(version, codec, &memory);
                    let mut excluded = PageState::Excluded;
                    if layout == "one-bitmap" {
                        made = made.one_bitmap();
                        excluded = PageState::Hole;
                    }
                    if layout == "diskdump" {
                        made = made.signature(*b"DISKDUMP");
                    }
                    if what == "lost-in-writing" {
                        made = made.incomplete();
                    }
                    let file = made.build();
                    let mut cell = Cell {
                        name: format!("kdump v{version} {codec:?} {layout} {what}"),
                        parts: vec![file.bytes.clone()],
                        format: Format::Kdump,
                        expected: whole(&memory, excluded),
                        complete: what != "lost-in-writing",
                    };
                    if what != "lost-in-writing" {
                        damage(&mut cell, &file, what);
                    }
                    cells.push(cell);
                }
            }
        }
    }
}

fn split_cells(cells: &mut Vec<Cell>) {
    let windows = [0..0x11, 0x11..0x200, 0x200..0x322];
    for version in 2..=6 {
        for missing in [None, Some(0), Some(1), Some(2)] {
            for flat in [false, true] {
                let memory = Memory::parse(MEMORY);
                let mut expected = whole(&memory, PageState::Excluded);
                let mut parts = Vec::new();
                for (i, window) in windows.iter().enumerate() {
                    if Some(i) == missing {
                        let lost = expected.iter_mut();
                        lost.filter(|(pfn, state)| {
                            window.contains(*pfn) && **state == PageState::Data
                        })
                        .for_each(|(_, state)| *state = PageState::Incomplete);
                        continue;
                    }
                    let part = kdump(version, Some(Codec::Lzo), &memory).split(window.clone());
                    let bytes = part.build().bytes;
                    parts.push(match flat {
                        true => flatten(&bytes, 3000, |records| records.reverse()),
                        false => bytes,
                    });
                }
                parts.rotate_left(1);
                cells.push(Cell {
                    name: format!("split v{version} flattened {flat} without {missing:?}"),
                    parts,
                    format: Format::KdumpSplit,
                    expected,
                    complete: missing.is_none(),
                });
            }
        }
    }
}

/// What an overwritten record held first.
const WRONG: &[u8] = &[0xaa; 40];

/// Flattened forms: records in order, turned around, overlapping, and cut behind the headers.
fn flattened_cells(cells: &mut Vec<Cell>) {
    let memory = Memory::parse(MEMORY);
    let file = kdump(6, Some(Codec::Zlib), &memory).build();
    let expected = whole(&memory, PageState::Excluded);
    let cell = |name: &str, bytes, complete| Cell {
        name: format!("flattened {name}"),
        parts: vec![bytes],
        format: Format::KdumpFlattened,
        expected: expected.clone(),
        complete,
    };
    for size in [64, 4096, 1 << 20] {
        let name = |order| format!("{order} in records of {size}");
        let ordered = flatten(&file.bytes, size, |_| {});
        let turned = flatten(&file.bytes, size, |records| records.reverse());
        let twice = flatten(&file.bytes, size, |records| {
            let wrong: Vec<(usize, &[u8])> = records
                .iter()
                .map(|(at, bytes)| (*at, &WRONG[..bytes.len().min(WRONG.len())]))
                .collect();
            records.splice(0..0, wrong);
        });
        cells.push(cell(&name("ordered"), ordered, true));
        cells.push(cell(&name("turned"), turned, true));
        cells.push(cell(&name("written twice"), twice, true));
    }
    let flat = flatten(&file.bytes, 4096, |_| {});
    let kept = (file.data + 5000) / 4096;
    let mut cut = cell("cut", flat[..4096 + kept * (4096 + 16)].to_vec(), false);
    for (pfn, place) in &file.places {
        if place.data + place.size > kept * 4096 {
            cut.expected.insert(*pfn, PageState::Incomplete);
        }
    }
    cells.push(cut);
}

fn elf_cells(cells: &mut Vec<Cell>) {
    let memory = Memory::parse(MEMORY);
    for class in [64, 32] {
        for align in [1, 4096] {
            for extended in [false, true] {
                for what in ["none", "cut", "flagged"] {
                    let mut elf = Elf::of(&memory).class(class).align(align);
                    elf = elf.note(Note::vmcoreinfo(INFO));
                    if extended {
                        elf = elf.extended_numbering();
                    }
                    if what == "flagged" {
                        elf = elf.flags(1);
                    }
                    let mut bytes = elf.build();
                    let mut expected = whole(&memory, PageState::Excluded);
                    if what == "cut" {
                        // The last segment is the last page alone.
                        bytes.truncate(bytes.len() - 10);
                        expected.insert(0x321, PageState::Incomplete);
                    }
                    cells.push(Cell {
                        name: format!("elf{class} align {align} extended {extended} {what}"),
                        parts: vec![bytes],
                        format: Format::Elf,
                        expected,
                        complete: what == "none",
                    });
                }
            }
        }
    }
}

fn image_cells(cells: &mut Vec<Cell>) {
    let memory = Memory::parse("pages 0x1..0x9 random 1; pages 0x20..0x28 count 1");
    let (low, high) = (memory.run(1..9), memory.run(0x20..0x28));
    let ranges: [(u64, &[u8]); 2] = [(0x1000, &low), (0x2_0000, &high)];
    for (name, format, bytes) in [
        ("lime", Format::Lime, lime(&ranges)),
        ("avml", Format::Avml, avml(&ranges)),
    ] {
        for cut in [0, 40] {
            let mut expected = whole(&memory, PageState::Excluded);
            if cut > 0 {
                expected.insert(0x27, PageState::Incomplete);
                if name == "avml" {
                    // A frame is there or it is not: the second range is one frame.
                    expected.extend((0x20..0x28).map(|pfn| (pfn, PageState::Incomplete)));
                }
            }
            cells.push(Cell {
                name: format!("{name} cut by {cut}"),
                parts: vec![bytes[..bytes.len() - cut].to_vec()],
                format,
                expected,
                complete: cut == 0,
            });
        }
    }
}

fn hold(cell: Cell, source: &Memory) {
    let name = &cell.name;
    let dump = Dump::from_parts(cell.parts).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(dump.format(), cell.format, "{name}");
    for pfn in 0..dump.max_pfn().0 + 9 {
        let expected = cell.expected.get(&pfn).copied().unwrap_or(PageState::Hole);
        let mut bytes = vec![0; 4096];
        let read = dump.read_at(PhysAddr(pfn * 4096), &mut bytes);
        match (expected, read) {
            (PageState::Data, Ok(())) => {
                assert_eq!(bytes, source.bytes(pfn).unwrap(), "{name}: page {pfn:#x}");
            }
            (PageState::Data, Err(e)) => panic!("{name}: page {pfn:#x}: {e}"),
            (_, Ok(())) => panic!("{name}: page {pfn:#x} was read, and is {expected:?}"),
            (_, Err(e)) => {
                let kind = format!("{expected:?}").to_lowercase();
                assert_eq!(e.kind(), kind, "{name}: page {pfn:#x}: {e}");
            }
        }
        let state = dump.page_state(Pfn(pfn));
        assert_eq!(state, expected, "{name}: page {pfn:#x}");
    }
    let completeness = dump.completeness();
    assert_eq!(
        completeness.complete, cell.complete,
        "{name}: {completeness:?}"
    );
}

#[test]
fn every_page_of_every_cell_has_the_outcome_that_its_place_in_the_file_demands() {
    let mut cells = Vec::new();
    kdump_cells(&mut cells);
    split_cells(&mut cells);
    flattened_cells(&mut cells);
    elf_cells(&mut cells);
    let source = Memory::parse(MEMORY);
    let count = cells.len();
    cells.into_iter().for_each(|cell| hold(cell, &source));
    let mut images = Vec::new();
    image_cells(&mut images);
    let count = count + images.len();
    let source = Memory::parse("pages 0x1..0x9 random 1; pages 0x20..0x28 count 1");
    images.into_iter().for_each(|cell| hold(cell, &source));
    println!("{count} cells");
    assert!(count > 900, "{count}");
}
