//! A report that is being read: its lines in their order, from the head to the end.

use super::head::{self, Facts, Head};
use super::kind::{CrashKind, Nature};
use super::model::{Crash, Trace};
use super::{registers, taint};
use crate::Frame;
use crate::carrier::{Caller, LogLine};
use crate::dumpstack::{CpuLine, StackLine, release, stack_line};
use crate::frame::FrameLine;
use crate::limits;
use crate::text::{is_rule, keep, number};

/// Where frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// No trace has begun: the next frame begins the report's own.
    None,
    /// The report's own.
    Own,
    /// A further one.
    Further,
    /// The trace is over: frames without a new heading belong to nothing.
    Over,
}

/// What a line was to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Yes,
    No,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) crash: Crash,
    pub(super) caller: Option<Caller>,
    /// Other callers that print a part of it: the NMI backtraces of other CPUs.
    guests: Vec<Caller>,
    /// It is a report of its own, not only a text that a WARN or a BUG beside it would make one.
    pub(super) firm: bool,
    /// die()'s line was seen.
    pub(super) died: bool,
    /// It is a BUG(), so die()'s line is to come.
    pub(super) bug: bool,
    /// A report of lock debugging: read for what is its own, and left to the other machine.
    pub(super) of_locks: bool,
    /// The function that the head names.
    pub(super) named: Option<String>,
    /// The end was seen.
    pub(super) ended: bool,
    /// The first line naming CPU and task was seen.
    has_task_line: bool,
    has_registers: bool,
    /// Where an interrupt came upon what its own CPU did: the symbol of registers inside a stack.
    pub(super) interrupted: Option<String>,
    target: Target,
    /// A heading whose stack has not begun.
    heading: Option<String>,
    /// Lines since the last one of its own.
    quiet: u64,
    /// Lines since the head.
    age: u64,
}

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
    pub(super) fn new(kind: CrashKind, line: &LogLine<'_>) -> Self {
        let mut crash = Crash::new(kind, line.number);
        crash.timestamp = line.time;
        crash.caller = line.caller.map(|c| c.to_string());
        Self {
            crash,
            caller: line.caller,
            guests: Vec::new(),
            firm: true,
            died: false,
            bug: false,
            interrupted: None,
            of_locks: false,
            named: None,
            ended: false,
            has_task_line: false,
            has_registers: false,
            target: Target::None,
            heading: None,
            quiet: 0,
            age: 0,
        }
    }

    /// A report that begins with this head.
    pub(super) fn of_head(head: &Head<'_>, line: &LogLine<'_>) -> Self {
        let mut open = Self::new(head.kind, line);
        open.firm = head.firm;
        open.crash.message = Some(keep(head.text));
        open.note_head(head);
        open
    }

    /// Takes over what a head says.
    pub(super) fn note_head(&mut self, head: &Head<'_>) {
        let facts = head::facts(head.kind, head.text);
        self.note_facts(facts);
        self.bug |= head.text.contains("BUG at ");
        self.firm |= head.firm;
        if let Some(n) = head.die {
            self.died = true;
            self.firm = true;
            self.crash.oops = self.crash.oops.or(Some(n));
        }
    }

    fn note_facts(&mut self, facts: Facts) {
        let crash = &mut self.crash;
        crash.cpu = crash.cpu.or(facts.cpu);
        crash.seconds = crash.seconds.or(facts.seconds);
        crash.note_task(facts.comm.as_deref(), facts.pid);
        crash.location = crash.location.take().or(facts.location);
        crash.address = crash.address.take().or(facts.address);
        self.named = self.named.take().or(facts.function);
    }

    /// Whether the lines of the head may still go on: no line of a dump has come.
    pub(super) fn is_young(&self) -> bool {
        !self.has_task_line
            && self.target == Target::None
            && self.crash.trace.is_empty()
            && self.age <= self.patience()
    }

    /// Lines that a head may wait for its next one: others print in between where no caller ids tell
    /// them apart.
    fn patience(&self) -> u64 {
        if self.firm && self.caller.is_none() {
            limits::GRACE_LINES
        } else {
            limits::HEAD_LINES
        }
    }

    /// Whether it gets no more lines.
    pub(super) fn is_stale(&self) -> bool {
        let grace = if !self.firm {
            limits::HEAD_LINES
        } else if self.ended || self.caller.is_some() {
            limits::GRACE_LINES_CALLER.saturating_mul(4)
        } else {
            limits::GRACE_LINES
        };
        self.quiet > grace || self.age > limits::REPORT_LINES
    }

    /// Whether this caller's lines may be its own.
    pub(super) fn may_own(&self, caller: Option<Caller>) -> bool {
        match caller {
            Some(c) => self.caller == Some(c) || self.guests.contains(&c),
            None => self.caller.is_none(),
        }
    }

    /// Whether other CPUs print their backtraces into it.
    pub(super) fn asks_others(&self) -> bool {
        matches!(
            self.crash.kind,
            CrashKind::RcuStall
                | CrashKind::SoftLockup
                | CrashKind::HardLockup
                | CrashKind::HungTask
        )
    }

    /// Lets another CPU print into it.
    pub(super) fn invite(&mut self, caller: Caller) {
        if self.guests.len() < limits::GUESTS && !self.guests.contains(&caller) {
            self.guests.push(caller);
        }
    }

    /// One more line of the log went by.
    pub(super) fn pass(&mut self) {
        self.quiet = self.quiet.saturating_add(1);
        self.age = self.age.saturating_add(1);
    }

    /// A line is its own.
    pub(super) fn own(&mut self, line: &LogLine<'_>) {
        self.crash.last_line = self.crash.last_line.max(line.number);
        self.quiet = 0;
    }

    /// The panic that it ends in.
    pub(super) fn panics(&mut self, said: &str, line: &LogLine<'_>) {
        self.own(line);
        self.crash.panic = Some(keep(said));
        self.crash.fatal = true;
        self.firm = true;
        // panic() prints a stack of its own; it is the report's where that has none.
        if self.crash.trace.is_empty() {
            self.target = Target::None;
        } else {
            self.end_trace();
            self.heading = Some(keep(line.text.trim()));
        }
    }

    /// Offers a line.
    pub(super) fn offer(&mut self, line: &LogLine<'_>) -> Take {
        let t = line.text.trim();
        let took = if t.is_empty() {
            self.blank()
        } else {
            self.read(line.text, t)
        };
        if took == Take::Yes && !t.is_empty() {
            self.own(line);
        }
        took
    }

    /// An empty line ends a stack that a heading began.
    fn blank(&mut self) -> Take {
        if self.target == Target::Further {
            self.target = Target::Over;
        }
        if self.target == Target::Own && self.crash.kind.nature() == Nature::Report {
            let sanitizer = matches!(
                self.crash.kind,
                CrashKind::Kasan | CrashKind::Kfence | CrashKind::Kmsan | CrashKind::Kcsan
            );
            if sanitizer {
                self.end_trace();
            }
        }
        Take::Yes
    }

    fn read(&mut self, text: &str, t: &str) -> Take {
        // A symbolizer makes lines of it that look like frames.
        if IRQ_TRACE.iter().any(|w| t.starts_with(w)) {
            return Take::Yes;
        }
        if self.heading(t) {
            return Take::Yes;
        }
        if self.pointer(t) {
            return Take::Yes;
        }
        // `<NMI>  [<ffff…>] func`: the mark of a stack before the first frame on it.
        let unmarked = without_marks(text);
        match stack_line(unmarked) {
            StackLine::Cpu(cpu) => self.task_line(&cpu),
            StackLine::Head | StackLine::DamagedHead => self.begin_trace(),
            StackLine::Frame(found) => self.frame(found),
            StackLine::Mark { .. } => {}
            StackLine::UserMode => self.end_trace(),
            StackLine::Detail => self.detail(t),
            StackLine::End => {
                self.ended = true;
                self.end_trace();
            }
            StackLine::Other => return self.other(text, t),
        }
        Take::Yes
    }

    /// The heading of a further stack, or of a part that has none.
    fn heading(&mut self, t: &str) -> bool {
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
                self.target = Target::None;
            } else {
                self.end_trace();
                self.heading = Some(keep(plain));
            }
            return true;
        }
        if plain.starts_with("backtrace") && self.crash.kind == CrashKind::Kmemleak {
            self.target = Target::Own;
            return true;
        }
        if !HEADINGS.iter().any(|h| plain.starts_with(h)) {
            return false;
        }
        self.end_trace();
        self.heading = Some(keep(plain));
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
    fn pointer(&mut self, t: &str) -> bool {
        if !registers::is_pointer(t) {
            return false;
        }
        if let Some(symbol) = registers::pointer(t) {
            let unknown = self.crash.at.as_deref().is_none_or(|a| a.starts_with("0x"));
            // Registers inside a backtrace are of what an interrupt came upon.
            if unknown
                && (self.target == Target::None
                    || self.target == Target::Over && self.crash.trace.is_empty())
            {
                self.crash.at = Some(symbol);
            } else if self.target == Target::Own && self.interrupted.is_none() {
                self.interrupted = Some(symbol);
            }
            if let Some(cpu) = t.split_once(" CPU: ").and_then(|(_, r)| number(r)) {
                self.crash.cpu = self.crash.cpu.or(u32::try_from(cpu.0).ok());
            }
            return true;
        }
        if matches!(stack_line(t), StackLine::UserMode) {
            return false;
        }
        if self.target == Target::None && !self.has_registers {
            registers::read(t, &mut self.crash.registers);
        }
        if let Some(cpu) = t.split_once(" CPU: ").and_then(|(_, r)| number(r)) {
            self.crash.cpu = self.crash.cpu.or(u32::try_from(cpu.0).ok());
        }
        true
    }

    fn task_line(&mut self, found: &CpuLine<'_>) {
        // dump_stack() begins: what was being printed is over.
        if matches!(self.target, Target::Own | Target::Further) {
            self.end_trace();
        }
        let crash = &mut self.crash;
        if !self.has_task_line {
            crash.cpu = crash.cpu.or(found.cpu);
            crash.note_task(Some(found.comm), Some(found.pid));
            crash.taint = found.taint_letters().and_then(taint::read);
        }
        self.has_task_line = true;
        self.firm |= self.crash.kind != CrashKind::CpuTrap;
        let crash = &mut self.crash;
        crash.release = crash
            .release
            .take()
            .or_else(|| found.release.map(|r| keep(r.trim_start_matches('('))));
    }

    fn begin_trace(&mut self) {
        if self.crash.trace.is_empty() && self.heading.is_none() {
            self.target = Target::Own;
        } else {
            self.begin_further();
        }
    }

    fn begin_further(&mut self) {
        // A heading without frames yet goes on to the stack that comes.
        let heading = self.heading.take();
        if self.crash.trace.is_empty() && own_first(self.crash.kind, heading.as_deref()) {
            self.target = Target::Own;
            return;
        }
        if self.crash.traces.len() >= limits::TRACES {
            self.target = Target::Over;
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
        self.target = Target::Further;
    }

    fn end_trace(&mut self) {
        self.target = Target::Over;
        self.heading = None;
    }

    fn frame(&mut self, line: FrameLine) {
        if self.target == Target::None || self.heading.is_some() {
            if self.heading.is_some() {
                self.begin_further();
            } else {
                self.target = Target::Own;
            }
        }
        let frames = match self.target {
            Target::Own => &mut self.crash.trace,
            Target::Further => match self.crash.traces.last_mut() {
                Some(trace) => &mut trace.frames,
                None => return,
            },
            Target::None | Target::Over => return,
        };
        push(frames, line);
    }

    fn detail(&mut self, t: &str) {
        let trace_begun =
            !matches!(self.target, Target::None | Target::Over) || !self.crash.trace.is_empty();
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
            self.has_registers = true;
        }
    }

    /// Lines that are no part of a dump: those of the head, and the remarks of checkers.
    fn other(&mut self, text: &str, t: &str) -> Take {
        if is_rule(t) {
            if self.crash.kind.nature() == Nature::Report && !self.crash.trace.is_empty() {
                self.ended = true;
                self.end_trace();
            }
            return Take::Yes;
        }
        // A frame behind blanks that `frame` alone would take for text of a driver.
        if let Some(found) = inline_of_old_symbolizer(t) {
            self.frame(found);
            return Take::Yes;
        }
        let cpu = t.strip_prefix("CPU:").or_else(|| t.strip_prefix("CPU "));
        if let Some((cpu, "")) = cpu.and_then(|r| number(r.trim_start())) {
            self.crash.cpu = self.crash.cpu.or(u32::try_from(cpu).ok());
            return Take::Yes;
        }
        self.task_in_words(t);
        if let Some(found) = release(t).filter(|_| is_taint_line(t)) {
            self.crash
                .release
                .get_or_insert_with(|| keep(found.trim_start_matches('(')));
            return Take::Yes;
        }
        if self.is_note(t) {
            if self.crash.notes.len() < limits::REMARKS {
                self.crash.notes.push(keep(t));
            }
            return Take::Yes;
        }
        if OWN_WORDS.iter().any(|w| t.starts_with(w)) {
            self.address_in_words(t);
            return Take::Yes;
        }
        // Sections of KASAN and its kin are indented or quoted; nothing in them is needed.
        if text.starts_with("  ") && self.crash.kind.nature() == Nature::Report && self.quiet < 8 {
            return Take::Yes;
        }
        Take::No
    }

    /// `Read of size 8 by task swapper/0/1`, `comm "swapper/0", pid 1, jiffies …`.
    fn task_in_words(&mut self, t: &str) {
        match self.crash.kind {
            CrashKind::Kasan => {
                let named = t
                    .rsplit_once("by task ")
                    .filter(|_| t.contains(" of size "))
                    .and_then(|(_, who)| who.rsplit_once('/'));
                if let Some((comm, pid)) = named
                    && let Ok(pid) = pid.parse()
                {
                    self.crash.note_task(Some(comm), Some(pid));
                }
            }
            CrashKind::Kmemleak => {
                let named = t
                    .strip_prefix("comm \"")
                    .and_then(|r| r.split_once("\", pid "));
                if let Some((comm, rest)) = named
                    && let Some((pid, _)) = number(rest)
                {
                    self.crash.note_task(Some(comm), i64::try_from(pid).ok());
                }
            }
            _ => {}
        }
    }

    fn address_in_words(&mut self, t: &str) {
        if self.crash.address.is_none()
            && let Some(value) = t
                .strip_prefix("FAR: ")
                .or_else(|| t.strip_prefix("Failing address: "))
        {
            let digits = value.split(' ').next().unwrap_or(value);
            let digits = digits.strip_prefix("0x").unwrap_or(digits);
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                self.crash.address = Some(keep(&format!("0x{digits}")));
            }
        }
    }

    fn is_note(&self, t: &str) -> bool {
        const NOTES: &[&str] = &[
            "KASAN: ",
            "kasan: ",
            "#PF: ",
            "page dumped because",
            "Read of size",
            "Write of size",
            "Recursive fault",
            "Fixing recursive fault",
            "Thread overran stack",
            "Aborting core",
            "Dazed and confused",
            "Do you have a strange power saving mode",
            "Rebooting in ",
            "Kernel Offset",
            "note: ",
        ];
        NOTES.iter().any(|n| t.starts_with(n))
    }
}

/// What lockdep knows of interrupts, printed between the head and the dump.
const IRQ_TRACE: &[&str] = &["irq event stamp", "hardirqs last", "softirqs last"];

/// Further lines of a report's head, whose content is not kept.
const OWN_WORDS: &[&str] = &[
    "PGD ",
    "*pde",
    "*pdpt",
    "Oops",
    "pgd = ",
    "[0",
    "[f",
    "[d",
    "[c",
    "Mem abort info",
    "ESR ",
    "ESR: ",
    "Data abort info",
    "FAR: ",
    "EC = ",
    "SET = ",
    "FSC = ",
    "ISV = ",
    "CM = ",
    "user pgtable",
    "swapper pgtable",
    "Failing address: ",
    "Fault in ",
    "Faulting instruction address",
    "SMP NR_CPUS",
    "LE PAGE_SIZE",
    "BE PAGE_SIZE",
    "PREEMPT",
    "Task stack:",
    "IRQ stack:",
    "Overflow stack:",
    "Dumping ftrace buffer",
    "(ftrace buffer empty)",
    "---",
    "last sysfs file",
    "irq event stamp",
    "hardirqs last",
    "softirqs last",
    "SMP: ",
    "CPU features",
    "Memory Limit",
    "PHYS_OFFSET",
    "The buggy address",
    "which belongs",
    "raw: ",
    "page:",
    "flags: ",
    "head: ",
    "page_owner",
    "Sending NMI",
    "\"echo 0 >",
    "(detected by",
    "All QSes seen",
    "rcu: ",
    "task:",
    "Tainted: ",
    "hex dump",
    "comm \"",
    "Reported by Kernel",
    "INFO: lockdep is turned off",
    "Instruction dump",
    "Instruction DUMP",
];

/// `      Not tainted 4.8.0-rc1 #3`.
fn is_taint_line(t: &str) -> bool {
    t.starts_with("Not tainted ") || t.starts_with("Tainted: ")
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

/// Strips `<NMI>`, `<<EOE>>`, `<IRQ>` before a frame.
fn without_marks(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(inside) = rest.strip_prefix('<') {
        let Some((mark, behind)) = inside.split_once('>') else {
            break;
        };
        let mark = mark.trim_matches(['<', '/', '#']);
        let behind = behind.trim_start_matches('>').trim_start();
        let is_mark = (1..=8).contains(&mark.len()) && mark.bytes().all(|b| b.is_ascii_uppercase());
        if !is_mark || behind.is_empty() {
            break;
        }
        rest = behind;
    }
    if rest.len() == text.trim_start().len() {
        text
    } else {
        rest
    }
}

/// `[<     inline     >] func dir/file.c:12`, of syzkaller's first symbolizer.
fn inline_of_old_symbolizer(t: &str) -> Option<FrameLine> {
    let rest = t.strip_prefix("[<")?;
    let (mark, rest) = rest.split_once(">]")?;
    if !matches!(mark.trim(), "inline" | "inlined") {
        return None;
    }
    let (function, source) = rest.trim().split_once(' ')?;
    Some(FrameLine::Inline(crate::Inlined {
        function: keep(function),
        source: keep(source),
    }))
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
