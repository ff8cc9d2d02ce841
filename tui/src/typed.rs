//! What lies in memory, by the kernel's types: the members of a structure, with their values.

use std::collections::BTreeMap;

use virtopsy_debuginfo::{Type, TypeId, TypeSourceExt as _, VirtAddr};
use virtopsy_kernel::{Kernel, Object, TypeRef};

use crate::expression::{Base, Expression};

/// Structures within structures that are gone into.
const DEEPEST: u32 = 6;
/// Members that are named at most.
const MOST: usize = 4096;

/// Members by their distance in bytes from the start: path and value.
pub(crate) type Members = BTreeMap<u64, Vec<(String, String)>>;

/// The type that an expression says, or that the debug info knows of its variable.
pub(crate) fn type_of(kernel: &Kernel, expression: &Expression) -> Result<Option<TypeRef>, String> {
    if let Some(name) = &expression.type_name {
        return kernel.type_named(name).map(Some).map_err(|e| e.to_string());
    }
    let (Base::Symbol(name) | Base::PerCpu(name, _)) = &expression.base else {
        return Ok(None);
    };
    let Ok(source) = kernel.types() else {
        return Ok(None);
    };
    let known = source
        .variable(name)
        .ok()
        .flatten()
        .filter(|_| expression.offset == 0);
    Ok(known.map(|v| TypeRef {
        source: source.clone(),
        id: v.type_id,
    }))
}

/// The members of what lies at `at`; and the type, in words.
pub(crate) fn members(kernel: &Kernel, at: VirtAddr, ty: TypeRef) -> (String, Members) {
    let object = Object::new(kernel.space(), at, ty.clone());
    let label = object
        .resolved()
        .map_or_else(|e| e.to_string(), |t| t.label());
    let mut walk = Walk {
        kernel,
        start: at,
        ty,
        members: Members::new(),
        count: 0,
    };
    walk.go(0, walk.ty.id, "", DEEPEST);
    (label, walk.members)
}

struct Walk<'a> {
    kernel: &'a Kernel,
    start: VirtAddr,
    ty: TypeRef,
    members: Members,
    count: usize,
}

impl Walk<'_> {
    /// Names what lies `offset` bytes from the start.
    fn go(&mut self, offset: u64, id: TypeId, path: &str, depth: u32) {
        let Ok((_, ty)) = self.ty.source.resolve(id) else {
            return;
        };
        match ty {
            Type::Struct { members, .. } if depth > 0 => {
                for member in members.iter() {
                    let at = offset.saturating_add(member.bit_offset / 8);
                    let path = if member.name.is_empty() {
                        path.to_owned()
                    } else {
                        format!("{path}.{}", member.name)
                    };
                    match member.bit_size {
                        Some(bits) => self.note(at, path, format!("{bits} bits")),
                        None => self.go(at, member.type_id, &path, depth.saturating_sub(1)),
                    }
                }
            }
            Type::Int { .. } | Type::Enum { .. } | Type::Pointer { .. } => {
                let value = self.value(offset, id, &ty);
                self.note(offset, path.to_owned(), value);
            }
            other => self.note(offset, path.to_owned(), other.label()),
        }
    }

    fn note(&mut self, offset: u64, path: String, value: String) {
        if self.count < MOST {
            self.count = self.count.saturating_add(1);
            self.members.entry(offset).or_default().push((path, value));
        }
    }

    fn value(&self, offset: u64, id: TypeId, ty: &Type) -> String {
        let ty_ref = TypeRef {
            source: self.ty.source.clone(),
            id,
        };
        let at = VirtAddr(self.start.0.wrapping_add(offset));
        let object = Object::new(self.kernel.space(), at, ty_ref);
        match ty {
            Type::Pointer { .. } => object
                .u64()
                .map_or_else(|e| e.to_string(), |v| format!("{v:#x}")),
            Type::Enum { enumerators, .. } => match object.i64() {
                Err(e) => e.to_string(),
                Ok(value) => {
                    let name = enumerators
                        .iter()
                        .find(|(_, v)| *v == value)
                        .map(|(name, _)| name.as_str());
                    name.map_or_else(|| value.to_string(), |name| format!("{name} ({value})"))
                }
            },
            _ => object
                .i64()
                .map_or_else(|e| e.to_string(), |v| v.to_string()),
        }
    }
}
