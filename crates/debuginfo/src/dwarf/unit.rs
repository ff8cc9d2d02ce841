//! Units: where they are, and what is needed to read their entries.

use std::collections::HashMap;
use std::sync::OnceLock;

use gimli::{
    AttributeValue, DebugAddrBase, DebugInfoOffset, DebugStrOffsetsBase, LittleEndian, UnitOffset,
};

use crate::read::{u8_at, u16_at, u32_at, u64_at};
use crate::{DebugFile, Error, FileBytes};

use super::{ALTERNATE, Die, Dwarf, Slice, View, gimli_error};

const PLACE: &str = ".debug_info";
/// The longest header of a unit: that of a DWARF 5 type unit of 64-bit DWARF.
const LONGEST_HEADER: u64 = 12 + 2 + 1 + 1 + 8 + 8 + 8;
/// The most units of one file. A kernel has some thousand.
const MAX_UNITS: usize = 1 << 20;

/// Where a unit lies in `.debug_info` (see [`ALTERNATE`]), header included, and what was read of it.
#[derive(Debug)]
pub(super) struct UnitSpan {
    pub(super) start: u64,
    pub(super) len: u64,
    loaded: OnceLock<Result<UnitData, Error>>,
}

/// A unit's bytes, and what its entries are read with.
#[derive(Debug)]
pub(super) struct UnitData {
    bytes: FileBytes,
    context: UnitContext,
}

/// What a unit's entries are read with.
#[derive(Debug)]
pub(super) struct UnitContext {
    pub(super) abbreviations: gimli::Abbreviations,
    pub(super) string_offsets_base: DebugStrOffsetsBase<usize>,
    pub(super) address_base: DebugAddrBase<usize>,
}

/// A unit that is being read.
#[derive(Clone)]
pub(super) struct Unit<'a> {
    pub(super) view: View<'a>,
    pub(super) header: gimli::UnitHeader<Slice<'a>>,
    pub(super) context: &'a UnitContext,
    pub(super) start: u64,
}

/// The bounds of all units, and the types of type units by signature.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) spans: Vec<UnitSpan>,
    pub(super) signatures: HashMap<u64, u64>,
    /// Whether some unit is of 64-bit DWARF.
    pub(super) wide: bool,
}

impl Units {
    /// Reads the headers of a file's units and nothing between them. `base` is added to offsets.
    pub(super) fn read(&mut self, info: &DebugFile, base: u64) -> Result<(), Error> {
        if info.len() >= ALTERNATE {
            let found = format!("{} bytes", info.len());
            return Err(Error::malformed(PLACE, 0, "less than 2^55 bytes", found));
        }
        let mut start = 0;
        while start < info.len() {
            let have = info.len() - start;
            let header = info.bytes(PLACE, start, LONGEST_HEADER.min(have))?;
            let short = || Error::Truncated {
                place: PLACE,
                offset: start,
                need: LONGEST_HEADER,
                have,
            };
            // unit_length; behind ffffffff it has eight bytes.
            let (len, wide) = match u32_at(&header, 0).ok_or_else(short)? {
                u32::MAX => (u64_at(&header, 4).ok_or_else(short)?, true),
                len => (len.into(), false),
            };
            let after_length = if wide { 12 } else { 4 };
            let whole = len.checked_add(after_length).filter(|len| *len <= have);
            let whole = whole.ok_or(Error::Truncated {
                place: PLACE,
                offset: start,
                need: len,
                have,
            })?;
            if let Some((signature, offset)) = type_unit(&header, after_length as usize, wide) {
                let offset = base.saturating_add(start).saturating_add(offset);
                self.signatures.insert(signature, offset);
            }
            self.wide |= wide;
            if self.spans.len() >= MAX_UNITS {
                let found = format!("more, at offset {start:#x}");
                return Err(Error::malformed(PLACE, 0, "at most 2^20 units", found));
            }
            self.spans.push(UnitSpan {
                start: base | start,
                len: whole,
                loaded: OnceLock::new(),
            });
            start = start.saturating_add(whole);
        }
        Ok(())
    }
}

/// Signature, and offset of the type, of a DWARF 5 type unit (`DW_UT_type`, 2).
fn type_unit(header: &[u8], at: usize, wide: bool) -> Option<(u64, u64)> {
    let version = u16_at(header, at)?;
    if version != 5 || u8_at(header, at + 2)? != 2 {
        return None;
    }
    let offset_len = if wide { 8 } else { 4 };
    let signature_at = at + 4 + offset_len;
    let offset = match wide {
        true => u64_at(header, signature_at + 8)?,
        false => u32_at(header, signature_at + 8)?.into(),
    };
    Some((u64_at(header, signature_at)?, offset))
}

impl Dwarf {
    /// The number of the unit that holds an offset of `.debug_info`.
    pub(super) fn unit_number(&self, offset: u64) -> Option<usize> {
        let spans = &self.units.spans;
        let number = spans
            .partition_point(|unit| unit.start <= offset)
            .checked_sub(1)?;
        let span = spans.get(number)?;
        (offset - span.start < span.len).then_some(number)
    }

    /// The unit that holds an offset of `.debug_info`.
    pub(super) fn unit_of(&self, offset: u64) -> Result<Unit<'_>, Error> {
        let len = self.sections(offset)?.info.len();
        let number = self.unit_number(offset).ok_or(Error::BadTypeId {
            id: offset,
            limit: len,
        })?;
        self.unit(number)
    }

    /// A unit by number, read and kept.
    pub(super) fn unit(&self, number: usize) -> Result<Unit<'_>, Error> {
        let span = self.units.spans.get(number).ok_or(Error::BadTypeId {
            id: number as u64,
            limit: self.units.spans.len() as u64,
        })?;
        let data = span.loaded.get_or_init(|| self.read_unit(span)).as_ref();
        let data = data.map_err(Clone::clone)?;
        self.open(data, span)
    }

    /// Calls `visit` with a unit that is kept only if it was before.
    pub(super) fn with_unit<T>(
        &self,
        number: usize,
        visit: impl FnOnce(&Unit<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.units.spans.get(number) {
            Some(span) if span.loaded.get().is_none() => {
                let data = self.read_unit(span)?;
                visit(&self.open(&data, span)?)
            }
            _ => visit(&self.unit(number)?),
        }
    }

    /// A unit's bytes; kept only if they were before.
    pub(super) fn unit_bytes(&self, number: usize) -> Result<FileBytes, Error> {
        let span = self.units.spans.get(number).ok_or(Error::BadTypeId {
            id: number as u64,
            limit: self.units.spans.len() as u64,
        })?;
        match span.loaded.get() {
            Some(Ok(data)) => Ok(data.bytes.clone()),
            _ => self.bytes_of(span),
        }
    }

    #[inline(never)]
    fn bytes_of(&self, span: &UnitSpan) -> Result<FileBytes, Error> {
        let info = &self.sections(span.start)?.info;
        info.bytes(PLACE, span.start & !ALTERNATE, span.len)
    }

    #[inline(never)]
    fn view(&self, span: &UnitSpan) -> Result<View<'_>, Error> {
        Ok(self.sections(span.start)?.view(&self.alternate))
    }

    #[inline(never)]
    fn read_unit(&self, span: &UnitSpan) -> Result<UnitData, Error> {
        let bytes = self.bytes_of(span)?;
        let header = header_of(&bytes, span.start)?;
        let context = UnitContext::read(&self.view(span)?, &header, span.start)?;
        Ok(UnitData { bytes, context })
    }

    #[inline(never)]
    fn open<'a>(&'a self, data: &'a UnitData, span: &UnitSpan) -> Result<Unit<'a>, Error> {
        Ok(Unit {
            view: self.view(span)?,
            header: header_of(&data.bytes, span.start)?,
            context: &data.context,
            start: span.start,
        })
    }
}

/// The header of a unit whose bytes start with it.
fn header_of(bytes: &[u8], start: u64) -> Result<gimli::UnitHeader<Slice<'_>>, Error> {
    gimli::DebugInfo::new(bytes, LittleEndian)
        .header_from_offset(DebugInfoOffset(0))
        .map_err(gimli_error(start))
}

impl UnitContext {
    /// Reads the abbreviations, and the bases from the unit's first entry.
    pub(super) fn read(
        view: &View<'_>,
        header: &gimli::UnitHeader<Slice<'_>>,
        start: u64,
    ) -> Result<Self, Error> {
        let error = gimli_error(start);
        let abbreviations = header.abbreviations(&view.abbrev).map_err(&error)?;
        let mut root = Die::null();
        header
            .entries_raw(&abbreviations, None)
            .map_err(&error)?
            .read_entry(&mut root)
            .map_err(&error)?;
        // Split DWARF is in files of its own; `-gsplit-dwarf` came with DWARF 4.
        if root.has_attr(gimli::DW_AT_GNU_dwo_name) || root.has_attr(gimli::DW_AT_dwo_name) {
            return Err(Error::unsupported(
                "split DWARF (.dwo files)",
                "build the kernel without -gsplit-dwarf",
            ));
        }
        let string_offsets_base = match root.attr_value(gimli::DW_AT_str_offsets_base) {
            Some(AttributeValue::DebugStrOffsetsBase(base)) => base,
            _ => DebugStrOffsetsBase(8),
        };
        let address_base = match root.attr_value(gimli::DW_AT_addr_base) {
            Some(AttributeValue::DebugAddrBase(base)) => base,
            _ => DebugAddrBase(8),
        };
        Ok(Self {
            abbreviations,
            string_offsets_base,
            address_base,
        })
    }
}

impl<'a> Unit<'a> {
    /// The entry at an offset of `.debug_info`, and a reader behind it.
    pub(super) fn entry<'u>(
        &'u self,
        offset: u64,
    ) -> Result<(Die<'a>, gimli::EntriesRaw<'u, Slice<'a>>), Error> {
        let error = gimli_error(offset);
        let own = offset
            .checked_sub(self.start)
            .and_then(|own| usize::try_from(own).ok());
        let own = UnitOffset(own.unwrap_or(usize::MAX));
        let mut raw = self
            .header
            .entries_raw(&self.context.abbreviations, Some(own))
            .map_err(&error)?;
        let mut die = Die::null();
        if !raw.read_entry(&mut die).map_err(&error)? {
            return Err(Error::malformed(
                ".debug_info",
                offset as usize,
                "an entry",
                "the end of a list",
            ));
        }
        Ok((die, raw))
    }

    /// Calls `visit` with each direct child of the entry that `raw` stands behind.
    pub(super) fn for_each_child<'u>(
        &'u self,
        parent: &Die<'a>,
        mut raw: gimli::EntriesRaw<'u, Slice<'a>>,
        visit: &mut dyn FnMut(&Die<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut die = Die::null();
        while parent.has_children() && raw.next_depth() > 0 && !raw.is_empty() {
            let error = gimli_error(self.start.saturating_add(raw.next_offset().0 as u64));
            if raw.next_depth() == 1 {
                if !raw.read_entry(&mut die).map_err(&error)? {
                    break;
                }
                visit(&die)?;
            } else if let Some(abbreviation) = raw.read_abbreviation().map_err(&error)? {
                raw.skip_attributes(abbreviation.attributes())
                    .map_err(&error)?;
            }
        }
        Ok(())
    }
}
