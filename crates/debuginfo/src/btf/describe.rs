//! From a BTF record to a [`Type`].

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::{MAX_CHAIN, MAX_MEMBERS};
use crate::read::u32_at;
use crate::{Error, Member, Param, Type, TypeId};

use super::record::{Kind, Record};
use super::{Btf, RECORD_LEN};

fn qualifier(word: impl Into<Cow<'static, str>>, target: TypeId) -> Type {
    let word = word.into();
    Type::Qualifier { word, target }
}

impl Btf {
    pub(super) fn describe_type(&self, id: TypeId) -> Result<Type, Error> {
        if id == TypeId::VOID {
            return Ok(Type::Void);
        }
        let bad = || Error::BadTypeId {
            id: id.0,
            limit: self.end_id().into(),
        };
        let number = u32::try_from(id.0).map_err(|_| bad())?;
        if let Some(base) = self.base.as_ref().filter(|_| number < self.first_id) {
            return base.describe_type(id);
        }
        self.describe_record(self.own_record(number).ok_or_else(bad)?)
    }

    fn describe_record(&self, record: Record) -> Result<Type, Error> {
        let target = self.refer(record.size_or_type);
        let size = u64::from(record.size_or_type);
        Ok(match record.kind {
            Kind::INT => self.int(record)?,
            Kind::FLOAT => Type::Float {
                name: self.text(record.name)?,
                size,
            },
            // The kernels that are read have 64 bits.
            Kind::PTR => Type::Pointer { target, size: 8 },
            Kind::ARRAY => Type::Array {
                element: self.refer(self.word(record.own)?),
                count: Some(u64::from(self.word(record.own + 8)?)).filter(|count| *count > 0),
            },
            Kind::STRUCT | Kind::UNION => Type::Struct {
                name: self.name(record.name)?,
                size,
                members: self.members(record)?,
                union: record.kind == Kind::UNION,
            },
            Kind::ENUM | Kind::ENUM64 => Type::Enum {
                name: self.name(record.name)?,
                size,
                signed: self.enum_signed(record),
                enumerators: self.enumerators(record)?,
            },
            Kind::FWD => Type::Forward {
                name: self.text(record.name)?,
                union: record.flag,
            },
            Kind::TYPEDEF => Type::Typedef {
                name: self.text(record.name)?,
                target,
            },
            Kind::VOLATILE => qualifier("volatile", target),
            Kind::CONST => qualifier("const", target),
            Kind::RESTRICT => qualifier("restrict", target),
            // `__attribute__((btf_type_tag("rcu")))` is what the kernel's `__rcu` stands for.
            Kind::TYPE_TAG => qualifier(format!("__{}", self.text(record.name)?), target),
            Kind::FUNC => self.function(record)?,
            Kind::FUNC_PROTO => self.prototype(None, record)?,
            // A variable or a tag of a declaration has the type that it belongs to.
            Kind::VAR | Kind::DECL_TAG => qualifier("", target),
            Kind::DATASEC => {
                let ty = format!("section {}", self.text(record.name)?);
                return Err(Error::WrongKind { ty, wanted: "type" });
            }
            _ => {
                let what = format!("BTF kind {}", record.kind);
                return Err(Error::unsupported(
                    what,
                    "this type is newer than this program",
                ));
            }
        })
    }

    /// The u32 at `offset` of the type section.
    pub(super) fn word(&self, offset: usize) -> Result<u32, Error> {
        u32_at(&self.types, offset)
            .ok_or_else(|| Error::truncated(".BTF types", &self.types, offset, 4))
    }

    fn name(&self, offset: u32) -> Result<Option<String>, Error> {
        Ok(Some(self.text(offset)?).filter(|name| !name.is_empty()))
    }

    /// `BTF_INT_ENCODING`: bit 0 signed, 1 char, 2 boolean.
    fn int(&self, record: Record) -> Result<Type, Error> {
        let encoding = self.word(record.own)? >> 24 & 0x0f;
        Ok(Type::Int {
            name: self.text(record.name)?,
            size: record.size_or_type.into(),
            signed: encoding & 1 != 0,
            boolean: encoding & 4 != 0,
        })
    }

    /// The places of a record's parts, each `each` bytes long.
    fn parts(
        &self,
        record: Record,
        each: usize,
    ) -> Result<impl Iterator<Item = usize> + use<>, Error> {
        if record.vlen > MAX_MEMBERS {
            let found = record.vlen.to_string();
            return Err(Error::malformed(
                ".BTF types",
                record.own - RECORD_LEN,
                "at most 65535 members",
                found,
            ));
        }
        Ok((0..record.vlen).map(move |n| record.own + n * each))
    }

    /// With the flag, an offset is `width << 24 | bits`; without, it is in bits
    /// and a bitfield hides in its integer's own width and offset.
    fn members(&self, record: Record) -> Result<Arc<[Member]>, Error> {
        let mut members = Vec::with_capacity(record.vlen.min(MAX_MEMBERS));
        for at in self.parts(record, 12)? {
            let type_number = self.word(at + 4)?;
            let offset = self.word(at + 8)?;
            let (bit_offset, bit_size) = if record.flag {
                (
                    offset & 0x00ff_ffff,
                    Some(offset >> 24).filter(|width| *width > 0),
                )
            } else {
                let (shift, width) = self.bits_of_int(type_number)?;
                (offset.saturating_add(shift), width)
            };
            members.push(Member {
                name: self.text(self.word(at)?)?,
                bit_offset: bit_offset.into(),
                bit_size,
                type_id: self.refer(type_number),
            });
        }
        Ok(members.into())
    }

    /// `BTF_INT_OFFSET` and `BTF_INT_BITS` of the integer behind a type, if it
    /// is one that is narrower than its bytes (kernels before 5.0).
    fn bits_of_int(&self, number: u32) -> Result<(u32, Option<u32>), Error> {
        let mut number = self.refer(number).0;
        for _ in 0..MAX_CHAIN {
            let Some((owner, record)) = self.record_anywhere(number) else {
                break;
            };
            match record.kind {
                Kind::TYPEDEF | Kind::VOLATILE | Kind::CONST | Kind::RESTRICT | Kind::TYPE_TAG => {
                    number = owner.refer(record.size_or_type).0;
                }
                Kind::INT => {
                    let int = owner.word(record.own)?;
                    let (shift, width) = (int >> 16 & 0xff, int & 0xff);
                    let narrow = u64::from(width) < u64::from(record.size_or_type) * 8;
                    return Ok(if narrow && width > 0 {
                        (shift, Some(width))
                    } else {
                        (0, None)
                    });
                }
                _ => break,
            }
        }
        Ok((0, None))
    }

    /// A record and the BTF it stands in.
    pub(super) fn record_anywhere(&self, number: u64) -> Option<(&Self, Record)> {
        let small = u32::try_from(number).ok()?;
        match &self.base {
            Some(base) if small < self.first_id => base.record_anywhere(number),
            _ => self.own_record(small).map(|record| (self, record)),
        }
    }

    /// Enums say whether they are signed since 6.0; before, all were read as signed.
    pub(super) fn enum_signed(&self, record: Record) -> bool {
        let told = self.knows_signed_enums
            || self
                .base
                .as_ref()
                .is_some_and(|base| base.knows_signed_enums);
        record.flag || (!told && record.kind == Kind::ENUM)
    }

    /// Name offset and value of each enumerator.
    pub(super) fn enumerator_values(&self, record: Record) -> Result<Vec<(u32, i64)>, Error> {
        let signed = self.enum_signed(record);
        let each = if record.kind == Kind::ENUM64 { 12 } else { 8 };
        let mut values = Vec::with_capacity(record.vlen.min(MAX_MEMBERS));
        for at in self.parts(record, each)? {
            let low = self.word(at + 4)?;
            let value = match record.kind {
                Kind::ENUM64 => (u64::from(self.word(at + 8)?) << 32 | u64::from(low)) as i64,
                _ if signed => i64::from(low as i32),
                _ => i64::from(low),
            };
            values.push((self.word(at)?, value));
        }
        Ok(values)
    }

    fn enumerators(&self, record: Record) -> Result<Arc<[(String, i64)]>, Error> {
        let values = self.enumerator_values(record)?;
        values
            .into_iter()
            .map(|(name, value)| Ok((self.text(name)?, value)))
            .collect()
    }

    /// A function's own record only names its prototype.
    fn function(&self, record: Record) -> Result<Type, Error> {
        let name = self.text(record.name)?;
        let number = self.refer(record.size_or_type).0;
        match self.record_anywhere(number) {
            Some((owner, proto)) if proto.kind == Kind::FUNC_PROTO => {
                owner.prototype(Some(name), proto)
            }
            other => {
                let found = other.map_or_else(
                    || "nothing".to_owned(),
                    |(_, record)| format!("kind {}", record.kind),
                );
                Err(Error::malformed(
                    ".BTF types",
                    record.own,
                    "a function's prototype",
                    found,
                ))
            }
        }
    }

    /// A last parameter without name and type stands for `...`.
    fn prototype(&self, name: Option<String>, record: Record) -> Result<Type, Error> {
        let mut params = Vec::with_capacity(record.vlen.min(MAX_MEMBERS));
        for at in self.parts(record, 8)? {
            let type_id = self.refer(self.word(at + 4)?);
            params.push(Param {
                name: self.text(self.word(at)?)?,
                type_id,
            });
        }
        let variadic = params
            .last()
            .is_some_and(|last| last.type_id == TypeId::VOID && last.name.is_empty());
        if variadic {
            params.pop();
        }
        Ok(Type::Func {
            name,
            result: self.refer(record.size_or_type),
            params: params.into(),
            variadic,
        })
    }
}
