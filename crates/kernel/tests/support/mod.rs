//! A machine's memory for tests: page tables made entry by entry, and a kernel that is little more
//! than its VMCOREINFO.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;

use virtopsy_testkit::{Elf, Memory, Note, Page};
use virtopsy_vmcore::Dump;

/// Present, writable, accessed, dirty.
pub(crate) const RW: u64 = 0x63;
/// Page size: the entry maps memory at this level.
pub(crate) const LARGE: u64 = 1 << 7;
/// PAT in the entry of a large page; there it is no bit of the address.
pub(crate) const LARGE_PAT: u64 = 1 << 12;
/// No execution.
pub(crate) const NX: u64 = 1 << 63;
/// The first page that is given out for tables.
const TABLES: u64 = 0x100;

/// Memory, and the next page for a table.
pub(crate) struct Machine {
    pub(crate) memory: Memory,
    next: u64,
    /// Set in every entry that [`Machine::map`] makes.
    pub(crate) encryption: u64,
}

impl Machine {
    /// No memory.
    pub(crate) fn new() -> Machine {
        Machine {
            memory: Memory::new(4096),
            next: TABLES,
            encryption: 0,
        }
    }

    /// The physical address of a new page of zeros.
    pub(crate) fn page(&mut self) -> u64 {
        let pfn = self.next;
        self.next += 1;
        self.memory.pages.insert(pfn, Page::Data(vec![0; 4096]));
        pfn << 12
    }

    /// Two pages, the first at a multiple of two: the pair of tables under page-table isolation.
    pub(crate) fn pair(&mut self) -> (u64, u64) {
        self.next = self.next.next_multiple_of(2);
        (self.page(), self.page())
    }

    /// Writes within one page, which is made if it is not there.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let page = self
            .memory
            .pages
            .entry(at >> 12)
            .or_insert_with(|| Page::Data(vec![0; 4096]));
        let Page::Data(page) = page else {
            panic!("no data at {at:#x}")
        };
        let start = (at & 0xfff) as usize;
        page[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// The word at a physical address.
    pub(crate) fn word(&self, at: u64) -> u64 {
        let start = (at & 0xfff) as usize;
        let page = self.memory.bytes(at >> 12).unwrap();
        u64::from_le_bytes(page[start..start + 8].try_into().unwrap())
    }

    /// Maps `virt` to `phys` below the table `root` of `levels` levels, by an entry at `level`
    /// (1: 4 KiB, 2: 2 MiB, 3: 1 GiB) with these bits. Gives the entry's physical address.
    pub(crate) fn map(
        &mut self,
        root: u64,
        levels: u32,
        virt: u64,
        phys: u64,
        level: u32,
        bits: u64,
    ) -> u64 {
        let index = |level: u32| (virt >> (12 + 9 * (level - 1)) & 0x1ff) * 8;
        let mut table = root;
        for above in (level + 1..=levels).rev() {
            let entry = table + index(above);
            if self.word(entry) == 0 {
                let next = self.page() | RW | self.encryption;
                self.write(entry, &next.to_le_bytes());
            }
            table = self.word(entry) & 0x000f_ffff_ffff_f000 & !self.encryption;
        }
        let large = if level > 1 { LARGE } else { 0 };
        let entry = table + index(level);
        self.write(
            entry,
            &(phys | bits | large | self.encryption).to_le_bytes(),
        );
        entry
    }

    /// An ELF dump of this memory.
    pub(crate) fn dump(&self, notes: Vec<Note>) -> Arc<Dump> {
        let elf = notes.into_iter().fold(Elf::of(&self.memory), Elf::note);
        Arc::new(Dump::from_bytes(elf.build()).unwrap())
    }
}

/// A kernel in memory: page tables that map its image, its release, no text yet.
pub(crate) struct TinyKernel {
    pub(crate) virt: u64,
    pub(crate) phys: u64,
    pub(crate) root: u64,
    pub(crate) release: &'static str,
}

impl TinyKernel {
    /// Puts a kernel at these addresses, multiples of 2 MiB.
    pub(crate) fn put(
        machine: &mut Machine,
        virt: u64,
        phys: u64,
        release: &'static str,
    ) -> TinyKernel {
        // The table lies in the image, as swapper_pg_dir does.
        let root = phys + 0x3000;
        machine.write(root, &[0; 8]);
        machine.map(root, 4, virt, phys, 2, RW);
        let mut name = vec![0; 65];
        name[..release.len()].copy_from_slice(release.as_bytes());
        machine.write(phys + 0x2000 + 130, &name);
        TinyKernel {
            virt,
            phys,
            root,
            release,
        }
    }

    /// Its VMCOREINFO.
    pub(crate) fn text(&self, more: &str) -> String {
        let phys_base = (self.phys as i64) - (self.virt as i64 - 0xffff_ffff_8000_0000_u64 as i64);
        format!(
            "OSRELEASE={}\nPAGESIZE=4096\nSYMBOL(_stext)={:x}\nSYMBOL(init_uts_ns)={:x}\n\
             OFFSET(uts_namespace.name)=0\nSYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)={phys_base}\n\
             KERNELOFFSET={:x}\n{more}",
            self.release,
            self.virt,
            self.virt + 0x2000,
            self.virt + 0x3000,
            self.virt - 0xffff_ffff_8100_0000,
        )
    }
}
