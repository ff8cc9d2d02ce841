//! The lines of a report, each by its shape or its words.

use super::super::kind::{CrashKind, Nature};
use super::{Open, Take, Target};
use crate::carrier::LogLine;
use crate::dumpstack::{StackLine, release, stack_line};
use crate::frame::FrameLine;
use crate::limits;
use crate::text::{is_rule, keep, number};

impl Open {
    /// Offers a line.
    pub(in crate::crash) fn offer(&mut self, line: &LogLine<'_>) -> Take {
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
        if self.dump.target == Target::Further {
            self.dump.target = Target::Over;
        }
        if self.dump.target == Target::Own && self.crash.kind.nature() == Nature::Report {
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
                self.pace.ended = true;
                self.end_trace();
            }
            StackLine::Other => return self.other(text, t),
        }
        Take::Yes
    }

    /// Lines that are no part of a dump: those of the head, and the remarks of checkers.
    fn other(&mut self, text: &str, t: &str) -> Take {
        if is_rule(t) {
            if self.crash.kind.nature() == Nature::Report && !self.crash.trace.is_empty() {
                self.pace.ended = true;
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
        if text.starts_with("  ")
            && self.crash.kind.nature() == Nature::Report
            && self.pace.quiet < 8
        {
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
