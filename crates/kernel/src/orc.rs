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

mod entry;
mod table;

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::module::Module;

pub(crate) use entry::FRAME_POINTER;
pub use entry::{OrcEntry, OrcReg, OrcType, OrcVersion};
pub use table::OrcTable;

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
