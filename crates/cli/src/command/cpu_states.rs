//! What each CPU was doing, and what processor it was: the second part of `virtopsy cpus`.

use std::fmt::Write as _;

use serde::Serialize;
use virtopsy::report::{Hex, REDACTED, Text, without_addresses};
use virtopsy_kernel::{CpuState, Doing, Error, Kernel, Processor};

use super::error_text;
use crate::page::clean;
use crate::terminal::Look;

/// The machine's processor and CPUs.
#[derive(Serialize)]
pub(crate) struct Machine {
    processor: Option<ProcessorEntry>,
    states: Vec<StateEntry>,
}

#[derive(Serialize)]
struct ProcessorEntry {
    vendor: Text,
    model: Text,
    family: u64,
    model_number: u64,
    stepping: u64,
    /// Of the features that matter to virtualization those that were found.
    features: Vec<&'static str>,
}

#[derive(Serialize)]
struct StateEntry {
    cpu: u32,
    present: Option<bool>,
    online: Option<bool>,
    doing: String,
    /// The vCPU, of a CPU in the guest.
    vcpu: Option<Hex>,
    in_nmi: Option<bool>,
    /// The crash stopped it: it waits in its NMI handler.
    parked: bool,
    task: Option<TaskEntry>,
    /// Where the registers came from.
    registers: Option<String>,
    ip: Option<Hex>,
    function: Option<Text>,
    missing: Vec<Text>,
}

#[derive(Serialize)]
struct TaskEntry {
    address: Option<Hex>,
    pid: i32,
    comm: Text,
}

impl Machine {
    /// Without addresses and names of tasks; functions stay.
    pub(crate) fn redacted(self) -> Machine {
        Machine {
            processor: self.processor,
            states: self.states.into_iter().map(StateEntry::redacted).collect(),
        }
    }
}

impl StateEntry {
    fn redacted(self) -> StateEntry {
        let task = |task: TaskEntry| TaskEntry {
            address: None,
            pid: task.pid,
            comm: Text::from(REDACTED),
        };
        let words = |text: &Text| {
            let text = String::from_utf8_lossy(text.as_bytes());
            Text::from(without_addresses(&text))
        };
        StateEntry {
            cpu: self.cpu,
            present: self.present,
            online: self.online,
            doing: self.doing,
            vcpu: None,
            in_nmi: self.in_nmi,
            parked: self.parked,
            task: self.task.map(task),
            registers: self.registers,
            ip: None,
            function: self.function.as_ref().map(words),
            missing: self.missing.iter().map(words).collect(),
        }
    }
}

/// Reads it from a kernel.
///
/// # Errors
/// Where it is not known which CPUs there are.
pub(crate) fn read(kernel: &Kernel) -> Result<Machine, Error> {
    Ok(Machine {
        processor: kernel.processor().ok().map(processor),
        states: kernel.cpu_states()?.iter().map(state).collect(),
    })
}

fn processor(found: Processor) -> ProcessorEntry {
    let [family, model_number, stepping] = found.family;
    ProcessorEntry {
        vendor: Text::new(found.vendor),
        model: Text::new(found.model),
        family,
        model_number,
        stepping,
        features: found.features,
    }
}

fn state(found: &CpuState) -> StateEntry {
    let registers = found.registers.as_ref().ok();
    let task = found.task.as_ref().ok();
    StateEntry {
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
        task: task.map(|task| TaskEntry {
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

/// The page's second part.
pub(crate) fn text(machine: &Machine, look: Look) -> String {
    let mut out = String::from("\n");
    // Writing to a string cannot fail.
    if let Some(processor) = &machine.processor {
        let _ = writeln!(
            out,
            "{} ({}, family {:#x}, model {:#x}, stepping {}): {}",
            processor.model,
            processor.vendor,
            processor.family,
            processor.model_number,
            processor.stepping,
            processor.features.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "{:>4}  {:<9} {:<20} {:<12} WHERE",
        "CPU", "DID", "TASK", "REGISTERS"
    );
    for cpu in &machine.states {
        let task = cpu.task.as_ref();
        let task = task.map_or_else(
            || "-".to_owned(),
            |task| format!("{}/{}", task.comm, task.pid),
        );
        let place = match (&cpu.function, cpu.ip) {
            (Some(function), _) => function.to_string(),
            (None, Some(ip)) => format!("{:#018x}", ip.0),
            (None, None) => "-".to_owned(),
        };
        let parked = match (cpu.parked, cpu.in_nmi) {
            (true, _) => ", then stopped by the crash's NMI",
            (false, Some(true)) => ", in its NMI handler",
            _ => "",
        };
        let _ = writeln!(
            out,
            "{:>4}  {:<9} {task:<20} {:<12} {place}{parked}",
            cpu.cpu,
            cpu.doing,
            cpu.registers.as_deref().unwrap_or("-"),
        );
    }
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}
