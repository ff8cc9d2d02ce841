//! One record of BTF, and how long each kind's is.

use crate::read::u32_at;

use super::RECORD_LEN;

/// `BTF_KIND_*`, `include/uapi/linux/btf.h`.
pub(super) struct Kind;

#[allow(missing_docs)]
impl Kind {
    pub(super) const INT: u8 = 1;
    pub(super) const PTR: u8 = 2;
    pub(super) const ARRAY: u8 = 3;
    pub(super) const STRUCT: u8 = 4;
    pub(super) const UNION: u8 = 5;
    pub(super) const ENUM: u8 = 6;
    pub(super) const FWD: u8 = 7;
    pub(super) const TYPEDEF: u8 = 8;
    pub(super) const VOLATILE: u8 = 9;
    pub(super) const CONST: u8 = 10;
    pub(super) const RESTRICT: u8 = 11;
    pub(super) const FUNC: u8 = 12;
    pub(super) const FUNC_PROTO: u8 = 13;
    pub(super) const VAR: u8 = 14;
    pub(super) const DATASEC: u8 = 15;
    pub(super) const FLOAT: u8 = 16;
    pub(super) const DECL_TAG: u8 = 17;
    pub(super) const TYPE_TAG: u8 = 18;
    pub(super) const ENUM64: u8 = 19;
}

/// The fields that all kinds share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) kind: u8,
    pub(super) flag: bool,
    pub(super) vlen: usize,
    pub(super) name: u32,
    /// A size in bytes, or the number of another type.
    pub(super) size_or_type: u32,
    /// Where the kind's own part starts in the type section.
    pub(super) own: usize,
}

impl Record {
    pub(super) fn at(types: &[u8], start: usize) -> Option<Self> {
        let (kind, vlen, flag) = split_info(u32_at(types, start.checked_add(4)?)?);
        Some(Self {
            kind,
            flag,
            vlen,
            name: u32_at(types, start)?,
            size_or_type: u32_at(types, start.checked_add(8)?)?,
            own: start.checked_add(RECORD_LEN)?,
        })
    }
}

/// Kind, number of parts, flag. The widths are those of 7.0 (seven bits of kind,
/// 24 of vlen); the bits that older kernels left out were zero.
pub(super) fn split_info(info: u32) -> (u8, usize, bool) {
    (
        (info >> 24) as u8 & 0x7f,
        (info & 0x00ff_ffff) as usize,
        info >> 31 != 0,
    )
}

/// Bytes that follow the shared part. `None`: a kind that neither this crate
/// nor the `layout` (pairs of base and element length, four bytes a kind) knows.
pub(super) fn trailing_len(kind: u8, vlen: usize, layout: Option<&[u8]>) -> Option<usize> {
    let (fixed, each) = match kind {
        Kind::INT | Kind::VAR | Kind::DECL_TAG => (4, 0),
        Kind::ARRAY => (12, 0),
        Kind::STRUCT | Kind::UNION | Kind::DATASEC | Kind::ENUM64 => (0, 12),
        Kind::ENUM | Kind::FUNC_PROTO => (0, 8),
        Kind::PTR
        | Kind::FWD
        | Kind::TYPEDEF
        | Kind::VOLATILE
        | Kind::CONST
        | Kind::RESTRICT
        | Kind::FUNC
        | Kind::FLOAT
        | Kind::TYPE_TAG => (0, 0),
        other => {
            let entry = usize::from(other) * 4;
            let layout = layout.filter(|_| other != 0)?;
            (
                usize::from(*layout.get(entry)?),
                usize::from(*layout.get(entry + 1)?),
            )
        }
    };
    Some(vlen * each + fixed)
}
