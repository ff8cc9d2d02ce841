//! Scanning a stack for return addresses, where nothing else works: what is found may be left over
//! from calls that have returned.

use virtopsy_debuginfo::VirtAddr;

use super::walk::{State, Walk};
use super::{Backtrace, Ended, FoundBy, Frame, Unwinder};
use crate::error::Result;
use crate::stacks::StackRange;

/// Most frames that a scan gives.
const MAX_SCANNED: usize = 256;

/// What a scan of one stack found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) frames: Vec<Frame>,
    /// There were more than [`MAX_SCANNED`].
    cut: bool,
}

impl Found {
    pub(super) fn note(&self) -> Option<String> {
        self.cut
            .then(|| format!("the scan of the stack stopped after {MAX_SCANNED} frames"))
    }
}

impl Unwinder<'_> {
    /// What stands above the last frame that could be unwound, on the same stack.
    pub(super) fn rest(&self, walk: &Walk<'_, '_>, state: &State, already: usize) -> Found {
        let Some(range) = walk.stack_of(state.sp) else {
            return Found::default();
        };
        let bottom = VirtAddr(state.sp.wrapping_add(7) & !7);
        let rest = StackRange {
            bottom,
            ..range.clone()
        };
        self.scan_range(&rest, MAX_SCANNED.saturating_sub(already))
            .unwrap_or_default()
    }

    /// Return addresses on a stack, lowest first: words with a call instruction before them.
    fn scan_range(&self, range: &StackRange, most: usize) -> Result<Found> {
        let size = range.top.0.saturating_sub(range.bottom.0);
        let stack = self.kernel.stack_at(range.bottom, size)?;
        let mut words = self.kernel.code_words(&stack);
        words.reverse();
        words.retain(|word| self.follows_call(word.value));
        let cut = words.len() > most;
        words.truncate(most);
        let frame = |word: crate::stack::CodeWord| Frame {
            ip: word.value,
            sp: word.at,
            interrupted: false,
            location: self.name(word.value.0, false),
            stack: Some(range.kind.clone()),
            found_by: FoundBy::Scan,
            after_guess: false,
        };
        let frames = words.into_iter().map(frame).collect();
        Ok(Found { frames, cut })
    }

    pub(super) fn scan(&self, stacks: Vec<StackRange>, why: &str) -> Backtrace {
        let mut frames = Vec::new();
        let mut notes = vec![why.to_owned()];
        let mut failed = None;
        for range in &stacks {
            match self.scan_range(range, MAX_SCANNED) {
                Ok(found) => {
                    notes.extend(found.note());
                    frames.extend(found.frames);
                }
                Err(e) => failed = Some(e),
            }
        }
        let ended_because = match failed {
            Some(e) if frames.is_empty() => Ended::NoStart(e),
            _ => Ended::Scanned,
        };
        Backtrace {
            registers: None,
            frames,
            ended_because,
            notes,
        }
    }

    /// Whether the instruction before `ip` is a call: `e8 rel32`, or `ff /2` in 2 to 7 bytes.
    pub(super) fn follows_call(&self, ip: VirtAddr) -> bool {
        let Ok(before) = self.kernel.space().bytes(VirtAddr(ip.0.wrapping_sub(7)), 7) else {
            return false;
        };
        let at = |back: usize| {
            before
                .len()
                .checked_sub(back)
                .and_then(|i| before.get(i))
                .copied()
        };
        let indirect =
            |back| at(back) == Some(0xff) && at(back - 1).is_some_and(|m| m >> 3 & 7 == 2);
        at(5) == Some(0xe8) || [2, 3, 4, 6, 7].into_iter().any(indirect)
    }
}
