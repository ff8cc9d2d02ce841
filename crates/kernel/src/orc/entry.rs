//! An entry, and the versions in which it is written.

/// `.orc_header` of 6.3.10 and later 6.3 (commit ffb1b4a41016).
const HASH_6_3: [u8; 20] = [
    0xdb, 0x84, 0xae, 0xd4, 0x10, 0x3b, 0x31, 0xdd, 0x51, 0xe0, 0x17, 0xf8, 0xf7, 0x97, 0x83, 0xca,
    0x98, 0x5c, 0x2c, 0x51,
];
/// `.orc_header` of 6.4 to 7.0 (commit fb799447ae29).
const HASH_6_4: [u8; 20] = [
    0xfe, 0x5d, 0x32, 0xbf, 0x58, 0x1b, 0xd6, 0x3b, 0x2c, 0xa9, 0xa5, 0xc6, 0x5b, 0xa5, 0xa6, 0x25,
    0xea, 0xb3, 0xfe, 0x24,
];
/// `.orc_header` of 7.1 and later.
const HASH_7_1: [u8; 20] = [
    0x13, 0x7c, 0x36, 0xad, 0x76, 0x27, 0xc4, 0xdd, 0x55, 0x93, 0x21, 0x76, 0xbb, 0x0e, 0xcd, 0xbd,
    0x50, 0x41, 0xfc, 0x82,
];

/// How the flags of an entry are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrcVersion {
    /// 4.14 to 6.2.
    V4_14,
    /// 6.3, with a `signal` bit.
    V6_3,
    /// 6.4 to 7.0, with types for "nothing known" and "end of the stack". Some distributions
    /// carry it in kernels that call themselves older.
    V6_4,
    /// 7.1 and later, with other register numbers.
    V7_1,
}

impl std::fmt::Display for OrcVersion {
    /// The first release that has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            OrcVersion::V4_14 => "4.14",
            OrcVersion::V6_3 => "6.3",
            OrcVersion::V6_4 => "6.4",
            OrcVersion::V7_1 => "7.1",
        })
    }
}

/// What a rule counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the registers'
pub enum OrcReg {
    /// Not known, or unchanged.
    Undefined,
    /// The caller's stack pointer.
    PrevSp,
    Ax,
    Dx,
    Di,
    Bp,
    Sp,
    R10,
    R13,
    /// The word that BP plus the offset points to.
    BpIndirect,
    /// The word that SP points to.
    SpIndirect,
    /// A number that the version does not have.
    Unknown(u8),
}

/// What kind of frame the entry describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrcType {
    /// Nothing is known of these addresses.
    Undefined,
    /// The stack ends here.
    EndOfStack,
    /// A function that was called: the return address is below the caller's stack pointer.
    Call,
    /// A whole `pt_regs` at the address.
    Regs,
    /// Only the five words that the CPU pushes.
    RegsPartial,
    /// A number that the version does not have.
    Unknown(u8),
}

/// One entry, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrcEntry {
    /// Added to the register that [`OrcEntry::sp_reg`] names.
    pub sp_offset: i16,
    /// Added to the register that [`OrcEntry::bp_reg`] names.
    pub bp_offset: i16,
    /// Where the caller's stack pointer is.
    pub sp_reg: OrcReg,
    /// Where the caller's frame pointer is saved.
    pub bp_reg: OrcReg,
    /// What kind of frame it is.
    pub kind: OrcType,
    /// The address found is that of an interrupted instruction, not a return address.
    pub signal: bool,
}

/// The entry of a function with a frame pointer, for code that has no table.
pub(crate) const FRAME_POINTER: OrcEntry = OrcEntry {
    sp_offset: 16,
    bp_offset: -16,
    sp_reg: OrcReg::Bp,
    bp_reg: OrcReg::PrevSp,
    kind: OrcType::Call,
    signal: false,
};

impl OrcVersion {
    /// Reads an entry.
    pub fn decode(self, raw: [u8; 6]) -> OrcEntry {
        let [a, b, c, d, registers, flags] = raw;
        let (sp_reg, bp_reg) = (self.register(registers & 15), self.register(registers >> 4));
        let (kind, signal) = match self {
            OrcVersion::V4_14 => {
                let kind = early_type(flags & 3, sp_reg, flags & 4 != 0);
                (kind, matches!(kind, OrcType::Regs | OrcType::RegsPartial))
            }
            OrcVersion::V6_3 => (
                early_type(flags & 3, sp_reg, flags & 8 != 0),
                flags & 4 != 0,
            ),
            OrcVersion::V6_4 | OrcVersion::V7_1 => {
                let kind = match flags & 7 {
                    0 => OrcType::Undefined,
                    1 => OrcType::EndOfStack,
                    2 => OrcType::Call,
                    3 => OrcType::Regs,
                    4 => OrcType::RegsPartial,
                    other => OrcType::Unknown(other),
                };
                (kind, flags & 8 != 0)
            }
        };
        let (sp_offset, bp_offset) = (i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d]));
        OrcEntry {
            sp_offset,
            bp_offset,
            sp_reg,
            bp_reg,
            kind,
            signal,
        }
    }

    fn register(self, number: u8) -> OrcReg {
        let names = match self {
            OrcVersion::V7_1 => [
                OrcReg::Undefined,
                OrcReg::Ax,
                OrcReg::Dx,
                OrcReg::Sp,
                OrcReg::Bp,
                OrcReg::Di,
                OrcReg::R10,
                OrcReg::R13,
                OrcReg::PrevSp,
                OrcReg::SpIndirect,
                OrcReg::BpIndirect,
            ],
            _ => [
                OrcReg::Undefined,
                OrcReg::PrevSp,
                OrcReg::Dx,
                OrcReg::Di,
                OrcReg::Bp,
                OrcReg::Sp,
                OrcReg::R10,
                OrcReg::R13,
                OrcReg::BpIndirect,
                OrcReg::SpIndirect,
                OrcReg::Unknown(10),
            ],
        };
        names
            .get(usize::from(number))
            .copied()
            .unwrap_or(OrcReg::Unknown(number))
    }

    /// By the hash of the format that the build leaves in `.orc_header`.
    pub fn of_header(hash: &[u8]) -> Option<OrcVersion> {
        let known = [
            (HASH_7_1, OrcVersion::V7_1),
            (HASH_6_4, OrcVersion::V6_4),
            (HASH_6_3, OrcVersion::V6_3),
        ];
        known
            .iter()
            .find(|(known, _)| hash == known)
            .map(|(_, version)| *version)
    }

    /// By the entry that the kernel itself uses for code with frame pointers (`orc_fp_entry`,
    /// 4.15): `{16, -16, BP, PREV_SP, CALL}`. 4.14 and 6.3 write it alike.
    pub(super) fn of_frame_pointer_entry(raw: [u8; 6]) -> Option<OrcVersion> {
        [OrcVersion::V7_1, OrcVersion::V6_4, OrcVersion::V4_14]
            .into_iter()
            .find(|version| version.decode(raw) == FRAME_POINTER)
    }

    /// By the entries themselves: of all kernel code, most is called and counts from SP.
    pub fn of_entries(entries: &[u8]) -> Option<OrcVersion> {
        let mut seen = [0u32; 3];
        let mut end_of_6_3 = false;
        for raw in entries.as_chunks::<6>().0 {
            let [_, _, _, _, registers, flags] = *raw;
            let slot = match (registers & 15, flags & 7) {
                (3, 2) => Some(0),
                (5, 2) => Some(1),
                (5, 0) => Some(2),
                _ => None,
            };
            if let Some(count) = slot.and_then(|slot: usize| seen.get_mut(slot)) {
                *count += 1;
            }
            end_of_6_3 |= flags & 8 != 0;
        }
        let [newest, newer, old] = seen;
        match newest.max(newer).max(old) {
            0 => None,
            most if most == newest => Some(OrcVersion::V7_1),
            most if most == newer => Some(OrcVersion::V6_4),
            _ if end_of_6_3 => Some(OrcVersion::V6_3),
            _ => Some(OrcVersion::V4_14),
        }
    }
}

/// Types until 6.3: what has no register is unknown, or with `end` the end.
fn early_type(number: u8, sp_reg: OrcReg, end: bool) -> OrcType {
    match (sp_reg, number) {
        (OrcReg::Undefined, _) if end => OrcType::EndOfStack,
        (OrcReg::Undefined, _) => OrcType::Undefined,
        (_, 0) => OrcType::Call,
        (_, 1) => OrcType::Regs,
        (_, 2) => OrcType::RegsPartial,
        (_, other) => OrcType::Unknown(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(sp: i16, bp: i16, flags: u16) -> [u8; 6] {
        let mut out = [0; 6];
        out[..2].copy_from_slice(&sp.to_le_bytes());
        out[2..4].copy_from_slice(&bp.to_le_bytes());
        out[4..].copy_from_slice(&flags.to_le_bytes());
        out
    }

    #[test]
    fn a_called_function_reads_alike_in_every_version() {
        let call = OrcEntry {
            sp_offset: 8,
            bp_offset: -16,
            sp_reg: OrcReg::Sp,
            ..FRAME_POINTER
        };
        for (version, flags) in [
            (OrcVersion::V4_14, 0x0015),
            (OrcVersion::V6_3, 0x0015),
            (OrcVersion::V6_4, 0x0215),
            (OrcVersion::V7_1, 0x0283),
        ] {
            assert_eq!(version.decode(raw(8, -16, flags)), call, "{version:?}");
        }
    }

    #[test]
    fn an_interrupted_frame_says_so_in_every_version() {
        for (version, flags) in [
            (OrcVersion::V4_14, 0x0105),
            (OrcVersion::V6_3, 0x0505),
            (OrcVersion::V6_4, 0x0b05),
            (OrcVersion::V7_1, 0x0b03),
        ] {
            let entry = version.decode(raw(0, 0, flags));
            assert_eq!(
                (entry.kind, entry.signal),
                (OrcType::Regs, true),
                "{version:?}"
            );
        }
        let later = OrcVersion::V6_3.decode(raw(0, 0, 0x0105));
        assert!(!later.signal, "6.3 has a bit of its own for that");
    }

    #[test]
    fn the_end_and_the_unknown_are_apart_in_every_version() {
        for (version, end, unknown) in [
            (OrcVersion::V4_14, 0x0400, 0),
            (OrcVersion::V6_3, 0x0800, 0),
            (OrcVersion::V6_4, 0x0100, 0),
            (OrcVersion::V7_1, 0x0100, 0),
        ] {
            assert_eq!(
                version.decode(raw(0, 0, end)).kind,
                OrcType::EndOfStack,
                "{version:?}"
            );
            assert_eq!(
                version.decode(raw(0, 0, unknown)).kind,
                OrcType::Undefined,
                "{version:?}"
            );
        }
    }

    #[test]
    fn numbers_that_a_version_does_not_have_are_unknown_not_wrong() {
        assert_eq!(
            OrcVersion::V6_4.decode(raw(0, 0, 0x020a)).sp_reg,
            OrcReg::Unknown(10)
        );
        assert_eq!(
            OrcVersion::V7_1.decode(raw(0, 0, 0x020a)).sp_reg,
            OrcReg::BpIndirect
        );
        assert_eq!(
            OrcVersion::V7_1.decode(raw(0, 0, 0x0703)).kind,
            OrcType::Unknown(7)
        );
    }

    #[test]
    fn the_kernels_own_entry_tells_the_version() {
        let of = |flags| OrcVersion::of_frame_pointer_entry(raw(16, -16, flags));
        assert_eq!(of(0x0284), Some(OrcVersion::V7_1));
        assert_eq!(of(0x0214), Some(OrcVersion::V6_4));
        assert_eq!(of(0x0014), Some(OrcVersion::V4_14));
        assert_eq!(of(0x0777), None);
    }

    #[test]
    fn the_entries_tell_the_version_where_nothing_else_does() {
        let table = |flags: &[u16]| -> Vec<u8> {
            flags.iter().flat_map(|flags| raw(8, 0, *flags)).collect()
        };
        let of = |flags: &[u16]| OrcVersion::of_entries(&table(flags));
        assert_eq!(of(&[0x0203, 0x0203, 0, 0x0284]), Some(OrcVersion::V7_1));
        assert_eq!(of(&[0x0205, 0x0215, 0, 0x0214]), Some(OrcVersion::V6_4));
        assert_eq!(of(&[0x0005, 0x0015, 0x0800]), Some(OrcVersion::V6_3));
        assert_eq!(of(&[0x0005, 0x0015, 0x0400]), Some(OrcVersion::V4_14));
        assert_eq!(of(&[0, 0]), None);
    }

    #[test]
    fn a_header_that_nobody_has_seen_tells_nothing() {
        assert_eq!(OrcVersion::of_header(&HASH_6_4), Some(OrcVersion::V6_4));
        assert_eq!(OrcVersion::of_header(&[7; 20]), None);
        assert_eq!(OrcVersion::of_header(&[]), None);
    }
}
