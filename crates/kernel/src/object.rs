//! Typed values in the crashed kernel's memory, read by member name.

use std::sync::Arc;

use virtopsy_debuginfo::{Type, TypeId, TypeSource, TypeSourceExt as _, VirtAddr};

use crate::declared::Member;
use crate::error::{Error, Result};
use crate::paging::AddressSpace;

/// Longest C string that is read from a member without a length of its own.
const MAX_STRING: usize = 4096;

/// A type: a handle and the source that it belongs to.
#[derive(Clone, Debug)]
pub struct TypeRef {
    /// Where it is described.
    pub source: Arc<dyn TypeSource>,
    /// Which one.
    pub id: TypeId,
}

/// A place in memory and what lives there.
#[derive(Clone, Debug)]
pub struct Object<'k> {
    space: &'k AddressSpace,
    /// Where it starts.
    pub address: VirtAddr,
    /// What it is.
    pub ty: TypeRef,
    /// Bits from `address` and their count, for a bit field.
    bits: Option<(u32, u32)>,
}

impl<'k> Object<'k> {
    /// The object of type `ty` at `address`.
    pub fn new(space: &'k AddressSpace, address: VirtAddr, ty: TypeRef) -> Self {
        Object {
            space,
            address,
            ty,
            bits: None,
        }
    }

    /// The same member of the structure at `base`, where this one's address is its offset.
    pub(crate) fn of(&self, base: VirtAddr) -> Object<'k> {
        let mut at = self.clone();
        at.address = VirtAddr(base.0.wrapping_add(self.address.0));
        at
    }

    fn with_type(&self, address: VirtAddr, id: TypeId) -> Object<'k> {
        Object {
            space: self.space,
            address,
            ty: TypeRef {
                source: self.ty.source.clone(),
                id,
            },
            bits: None,
        }
    }

    /// A member by name or path (`"mm.owner"`, `"bits[0]"`); anonymous members are looked into.
    ///
    /// # Errors
    /// [`Error::DebugInfo`] with `NoSuchMember` where the type lacks it.
    pub fn field(&self, path: &str) -> Result<Object<'k>> {
        let place = self.ty.source.member_path(self.ty.id, path)?;
        let mut object = self.with_type(
            VirtAddr(self.address.0.wrapping_add(place.bit_offset / 8)),
            place.type_id,
        );
        object.bits = place
            .bit_size
            .map(|size| ((place.bit_offset % 8) as u32, size));
        Ok(object)
    }

    /// The first member of `paths` that the type has; newer names stand first.
    ///
    /// # Errors
    /// That of the last path, where none exists.
    pub fn first_field(&self, paths: &[&str]) -> Result<Object<'k>> {
        let mut last = None;
        for path in paths {
            match self.field(path) {
                Err(e) if e.is_absent() => last = Some(e),
                other => return other,
            }
        }
        Err(last.unwrap_or(Error::NoTypes {
            why: "no member was asked for".into(),
        }))
    }

    /// A member as it is declared, by the first of its paths that the type has.
    ///
    /// # Errors
    /// As [`Object::first_field`].
    pub fn declared(&self, member: &Member) -> Result<Object<'k>> {
        self.first_field(member.paths)
    }

    /// Whether the type has that member.
    pub fn has_field(&self, path: &str) -> bool {
        self.ty.source.member_path(self.ty.id, path).is_ok()
    }

    /// The type without typedefs and qualifiers.
    ///
    /// # Errors
    /// [`Error::DebugInfo`] where the types are broken.
    pub fn resolved(&self) -> Result<Type> {
        Ok(self.ty.source.resolve(self.ty.id)?.1)
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// [`Error::DebugInfo`] where the type has none.
    pub fn size(&self) -> Result<u64> {
        Ok(self.ty.source.size_of(self.ty.id)?)
    }

    /// The bytes of the object, at most `max`.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn bytes(&self, max: usize) -> Result<Vec<u8>> {
        let size = usize::try_from(self.size()?).unwrap_or(usize::MAX).min(max);
        self.space.bytes(self.address, size)
    }

    /// An integer, enum, boolean or pointer, zero-extended to 64 bits. A struct with one member
    /// (`atomic_t`, `pgd_t`) is looked into.
    ///
    /// # Errors
    /// [`Error::Implausible`] where the type is no scalar; as [`AddressSpace::read`].
    pub fn u64(&self) -> Result<u64> {
        self.scalar(4).map(|(value, _)| value)
    }

    /// The same, sign-extended where the type is signed.
    ///
    /// # Errors
    /// As [`Object::u64`].
    pub fn i64(&self) -> Result<i64> {
        let (value, bits) = self.scalar(4)?;
        let unused = 64u32.saturating_sub(bits.unsigned_abs());
        Ok(if bits < 0 {
            (value << unused) as i64 >> unused
        } else {
            value as i64
        })
    }

    /// The value and its width in bits, negative where it is signed.
    fn scalar(&self, depth: u32) -> Result<(u64, i32)> {
        let (size, signed) = match self.resolved()? {
            Type::Int { size, signed, .. } | Type::Enum { size, signed, .. } => (size, signed),
            Type::Pointer { size, .. } => (size, false),
            Type::Struct { members, .. } if depth > 0 => match members.first() {
                Some(first) => {
                    return self
                        .with_type(self.address, first.type_id)
                        .scalar(depth - 1);
                }
                None => return Err(self.no_scalar("an empty struct")),
            },
            other => return Err(self.no_scalar(&format!("{other:?}"))),
        };
        if !(1..=8).contains(&size) {
            return Err(self.no_scalar(&format!("{size} bytes")));
        }
        let mut raw = [0u8; 8];
        let wanted = match self.bits {
            Some((offset, width)) => u64::from(offset.saturating_add(width)).div_ceil(8).min(8),
            None => size,
        };
        if let Some(part) = raw.get_mut(..wanted as usize) {
            self.space.read(self.address, part)?;
        }
        let value = u64::from_le_bytes(raw);
        let (value, width) = match self.bits {
            Some((offset, width)) if width < 64 => {
                (value >> (offset & 63) & ((1u64 << width) - 1), width)
            }
            _ => (value, (size * 8) as u32),
        };
        Ok((
            value,
            if signed {
                -(width as i32)
            } else {
                width as i32
            },
        ))
    }

    fn no_scalar(&self, found: &str) -> Error {
        Error::Implausible {
            what: "a scalar".into(),
            at: self.address,
            found: found.into(),
        }
    }

    /// The pointer that stands here.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn pointer(&self) -> Result<VirtAddr> {
        self.space.pointer(self.address)
    }

    /// What the pointer here points to; `None` for a null pointer.
    ///
    /// # Errors
    /// [`Error::Implausible`] where this is no pointer; as [`AddressSpace::read`].
    pub fn deref(&self) -> Result<Option<Object<'k>>> {
        let Type::Pointer { target, .. } = self.resolved()? else {
            return Err(self.no_scalar("no pointer"));
        };
        let to = self.pointer()?;
        Ok((to.0 != 0).then(|| self.with_type(to, target)))
    }

    /// Element `index` of an array.
    ///
    /// # Errors
    /// [`Error::Implausible`] where this is no array or the index is beyond it.
    pub fn index(&self, index: u64) -> Result<Object<'k>> {
        let Type::Array { element, count } = self.resolved()? else {
            return Err(self.no_scalar("no array"));
        };
        if count.is_some_and(|n| index >= n) {
            return Err(self.no_scalar(&format!("index {index} of {count:?}")));
        }
        let step = self.ty.source.size_of(element)?.saturating_mul(index);
        Ok(self.with_type(VirtAddr(self.address.0.wrapping_add(step)), element))
    }

    /// How many elements an array has.
    ///
    /// # Errors
    /// [`Error::Implausible`] where this is no array.
    pub fn count(&self) -> Result<u64> {
        match self.resolved()? {
            Type::Array { count, .. } => Ok(count.unwrap_or(0)),
            _ => Err(self.no_scalar("no array")),
        }
    }

    /// Text up to the first NUL: of a `char[]`, or behind a `char *`.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn string(&self) -> Result<Vec<u8>> {
        match self.resolved()? {
            Type::Pointer { .. } => self.space.string(self.pointer()?, MAX_STRING),
            _ => {
                let mut bytes = self.bytes(MAX_STRING)?;
                if let Some(end) = bytes.iter().position(|b| *b == 0) {
                    bytes.truncate(end);
                }
                Ok(bytes)
            }
        }
    }

    /// Casts: the same place as another type of the same source.
    pub fn cast(&self, id: TypeId) -> Object<'k> {
        self.with_type(self.address, id)
    }

    /// The address space that it is read from.
    pub fn space(&self) -> &'k AddressSpace {
        self.space
    }
}
