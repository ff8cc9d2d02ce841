//! x86-64 relocations of debug sections in a module's file (psABI table 4.9).

use super::{ElfFile, RawSymbol, SHT_RELA};
use crate::read::{u32_at, u64_at};
use crate::{Error, FileBytes};

/// Bytes of an `Elf64_Rela`: `r_offset`, `r_info` (symbol 32-63, type 0-31), `r_addend`.
const RELA_LEN: usize = 24;
const EM_X86_64: u16 = 62;
const R_X86_64_NONE: u32 = 0;
const R_X86_64_64: u32 = 1;
const R_X86_64_PC32: u32 = 2;
const R_X86_64_32: u32 = 10;
const R_X86_64_32S: u32 = 11;
const R_X86_64_PC64: u32 = 24;

/// Applies all RELA sections that belong to section `number` to its bytes.
pub(super) fn apply(elf: &ElfFile, number: usize, bytes: FileBytes) -> Result<FileBytes, Error> {
    let mut tables = elf.sections().iter().filter(|section| {
        section.kind == SHT_RELA && section.info as usize == number && section.size > 0
    });
    let Some(first) = tables.next() else {
        return Ok(bytes);
    };
    if elf.machine() != EM_X86_64 {
        let what = format!("relocations of machine {}", elf.machine());
        return Err(Error::unsupported(what, "only x86-64 kernels are read"));
    }
    let mut patched = bytes.to_vec();
    for table in std::iter::once(first).chain(tables) {
        let symbols = symbol_values(elf, table.link)?;
        let relocations = elf.bytes_of(table)?;
        for entry in relocations.chunks_exact(RELA_LEN) {
            apply_one(entry, &symbols, &mut patched)?;
        }
    }
    Ok(FileBytes::from(patched))
}

/// The value of every symbol of a table, in the file's addresses.
fn symbol_values(elf: &ElfFile, table: u32) -> Result<Vec<u64>, Error> {
    let missing = || {
        Error::malformed(
            "ELF relocations",
            0,
            "a symbol table",
            format!("section {table}"),
        )
    };
    let section = elf.sections().get(table as usize).ok_or_else(missing)?;
    let symtab = elf.bytes_of(section)?;
    let count = symtab.len() / RawSymbol::LEN;
    Ok((0..count)
        .filter_map(|index| RawSymbol::at(&symtab, index))
        .map(|symbol| {
            elf.section_start(symbol.section.into())
                .0
                .wrapping_add(symbol.value)
        })
        .collect())
}

fn apply_one(entry: &[u8], symbols: &[u64], patched: &mut [u8]) -> Result<(), Error> {
    let short = || Error::truncated("ELF relocations", entry, 0, RELA_LEN);
    let offset = u64_at(entry, 0).ok_or_else(short)?;
    let kind = u32_at(entry, 8).ok_or_else(short)?;
    let symbol = u32_at(entry, 12).ok_or_else(short)?;
    let addend = u64_at(entry, 16).ok_or_else(short)?;
    let place = usize::try_from(offset).unwrap_or(usize::MAX);
    let bad = |expected, found: String| Error::malformed("ELF relocations", place, expected, found);
    let value = symbols
        .get(symbol as usize)
        .ok_or_else(|| bad("a symbol of the table", format!("symbol {symbol}")))?
        .wrapping_add(addend);
    let (value, width) = match kind {
        R_X86_64_NONE => return Ok(()),
        R_X86_64_64 => (value, 8),
        R_X86_64_32 | R_X86_64_32S => (value, 4),
        R_X86_64_PC64 => (value.wrapping_sub(offset), 8),
        R_X86_64_PC32 => (value.wrapping_sub(offset), 4),
        other => return Err(bad("a relocation of debug info", format!("type {other}"))),
    };
    let field = place
        .checked_add(width)
        .and_then(|end| patched.get_mut(place..end));
    let field = field.ok_or_else(|| {
        bad(
            "a place inside of the section",
            format!("offset {offset:#x}"),
        )
    })?;
    for (to, from) in field.iter_mut().zip(value.to_le_bytes()) {
        *to = from;
    }
    Ok(())
}
