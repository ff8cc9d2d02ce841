//! What was read for a piece of evidence. It becomes text once, in the report.

use std::fmt;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::Location;

/// A value as read, by what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A count, a flag or a number of the kernel's.
    Number(i64),
    /// A mask or a register.
    Mask(u64),
    /// A pointer.
    Pointer(VirtAddr),
    /// A physical address of a page.
    Page(u64),
    /// A place in code.
    Code(Location),
    /// A frame: its place, then its callers, innermost first.
    Frame(Location, Vec<Location>),
    /// What a CPU saved for the dump.
    Registers {
        /// The task that was current.
        pid: i32,
        /// The instruction pointer.
        rip: u64,
    },
    /// Registers that a hypervisor recorded.
    ControlRegisters {
        /// `CR0`.
        cr0: u64,
        /// `CR3`.
        cr3: u64,
        /// `CR4`.
        cr4: u64,
        /// The instruction pointer.
        rip: u64,
    },
    /// A slot or list that holds nothing.
    Empty,
    /// A slot that holds what makes no sense.
    Invalid,
    /// Which extensions a CPU has.
    Extensions {
        /// VMX.
        vmx: bool,
        /// SVM.
        svm: bool,
    },
    /// The hotplug state of a CPU that is online by it, and not by the mask.
    OfflineThough(i64),
    /// `crashing_cpu`.
    CrashingCpu(i32),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Mask(bits) => write!(f, "{bits:#x}"),
            Value::Pointer(to) => write!(f, "{:#x}", to.0),
            Value::Page(at) => write!(f, "page {at:#x}"),
            Value::Code(at) => write!(f, "{at}"),
            Value::Frame(at, callers) => write!(f, "{at}, called by {}", Callers(callers)),
            Value::Registers { pid, rip } => write!(f, "registers of pid {pid}, rip {rip:#x}"),
            Value::ControlRegisters { cr0, cr3, cr4, rip } => {
                write!(f, "cr0 {cr0:#x}, cr3 {cr3:#x}, cr4 {cr4:#x}, rip {rip:#x}")
            }
            Value::Empty => f.write_str("empty"),
            Value::Invalid => f.write_str("invalid"),
            Value::Extensions { vmx, svm } => {
                write!(f, "vmx={} svm={}", u8::from(*vmx), u8::from(*svm))
            }
            Value::OfflineThough(state) => write!(f, "offline, cpuhp_state {state} (online)"),
            Value::CrashingCpu(cpu) => write!(f, "crashing_cpu {cpu}"),
        }
    }
}

/// Callers, innermost first.
pub(super) struct Callers<'a>(pub(super) &'a [Location]);

impl fmt::Display for Callers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.0.split_first() else {
            return f.write_str("nobody");
        };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|caller| write!(f, " < {caller}"))
    }
}
