//! ELF notes, and the registers they hold.
//!
//! ```text
//! 0   u32 name length │ u32 desc length │ u32 type
//! 12  name, NUL included or not, padded to 4 │ desc, padded to 4 │ the next note
//! ```
//!
//! Source: the kernel's include/uapi/linux/elf.h (`Elf64_Nhdr`), include/linux/elfcore.h
//! (`elf_prstatus`), QEMU's target/i386/arch_dump.c (`QEMUCPUState`, since QEMU 1.2).

use crate::FileOffset;
use crate::fields::Fields;
use crate::source::Source;

/// Bytes of one note that are kept; a device dump (NT_VMCOREDD) can be larger.
const DESC_KEPT: u64 = 4 << 20;
/// Bytes of all notes of a dump that are kept.
const TOTAL_KEPT: u64 = 64 << 20;
/// Notes of a dump that are read: two for each CPU of the largest machine, many times over.
const NOTES_READ: usize = 1 << 18;

/// `NT_PRSTATUS`: the registers of one CPU.
const NT_PRSTATUS: u32 = 1;
/// `NT_VMCOREDD`: a dump that a device driver left; since 4.18.
const NT_VMCOREDD: u32 = 0x700;
/// `XEN_ELFNOTE_CRASH_INFO` and `XEN_ELFNOTE_CRASH_REGS`: the notes of a Xen host's dump.
const XEN_CRASH: [u32; 2] = [0x0100_0001, 0x0100_0002];

/// The owner of the notes that an extract has beside those of its dump.
pub(crate) const EXTRACT_OWNER: &str = "VIRTOPSY";
/// The type of the note that says what was extracted, from what; its content is its writer's.
pub(crate) const EXTRACT_ABOUT: u32 = 1;
/// The type of the note that lists which bytes are held.
pub(crate) const EXTRACT_HELD: u32 = 2;

/// One ELF note.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// Its owner, without the NUL: `CORE`, `QEMU`, `VMCOREINFO`.
    pub name: String,
    /// Its type; the meaning depends on the owner.
    pub kind: u32,
    /// Its content. Empty where it is larger than 4 MiB, see `size`.
    pub desc: Vec<u8>,
    /// Length of the content in bytes.
    pub size: u64,
    /// Where the content stands in the file.
    pub offset: Option<FileOffset>,
}

impl Note {
    /// Whether this is a device dump (NT_VMCOREDD), and of which device; the name is empty where
    /// the note does not give it.
    #[must_use]
    pub fn device_dump(&self) -> Option<String> {
        // struct vmcoredd_header: u32 n_namesz, n_descsz, n_type, u8 name[8], u8 dump_name[44];
        // the last is the beginning of the content.
        (self.kind == NT_VMCOREDD && self.name == "LINUX")
            .then(|| Fields(&self.desc).text(0, 44).unwrap_or_default())
    }

    pub(crate) fn is_xen_host(&self) -> bool {
        self.name == "Xen" && XEN_CRASH.contains(&self.kind)
    }
}

/// Adds the notes in `len` bytes at `offset` to `notes`. Ends at the first that does not fit;
/// `Some` says what was wrong then.
pub(crate) fn read(
    source: &Source,
    offset: u64,
    len: u64,
    notes: &mut Vec<Note>,
) -> Option<String> {
    let mut at = offset;
    let claimed = offset.saturating_add(len);
    let end = claimed.min(source.len());
    let mut kept: u64 = notes.iter().map(|note| note.desc.len() as u64).sum();
    while end.saturating_sub(at) >= 12 {
        if notes.len() >= NOTES_READ {
            return Some(format!("more than {NOTES_READ} notes"));
        }
        let header = source.array::<12>(at).ok()?;
        let header = Fields(&header);
        let (name_len, size) = (u64::from(header.u32(0)?), u64::from(header.u32(4)?));
        let kind = header.u32(8)?;
        if name_len == 0 && size == 0 && kind == 0 {
            return None; // padding
        }
        let name_at = at.saturating_add(12);
        let desc_at = name_at.saturating_add(padded(name_len));
        if name_len > 64 || desc_at.saturating_add(size) > end {
            return Some(format!("the note at offset {at:#x} does not fit"));
        }
        let wanted = if size <= DESC_KEPT && kept.saturating_add(size) <= TOTAL_KEPT {
            size
        } else {
            0
        };
        kept = kept.saturating_add(wanted);
        let (Ok(name), Ok(desc)) = (source.vec(name_at, name_len), source.vec(desc_at, wanted))
        else {
            return Some(format!("the note at offset {at:#x} cannot be read"));
        };
        notes.push(Note {
            name: Fields(&name).text(0, name.len()).unwrap_or_default(),
            kind,
            desc,
            size,
            offset: Some(FileOffset(desc_at)),
        });
        at = desc_at.saturating_add(padded(size));
    }
    (claimed > source.len()).then(|| "the notes are cut by the file's end".to_owned())
}

fn padded(len: u64) -> u64 {
    len.saturating_add(3) & !3
}

/// The general registers of an x86-64 CPU, in the order of the kernel's `user_regs_struct`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the field names are the registers'
pub struct UserRegs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

/// An `NT_PRSTATUS` note: one CPU's registers. Notes stand in the order of the CPUs that wrote
/// one, which is not the order of CPU numbers where a CPU was offline or missed the NMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrStatus {
    /// The note's place in [`crate::Dump::notes`].
    pub note_index: usize,
    /// The task's number; QEMU writes the CPU's number plus 1.
    pub pid: u32,
    /// The registers.
    pub regs: UserRegs,
}

/// Reads an x86-64 `NT_PRSTATUS`; `None` where the note is something else.
pub(crate) fn prstatus(note_index: usize, note: &Note) -> Option<PrStatus> {
    if note.kind != NT_PRSTATUS || note.name != "CORE" {
        return None;
    }
    let desc = Fields(&note.desc);
    let r = |index: usize| desc.u64(112_usize.saturating_add(index.saturating_mul(8)));
    Some(PrStatus {
        note_index,
        pid: desc.u32(32)?,
        regs: UserRegs {
            r15: r(0)?,
            r14: r(1)?,
            r13: r(2)?,
            r12: r(3)?,
            rbp: r(4)?,
            rbx: r(5)?,
            r11: r(6)?,
            r10: r(7)?,
            r9: r(8)?,
            r8: r(9)?,
            rax: r(10)?,
            rcx: r(11)?,
            rdx: r(12)?,
            rsi: r(13)?,
            rdi: r(14)?,
            orig_rax: r(15)?,
            rip: r(16)?,
            cs: r(17)?,
            rflags: r(18)?,
            rsp: r(19)?,
            ss: r(20)?,
            fs_base: r(21)?,
            gs_base: r(22)?,
            ds: r(23)?,
            es: r(24)?,
            fs: r(25)?,
            gs: r(26)?,
        },
    })
}

/// A segment register as QEMU saves it: the selector and the hidden descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The selector.
    pub selector: u32,
    /// The limit in bytes, inclusive.
    pub limit: u32,
    /// The descriptor's flags.
    pub flags: u32,
    /// The base, a virtual address.
    pub base: u64,
}

/// A `QEMU` note: one virtual CPU as QEMU saw it, control registers included. Written by
/// dump-guest-memory, one for each CPU, in the order of the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QemuCpu {
    /// The CPU's place among the QEMU notes, from 0.
    pub index: usize,
    /// The note's place in [`crate::Dump::notes`].
    pub note_index: usize,
    /// The general registers; the selectors and bases are also in the segments.
    pub regs: UserRegs,
    /// Code segment.
    pub cs: Segment,
    /// Data segment.
    pub ds: Segment,
    /// Extra segment.
    pub es: Segment,
    /// FS.
    pub fs: Segment,
    /// GS.
    pub gs: Segment,
    /// Stack segment.
    pub ss: Segment,
    /// Local descriptor table.
    pub ldt: Segment,
    /// Task register.
    pub tr: Segment,
    /// Global descriptor table.
    pub gdt: Segment,
    /// Interrupt descriptor table.
    pub idt: Segment,
    /// CR0 to CR4.
    pub cr: [u64; 5],
    /// The kernel's GS base; `None` where QEMU is older than that field (5.2).
    pub kernel_gs_base: Option<u64>,
}

/// Reads a `QEMU` note; `None` where the note is something else or too short.
pub(crate) fn qemu_cpu(index: usize, note_index: usize, note: &Note) -> Option<QemuCpu> {
    if note.name != "QEMU" {
        return None;
    }
    let desc = Fields(&note.desc);
    let size = desc.u32(4)?;
    let r = |index: usize| desc.u64(8_usize.saturating_add(index.saturating_mul(8)));
    let segment = |index: usize| -> Option<Segment> {
        let at = 152_usize.saturating_add(index.saturating_mul(24));
        Some(Segment {
            selector: desc.u32(at)?,
            limit: desc.u32(at.saturating_add(4))?,
            flags: desc.u32(at.saturating_add(8))?,
            base: desc.u64(at.saturating_add(16))?,
        })
    };
    let cr = |index: usize| desc.u64(392_usize.saturating_add(index.saturating_mul(8)));
    let [cs, ds, es, fs, gs, ss] = [
        segment(0)?,
        segment(1)?,
        segment(2)?,
        segment(3)?,
        segment(4)?,
        segment(5)?,
    ];
    Some(QemuCpu {
        index,
        note_index,
        regs: UserRegs {
            rax: r(0)?,
            rbx: r(1)?,
            rcx: r(2)?,
            rdx: r(3)?,
            rsi: r(4)?,
            rdi: r(5)?,
            rsp: r(6)?,
            rbp: r(7)?,
            r8: r(8)?,
            r9: r(9)?,
            r10: r(10)?,
            r11: r(11)?,
            r12: r(12)?,
            r13: r(13)?,
            r14: r(14)?,
            r15: r(15)?,
            rip: r(16)?,
            rflags: r(17)?,
            orig_rax: 0,
            cs: u64::from(cs.selector),
            ss: u64::from(ss.selector),
            ds: u64::from(ds.selector),
            es: u64::from(es.selector),
            fs: u64::from(fs.selector),
            gs: u64::from(gs.selector),
            fs_base: fs.base,
            gs_base: gs.base,
        },
        cs,
        ds,
        es,
        fs,
        gs,
        ss,
        ldt: segment(6)?,
        tr: segment(7)?,
        gdt: segment(8)?,
        idt: segment(9)?,
        cr: [cr(0)?, cr(1)?, cr(2)?, cr(3)?, cr(4)?],
        kernel_gs_base: (size >= 440).then(|| desc.u64(432)).flatten(),
    })
}
