//! Page-table roots that the CPUs' notes name (QEMU's have the control registers).

use std::sync::Arc;

use virtopsy_vmcore::{Dump, PhysAddr, QemuCpu, VmcoreInfo};

use super::space_of;

/// `CR0.PG`: paging is on.
const CR0_PG: u64 = 1 << 31;
/// `CR4.PAE`: entries of 8 bytes.
const CR4_PAE: u64 = 1 << 5;
/// `CR4.LA57`: five levels.
const CR4_LA57: u64 = 1 << 12;
/// The table's address; bits 0..11 are the PCID (or cache control), bit 63 keeps the TLB.
const CR3_TABLE: u64 = 0x000f_ffff_ffff_f000;
/// The bit in which the two tables of a process differ under page-table isolation
/// (`PTI_USER_PGTABLE_BIT`); it is set in the one for user mode.
const PTI_USER: u64 = 1 << 12;
/// Offset of the top-level entry that maps the last 512 GiB (256 TiB with five levels), the
/// kernel's image among them. All processes share it.
const LAST_ENTRY: u64 = 511 * 8;

/// Where page tables may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) table: PhysAddr,
    pub(super) five_levels: bool,
}

/// The tables that the CPUs used, without repetition. The kernel's half of a pair under page-table
/// isolation stands before the register's own value, which is the other half in user mode.
pub(super) fn of_cpus(dump: &Dump) -> Vec<Root> {
    let mut roots = Vec::new();
    for cpu in dump.qemu_cpus().iter().filter(|cpu| pages(cpu)) {
        let [_, _, _, cr3, cr4] = cpu.cr;
        let five_levels = cr4 & CR4_LA57 != 0;
        let table = cr3 & CR3_TABLE;
        for table in [table & !PTI_USER, table] {
            let root = Root {
                table: PhysAddr(table),
                five_levels,
            };
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
    }
    roots
}

/// Whether a CPU had the paging of a 64-bit kernel switched on; one that never left real mode had
/// not.
fn pages(cpu: &QemuCpu) -> bool {
    let [cr0, _, _, _, cr4] = cpu.cr;
    cr0 & CR0_PG != 0 && cr4 & CR4_PAE != 0
}

/// Whether a CPU ran with the kernel half of this text's page tables.
pub(super) fn runs(dump: &Arc<Dump>, info: &VmcoreInfo) -> bool {
    let Ok(space) = space_of(dump, info) else {
        return false;
    };
    let Some(own) = last_entry(dump, space.root()) else {
        return false;
    };
    of_cpus(dump)
        .iter()
        .any(|root| last_entry(dump, root.table) == Some(own))
}

/// The entry through which the kernel's image is mapped; without the bits that the CPU sets.
pub(super) fn last_entry(dump: &Dump, table: PhysAddr) -> Option<u64> {
    let mut bytes = [0; 8];
    dump.read_at(PhysAddr(table.0.wrapping_add(LAST_ENTRY)), &mut bytes)
        .ok()?;
    let entry = u64::from_le_bytes(bytes);
    (entry & 1 != 0).then_some(entry & !0xfff)
}
