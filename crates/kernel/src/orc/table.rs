//! A table of entries in the dump's memory.

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

    pub(super) fn sample(&self, space: &AddressSpace) -> Result<Vec<u8>> {
        space.bytes(
            self.entries,
            (self.count.min(SAMPLED) * ENTRY_SIZE) as usize,
        )
    }
}
