//! The kernel's image in a page table: its first mapping.
//!
//! Above `__START_KERNEL_map` nothing is mapped but the kernel from `_text` to `_brk_end`
//! (`cleanup_highmap()` in arch/x86/mm/init_64.c), and the image begins at a multiple of 2 MiB
//! (`CONFIG_PHYSICAL_ALIGN`). So the first mapping there is `_text`, and shows at once where KASLR
//! put the kernel, in virtual and in physical memory.

use std::sync::Arc;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{Dump, PhysAddr};

use super::root::{Root, last_entry};
use crate::paging::{AddressSpace, KERNEL_IMAGE_BASE, KERNEL_IMAGE_SIZE, PagingMode};

/// What the image begins at a multiple of.
pub(super) const ALIGN: u64 = 2 << 20;
/// The lowest bit that is known to be an encryption bit (`C-bit`, CPUID 0x8000001f; 47 or 51).
const LOWEST_SME_BIT: u32 = 32;
/// One past the last bit of an entry's address.
const ADDRESS_BITS: u32 = 52;

/// Where the image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Virtual address of its first byte, at run time.
    pub(super) start: VirtAddr,
    /// The same in physical memory.
    pub(super) physical: PhysAddr,
    /// The table through which it was found.
    pub(super) root: Root,
    /// The encryption bit of the tables' entries, or 0.
    pub(super) sme_mask: u64,
}

impl Image {
    /// `phys_base` of this kernel.
    pub(super) fn phys_base(&self) -> u64 {
        let offset = self.start.0.wrapping_sub(KERNEL_IMAGE_BASE);
        self.physical.0.wrapping_sub(offset)
    }

    /// An address space through the table of this image.
    pub(super) fn space(&self, dump: &Arc<Dump>) -> AddressSpace {
        AddressSpace::new(
            dump.clone(),
            mode(self.root, self.sme_mask, self.phys_base()),
        )
    }
}

fn mode(root: Root, sme_mask: u64, phys_base: u64) -> PagingMode {
    PagingMode {
        root: root.table,
        five_levels: root.five_levels,
        sme_mask,
        phys_base,
    }
}

/// The image behind a table. `None`: the table maps none, or is no page table at all.
pub(super) fn behind(dump: &Arc<Dump>, root: Root) -> Option<Image> {
    encryption_bits(dump, root)
        .into_iter()
        .find_map(|sme_mask| {
            let space = AddressSpace::new(dump.clone(), mode(root, sme_mask, 0));
            let steps = KERNEL_IMAGE_SIZE / ALIGN;
            let starts = (0..steps).map(|i| VirtAddr(KERNEL_IMAGE_BASE.wrapping_add(i * ALIGN)));
            let (start, physical) = starts
                .filter_map(|at| Some((at, space.walk_only(at).ok()?)))
                .next()?;
            let inside =
                physical.0.is_multiple_of(ALIGN) && physical.pfn(dump.page_size()) < dump.max_pfn();
            inside.then_some(Image {
                start,
                physical,
                root,
                sme_mask,
            })
        })
}

/// The encryption masks under which the table may be read: none, or the one bit of the entry's
/// address that lies above all memory of the dump.
fn encryption_bits(dump: &Dump, root: Root) -> Vec<u64> {
    let Some(entry) = last_entry(dump, root.table) else {
        return Vec::new();
    };
    let above = (LOWEST_SME_BIT..ADDRESS_BITS)
        .map(|bit| 1u64 << bit)
        .filter(|bit| entry & bit != 0 && PhysAddr(*bit).pfn(dump.page_size()) >= dump.max_pfn());
    let above: Vec<u64> = above.collect();
    match above[..] {
        [] => vec![0],
        [bit] => vec![bit],
        // More than one bit above memory: no table.
        _ => Vec::new(),
    }
}
