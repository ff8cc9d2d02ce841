//! The caller of a function that the tables leave out, found by its call of this very function.

use iced_x86::{FlowControl, Mnemonic, Register};
use virtopsy_debuginfo::VirtAddr;

use super::walk::{State, Walk};
use super::{FoundBy, Unwinder};
use crate::code::Function;

/// Largest frame of one function that is looked through, and most code that is disassembled.
const MAX_FRAME: u64 = 4096;

impl Unwinder<'_> {
    /// Whether the instruction before `ip` is a direct call of the function at `start`.
    fn is_behind_call_of(&self, ip: VirtAddr, start: VirtAddr) -> bool {
        let Ok(before) = self.kernel.space().bytes(VirtAddr(ip.0.wrapping_sub(5)), 5) else {
            return false;
        };
        let [0xe8, a, b, c, d] = before.as_slice() else {
            return false;
        };
        let distance = i32::from_le_bytes([*a, *b, *c, *d]);
        ip.0.wrapping_add_signed(distance.into()) == start.0
    }

    /// As which of its pushes (from 1) a function saves the frame pointer.
    fn pushes_frame_pointer(&self, start: VirtAddr, size: u64) -> Option<u64> {
        let len = usize::try_from(size.min(MAX_FRAME)).ok()?;
        let text = self.kernel.space().bytes(start, len).ok()?;
        let function = Function::decode("", start, &text);
        let mut pushes = function
            .instructions()
            .take_while(|i| i.flow_control() != FlowControl::Call)
            .filter(|i| i.mnemonic() == Mnemonic::Push);
        pushes
            .position(|i| i.op0_register() == Register::RBP)
            .map(|index| index as u64 + 1)
    }
}

impl Walk<'_, '_> {
    /// The caller, found as the lowest word on the stack that stands behind a direct call of this
    /// very function.
    ///
    /// `__crash_kexec()` is left out of the tables (`STACK_FRAME_NON_STANDARD`), and every crashing
    /// CPU begins there. The frame pointer is where the function's own pushes put it.
    pub(super) fn by_call_site(&self, state: &State) -> Option<State> {
        let unwinder = self.unwinder;
        let location = unwinder.name(state.ip, state.exact)?;
        let start = VirtAddr(state.ip.wrapping_sub(location.offset));
        let top = self.stack_of(state.sp)?.top.0;
        let words = top.saturating_sub(state.sp).min(MAX_FRAME) / 8;
        let behind_call = |at: &u64| {
            self.word(*at)
                .is_ok_and(|ip| unwinder.is_behind_call_of(VirtAddr(ip), start))
        };
        let at = (0..words)
            .map(|i| state.sp.wrapping_add(i * 8))
            .find(behind_call)?;
        let saved = unwinder.pushes_frame_pointer(start, location.size?);
        let bp = match saved {
            Some(position) => self.word(at.wrapping_sub(position.checked_mul(8)?)).ok()?,
            None => state.bp,
        };
        Some(State {
            ip: self.word(at).ok()?,
            sp: at.wrapping_add(8),
            bp,
            exact: false,
            full: None,
            before: None,
            found_by: FoundBy::CallSite,
            guessed: state.guessed,
        })
    }
}
