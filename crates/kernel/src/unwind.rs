//! Stacks, frame by frame: who called whom.
//!
//! ORC tells from an instruction's address where the caller's stack pointer is. Where it has
//! nothing (code made at run time, a module whose tables are not in the dump) the frame pointer is
//! tried; where no registers are known at all, the stack is scanned for return addresses, and each
//! such frame says so: what is found may be left over from calls that have returned.
//!
//! Interrupts, NMIs and exceptions leave a `pt_regs` (or the five words that the CPU pushes) on
//! the stack, with which the walk goes on in what was interrupted, on whichever stack that was.
//! File and line of a frame: [`Kernel::source_of`].

use iced_x86::{FlowControl, Mnemonic, Register};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::UserRegs;

use crate::code::Function;
use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::orc::{FRAME_POINTER, Orc, OrcEntry, OrcReg, OrcType};
use crate::regs::{RegisterSource, Registers};
use crate::stacks::{StackKind, StackRange};
use crate::symbols::Location;

/// Most frames of one stack: a task's stack of 16 KiB holds fewer than 1,000 return addresses.
const MAX_FRAMES: usize = 1024;
/// Most frames that a scan gives.
const MAX_SCANNED: usize = 256;
/// Largest frame of one function that is looked through, and most code that is disassembled.
const MAX_FRAME: u64 = 4096;
/// `THREAD_SIZE` of x86-64 without KASAN.
const DEFAULT_STACK: u64 = 16 << 10;
/// Words of `struct pt_regs`, r15 first; the last five are what the CPU pushes.
const PT_REGS_WORDS: usize = 21;

/// Where to begin.
#[derive(Clone, Debug)]
pub enum Start {
    /// What a CPU did when it was stopped.
    Cpu(CpuId),
    /// Where a task sleeps; for one that was running, what its CPU did.
    Task(VirtAddr),
    /// Anywhere.
    Registers(Box<Registers>),
}

/// How a frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// It is where the registers point to.
    Registers,
    /// By the unwind tables.
    Orc,
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
}

impl Frame {
    /// An address inside of the instruction that the frame stands at: of a return address the
    /// call before it, which may be the last of its function.
    pub fn code_address(&self) -> VirtAddr {
        VirtAddr(self.ip.0.wrapping_sub(u64::from(!self.interrupted)))
    }

    /// Whether the unwind tables, or a call instruction, vouch for it.
    pub fn is_reliable(&self) -> bool {
        matches!(
            self.found_by,
            FoundBy::Registers | FoundBy::Orc | FoundBy::CallSite
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

/// Unwinds stacks of one kernel. Tables and stacks are found once.
#[derive(Debug)]
pub struct Unwinder<'k> {
    kernel: &'k Kernel,
    orc: Result<Orc>,
    /// The task that each CPU ran, and the stacks of each CPU.
    cpus: Vec<OnCpu>,
}

#[derive(Debug)]
struct OnCpu {
    cpu: CpuId,
    current: Option<VirtAddr>,
    stacks: Vec<StackRange>,
}

/// What is known in one frame.
#[derive(Clone, Copy, Debug)]
struct State {
    ip: u64,
    sp: u64,
    bp: u64,
    exact: bool,
    /// All registers, where this frame was interrupted.
    full: Option<UserRegs>,
    /// All registers of the frame before, where here only the CPU's five words are known.
    before: Option<UserRegs>,
    found_by: FoundBy,
}

impl Kernel {
    /// What unwinds this kernel's stacks.
    pub fn unwinder(&self) -> Unwinder<'_> {
        Unwinder::new(self)
    }

    /// One backtrace. For several, [`Kernel::unwinder`] is cheaper.
    pub fn backtrace(&self, start: Start) -> Backtrace {
        self.unwinder().backtrace(start)
    }
}

impl<'k> Unwinder<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let on_cpu = |cpu| OnCpu {
            cpu,
            current: kernel.current_task(cpu).ok().map(|task| task.address),
            stacks: kernel.cpu_stacks(cpu),
        };
        let cpus = kernel
            .cpus()
            .map(|cpus| cpus.possible.iter().map(on_cpu).collect());
        Unwinder {
            kernel,
            orc: Orc::open(kernel),
            cpus: cpus.unwrap_or_default(),
        }
    }

    /// The unwind tables.
    ///
    /// # Errors
    /// Why there are none: then only frame pointers and scans are left.
    pub fn orc(&self) -> Result<&Orc> {
        self.orc.as_ref().map_err(Clone::clone)
    }

    /// The CPU on which a task was running.
    pub fn running_on(&self, task: VirtAddr) -> Option<CpuId> {
        self.cpus
            .iter()
            .find(|c| c.current == Some(task))
            .map(|c| c.cpu)
    }

    /// Unwinds.
    pub fn backtrace(&self, start: Start) -> Backtrace {
        match start {
            Start::Registers(registers) => {
                let stacks = self
                    .cpus
                    .iter()
                    .flat_map(|c| c.stacks.iter().cloned())
                    .collect();
                self.walk(*registers, stacks)
            }
            Start::Cpu(cpu) => self.of_cpu(cpu),
            Start::Task(task) => match self.running_on(task) {
                Some(cpu) => self.of_cpu(cpu),
                None => self.of_sleeper(task),
            },
        }
    }

    fn of_sleeper(&self, task: VirtAddr) -> Backtrace {
        let range = self.kernel.task_stack_range(task);
        let registers = self.kernel.inactive_registers(task);
        match (registers, range) {
            (Ok(registers), Ok(range)) if range.contains(VirtAddr(registers.values.rsp)) => {
                self.walk(registers, vec![range])
            }
            (Ok(registers), Ok(range)) => {
                let rsp = VirtAddr(registers.values.rsp);
                let why = format!(
                    "its stack pointer {rsp} is not on its stack at {}",
                    range.bottom
                );
                self.scan(vec![range], &why)
            }
            (Err(e), Ok(range)) => self.scan(vec![range], &format!("its registers: {e}")),
            (_, Err(e)) => nothing(e),
        }
    }

    fn of_cpu(&self, cpu: CpuId) -> Backtrace {
        let mut stacks = Vec::new();
        if let Some(known) = self.cpus.iter().find(|c| c.cpu == cpu) {
            let task = known
                .current
                .and_then(|task| self.kernel.task_stack_range(task).ok());
            stacks.extend(task);
            stacks.extend(known.stacks.iter().cloned());
        }
        let registers = match self.kernel.cpu_registers(cpu) {
            Ok(registers) => registers,
            Err(e) => return self.scan_task(stacks, &e.to_string()),
        };
        let (ip, rsp) = (
            VirtAddr(registers.values.rip),
            VirtAddr(registers.values.rsp),
        );
        if registers.is_user_mode() || stacks.iter().any(|s| s.contains(rsp)) {
            return self.walk(registers, stacks);
        }
        let task_is_known = stacks.iter().any(|s| s.kind == StackKind::Task);
        if !task_is_known && self.kernel.may_be_code(ip) {
            // Stacks are aligned to their size (THREAD_ALIGN).
            let bottom = VirtAddr(rsp.0 & !(DEFAULT_STACK - 1));
            let top = VirtAddr(bottom.0.wrapping_add(DEFAULT_STACK));
            stacks.push(StackRange {
                kind: StackKind::Task,
                bottom,
                top,
            });
            let mut found = self.walk(registers, stacks);
            found
                .notes
                .push("the task's record of its stack can't be read".into());
            return found;
        }
        let why = format!(
            "the {}'s stack pointer {rsp} is on no stack of CPU {cpu} (instruction {ip}): \
             a guest's registers, or the stacks are not in the dump",
            registers.source
        );
        self.scan_task(stacks, &why)
    }

    /// Scans what a CPU without registers may have been on: its task's stack.
    fn scan_task(&self, stacks: Vec<StackRange>, why: &str) -> Backtrace {
        self.scan(
            stacks
                .into_iter()
                .filter(|s| s.kind == StackKind::Task)
                .collect(),
            why,
        )
    }

    fn walk(&self, registers: Registers, stacks: Vec<StackRange>) -> Backtrace {
        let mut walk = Walk {
            unwinder: self,
            stacks,
            left: Vec::new(),
        };
        let values = registers.values;
        let mut state = State {
            ip: values.rip,
            sp: values.rsp,
            bp: values.rbp,
            exact: registers.exact,
            full: registers.complete.then_some(values),
            before: None,
            found_by: FoundBy::Registers,
        };
        let mut frames = Vec::new();
        let ended_because = loop {
            if state.full.is_some_and(|regs| regs.cs & 3 != 0) {
                break Ended::UserMode(VirtAddr(state.ip));
            }
            if frames.len() >= MAX_FRAMES {
                break Ended::TooDeep;
            }
            frames.push(self.frame(&state, walk.stack_of(state.sp)));
            match walk.step(&state) {
                Ok(next) => state = next,
                Err(ended) => break ended,
            }
        };
        if !ended_because.is_complete() {
            frames.extend(self.rest(&walk, &state, frames.len()));
        }
        let notes = self
            .orc
            .as_ref()
            .err()
            .map(|e| format!("no unwind tables: {e}"));
        let notes = notes.into_iter().collect();
        Backtrace {
            registers: Some(registers),
            frames,
            ended_because,
            notes,
        }
    }

    fn frame(&self, state: &State, stack: Option<&StackRange>) -> Frame {
        Frame {
            ip: VirtAddr(state.ip),
            sp: VirtAddr(state.sp),
            interrupted: state.exact,
            location: self.name(state.ip, state.exact),
            stack: stack.map(|s| s.kind.clone()),
            found_by: state.found_by,
        }
    }

    /// Names an address. A return address may stand behind the last instruction of a function that
    /// never returns: its call is what is looked up.
    fn name(&self, ip: u64, exact: bool) -> Option<Location> {
        if exact {
            return self.kernel.locate(VirtAddr(ip));
        }
        let mut location = self.kernel.locate(VirtAddr(ip.wrapping_sub(1)))?;
        location.offset = location.offset.checked_add(1)?;
        Some(location)
    }

    /// What stands above the last frame that could be unwound, on the same stack.
    fn rest(&self, walk: &Walk<'_, '_>, state: &State, already: usize) -> Vec<Frame> {
        let Some(range) = walk.stack_of(state.sp) else {
            return Vec::new();
        };
        let bottom = VirtAddr(state.sp.wrapping_add(7) & !7);
        let rest = StackRange {
            bottom,
            ..range.clone()
        };
        let mut frames = self.scan_range(&rest).unwrap_or_default();
        frames.truncate(MAX_SCANNED.saturating_sub(already));
        frames
    }

    /// Return addresses on a stack, lowest first: words with a call instruction before them.
    fn scan_range(&self, range: &StackRange) -> Result<Vec<Frame>> {
        let size = range.top.0.saturating_sub(range.bottom.0);
        let stack = self.kernel.stack_at(range.bottom, size)?;
        let mut words = self.kernel.code_words(&stack);
        words.reverse();
        words.retain(|word| self.follows_call(word.value));
        words.truncate(MAX_SCANNED);
        let frame = |word: crate::stack::CodeWord| Frame {
            ip: word.value,
            sp: word.at,
            interrupted: false,
            location: self.name(word.value.0, false),
            stack: Some(range.kind.clone()),
            found_by: FoundBy::Scan,
        };
        Ok(words.into_iter().map(frame).collect())
    }

    fn scan(&self, stacks: Vec<StackRange>, why: &str) -> Backtrace {
        let mut frames = Vec::new();
        let mut failed = None;
        for range in &stacks {
            match self.scan_range(range) {
                Ok(found) => frames.extend(found),
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
            notes: vec![why.to_owned()],
        }
    }

    /// Whether the instruction before `ip` is a call: `e8 rel32`, or `ff /2` in 2 to 7 bytes.
    fn follows_call(&self, ip: VirtAddr) -> bool {
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

fn nothing(e: Error) -> Backtrace {
    let ended_because = Ended::NoStart(e);
    Backtrace {
        registers: None,
        frames: Vec::new(),
        ended_because,
        notes: Vec::new(),
    }
}

/// The way through the stacks, so that none is entered twice.
struct Walk<'u, 'k> {
    unwinder: &'u Unwinder<'k>,
    stacks: Vec<StackRange>,
    left: Vec<StackRange>,
}

impl Walk<'_, '_> {
    fn stack_of(&self, sp: u64) -> Option<&StackRange> {
        let sp = VirtAddr(sp);
        let inside = |s: &&StackRange| s.bottom <= sp && sp < s.top;
        self.stacks
            .iter()
            .find(inside)
            .or_else(|| self.stacks.iter().find(|s| s.contains(sp)))
    }

    fn word(&self, at: u64) -> std::result::Result<u64, Ended> {
        self.unwinder
            .kernel
            .space()
            .u64(VirtAddr(at))
            .map_err(Ended::Unreadable)
    }

    /// The caller's frame.
    fn step(&mut self, state: &State) -> std::result::Result<State, Ended> {
        let next = match self.entry(state)? {
            Some(entry) => State {
                found_by: FoundBy::Orc,
                ..self.apply(&entry, state)?
            },
            None => self.without_entry(state)?,
        };
        if next.ip == 0 {
            return Err(astray(state, "the return address is null"));
        }
        self.check_progress(state, &next)?;
        Ok(next)
    }

    /// The caller of code that the tables do not describe.
    fn without_entry(&self, state: &State) -> std::result::Result<State, Ended> {
        if let Some(next) = self.by_call_site(state) {
            return Ok(next);
        }
        if self.frame_pointer_holds(state) {
            let next = self.apply(&FRAME_POINTER, state)?;
            return Ok(State {
                found_by: FoundBy::FramePointer,
                ..next
            });
        }
        Err(Ended::NoUnwindInfo(VirtAddr(state.ip)))
    }

    /// The rule for a frame, where the tables have one.
    fn entry(&self, state: &State) -> std::result::Result<Option<OrcEntry>, Ended> {
        let ip = VirtAddr(if state.exact {
            state.ip
        } else {
            state.ip.wrapping_sub(1)
        });
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

    /// The caller, found as the lowest word on the stack that stands behind a direct call of this
    /// very function.
    ///
    /// `__crash_kexec()` is left out of the tables (`STACK_FRAME_NON_STANDARD`), and every crashing
    /// CPU begins there. The frame pointer is where the function's own pushes put it.
    fn by_call_site(&self, state: &State) -> Option<State> {
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

    fn apply(&self, entry: &OrcEntry, state: &State) -> std::result::Result<State, Ended> {
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

    /// `struct pt_regs`, arch/x86/include/asm/ptrace.h: 21 words, the same since 2.6.24 in order.
    fn pt_regs(&self, at: u64) -> std::result::Result<UserRegs, Ended> {
        let mut words = [0u64; PT_REGS_WORDS];
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.word(at.wrapping_add(i as u64 * 8))?;
        }
        let [
            r15,
            r14,
            r13,
            r12,
            rbp,
            rbx,
            r11,
            r10,
            r9,
            r8,
            rax,
            rcx,
            rdx,
            rsi,
            rdi,
            rest @ ..,
        ] = words;
        let [orig_rax, rip, cs, rflags, rsp, ss] = rest;
        // CS and SS share their words with flags of FRED.
        let (cs, ss) = (cs & 0xffff, ss & 0xffff);
        Ok(UserRegs {
            r15,
            r14,
            r13,
            r12,
            rbp,
            rbx,
            r11,
            r10,
            r9,
            r8,
            rax,
            rcx,
            rdx,
            rsi,
            rdi,
            orig_rax,
            rip,
            cs,
            rflags,
            rsp,
            ss,
            ..UserRegs::default()
        })
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

fn astray(state: &State, why: &str) -> Ended {
    Ended::Astray {
        ip: VirtAddr(state.ip),
        why: why.to_owned(),
    }
}

/// Whether registers came from the CPU, not from a sleeping task's frame.
impl Registers {
    /// Whether they say what a CPU did when it was stopped.
    pub fn are_of_a_cpu(&self) -> bool {
        !matches!(self.source, RegisterSource::InactiveTask)
    }
}
