//! ELF notes.

use crate::Little;

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Owner.
    pub name: String,
    /// Type.
    pub kind: u32,
    /// Content.
    pub desc: Vec<u8>,
    /// Whether the name's length counts the NUL, as it should.
    pub nul: bool,
}

impl Note {
    /// A note with its NUL.
    #[must_use]
    pub fn new(name: &str, kind: u32, desc: impl Into<Vec<u8>>) -> Note {
        Note {
            name: name.to_owned(),
            kind,
            desc: desc.into(),
            nul: true,
        }
    }

    /// VMCOREINFO.
    #[must_use]
    pub fn vmcoreinfo(text: &str) -> Note {
        Note::new("VMCOREINFO", 0, text)
    }

    /// NT_PRSTATUS of x86-64, `regs` in the kernel's order from r15 to gs; missing ones are zero.
    #[must_use]
    pub fn prstatus(pid: u32, regs: &[u64]) -> Note {
        let mut desc = vec![0; 336];
        crate::put(&mut desc, 32, &pid.to_le_bytes());
        for (i, reg) in regs.iter().take(27).enumerate() {
            crate::put(&mut desc, 112 + i * 8, &reg.to_le_bytes());
        }
        Note::new("CORE", 1, desc)
    }

    /// QEMU's note of a CPU: `regs` rax to rflags, ten segments (selector, limit, flags, base) cs
    /// to idt, CR0 to CR4, and the kernel's GS base where QEMU is new enough.
    #[must_use]
    pub fn qemu(
        regs: &[u64; 18],
        segments: &[(u32, u32, u32, u64); 10],
        cr: &[u64; 5],
        kernel_gs_base: Option<u64>,
    ) -> Note {
        let mut desc = Vec::new();
        desc.u32(1);
        desc.u32(if kernel_gs_base.is_some() { 440 } else { 432 });
        regs.iter().for_each(|reg| desc.u64(*reg));
        for (selector, limit, flags, base) in segments {
            desc.u32(*selector);
            desc.u32(*limit);
            desc.u32(*flags);
            desc.u32(0);
            desc.u64(*base);
        }
        cr.iter().for_each(|cr| desc.u64(*cr));
        desc.extend(kernel_gs_base.map(u64::to_le_bytes).into_iter().flatten());
        Note::new("QEMU", 0, desc)
    }
}

/// The bytes of notes one behind the other.
#[must_use]
pub fn notes_bytes(notes: &[Note]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for note in notes {
        bytes.u32(note.name.len() as u32 + u32::from(note.nul));
        bytes.u32(note.desc.len() as u32);
        bytes.u32(note.kind);
        bytes.extend(note.name.as_bytes());
        bytes.extend(note.nul.then_some(0));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(&note.desc);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
