//! Since when a CPU's task has been running.
//!
//! `rq->clock` is the CPU's time as the scheduler last took it; `sched_info.last_arrival` the same
//! clock when the task was put on the CPU (CONFIG_SCHED_INFO). Source: kernel/sched/{sched.h,stats.h},
//! include/linux/sched.h.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::error::Result;
use crate::kernel::Kernel;

/// A CPU's run queue, and its task's time on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTime {
    /// Where the run queue stands.
    pub address: VirtAddr,
    /// `rq->clock`: nanoseconds of the scheduler's clock when it was last taken.
    pub clock_ns: u64,
    /// `rq->nr_running`: tasks that run or could.
    pub runnable: u64,
    /// Nanoseconds for which the current task has been on the CPU, up to `clock_ns`; `None`: the
    /// kernel keeps no such account.
    pub running_ns: Option<u64>,
}

impl Kernel {
    /// The run queue of a CPU whose current task is `task`.
    ///
    /// # Errors
    /// Where the run queue can't be read.
    pub fn run_time(&self, cpu: CpuId, task: Option<VirtAddr>) -> Result<RunTime> {
        let rq = self.percpu_object("runqueues", "struct rq", cpu)?;
        let clock_ns = rq.field("clock")?.u64()?;
        let arrived = || -> Result<u64> {
            let task = self.object(task.unwrap_or(VirtAddr(0)), "struct task_struct")?;
            task.field("sched_info.last_arrival")?.u64()
        };
        let arrived = task.and_then(|_| arrived().ok()).filter(|at| *at != 0);
        Ok(RunTime {
            address: rq.address,
            clock_ns,
            runnable: rq.field("nr_running")?.u64()?,
            running_ns: arrived.and_then(|at| clock_ns.checked_sub(at)),
        })
    }
}
