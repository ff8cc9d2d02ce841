//! A type of the kernel as it lies in memory.

use serde::Serialize;
use virtopsy_debuginfo::{
    Declaration, Layout, LayoutKind, LayoutMember, Tag, Type, TypeId, TypeSource,
    TypeSourceExt as _,
};
use virtopsy_kernel::{Error, nearest};

/// The most names of members that are looked through for one like that which is not there.
const MAX_NAMES: usize = 10_000;
/// The words that may stand before a type's name, and what they ask for.
const WORDS: [(&str, Tag); 3] = [
    ("struct ", Tag::Struct),
    ("union ", Tag::Union),
    ("enum ", Tag::Enum),
];

/// What was asked of a layout: a type, or one member of it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum LayoutFacts {
    /// A type.
    Type(Box<TypeFacts>),
    /// A member.
    Member(MemberFacts),
}

/// A type. Sizes and offsets are in bytes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TypeFacts {
    /// Its name in C.
    pub name: String,
    /// `struct`, `union`, `enum`, `typedef` or `other`.
    pub kind: &'static str,
    /// The module whose types it was found in; `None`: the kernel's own.
    pub module: Option<String>,
    /// Its size; `None` for what has none.
    pub size: Option<u64>,
    /// Cache lines of 64 bytes that it touches, if it starts on one.
    pub cache_lines: u64,
    /// For a typedef: what it stands for.
    pub target: Option<String>,
    /// Its members, in order.
    pub members: Vec<PlacedFacts>,
    /// Its enumerators, in order.
    pub enumerators: Vec<EnumeratorFacts>,
    /// Bytes behind the last member.
    pub padding: u64,
    /// The whole as C, with offsets and sizes as comments.
    #[serde(skip)]
    pub text: String,
}

/// A member as it lies in memory.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlacedFacts {
    /// Its name; empty for an anonymous one.
    pub name: String,
    /// Its type, as in C.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Bytes from the start of the outermost structure; of a bitfield, those of its storage unit.
    pub offset: u64,
    /// The lowest bit of a bitfield in its storage unit.
    pub bit: Option<u64>,
    /// The width of a bitfield in bits.
    pub bits: Option<u32>,
    /// Bytes; of a bitfield, those of its storage unit.
    pub size: u64,
    /// Bytes before it that belong to no member.
    pub hole_bytes: u64,
    /// Bits before it that belong to no member; they come before `hole_bytes`.
    pub hole_bits: u64,
    /// Members of an anonymous structure or union.
    pub members: Vec<PlacedFacts>,
    /// Enumerators of an anonymous enum.
    pub enumerators: Vec<EnumeratorFacts>,
}

/// An enumerator.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EnumeratorFacts {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i64,
}

/// Where one member is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MemberFacts {
    /// The structure.
    pub name: String,
    /// The path of the member in it.
    pub member: String,
    /// The module whose types it was found in; `None`: the kernel's own.
    pub module: Option<String>,
    /// Its type, as in C.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Bytes from the start of the structure; of a bitfield, to the byte that holds its lowest bit.
    pub offset: u64,
    /// The lowest bit of a bitfield in that byte.
    pub bit: Option<u64>,
    /// The width of a bitfield in bits.
    pub bits: Option<u32>,
    /// Bytes; `None` for what has no size, and for a bitfield.
    pub size: Option<u64>,
}

/// What was asked for: `struct task_struct`, `pgd_t`, `task_struct.se.vruntime`.
pub(crate) struct Asked<'a> {
    text: &'a str,
    tag: Option<Tag>,
    name: &'a str,
    path: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let word = WORDS
            .iter()
            .find_map(|(word, tag)| Some((text.strip_prefix(word)?.trim_start(), *tag)));
        let (rest, tag) = word.map_or((text, None), |(rest, tag)| (rest, Some(tag)));
        let (name, path) = match rest.split_once('.') {
            Some((name, path)) => (name, Some(path)),
            None => (rest, None),
        };
        Asked {
            text,
            tag,
            name,
            path,
        }
    }

    /// The type, if these types have it.
    pub(crate) fn find(&self, types: &dyn TypeSource) -> Result<Option<TypeId>, Error> {
        let tags = [Tag::Struct, Tag::Union, Tag::Enum, Tag::Typedef, Tag::Base];
        for tag in tags
            .iter()
            .filter(|tag| self.tag.is_none_or(|t| t == **tag))
        {
            if let Some(id) = types.find(*tag, self.name)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// That no source has the type; the names are those that the kernel's own types know.
    pub(crate) fn no_type(&self, types: &dyn TypeSource) -> Error {
        let known = nearest(self.name, types.type_names().unwrap_or_default());
        no_such("type", self.name, &known)
    }

    /// The answer, of the type that was found.
    pub(crate) fn answer(
        &self,
        types: &dyn TypeSource,
        id: TypeId,
        module: Option<&str>,
    ) -> Result<LayoutFacts, Error> {
        let module = module.map(str::to_owned);
        let Some(path) = self.path else {
            let layout = Layout::of(types, id)?;
            return Ok(LayoutFacts::Type(Box::new(type_facts(layout, module))));
        };
        let place = match types.member_path(id, path) {
            Err(virtopsy_debuginfo::Error::NoSuchMember { .. }) => {
                return Err(self.no_member(types, id, path));
            }
            place => place?,
        };
        let is_field = place.bit_size.is_some();
        Ok(LayoutFacts::Member(MemberFacts {
            name: Declaration::of(types, id, "")?.to_string(),
            member: path.to_owned(),
            module,
            type_name: Declaration::of(types, place.type_id, "")?.to_string(),
            offset: place.byte_offset(),
            bit: is_field.then_some(place.bit_offset % 8),
            bits: place.bit_size,
            size: types.size_of(place.type_id).ok().filter(|_| !is_field),
        }))
    }

    /// Which step of the path is not there, and what is like it.
    fn no_member(&self, types: &dyn TypeSource, id: TypeId, path: &str) -> Error {
        let mut known = 0;
        for (at, _) in path.match_indices('.').chain([(path.len(), "")]) {
            let (before, rest) = (path.get(..known), path.get(known..at));
            let start = match before.filter(|before| !before.is_empty()) {
                None => Ok(id),
                Some(before) => types
                    .member_path(id, before.trim_end_matches('.'))
                    .map(|place| place.type_id),
            };
            let (Ok(start), Some(step)) = (start, rest) else {
                break;
            };
            let step = step.trim_start_matches('.');
            if types.member_path(start, step).is_err() {
                let step = step.split('[').next().unwrap_or(step);
                return no_such("member", step, &nearest(step, member_names(types, start)));
            }
            known = at;
        }
        no_such("member", self.text, &[])
    }
}

fn no_such(what: &'static str, name: &str, nearest: &[String]) -> Error {
    Error::NoSuch {
        what,
        name: name.to_owned(),
        known: (!nearest.is_empty()).then(|| format!("near to it are {}", nearest.join(", "))),
    }
}

/// The names of a structure's members, those of anonymous members too.
fn member_names(types: &dyn TypeSource, id: TypeId) -> Vec<String> {
    let (mut names, mut todo) = (Vec::new(), vec![id]);
    let mut looked = 0;
    while let Some(at) = todo.pop() {
        looked += 1;
        let Ok((_, Type::Struct { members, .. })) = types.resolve(at) else {
            continue;
        };
        for member in members.iter() {
            if names.len() >= MAX_NAMES || looked >= MAX_NAMES {
                return names;
            }
            match member.name.is_empty() {
                true => todo.push(member.type_id),
                false => names.push(member.name.clone()),
            }
        }
    }
    names
}

fn type_facts(layout: Layout, module: Option<String>) -> TypeFacts {
    TypeFacts {
        text: layout.to_string(),
        kind: match layout.kind {
            LayoutKind::Struct => "struct",
            LayoutKind::Union => "union",
            LayoutKind::Enum => "enum",
            LayoutKind::Typedef => "typedef",
            LayoutKind::Other => "other",
        },
        module,
        size: layout.size,
        cache_lines: layout.cache_lines(),
        target: layout.target.as_ref().map(|target| target.base.clone()),
        padding: layout.sums.map_or(0, |sums| sums.padding),
        members: layout.members.iter().map(placed).collect(),
        enumerators: enumerators(&layout.enumerators),
        name: layout.name,
    }
}

fn placed(member: &LayoutMember) -> PlacedFacts {
    PlacedFacts {
        name: member.name.clone(),
        type_name: member.type_name.clone(),
        offset: member.offset,
        bit: member.bits.map(|(first, _)| first),
        bits: member.bits.map(|(_, width)| width),
        size: member.size,
        hole_bits: member.hole.0,
        hole_bytes: member.hole.1,
        members: member.members.iter().map(placed).collect(),
        enumerators: enumerators(&member.enumerators),
    }
}

fn enumerators(all: &[(String, i64)]) -> Vec<EnumeratorFacts> {
    let one = |(name, value): &(String, i64)| EnumeratorFacts {
        name: name.clone(),
        value: *value,
    };
    all.iter().map(one).collect()
}
