//! Frame pointers, for code that has no tables: a kernel with CONFIG_UNWINDER_FRAME_POINTER, or code
//! made at run time.
//!
//! ```text
//!  rbp ─► saved rbp │ return address        a function
//!  rbp = address of a pt_regs, bit 0 set    entry code (ENCODE_FRAME_POINTER, since 4.9)
//! ```

use virtopsy_debuginfo::VirtAddr;

use super::walk::{State, Walk};
use super::{Ended, FoundBy};
use crate::orc::FRAME_POINTER;

impl Walk<'_, '_> {
    /// The caller by frame pointer; `None` where it leads to no place for one.
    pub(super) fn by_frame_pointer(
        &self,
        state: &State,
    ) -> std::result::Result<Option<State>, Ended> {
        if state.bp & 1 == 1 {
            return Ok(self.encoded(state));
        }
        if !self.frame_pointer_holds(state) {
            return Ok(None);
        }
        let next = self.apply(&FRAME_POINTER, state)?;
        Ok(Some(State {
            found_by: FoundBy::FramePointer,
            ..next
        }))
    }

    /// Entry code marks the `pt_regs` of what it interrupted by an odd frame pointer.
    fn encoded(&self, state: &State) -> Option<State> {
        let at = state.bp & !1;
        let on_stack = self
            .stack_of(state.sp)
            .is_some_and(|s| s.contains(VirtAddr(at)));
        let regs = self
            .pt_regs(at)
            .ok()
            .filter(|_| on_stack && at >= state.sp)?;
        let code = self.unwinder.kernel.may_be_code(VirtAddr(regs.rip));
        (regs.cs & 3 != 0 || code).then_some(State {
            ip: regs.rip,
            sp: regs.rsp,
            bp: regs.rbp,
            exact: true,
            full: Some(regs),
            before: None,
            found_by: FoundBy::FramePointer,
            guessed: true,
        })
    }

    /// Whether the frame pointer leads to a return address further up on the same stack.
    fn frame_pointer_holds(&self, state: &State) -> bool {
        let on_stack = self
            .stack_of(state.sp)
            .is_some_and(|s| s.contains(VirtAddr(state.bp)));
        on_stack
            && state.bp >= state.sp
            && state.bp.is_multiple_of(8)
            && self.word(state.bp.wrapping_add(8)).is_ok_and(|ip| {
                let ip = VirtAddr(ip);
                self.unwinder.kernel.may_be_code(ip) && self.unwinder.follows_call(ip)
            })
    }
}
