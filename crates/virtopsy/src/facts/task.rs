//! A task.

use serde::Serialize;
use virtopsy_kernel::{CpuId, TaskInfo};

use crate::report::{Hex, Text};

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
