//! Values as a tree of plain data, which text and JSON show alike.

use virtopsy_debuginfo::{Type, TypeId, TypeSource, TypeSourceExt as _, VirtAddr};

use super::PeekLimits;
use super::eval::{Item, Pointed};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;
use crate::symbols::Location;

/// Longest text that a `char *` is followed for.
const MAX_TEXT: usize = 256;
/// Deepest chain of pointers and arrays in a type's name.
const MAX_NAME_DEPTH: u32 = 16;

/// A value, and what it is called.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name: the expression, a member, or `[3]`; empty for an anonymous member.
    pub name: String,
    /// Its type, as in C.
    pub type_name: String,
    /// Where it stands; `None` for what was computed.
    pub address: Option<VirtAddr>,
    /// What stands there.
    pub value: Value,
}

/// What stands in a place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A number of so many bits; `signed` ones are sign-extended to 64.
    Integer {
        /// The bits.
        value: u64,
        /// Whether they are two's complement.
        signed: bool,
    },
    /// A truth value. What is neither 0 nor 1 is an integer.
    Boolean(bool),
    /// An enumerator; without a name where no enumerator has the value.
    Enumerator {
        /// Its name.
        name: Option<String>,
        /// Its value.
        value: i64,
    },
    /// A pointer.
    Pointer {
        /// Where it points.
        to: VirtAddr,
        /// Which symbol is there.
        symbol: Option<Location>,
        /// The text there, for a `char *`.
        text: Option<Vec<u8>>,
    },
    /// An array of `char`, up to its first NUL.
    Text(Vec<u8>),
    /// A structure or union: its members.
    Struct(Vec<Node>),
    /// An array: as many of its elements as the limits allow.
    Array {
        /// The elements.
        elements: Vec<Node>,
        /// How many there are.
        count: u64,
    },
    /// Bytes without a type, and why there is none.
    Bytes(Vec<u8>, Option<String>),
    /// It can't be read.
    Unreadable(Error),
    /// There is more here than the limits allow.
    Omitted,
}

pub(super) struct Reader<'k> {
    kernel: &'k Kernel,
    limits: PeekLimits,
    left: usize,
    /// How deep in anonymous members of anonymous members.
    nest: u32,
}

impl<'k> Reader<'k> {
    pub(super) fn new(kernel: &'k Kernel, limits: PeekLimits) -> Self {
        Reader {
            kernel,
            limits,
            left: limits.nodes,
            nest: 0,
        }
    }

    pub(super) fn read(mut self, name: &str, item: &Item<'k>) -> Node {
        self.item(name.to_owned(), item, self.limits.depth)
    }

    fn item(&mut self, name: String, item: &Item<'k>, depth: u32) -> Node {
        match item {
            Item::Object(object) => self.object(name, object, depth),
            Item::Number(value) => node(
                name,
                "unsigned long",
                None,
                Value::Integer {
                    value: *value,
                    signed: false,
                },
            ),
            Item::Pointer { at, to, target } => {
                let type_name = pointed_name(target);
                let is_text = target.stars == 0
                    && target
                        .ty
                        .as_ref()
                        .is_some_and(|ty| is_char(&*ty.source, ty.id));
                let value = self.pointer(*to, is_text);
                Node {
                    name,
                    type_name,
                    address: *at,
                    value,
                }
            }
            Item::Elements { first, items } => {
                let numbered = (*first..).zip(items);
                let elements = numbered
                    .map(|(i, item)| self.item(format!("[{i}]"), item, depth))
                    .collect();
                let count = items.len() as u64;
                node(name, "", None, Value::Array { elements, count })
            }
            Item::Table { first, count } => self.table(name, first, *count, depth),
            Item::Bytes { at, len, why } => {
                let len = usize::try_from(*len).unwrap_or(usize::MAX);
                // Of one whose width is unknown, too, it is said that it can't be read.
                let read = self.kernel.space().bytes(*at, len.max(1));
                let read = read.map(|mut bytes| {
                    bytes.truncate(len);
                    bytes
                });
                let value =
                    read.map_or_else(Value::Unreadable, |bytes| Value::Bytes(bytes, why.clone()));
                node(name, "", Some(*at), value)
            }
        }
    }

    fn object(&mut self, name: String, object: &Object<'k>, depth: u32) -> Node {
        let type_name = type_name(&*object.ty.source, object.ty.id, MAX_NAME_DEPTH);
        let address = Some(object.address);
        if self.left == 0 {
            return Node {
                name,
                type_name,
                address,
                value: Value::Omitted,
            };
        }
        self.left -= 1;
        let value = self.value(object, depth).unwrap_or_else(Value::Unreadable);
        Node {
            name,
            type_name,
            address,
            value,
        }
    }

    fn value(&mut self, object: &Object<'k>, depth: u32) -> Result<Value> {
        Ok(match object.resolved()? {
            Type::Int { boolean: true, .. } => match object.u64()? {
                value @ 0..=1 => Value::Boolean(value == 1),
                value => Value::Integer {
                    value,
                    signed: false,
                },
            },
            Type::Int { signed, .. } => Value::Integer {
                value: object.i64()? as u64,
                signed,
            },
            Type::Enum { enumerators, .. } => {
                let value = object.i64()?;
                let named = enumerators.iter().find(|(_, number)| *number == value);
                Value::Enumerator {
                    name: named.map(|(name, _)| name.clone()),
                    value,
                }
            }
            Type::Pointer { target, .. } => {
                let is_text = is_char(&*object.ty.source, target);
                self.pointer(object.pointer()?, is_text)
            }
            Type::Array { element, count } => {
                if is_char(&*object.ty.source, element) {
                    return Ok(Value::Text(object.string()?));
                }
                let shown = count.unwrap_or(0).min(self.limits.elements);
                self.elements(shown, count.unwrap_or(0), depth, |index| {
                    object.index(index)
                })
            }
            Type::Struct { .. } if depth == 0 => Value::Omitted,
            Type::Struct { members, .. } => {
                let mut nodes = Vec::new();
                for member in members.iter() {
                    nodes.push(self.member(object, member, depth - 1));
                }
                Value::Struct(nodes)
            }
            other => {
                let found = other.label();
                return Err(Error::Implausible {
                    what: "a value".into(),
                    at: object.address,
                    found,
                });
            }
        })
    }

    fn member(
        &mut self,
        object: &Object<'k>,
        member: &virtopsy_debuginfo::Member,
        depth: u32,
    ) -> Node {
        if member.name.is_empty() {
            let mut inner = object.cast(member.type_id);
            inner.address = VirtAddr(object.address.0.wrapping_add(member.bit_offset / 8));
            // What is anonymous is no level of its own, but a type that holds itself would not end.
            let below = if self.nest < MAX_NAME_DEPTH {
                depth.saturating_add(1)
            } else {
                0
            };
            self.nest += 1;
            let node = self.object(String::new(), &inner, below.min(self.limits.depth));
            self.nest -= 1;
            return node;
        }
        match object.field(&member.name) {
            Ok(inner) => self.object(member.name.clone(), &inner, depth),
            Err(e) => node(member.name.clone(), "", None, Value::Unreadable(e)),
        }
    }

    /// An array; of one whose length nobody knows, the first element.
    fn table(&mut self, name: String, first: &Object<'k>, len: Option<u64>, depth: u32) -> Node {
        let element = type_name(&*first.ty.source, first.ty.id, MAX_NAME_DEPTH);
        let type_name = match len {
            Some(len) => format!("{element}[{len}]"),
            None => format!("{element}[]"),
        };
        let count = len.unwrap_or(1);
        let address = Some(first.address);
        if is_char(&*first.ty.source, first.ty.id) {
            let text = first.space().string(
                first.address,
                len.and_then(|len| usize::try_from(len).ok())
                    .unwrap_or(4096)
                    .min(4096),
            );
            let value = text.map_or_else(Value::Unreadable, Value::Text);
            return Node {
                name,
                type_name,
                address,
                value,
            };
        }
        let size = first.size().unwrap_or(0);
        let value = self.elements(count.min(self.limits.elements), count, depth, |index| {
            let mut element = first.clone();
            element.address = VirtAddr(first.address.0.wrapping_add(size.wrapping_mul(index)));
            Ok(element)
        });
        Node {
            name,
            type_name,
            address,
            value,
        }
    }

    fn elements(
        &mut self,
        shown: u64,
        count: u64,
        depth: u32,
        get: impl Fn(u64) -> Result<Object<'k>>,
    ) -> Value {
        let mut elements = Vec::new();
        for index in 0..shown {
            if self.left == 0 {
                break;
            }
            let name = format!("[{index}]");
            elements.push(match get(index) {
                Ok(element) => self.object(name, &element, depth.saturating_sub(1)),
                Err(e) => node(name, "", None, Value::Unreadable(e)),
            });
        }
        Value::Array { elements, count }
    }

    fn pointer(&self, to: VirtAddr, is_text: bool) -> Value {
        let text = if is_text && to.0 != 0 {
            self.kernel.space().string(to, MAX_TEXT).ok()
        } else {
            None
        };
        let symbol = if to.0 == 0 {
            None
        } else {
            self.kernel.locate(to)
        };
        Value::Pointer { to, symbol, text }
    }
}

fn node(name: String, type_name: &str, address: Option<VirtAddr>, value: Value) -> Node {
    Node {
        name,
        type_name: type_name.to_owned(),
        address,
        value,
    }
}

/// Whether it is plain `char`, in which the kernel keeps text; `u8` is a number.
fn is_char(source: &dyn TypeSource, id: TypeId) -> bool {
    matches!(source.resolve(id), Ok((_, Type::Int { name, size: 1, .. })) if name == "char")
}

fn pointed_name(target: &Pointed) -> String {
    let base = match &target.ty {
        Some(ty) => type_name(&*ty.source, ty.id, MAX_NAME_DEPTH),
        None => "void".to_owned(),
    };
    let stars = "*".repeat(target.stars as usize + 1);
    format!("{base} {stars}")
}

/// A type as C writes it, without its qualifiers. Typedefs keep their names.
fn type_name(source: &dyn TypeSource, id: TypeId, depth: u32) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return "…".to_owned();
    };
    match source.describe(id) {
        Ok(Type::Qualifier { target, .. }) => type_name(source, target, depth),
        Ok(Type::Pointer { target, .. }) => {
            let to = type_name(source, target, depth);
            if to.ends_with('*') {
                format!("{to}*")
            } else {
                format!("{to} *")
            }
        }
        Ok(Type::Array { element, count }) => {
            let count = count.map(|n| n.to_string()).unwrap_or_default();
            let element = type_name(source, element, depth);
            match element.find('[') {
                // Of an array of arrays, the outer count stands first.
                Some(at) if element.ends_with(']') => {
                    let (base, inner) = element.split_at_checked(at).unwrap_or((&element, ""));
                    format!("{base}[{count}]{inner}")
                }
                _ => format!("{element}[{count}]"),
            }
        }
        Ok(Type::Struct {
            name: None,
            union: false,
            ..
        }) => "struct".to_owned(),
        Ok(Type::Struct {
            name: None,
            union: true,
            ..
        }) => "union".to_owned(),
        Ok(Type::Enum { name: None, .. }) => "enum".to_owned(),
        Ok(Type::Forward { name, union }) => {
            format!("{} {name}", if union { "union" } else { "struct" })
        }
        Ok(Type::Func { .. }) => "function".to_owned(),
        Ok(other) => other.label(),
        Err(_) => "?".to_owned(),
    }
}
