//! DWARF 4 units from a tree of entries; each entry has an abbreviation of its own.

use crate::ElfFile;

use super::elf::MadeElf;

pub(crate) enum Value {
    Text(&'static str),
    /// As an offset in `.debug_str`.
    Place(u32),
    Number(u64),
    Signed(i64),
    /// The number of an entry, in the order in which they were begun.
    Entry(usize),
    Flag,
    Bytes(Vec<u8>),
    /// As `DW_FORM_GNU_ref_alt`.
    Alternate(u32),
}

#[derive(Default)]
pub(crate) struct MadeDwarf {
    abbrev: Vec<u8>,
    info: Vec<u8>,
    count: u64,
    offsets: Vec<u32>,
    fixups: Vec<(usize, usize)>,
}

pub(crate) fn leb(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

fn sleb(value: i64) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..9)
        .map(|n| (value >> (7 * n)) as u8 & 0x7f | 0x80)
        .collect();
    bytes.push((value >> 63) as u8 & 0x7f);
    bytes
}

impl MadeDwarf {
    /// A unit of version 4 with its first entry begun.
    pub(crate) fn new() -> Self {
        Self::with_root(&[])
    }

    /// The same, with attributes of that entry.
    pub(crate) fn with_root(values: &[(gimli::DwAt, Value)]) -> Self {
        let mut made = Self::default();
        made.info
            .extend_from_slice(&[0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8]);
        made.begin(gimli::DW_TAG_compile_unit, true, values);
        made
    }

    /// An entry; with children it has to be ended.
    pub(crate) fn begin(
        &mut self,
        tag: gimli::DwTag,
        children: bool,
        values: &[(gimli::DwAt, Value)],
    ) -> usize {
        self.count += 1;
        self.offsets.push(self.info.len() as u32);
        self.abbrev.extend(leb(self.count));
        self.abbrev.extend(leb(tag.0.into()));
        self.abbrev.push(children.into());
        self.info.extend(leb(self.count));
        for (name, value) in values {
            self.abbrev.extend(leb(name.0.into()));
            let (form, bytes) = match value {
                Value::Text(text) => (0x08, [text.as_bytes(), b"\0"].concat()),
                Value::Place(offset) => (0x0e, offset.to_le_bytes().to_vec()),
                Value::Number(number) => (0x0f, leb(*number)),
                Value::Signed(number) => (0x0d, sleb(*number)),
                Value::Entry(entry) => {
                    self.fixups.push((self.info.len(), *entry));
                    (0x13, vec![0; 4])
                }
                Value::Flag => (0x19, Vec::new()),
                Value::Bytes(bytes) => (0x18, [leb(bytes.len() as u64), bytes.clone()].concat()),
                Value::Alternate(offset) => (0x1f20, offset.to_le_bytes().to_vec()),
            };
            self.abbrev.extend(leb(form));
            self.info.extend(bytes);
        }
        self.abbrev.extend_from_slice(&[0, 0]);
        self.offsets.len() - 1
    }

    pub(crate) fn end(&mut self) {
        self.info.push(0);
    }

    pub(crate) fn leaf(&mut self, tag: gimli::DwTag, values: &[(gimli::DwAt, Value)]) -> usize {
        self.begin(tag, false, values)
    }

    /// `.debug_info` and `.debug_abbrev`.
    pub(crate) fn sections(mut self) -> (Vec<u8>, Vec<u8>) {
        self.end();
        self.abbrev.push(0);
        for (at, entry) in self.fixups {
            self.info[at..at + 4].copy_from_slice(&self.offsets[entry].to_le_bytes());
        }
        let len = self.info.len() as u32 - 4;
        self.info[..4].copy_from_slice(&len.to_le_bytes());
        (self.info, self.abbrev)
    }
}

/// A file of several units, each with the 16 bytes of code at 0x1000 and so on
/// upwards, with `.debug_str`, mergeable or not.
pub(crate) fn elf_of(units: Vec<MadeDwarf>, strings: &[u8], merged: bool) -> ElfFile {
    let (mut info, mut abbrev, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    for (number, unit) in units.into_iter().enumerate() {
        let (mut own, own_abbrev) = unit.sections();
        own[6..10].copy_from_slice(&(abbrev.len() as u32).to_le_bytes());
        // unit_length, version 2, offset of the unit, address and segment size, padding, pairs.
        ranges.extend_from_slice(&44_u32.to_le_bytes());
        ranges.extend_from_slice(&2_u16.to_le_bytes());
        ranges.extend_from_slice(&(info.len() as u32).to_le_bytes());
        ranges.extend_from_slice(&[8, 0, 0, 0, 0, 0]);
        for word in [0x1000 + number as u64 * 16, 16, 0, 0] {
            ranges.extend_from_slice(&word.to_le_bytes());
        }
        info.extend(own);
        abbrev.extend(own_abbrev);
    }
    let flags = if merged { 0x30 } else { 0 };
    let bytes = MadeElf::new(2)
        .section(".debug_info", 1, &info)
        .section(".debug_abbrev", 1, &abbrev)
        .section(".debug_aranges", 1, &ranges)
        .full(".debug_str", 1, (flags, 0), strings, (0, 0))
        .build();
    ElfFile::parse(bytes).unwrap()
}

pub(crate) fn elf((info, abbrev): (Vec<u8>, Vec<u8>)) -> ElfFile {
    let bytes = MadeElf::new(2)
        .section(".debug_info", 1, &info)
        .section(".debug_abbrev", 1, &abbrev)
        .build();
    ElfFile::parse(bytes).unwrap()
}
