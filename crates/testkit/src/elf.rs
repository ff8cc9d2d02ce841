//! ELF vmcores.

use crate::memory::{Memory, Page};
use crate::note::{Note, notes_bytes};
use crate::{Little, put};

/// A PT_LOAD segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Physical address.
    pub paddr: u64,
    /// Virtual address.
    pub vaddr: u64,
    /// The bytes in the file.
    pub bytes: Vec<u8>,
    /// Bytes of memory; more than the file's were left out.
    pub mem_size: u64,
}

impl Load {
    /// A segment whose bytes are all in the file.
    #[must_use]
    pub fn new(paddr: u64, bytes: impl Into<Vec<u8>>) -> Load {
        let bytes = bytes.into();
        Load {
            paddr,
            vaddr: 0,
            mem_size: bytes.len() as u64,
            bytes,
        }
    }
}

/// An ELF vmcore to build.
#[derive(Clone, Debug)]
pub struct Elf {
    loads: Vec<Load>,
    notes: Vec<Note>,
    class: u8,
    kind: u16,
    machine: u16,
    flags: u32,
    align: usize,
    extended: bool,
}

impl Elf {
    /// A 64-bit core of an x86-64 machine with these segments, aligned to pages in the file.
    #[must_use]
    pub fn new(loads: Vec<Load>) -> Elf {
        Elf {
            loads,
            notes: Vec::new(),
            class: 64,
            kind: 4,
            machine: 62,
            flags: 0,
            align: 4096,
            extended: false,
        }
    }

    /// The segments that makedumpfile `-E` would write: pages with data, each run followed by the
    /// run of excluded ones behind it as memory without data.
    #[must_use]
    pub fn of(memory: &Memory) -> Elf {
        let mut loads: Vec<Load> = Vec::new();
        for (pfn, page) in &memory.pages {
            let paddr = pfn * memory.page_size;
            let follows = loads
                .last()
                .is_some_and(|last| last.paddr + last.mem_size == paddr);
            let closed = loads
                .last()
                .is_some_and(|last| last.mem_size > last.bytes.len() as u64);
            let bytes = match page {
                Page::Data(bytes) => bytes.as_slice(),
                Page::Excluded => &[],
                Page::Incomplete => panic!("an ELF page is not incomplete by itself"),
            };
            if !follows || (closed && !bytes.is_empty()) {
                loads.push(Load::new(paddr, []));
            }
            let last = loads.last_mut().unwrap();
            last.bytes.extend(bytes);
            last.mem_size += memory.page_size;
        }
        Elf::new(loads)
    }

    /// Gives every segment the virtual address that it has in a direct map at `base`.
    #[must_use]
    pub fn direct_map(mut self, base: u64) -> Elf {
        for load in &mut self.loads {
            load.vaddr = base + load.paddr;
        }
        self
    }

    /// Puts a segment before the others.
    #[must_use]
    pub fn before(mut self, load: Load) -> Elf {
        self.loads.insert(0, load);
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: Note) -> Elf {
        self.notes.push(note);
        self
    }

    /// The width of the file's fields, 64 or 32.
    #[must_use]
    pub fn class(mut self, class: u8) -> Elf {
        self.class = class;
        self
    }

    /// Another `e_type`.
    #[must_use]
    pub fn kind(mut self, kind: u16) -> Elf {
        self.kind = kind;
        self
    }

    /// Another `e_machine`.
    #[must_use]
    pub fn machine(mut self, machine: u16) -> Elf {
        self.machine = machine;
        self
    }

    /// `e_flags`.
    #[must_use]
    pub fn flags(mut self, flags: u32) -> Elf {
        self.flags = flags;
        self
    }

    /// Where segments begin in the file: 1, as in QEMU's dumps, or pages.
    #[must_use]
    pub fn align(mut self, align: usize) -> Elf {
        self.align = align;
        self
    }

    /// Writes the number of program headers into a section header (PN_XNUM), as files with more
    /// than 65,534 have to.
    #[must_use]
    pub fn extended_numbering(mut self) -> Elf {
        self.extended = true;
        self
    }

    /// Builds the file.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let (ehdr, phdr, shdr) = if self.class == 64 {
            (64, 56, 64)
        } else {
            (52, 32, 40)
        };
        let number = self.loads.len() + 1;
        let section = ehdr + number * phdr;
        let notes_at = section + if self.extended { shdr } else { 0 };
        let notes = notes_bytes(&self.notes);
        let mut at = notes_at + notes.len();
        let mut headers = self.program_header(4, notes_at, 0, 0, notes.len() as u64, 0);
        let mut places = Vec::new();
        for load in &self.loads {
            at = at.next_multiple_of(self.align);
            let size = load.bytes.len() as u64;
            headers.extend(self.program_header(1, at, load.vaddr, load.paddr, size, load.mem_size));
            places.push(at);
            at += load.bytes.len();
        }
        let mut bytes = self.header(ehdr, phdr, number, section);
        bytes.extend(headers);
        if self.extended {
            bytes.extend(self.section_header(shdr, number));
        }
        bytes.extend(notes);
        for (load, place) in self.loads.iter().zip(places) {
            bytes.resize(place, 0);
            bytes.extend(&load.bytes);
        }
        bytes
    }

    fn word(&self, out: &mut Vec<u8>, value: u64) {
        if self.class == 64 {
            out.u64(value);
        } else {
            out.u32(value as u32);
        }
    }

    fn header(&self, ehdr: usize, phdr: usize, number: usize, section: usize) -> Vec<u8> {
        let class = if self.class == 64 { 2 } else { 1 };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1, 1, 0];
        bytes.resize(16, 0);
        bytes.u16(self.kind);
        bytes.u16(self.machine);
        bytes.u32(1);
        self.word(&mut bytes, 0);
        self.word(&mut bytes, ehdr as u64);
        self.word(&mut bytes, if self.extended { section as u64 } else { 0 });
        bytes.u32(self.flags);
        bytes.u16(ehdr as u16);
        bytes.u16(phdr as u16);
        bytes.u16(if self.extended { 0xffff } else { number as u16 });
        bytes.u16(if self.class == 64 { 64 } else { 40 });
        bytes.u16(u16::from(self.extended));
        bytes.u16(0);
        bytes
    }

    fn program_header(
        &self,
        kind: u32,
        at: usize,
        vaddr: u64,
        paddr: u64,
        size: u64,
        mem: u64,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.u32(kind);
        if self.class == 64 {
            bytes.u32(7);
        }
        for value in [at as u64, vaddr, paddr, size, mem] {
            self.word(&mut bytes, value);
        }
        if self.class == 32 {
            bytes.u32(7);
        }
        self.word(&mut bytes, 0);
        bytes
    }

    fn section_header(&self, len: usize, number: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let info = if self.class == 64 { 44 } else { 28 };
        put(&mut bytes, info, &(number as u32).to_le_bytes());
        bytes
    }
}
