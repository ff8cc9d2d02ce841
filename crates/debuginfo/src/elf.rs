//! ELF files of a kernel: vmlinux, modules (`.ko`), and their debug files.
//!
//! ```text
//!  0 7f 'E' 'L' 'F' │ 4 class 2 │ 5 data 1 │ 16 type │ 18 machine
//! 40 e_shoff │ 58 e_shentsize │ 60 e_shnum │ 62 e_shstrndx
//! ```
//!
//! Only section headers are read when a file is opened (`elf(5)`, gABI
//! chapter 4). A section is read, and decompressed, when it is asked for.

mod alternate;
mod header;
mod relocation;

use std::sync::Arc;

use crate::inflate::{Packing, unpack};
use crate::read::{c_str_at, u16_at, u32_at, u64_at};
use crate::{DebugFile, Error, FileBytes, VirtAddr};

pub use header::ElfType;
use header::Header;

/// How far apart the sections of a relocatable file are placed, see
/// [`ElfFile::section_at`].
const SECTION_SHIFT: u32 = 40;

pub(crate) const SHT_SYMTAB: u32 = 2;
pub(crate) const SHT_RELA: u32 = 4;
pub(crate) const SHT_NOTE: u32 = 7;
pub(crate) const SHT_NOBITS: u32 = 8;
pub(crate) const SHF_WRITE: u64 = 1;
pub(crate) const SHF_ALLOC: u64 = 2;
pub(crate) const SHF_EXECINSTR: u64 = 4;
pub(crate) const SHF_MERGE: u64 = 0x10;
pub(crate) const SHF_STRINGS: u64 = 0x20;
const SHF_COMPRESSED: u64 = 0x800;
const NT_GNU_BUILD_ID: u32 = 3;
/// The longest build-id that is taken, in bytes; the usual one has 20.
const MAX_BUILD_ID: usize = 64;

/// One section header.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// `SHT_*`.
    pub kind: u32,
    /// `SHF_*`.
    pub flags: u64,
    /// Its address as linked; zero in a relocatable file.
    pub address: VirtAddr,
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes it has, in the file and, unless compressed, in memory.
    pub size: u64,
    /// The section it belongs to, by number; what that means depends on its kind.
    pub link: u32,
    /// More of the same.
    pub info: u32,
}

/// An ELF file with its section headers.
#[derive(Debug)]
pub struct ElfFile {
    file: DebugFile,
    header: Header,
    sections: Vec<Section>,
    /// What dwz moved to another file, where that was found.
    alternate: Option<Arc<ElfFile>>,
}

impl ElfFile {
    /// Reads the headers of a 64-bit little-endian ELF file.
    pub fn parse(file: impl Into<DebugFile>) -> Result<Self, Error> {
        let file = file.into();
        let header = Header::parse(&file.first("ELF header", header::FIRST_BYTES)?)?;
        let sections = header.sections(&file)?;
        Ok(Self {
            file,
            header,
            sections,
            alternate: None,
        })
    }

    /// Whether it is an executable, a relocatable file (a module), and so on.
    #[must_use]
    pub fn elf_type(&self) -> ElfType {
        self.header.elf_type
    }

    /// `e_machine`; 62 is x86-64.
    #[must_use]
    pub fn machine(&self) -> u16 {
        self.header.machine
    }

    /// All sections, by number.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The first section of this name, and its number.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<(usize, &Section)> {
        self.sections
            .iter()
            .enumerate()
            .find(|(_, section)| section.name == name)
    }

    /// The bytes of a section, decompressed; `None` if there is no such section
    /// or it holds no bytes in this file. A compressed `.debug_…` may also be
    /// there as `.zdebug_…`.
    ///
    /// Relocations are not applied: see [`Self::relocated_section`]. Of a large
    /// section of which little is needed, [`Self::section_file`]'s pieces can be read.
    pub fn section_bytes(&self, name: &str) -> Result<Option<FileBytes>, Error> {
        match self.section_file(name)? {
            Some(section) => section.whole("ELF section").map(Some),
            None => Ok(None),
        }
    }

    /// Like [`Self::section_bytes`], as a file of its own, of which nothing is
    /// read yet unless it had to be decompressed.
    pub fn section_file(&self, name: &str) -> Result<Option<DebugFile>, Error> {
        if let Some((_, section)) = self.section(name) {
            return self.unpacked(section);
        }
        let Some(rest) = name.strip_prefix(".debug_") else {
            return Ok(None);
        };
        let Some((_, section)) = self.section(&format!(".zdebug_{rest}")) else {
            return Ok(None);
        };
        self.unpacked_zdebug(section).map(Some)
    }

    /// Like [`Self::section_bytes`], with the relocations of a relocatable file
    /// applied; addresses become those of [`Self::section_at`].
    pub fn relocated_section(&self, name: &str) -> Result<Option<FileBytes>, Error> {
        match self.relocated_file(name)? {
            Some(section) => section.whole("ELF section").map(Some),
            None => Ok(None),
        }
    }

    /// Like [`Self::section_file`], with the relocations of a relocatable file
    /// applied.
    pub fn relocated_file(&self, name: &str) -> Result<Option<DebugFile>, Error> {
        let Some(file) = self.section_file(name)? else {
            return Ok(None);
        };
        match self.section(name) {
            Some((number, _)) if self.header.elf_type == ElfType::Relocatable => {
                let bytes = file.whole("ELF section")?;
                relocation::apply(self, number, bytes).map(|bytes| Some(bytes.into()))
            }
            _ => Ok(Some(file)),
        }
    }

    /// The bytes of one section, decompressed; empty if it holds none.
    pub(crate) fn bytes_of(&self, section: &Section) -> Result<FileBytes, Error> {
        match self.unpacked(section)? {
            Some(file) => file.whole("ELF section"),
            None => Ok(FileBytes::default()),
        }
    }

    /// A section as it lies in the file.
    fn raw(&self, section: &Section) -> Result<DebugFile, Error> {
        let part = self.file.part(section.offset, section.size);
        part.ok_or_else(|| Error::Truncated {
            place: "ELF section",
            offset: section.offset,
            need: section.size,
            have: self.file.len().saturating_sub(section.offset),
        })
    }

    fn unpacked(&self, section: &Section) -> Result<Option<DebugFile>, Error> {
        if section.kind == SHT_NOBITS {
            return Ok(None);
        }
        let raw = self.raw(section)?;
        if section.flags & SHF_COMPRESSED == 0 {
            return Ok(Some(raw));
        }
        let bytes = raw.whole("ELF section")?;
        // Elf64_Chdr: ch_type u32, reserved u32, ch_size u64, ch_addralign u64.
        let short = || Error::truncated("ELF compression header", &bytes, 0, 24);
        let size = u64_at(&bytes, 8).ok_or_else(short)?;
        let packing = match u32_at(&bytes, 0).ok_or_else(short)? {
            1 => Packing::Zlib,
            2 => Packing::Zstd,
            other => {
                let what = format!("section {} with compression type {other}", section.name);
                return Err(Error::unsupported(what, "zlib (1) and zstd (2) are read"));
            }
        };
        let packed = bytes.get(24..).ok_or_else(short)?;
        let unpacked = unpack(packing, packed, Some(size), "compressed ELF section")?;
        Ok(Some(unpacked.into()))
    }

    /// GNU's older form: `ZLIB`, the size as a big-endian u64, a zlib stream.
    fn unpacked_zdebug(&self, section: &Section) -> Result<DebugFile, Error> {
        let bytes = self.raw(section)?.whole("ELF section")?;
        if bytes.get(..4) != Some(b"ZLIB") {
            return Ok(bytes.into());
        }
        let short = || Error::truncated(".zdebug section", &bytes, 4, 8);
        let size = u64::swap_bytes(u64_at(&bytes, 4).ok_or_else(short)?);
        let packed = bytes.get(12..).unwrap_or_default();
        unpack(Packing::Zlib, packed, Some(size), ".zdebug section").map(DebugFile::from)
    }

    /// Where a section starts in this file's addresses.
    ///
    /// In a linked file (vmlinux) that is its address. The sections of a
    /// relocatable file (a module) all start at zero; so that they can be told
    /// apart, its loadable sections are placed at `section number << 40`, here
    /// and in everything read from the file: symbols, DWARF variables.
    #[must_use]
    pub fn section_start(&self, number: usize) -> VirtAddr {
        match self.sections.get(number) {
            Some(section) if self.header.elf_type != ElfType::Relocatable => section.address,
            Some(section) if section.flags & SHF_ALLOC != 0 => {
                VirtAddr((number as u64) << SECTION_SHIFT)
            }
            _ => VirtAddr(0),
        }
    }

    /// The loadable section that an address of this file lies in, and the offset
    /// in it in bytes: what a module's address in memory is computed from.
    #[must_use]
    pub fn section_at(&self, address: VirtAddr) -> Option<(&Section, u64)> {
        self.sections
            .iter()
            .enumerate()
            .find_map(|(number, section)| {
                let offset = address.distance_from(self.section_start(number))?;
                (section.flags & SHF_ALLOC != 0 && offset < section.size)
                    .then_some((section, offset))
            })
    }

    /// The GNU build-id in lower-case hex, from the first note section that has one.
    #[must_use]
    pub fn build_id(&self) -> Option<String> {
        self.sections
            .iter()
            .filter(|section| section.kind == SHT_NOTE)
            .find_map(|section| {
                let bytes = self.bytes_of(section).ok()?;
                build_id_in_notes(&bytes)
            })
    }

    /// The value of a key in `.modinfo`, such as `name`, `vermagic`, `intree`.
    #[must_use]
    pub fn modinfo(&self, key: &str) -> Option<String> {
        let bytes = self.section_bytes(".modinfo").ok()??;
        bytes.split(|byte| *byte == 0).find_map(|entry| {
            let value = entry.strip_prefix(key.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value).into_owned())
        })
    }

    /// The name of the module in this file: `name=` of `.modinfo` (since 4.13),
    /// else the string in `.gnu.linkonce.this_module`, whose `struct module` has
    /// `char name[MODULE_NAME_LEN]` behind an enum and a list head, at byte 24.
    #[must_use]
    pub fn module_name(&self) -> Option<String> {
        if let Some(name) = self.modinfo("name") {
            return Some(name);
        }
        let bytes = self.section_bytes(".gnu.linkonce.this_module").ok()??;
        let name = c_str_at(&bytes, 24, 64).filter(|name| !name.is_empty())?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Whether there is DWARF to read.
    #[must_use]
    pub fn has_dwarf(&self) -> bool {
        [".debug_info", ".zdebug_info"].iter().any(|name| {
            self.section(name)
                .is_some_and(|(_, section)| section.kind != SHT_NOBITS && section.size > 0)
        })
    }

    /// Whether there is BTF to read.
    #[must_use]
    pub fn has_btf(&self) -> bool {
        self.section(".BTF")
            .is_some_and(|(_, section)| section.kind != SHT_NOBITS && section.size > 0)
    }
}

/// Finds `NT_GNU_BUILD_ID` of owner `GNU` among notes (three words, then name
/// and descriptor, each padded to four bytes): the `.notes` section of vmlinux,
/// the same bytes in `/sys/kernel/notes`, or a module's `.note.gnu.build-id`.
#[must_use]
pub fn build_id_in_notes(notes: &[u8]) -> Option<String> {
    let padded = |len: u32| (len as usize).checked_next_multiple_of(4);
    let mut at = 0usize;
    loop {
        let name_len = u32_at(notes, at)?;
        let desc_len = u32_at(notes, at.checked_add(4)?)?;
        let kind = u32_at(notes, at.checked_add(8)?)?;
        let name = at.checked_add(12)?;
        let desc = name.checked_add(padded(name_len)?)?;
        let owner = notes.get(name..name.checked_add(name_len as usize)?)?;
        if kind == NT_GNU_BUILD_ID && owner == b"GNU\0" {
            let id = notes.get(desc..desc.checked_add(desc_len as usize)?)?;
            return (!id.is_empty() && id.len() <= MAX_BUILD_ID).then(|| hex(id));
        }
        at = desc.checked_add(padded(desc_len)?)?;
    }
}

/// Bytes as a build-id is written: lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a symbol's 24 bytes: `st_name` u32, `st_info` u8, `st_other` u8,
/// `st_shndx` u16, `st_value` u64, `st_size` u64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawSymbol {
    pub(crate) name: u32,
    pub(crate) info: u8,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

impl RawSymbol {
    /// Bytes of an `Elf64_Sym`.
    pub(crate) const LEN: usize = 24;

    pub(crate) fn at(symtab: &[u8], index: usize) -> Option<Self> {
        let start = index.checked_mul(Self::LEN)?;
        let bytes = symtab.get(start..start.checked_add(Self::LEN)?)?;
        Some(Self {
            name: u32_at(bytes, 0)?,
            info: *bytes.get(4)?,
            section: u16_at(bytes, 6)?,
            value: u64_at(bytes, 8)?,
            size: u64_at(bytes, 16)?,
        })
    }
}

#[cfg(test)]
mod tests;
