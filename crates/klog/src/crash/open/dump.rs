//! The dump of a report: the task, registers, instructions and stacks.

use super::super::kind::CrashKind;
use super::super::model::Trace;
use super::super::{registers, taint};
use super::{Open, Target};
use crate::Frame;
use crate::dumpstack::{CpuLine, StackLine, release, stack_line};
use crate::frame::FrameLine;
use crate::limits;
use crate::text::{keep, number};

/// The headings of further stacks.
const HEADINGS: &[&str] = &[
    "Allocated by task",
    "Freed by task",
    "Allocated in ",
    "Freed in ",
    "allocated by task",
    "freed by task",
    "Last potentially related work creation",
    "Second to last potentially related work creation",
    "Last call_rcu",
    "Uninit was stored to memory at",
    "Uninit was created at",
    "Local variable ",
    "page last allocated via",
    "page allocated via",
    "page last free ",
    "page_owner free stack trace",
    "NMI backtrace for cpu",
    "Task dump for CPU",
    "RCU grace-period kthread stack dump",
    "Stack dump where RCU GP kthread last ran",
    "Showing all locks",
    "Preemption disabled at",
    "value changed:",
    "Mem-Info:",
    "Memory state around",
    "The buggy address belongs",
    "handlers:",
];

impl Open {
    /// The heading of a further stack, or of a part that has none.
    pub(super) fn heading(&mut self, t: &str) -> bool {
        let plain = t
            .strip_prefix("rcu: ")
            .or_else(|| t.strip_prefix("INFO: "))
            .map_or(t, str::trim_start);
        // `kfence-#59: 0x…-0x…, size=32, cache=kmalloc-32` comes before the stack of the allocation.
        let access = self.crash.kind == CrashKind::Kcsan
            && (plain.starts_with("read") || plain.starts_with("write"))
            && plain.contains(" by ");
        let race = self.crash.kind == CrashKind::Kcsan && plain.starts_with("race at unknown");
        if access || race {
            self.kcsan_access(plain);
            if self.crash.trace.is_empty() {
                self.dump.target = Target::None;
            } else {
                self.end_trace();
                self.dump.heading = Some(keep(plain));
            }
            return true;
        }
        if plain.starts_with("backtrace") && self.crash.kind == CrashKind::Kmemleak {
            self.dump.target = Target::Own;
            return true;
        }
        if !HEADINGS.iter().any(|h| plain.starts_with(h)) {
            return false;
        }
        self.end_trace();
        self.dump.heading = Some(keep(plain));
        true
    }

    /// `write to 0x… of 4 bytes by task 19788 on cpu 0:`
    fn kcsan_access(&mut self, t: &str) {
        let key = "by task ";
        if let Some((pid, rest)) = t.split_once(key).and_then(|(_, r)| number(r))
            && self.crash.task.is_none()
            && t.starts_with("race")
        {
            self.crash.note_task(None, i64::try_from(pid).ok());
            self.crash.cpu = rest
                .split_once("on cpu ")
                .and_then(|(_, r)| number(r))
                .and_then(|(n, _)| u32::try_from(n).ok());
        }
    }

    /// The instruction pointer of the kernel; that of user mode ends the trace.
    pub(super) fn pointer(&mut self, t: &str) -> bool {
        if !registers::is_pointer(t) {
            return false;
        }
        if let Some(symbol) = registers::pointer(t) {
            let unknown = self.crash.at.as_deref().is_none_or(|a| a.starts_with("0x"));
            // Registers inside a backtrace are of what an interrupt came upon.
            if unknown
                && (self.dump.target == Target::None
                    || self.dump.target == Target::Over && self.crash.trace.is_empty())
            {
                self.crash.at = Some(symbol);
            } else if self.dump.target == Target::Own && self.dump.interrupted.is_none() {
                self.dump.interrupted = Some(symbol);
            }
            if let Some(cpu) = t.split_once(" CPU: ").and_then(|(_, r)| number(r)) {
                self.crash.cpu = self.crash.cpu.or(u32::try_from(cpu.0).ok());
            }
            return true;
        }
        if matches!(stack_line(t), StackLine::UserMode) {
            return false;
        }
        if self.dump.target == Target::None && !self.dump.has_registers {
            registers::read(t, &mut self.crash.registers);
        }
        if let Some(cpu) = t.split_once(" CPU: ").and_then(|(_, r)| number(r)) {
            self.crash.cpu = self.crash.cpu.or(u32::try_from(cpu.0).ok());
        }
        true
    }

    pub(super) fn task_line(&mut self, found: &CpuLine<'_>) {
        // dump_stack() begins: what was being printed is over.
        if matches!(self.dump.target, Target::Own | Target::Further) {
            self.end_trace();
        }
        let crash = &mut self.crash;
        if !self.dump.has_task_line {
            crash.cpu = crash.cpu.or(found.cpu);
            crash.note_task(Some(found.comm), Some(found.pid));
            crash.taint = found.taint_letters().and_then(taint::read);
        }
        self.dump.has_task_line = true;
        self.head.firm |= self.crash.kind != CrashKind::CpuTrap;
        let crash = &mut self.crash;
        crash.release = crash
            .release
            .take()
            .or_else(|| found.release.map(|r| keep(r.trim_start_matches('('))));
    }

    pub(super) fn begin_trace(&mut self) {
        if self.crash.trace.is_empty() && self.dump.heading.is_none() {
            self.dump.target = Target::Own;
        } else {
            self.begin_further();
        }
    }

    fn begin_further(&mut self) {
        // A heading without frames yet goes on to the stack that comes.
        let heading = self.dump.heading.take();
        if self.crash.trace.is_empty() && own_first(self.crash.kind, heading.as_deref()) {
            self.dump.target = Target::Own;
            return;
        }
        if self.crash.traces.len() >= limits::TRACES {
            self.dump.target = Target::Over;
            return;
        }
        let cpu = heading
            .as_deref()
            .and_then(|h| h.split_once("cpu ").or_else(|| h.split_once("CPU ")))
            .and_then(|(_, r)| number(r))
            .and_then(|(n, _)| u32::try_from(n).ok());
        self.crash.traces.push(Trace {
            heading,
            cpu,
            frames: Vec::new(),
        });
        self.dump.target = Target::Further;
    }

    pub(super) fn end_trace(&mut self) {
        self.dump.target = Target::Over;
        self.dump.heading = None;
    }

    pub(super) fn frame(&mut self, line: FrameLine) {
        if self.dump.target == Target::None || self.dump.heading.is_some() {
            if self.dump.heading.is_some() {
                self.begin_further();
            } else {
                self.dump.target = Target::Own;
            }
        }
        let frames = match self.dump.target {
            Target::Own => &mut self.crash.trace,
            Target::Further => match self.crash.traces.last_mut() {
                Some(trace) => &mut trace.frames,
                None => return,
            },
            Target::None | Target::Over => return,
        };
        push(frames, line);
    }

    pub(super) fn detail(&mut self, t: &str) {
        let trace_begun = !matches!(self.dump.target, Target::None | Target::Over)
            || !self.crash.trace.is_empty();
        if let Some(rest) = t.strip_prefix("Modules linked in:") {
            if self.crash.modules.is_empty() {
                let names = rest
                    .split_ascii_whitespace()
                    .take_while(|w| !w.starts_with('['));
                self.crash.modules = names.take(limits::MODULES).map(keep).collect();
            }
        } else if let Some(rest) = t.strip_prefix("Code:") {
            if self.crash.code.is_none() {
                self.crash.code = registers::code(rest);
            }
        } else if let Some(rest) = t.strip_prefix("Process ") {
            // `Process NAME (pid: N, …`, all that x86 up to 2.6.3x and arm say of the task.
            if let Some((comm, pid)) = rest.split_once(" (pid: ")
                && let Some((pid, _)) = number(pid)
            {
                self.crash.note_task(Some(comm), i64::try_from(pid).ok());
            }
        } else if !trace_begun {
            registers::read(t, &mut self.crash.registers);
            // `EFLAGS: 00010202   (2.6.24 #1)`, of x86 up to 2.6.25
            if let Some((_, rest)) = t.split_once("   (")
                && t.starts_with("EFLAGS:")
            {
                self.crash.release = self
                    .crash
                    .release
                    .take()
                    .or_else(|| release(rest).map(keep));
            }
        }
        if t.starts_with("CR2:") || t.starts_with("x0 ") || t.starts_with("r3 :") {
            self.dump.has_registers = true;
        }
    }
}

/// The stack that comes first is the report's own even below a heading, where the report is of it.
fn own_first(kind: CrashKind, heading: Option<&str>) -> bool {
    match kind {
        // Stacks of allocation and free are further ones even where the access has none.
        CrashKind::BadPage | CrashKind::Kasan | CrashKind::Kfence | CrashKind::SlabCorruption => {
            heading.is_none_or(|h| h.starts_with("NMI backtrace"))
        }
        _ => true,
    }
}

/// Adds a frame; inlined functions go to the frame that they are part of, which comes behind them.
fn push(frames: &mut Vec<Frame>, line: FrameLine) {
    match line {
        FrameLine::Inline(inline) => {
            // Kept with an empty frame until the function comes that it was inlined into.
            let waiting = frames.last().is_some_and(|f| f.function.is_empty());
            if !waiting && frames.len() < limits::FRAMES {
                frames.push(Frame::default());
            }
            if let Some(waiting) = frames.last_mut().filter(|f| f.function.is_empty())
                && waiting.inlined.len() < limits::INLINED
            {
                waiting.inlined.push(inline);
            }
        }
        FrameLine::Frame(mut found) | FrameLine::Return(mut found) => {
            if let Some(waiting) = frames.pop_if(|f| f.function.is_empty()) {
                found.inlined = waiting.inlined;
            }
            // `:module:func`, of kernels up to 2.6.27
            if let Some((module, function)) = found
                .function
                .strip_prefix(':')
                .and_then(|rest| rest.split_once(':'))
            {
                found.module = found.module.take().or_else(|| Some(keep(module)));
                found.function = keep(function);
            }
            if frames.len() < limits::FRAMES {
                frames.push(found);
            }
        }
    }
}
