//! What each CPU was doing, and what processor it was.

use serde::Serialize;
use virtopsy_kernel::{CpuState, Doing, Kernel, Processor};

use super::error_text;
use crate::report::{Hex, REDACTED, Text, without_addresses};

/// The machine's processor and what each CPU was doing when the dump was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CpusFacts {
    /// The processor; `None` where `boot_cpu_data` can't be read.
    pub processor: Option<ProcessorFacts>,
    /// Each possible CPU, in order of number.
    pub states: Vec<CpuFacts>,
}

/// The processor that the kernel booted on (`boot_cpu_data`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessorFacts {
    /// `GenuineIntel`, `AuthenticAMD`.
    pub vendor: Text,
    /// Its name.
    pub model: Text,
    /// Family, as CPUID tells it.
    pub family: u64,
    /// Model.
    pub model_number: u64,
    /// Stepping.
    pub stepping: u64,
    /// Of the features that matter to virtualization those that were found.
    pub features: Vec<&'static str>,
}

/// What a CPU was doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CpuFacts {
    /// Its number.
    pub cpu: u32,
    /// Whether it was present; `None` where the mask can't be read.
    pub present: Option<bool>,
    /// Whether it was online.
    pub online: Option<bool>,
    /// In a guest, in user mode, idle, in the kernel, in words.
    pub doing: String,
    /// The vCPU, of a CPU in the guest.
    pub vcpu: Option<Hex>,
    /// Whether it was handling an NMI.
    pub in_nmi: Option<bool>,
    /// The crash stopped it: it waits in its NMI handler.
    pub parked: bool,
    /// The task that it ran.
    pub task: Option<CpuTaskFacts>,
    /// Where the registers came from.
    pub registers: Option<String>,
    /// The instruction pointer.
    pub ip: Option<Hex>,
    /// The function that it is in, with the offset.
    pub function: Option<Text>,
    /// Why the task or the registers are missing.
    pub missing: Vec<Text>,
}

/// The task that a CPU ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CpuTaskFacts {
    /// Its `task_struct`; absent in a redacted listing.
    pub address: Option<Hex>,
    /// Thread id.
    pub pid: i32,
    /// Name.
    pub comm: Text,
}

impl CpusFacts {
    pub(crate) fn read(kernel: &Kernel) -> virtopsy_kernel::Result<CpusFacts> {
        Ok(CpusFacts {
            processor: kernel.processor().ok().map(ProcessorFacts::from),
            states: kernel.cpu_states()?.iter().map(CpuFacts::from).collect(),
        })
    }

    /// Without addresses and names of tasks; functions stay.
    #[must_use]
    pub(crate) fn redacted(self) -> CpusFacts {
        CpusFacts {
            processor: self.processor,
            states: self.states.into_iter().map(CpuFacts::redacted).collect(),
        }
    }
}

impl From<Processor> for ProcessorFacts {
    fn from(found: Processor) -> ProcessorFacts {
        let [family, model_number, stepping] = found.family;
        ProcessorFacts {
            vendor: Text::new(found.vendor),
            model: Text::new(found.model),
            family,
            model_number,
            stepping,
            features: found.features,
        }
    }
}

impl From<&CpuState> for CpuFacts {
    fn from(found: &CpuState) -> CpuFacts {
        let registers = found.registers.as_ref().ok();
        let task = found.task.as_ref().ok();
        CpuFacts {
            cpu: found.cpu.0,
            present: found.present,
            online: found.online,
            doing: found.doing.to_string(),
            vcpu: match found.doing {
                Doing::Guest(vcpu) => Some(Hex(vcpu.0)),
                _ => None,
            },
            in_nmi: found.in_nmi,
            parked: found.parked,
            task: task.map(|task| CpuTaskFacts {
                address: Some(Hex(task.address.0)),
                pid: task.pid,
                comm: Text::new(task.comm.clone()),
            }),
            registers: registers.map(|r| r.source.to_string()),
            ip: registers.map(|r| Hex(r.values.rip)),
            function: found.location.as_ref().map(|at| Text::from(at.to_string())),
            missing: [found.task.as_ref().err(), found.registers.as_ref().err()]
                .into_iter()
                .flatten()
                .map(error_text)
                .collect(),
        }
    }
}

impl CpuFacts {
    fn redacted(self) -> CpuFacts {
        let task = |task: CpuTaskFacts| CpuTaskFacts {
            address: None,
            pid: task.pid,
            comm: Text::from(REDACTED),
        };
        let words = |text: &Text| {
            let text = String::from_utf8_lossy(text.as_bytes());
            Text::from(without_addresses(&text))
        };
        CpuFacts {
            vcpu: None,
            task: self.task.map(task),
            ip: None,
            function: self.function.as_ref().map(words),
            missing: self.missing.iter().map(words).collect(),
            ..self
        }
    }
}
