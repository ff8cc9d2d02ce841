//! An ORC entry applied to a frame: what the caller's registers were.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::UserRegs;

use super::Ended;
use super::walk::{State, Walk, astray};
use crate::orc::{OrcEntry, OrcReg, OrcType};
use crate::regs::{PT_REGS_WORDS, user_regs};

impl Walk<'_, '_> {
    pub(super) fn apply(
        &self,
        entry: &OrcEntry,
        state: &State,
    ) -> std::result::Result<State, Ended> {
        let sp = self.base(entry, state)?;
        let mut next = State {
            exact: entry.signal,
            full: None,
            before: None,
            found_by: state.found_by,
            ..*state
        };
        match entry.kind {
            OrcType::Regs => {
                let regs = self.pt_regs(sp)?;
                (next.ip, next.sp, next.full) = (regs.rip, regs.rsp, Some(regs));
            }
            OrcType::RegsPartial => {
                let cs = self.word(sp.wrapping_add(8))?;
                (next.ip, next.sp) = (self.word(sp)?, self.word(sp.wrapping_add(24))?);
                if cs & 3 != 0 {
                    return Err(Ended::UserMode(VirtAddr(next.ip)));
                }
                next.before = state.full.or(state.before);
            }
            _ => (next.ip, next.sp) = (self.word(sp.wrapping_sub(8))?, sp),
        }
        next.bp = match entry.bp_reg {
            OrcReg::PrevSp => self.word(sp.wrapping_add_signed(entry.bp_offset.into()))?,
            OrcReg::Bp => self.word(state.bp.wrapping_add_signed(entry.bp_offset.into()))?,
            OrcReg::Undefined => next.full.or(next.before).map_or(state.bp, |regs| regs.rbp),
            other => {
                return Err(astray(
                    state,
                    &format!("its frame pointer is saved by {other:?}"),
                ));
            }
        };
        Ok(next)
    }

    /// The address that an entry's `sp` rule gives.
    fn base(&self, entry: &OrcEntry, state: &State) -> std::result::Result<u64, Ended> {
        let offset = i64::from(entry.sp_offset);
        let known = |get: fn(&UserRegs) -> u64| {
            let regs = state.full.or(state.before);
            let gone = || {
                astray(
                    state,
                    &format!("it needs {:?}, which is not known", entry.sp_reg),
                )
            };
            // The kernel adds no offset to these: the register holds the address.
            regs.map(|regs| get(&regs)).ok_or_else(gone)
        };
        match entry.sp_reg {
            OrcReg::Sp => Ok(state.sp.wrapping_add_signed(offset)),
            OrcReg::Bp => Ok(state.bp.wrapping_add_signed(offset)),
            OrcReg::BpIndirect => self.word(state.bp.wrapping_add_signed(offset)),
            // Since 5.12 the offset is added to what was loaded (commit 87ccc826bf1c); before, the
            // rule was used by entry code alone, for a pt_regs, and counted to the address.
            OrcReg::SpIndirect if entry.kind == OrcType::Call => {
                Ok(self.word(state.sp)?.wrapping_add_signed(offset))
            }
            OrcReg::SpIndirect => self.word(state.sp.wrapping_add_signed(offset)),
            OrcReg::R10 => known(|r| r.r10),
            OrcReg::R13 => known(|r| r.r13),
            OrcReg::Di => known(|r| r.rdi),
            OrcReg::Dx => known(|r| r.rdx),
            OrcReg::Ax => known(|r| r.rax),
            other => Err(astray(
                state,
                &format!("its ORC entry counts from {other:?}"),
            )),
        }
    }

    /// `struct pt_regs`, arch/x86/include/asm/ptrace.h: 21 words, in the same order since 2.6.24.
    pub(super) fn pt_regs(&self, at: u64) -> std::result::Result<UserRegs, Ended> {
        let mut words = [0u64; PT_REGS_WORDS];
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.word(at.wrapping_add(i as u64 * 8))?;
        }
        let mut regs = user_regs(&words);
        // CS and SS share their words with flags of FRED.
        (regs.cs, regs.ss) = (regs.cs & 0xffff, regs.ss & 0xffff);
        Ok(regs)
    }
}
