//! Attributes of entries: names, references, addresses, numbers.

use std::borrow::Cow;

use gimli::{AttributeValue, DwAt, Operation};

use crate::model::MAX_NAME;
use crate::{Error, TypeId, VirtAddr};

use super::unit::Unit;
use super::{ALTERNATE, Die, Dwarf, Slice, View, gimli_error};

/// The most entries followed through `DW_AT_specification`.
const MAX_SPECIFICATIONS: u32 = 8;

/// The bytes of a string attribute. `None`: not a string, or in an alternate file that is not there.
pub(super) fn string<'a>(
    view: &View<'a>,
    format: gimli::Format,
    base: gimli::DebugStrOffsetsBase<usize>,
    value: AttributeValue<Slice<'a>>,
) -> Result<Option<&'a [u8]>, gimli::Error> {
    let slice = match value {
        AttributeValue::String(slice) => slice,
        AttributeValue::DebugStrRef(offset) => view.strings.get_str(offset)?,
        AttributeValue::DebugStrRefSup(offset) => match view.alternate {
            Ok(strings) => strings.get_str(offset)?,
            Err(_) => return Ok(None),
        },
        AttributeValue::DebugLineStrRef(offset) => view.line_strings.get_str(offset)?,
        AttributeValue::DebugStrOffsetsIndex(index) => view
            .strings
            .get_str(view.string_offsets.get_str_offset(format, base, index)?)?,
        _ => return Ok(None),
    };
    Ok(Some(slice.slice()))
}

/// The number in a constant attribute, sign as it is written.
pub(super) fn number(die: &Die<'_>, name: DwAt) -> Option<u64> {
    let attribute = die.attr(name)?;
    attribute
        .udata_value()
        .or_else(|| attribute.sdata_value().map(|value| value as u64))
}

/// Whether a flag is there and set.
pub(super) fn flag(die: &Die<'_>, name: DwAt) -> bool {
    matches!(die.attr_value(name), Some(AttributeValue::Flag(true)))
}

impl<'a> Unit<'a> {
    fn offset_of(&self, die: &Die<'_>) -> u64 {
        self.start.saturating_add(die.offset().0 as u64)
    }

    /// The name of an entry; `None` if it has none.
    pub(super) fn name(&self, die: &Die<'a>) -> Result<Option<Cow<'a, str>>, Error> {
        let Some(value) = die.attr_value(gimli::DW_AT_name) else {
            return Ok(None);
        };
        let at = self.offset_of(die);
        if let (AttributeValue::DebugStrRefSup(_), Err(error)) = (value, self.view.alternate) {
            return Err(error.clone());
        }
        let base = self.context.string_offsets_base;
        let bytes =
            string(&self.view, self.header.format(), base, value).map_err(gimli_error(at))?;
        match bytes {
            Some(bytes) if bytes.len() > MAX_NAME => {
                let found = format!("{} bytes", bytes.len());
                Err(Error::malformed(
                    ".debug_info",
                    at as usize,
                    "a name of at most 2048 bytes",
                    found,
                ))
            }
            other => Ok(other.map(String::from_utf8_lossy)),
        }
    }

    /// The offset in `.debug_info` that an attribute refers to.
    pub(super) fn reference(
        &self,
        dwarf: &Dwarf,
        die: &Die<'a>,
        name: DwAt,
    ) -> Result<Option<u64>, Error> {
        let Some(value) = die.attr_value(name) else {
            return Ok(None);
        };
        if let Some(offset) = self.place(value) {
            return Ok(Some(offset));
        }
        match value {
            AttributeValue::DebugTypesRef(signature) => {
                match dwarf.units.signatures.get(&signature.0) {
                    Some(offset) => Ok(Some(*offset)),
                    None => Err(Error::unsupported(
                        "a type in section .debug_types",
                        "build the kernel without -fdebug-types-section",
                    )),
                }
            }
            other => {
                let found = format!("{other:?}");
                Err(Error::malformed(
                    ".debug_info",
                    self.offset_of(die) as usize,
                    "a reference",
                    found,
                ))
            }
        }
    }

    /// Where the entry is that a value refers to by its offset.
    pub(super) fn place(&self, value: AttributeValue<Slice<'a>>) -> Option<u64> {
        match value {
            AttributeValue::UnitRef(offset) => Some(self.start.saturating_add(offset.0 as u64)),
            AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64 | self.start & ALTERNATE),
            AttributeValue::DebugInfoRefSup(offset) => Some(offset.0 as u64 | ALTERNATE),
            _ => None,
        }
    }

    /// The type of an entry; no attribute stands for `void`.
    pub(super) fn type_of(&self, dwarf: &Dwarf, die: &Die<'a>) -> Result<TypeId, Error> {
        Ok(self
            .reference(dwarf, die, gimli::DW_AT_type)?
            .map_or(TypeId::VOID, TypeId))
    }

    /// The address in a location that consists of one, as statics have it.
    pub(super) fn address(&self, die: &Die<'a>) -> Result<Option<VirtAddr>, Error> {
        let Some(AttributeValue::Exprloc(expression)) = die.attr_value(gimli::DW_AT_location)
        else {
            return Ok(None);
        };
        let error = gimli_error(self.offset_of(die));
        let encoding = self.header.encoding();
        let mut operations = expression.operations(encoding);
        let address = match operations.next().map_err(&error)? {
            Some(Operation::Address { address }) => address,
            Some(Operation::AddressIndex { index }) => {
                let base = self.context.address_base;
                self.view
                    .addresses
                    .get_address(encoding.address_size, base, index)
                    .map_err(&error)?
            }
            _ => return Ok(None),
        };
        // Anything behind the address computes something else from it.
        Ok(operations
            .next()
            .map_err(&error)?
            .is_none()
            .then_some(VirtAddr(address)))
    }
}

impl Dwarf {
    /// The name of the entry at `offset`, or of what it specifies.
    pub(super) fn name_at(&self, offset: u64) -> Result<Option<String>, Error> {
        let mut at = offset;
        for _ in 0..MAX_SPECIFICATIONS {
            let unit = self.unit_of(at)?;
            let (die, _) = unit.entry(at)?;
            if let Some(name) = unit.name(&die)? {
                return Ok(Some(name.into_owned()));
            }
            match unit.reference(self, &die, gimli::DW_AT_specification)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Err(Error::TooDeep {
            what: "a chain of specifications",
            limit: MAX_SPECIFICATIONS.into(),
            at: offset,
        })
    }

    /// The variable at `offset`, whose type may stand at its declaration.
    pub(super) fn variable_at(
        &self,
        offset: u64,
        name: &str,
    ) -> Result<Option<crate::model::Variable>, Error> {
        let mut at = offset;
        let mut address = None;
        let mut type_id = None;
        for _ in 0..MAX_SPECIFICATIONS {
            let unit = self.unit_of(at)?;
            let (die, _) = unit.entry(at)?;
            address = address.or(unit.address(&die)?);
            type_id = type_id.or(unit.reference(self, &die, gimli::DW_AT_type)?.map(TypeId));
            if let Some(found) = unit.name(&die)?
                && found != name
            {
                return Ok(None);
            }
            match unit.reference(self, &die, gimli::DW_AT_specification)? {
                Some(next) => at = next,
                None => {
                    let type_id = type_id.unwrap_or(TypeId::VOID);
                    return Ok(Some(crate::model::Variable { type_id, address }));
                }
            }
        }
        Err(Error::TooDeep {
            what: "a chain of specifications",
            limit: MAX_SPECIFICATIONS.into(),
            at: offset,
        })
    }
}
