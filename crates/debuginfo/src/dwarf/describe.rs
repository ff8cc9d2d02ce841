//! From a DWARF entry to a [`Type`].

use std::sync::Arc;

use gimli::{AttributeValue, Operation};

use crate::model::MAX_MEMBERS;
use crate::{Error, Member, Param, Type, TypeId, TypeSourceExt};

use super::attribute::{flag, number};
use super::unit::Unit;
use super::{Die, Dwarf, Slice, gimli_error};

impl Dwarf {
    pub(super) fn describe_at(&self, offset: u64, dimension: u64) -> Result<Type, Error> {
        let unit = self.unit_of(offset)?;
        let (die, raw) = unit.entry(offset)?;
        let owned = |die: &Die<'_>| number(die, gimli::DW_AT_byte_size).unwrap_or(0);
        let size = owned(&die);
        Ok(match die.tag() {
            gimli::DW_TAG_base_type => self.base(&unit, &die, size)?,
            gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_reference_type
            | gimli::DW_TAG_rvalue_reference_type => {
                let size = if size == 0 {
                    unit.header.address_size().into()
                } else {
                    size
                };
                Type::Pointer {
                    target: unit.type_of(self, &die)?,
                    size,
                }
            }
            gimli::DW_TAG_array_type => self.array(&unit, &die, raw, (offset, dimension))?,
            gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type | gimli::DW_TAG_class_type => {
                self.structure(&unit, &die, raw, size)?
            }
            gimli::DW_TAG_enumeration_type => self.enumeration(&unit, &die, raw, size)?,
            gimli::DW_TAG_typedef => {
                let name = unit.name(&die)?.unwrap_or_default().into_owned();
                Type::Typedef {
                    name,
                    target: unit.type_of(self, &die)?,
                }
            }
            gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type
            | gimli::DW_TAG_packed_type
            | gimli::DW_TAG_immutable_type => Type::Qualifier {
                word: match die.tag() {
                    gimli::DW_TAG_const_type => "const",
                    gimli::DW_TAG_volatile_type => "volatile",
                    gimli::DW_TAG_restrict_type => "restrict",
                    gimli::DW_TAG_atomic_type => "_Atomic",
                    _ => "",
                }
                .into(),
                target: unit.type_of(self, &die)?,
            },
            gimli::DW_TAG_subroutine_type | gimli::DW_TAG_subprogram => {
                self.function(&unit, &die, raw)?
            }
            gimli::DW_TAG_unspecified_type => Type::Void,
            tag => {
                let found = tag
                    .static_string()
                    .map_or_else(|| format!("tag {:#x}", tag.0), str::to_owned);
                return Err(Error::malformed(
                    ".debug_info",
                    offset as usize,
                    "a type",
                    found,
                ));
            }
        })
    }

    fn base<'a>(&self, unit: &Unit<'a>, die: &Die<'a>, size: u64) -> Result<Type, Error> {
        let name = unit.name(die)?.unwrap_or_default().into_owned();
        let encoding = match die.attr_value(gimli::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => encoding,
            _ => gimli::DW_ATE_unsigned,
        };
        Ok(match encoding {
            gimli::DW_ATE_float | gimli::DW_ATE_complex_float | gimli::DW_ATE_imaginary_float => {
                Type::Float { name, size }
            }
            _ => Type::Int {
                name,
                size,
                signed: matches!(encoding, gimli::DW_ATE_signed | gimli::DW_ATE_signed_char),
                boolean: encoding == gimli::DW_ATE_boolean,
            },
        })
    }

    fn structure<'a>(
        &self,
        unit: &Unit<'a>,
        die: &Die<'a>,
        raw: gimli::EntriesRaw<'_, Slice<'a>>,
        size: u64,
    ) -> Result<Type, Error> {
        let union = die.tag() == gimli::DW_TAG_union_type;
        let name = unit.name(die)?.map(std::borrow::Cow::into_owned);
        if flag(die, gimli::DW_AT_declaration) {
            return Ok(Type::Forward {
                name: name.unwrap_or_default(),
                union,
            });
        }
        let mut members = Vec::new();
        unit.for_each_child(die, raw, &mut |child| {
            if child.tag() == gimli::DW_TAG_member && !flag(child, gimli::DW_AT_declaration) {
                check_count(unit, die, members.len())?;
                members.push(self.member_of(unit, child)?);
            }
            Ok(())
        })?;
        Ok(Type::Struct {
            name,
            size,
            members: members.into(),
            union,
        })
    }

    fn member_of<'a>(&self, unit: &Unit<'a>, die: &Die<'a>) -> Result<Member, Error> {
        let name = unit.name(die)?.unwrap_or_default().into_owned();
        let type_id = unit.type_of(self, die)?;
        let width = number(die, gimli::DW_AT_bit_size);
        let bit_offset = self.bit_offset(unit, die, type_id, width);
        let at = unit.start.saturating_add(die.offset().0 as u64);
        let too_far = || {
            Error::malformed(
                ".debug_info",
                at as usize,
                "a member inside its structure",
                "an offset beyond 64 bits",
            )
        };
        Ok(Member {
            name,
            bit_offset: bit_offset?.ok_or_else(too_far)?,
            bit_size: width
                .map(u32::try_from)
                .transpose()
                .map_err(|_| too_far())?,
            type_id,
        })
    }

    /// `DW_AT_data_bit_offset` (DWARF 4) counts from the structure's start.
    /// `DW_AT_bit_offset` (DWARF 2 and 3, and GCC before 11) counts from the
    /// highest bit of a storage unit down to the field's highest bit.
    fn bit_offset<'a>(
        &self,
        unit: &Unit<'a>,
        die: &Die<'a>,
        type_id: TypeId,
        width: Option<u64>,
    ) -> Result<Option<u64>, Error> {
        let bits = unit.member_location(die)?.checked_mul(8);
        if let Some(own) = number(die, gimli::DW_AT_data_bit_offset) {
            return Ok(bits.and_then(|bits| bits.checked_add(own)));
        }
        let (Some(from_top), Some(width)) = (number(die, gimli::DW_AT_bit_offset), width) else {
            return Ok(bits);
        };
        let storage = match number(die, gimli::DW_AT_byte_size) {
            Some(size) => size,
            None => self.size_of(type_id)?,
        };
        // The distance from the top may be negative, for fields that cross a unit.
        let within = storage
            .wrapping_mul(8)
            .wrapping_sub(from_top)
            .wrapping_sub(width);
        Ok(bits.and_then(|bits| bits.checked_add_signed(within as i64)))
    }

    fn enumeration<'a>(
        &self,
        unit: &Unit<'a>,
        die: &Die<'a>,
        raw: gimli::EntriesRaw<'_, Slice<'a>>,
        size: u64,
    ) -> Result<Type, Error> {
        let name = unit.name(die)?.map(std::borrow::Cow::into_owned);
        let known = self.enum_signed(unit, die)?;
        let mut negative = false;
        let mut enumerators = Vec::new();
        unit.for_each_child(die, raw, &mut |child| {
            if child.tag() == gimli::DW_TAG_enumerator {
                check_count(unit, die, enumerators.len())?;
                let value = enumerator_value(child, size, known);
                negative |= value < 0;
                enumerators.push((unit.name(child)?.unwrap_or_default().into_owned(), value));
            }
            Ok(())
        })?;
        let signed = known.unwrap_or(negative);
        Ok(Type::Enum {
            name,
            size,
            signed,
            enumerators: enumerators.into(),
        })
    }

    /// By its encoding (a GNU extension of DWARF 3) or its underlying type.
    fn enum_signed<'a>(&self, unit: &Unit<'a>, die: &Die<'a>) -> Result<Option<bool>, Error> {
        if let Some(AttributeValue::Encoding(encoding)) = die.attr_value(gimli::DW_AT_encoding) {
            return Ok(Some(matches!(
                encoding,
                gimli::DW_ATE_signed | gimli::DW_ATE_signed_char
            )));
        }
        let Some(offset) = unit.reference(self, die, gimli::DW_AT_type)? else {
            return Ok(None);
        };
        // Only a plain type is looked at: an enum of an enum would be a cycle.
        let base_unit = self.unit_of(offset)?;
        let (base, _) = base_unit.entry(offset)?;
        Ok(match base.attr_value(gimli::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => Some(matches!(
                encoding,
                gimli::DW_ATE_signed | gimli::DW_ATE_signed_char
            )),
            _ => None,
        })
    }

    fn function<'a>(
        &self,
        unit: &Unit<'a>,
        die: &Die<'a>,
        raw: gimli::EntriesRaw<'_, Slice<'a>>,
    ) -> Result<Type, Error> {
        let name = unit.name(die)?.map(std::borrow::Cow::into_owned);
        let mut params = Vec::new();
        let mut variadic = false;
        unit.for_each_child(die, raw, &mut |child| {
            match child.tag() {
                gimli::DW_TAG_formal_parameter => {
                    check_count(unit, die, params.len())?;
                    let name = unit.name(child)?.unwrap_or_default().into_owned();
                    params.push(Param {
                        name,
                        type_id: unit.type_of(self, child)?,
                    });
                }
                gimli::DW_TAG_unspecified_parameters => variadic = true,
                _ => {}
            }
            Ok(())
        })?;
        Ok(Type::Func {
            name,
            result: unit.type_of(self, die)?,
            params: Arc::from(params),
            variadic,
        })
    }
}

impl<'a> Unit<'a> {
    /// `DW_AT_data_member_location`: bytes from the structure's start; in
    /// DWARF 2 an expression that adds them.
    fn member_location(&self, die: &Die<'a>) -> Result<u64, Error> {
        let Some(AttributeValue::Exprloc(expression)) =
            die.attr_value(gimli::DW_AT_data_member_location)
        else {
            return Ok(number(die, gimli::DW_AT_data_member_location).unwrap_or(0));
        };
        let at = self.start.saturating_add(die.offset().0 as u64);
        let error = gimli_error(at);
        let mut operations = expression.operations(self.header.encoding());
        match (
            operations.next().map_err(&error)?,
            operations.next().map_err(&error)?,
        ) {
            (
                Some(Operation::PlusConstant { value } | Operation::UnsignedConstant { value }),
                None,
            ) => Ok(value),
            other => {
                let found = format!("{other:?}");
                Err(Error::malformed(
                    ".debug_info",
                    at as usize,
                    "a constant member offset",
                    found,
                ))
            }
        }
    }
}

/// A value in a fixed-size form has no sign of its own: the enum's size and
/// sign decide.
fn enumerator_value(die: &Die<'_>, size: u64, signed: Option<bool>) -> i64 {
    let extend = |value: u64| match (signed, size) {
        (Some(true), 1) => i64::from(value as i8),
        (Some(true), 2) => i64::from(value as i16),
        (Some(true), 4) => i64::from(value as i32),
        _ => value as i64,
    };
    match die.attr_value(gimli::DW_AT_const_value) {
        Some(AttributeValue::Sdata(value)) => value,
        _ => number(die, gimli::DW_AT_const_value).map_or(0, extend),
    }
}

fn check_count(unit: &Unit<'_>, die: &Die<'_>, count: usize) -> Result<(), Error> {
    if count < MAX_MEMBERS {
        return Ok(());
    }
    let at = unit.start.saturating_add(die.offset().0 as u64);
    Err(Error::malformed(
        ".debug_info",
        at as usize,
        "at most 65535 members",
        "more",
    ))
}
