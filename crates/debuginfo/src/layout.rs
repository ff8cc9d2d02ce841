//! A type as it lies in memory: members, what is between them, and cache lines.
//!
//! ```text
//!  0      4   5      8            24
//!  ├──────┼───┼──────┼────────────┤
//!  │ int  │u8 │ hole │ list_head  │      offsets and sizes in bytes, from the outermost structure;
//!  └──────┴───┴──────┴────────────┘      members of anonymous structures stand inside them
//! ```

mod text;

use crate::declaration::Declaration;
use crate::model::MAX_CHAIN;
use crate::{Error, Member, Type, TypeId, TypeSource, TypeSourceExt as _};

/// Bytes of a cache line.
const LINE: u64 = 64;
/// The most members of one layout, those of anonymous members counted.
const MAX_PLACED: u32 = 200_000;

/// What a layout is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutKind {
    /// A structure.
    Struct,
    /// A union.
    Union,
    /// An enum.
    Enum,
    /// Another name for a type.
    Typedef,
    /// An arithmetic type, or one that is only declared.
    Other,
}

/// A type as it lies in memory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What it is.
    pub kind: LayoutKind,
    /// Its name in C: `struct task_struct`, `pgd_t`.
    pub name: String,
    /// For a typedef: what it stands for.
    pub target: Option<Declaration>,
    /// Bytes; `None` for what has no size (`void`, what is only declared).
    pub size: Option<u64>,
    /// In the order of the source. A typedef of an anonymous structure has those of the structure.
    pub members: Vec<LayoutMember>,
    /// Names and values, for an enum or the typedef of an anonymous one.
    pub enumerators: Vec<(String, i64)>,
    /// Sums, for a structure.
    pub sums: Option<LayoutSums>,
}

/// A member as it lies in memory.
#[derive(Clone, Debug)]
pub struct LayoutMember {
    /// Its name; empty for an anonymous member.
    pub name: String,
    /// Its type, as in C.
    pub type_name: String,
    /// How it is declared.
    pub declaration: Declaration,
    /// Bytes from the start of the outermost structure; of a bitfield, those of its storage unit.
    pub offset: u64,
    /// For a bitfield: the lowest bit in the unit, and the width in bits.
    pub bits: Option<(u64, u32)>,
    /// Bytes; of a bitfield, those of its storage unit.
    pub size: u64,
    /// Bits and bytes before it that belong to no member. Bits come first.
    pub hole: (u64, u64),
    /// The cache line that begins with it or within the member before it: its number, and how many
    /// bytes ago it began.
    pub line: Option<(u64, u64)>,
    /// Whether its type has no name, so that what is in it is told here.
    pub anonymous: bool,
    /// Members, where its type is an anonymous structure or union, an array of those, or points to
    /// one; their offsets count from that then.
    pub members: Vec<LayoutMember>,
    /// Names and values, where its type is an anonymous enum.
    pub enumerators: Vec<(String, i64)>,
}

/// Sums over the members of a structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayoutSums {
    /// Bytes of all members that are no bitfields.
    pub members: u64,
    /// Bits of all bitfields.
    pub bitfields: u64,
    /// Holes of whole bytes, and the bytes in them.
    pub holes: (u64, u64),
    /// Holes of bits behind bitfields, and the bits in them.
    pub bit_holes: (u64, u64),
    /// Bits that are left of the last member's storage unit, where that is a bitfield.
    pub bit_padding: u64,
    /// Bytes behind the last member.
    pub padding: u64,
}

impl Layout {
    /// How many cache lines it touches, if it starts on one.
    #[must_use]
    pub fn cache_lines(&self) -> u64 {
        self.size.unwrap_or(0).div_ceil(LINE)
    }

    /// Bytes in the last of them; 0 where it is full.
    #[must_use]
    pub fn last_cache_line(&self) -> u64 {
        self.size.unwrap_or(0) % LINE
    }

    /// The layout of a type.
    ///
    /// # Errors
    /// As [`TypeSource::describe`].
    pub fn of(source: &dyn TypeSource, id: TypeId) -> Result<Self, Error> {
        let ty = source.describe(id)?;
        let mut layout = Layout {
            kind: LayoutKind::Other,
            name: Declaration::of(source, id, "")?.to_string(),
            target: None,
            size: source.size_of(id).ok(),
            members: Vec::new(),
            enumerators: Vec::new(),
            sums: None,
        };
        let content = match &ty {
            Type::Typedef { target, .. } => {
                layout.kind = LayoutKind::Typedef;
                layout.target = Some(Declaration::of(source, *target, &layout.name)?);
                match source.describe(*target)? {
                    anonymous @ (Type::Struct { name: None, .. }
                    | Type::Enum { name: None, .. }) => anonymous,
                    _ => return Ok(layout),
                }
            }
            other => {
                layout.kind = match other {
                    Type::Struct { union: false, .. } => LayoutKind::Struct,
                    Type::Struct { union: true, .. } => LayoutKind::Union,
                    Type::Enum { .. } => LayoutKind::Enum,
                    _ => LayoutKind::Other,
                };
                ty
            }
        };
        match content {
            Type::Struct {
                members,
                union,
                size,
                ..
            } => {
                let mut placer = Placer {
                    source,
                    line: 0,
                    left: MAX_PLACED,
                };
                layout.members = placer.members(&members, union, 0, 0)?;
                layout.sums = (!union).then(|| sums(&layout.members, size));
            }
            Type::Enum { enumerators, .. } => layout.enumerators = enumerators.to_vec(),
            _ => {}
        }
        Ok(layout)
    }
}

struct Placer<'s> {
    source: &'s dyn TypeSource,
    /// The cache line that was told last.
    line: u64,
    /// Members that may still be placed.
    left: u32,
}

impl Placer<'_> {
    fn members(
        &mut self,
        members: &[Member],
        union: bool,
        start: u64,
        depth: u32,
    ) -> Result<Vec<LayoutMember>, Error> {
        let mut placed: Vec<LayoutMember> = Vec::new();
        for member in members {
            let before = placed.last().filter(|_| !union);
            let line = self.line;
            let one = self.member(member, before, start, depth)?;
            if union {
                self.line = line;
            }
            placed.push(one);
        }
        Ok(placed)
    }

    fn member(
        &mut self,
        member: &Member,
        before: Option<&LayoutMember>,
        start: u64,
        depth: u32,
    ) -> Result<LayoutMember, Error> {
        let too_deep = || Error::TooDeep {
            what: "a nest of anonymous members",
            limit: MAX_CHAIN.into(),
            at: member.type_id.0,
        };
        self.left = self
            .left
            .checked_sub(1)
            .filter(|_| depth <= MAX_CHAIN)
            .ok_or_else(too_deep)?;
        // A flexible array has no size of its own, and neither has a function.
        let size = self.source.size_of(member.type_id).unwrap_or(0);
        let bit = start.saturating_mul(8).saturating_add(member.bit_offset);
        let (offset, bits) = match member.bit_size {
            None => (bit / 8, None),
            Some(width) => {
                let offset = unit_of(bit, width, size);
                (offset, Some((bit.saturating_sub(offset * 8), width)))
            }
        };
        let hole = hole_between(before, start, bit);
        let line = self.line_at(offset);
        let declaration = Declaration::of(self.source, member.type_id, &member.name)?;
        let (mut members, mut enumerators) = (Vec::new(), Vec::new());
        // What is only pointed to has offsets of its own.
        let inside = if declaration.pointed { 0 } else { offset };
        let base = self.source.describe(declaration.base_type)?;
        let anonymous = matches!(
            base,
            Type::Struct { name: None, .. } | Type::Enum { name: None, .. }
        );
        match base {
            Type::Struct {
                name: None,
                members: inner,
                union,
                ..
            } => members = self.members(&inner, union, inside, depth + 1)?,
            Type::Enum {
                name: None,
                enumerators: inner,
                ..
            } => enumerators = inner.to_vec(),
            _ => {}
        }
        Ok(LayoutMember {
            name: member.name.clone(),
            type_name: Declaration::of(self.source, member.type_id, "")?.to_string(),
            declaration,
            offset,
            bits,
            size,
            hole,
            line,
            anonymous,
            members,
            enumerators,
        })
    }

    /// The cache line that has begun since the last member, if one has.
    fn line_at(&mut self, offset: u64) -> Option<(u64, u64)> {
        let line = offset / LINE;
        if line <= self.line {
            return None;
        }
        self.line = line;
        Some((line, offset % LINE))
    }
}

/// Where the storage unit of a bitfield starts, in bytes: where its type is aligned, or as many bytes
/// later as a packed one needs to lie in it.
fn unit_of(bit: u64, width: u32, size: u64) -> u64 {
    let size = size.max(1);
    let aligned = bit / 8 / size * size;
    if bit.saturating_add(width.into()) <= (aligned + size).saturating_mul(8) {
        aligned
    } else {
        bit / 8
    }
}

/// Bits and bytes between a member and the bit at which the next starts.
fn hole_between(before: Option<&LayoutMember>, start: u64, bit: u64) -> (u64, u64) {
    let (end, unit_end) = before.map_or((start * 8, start * 8), ends);
    let gap = bit.saturating_sub(end);
    let bits = gap.min(unit_end.saturating_sub(end));
    (bits, (gap - bits) / 8)
}

/// The bit behind a member, and that behind its storage unit.
fn ends(member: &LayoutMember) -> (u64, u64) {
    let unit_end = member.offset.saturating_add(member.size).saturating_mul(8);
    match member.bits {
        None => (unit_end, unit_end),
        Some((first, width)) => {
            let start = member.offset.saturating_mul(8).saturating_add(first);
            (start.saturating_add(width.into()), unit_end)
        }
    }
}

fn sums(members: &[LayoutMember], size: u64) -> LayoutSums {
    let mut sums = LayoutSums::default();
    for member in members {
        match member.bits {
            None => sums.members = sums.members.saturating_add(member.size),
            Some((_, width)) => sums.bitfields += u64::from(width),
        }
        let (bits, bytes) = member.hole;
        if bits > 0 {
            sums.bit_holes.0 += 1;
            sums.bit_holes.1 = sums.bit_holes.1.saturating_add(bits);
        }
        if bytes > 0 {
            sums.holes.0 += 1;
            sums.holes.1 = sums.holes.1.saturating_add(bytes);
        }
    }
    let (bits, bytes) = hole_between(members.last(), 0, size.saturating_mul(8));
    sums.bit_padding = bits;
    sums.padding = bytes;
    sums
}
