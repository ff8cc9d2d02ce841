//! What each CPU was doing, and what processor it was: the second part of `virtopsy cpus`.

use std::fmt::Write as _;

use virtopsy::facts::CpusFacts;

use crate::page::clean;
use crate::terminal::Look;

/// The page's second part.
pub(crate) fn text(machine: &CpusFacts, look: Look) -> String {
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
