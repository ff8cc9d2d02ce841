//! What each CPU was doing.
//!
//! From most to least certain: an offline CPU does nothing; a vCPU in guest mode that is loaded on
//! the CPU means the guest; else the registers, and the task that the CPU ran.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::kvm::VcpuMode;
use crate::regs::Registers;
use crate::symbols::Location;
use crate::tasks::TaskInfo;

/// What a CPU was doing when it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it was not online.
    Offline,
    /// It ran this vCPU, in the guest or on its way in or out.
    Guest(VirtAddr),
    /// It ran a program.
    UserMode,
    /// It idled: the idle task waited for an interrupt.
    Idle,
    /// It ran the kernel for a task.
    Kernel,
    /// Nothing says.
    Unknown,
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Doing::Offline => "offline",
            Doing::Guest(_) => "guest",
            Doing::UserMode => "user-mode",
            Doing::Idle => "idle",
            Doing::Kernel => "kernel",
            Doing::Unknown => "unknown",
        })
    }
}

/// One CPU.
#[derive(Clone, Debug)]
pub struct CpuState {
    /// Its number.
    pub cpu: CpuId,
    /// Whether it is plugged in; `None`: the mask can't be read.
    pub present: Option<bool>,
    /// Whether the scheduler could use it.
    pub online: Option<bool>,
    /// The task that it ran.
    pub task: Result<TaskInfo>,
    /// Its registers, and where they were found.
    pub registers: Result<Registers>,
    /// Where its instruction pointer was, if that is the kernel's.
    pub location: Option<Location>,
    /// Whether it was in its NMI handler when the dump was taken.
    pub in_nmi: Option<bool>,
    /// The crash parked it: it saved its registers for the dump and waits in that NMI for ever.
    pub parked: bool,
    /// What it was doing before.
    pub doing: Doing,
}

impl Kernel {
    /// What each possible CPU was doing.
    ///
    /// # Errors
    /// Where it is not known which CPUs there are.
    pub fn cpu_states(&self) -> Result<Vec<CpuState>> {
        let cpus = self.cpus()?;
        let guests = self.loaded_vcpus();
        let state = |cpu: CpuId| {
            let online = cpus.online.as_ref().ok().map(|mask| mask.contains(cpu));
            let task = self
                .current_task(cpu)
                .and_then(|task| self.task_info(task.address));
            let registers = self.cpu_registers(cpu);
            let location = registers.as_ref().ok().filter(|r| !r.is_user_mode());
            let location = location.and_then(|r| self.locate(VirtAddr(r.values.rip)));
            let in_nmi = self.is_in_nmi(cpu).ok();
            let guest = guests.iter().find(|(on, _)| *on == cpu).map(|(_, at)| *at);
            let doing = doing(online, guest, task.as_ref().ok(), registers.as_ref().ok());
            CpuState {
                cpu,
                present: cpus.present.as_ref().map(|mask| mask.contains(cpu)),
                online,
                parked: in_nmi == Some(true) && registers.is_ok(),
                task,
                registers,
                location,
                in_nmi,
                doing,
            }
        };
        Ok(cpus.possible.iter().map(state).collect())
    }

    /// The CPU that brought the kernel down: the one that jumped to the crash kernel
    /// (`crashing_cpu`), else the one that panicked (`panic_cpu`, 4.5). `None`: neither says so, as
    /// in a machine that runs.
    pub fn crashed_cpu(&self) -> Option<CpuId> {
        let named = |name: &str| {
            let number = self.space().u32(self.symbol(name).ok()?).ok()?;
            // -1: none.
            i32::try_from(number).ok().map(|_| CpuId(number))
        };
        named("crashing_cpu").or_else(|| named("panic_cpu"))
    }

    /// The vCPUs in guest mode, by the CPU that they are loaded on.
    fn loaded_vcpus(&self) -> Vec<(CpuId, VirtAddr)> {
        let Ok(list) = self.vms() else {
            return Vec::new();
        };
        let vcpus = list.vms.iter().flat_map(|vm| &vm.vcpus);
        let inside =
            vcpus.filter(|vcpu| matches!(vcpu.mode, Some(VcpuMode::InGuest | VcpuMode::Exiting)));
        inside
            .filter_map(|vcpu| Some((vcpu.loaded_on?, vcpu.address)))
            .collect()
    }
}

fn doing(
    online: Option<bool>,
    guest: Option<VirtAddr>,
    task: Option<&TaskInfo>,
    registers: Option<&Registers>,
) -> Doing {
    match (online, guest, registers, task) {
        (Some(false), ..) => Doing::Offline,
        (_, Some(vcpu), ..) => Doing::Guest(vcpu),
        (_, _, Some(registers), _) if registers.is_user_mode() => Doing::UserMode,
        (.., Some(task)) if task.pid == 0 => Doing::Idle,
        (_, _, Some(_), _) | (.., Some(_)) => Doing::Kernel,
        _ => Doing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use virtopsy_vmcore::UserRegs;

    use super::*;
    use crate::made::MadeKernel;
    use crate::regs::RegisterSource;

    #[test]
    fn the_cpu_that_crashed_is_the_one_that_jumped_else_the_one_that_panicked() {
        let crashed = |crashing: u32, panic: u32| {
            let mut made = MadeKernel::new()
                .symbol("crashing_cpu", 0x1_0000)
                .symbol("panic_cpu", 0x1_0004);
            made.bytes(0x1_0000, &crashing.to_le_bytes());
            made.bytes(0x1_0004, &panic.to_le_bytes());
            made.kernel().crashed_cpu().map(|cpu| cpu.0)
        };
        assert_eq!(crashed(3, 1), Some(3));
        assert_eq!(crashed(u32::MAX, 1), Some(1));
        assert_eq!(crashed(u32::MAX, u32::MAX), None);
    }

    #[test]
    fn what_a_cpu_was_doing_is_told_by_the_best_witness() {
        let registers = |cs| Registers {
            values: UserRegs {
                cs,
                ..UserRegs::default()
            },
            source: RegisterSource::CrashNote,
            exact: true,
            complete: true,
        };
        let vcpu = VirtAddr(0x1000);
        let user = registers(0x33);
        assert_eq!(
            doing(Some(false), Some(vcpu), None, Some(&user)),
            Doing::Offline
        );
        assert_eq!(
            doing(Some(true), Some(vcpu), None, Some(&user)),
            Doing::Guest(vcpu)
        );
        assert_eq!(doing(None, None, None, Some(&user)), Doing::UserMode);
        assert_eq!(
            doing(Some(true), None, None, Some(&registers(0x10))),
            Doing::Kernel
        );
        assert_eq!(doing(Some(true), None, None, None), Doing::Unknown);
    }
}
