//! Tasks: who ran where.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::declared::task as declared;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;
use crate::private::Private;

/// A `task_struct`, as far as reports need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Where the `task_struct` is.
    pub address: VirtAddr,
    /// Thread id.
    pub pid: i32,
    /// Name of the thread, at most 15 bytes of any kind.
    pub comm: Vec<u8>,
}

/// The longest `comm` that is read: TASK_COMM_LEN is 16.
const MAX_NAME: usize = 64;

/// Where a CPU's current task stands, newest first.
const CURRENT: [(&str, Option<&str>); 3] = [
    ("current_task", None),                // until 6.1, and again since 6.15
    ("pcpu_hot", Some("struct pcpu_hot")), // 6.2 to 6.14, member current_task
    ("runqueues", Some("struct rq")),      // everywhere, member curr
];

impl Kernel {
    /// The task that was current on a CPU.
    ///
    /// # Errors
    /// Where neither the per-CPU pointer nor the task can be read.
    pub fn current_task(&self, cpu: CpuId) -> Result<Task> {
        let mut failed = None;
        for (symbol, container) in CURRENT {
            match self.current_by(symbol, container, cpu) {
                Ok(task) => return Ok(task),
                Err(e) => {
                    tracing::debug!("current task of CPU {cpu} by {symbol}: {e}");
                    failed.get_or_insert(e);
                }
            }
        }
        Err(failed.unwrap_or(Error::NoSymbol {
            tried: "current_task".into(),
        }))
    }

    fn current_by(&self, symbol: &str, container: Option<&str>, cpu: CpuId) -> Result<Task> {
        let at = self.percpu(symbol, cpu)?;
        let pointer = match container {
            None => self.space().pointer(at)?,
            Some(name) => self
                .object(at, name)?
                .first_field(&["current_task", "curr"])?
                .pointer()?,
        };
        self.task(pointer)
    }

    /// The task at `address`.
    ///
    /// # Errors
    /// Where it can't be read, or is no task.
    pub fn task(&self, address: VirtAddr) -> Result<Task> {
        let task = self.object(address, "struct task_struct")?;
        Ok(Task {
            address,
            pid: task.declared(&declared::PID)?.i64()? as i32,
            comm: name(&task.declared(&declared::COMM)?)?,
        })
    }
}

/// A task's name, of its `comm`.
pub(crate) fn name(comm: &Object<'_>) -> Result<Vec<u8>> {
    // A shorter name may leave the end of a longer one behind its NUL.
    let mut name = comm.bytes(MAX_NAME)?;
    comm.space()
        .note_private(Private::TaskName, comm.address, &name);
    name.truncate(memchr::memchr(0, &name).unwrap_or(name.len()));
    Ok(name)
}
