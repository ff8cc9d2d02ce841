//! The exception that a CPU took: its `pt_regs` on the stack, and what the task's `thread_struct`
//! keeps of it.
//!
//! An exception pushes the interrupted registers right below the interrupted stack pointer (the CPU
//! aligns it to 16 bytes), or at the top of the stack that it has for itself (NMI, #DF, #MC, #DB);
//! the entry code saves the rest there, and calls the handler: the word below the registers is the
//! return address of that call, and names the exception. Crash notes of an oops hold the registers
//! at the fault, so the proof stands below them. Source: arch/x86/entry/entry_64.S, idtentry.h.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::UserRegs;

use crate::cpu::CpuId;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::regs::{PT_REGS_WORDS, user_regs};
use crate::stacks::StackKind;
use crate::symbols::Location;

/// Bytes of `struct pt_regs`.
const PT_REGS: u64 = PT_REGS_WORDS as u64 * 8;
/// Longest instruction of x86.
const MAX_INSTRUCTION: usize = 15;

/// An exception that interrupted a CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where its `pt_regs` stand.
    pub registers: VirtAddr,
    /// The entry code that saved them, which names the exception: `asm_exc_page_fault+0x22`.
    pub entry: Location,
    /// `orig_ax`: the error code that the CPU pushed; -1 where the exception has none.
    pub error_code: u64,
    /// The stack of its own that the exception has, where it has one.
    pub stack: Option<StackKind>,
    /// The interrupted registers; the segment bases are not among them, and are 0.
    pub values: UserRegs,
}

/// What `task_struct.thread` keeps of the last exception. A fault of user mode may be the last one
/// that it was told of: alone it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapRecord {
    /// Where `thread` stands.
    pub address: VirtAddr,
    /// `trap_nr` (`trap_no` until 3.4): the vector.
    pub vector: u64,
    /// `error_code`.
    pub error_code: u64,
    /// `cr2`: the address of the last page fault that ended in a signal or an oops.
    pub cr2: u64,
}

/// The memory that an instruction accesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The instruction.
    pub text: String,
    /// The address of its memory operand, by the registers; `None` where it has none.
    pub address: Option<u64>,
    /// It is `ud2`, which BUG() and WARN() are made of.
    pub is_ud2: bool,
}

impl Kernel {
    /// The exception that interrupted the instruction at `ip` when the stack pointer was `sp`: its
    /// `pt_regs` on the stack below, or on one of the CPU's exception stacks. `None`: there is none.
    pub fn fault_at(&self, ip: VirtAddr, sp: VirtAddr, cpu: CpuId) -> Option<Fault> {
        let below = (sp.0 & !15).wrapping_sub(PT_REGS);
        let stacks = self.cpu_stacks(cpu).into_iter();
        let own = stacks.filter(|s| matches!(s.kind, StackKind::Exception(_)));
        let tops = own.map(|s| (s.top.0.wrapping_sub(PT_REGS), Some(s.kind)));
        std::iter::once((below, None))
            .chain(tops)
            .find_map(|(place, stack)| self.fault_in(VirtAddr(place), ip, sp, stack))
    }

    fn fault_in(
        &self,
        place: VirtAddr,
        ip: VirtAddr,
        sp: VirtAddr,
        stack: Option<StackKind>,
    ) -> Option<Fault> {
        let start = VirtAddr(place.0.checked_sub(8)?);
        let bytes = self.space().bytes(start, PT_REGS as usize + 8).ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|w| u64::from_le_bytes(*w)).collect();
        let (returns_to, words) = words.split_first()?;
        let values = user_regs(words);
        if values.rip != ip.0 || values.rsp != sp.0 {
            return None;
        }
        let returns_to = VirtAddr(*returns_to);
        if !self.may_be_code(returns_to) {
            return None;
        }
        Some(Fault {
            registers: place,
            entry: self.locate(VirtAddr(returns_to.0.wrapping_sub(1)))?,
            error_code: values.orig_rax,
            stack,
            values,
        })
    }

    /// What a task's `thread_struct` keeps of its last exception.
    ///
    /// # Errors
    /// Where the task can't be read.
    pub fn trap_record(&self, task: VirtAddr) -> Result<TrapRecord> {
        let thread = self.object(task, "struct task_struct")?.field("thread")?;
        Ok(TrapRecord {
            address: thread.address,
            vector: thread.first_field(&["trap_nr", "trap_no"])?.u64()?,
            error_code: thread.field("error_code")?.u64()?,
            cr2: thread.field("cr2")?.u64()?,
        })
    }

    /// The instruction at the registers' instruction pointer, and the memory that it accesses.
    ///
    /// # Errors
    /// Where its text can't be read.
    pub fn access_at(&self, regs: &UserRegs) -> Result<Access> {
        let at = VirtAddr(regs.rip);
        let mut bytes = Vec::new();
        for offset in 0..MAX_INSTRUCTION as u64 {
            match self.space().u8(VirtAddr(at.0.wrapping_add(offset))) {
                Ok(byte) => bytes.push(byte),
                Err(e) if offset == 0 => return Err(e),
                Err(_) => break,
            }
        }
        let instruction = Decoder::with_ip(64, &bytes, at.0, DecoderOptions::NONE).decode();
        Ok(Access {
            text: instruction.to_string(),
            address: accessed(&instruction, regs),
            is_ud2: instruction.mnemonic() == Mnemonic::Ud2,
        })
    }
}

/// The address of the instruction's memory operand.
fn accessed(instruction: &Instruction, regs: &UserRegs) -> Option<u64> {
    let operand = instruction
        .op_kinds()
        .position(|kind| kind == OpKind::Memory)?;
    if instruction.mnemonic() == Mnemonic::Lea || instruction.mnemonic() == Mnemonic::Nop {
        return None;
    }
    instruction.virtual_address(u32::try_from(operand).ok()?, 0, |register, _, _| {
        value(register, regs)
    })
}

fn value(register: Register, regs: &UserRegs) -> Option<u64> {
    Some(match register.full_register() {
        Register::RAX => regs.rax,
        Register::RBX => regs.rbx,
        Register::RCX => regs.rcx,
        Register::RDX => regs.rdx,
        Register::RSI => regs.rsi,
        Register::RDI => regs.rdi,
        Register::RBP => regs.rbp,
        Register::RSP => regs.rsp,
        Register::R8 => regs.r8,
        Register::R9 => regs.r9,
        Register::R10 => regs.r10,
        Register::R11 => regs.r11,
        Register::R12 => regs.r12,
        Register::R13 => regs.r13,
        Register::R14 => regs.r14,
        Register::R15 => regs.r15,
        Register::GS => regs.gs_base,
        Register::FS => regs.fs_base,
        Register::CS | Register::DS | Register::ES | Register::SS => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(bytes: &[u8], regs: &UserRegs) -> Option<u64> {
        let instruction = Decoder::with_ip(64, bytes, regs.rip, DecoderOptions::NONE).decode();
        accessed(&instruction, regs)
    }

    #[test]
    fn the_accessed_address_follows_from_the_registers() {
        let regs = UserRegs {
            rax: 0x100,
            rbx: 0x20,
            rip: 0xffff_ffff_8100_0000,
            ..UserRegs::default()
        };
        // mov rax, [rax+rbx*4+8]
        assert_eq!(access(&[0x48, 0x8b, 0x44, 0x98, 0x08], &regs), Some(0x188));
        // lea rax, [rax+8]: no access
        assert_eq!(access(&[0x48, 0x8d, 0x40, 0x08], &regs), None);
        // ud2
        assert_eq!(access(&[0x0f, 0x0b], &regs), None);
    }
}
