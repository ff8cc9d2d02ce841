//! Module BTF that was made against a distilled base (`.BTF.base`, 6.11).
//!
//! The distilled base holds copies, without members, of the few types of the
//! kernel that the module refers to. So that a module outlives a rebuild of its
//! kernel, each copy is matched to the kernel's type by kind, name and size
//! (`tools/lib/bpf/btf_relocate.c` describes the rule); the module's own types,
//! which are numbered behind the copies, move behind the kernel's.

use std::sync::Arc;

use crate::{Error, Tag, TypeId};

use super::Btf;
use super::record::{Kind, Record};

/// From the numbers of a distilled base to those of the kernel.
#[derive(Debug)]
pub(super) struct Remap {
    pub(super) distilled: Box<Btf>,
    /// For each distilled type, from number 0, the kernel's number.
    numbers: Box<[u32]>,
}

impl Remap {
    pub(super) fn new(distilled: Btf, kernel: &Arc<Btf>) -> Result<Self, Error> {
        let mut numbers = vec![0];
        for number in 1..distilled.end_id() {
            numbers.push(counterpart(&distilled, number, kernel)?);
        }
        Ok(Self {
            distilled: Box::new(distilled),
            numbers: numbers.into_boxed_slice(),
        })
    }

    /// The kernel's number, or the one behind the kernel's last.
    pub(super) fn translate(&self, number: u32, first_own: u32) -> u32 {
        match self.numbers.get(number as usize) {
            Some(found) => *found,
            None => first_own.saturating_add(number.saturating_sub(self.numbers.len() as u32)),
        }
    }
}

/// A structure that is embedded has its size in the distilled base; one that is
/// only pointed to is a forward declaration there, and matches by name.
fn counterpart(distilled: &Btf, number: u32, kernel: &Btf) -> Result<u32, Error> {
    let Some(record) = distilled.own_record(number) else {
        return Ok(0);
    };
    let name = distilled.text(record.name)?;
    let tags: &[Tag] = match record.kind {
        Kind::INT | Kind::FLOAT => &[Tag::Base],
        Kind::STRUCT => &[Tag::Struct],
        Kind::UNION => &[Tag::Union],
        Kind::ENUM | Kind::ENUM64 => &[Tag::Enum],
        Kind::FWD if record.flag => &[Tag::Union],
        Kind::FWD => &[Tag::Struct, Tag::Enum],
        _ => &[],
    };
    for tag in tags {
        for TypeId(id) in kernel.find_all(*tag, &name)? {
            if let Some((_, found)) = kernel
                .record_anywhere(id)
                .filter(|(_, found)| same_size(record, *found))
            {
                tracing::trace!(
                    name,
                    number,
                    id,
                    kind = found.kind,
                    "matched a distilled type"
                );
                return Ok(u32::try_from(id).unwrap_or(0));
            }
        }
    }
    let found = format!("type {number} ({name}), which it has not");
    Err(Error::malformed(
        ".BTF.base",
        number as usize,
        "a type that the kernel has too",
        found,
    ))
}

fn same_size(distilled: Record, kernel: Record) -> bool {
    distilled.kind == Kind::FWD || distilled.size_or_type == kernel.size_or_type
}
