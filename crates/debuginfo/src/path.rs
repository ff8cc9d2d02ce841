//! Questions that every source of types can answer: sizes and member paths.

use std::collections::VecDeque;

use crate::model::MAX_CHAIN;
use crate::{Error, Member, Place, Tag, Type, TypeId, TypeSource};

/// The most anonymous structures looked into for one member.
const MAX_ANONYMOUS: usize = 512;

/// What every [`TypeSource`] offers on top of its own lookups.
pub trait TypeSourceExt: TypeSource {
    /// Strips typedefs and qualifiers. What is only declared where `id` stands
    /// is replaced by its definition, if the source has one anywhere.
    fn resolve(&self, id: TypeId) -> Result<(TypeId, Type), Error> {
        let mut at = id;
        for _ in 0..MAX_CHAIN {
            match self.describe(at)? {
                Type::Typedef { target, .. } | Type::Qualifier { target, .. } => at = target,
                Type::Forward { name, union } => {
                    let tag = if union { Tag::Union } else { Tag::Struct };
                    match self.find(tag, &name)? {
                        Some(definition) => at = definition,
                        None => return Ok((at, Type::Forward { name, union })),
                    }
                }
                other => return Ok((at, other)),
            }
        }
        Err(Error::TooDeep {
            what: "a chain of typedefs",
            limit: MAX_CHAIN.into(),
            at: id.0,
        })
    }

    /// The size in bytes. An array of unknown length adds nothing.
    fn size_of(&self, id: TypeId) -> Result<u64, Error> {
        let mut at = id;
        let mut times: u64 = 1;
        for _ in 0..MAX_CHAIN {
            let (found, ty) = self.resolve(at)?;
            let unit = match ty {
                Type::Int { size, .. }
                | Type::Float { size, .. }
                | Type::Pointer { size, .. }
                | Type::Struct { size, .. }
                | Type::Enum { size, .. } => size,
                Type::Array { element, count } => {
                    times = multiply(times, count.unwrap_or(0), found)?;
                    at = element;
                    continue;
                }
                other => return Err(Error::NoSize { ty: other.label() }),
            };
            return multiply(times, unit, found);
        }
        Err(Error::TooDeep {
            what: "a nest of arrays",
            limit: MAX_CHAIN.into(),
            at: id.0,
        })
    }

    /// `struct name`, else `union name`, else `typedef name`.
    fn struct_named(&self, name: &str) -> Result<TypeId, Error> {
        for tag in [Tag::Struct, Tag::Union, Tag::Typedef] {
            if let Some(id) = self.find(tag, name)? {
                return Ok(id);
            }
        }
        Err(Error::NoSuchType {
            name: name.to_owned(),
        })
    }

    /// The first definition of `name` of any kind.
    fn find_any(&self, name: &str) -> Result<Option<TypeId>, Error> {
        for tag in [
            Tag::Struct,
            Tag::Union,
            Tag::Enum,
            Tag::Typedef,
            Tag::Base,
            Tag::Func,
        ] {
            if let Some(id) = self.find(tag, name)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The member `name` of a structure or union, also if it stands in an
    /// anonymous member; the offset counts from `id`.
    fn member(&self, id: TypeId, name: &str) -> Result<Place, Error> {
        let mut label = None;
        // Only handles are queued: a hostile structure may have many members.
        let mut queue = VecDeque::from([(0u64, 0u32, id)]);
        let mut queued = 0usize;
        while let Some((start, depth, at)) = queue.pop_front() {
            let (_, ty) = self.resolve(at)?;
            let own_label = label.get_or_insert_with(|| ty.label());
            let Type::Struct { members, .. } = ty else {
                if at == id {
                    let ty = own_label.clone();
                    return Err(Error::WrongKind {
                        ty,
                        wanted: "structure or union",
                    });
                }
                continue;
            };
            if let Some(member) = members.iter().find(|member| member.name == name) {
                return place_of(start, member, id);
            }
            for member in members.iter().filter(|member| member.name.is_empty()) {
                queued += 1;
                if queued > MAX_ANONYMOUS || depth >= MAX_CHAIN {
                    return Err(Error::TooDeep {
                        what: "a nest of anonymous members",
                        limit: MAX_ANONYMOUS as u64,
                        at: id.0,
                    });
                }
                let inner = place_of(start, member, id)?;
                queue.push_back((inner.bit_offset, depth + 1, inner.type_id));
            }
        }
        Err(Error::NoSuchMember {
            ty: label.unwrap_or_default(),
            member: name.to_owned(),
        })
    }

    /// Follows a path such as `mm.owner` or `a.b[3].c` inside one structure.
    /// Pointers are not followed: what they point to is not in this structure.
    fn member_path(&self, id: TypeId, path: &str) -> Result<Place, Error> {
        if let Some(known) = self.known_place(id, path) {
            return Ok(known);
        }
        let mut place = Place {
            bit_offset: 0,
            type_id: id,
            bit_size: None,
        };
        for step in steps(path)? {
            let next = match step {
                Step::Member(name) => self.member(place.type_id, name)?,
                Step::Index(index) => self.element(place.type_id, index)?,
            };
            let bit_offset = add(place.bit_offset, next.bit_offset, id)?;
            place = Place { bit_offset, ..next };
        }
        self.keep_place(id, path, place);
        Ok(place)
    }

    /// Element `index` of an array.
    fn element(&self, id: TypeId, index: u64) -> Result<Place, Error> {
        let (found, ty) = self.resolve(id)?;
        let Type::Array { element, count } = ty else {
            return Err(Error::WrongKind {
                ty: ty.label(),
                wanted: "array",
            });
        };
        if let Some(count) = count.filter(|count| index >= *count) {
            return Err(Error::IndexOutOfRange { index, count });
        }
        let bits = multiply(self.size_of(element)?, 8, found)?;
        Ok(Place {
            bit_offset: multiply(bits, index, found)?,
            type_id: element,
            bit_size: None,
        })
    }

    /// [`Self::struct_named`] and [`Self::member_path`] in one.
    fn place_in(&self, type_name: &str, path: &str) -> Result<Place, Error> {
        self.member_path(self.struct_named(type_name)?, path)
    }
}

impl<T: TypeSource + ?Sized> TypeSourceExt for T {}

fn place_of(start: u64, member: &Member, at: TypeId) -> Result<Place, Error> {
    let bit_offset = add(start, member.bit_offset, at)?;
    Ok(Place {
        bit_offset,
        type_id: member.type_id,
        bit_size: member.bit_size,
    })
}

fn multiply(a: u64, b: u64, at: TypeId) -> Result<u64, Error> {
    a.checked_mul(b).ok_or_else(|| too_large(at))
}

fn add(a: u64, b: u64, at: TypeId) -> Result<u64, Error> {
    a.checked_add(b).ok_or_else(|| too_large(at))
}

fn too_large(at: TypeId) -> Error {
    Error::Malformed {
        place: "types",
        offset: at.0,
        expected: "a type smaller than the address space",
        found: "sizes or offsets beyond 64 bits".to_owned(),
    }
}

/// One step of a member path.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Index(u64),
}

/// `path := name? ( '.' name | '[' number ']' )*`, at least one step.
fn steps(path: &str) -> Result<Vec<Step<'_>>, Error> {
    let bad = |at: usize, expected| Error::BadPath {
        path: path.to_owned(),
        at,
        expected,
    };
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(rest) = path.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(inner) = rest.strip_prefix('[') {
            let (number, _) = inner.split_once(']').ok_or_else(|| bad(path.len(), "]"))?;
            steps.push(Step::Index(
                number.trim().parse().map_err(|_| bad(at + 1, "a number"))?,
            ));
            at += number.len() + 2;
            continue;
        }
        let dot = usize::from(rest.starts_with('.'));
        if (dot == 0) != steps.is_empty() {
            return Err(bad(
                at,
                if steps.is_empty() {
                    "a member name"
                } else {
                    ". or ["
                },
            ));
        }
        let name = rest.get(dot..).unwrap_or_default();
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let name = name.get(..end).filter(|name| !name.is_empty());
        steps.push(Step::Member(
            name.ok_or_else(|| bad(at + dot, "a member name"))?,
        ));
        at += dot + end;
    }
    if steps.is_empty() {
        Err(bad(0, "a member name"))
    } else {
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_indices() {
        assert_eq!(
            steps("a.b[3].c").unwrap(),
            [
                Step::Member("a"),
                Step::Member("b"),
                Step::Index(3),
                Step::Member("c")
            ]
        );
        assert_eq!(steps("[1][2]").unwrap(), [Step::Index(1), Step::Index(2)]);
    }

    #[test]
    fn a_bad_path_says_where() {
        for (path, at) in [
            ("", 0),
            (".a", 0),
            ("a..b", 2),
            ("a[", 2),
            ("a[x]", 2),
            ("a[1]b", 4),
            ("a.", 2),
        ] {
            let Err(Error::BadPath { at: found, .. }) = steps(path) else {
                panic!("{path} was taken")
            };
            assert_eq!(found, at, "{path}");
        }
    }
}
