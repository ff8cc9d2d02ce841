//! Line tables written by gimli, put into small ELF files.

use gimli::write::{
    Address, AttributeValue, Dwarf, EndianVec, FileId, LineProgram, LineString, Range, RangeList,
    Sections, Unit, UnitEntryId,
};
use gimli::{DW_TAG_inlined_subroutine, DW_TAG_subprogram, Encoding, Format, LineEncoding};

use super::*;
use crate::made::elf::MadeElf;

const SHT_PROGBITS: u32 = 1;

/// A unit with `outer` at 0x1000 to 0x1100, into which `inner` is inlined at 0x1010 (and 0x1080),
/// and into that `innermost` at 0x1014.
struct Made {
    version: u16,
    aranges: bool,
}

fn address(at: u64) -> AttributeValue {
    AttributeValue::Address(Address::Constant(at))
}

impl Made {
    fn elf(&self) -> ElfFile {
        let encoding = Encoding {
            format: Format::Dwarf32,
            version: self.version,
            address_size: 8,
        };
        let mut dwarf = Dwarf::new();
        let (program, files) = lines(encoding);
        let id = dwarf.units.add(Unit::new(encoding, program));
        let unit = dwarf.units.get_mut(id);
        entries(unit, files);
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        dwarf.write(&mut sections).unwrap();
        let mut elf = MadeElf::new(2);
        sections
            .for_each(|id, bytes| {
                if !bytes.slice().is_empty() {
                    let made = std::mem::replace(&mut elf, MadeElf::new(2));
                    elf = made.section(id.name(), SHT_PROGBITS, bytes.slice());
                }
                Ok::<_, gimli::write::Error>(())
            })
            .unwrap();
        if self.aranges {
            elf = elf.section(".debug_aranges", SHT_PROGBITS, &aranges());
        }
        ElfFile::parse(elf.build()).unwrap()
    }
}

fn entries(unit: &mut Unit, [source, header]: [FileId; 2]) {
    let root = unit.root();
    let compiled_in = AttributeValue::String("/b/linux".into());
    set(unit, root, &[(gimli::DW_AT_comp_dir, compiled_in)]);
    set(
        unit,
        root,
        &[
            (gimli::DW_AT_low_pc, address(0x1000)),
            (gimli::DW_AT_high_pc, AttributeValue::Udata(0x100)),
        ],
    );
    let abstract_inner = function(unit, root, "inner");
    let abstract_innermost = function(unit, root, "innermost");
    let outer = function(unit, root, "outer");
    set(
        unit,
        outer,
        &[
            (gimli::DW_AT_low_pc, address(0x1000)),
            (gimli::DW_AT_high_pc, AttributeValue::Udata(0x100)),
        ],
    );
    // One that ends behind the last address covers nothing.
    let endless = function(unit, root, "endless");
    set(
        unit,
        endless,
        &[
            (gimli::DW_AT_low_pc, address(u64::MAX - 3)),
            (gimli::DW_AT_high_pc, AttributeValue::Udata(0x100)),
        ],
    );
    let ranges = unit.ranges.add(RangeList(vec![
        Range::OffsetPair {
            begin: 0x10,
            end: 0x20,
        },
        Range::OffsetPair {
            begin: 0x80,
            end: 0x84,
        },
    ]));
    let inner = unit.add(outer, DW_TAG_inlined_subroutine);
    set(
        unit,
        inner,
        &[
            (
                gimli::DW_AT_abstract_origin,
                AttributeValue::UnitRef(abstract_inner),
            ),
            (gimli::DW_AT_ranges, AttributeValue::RangeListRef(ranges)),
            (gimli::DW_AT_call_line, AttributeValue::Udata(42)),
            (
                gimli::DW_AT_call_file,
                AttributeValue::FileIndex(Some(source)),
            ),
        ],
    );
    let innermost = unit.add(inner, DW_TAG_inlined_subroutine);
    set(
        unit,
        innermost,
        &[
            (
                gimli::DW_AT_abstract_origin,
                AttributeValue::UnitRef(abstract_innermost),
            ),
            (gimli::DW_AT_low_pc, address(0x1014)),
            (gimli::DW_AT_high_pc, AttributeValue::Udata(4)),
            (gimli::DW_AT_call_line, AttributeValue::Udata(7)),
            (
                gimli::DW_AT_call_file,
                AttributeValue::FileIndex(Some(header)),
            ),
        ],
    );
}

fn set(unit: &mut Unit, id: UnitEntryId, values: &[(gimli::DwAt, AttributeValue)]) {
    for (name, value) in values {
        unit.get_mut(id).set(*name, value.clone());
    }
}

fn function(unit: &mut Unit, root: UnitEntryId, name: &str) -> UnitEntryId {
    let id = unit.add(root, DW_TAG_subprogram);
    set(
        unit,
        id,
        &[(gimli::DW_AT_name, AttributeValue::String(name.into()))],
    );
    id
}

fn lines(encoding: Encoding) -> (LineProgram, [FileId; 2]) {
    let text = |text: &str| LineString::String(text.into());
    let mut lines = LineProgram::new(
        encoding,
        LineEncoding::default(),
        text("/b/linux"),
        None,
        text("kernel/panic.c"),
        None,
    );
    let header_folder = lines.add_directory(text("./include/linux"));
    let folder = lines.default_directory();
    let source = lines.add_file(text("kernel/panic.c"), folder, None);
    let header = lines.add_file(text("list.h"), header_folder, None);
    lines.begin_sequence(Some(Address::Constant(0x1000)));
    for (offset, file, line) in [
        (0, source, 40),
        (0x10, header, 6),
        (0x14, header, 99),
        (0x18, header, 8),
        (0x20, source, 43),
        (0x80, header, 9),
        (0x84, source, 44),
    ] {
        lines.row().address_offset = offset;
        lines.row().file = file;
        lines.row().line = line;
        lines.generate_row();
    }
    lines.end_sequence(0x100);
    (lines, [source, header])
}

/// Of the unit at 0: 0x1000 to 0x1100.
fn aranges() -> Vec<u8> {
    let mut bytes = vec![44, 0, 0, 0, 2, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0];
    for word in [0x1000u64, 0x100, 0, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn shown(lines: &SourceLines, at: u64) -> Vec<String> {
    let frame = |frame: &SourceFrame| {
        let inlined = if frame.inlined { " inlined" } else { "" };
        format!(
            "{} {frame}{inlined}",
            frame.function.as_deref().unwrap_or("?")
        )
    };
    lines.at(VirtAddr(at)).unwrap().iter().map(frame).collect()
}

#[test]
fn an_address_leads_to_its_line_and_through_the_calls_that_were_inlined() {
    for version in [4, 5] {
        for aranges in [false, true] {
            let lines = SourceLines::load(&Made { version, aranges }.elf()).unwrap();
            assert_eq!(
                shown(&lines, 0x1000),
                ["outer kernel/panic.c:40"],
                "{version}"
            );
            assert_eq!(
                shown(&lines, 0x1010),
                [
                    "inner include/linux/list.h:6 inlined",
                    "outer kernel/panic.c:42"
                ]
            );
            assert_eq!(
                shown(&lines, 0x1017),
                [
                    "innermost include/linux/list.h:99 inlined",
                    "inner include/linux/list.h:7 inlined",
                    "outer kernel/panic.c:42"
                ]
            );
            assert_eq!(
                shown(&lines, 0x1083),
                [
                    "inner include/linux/list.h:9 inlined",
                    "outer kernel/panic.c:42"
                ]
            );
            assert_eq!(shown(&lines, 0x10ff), ["outer kernel/panic.c:44"]);
        }
    }
}

#[test]
fn paths_are_relative_to_the_folder_of_the_sources() {
    let lines = SourceLines::load(
        &Made {
            version: 5,
            aranges: true,
        }
        .elf(),
    );
    let lines = lines.unwrap().relative_to("kernel/");
    assert_eq!(shown(&lines, 0x1000), ["outer panic.c:40"]);
    assert_eq!(lines.root(), Some("kernel"));
}

#[test]
fn an_address_without_code_has_no_line() {
    let lines = SourceLines::load(
        &Made {
            version: 5,
            aranges: true,
        }
        .elf(),
    )
    .unwrap();
    for at in [0, 0xfff, 0x1100, u64::MAX] {
        assert_eq!(shown(&lines, at), Vec::<String>::new(), "{at:#x}");
    }
}

#[test]
fn address_ranges_that_are_damaged_do_not_hide_the_lines() {
    let mut elf = Made {
        version: 5,
        aranges: false,
    }
    .elf();
    let made = MadeElf::new(2).section(".debug_aranges", SHT_PROGBITS, &[0xff; 40]);
    let broken = ElfFile::parse(made.build()).unwrap();
    let mut lines = SourceLines::load(&elf).unwrap();
    lines.own.sections.debug_aranges = FileBytes::from(
        broken
            .section_bytes(".debug_aranges")
            .unwrap()
            .unwrap()
            .to_vec(),
    )
    .into();
    assert_eq!(shown(&lines, 0x1000), ["outer kernel/panic.c:40"]);
    elf = ElfFile::parse(MadeElf::new(2).build()).unwrap();
    assert!(matches!(
        SourceLines::load(&elf),
        Err(Error::NoSection { .. })
    ));
}

#[test]
fn every_byte_of_the_tables_may_be_wrong() {
    let bytes: Vec<(String, Vec<u8>)> = {
        let elf = Made {
            version: 5,
            aranges: true,
        }
        .elf();
        let names = elf.sections().iter().map(|section| section.name.clone());
        names
            .filter(|name| name.starts_with(".debug"))
            .map(|name| {
                (
                    name.clone(),
                    elf.section_bytes(&name).unwrap().unwrap().to_vec(),
                )
            })
            .collect()
    };
    for (at, (_, section)) in bytes.iter().enumerate() {
        for index in 0..section.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut made = MadeElf::new(2);
                for (other, (name, section)) in bytes.iter().enumerate() {
                    let mut section = section.clone();
                    if other == at {
                        section[index] ^= flip;
                    }
                    made = made.section(name, SHT_PROGBITS, &section);
                }
                let elf = ElfFile::parse(made.build()).unwrap();
                if let Ok(lines) = SourceLines::load(&elf) {
                    for address in [0x1000, 0x1014, 0x1083] {
                        let _ = lines.at(VirtAddr(address));
                    }
                }
            }
        }
    }
}
