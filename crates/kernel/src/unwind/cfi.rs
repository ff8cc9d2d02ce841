//! The compiler's tables, where the kernel's own have nothing.

use virtopsy_debuginfo::{CallFrames, Cfa, FrameRule, SavedAt, VirtAddr};
use virtopsy_vmcore::UserRegs;

use super::walk::{State, Walk};
use super::{Ended, FoundBy};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// rbp and rsp by their numbers in DWARF (psABI, figure 3.36).
const RBP: u16 = 6;
const RSP: u16 = 7;

impl Walk<'_, '_> {
    /// The caller by `.debug_frame` or `.eh_frame`; `None` where no file at hand has a rule that can
    /// be followed.
    pub(super) fn by_cfi(&self, state: &State) -> std::result::Result<Option<State>, Ended> {
        let rule = match self.unwinder.kernel.frame_rule(state.code_address()) {
            Ok(Some(rule)) => rule,
            Ok(None) => return Ok(None),
            Err(e) => {
                tracing::debug!("{}: {e}", VirtAddr(state.ip));
                return Ok(None);
            }
        };
        let (Cfa::Register(number, offset) | Cfa::InMemory(number, offset)) = rule.cfa;
        let Some(base) = register(state, number) else {
            return Ok(None);
        };
        let at = base.wrapping_add_signed(offset);
        let cfa = match rule.cfa {
            Cfa::Register(..) => at,
            Cfa::InMemory(..) => self.word(at)?,
        };
        let place = |saved: SavedAt| match saved {
            SavedAt::Cfa(offset) => Some(cfa.wrapping_add_signed(offset)),
            SavedAt::Register(number, offset) => {
                Some(register(state, number)?.wrapping_add_signed(offset))
            }
        };
        let Some(return_address) = rule.return_address else {
            return Err(Ended::EndOfStack);
        };
        let Some(return_at) = place(return_address) else {
            return Ok(None);
        };
        let bp = match rule.frame_pointer.map(place) {
            None => state.bp,
            Some(Some(at)) => self.word(at)?,
            Some(None) => return Ok(None),
        };
        Ok(Some(State {
            ip: self.word(return_at)?,
            sp: cfa,
            bp,
            exact: rule.signal,
            full: None,
            before: None,
            found_by: FoundBy::Cfi,
            guessed: state.guessed,
        }))
    }
}

/// A register of a frame by its number in DWARF. Those that are not followed from frame to frame
/// are known only where the frame was interrupted.
fn register(state: &State, number: u16) -> Option<u64> {
    let regs = || state.full.or(state.before);
    let of = |get: fn(&UserRegs) -> u64| regs().map(|regs| get(&regs));
    match number {
        RBP => Some(state.bp),
        RSP => Some(state.sp),
        0 => of(|r| r.rax),
        1 => of(|r| r.rdx),
        2 => of(|r| r.rcx),
        3 => of(|r| r.rbx),
        4 => of(|r| r.rsi),
        5 => of(|r| r.rdi),
        8 => of(|r| r.r8),
        9 => of(|r| r.r9),
        10 => of(|r| r.r10),
        11 => of(|r| r.r11),
        12 => of(|r| r.r12),
        13 => of(|r| r.r13),
        14 => of(|r| r.r14),
        15 => of(|r| r.r15),
        _ => None,
    }
}

impl Kernel {
    fn frame_rule(&self, at: VirtAddr) -> Result<Option<FrameRule>> {
        if let Some(module) = self.modules().containing(at) {
            let file = match module.file(self) {
                Err(Error::NoSource { .. }) => return Ok(None),
                other => other?,
            };
            return match file.address(at) {
                Some(at) => Ok(file.frames()?.at(at)?),
                None => Ok(None),
            };
        }
        let Some(elf) = self.parts.tables.vmlinux() else {
            return Ok(None);
        };
        let frames = self
            .frames
            .get_or_init(|| Ok(CallFrames::load(elf)?))
            .as_ref()
            .map_err(Clone::clone)?;
        Ok(frames.at(self.linked(at))?)
    }
}
