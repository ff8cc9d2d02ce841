//! Whether the CPU was in use: the online mask against the hotplug state.
//!
//! A CPU that left the online mask although its `cpuhp_state` still says CPUHP_ONLINE was stopped
//! by `stop_this_cpu()`, behind the emergency disable (REBOOT vector or NMI,
//! `native_stop_other_cpus()`). One whose state is lower was taken offline in order, which gives
//! virtualization back first, unless it was caught on the way. Lies for the CPU that redirected its panic (`panic_force_cpu=`): it
//! clears its own bit and disables nothing. In era A the REBOOT vector leaves SVM on.

use virtopsy_kernel::declared::cpu::HOTPLUG_STATE;
use virtopsy_kernel::{CpuId, Result};

use super::{Evidence, EvidenceKind, Findings, Usage, Value};
use crate::machine::{Machine, Read, positive};
use crate::report::state::{Feature, Strength};

const BY_REBOOT: EvidenceKind = EvidenceKind::StoppedByReboot;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let out = &mut findings.evidence;
    let online = match &machine.cpus.online {
        Ok(mask) => mask.contains(cpu),
        Err(e) => {
            out.push(Evidence::unreadable(EvidenceKind::OnlineMask, e));
            return;
        }
    };
    if online {
        return;
    }
    match hotplug_state(machine, cpu) {
        Ok((read, true)) => {
            stopped(machine, cpu, findings.usage, read, out);
        }
        Ok((read, false)) => {
            let e = taken_offline(findings.usage, read.value);
            out.push(e.read(read.address, Value::Number(read.value)));
            findings.offline = true;
        }
        Err(e) => {
            out.push(Evidence::unreadable(EvidenceKind::CpuhpState, &e));
        }
    }
}

/// CPUHP_OFFLINE (include/linux/cpuhotplug.h): no callback is left to run on the way down.
const OFFLINE: i64 = 0;

/// A CPU out of use. Until 6.3 it leaves the online mask before KVM's callback gives virtualization
/// back, and comes into it after that took it: a state between the ends proves nothing by itself.
fn taken_offline(usage: Usage, hotplug_state: i64) -> Evidence {
    let strength = match (usage, hotplug_state) {
        (Usage::Enabled, _) => {
            let why = "the CPU was on its way offline or online, and virtualization is still counted as enabled here";
            return Evidence::neutral(EvidenceKind::Hotplug, why);
        }
        (Usage::Disabled { .. }, _) | (Usage::Unknown, OFFLINE) => Strength::Strong,
        (Usage::Unknown, _) => Strength::Weak,
    };
    let why = "the CPU was taken offline (or never started), which gives virtualization back first";
    Evidence::off(EvidenceKind::Hotplug, strength, why)
        .lies_when("something other than KVM enabled it; the CPU was just going down")
}

/// The CPU's hotplug state, and whether it is that of a running CPU.
fn hotplug_state(machine: &Machine<'_>, cpu: CpuId) -> Result<(Read<i64>, bool)> {
    let state = machine
        .kernel
        .percpu_object("cpuhp_state", "struct cpuhp_cpu_state", cpu)?
        .declared(&HOTPLUG_STATE)?;
    let value = state.i64()?;
    let online = machine.kernel.enumerator("CPUHP_ONLINE")?;
    Ok((
        Read {
            value,
            address: state.address,
        },
        value == online,
    ))
}

/// A CPU that is out of the mask, but was not taken out by hotplug.
fn stopped(
    machine: &Machine<'_>,
    cpu: CpuId,
    usage: Usage,
    state: Read<i64>,
    out: &mut Vec<Evidence>,
) {
    let read = |e: Evidence| e.read(state.address, Value::OfflineThough(state.value));
    if positive(&machine.stop.panic_redirect_cpu) == Some(cpu) {
        let why = "this CPU handed its panic to another one, left the online mask and stopped itself without disabling";
        let e = Evidence::on(EvidenceKind::PanicRedirect, Strength::Strong, why)
            .lies_when("it waited in an NMI, and answered the crash by itself (7.3)");
        out.push(read(e));
        return;
    }
    let stopping = positive(&machine.stop.stopping_cpu);
    match stopping {
        Some(by) if by != cpu => {
            let svm_left =
                machine.feature == Feature::Svm && !machine.layout.reboot_vector_disables_svm;
            let e = if svm_left {
                left_on(usage)
            } else {
                let why = format!(
                    "CPU {by} stopped it; stop_this_cpu() clears the online bit after the emergency disable"
                );
                Evidence::off(BY_REBOOT, Strength::Proof, why)
            };
            out.push(read(e));
        }
        _ => out.push(read(Evidence::neutral(
            EvidenceKind::OnlineMask,
            "not online, and no stop path is known to have run",
        ))),
    }
}

/// SVM on a CPU that the REBOOT vector stopped where that path knows only VMX (era A).
fn left_on(usage: Usage) -> Evidence {
    let why = "stopped by the REBOOT vector, which in this kernel does not switch SVM off";
    match usage {
        Usage::Enabled => Evidence::on(BY_REBOOT, Strength::Strong, why)
            .lies_when("a fix was taken into this kernel in a form of its own"),
        Usage::Unknown => Evidence::on(BY_REBOOT, Strength::Weak, why),
        Usage::Disabled { .. } => Evidence::neutral(BY_REBOOT, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::state::Says;

    #[test]
    fn a_cpu_caught_on_its_way_offline_is_not_called_off() {
        let said = |usage, state| {
            let e = taken_offline(usage, state);
            (e.says, e.strength)
        };
        assert_eq!(said(Usage::Enabled, 140).0, Says::Neutral);
        assert_eq!(said(Usage::Unknown, 140), (Says::Off, Strength::Weak));
        assert_eq!(said(Usage::Unknown, 0), (Says::Off, Strength::Strong));
        let none = Usage::Disabled { ever: true };
        assert_eq!(said(none, 140), (Says::Off, Strength::Strong));
    }

    #[test]
    fn svm_that_was_enabled_stays_on_where_the_reboot_vector_knows_only_vmx() {
        let said = |usage| {
            let e = left_on(usage);
            (e.says, e.strength)
        };
        assert_eq!(said(Usage::Enabled), (Says::On, Strength::Strong));
        assert_eq!(said(Usage::Unknown).1, Strength::Weak);
        assert_eq!(said(Usage::Disabled { ever: true }).0, Says::Neutral);
    }
}
