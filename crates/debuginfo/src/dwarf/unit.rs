//! Units: where they are, and what is needed to read their entries.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use gimli::{
    AttributeValue, DebugAddrBase, DebugInfoOffset, DebugStrOffsetsBase, UnitOffset, UnitType,
};

use crate::Error;

use super::{Die, Dwarf, Slice, View, gimli_error};

/// How many units' abbreviations are kept (about 20 kB each).
const MAX_CONTEXTS: usize = 256;

/// Where a unit lies in `.debug_info`, header included, end exclusive.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitSpan {
    pub(super) start: u64,
    pub(super) end: u64,
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
    pub(super) context: Arc<UnitContext>,
    pub(super) start: u64,
}

/// The bounds of all units, and the types of type units by signature.
pub(super) fn spans(view: &View<'_>) -> Result<(Vec<UnitSpan>, HashMap<u64, u64>), Error> {
    let mut spans = Vec::new();
    let mut signatures = HashMap::new();
    let mut headers = view.info.units();
    let mut at = 0;
    while let Some(header) = headers.next().map_err(gimli_error(at))? {
        let start = header
            .debug_info_offset()
            .map_or(at, |offset| offset.0 as u64);
        let end = start.saturating_add(header.length_including_self() as u64);
        if let UnitType::Type {
            type_signature,
            type_offset,
        } = header.type_()
        {
            signatures.insert(type_signature.0, start.saturating_add(type_offset.0 as u64));
        }
        spans.push(UnitSpan { start, end });
        at = end;
    }
    Ok((spans, signatures))
}

impl Dwarf {
    /// The unit that holds an offset of `.debug_info`.
    pub(super) fn unit_of(&self, offset: u64) -> Result<Unit<'_>, Error> {
        let after = self.units.partition_point(|unit| unit.start <= offset);
        let span = after.checked_sub(1).and_then(|index| self.units.get(index));
        let span = span.filter(|span| offset < span.end);
        let span = span.ok_or(Error::BadTypeId {
            id: offset,
            limit: self.info.len() as u64,
        })?;
        let view = self.view();
        let header = header_at(&view, span.start)?;
        let context = self.context(&view, &header, span.start)?;
        Ok(Unit {
            view,
            header,
            context,
            start: span.start,
        })
    }

    fn context(
        &self,
        view: &View<'_>,
        header: &gimli::UnitHeader<Slice<'_>>,
        start: u64,
    ) -> Result<Arc<UnitContext>, Error> {
        let lock = || self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = lock().get(&start) {
            return Ok(Arc::clone(context));
        }
        let context = Arc::new(UnitContext::read(view, header, start)?);
        let mut contexts = lock();
        if contexts.len() >= MAX_CONTEXTS {
            contexts.clear();
        }
        contexts.insert(start, Arc::clone(&context));
        Ok(context)
    }
}

pub(super) fn header_at<'a>(
    view: &View<'a>,
    start: u64,
) -> Result<gimli::UnitHeader<Slice<'a>>, Error> {
    let offset = DebugInfoOffset(usize::try_from(start).unwrap_or(usize::MAX));
    view.info
        .header_from_offset(offset)
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
        mut visit: impl FnMut(&Die<'a>) -> Result<(), Error>,
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
