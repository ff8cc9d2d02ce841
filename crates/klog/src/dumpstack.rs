//! The lines of dump_stack() and of the register dumps around it.
//!
//! dump_stack_print_info (lib/dump_stack.c): `CPU: N [UID: N ]PID: N Comm: COMM [Kdump: loaded ]`
//! `(Not tainted|Tainted: LETTERS) RELEASE #B …`, with the UID since 6.11; before 3.10 each
//! architecture printed `Pid: N, comm: COMM Not tainted RELEASE #B` itself.

use crate::frame::{FrameLine, bracketed, frame};
use crate::text::{hex_digits, is_pointer, number};

/// The line that names CPU and task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuLine<'a> {
    pub(crate) cpu: Option<u32>,
    pub(crate) pid: i64,
    pub(crate) comm: &'a str,
    pub(crate) release: Option<&'a str>,
    /// What stands behind the name.
    tail: &'a str,
}

impl CpuLine<'_> {
    /// What stands behind `Tainted: `, the release too.
    pub(crate) fn taint_letters(&self) -> Option<&str> {
        self.tail
            .split_once("Tainted: ")
            .map(|(_, letters)| letters)
    }

    /// Build and taint, as [`Splat::taint`](super::Splat::taint) has them.
    pub(crate) fn taint(&self) -> Option<String> {
        taint(self.tail)
    }
}

/// What a line is to a backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StackLine<'a> {
    /// `CPU: … PID: …`.
    Cpu(CpuLine<'a>),
    /// `Call Trace:`.
    Head,
    /// `Call Trace:` behind other text on one line: two CPUs wrote over each other.
    DamagedHead,
    /// A frame.
    Frame(FrameLine),
    /// `<TASK>`, `<IRQ>` and their kin; for `<TASK>` whether it opens.
    Mark { opens_task: Option<bool> },
    /// User-mode registers: nothing but registers follows.
    UserMode,
    /// Registers, stack words, names of hardware and work queues: part of the dump, not kept.
    Detail,
    /// `---[ end trace … ]---`.
    End,
    /// Nothing of a backtrace.
    Other,
}

/// Starts of the lines that belong to a dump and say nothing of the lock.
const DETAILS: &[&str] = &[
    "Hardware name:",
    "Workqueue:",
    "Stopper:",
    "Sched_ext:",
    "Tainted: [",
    "Modules linked in:",
    "Unloaded tainted modules:",
    "task: ",
    "Stack:",
    "Stack :",
    "Stack from ",
    "Code:",
    "RIP:",
    "RIP ",
    "RSP:",
    "RSP ",
    "RAX:",
    "RDX:",
    "RBP:",
    "R10:",
    "R13:",
    "FS:",
    "CS:",
    "CR2:",
    "DR0:",
    "DR3:",
    "PKRU:",
    "EIP:",
    "EAX:",
    "ESI:",
    "DS:",
    "CR0:",
    "EFLAGS:",
    "ORIG_RAX:",
    "pstate:",
    "pc :",
    "lr :",
    "sp :",
    "pc is at",
    "PC is at",
    "LR is at",
    "psr:",
    "pmr_save:",
    "Flags:",
    "Control:",
    "Process ",
    "Exception stack(",
    "NIP:",
    "NIP [",
    "LR [",
    "REGS:",
    "MSR:",
    "CFAR:",
    "GPR",
    "IRQMASK:",
    "epc :",
    "status:",
    "badaddr:",
    "Krnl PSW",
    "Krnl GPRS",
    "Krnl Code",
    "Call Trace Sources:",
    "--- interrupt:",
    "---- interrupt:",
    "--- Exception:",
    "[last unloaded:",
    "PSW :",
    "User process fault",
    "IAOQ",
    "caller frame",
    "ra: ",
    "$ 0",
    "$ 4",
    "$ 8",
    "$12",
    "$16",
    "$20",
    "$24",
    "$28",
    "Hi    :",
    "Lo    :",
    "epc   :",
    "ra    :",
    "Status:",
    "Cause :",
    "PrId  :",
    "ERA:",
    "CSR",
    "CRMD:",
    "PRMD:",
    "EUEN:",
    "ECFG:",
    "ESTAT:",
    "BADV:",
    "PRID:",
];

/// Classifies one line.
pub(crate) fn stack_line(text: &str) -> StackLine<'_> {
    let t = text.trim();
    if let Some(cpu) = cpu_line(t) {
        return StackLine::Cpu(cpu);
    }
    if matches!(
        t,
        "Call Trace:" | "Call trace:" | "Backtrace:" | "Stack Trace:" | "Trace:"
    ) || is_inline_head(t)
    {
        return StackLine::Head;
    }
    if t.ends_with("Call Trace:") && t.len() < 200 {
        return StackLine::DamagedHead;
    }
    if let Some(mark) = mark(t) {
        return mark;
    }
    if let Some(frame) = marked_frame(t) {
        return StackLine::Frame(frame);
    }
    if t.starts_with("---[ end trace") {
        return StackLine::End;
    }
    if is_user_mode(t) {
        return StackLine::UserMode;
    }
    if DETAILS.iter().any(|d| t.starts_with(d)) || is_registers(t) || is_words(t) {
        return StackLine::Detail;
    }
    frame(text).map_or(StackLine::Other, StackLine::Frame)
}

/// `Call Trace: <TASK>` where lines were joined, and what arm's c_backtrace adds.
fn is_inline_head(t: &str) -> bool {
    t.strip_prefix("Call Trace:")
        .is_some_and(|rest| mark(rest.trim()).is_some())
        || [
            "Backtrace: frame pointer",
            "Backtrace: invalid frame pointer",
            "Backtrace: no frame pointer",
        ]
        .iter()
        .any(|b| t.starts_with(b))
}

/// `<IRQ>`, `</IRQ>`, `<#DF>`, `<EOI>`: names in angle brackets.
fn mark(t: &str) -> Option<StackLine<'static>> {
    let inside = t.strip_prefix('<')?.strip_suffix('>')?;
    let closing = inside.strip_prefix('/');
    let name = closing.unwrap_or(inside).trim_start_matches('#');
    if name.is_empty()
        || name.len() > 20
        || !name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'-') || b.is_ascii_digit())
    {
        return None;
    }
    Some(StackLine::Mark {
        opens_task: (name == "TASK").then_some(closing.is_none()),
    })
}

/// ` <IRQ>  [<ffff…>] f+0x1/0x2`: up to 4.9 a mark stands before the first frame of its stack.
fn marked_frame(t: &str) -> Option<FrameLine> {
    let (word, rest) = t.split_once('>')?;
    mark(t.get(..word.len().saturating_add(1))?)?;
    let rest = rest.trim_start();
    frame(rest).or_else(|| marked_frame(rest))
}

/// `RIP: 0033:` (64 bit), `0023:` (compat) or `e033:` (Xen): the code segments of user mode. s390 ends
/// with the last branch, which is no frame.
fn is_user_mode(t: &str) -> bool {
    [
        "RIP: 0033:",
        "RIP: 0023:",
        "EIP: 0073:",
        "RIP: e033:",
        "Last Breaking-Event-Address:",
    ]
    .iter()
    .any(|p| t.starts_with(p))
}

/// The task line of a dump.
fn cpu_line(t: &str) -> Option<CpuLine<'_>> {
    if let Some(rest) = t.strip_prefix("CPU: ") {
        let (cpu, rest) = number(rest)?;
        let (_, rest) = rest.split_once("PID: ").filter(|(gap, _)| gap.len() < 24)?;
        return named_task(u32::try_from(cpu).ok(), rest, " Comm: ");
    }
    named_task(None, t.strip_prefix("Pid: ")?, ", comm: ")
}

/// `PID<separator>COMM … (Not tainted|Tainted: LETTERS) RELEASE #B`.
fn named_task<'a>(cpu: Option<u32>, rest: &'a str, separator: &str) -> Option<CpuLine<'a>> {
    let (sign, digits) = rest.strip_prefix('-').map_or((1i64, rest), |r| (-1, r));
    let (pid, rest) = number(digits)?;
    let rest = rest.strip_prefix(separator)?;
    let end = ["Kdump: loaded", "Not tainted", "Tainted: "]
        .iter()
        .filter_map(|w| rest.find(w))
        .min();
    let (comm, tail) = end
        .and_then(|e| rest.split_at_checked(e))
        .unwrap_or((rest, ""));
    Some(CpuLine {
        cpu,
        pid: i64::try_from(pid).ok()?.checked_mul(sign)?,
        comm: comm.trim(),
        release: release(tail),
        tail,
    })
}

/// `#1 Not tainted` of `[Kdump: loaded ](Not tainted|Tainted: LETTERS) RELEASE #1`: in the order of the
/// line between the rules of a report.
fn taint(s: &str) -> Option<String> {
    let release = release(s)?;
    let (words, build) = s.split_once(&format!("{release} #"))?;
    let (build, _) = number(build)?;
    let words = words.trim_start_matches("Kdump: loaded ").trim_end();
    Some(format!("#{build} {words}"))
}

/// The word before ` #B`.
pub(crate) fn release(s: &str) -> Option<&str> {
    let mut from = 0usize;
    while let Some(at) = s.get(from..)?.find(" #") {
        let at = from.checked_add(at)?;
        let (head, tail) = s.split_at_checked(at)?;
        if tail.get(2..)?.starts_with(|c: char| c.is_ascii_digit()) {
            let word = head.rsplit(' ').next()?;
            return if word.is_empty() { None } else { Some(word) };
        }
        from = at.checked_add(2)?;
    }
    None
}

/// ` r7:00000080 r6:60000093`, `x29: ffff… x28: …`, `1bc0: 00000001 …`: names of registers or
/// offsets with values.
fn is_registers(t: &str) -> bool {
    let (name, rest) = match t.split_once(':') {
        Some(split) if split.0.len() <= 5 => split,
        _ => return false,
    };
    let name = name.trim_end();
    let register = name.starts_with(['r', 'x', 'a', 's', 't', 'R'])
        && name.len() >= 2
        && name
            .get(1..)
            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let offset = (3..=5).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
    let named = matches!(name, "gp" | "tp" | "sp" | "ip" | "fp" | "lr" | "pc" | "ra");
    let value = rest.trim_start().split([' ', ',']).next().unwrap_or("");
    (register || offset || named)
        && hex_digits(value).is_some_and(|(d, tail)| d.len() >= 4 && tail.is_empty())
}

/// Raw stack words: nothing but values of pointer width (x86 up to 4.9), or a cut row of them.
fn is_words(t: &str) -> bool {
    let mut any = false;
    for word in t.split(' ').filter(|w| !w.is_empty()) {
        if !is_pointer(word) && word != "Call" {
            return false;
        }
        any = true;
    }
    any
}

/// `[<ffffffff81>] sym`, what follows `Preemption disabled at:` or a released lock.
pub(crate) fn is_symbol_line(t: &str) -> bool {
    bracketed(t.trim()).is_some()
}

/// The first line of a fatal exception: what this task was printing ends here.
pub(crate) fn is_oops(t: &str) -> bool {
    [
        "Unable to handle kernel",
        "BUG: unable to handle",
        "BUG: kernel NULL pointer",
        "general protection fault",
        "Oops:",
        "Oops ",
        "Internal error:",
        "kernel BUG at ",
        "invalid opcode:",
        "double fault:",
        "stack segment:",
        "Unable to handle page fault",
        "divide error:",
        "Kernel access of bad area",
        "BUG: stack guard page",
        "PANIC: double fault",
        "traps: PANIC",
        "8<--- cut here",
        "[ cut here ]",
        "int3:",
        "bad mode in",
    ]
    .iter()
    .any(|p| t.starts_with(p))
}

/// The first line of a report that is not one of ours: KASAN, stalls, hung tasks, lockups.
pub(crate) fn is_foreign_report(t: &str) -> bool {
    [
        "BUG: ",
        "INFO: task ",
        "INFO: rcu",
        "rcu: INFO:",
        "watchdog: BUG",
        "NMI watchdog:",
        "NMI backtrace for",
        "UBSAN:",
        "Sending NMI",
        "sysrq: ",
        "Kernel panic - not syncing",
        "WARNING: ",
        "------------[ cut here ]",
    ]
    .iter()
    .any(|p| t.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_line_is_read_in_every_release() {
        for (text, cpu, pid, comm, release) in [
            (
                "CPU: 0 UID: 0 PID: 91 Comm: insmod Kdump: loaded Tainted: G           O        7.2.13-virtdbg #1 PREEMPTLAZY ",
                Some(0),
                91,
                "insmod",
                Some("7.2.13-virtdbg"),
            ),
            (
                "CPU: 1 PID: 0 Comm: swapper/1 Not tainted 4.13.0-rc6 #9",
                Some(1),
                0,
                "swapper/1",
                Some("4.13.0-rc6"),
            ),
            (
                "Pid: 1, comm: my task Not tainted 2.6.32 #1",
                None,
                1,
                "my task",
                Some("2.6.32"),
            ),
            (
                "CPU: 0 UID: 0 PID: 5622 Comm: x Not tainted syzkaller #0 PREEMPT_{RT,(full)} ",
                Some(0),
                5622,
                "x",
                Some("syzkaller"),
            ),
        ] {
            let StackLine::Cpu(found) = stack_line(text) else {
                panic!("{text}");
            };
            assert_eq!(
                (found.cpu, found.pid, found.comm, found.release),
                (cpu, pid, comm, release),
                "{text}"
            );
        }
    }

    #[test]
    fn build_and_taint_of_a_dump_are_put_in_the_order_of_a_header() {
        for (text, want) in [
            (
                "CPU: 3 UID: 0 PID: 1 Comm: a b Kdump: loaded Tainted: G           O        7.2.13-x #1 PREEMPT(full) ",
                Some("#1 Tainted: G           O"),
            ),
            (
                "CPU: 0 PID: 1 Comm: a Not tainted 4.4.0-x #12",
                Some("#12 Not tainted"),
            ),
            ("CPU: 0 PID: 1 Comm: a", None),
        ] {
            let StackLine::Cpu(found) = stack_line(text) else {
                panic!("{text}");
            };
            assert_eq!(found.taint().as_deref(), want);
        }
    }

    #[test]
    fn registers_words_and_marks_belong_to_a_dump() {
        for text in [
            " r10:8336a068 r9:00000000",
            "1bc0: 00000001 00000001",
            "x29: ffff80001289b990 x28: 0000000000000001",
            " ffff8801d614bd58 ffffffff81ca45ed",
            "RAX: 0000 RBX: 1",
            "Hardware name: x",
            "x9 : 30785d1575e13b00",
            "sp : ffff80001289b8b0",
        ] {
            assert_eq!(stack_line(text), StackLine::Detail, "{text}");
        }
        assert_eq!(
            stack_line(" </TASK>"),
            StackLine::Mark {
                opens_task: Some(false)
            }
        );
        assert_eq!(stack_line(" <#DF>"), StackLine::Mark { opens_task: None });
        assert_eq!(stack_line("RIP: 0033:0x47b7a0"), StackLine::UserMode);
        assert_eq!(
            stack_line("dffffc0000000000Call Trace:"),
            StackLine::DamagedHead
        );
        assert_eq!(stack_line("usb 2-1: new device"), StackLine::Other);
    }
}
