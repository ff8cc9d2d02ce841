//! Why the kernel died, as its memory tells: nothing here reads the log.
//!
//! What the dying CPU stood in says who called panic(), or which exception it took; panic()'s buffer
//! holds what it was told. Both are put into the form of a report of the log, so that one piece of
//! code finds whom to blame, and makes sentence and signature.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{Backtrace, CpuId, Fault, Frame, Kernel, PanicText, Result, Start};
use virtopsy_klog::{Crash, CrashKind, CrashTask};

use super::caller::{self, Vector};
use super::lockup;
use super::proof::{frame_of, proof, unread};
use crate::machine::{Machine, positive};
use crate::report::{ProofReport, TaskReport};

/// Below this an address is a null pointer and the offset of a member (`PAGE_SIZE`).
const NULL_PAGE: u64 = 4096;
/// Bits of a page fault's error code (arch/x86/include/asm/trap_pf.h).
const PROTECTION: u64 = 1;
const FETCH: u64 = 1 << 4;
/// `X86_TRAP_PF`.
const PAGE_FAULT: u64 = 14;

/// What memory says of a death.
#[derive(Debug, Default)]
pub(crate) struct Dying {
    /// The cause, where memory tells it.
    pub(crate) cause: Option<Crash>,
    /// What it stands on, and what could not be read.
    pub(crate) proof: Vec<ProofReport>,
    /// What panic() was told; empty where nobody called it, `None` where it can't be read.
    pub(crate) panic_text: Option<Vec<u8>>,
    /// Functions on the dying CPU's stack, innermost first; `None` where it could not be followed to
    /// its end.
    pub(crate) functions: Option<Vec<String>>,
    /// The CPU that a panic was handed over by (`panic_force_cpu=`).
    pub(crate) handed_over_by: Option<CpuId>,
}

impl Dying {
    /// What variables say: which CPU died, and what panic() was told.
    pub(crate) fn by_variables(machine: &Machine<'_>) -> Dying {
        let text = machine.kernel.panic_text();
        let mut proof = who_died(machine);
        proof.push(text_proof(&text));
        Dying {
            proof,
            panic_text: text.ok().map(|found| found.text),
            handed_over_by: positive(&machine.stop.panic_redirect_cpu),
            ..Dying::default()
        }
    }

    /// Adds what the stack of the CPU that died says, and the state of what it was about.
    pub(crate) fn ask_the_stack(
        &mut self,
        machine: &Machine<'_>,
        cpu: CpuId,
        task: Option<&TaskReport>,
    ) {
        let stack = machine.kernel.backtrace(Start::Cpu(cpu));
        let frames = stack.frames.iter().take_while(|f| f.is_reliable());
        let reliable: Vec<Frame> = frames.cloned().collect();
        if reliable.is_empty() {
            let why = stack.ended_because.to_string();
            self.proof
                .push(unread(&format!("stack of CPU {cpu}"), &why));
        }
        let named = || reliable.iter().map(|f| caller::function(f).to_owned());
        self.functions = stack.ended_because.is_complete().then(|| named().collect());
        let mut death = Death {
            kernel: machine.kernel,
            cpu,
            proof: Vec::new(),
        };
        let cause = death.cause(&stack, &reliable, self.panic_text.as_deref());
        self.cause = cause.map(|mut cause| {
            cause.fatal = true;
            cause.cpu = cause.cpu.or(Some(cpu.0));
            let current = || CrashTask {
                comm: task.map(|task| task.comm.to_string()),
                pid: task.map(|task| i64::from(task.pid)),
            };
            cause.task = cause.task.or_else(|| task.map(|_| current()));
            death.proof.extend(lockup::complete(machine, &mut cause));
            cause.blame();
            cause
        });
        self.proof.append(&mut death.proof);
    }
}

/// `panic_cpu` and `crashing_cpu`, and who held die()'s lock.
fn who_died(machine: &Machine<'_>) -> Vec<ProofReport> {
    let named = [
        (
            "panic_cpu",
            &machine.stop.panic_cpu,
            "the CPU that panicked, or went to the crash kernel",
        ),
        (
            "crashing_cpu",
            &machine.stop.crashing_cpu,
            "the CPU that stopped the others",
        ),
    ];
    let mut out = Vec::new();
    for (name, fact, why) in named {
        if let Ok(Some(read)) = fact
            && read.value >= 0
        {
            let value = read.value.to_string();
            out.push(proof(name, read.address, value.as_bytes(), why));
        }
    }
    let kernel = machine.kernel;
    let owner = kernel
        .symbol("die_owner")
        .and_then(|at| Ok((at, kernel.space().u32(at)? as i32)));
    if let Ok((at, owner)) = owner
        && owner >= 0
    {
        let why = "the CPU that was inside of die() when the dump was taken";
        out.push(proof("die_owner", at, owner.to_string().as_bytes(), why));
    }
    out
}

fn text_proof(text: &Result<PanicText>) -> ProofReport {
    const WHAT: &str = "panic text";
    match text {
        Ok(found) if found.text.is_empty() => proof(
            WHAT,
            found.address,
            b"",
            "panic()'s buffer is empty: nobody called it",
        ),
        Ok(found) => proof(
            WHAT,
            found.address,
            &found.text,
            "the message in panic()'s buffer",
        ),
        Err(e) => unread(WHAT, &e.to_string()),
    }
}

/// A death in the making.
struct Death<'k> {
    kernel: &'k Kernel,
    cpu: CpuId,
    proof: Vec<ProofReport>,
}

impl Death<'_> {
    fn cause(&mut self, stack: &Backtrace, frames: &[Frame], text: Option<&[u8]>) -> Option<Crash> {
        let told = text.filter(|t| !t.is_empty()).and_then(told);
        let behind = caller::behind_panic(frames);
        let rest = frames.get(behind..).unwrap_or_default();
        let is_oops = behind == 0 || caller::is_oops(rest);
        if let Some(found) = is_oops.then(|| self.fault(frames)).flatten() {
            return Some(Crash {
                panic: told.and_then(|t| t.panic),
                ..found
            });
        }
        let called = (behind > 0).then(|| caller::kind(rest)).flatten();
        if let Some((frame, kind)) = called {
            let place = frame.location.as_ref().map(ToString::to_string);
            self.proof.push(proof(
                &format!("stack of CPU {}", self.cpu),
                frame.sp,
                place.unwrap_or_default().as_bytes(),
                &format!("called panic(), as it does for a {}", kind.title()),
            ));
        }
        let mut cause = match (told, called) {
            (Some(told), Some((_, kind))) if told.kind == CrashKind::Panic => {
                Crash { kind, ..told }
            }
            (Some(told), _) => told,
            (None, Some((_, kind))) => Crash::new(kind, 0),
            // Without a message and without a caller that is known, a panic on the stack says only
            // that someone called it.
            (None, None) if behind > 0 && !rest.is_empty() => self.called_by(rest),
            (None, None) => return None,
        };
        let from = rest.iter().position(|f| f.interrupted);
        let from = from.filter(|_| caller::is_about_interrupted(cause.kind));
        let trace = rest.get(from.unwrap_or(0)..).unwrap_or_default();
        cause.at = from.and_then(|_| trace.first()?.location.as_ref().map(ToString::to_string));
        cause.trace = trace.iter().map(frame_of).collect();
        cause.cut = !stack.ended_because.is_complete();
        Some(cause)
    }

    fn called_by(&mut self, rest: &[Frame]) -> Crash {
        if let Some(frame) = rest.first() {
            let place = frame.location.as_ref().map(ToString::to_string);
            self.proof.push(proof(
                &format!("stack of CPU {}", self.cpu),
                frame.sp,
                place.unwrap_or_default().as_bytes(),
                "called panic()",
            ));
        }
        Crash::new(CrashKind::Panic, 0)
    }

    /// The exception that the dying CPU took.
    fn fault(&mut self, frames: &[Frame]) -> Option<Crash> {
        let (at, fault, vector) = frames
            .iter()
            .enumerate()
            .filter(|(_, f)| f.interrupted)
            .find_map(|(at, f)| {
                let fault = self.kernel.fault_at(f.ip, f.sp, self.cpu)?;
                let vector = Vector::of(&fault)?;
                Some((at, fault, vector))
            })?;
        let on = fault.stack.as_ref();
        let on = on.map_or_else(String::new, |kind| format!(", on the {kind} stack"));
        self.proof.push(proof(
            "pt_regs",
            fault.registers,
            format!("{}, error code {:#x}", fault.entry, fault.error_code).as_bytes(),
            &format!("the exception saved the dying CPU's registers there{on}"),
        ));
        let address = self.accessed(&fault, vector);
        let mut crash = Crash::new(self.fault_kind(&fault, vector, address), 0);
        crash.address = address.map(|at| format!("{at:#018x}"));
        let trace = frames.get(at..).unwrap_or_default();
        crash.at = trace
            .first()
            .and_then(|f| f.location.as_ref())
            .map(ToString::to_string);
        crash.trace = trace.iter().map(frame_of).collect();
        Some(crash)
    }

    /// The address whose access failed: where the instruction was fetched, what its operand names by
    /// the saved registers, or what the task's record of this very fault says.
    fn accessed(&mut self, fault: &Fault, vector: Vector) -> Option<u64> {
        if vector != Vector::PageFault {
            return None;
        }
        if fault.error_code & FETCH != 0 {
            return Some(fault.values.rip);
        }
        let by_registers = self.kernel.access_at(&fault.values).ok();
        if let Some(access) = &by_registers
            && let Some(address) = access.address
            && self.can_fault(address, fault)
        {
            self.proof.push(proof(
                "instruction",
                VirtAddr(fault.values.rip),
                access.text.as_bytes(),
                &format!("by the saved registers it accesses {address:#x}"),
            ));
            return Some(address);
        }
        let task = self.kernel.current_task(self.cpu).ok()?;
        let record = self.kernel.trap_record(task.address).ok()?;
        (record.vector == PAGE_FAULT && record.error_code == fault.error_code).then(|| {
            self.proof.push(proof(
                "thread.cr2",
                record.address,
                format!("{:#x}", record.cr2).as_bytes(),
                "the address that the task's record of the fault names",
            ));
            record.cr2
        })
    }

    /// Whether an access can fail as the error code says: not where the page is mapped, and the
    /// fault was that it is not.
    fn can_fault(&self, address: u64, fault: &Fault) -> bool {
        fault.error_code & PROTECTION != 0
            || self.kernel.space().translate(VirtAddr(address)).is_err()
    }

    fn fault_kind(&self, fault: &Fault, vector: Vector, address: Option<u64>) -> CrashKind {
        match vector {
            Vector::PageFault if address.is_some_and(|at| at < NULL_PAGE) => CrashKind::NullDeref,
            Vector::PageFault if fault.error_code & FETCH != 0 => CrashKind::ExecFault,
            Vector::PageFault => CrashKind::PageFault,
            Vector::GeneralProtection => CrashKind::GeneralProtection,
            Vector::InvalidOpcode => {
                let code = self.kernel.access_at(&fault.values);
                match code {
                    Ok(code) if code.is_ud2 => CrashKind::KernelBug,
                    _ => CrashKind::InvalidOpcode,
                }
            }
            Vector::Divide => CrashKind::DivideError,
            Vector::DoubleFault => CrashKind::DoubleFault,
            Vector::MachineCheck => CrashKind::Mce,
            Vector::Other => CrashKind::CpuTrap,
        }
    }
}

/// The report that the log would hold of a panic with that message.
fn told(text: &[u8]) -> Option<Crash> {
    let line = [b"Kernel panic - not syncing: ".as_slice(), text].concat();
    let record = virtopsy_klog::Record {
        text: &line,
        timestamp_ns: None,
        caller: None,
        level: Some(0),
        seq: 0,
        cont: false,
        newline: true,
    };
    let found = virtopsy_klog::scan_log_records([record]);
    let mut crash = found.crashes.into_iter().next()?;
    (crash.first_line, crash.last_line) = (0, 0);
    crash.guilty = None;
    if crash.kind != CrashKind::HardLockup {
        crash.cpu = None; // one that the message speaks of need not be the one that died
    }
    Some(crash)
}
