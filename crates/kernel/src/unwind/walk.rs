//! The way from frame to frame.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::UserRegs;

use super::{Ended, FoundBy, Unwinder};
use crate::orc::{OrcEntry, OrcType};
use crate::stacks::StackRange;

/// What is known in one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) ip: u64,
    pub(super) sp: u64,
    pub(super) bp: u64,
    pub(super) exact: bool,
    /// All registers, where this frame was interrupted.
    pub(super) full: Option<UserRegs>,
    /// All registers of the frame before, where here only the CPU's five words are known.
    pub(super) before: Option<UserRegs>,
    pub(super) found_by: FoundBy,
    /// The frame was reached by a guess, or from one that was.
    pub(super) guessed: bool,
}

impl State {
    /// An address inside of the instruction that the frame stands at.
    pub(super) fn code_address(&self) -> VirtAddr {
        VirtAddr(self.ip.wrapping_sub(u64::from(!self.exact)))
    }
}

/// The way through the stacks, so that none is entered twice.
pub(super) struct Walk<'u, 'k> {
    pub(super) unwinder: &'u Unwinder<'k>,
    pub(super) stacks: Vec<StackRange>,
    pub(super) left: Vec<StackRange>,
}

impl Walk<'_, '_> {
    pub(super) fn stack_of(&self, sp: u64) -> Option<&StackRange> {
        let sp = VirtAddr(sp);
        let inside = |s: &&StackRange| s.bottom <= sp && sp < s.top;
        self.stacks
            .iter()
            .find(inside)
            .or_else(|| self.stacks.iter().find(|s| s.contains(sp)))
    }

    pub(super) fn word(&self, at: u64) -> std::result::Result<u64, Ended> {
        self.unwinder
            .kernel
            .space()
            .u64(VirtAddr(at))
            .map_err(Ended::Unreadable)
    }

    /// The caller's frame.
    pub(super) fn step(&mut self, state: &State) -> std::result::Result<State, Ended> {
        let mut next = match self.entry(state)? {
            Some(entry) => State {
                found_by: FoundBy::Orc,
                ..self.apply(&entry, state)?
            },
            None => self.without_entry(state)?,
        };
        next.guessed = state.guessed || next.found_by == FoundBy::FramePointer;
        if next.ip == 0 {
            return Err(astray(state, "the return address is null"));
        }
        // Code made at run time is not known, and tables that lead there are believed; a guess is
        // not.
        if next.guessed && !self.unwinder.kernel.may_be_code(VirtAddr(next.ip)) {
            let why = format!("a guess leads to {}, which is no code", VirtAddr(next.ip));
            return Err(astray(state, &why));
        }
        self.check_progress(state, &next)?;
        Ok(next)
    }

    /// The caller of code that ORC does not describe: by the compiler's tables in a file, by the
    /// function's own call, by frame pointer. Where there is no ORC at all, code keeps frame
    /// pointers, and they come before the call.
    fn without_entry(&self, state: &State) -> std::result::Result<State, Ended> {
        if let Some(next) = self.by_cfi(state)? {
            return Ok(next);
        }
        let unknown = Ended::NoUnwindInfo(VirtAddr(state.ip));
        if self.unwinder.orc.is_err()
            && let Some(next) = self.by_frame_pointer(state)?
        {
            return Ok(next);
        }
        if let Some(next) = self.by_call_site(state) {
            return Ok(next);
        }
        self.by_frame_pointer(state)?.ok_or(unknown)
    }

    /// The rule for a frame, where the tables have one.
    fn entry(&self, state: &State) -> std::result::Result<Option<OrcEntry>, Ended> {
        let ip = state.code_address();
        let kernel = self.unwinder.kernel;
        let found = match &self.unwinder.orc {
            Ok(orc) => orc.find(kernel, ip).map_err(Ended::Unreadable)?,
            Err(_) => None,
        };
        match found.map(|entry| (entry, entry.kind)) {
            Some((_, OrcType::EndOfStack)) => Err(Ended::EndOfStack),
            Some((entry, OrcType::Call | OrcType::Regs | OrcType::RegsPartial)) => Ok(Some(entry)),
            Some((_, OrcType::Unknown(kind))) => Err(astray(
                state,
                &format!("its ORC entry is of the unknown type {kind}"),
            )),
            Some((_, OrcType::Undefined)) | None => Ok(None),
        }
    }

    /// The caller stands higher on the same stack, or on another that was not left yet.
    fn check_progress(&mut self, from: &State, to: &State) -> std::result::Result<(), Ended> {
        if to.full.is_some_and(|regs| regs.cs & 3 != 0) {
            return Ok(()); // a user stack, which is not followed
        }
        let (old, new) = (
            self.stack_of(from.sp).cloned(),
            self.stack_of(to.sp).cloned(),
        );
        let sp = VirtAddr(to.sp);
        match (old, new) {
            (old, new) if old == new && to.sp <= from.sp => Err(astray(
                from,
                &format!("the stack pointer {sp} does not rise"),
            )),
            (old, new) if old == new => Ok(()),
            (_, None) => Err(astray(
                from,
                &format!("the stack pointer {sp} is on no stack"),
            )),
            (_, Some(new)) if self.left.contains(&new) => Err(astray(
                from,
                &format!("it leads back to the {} stack", new.kind),
            )),
            (old, Some(_)) => {
                self.left.extend(old);
                Ok(())
            }
        }
    }
}

pub(super) fn astray(state: &State, why: &str) -> Ended {
    Ended::Astray {
        ip: VirtAddr(state.ip),
        why: why.to_owned(),
    }
}
