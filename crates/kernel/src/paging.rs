//! x86-64 page tables: virtual addresses of the crashed kernel to physical ones.
//!
//! ```text
//!  63        57 56    48 47    39 38    30 29    21 20    12 11     0
//! ┌────────────┬────────┬────────┬────────┬────────┬────────┬────────┐
//! │ sign       │ PGD(5) │ P4D/PGD│  PUD   │  PMD   │  PTE   │ offset │
//! └────────────┴────────┴────────┴────────┴────────┴────────┴────────┘
//! ```
//! An entry: bit 0 present, bit 7 page size (PUD: 1 GiB, PMD: 2 MiB; in a PTE it is PAT), bits
//! 12..51 address, of which `sme_mask` names the encryption bit. In a large page's entry bit 12
//! is PAT, so the address starts at its own alignment. Source: Intel SDM vol. 3, 4.5; the
//! kernel's arch/x86/include/asm/pgtable_types.h.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{Dump, PageError, PhysAddr, VmcoreInfo};

use crate::erased::Erased;
use crate::error::{Error, Result};
use crate::private::{Private, PrivateBytes};

/// Where the kernel's image is linked and mapped (`__START_KERNEL_map`).
pub const KERNEL_IMAGE_BASE: u64 = 0xffff_ffff_8000_0000;
/// Largest size of that mapping (`KERNEL_IMAGE_SIZE` with KASLR).
pub(crate) const KERNEL_IMAGE_SIZE: u64 = 1 << 30;

const PRESENT: u64 = 1;
const PAGE_SIZE_BIT: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const LEVELS: [(u32, &str); 5] = [
    (12, "PTE"),
    (21, "PMD"),
    (30, "PUD"),
    (39, "P4D"),
    (48, "PGD"),
];
const TLB_SLOTS: usize = 1024;

/// The kernel's address space.
pub struct AddressSpace {
    dump: Arc<Dump>,
    root: PhysAddr,
    levels: usize,
    sme_mask: u64,
    phys_base: u64,
    /// Translations of 4 KiB pages: `(virtual page << 1 | valid)` and physical page, direct-mapped.
    tlb: Vec<TlbSlot>,
    /// What was overwritten before the dump was written; empty in almost all dumps.
    erased: Vec<Erased>,
    /// What was read of names of tasks and of the log, where that is recorded.
    private: PrivateBytes,
}

/// A way to read physical memory of a dump.
type ReadPhysical = fn(&Dump, PhysAddr, &mut [u8]) -> std::result::Result<(), PageError>;

#[derive(Default)]
struct TlbSlot {
    /// Virtual page number xor-ed with the physical one, so that a torn pair never matches.
    tag: AtomicU64,
    frame: AtomicU64,
}

impl std::fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressSpace")
            .field("root", &self.root)
            .field("levels", &self.levels)
            .field("sme_mask", &format_args!("{:#x}", self.sme_mask))
            .field("phys_base", &format_args!("{:#x}", self.phys_base))
            .finish_non_exhaustive()
    }
}

/// How the page tables are found and read.
#[derive(Clone, Copy, Debug)]
pub struct PagingMode {
    /// Physical address of the top-level table.
    pub root: PhysAddr,
    /// 4 or 5.
    pub five_levels: bool,
    /// `sme_me_mask`; 0 without memory encryption.
    pub sme_mask: u64,
    /// Difference between the kernel image's physical and link addresses.
    pub phys_base: u64,
}

impl PagingMode {
    /// Page tables as VMCOREINFO describes them (arch/x86/kernel/vmcore_info_64.c).
    ///
    /// # Errors
    /// [`Error::VmcoreinfoKey`] where a key is not there.
    pub(crate) fn of(info: &VmcoreInfo) -> Result<PagingMode> {
        let missing = |key: &str| Error::VmcoreinfoKey {
            key: key.into(),
            purpose: "the page tables",
        };
        let table = info
            .symbol("swapper_pg_dir")
            .or_else(|| info.symbol("init_top_pgt"))
            .or_else(|| info.symbol("init_level4_pgt"))
            .ok_or_else(|| missing("SYMBOL(swapper_pg_dir)"))?;
        let phys_base = info
            .number("phys_base")
            .ok_or_else(|| missing("NUMBER(phys_base)"))? as u64;
        let root = table
            .wrapping_sub(KERNEL_IMAGE_BASE)
            .wrapping_add(phys_base);
        Ok(PagingMode {
            root: PhysAddr(root),
            five_levels: info.number("pgtable_l5_enabled") == Some(1),
            sme_mask: info.number("sme_mask").unwrap_or(0) as u64,
            phys_base,
        })
    }
}

impl AddressSpace {
    /// An address space over `dump`.
    pub fn new(dump: Arc<Dump>, mode: PagingMode) -> Self {
        AddressSpace {
            root: mode.root,
            levels: if mode.five_levels { 5 } else { 4 },
            sme_mask: mode.sme_mask,
            phys_base: mode.phys_base,
            tlb: std::iter::repeat_with(TlbSlot::default)
                .take(TLB_SLOTS)
                .collect(),
            private: PrivateBytes::where_recorded(&dump),
            dump,
            erased: Vec::new(),
        }
    }

    /// Makes reads of these places an error.
    pub(crate) fn set_erased(&mut self, erased: Vec<Erased>) {
        self.erased = erased;
    }

    /// What is known to have been overwritten before the dump was written (makedumpfile's
    /// `erase`): reads of it are [`Error::Erased`].
    pub fn erased(&self) -> &[Erased] {
        &self.erased
    }

    fn refuse_erased(&self, at: VirtAddr, len: usize) -> Result<()> {
        let end = at.0.saturating_add(len as u64);
        match self
            .erased
            .iter()
            .find(|erased| erased.range.start.0 < end && at < erased.range.end)
        {
            Some(erased) => Err(Error::Erased {
                at: VirtAddr(at.0.max(erased.range.start.0)),
                line: erased.line.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The dump below.
    pub fn dump(&self) -> &Arc<Dump> {
        &self.dump
    }

    /// Physical address of the top-level table.
    pub fn root(&self) -> PhysAddr {
        self.root
    }

    /// Page-table levels, 4 or 5.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// Whether `at` is an address that the kernel half of this address space can hold.
    pub fn is_kernel_address(&self, at: VirtAddr) -> bool {
        let sign_bits = if self.levels == 5 { 56 } else { 47 };
        (at.0 as i64) >> sign_bits == -1
    }

    /// The physical address behind `at`.
    ///
    /// # Errors
    /// [`Error::NotMapped`] or [`Error::PageTable`] with the level at which the walk ended.
    pub fn translate(&self, at: VirtAddr) -> Result<PhysAddr> {
        if !self.is_kernel_address(at) {
            return Err(Error::NotCanonical { at });
        }
        let page = at.0 >> 12;
        let slot = self.tlb.get(page as usize % TLB_SLOTS);
        if let Some(slot) = slot {
            let frame = slot.frame.load(Ordering::Relaxed);
            if frame != 0 && slot.tag.load(Ordering::Relaxed) == page ^ frame {
                return Ok(PhysAddr((frame >> 1) << 12 | at.0 & 0xfff));
            }
        }
        let physical = match self.walk(at) {
            Err(error @ Error::PageTable { .. }) => self.image_mapping(at).ok_or(error)?,
            other => other?,
        };
        if let Some(slot) = slot {
            let frame = (physical.0 >> 12) << 1 | 1;
            slot.frame.store(frame, Ordering::Relaxed);
            slot.tag.store(page ^ frame, Ordering::Relaxed);
        }
        Ok(physical)
    }

    /// The kernel image is mapped linearly: usable where its page tables are not in the dump.
    fn image_mapping(&self, at: VirtAddr) -> Option<PhysAddr> {
        let offset = at.0.checked_sub(KERNEL_IMAGE_BASE)?;
        (offset < KERNEL_IMAGE_SIZE).then(|| PhysAddr(offset.wrapping_add(self.phys_base)))
    }

    fn walk(&self, at: VirtAddr) -> Result<PhysAddr> {
        let mut table = self.root.0;
        for (shift, level) in LEVELS.iter().take(self.levels).rev() {
            let entry = PhysAddr(table.wrapping_add((at.0 >> shift & 0x1ff) * 8));
            let mut bytes = [0; 8];
            self.dump
                .read_at(entry, &mut bytes)
                .map_err(|source| Error::PageTable { at, level, source })?;
            let raw = u64::from_le_bytes(bytes);
            let value = raw & !self.sme_mask;
            if value & PRESENT == 0 {
                return Err(Error::NotMapped {
                    at,
                    level,
                    entry,
                    value: raw,
                });
            }
            let large = *shift > 12 && *shift <= 30 && value & PAGE_SIZE_BIT != 0;
            if large || *shift == 12 {
                let offset = (1u64 << shift) - 1;
                return Ok(PhysAddr(value & ADDRESS & !offset | at.0 & offset));
            }
            table = value & ADDRESS;
        }
        Err(Error::NotCanonical { at })
    }

    /// Walks the page tables and nothing else: no cache, no linear mapping.
    ///
    /// # Errors
    /// As [`AddressSpace::translate`].
    pub fn walk_only(&self, at: VirtAddr) -> Result<PhysAddr> {
        if !self.is_kernel_address(at) {
            return Err(Error::NotCanonical { at });
        }
        self.walk(at)
    }

    /// Reads memory at a virtual address, across pages. Pages that are neighbours in physical
    /// memory too are read together.
    ///
    /// # Errors
    /// The first page that is not mapped or not in the dump; `buf` is then partly filled.
    /// [`Error::Erased`] where a byte of the range was overwritten on request.
    pub fn read(&self, at: VirtAddr, buf: &mut [u8]) -> Result<()> {
        self.read_by(at, buf, Dump::read_at)
    }

    /// As [`AddressSpace::read`], by one of the ways to read physical memory.
    pub(crate) fn read_by(&self, at: VirtAddr, buf: &mut [u8], way: ReadPhysical) -> Result<()> {
        self.refuse_erased(at, buf.len())?;
        let mut done = 0usize;
        while done < buf.len() {
            let here = VirtAddr(
                at.0.checked_add(done as u64)
                    .ok_or(Error::NotCanonical { at })?,
            );
            let (physical, len) = self.neighbours(here, buf.len() - done)?;
            let Some(part) = buf.get_mut(done..done.saturating_add(len)) else {
                break;
            };
            way(&self.dump, physical, part).map_err(|source| {
                let page = |at: u64| at & !0xfff;
                let before = page(source.at().0).wrapping_sub(page(physical.0));
                let at = match before {
                    0 => here.0,
                    before => page(here.0).wrapping_add(before),
                };
                Error::Page {
                    at: VirtAddr(at),
                    source,
                }
            })?;
            done = done.saturating_add(len);
        }
        Ok(())
    }

    /// Takes `len` bytes from `at` for read, where that is recorded.
    pub(crate) fn record(&self, at: VirtAddr, len: usize) {
        if self.dump.is_recording() {
            for (place, len) in self.places(at, len) {
                self.dump.record(place, len as u64);
            }
        }
    }

    /// Tells what the bytes that were read at `at` hold.
    pub(crate) fn note_private(&self, what: Private, at: VirtAddr, bytes: &[u8]) {
        self.private.note(what, at, bytes);
    }

    /// All names of tasks and texts of the log that were read so far, by address; nothing where
    /// reads are not recorded.
    #[must_use]
    pub fn private(&self) -> Vec<(VirtAddr, Private, Vec<u8>)> {
        self.private.all()
    }

    /// The physical places of `len` bytes from `at`, as far as they are mapped.
    pub fn places(&self, at: VirtAddr, len: usize) -> Vec<(PhysAddr, usize)> {
        let mut out = Vec::new();
        let mut done = 0usize;
        while done < len {
            let here = at.0.checked_add(done as u64).map(VirtAddr);
            let found = here.and_then(|here| self.neighbours(here, len - done).ok());
            let Some((physical, reach)) = found.filter(|(_, reach)| *reach > 0) else {
                break;
            };
            out.push((physical, reach));
            done = done.saturating_add(reach);
        }
        out
    }

    /// Where `at` lies, and how many bytes from there on, at most `len`, lie one behind the other.
    fn neighbours(&self, at: VirtAddr, len: usize) -> Result<(PhysAddr, usize)> {
        let first = self.translate(at)?;
        let mut reach = (0x1000 - (at.0 & 0xfff)) as usize;
        while reach < len {
            let next = at.0.checked_add(reach as u64).map(VirtAddr);
            let follows = next.and_then(|next| self.translate(next).ok());
            if follows.is_none_or(|next| next.0.wrapping_sub(first.0) != reach as u64) {
                break;
            }
            reach = reach.saturating_add(0x1000);
        }
        Ok((first, reach.min(len)))
    }
}
