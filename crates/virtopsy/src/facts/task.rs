//! A task.

use serde::Serialize;
use virtopsy_kernel::{CpuId, CpuState, Kernel, TaskInfo};

use super::error_text;
use crate::report::{Hex, Text};

/// All tasks of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TasksFacts {
    /// The tasks, in the kernel's order.
    pub tasks: Vec<ListedTask>,
    /// Why tasks are missing.
    pub incomplete_because: Vec<Text>,
}

/// A task, with what it did if it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListedTask {
    /// The task.
    #[serde(flatten)]
    pub task: TaskFacts,
    /// It ran on the CPU that brought the kernel down.
    pub crashed: bool,
    /// Of one that ran: in a guest, in user mode, idle, in the kernel.
    pub doing: Option<String>,
    /// And the kernel's function that it was in.
    pub function: Option<Text>,
}

impl TasksFacts {
    pub(crate) fn read(kernel: &Kernel) -> TasksFacts {
        let list = kernel.tasks();
        let cpus = kernel.cpu_states().unwrap_or_default();
        let crashed = kernel.crashed_cpu();
        let listed = |task| ListedTask::new(task, &cpus, crashed);
        TasksFacts {
            tasks: list.tasks.iter().map(listed).collect(),
            incomplete_because: list.broken.iter().map(error_text).collect(),
        }
    }
}

impl ListedTask {
    fn new(task: &TaskInfo, cpus: &[CpuState], crashed: Option<CpuId>) -> ListedTask {
        let cpu = task.running_on;
        let state = cpus.iter().find(|state| Some(state.cpu) == cpu);
        let function = state.and_then(|state| state.location.as_ref());
        ListedTask {
            crashed: cpu.is_some() && cpu == crashed,
            doing: state.map(|state| state.doing.to_string()),
            function: function.map(|at| Text::from(at.to_string())),
            task: TaskFacts::from(task),
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TaskFacts {
    /// Its `task_struct`.
    pub address: Hex,
    /// Thread id.
    pub pid: i32,
    /// Thread id in the innermost pid namespace, of a task in a container.
    pub inner_pid: Option<i32>,
    /// Inode number of that namespace, as `/proc/PID/ns/pid` shows it.
    pub pid_namespace: Option<u32>,
    /// Process id.
    pub tgid: i32,
    /// Process id of its parent.
    pub parent: Option<i32>,
    /// Name.
    pub comm: Text,
    /// The letter of ps(1).
    pub state: char,
    /// The CPU that it ran on last.
    pub cpu: Option<u32>,
    /// The CPU that it was running on.
    pub running_on: Option<u32>,
    /// Whether it never had a user space.
    pub kernel_thread: bool,
    /// Start of its kernel stack.
    pub stack: Hex,
}

impl From<&TaskInfo> for TaskFacts {
    fn from(task: &TaskInfo) -> Self {
        let number = |cpu: CpuId| cpu.0;
        Self {
            address: Hex(task.address.0),
            pid: task.pid,
            inner_pid: task.inner.map(|inner| inner.pid),
            pid_namespace: task.inner.and_then(|inner| inner.namespace),
            tgid: task.tgid,
            parent: task.parent,
            comm: Text::new(task.comm.clone()),
            state: task.state.letter(),
            cpu: task.cpu.map(number),
            running_on: task.running_on.map(number),
            kernel_thread: task.kernel_thread,
            stack: Hex(task.stack.0),
        }
    }
}
