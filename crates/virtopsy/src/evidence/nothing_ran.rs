//! Nothing that switches virtualization off had begun: what KVM enabled was on.
//!
//! Reads `crash_ipi_issued`, `crashing_cpu`, `stopping_cpu` and the rebooting flag. So a dump that
//! a hypervisor took of a running machine shows CPUs that are on, as they should be. The same
//! holds for the CPU that panicked where no crash kernel was loaded: it stops the others, and
//! never itself. Lies when an orderly path was just in progress.

use virtopsy_kernel::CpuId;

use super::{Evidence, EvidenceKind, Findings, Usage};
use crate::machine::{Machine, number, positive};
use crate::report::state::{Origin, Strength};

const WHAT: EvidenceKind = EvidenceKind::NoStopPath;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let out = &mut findings.evidence;
    if findings.usage != Usage::Enabled {
        return;
    }
    if machine.stop_path_began() == Some(false) {
        let why = "enabled, and no path that disables had begun (no crash, no stop, no reboot)";
        out.push(
            Evidence::on(WHAT, Strength::Strong, why)
                .lies_when("the CPU was just enabling or disabling"),
        );
        return;
    }
    not_stopped(machine, cpu, out);
    let panicked = positive(&machine.stop.panic_cpu).or(positive(&machine.stop.stopping_cpu));
    let jumped = machine.origin == Origin::Kdump || machine.crashing_cpu().is_some();
    if panicked == Some(cpu)
        && !jumped
        && number(&machine.stop.stopping_cpu).is_some_and(|n| n >= 0)
    {
        let why = "this CPU panicked and stopped the others; without a crash kernel it never disables itself";
        out.push(
            Evidence::on(WHAT, Strength::Strong, why).lies_when("an emergency restart followed"),
        );
    }
}

/// Still in the online mask although another CPU has stopped all others: the stop never reached
/// this one, as `stop_this_cpu()` clears the bit.
fn not_stopped(machine: &Machine<'_>, cpu: CpuId, out: &mut Vec<Evidence>) {
    let stopping = positive(&machine.stop.stopping_cpu);
    let (Some(by), None) = (stopping, machine.crashing_cpu()) else {
        return;
    };
    if by != cpu && machine.cpus.is_online(cpu) == Some(true) {
        let why = format!(
            "CPU {by} stopped the others, and this one never left the online mask: it was not reached"
        );
        out.push(
            Evidence::on(EvidenceKind::NotStopped, Strength::Strong, why)
                .lies_when("the dump was taken while CPUs were being stopped"),
        );
    }
}
