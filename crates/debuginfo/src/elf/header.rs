//! The ELF header and the table of sections.

use crate::read::{c_str_at, u8_at, u16_at, u32_at, u64_at};
use crate::{DebugFile, Error, FileBytes, VirtAddr};

use super::Section;

/// What [`Header::parse`] looks at: the header, and what tells other files apart.
pub(super) const FIRST_BYTES: u64 = 0x300;
/// Bytes of an `Elf64_Shdr`.
const SECTION_HEADER_LEN: usize = 64;
/// The longest name of a section that is read.
const MAX_SECTION_NAME: usize = 256;
/// The most bytes of sections' names.
const MAX_NAMES: u64 = 64 << 20;
/// The most sections: a module built with `-ffunction-sections` has thousands.
const MAX_SECTIONS: u64 = 1 << 20;
/// Magic numbers of what people hand over instead of a vmlinux: bytes, offset,
/// what it is, what to do.
const NOT_ELF: [(&[u8], usize, &str, &str); 6] = [
    (
        b"HdrS",
        0x202,
        "a compressed kernel image (bzImage, vmlinuz)",
        "give the vmlinux with debug info, or unpack it with the kernel's scripts/extract-vmlinux",
    ),
    (&[0x1f, 0x8b], 0, "a gzip file", "unpack it with gunzip"),
    (
        &[0x28, 0xb5, 0x2f, 0xfd],
        0,
        "a zstd file",
        "unpack it with unzstd",
    ),
    (
        &[0xfd, b'7', b'z', b'X', b'Z'],
        0,
        "an xz file",
        "unpack it with unxz",
    ),
    (b"BZh", 0, "a bzip2 file", "unpack it with bunzip2"),
    (
        b"KDUMP   ",
        0,
        "a kdump-compressed dump",
        "a kernel's vmlinux is wanted here",
    ),
];

/// `e_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfType {
    /// `ET_REL`: a module.
    Relocatable,
    /// `ET_EXEC`: vmlinux.
    Executable,
    /// `ET_DYN`: vmlinux of some architectures.
    Shared,
    /// `ET_CORE`: a dump.
    Core,
    /// Any other.
    Other(u16),
}

#[derive(Debug)]
pub(super) struct Header {
    pub(super) elf_type: ElfType,
    pub(super) machine: u16,
    sections_at: u64,
    section_len: u16,
    section_count: u16,
    names_index: u16,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.get(..4) != Some(b"\x7fELF") {
            return Err(not_elf(bytes));
        }
        let short = || Error::truncated("ELF header", bytes, 0, 64);
        if u8_at(bytes, 4).ok_or_else(short)? != 2 {
            return Err(Error::unsupported(
                "a 32-bit ELF file",
                "only x86-64 kernels are read",
            ));
        }
        if u8_at(bytes, 5).ok_or_else(short)? != 1 {
            return Err(Error::unsupported(
                "a big-endian ELF file",
                "only x86-64 kernels are read",
            ));
        }
        let half = |offset| u16_at(bytes, offset).ok_or_else(short);
        Ok(Self {
            elf_type: match half(16)? {
                1 => ElfType::Relocatable,
                2 => ElfType::Executable,
                3 => ElfType::Shared,
                4 => ElfType::Core,
                other => ElfType::Other(other),
            },
            machine: half(18)?,
            sections_at: u64_at(bytes, 40).ok_or_else(short)?,
            section_len: half(58)?,
            section_count: half(60)?,
            names_index: half(62)?,
        })
    }

    /// All section headers. With more than 65,279 sections, their number and the
    /// number of the section of names stand in the first header.
    pub(super) fn sections(&self, file: &DebugFile) -> Result<Vec<Section>, Error> {
        if self.sections_at == 0 {
            return Ok(Vec::new());
        }
        if usize::from(self.section_len) != SECTION_HEADER_LEN {
            let found = self.section_len.to_string();
            return Err(Error::malformed(
                "ELF header",
                58,
                "section headers of 64 bytes",
                found,
            ));
        }
        let table = |count: u64| {
            let len = count.saturating_mul(SECTION_HEADER_LEN as u64);
            file.bytes("ELF section headers", self.sections_at, len)
        };
        let first = RawHeader::at(&table(1)?, 0)?;
        let count = if self.section_count == 0 {
            first.size
        } else {
            self.section_count.into()
        };
        let names_index = if self.names_index == 0xffff {
            first.link as usize
        } else {
            self.names_index.into()
        };
        if count > MAX_SECTIONS {
            return Err(Error::malformed(
                "ELF header",
                60,
                "at most 2^20 sections",
                count.to_string(),
            ));
        }
        let table = table(count)?;
        let names = RawHeader::at(&table, names_index).ok();
        let names = names.and_then(|names| names.content(file));
        let mut sections = Vec::with_capacity(count.min(4096) as usize);
        for index in 0..count as usize {
            let raw = RawHeader::at(&table, index)?;
            let name = names.as_ref().and_then(|names| raw.name_in(names));
            sections.push(raw.named(name.unwrap_or_default()));
        }
        Ok(sections)
    }
}

/// `Elf64_Shdr`.
#[derive(Debug)]
struct RawHeader {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
}

impl RawHeader {
    /// Number `index` of a table of section headers.
    fn at(table: &[u8], index: usize) -> Result<Self, Error> {
        let start = index.saturating_mul(SECTION_HEADER_LEN);
        let short = || Error::truncated("ELF section headers", table, start, SECTION_HEADER_LEN);
        let end = start.checked_add(SECTION_HEADER_LEN).ok_or_else(short)?;
        let raw = table.get(start..end).ok_or_else(short)?;
        let word = |offset| u32_at(raw, offset).ok_or_else(short);
        let long = |offset| u64_at(raw, offset).ok_or_else(short);
        Ok(Self {
            name: word(0)?,
            kind: word(4)?,
            flags: long(8)?,
            address: long(16)?,
            offset: long(24)?,
            size: long(32)?,
            link: word(40)?,
            info: word(44)?,
        })
    }

    /// The section's bytes, where they are no more than names can take.
    fn content(&self, file: &DebugFile) -> Option<FileBytes> {
        let part = file.part(self.offset, self.size.min(MAX_NAMES))?;
        part.whole("ELF section names").ok()
    }

    fn name_in(&self, names: &[u8]) -> Option<String> {
        let name = c_str_at(names, self.name as usize, MAX_SECTION_NAME)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    fn named(self, name: String) -> Section {
        Section {
            name,
            kind: self.kind,
            flags: self.flags,
            address: VirtAddr(self.address),
            offset: self.offset,
            size: self.size,
            link: self.link,
            info: self.info,
        }
    }
}

fn not_elf(bytes: &[u8]) -> Error {
    for (magic, offset, what, hint) in NOT_ELF {
        if bytes
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
        {
            return Error::unsupported(what, hint);
        }
    }
    let found = bytes.get(..4).map_or_else(
        || format!("{} bytes", bytes.len()),
        |start| format!("{start:02x?}"),
    );
    Error::malformed("ELF header", 0, "an ELF file (7f 45 4c 46)", found)
}
