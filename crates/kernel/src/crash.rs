//! What the crash path left in the kernel's memory.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::declared::cpu::CRASH_NOTES;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Longest note name or descriptor that a crash note can have: `note_buf_t` is some 400 bytes.
const MAX_NOTE: usize = 4096;
/// `NT_PRSTATUS`.
const NT_PRSTATUS: u32 = 1;
/// Offset of `pr_pid` in `struct elf_prstatus` (x86-64).
const PR_PID: usize = 32;
/// Offset of `pr_reg`: 27 words, r15 first, in `struct user_regs_struct`'s order.
const PR_REG: usize = 112;

/// A CPU's slot of `crash_notes`: an ELF note that `crash_save_cpu()` writes on that CPU.
///
/// Source: kernel/crash_core.c (until 6.8 kernel/kexec_core.c), include/linux/elfcore.h.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashNote {
    /// Where the slot is.
    pub address: VirtAddr,
    /// What it holds.
    pub content: NoteContent,
}

/// Content of a crash note's slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteContent {
    /// All zero: the CPU never ran `crash_save_cpu()`.
    Empty,
    /// The CPU's registers when it was stopped.
    Saved(SavedRegisters),
    /// Something else.
    Invalid(String),
}

/// Registers as `crash_save_cpu()` stored them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRegisters {
    /// Thread id of the interrupted task.
    pub pid: i32,
    /// Instruction pointer.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Frame pointer.
    pub rbp: u64,
    /// Flags.
    pub rflags: u64,
    /// Code segment: its low two bits are the privilege level.
    pub cs: u64,
    /// All 27 words of `user_regs_struct`, r15 first.
    pub words: Vec<u64>,
}

impl Kernel {
    /// The slot of `crash_notes` of one CPU.
    ///
    /// # Errors
    /// Where the variable or the slot can't be read.
    pub fn crash_note(&self, cpu: CpuId) -> Result<CrashNote> {
        let variable = self.symbols()?.declared(&CRASH_NOTES)?.address;
        let base = self.space().pointer(variable)?;
        if base.0 == 0 {
            return Err(Error::Implausible {
                what: "crash_notes".into(),
                at: variable,
                found: "null".into(),
            });
        }
        let address = self.cpus()?.address(base, cpu)?;
        let head = self.space().bytes(address, 12)?;
        Ok(CrashNote {
            address,
            content: self.note_content(address, &head)?,
        })
    }

    fn note_content(&self, address: VirtAddr, head: &[u8]) -> Result<NoteContent> {
        let word = |i: usize| -> u32 {
            head.get(i * 4..i * 4 + 4)
                .map_or(0, |b| b.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b)))
        };
        let (name_size, desc_size, kind) = (word(0) as usize, word(1) as usize, word(2));
        if name_size == 0 && desc_size == 0 && kind == 0 {
            return Ok(NoteContent::Empty);
        }
        if name_size > MAX_NOTE || desc_size > MAX_NOTE || kind != NT_PRSTATUS {
            return Ok(NoteContent::Invalid(format!(
                "namesz {name_size}, descsz {desc_size}, type {kind}"
            )));
        }
        let desc_at = 12 + name_size.next_multiple_of(4);
        let note = self.space().bytes(address, desc_at + desc_size)?;
        if !note.get(12..).is_some_and(|name| name.starts_with(b"CORE")) {
            return Ok(NoteContent::Invalid("its name is not CORE".into()));
        }
        let desc = note.get(desc_at..).unwrap_or_default();
        match saved_registers(desc) {
            Some(registers) => Ok(NoteContent::Saved(registers)),
            None => Ok(NoteContent::Invalid(format!(
                "descsz {desc_size} is too short for x86-64"
            ))),
        }
    }
}

/// Reads `struct elf_prstatus` of x86-64.
fn saved_registers(desc: &[u8]) -> Option<SavedRegisters> {
    let pid = desc
        .get(PR_PID..PR_PID + 4)?
        .iter()
        .rev()
        .fold(0, |w, b| w << 8 | u32::from(*b)) as i32;
    let words: Vec<u64> = desc
        .get(PR_REG..PR_REG + 27 * 8)?
        .chunks_exact(8)
        .map(|c| c.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b)))
        .collect();
    let word = |i: usize| words.get(i).copied();
    Some(SavedRegisters {
        pid,
        rbp: word(4)?,
        rip: word(16)?,
        cs: word(17)?,
        rflags: word(18)?,
        rsp: word(19)?,
        words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prstatus_gives_pid_and_registers() {
        let mut desc = vec![0u8; 336];
        desc[32] = 107;
        desc[PR_REG + 16 * 8] = 0x42;
        desc[PR_REG + 19 * 8] = 0x99;
        let regs = saved_registers(&desc).unwrap();
        assert_eq!((regs.pid, regs.rip, regs.rsp), (107, 0x42, 0x99));
        assert_eq!(saved_registers(&desc[..300]), None);
    }
}
