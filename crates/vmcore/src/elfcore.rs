//! ELF vmcores: /proc/vmcore, makedumpfile `-E`, QEMU's dump-guest-memory, /proc/kcore.
//!
//! ```text
//! 0          Elf64_Ehdr     e_phoff@32, e_shoff@40, e_phentsize@54, e_phnum@56
//! e_phoff    Elf64_Phdr[]   type@0 flags@4 offset@8 vaddr@16 paddr@24 filesz@32 memsz@40
//!            PT_NOTE        CPU registers, VMCOREINFO
//!            PT_LOAD …      memory from p_paddr; bytes behind p_filesz were left out
//! e_shoff    Elf64_Shdr     only if e_phnum is 0xffff: sh_info@44 has the number (PN_XNUM)
//! ```
//!
//! Segments need not be aligned (QEMU), may be empty, and may overlap: /proc/vmcore describes the
//! kernel's image twice. ELF32 files of x86-64 machines exist (kexec's `--elf32-core-headers`).
//! Source: the gABI; include/uapi/linux/elf.h; fs/proc/vmcore.c.

use std::sync::Arc;

use crate::architecture::{self, EM_386};
use crate::fields::Fields;
use crate::image::{Extent, Image};
use crate::notes::{self, Note};
use crate::source::Source;
use crate::{Error, FileOffset, PhysAddr};

/// More program headers than this are not read: makedumpfile starts a segment at each gap of
/// 1 MiB, so a machine of 4 TiB may have as many.
const SEGMENTS_READ: u64 = 1 << 22;

/// Program headers that are in memory in the file's form at a time.
const HEADERS_AT_ONCE: u64 = 1 << 16;

const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const ET_CORE: u16 = 4;
const PT_NULL: u32 = 0;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PN_XNUM: u64 = 0xffff;
/// Bytes of `struct elf_prstatus` of an x86-64 machine.
const PRSTATUS_X86_64: u64 = 336;
/// Bit of `e_flags` that makedumpfile sets when writing was cut short.
const DUMP_ELF_INCOMPLETE: u32 = 1;

/// The header of an ELF vmcore.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElfHeader {
    /// 64 or 32: the width of the file's own fields.
    pub class: u8,
    /// `e_type`, always 4 (ET_CORE).
    pub kind: u16,
    /// `e_machine`: 62 is x86-64.
    pub machine: u16,
    /// `e_flags`: bit 0x1 says that makedumpfile was cut short.
    pub flags: u32,
    /// Number of program headers, the extended count resolved.
    pub segments: u64,
}

/// A program header of an ELF vmcore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// `p_type`: 1 memory, 4 notes.
    pub kind: u32,
    /// Where its bytes begin in the file.
    pub offset: FileOffset,
    /// The virtual address of its first byte; QEMU writes 0 without paging.
    pub vaddr: u64,
    /// The physical address of its first byte; `u64::MAX` where it has none (/proc/kcore).
    pub paddr: PhysAddr,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub mem_size: u64,
}

/// An open ELF vmcore.
#[derive(Debug)]
pub(crate) struct ElfCore {
    pub(crate) header: ElfHeader,
    pub(crate) segments: Vec<Segment>,
    pub(crate) notes: Vec<Note>,
    pub(crate) image: Image,
    pub(crate) reasons: Vec<String>,
}

/// The places of the fields in one of the two classes.
struct Layout {
    header_len: u64,
    phoff: usize,
    shoff: usize,
    flags: usize,
    phentsize: usize,
    phnum: usize,
    ph_len: u64,
    sh_info: u64,
}

const ELF64: Layout = Layout {
    header_len: 64,
    phoff: 32,
    shoff: 40,
    flags: 48,
    phentsize: 54,
    phnum: 56,
    ph_len: 56,
    sh_info: 44,
};
const ELF32: Layout = Layout {
    header_len: 52,
    phoff: 28,
    shoff: 32,
    flags: 36,
    phentsize: 42,
    phnum: 44,
    ph_len: 32,
    sh_info: 28,
};

impl ElfCore {
    /// Reads the header, the program headers and the notes.
    pub(crate) fn open(source: Arc<Source>) -> Result<ElfCore, Error> {
        let (header, segments) = read_headers(&source)?;
        let mut notes = Vec::new();
        let mut reasons = Vec::new();
        for segment in segments.iter().filter(|segment| segment.kind == PT_NOTE) {
            let damage = notes::read(&source, segment.offset.0, segment.file_size, &mut notes);
            reasons.extend(damage.map(|what| format!("{}: {what}", source.name())));
        }
        refuse_others(&source, header.machine, &segments, &notes)?;
        if header.flags & DUMP_ELF_INCOMPLETE != 0 {
            reasons.push(format!(
                "{}: its header says that writing it was cut short (e_flags bit 0x1)",
                source.name()
            ));
        }
        let placed = placed(&segments);
        // What has no physical address is no memory that could be lost: /proc/kcore's segment of
        // vmalloc is as long in the file as in the address space.
        truncation(&source, &placed, &mut reasons);
        let lost = segments.iter().filter(|s| s.kind == PT_LOAD).count();
        let lost = lost.saturating_sub(placed.len());
        if placed.is_empty() {
            let expected = "a physical address in each segment";
            return Err(source.corrupt("p_paddr of all segments", 0, expected, "none"));
        }
        tracing::debug!(without_physical_address = lost, "segments");
        let image = Image::new(vec![source], &extents(&placed));
        Ok(ElfCore {
            header,
            segments,
            notes,
            image,
            reasons,
        })
    }
}

/// The memory segments that have a physical address. `u64::MAX` is none; nor is 0, where several
/// segments with different virtual addresses claim it: /proc/kcore before 4.12 wrote 0 for all,
/// and to take one of them for the beginning of memory would be a guess.
fn placed(segments: &[Segment]) -> Vec<Segment> {
    let at_zero = |s: &Segment| s.kind == PT_LOAD && s.paddr.0 == 0 && s.mem_size > 0;
    let first = segments.iter().find(|s| at_zero(s)).map(|s| s.vaddr);
    let clash = segments
        .iter()
        .any(|s| at_zero(s) && first.is_some_and(|vaddr| vaddr != s.vaddr));
    segments
        .iter()
        .filter(|s| s.kind == PT_LOAD && s.paddr.0 != u64::MAX && !(clash && at_zero(s)))
        .copied()
        .collect()
}

/// The extents of memory that the segments describe.
fn extents(segments: &[Segment]) -> Vec<Extent> {
    let mut extents = Vec::with_capacity(segments.len());
    for segment in segments {
        let held = segment.file_size.min(segment.mem_size);
        let start = segment.paddr.0;
        extents.push(Extent {
            start,
            len: held,
            offset: Some(segment.offset.0),
            file: 0,
        });
        if let Some(rest) = start.checked_add(held) {
            extents.push(Extent {
                start: rest,
                len: segment.mem_size.saturating_sub(held),
                offset: None,
                file: 0,
            });
        }
    }
    extents
}

/// Says how much memory lies past the file's end.
fn truncation(source: &Source, segments: &[Segment], reasons: &mut Vec<String>) {
    let len = source.len();
    let mut lost = 0_u64;
    let mut end = 0;
    for segment in segments {
        let last = segment.offset.0.saturating_add(segment.file_size);
        end = end.max(last);
        let past = last.saturating_sub(len).min(segment.file_size);
        lost = lost.saturating_add(past);
    }
    if lost > 0 {
        reasons.push(format!(
            "{}: truncated at {len:#x}: its segments end at {end:#x}, {lost:#x} bytes of memory \
             are lost",
            source.name()
        ));
    }
}

fn read_headers(source: &Source) -> Result<(ElfHeader, Vec<Segment>), Error> {
    let ident = source.header("ELF header", 0, 20)?;
    let (layout, class) = match Fields(&ident).bytes(4, 2) {
        Some([2, 1]) => (&ELF64, 64),
        Some([1, 1]) => (&ELF32, 32),
        Some([_, 2]) => {
            let machine = Fields(&ident).bytes(18, 2);
            let name =
                machine.and_then(|b| architecture::by_elf(u16::from_be_bytes(b.try_into().ok()?)));
            return Err(architecture::refused(
                source,
                name.unwrap_or("a big-endian"),
            ));
        }
        _ => {
            let found = format!("{:02x?}", ident.get(4..6).unwrap_or_default());
            return Err(source.corrupt("ELF class and byte order", 4, "[02, 01]", found));
        }
    };
    let bytes = source.header("ELF header", 0, layout.header_len)?;
    let f = Fields(&bytes);
    let kind = f.u16(16).unwrap_or(0);
    let machine = f.u16(18).unwrap_or(0);
    refuse_kind(source, kind, machine)?;
    let number = program_headers(source, f, layout)?;
    let header = ElfHeader {
        class,
        kind,
        machine,
        flags: f.u32(layout.flags).unwrap_or(0),
        segments: number,
    };
    let segments = read_segments(source, f, layout, number)?;
    tracing::debug!(file = source.name(), class, number, "ELF vmcore");
    Ok((header, segments))
}

fn refuse_kind(source: &Source, kind: u16, machine: u16) -> Result<(), Error> {
    let (format, hint) = match kind {
        // What i386 says of itself, kexec of old said of x86-64 too: there the notes decide.
        ET_CORE if machine == EM_386 => return Ok(()),
        ET_CORE => {
            let other = architecture::by_elf(machine);
            return other.map_or(Ok(()), |name| Err(architecture::refused(source, name)));
        }
        ET_EXEC | ET_DYN => (
            "an executable, a vmlinux perhaps",
            "give the dump here, and a vmlinux with --vmlinux",
        ),
        ET_REL => (
            "an object file, a kernel module perhaps",
            "give the dump here, and the folder of vmlinux and modules with --vmlinux",
        ),
        _ => return Err(source.corrupt("e_type", 16, "4 (ET_CORE)", kind)),
    };
    Err(Error::UnsupportedFormat {
        file: source.name().to_owned(),
        format: format.to_owned(),
        hint: hint.to_owned(),
    })
}

/// The number of program headers: `e_phnum`, or the first section header's `sh_info`.
fn program_headers(source: &Source, f: Fields<'_>, layout: &Layout) -> Result<u64, Error> {
    let number = u64::from(f.u16(layout.phnum).unwrap_or(0));
    let shoff = word(f, layout, layout.shoff);
    let number = if number == PN_XNUM && shoff != 0 {
        let at = shoff.saturating_add(layout.sh_info);
        let info = source.header("first section header", at, 4)?;
        u64::from(Fields(&info).u32(0).unwrap_or(0))
    } else {
        number
    };
    let at = layout.phnum as u64;
    if number == 0 {
        return Err(source.corrupt("e_phnum", at, "at least one program header", 0));
    }
    if number > SEGMENTS_READ {
        let expected = format!("at most {SEGMENTS_READ}");
        return Err(source.corrupt("number of program headers", at, expected, number));
    }
    Ok(number)
}

/// A field as wide as the class.
fn word(f: Fields<'_>, layout: &Layout, at: usize) -> u64 {
    if layout.header_len == 64 {
        f.u64(at).unwrap_or(0)
    } else {
        f.u32(at).map_or(0, u64::from)
    }
}

fn read_segments(
    source: &Source,
    f: Fields<'_>,
    layout: &Layout,
    number: u64,
) -> Result<Vec<Segment>, Error> {
    let stride = u64::from(f.u16(layout.phentsize).unwrap_or(0));
    if stride < layout.ph_len || stride > 64 {
        let expected = format!("{}", layout.ph_len);
        return Err(source.corrupt("e_phentsize", layout.phentsize as u64, expected, stride));
    }
    let size = usize::try_from(stride).unwrap_or(usize::MAX);
    let mut at = word(f, layout, layout.phoff);
    let mut left = number;
    let mut segments = Vec::new();
    // A file can claim millions of headers where it only has a hole, which reads as PT_NULL.
    while left > 0 {
        let len = left.min(HEADERS_AT_ONCE).saturating_mul(stride);
        let table = source.header("program headers", at, len)?;
        let headers = table.chunks_exact(size);
        let read = headers.filter_map(|header| segment(Fields(header), layout));
        segments.extend(read.filter(|segment| segment.kind != PT_NULL));
        left = left.saturating_sub(HEADERS_AT_ONCE);
        at = at.saturating_add(len);
    }
    Ok(segments)
}

fn segment(f: Fields<'_>, layout: &Layout) -> Option<Segment> {
    let kind = f.u32(0)?;
    if layout.header_len == 64 {
        return Some(Segment {
            kind,
            offset: FileOffset(f.u64(8)?),
            vaddr: f.u64(16)?,
            paddr: PhysAddr(f.u64(24)?),
            file_size: f.u64(32)?,
            mem_size: f.u64(40)?,
        });
    }
    let paddr = f.u32(12)?;
    Some(Segment {
        kind,
        offset: FileOffset(f.u32(4)?.into()),
        vaddr: f.u32(8)?.into(),
        paddr: PhysAddr(if paddr == u32::MAX {
            u64::MAX
        } else {
            paddr.into()
        }),
        file_size: f.u32(16)?.into(),
        mem_size: f.u32(20)?.into(),
    })
}

/// Whether a file that says `EM_386` may be of an x86-64 machine: kexec of old wrote that, and QEMU
/// does where its first CPU is not in long mode.
fn may_be_x86_64(notes: &[Note]) -> bool {
    // Only x86-64 kernels have phys_base.
    let has_phys_base = |note: &Note| note.desc.windows(9).any(|word| word == b"phys_base");
    let registers = |note: &Note| note.name == "CORE" && note.size == PRSTATUS_X86_64;
    let mut infos = notes
        .iter()
        .filter(|note| note.name == "VMCOREINFO")
        .peekable();
    match infos.peek() {
        Some(_) => infos.any(has_phys_base) || notes.iter().any(registers),
        None => notes
            .iter()
            .any(|note| registers(note) || note.name == "QEMU"),
    }
}

/// Refuses ELF cores that hold no machine's physical memory.
fn refuse_others(
    source: &Source,
    machine: u16,
    segments: &[Segment],
    notes: &[Note],
) -> Result<(), Error> {
    let refuse = |format: &str, hint: &str| {
        Err(Error::UnsupportedFormat {
            file: source.name().to_owned(),
            format: format.to_owned(),
            hint: hint.to_owned(),
        })
    };
    if notes.iter().any(Note::is_xen_host) {
        return refuse(
            "a dump of a Xen host",
            "take the Linux dom0's part out with makedumpfile -X --xen-syms",
        );
    }
    if machine == EM_386 && !may_be_x86_64(notes) {
        return Err(architecture::refused(source, "an i386"));
    }
    let loads = || segments.iter().filter(|s| s.kind == PT_LOAD);
    if loads().next().is_none() && source.damage().is_some() {
        // makedumpfile writes where memory is behind the memory.
        return refuse(
            "a flattened ELF dump that is cut before it says where memory lies",
            "copy the dump again in full",
        );
    }
    if loads().next().is_none() {
        return refuse(
            "an ELF core without memory segments, a Xen domain's core perhaps",
            "dump the guest's memory with `xl dump-core`'s successor in the guest: kdump",
        );
    }
    // NT_AUXV or NT_FILE, and no physical addresses: the core of a process.
    let of_a_process = |note: &Note| note.name == "CORE" && matches!(note.kind, 6 | 0x4649_4c45);
    if notes.iter().any(of_a_process) && loads().all(|segment| segment.paddr.0 == 0) {
        return refuse(
            "the core dump of a process",
            "give the dump of a kernel, such as /var/crash/*/vmcore",
        );
    }
    Ok(())
}
