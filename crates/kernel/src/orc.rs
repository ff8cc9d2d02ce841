//! ORC, the kernel's own unwind tables: for each range of addresses, where the caller's stack
//! pointer is.
//!
//! ```text
//!  .orc_unwind_ip   i32[n]   address of entry i = address of its word + the word; ascending
//!  .orc_unwind      6 bytes  i16 sp_offset │ i16 bp_offset │ u16 flags
//!  flags            bits 0-3 sp_reg │ 4-7 bp_reg │ from 8 on, by version:
//!    4.14   type:2 end:1              CALL 0, REGS 1, REGS_PARTIAL (REGS_IRET) 2
//!    6.3    type:2 signal:1 end:1     the same types
//!    6.4    type:3 signal:1           UNDEFINED 0, END_OF_STACK 1, CALL 2, REGS 3, REGS_PARTIAL 4
//!    7.1    as 6.4; the registers have other numbers
//!  sp_reg/bp_reg    4.14  0 none, 1 PREV_SP, 2 DX, 3 DI, 4 BP, 5 SP, 6 R10, 7 R13, 8 *BP, 9 *SP
//!                   7.1   0 none, 1 AX, 2 DX, 3 SP, 4 BP, 5 DI, 6 R10, 7 R13, 8 PREV_SP, 9 *SP, 10 *BP
//! ```
//! The tables of the kernel stand between `__start_orc_unwind_ip` and `__stop_orc_unwind`, those
//! of a module in `mod->arch`. Both are in the dump, and sorted there (the kernel's since 5.6 by
//! the build, before that at boot). Source: arch/x86/include/asm/orc_types.h,
//! arch/x86/kernel/unwind_orc.c; the numbers of 7.1 are read from `unwind_next_frame()` itself.

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::module::Module;
use crate::paging::AddressSpace;

/// Bytes of an entry.
const ENTRY_SIZE: u64 = 6;
/// More entries than any kernel has (Debian 7.2: 400,000).
const MAX_ENTRIES: u64 = 16 << 20;
/// Entries that are looked at to tell the version where nothing else does.
const SAMPLED: u64 = 4096;

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
    fn of_frame_pointer_entry(raw: [u8; 6]) -> Option<OrcVersion> {
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

/// The table of the kernel or of one module, in the dump's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrcTable {
    /// Where `.orc_unwind_ip` is.
    pub ips: VirtAddr,
    /// Where `.orc_unwind` is.
    pub entries: VirtAddr,
    /// How many entries there are.
    pub count: u64,
}

impl OrcTable {
    /// The kernel's own.
    ///
    /// # Errors
    /// Where the kernel has no ORC, or the symbols that bound it make no sense.
    pub fn of_kernel(kernel: &Kernel) -> Result<OrcTable> {
        let ips = kernel.symbol("__start_orc_unwind_ip")?;
        let stop = kernel.symbol("__stop_orc_unwind_ip")?;
        let entries = kernel.symbol("__start_orc_unwind")?;
        OrcTable {
            ips,
            entries,
            count: stop.0.wrapping_sub(ips.0) / 4,
        }
        .checked()
    }

    /// A module's: `mod->arch` (`struct mod_arch_specific`, 4.14).
    ///
    /// # Errors
    /// Where it has none, or it can't be read.
    pub fn of_module(kernel: &Kernel, module: &Module) -> Result<OrcTable> {
        let arch = kernel
            .object(module.address, "struct module")?
            .field("arch")?;
        let ips = arch.field("orc_unwind_ip")?.pointer()?;
        let entries = arch.field("orc_unwind")?.pointer()?;
        OrcTable {
            ips,
            entries,
            count: arch.field("num_orcs")?.u64()?,
        }
        .checked()
    }

    fn checked(self) -> Result<OrcTable> {
        if self.count == 0 || self.count > MAX_ENTRIES || self.ips.0 == 0 || self.entries.0 == 0 {
            let found = format!("{} entries, at {}", self.count, self.entries);
            return Err(Error::Implausible {
                what: "an ORC table".into(),
                at: self.ips,
                found,
            });
        }
        Ok(self)
    }

    fn address(&self, space: &AddressSpace, index: u64) -> Result<u64> {
        let at = self.ips.0.wrapping_add(index.wrapping_mul(4));
        let distance = space.u32(VirtAddr(at))? as i32;
        Ok(at.wrapping_add_signed(i64::from(distance)))
    }

    /// The six bytes of the entry for `ip`: the last one that does not begin above it.
    ///
    /// # Errors
    /// Where a word of the table can't be read. `Ok(None)`: `ip` lies before the table.
    pub fn find(&self, space: &AddressSpace, ip: u64) -> Result<Option<[u8; 6]>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.address(space, middle)? <= ip {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(index) = low.checked_sub(1) else {
            return Ok(None);
        };
        let mut raw = [0; ENTRY_SIZE as usize];
        let at = self.entries.0.wrapping_add(index.wrapping_mul(ENTRY_SIZE));
        space.read(VirtAddr(at), &mut raw)?;
        Ok(Some(raw))
    }

    fn sample(&self, space: &AddressSpace) -> Result<Vec<u8>> {
        space.bytes(
            self.entries,
            (self.count.min(SAMPLED) * ENTRY_SIZE) as usize,
        )
    }
}

/// All ORC tables of a kernel, and the version that they are in.
#[derive(Debug)]
pub struct Orc {
    /// The version.
    pub version: OrcVersion,
    kernel: OrcTable,
    /// Tables of the modules, in the order of [`crate::ModuleList`].
    modules: Vec<Option<OrcTable>>,
}

impl Orc {
    /// Finds the tables and tells their version.
    ///
    /// # Errors
    /// Where the kernel has no ORC (CONFIG_UNWINDER_FRAME_POINTER), or nothing tells the version.
    pub fn open(kernel: &Kernel) -> Result<Orc> {
        let table = OrcTable::of_kernel(kernel)?;
        let version = version(kernel, &table)?;
        let of_module = |module: &Module| match OrcTable::of_module(kernel, module) {
            Ok(table) => Some(table),
            Err(e) => {
                tracing::debug!("ORC of {}: {e}", module.name);
                None
            }
        };
        let modules = kernel.modules().modules.iter().map(of_module).collect();
        tracing::debug!("ORC: {version:?}, {} entries", table.count);
        Ok(Orc {
            version,
            kernel: table,
            modules,
        })
    }

    /// The entry for a code address. `None`: there is no table for it.
    ///
    /// # Errors
    /// Where the table can't be read.
    pub fn find(&self, kernel: &Kernel, ip: VirtAddr) -> Result<Option<OrcEntry>> {
        let Some(table) = self.table(kernel, ip) else {
            return Ok(None);
        };
        let raw = table.find(kernel.space(), ip.0)?;
        Ok(raw.map(|raw| self.version.decode(raw)))
    }

    fn table(&self, kernel: &Kernel, ip: VirtAddr) -> Option<OrcTable> {
        match kernel.modules().modules.iter().position(|m| m.contains(ip)) {
            Some(index) => self.modules.get(index).copied().flatten(),
            None if kernel.is_kernel_text(ip) => Some(self.kernel),
            None => None,
        }
    }
}

impl Kernel {
    /// Whether an address is in the kernel's own text, that of its initialisation included.
    pub(crate) fn is_kernel_text(&self, at: VirtAddr) -> bool {
        let within = |start: &str, end: &str| match (self.symbol(start), self.symbol(end)) {
            (Ok(start), Ok(end)) => (start..end).contains(&at),
            _ => false,
        };
        within("_stext", "_etext") || within("_sinittext", "_einittext")
    }
}

/// The header's hash, then the members of `struct orc_entry`, then the kernel's own entry for
/// frame pointers, then the table. None of them is the kernel's version.
fn version(kernel: &Kernel, table: &OrcTable) -> Result<OrcVersion> {
    let space = kernel.space();
    if let Ok(at) = kernel.symbol("orc_header")
        && let Ok(hash) = space.bytes(at, 20)
        && let Some(version) = OrcVersion::of_header(&hash)
    {
        return Ok(version);
    }
    let members = kernel.object(VirtAddr(0), "struct orc_entry").ok();
    let members = members.map(|entry| (entry.has_field("signal"), entry.has_field("end")));
    match members {
        Some((false, true)) => return Ok(OrcVersion::V4_14),
        Some((true, true)) => return Ok(OrcVersion::V6_3),
        _ => {}
    }
    let mut raw = [0; 6];
    let probe = kernel
        .symbol("orc_fp_entry")
        .and_then(|at| space.read(at, &mut raw));
    let probed = probe
        .ok()
        .and_then(|()| OrcVersion::of_frame_pointer_entry(raw));
    if let Some(version) = probed.filter(|version| *version != OrcVersion::V4_14) {
        return Ok(version);
    }
    let sample = table.sample(space)?;
    OrcVersion::of_entries(&sample)
        .or(probed)
        .ok_or_else(|| Error::Implausible {
            what: "the version of the ORC tables".into(),
            at: table.entries,
            found: "entries of no version that is known".into(),
        })
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
