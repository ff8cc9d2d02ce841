//! What unwinding finds: frames, how each was found, and why there is no further one.

use virtopsy_debuginfo::VirtAddr;

use super::MAX_FRAMES;
use crate::error::Error;
use crate::regs::Registers;
use crate::stacks::StackKind;
use crate::symbols::Location;

/// How a frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// It is where the registers point to.
    Registers,
    /// By the kernel's own unwind tables.
    Orc,
    /// By the compiler's tables (`.debug_frame`, `.eh_frame`) in the vmlinux or a module's file.
    Cfi,
    /// The tables leave the function out; it is the lowest word on the stack that stands behind a
    /// call of this very function.
    CallSite,
    /// By a frame pointer, as the tables have nothing: a guess.
    FramePointer,
    /// By scanning the stack: perhaps left over from a call that has returned.
    Scan,
}

impl std::fmt::Display for FoundBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FoundBy::Registers => "registers",
            FoundBy::Orc => "orc",
            FoundBy::Cfi => "cfi",
            FoundBy::CallSite => "call-site",
            FoundBy::FramePointer => "frame-pointer",
            FoundBy::Scan => "scan",
        })
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The instruction: what runs next in an interrupted frame, else where the call returns to.
    pub ip: VirtAddr,
    /// The stack pointer in this frame; in a scan, where the address stands.
    pub sp: VirtAddr,
    /// Whether `ip` is an instruction that was about to run, not a return address.
    pub interrupted: bool,
    /// The function, and where in it.
    pub location: Option<Location>,
    /// On which stack the frame is, where known.
    pub stack: Option<StackKind>,
    /// How it was found.
    pub found_by: FoundBy,
    /// A frame before it was a guess, and so all that follows from it is.
    pub after_guess: bool,
}

impl Frame {
    /// An address inside of the instruction that the frame stands at: of a return address the
    /// call before it, which may be the last of its function.
    pub fn code_address(&self) -> VirtAddr {
        VirtAddr(self.ip.0.wrapping_sub(u64::from(!self.interrupted)))
    }

    /// Whether unwind tables, or a call instruction, vouch for it, and for all frames before it.
    pub fn is_reliable(&self) -> bool {
        !self.after_guess
            && matches!(
                self.found_by,
                FoundBy::Registers | FoundBy::Orc | FoundBy::Cfi | FoundBy::CallSite
            )
    }
}

/// Why a backtrace has no further frame.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The tables say that nothing called this.
    EndOfStack,
    /// The kernel was entered from user mode there.
    UserMode(VirtAddr),
    /// Neither a table nor a frame pointer says how to go on.
    NoUnwindInfo(VirtAddr),
    /// A word of the stack or of a table can't be read.
    Unreadable(Error),
    /// The tables led to an address that is no place for the caller's frame: the stack was
    /// overwritten, or is not what it seems.
    Astray {
        /// The frame at which that happened.
        ip: VirtAddr,
        /// What is wrong.
        why: String,
    },
    /// There are too many frames for any stack.
    TooDeep,
    /// The stack was scanned, to its end.
    Scanned,
    /// There were no registers to begin with, and no stack to scan.
    NoStart(Error),
}

impl Ended {
    /// A stable kebab-case word.
    pub fn kind(&self) -> &'static str {
        match self {
            Ended::EndOfStack => "end-of-stack",
            Ended::UserMode(_) => "user-mode",
            Ended::NoUnwindInfo(_) => "no-unwind-info",
            Ended::Unreadable(_) => "unreadable",
            Ended::Astray { .. } => "astray",
            Ended::TooDeep => "too-deep",
            Ended::Scanned => "scanned",
            Ended::NoStart(_) => "no-start",
        }
    }

    /// Whether nothing is missing: the outermost frame was reached.
    pub fn is_complete(&self) -> bool {
        matches!(self, Ended::EndOfStack | Ended::UserMode(_))
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::EndOfStack => f.write_str("end of the stack"),
            Ended::UserMode(ip) => write!(f, "user mode at {ip}"),
            Ended::NoUnwindInfo(ip) => write!(f, "nothing says who called the code at {ip}"),
            Ended::Unreadable(e) => write!(f, "the stack can't be followed: {e}"),
            Ended::Astray { ip, why } => write!(f, "the stack is not whole behind {ip}: {why}"),
            Ended::TooDeep => write!(f, "stopped after {MAX_FRAMES} frames"),
            Ended::Scanned => f.write_str("the stack was scanned; frames may be left over"),
            Ended::NoStart(e) => write!(f, "no place to begin: {e}"),
        }
    }
}

/// A stack, frame by frame, innermost first.
#[derive(Clone, Debug)]
pub struct Backtrace {
    /// The registers that it begins with; `None` for a scan.
    pub registers: Option<Registers>,
    /// The frames, innermost first.
    pub frames: Vec<Frame>,
    /// Why there is no further one.
    pub ended_because: Ended,
    /// Why the stack was scanned, or what else was noticed.
    pub notes: Vec<String>,
}
