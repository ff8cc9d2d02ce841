//! What a task is called inside its container: its id in the innermost pid namespace.
//!
//! `task->thread_pid` (4.19) leads to a `struct pid`, whose `numbers[]` has the id in each
//! namespace from the first (level 0) down. Source: include/linux/pid.h, kernel/pid.c.

use virtopsy_debuginfo::VirtAddr;

use crate::error::Result;
use crate::kernel::Kernel;
use crate::object::Object;

/// `MAX_PID_NS_LEVEL`, include/linux/pid_namespace.h.
const MAX_LEVEL: u64 = 32;

/// A task's id in the innermost of its pid namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerPid {
    /// The thread id there.
    pub pid: i32,
    /// The namespace's inode number, as `/proc/PID/ns/pid` shows it; `None` where it can't be read.
    pub namespace: Option<u32>,
    /// How deep the namespace lies; the first is 0.
    pub level: u32,
}

/// Members, found once: each object's address is its offset.
pub(crate) struct PidLayout<'k> {
    thread_pid: Object<'k>,
    level: Object<'k>,
    numbers: u64,
    each: u64,
    number: Object<'k>,
    namespace: Object<'k>,
    inode: Object<'k>,
}

impl<'k> PidLayout<'k> {
    pub(crate) fn of(kernel: &'k Kernel) -> Result<PidLayout<'k>> {
        let named = |name: &str| kernel.object(VirtAddr(0), name);
        let (pid, upid) = (named("struct pid")?, named("struct upid")?);
        Ok(PidLayout {
            thread_pid: named("struct task_struct")?.field("thread_pid")?,
            level: pid.field("level")?,
            numbers: pid.field("numbers")?.address.0,
            each: upid.size()?,
            number: upid.field("nr")?,
            namespace: upid.field("ns")?,
            inode: named("struct pid_namespace")?.field("ns.inum")?,
        })
    }

    /// `None`: the task is in the first namespace only, or has no id any more.
    pub(crate) fn read(&self, task: VirtAddr) -> Result<Option<InnerPid>> {
        let pid = self.thread_pid.of(task).pointer()?;
        if pid.0 == 0 {
            return Ok(None);
        }
        let level = self.level.of(pid).u64()?;
        if !(1..=MAX_LEVEL).contains(&level) {
            return Ok(None);
        }
        let last = pid.0.wrapping_add(self.numbers + level * self.each);
        let namespace = || {
            let namespace = self.namespace.of(VirtAddr(last)).pointer()?;
            self.inode.of(namespace).u64()
        };
        Ok(Some(InnerPid {
            pid: self.number.of(VirtAddr(last)).i64()? as i32,
            namespace: namespace().ok().map(|inode| inode as u32),
            level: level as u32,
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::made::{IMAGE, MadeKernel};

    const TYPES: &[(&str, u64, &str)] = &[
        ("task_struct", 0x20, "thread_pid@8 pid*"),
        ("pid", 0x30, "level@4 u32, numbers@16 upid[1]"),
        ("upid", 16, "nr@0 i32, ns@8 pid_namespace*"),
        ("pid_namespace", 0x20, "ns@8 ns_common"),
        ("ns_common", 16, "inum@4 u32"),
    ];
    const TASK: u64 = 0x100;
    const PID: u64 = 0x200;
    const NAMESPACE: u64 = 0x300;

    /// A task whose id is 4711 at level 0 and 17 at level 1.
    fn read(level: u64) -> Option<InnerPid> {
        let mut made = MadeKernel::new().types(TYPES);
        made.words(TASK, &[0, IMAGE + PID]);
        made.words(PID, &[level << 32, 0, 4711, 0, 17, IMAGE + NAMESPACE]);
        made.words(NAMESPACE, &[0, 4_026_532_200 << 32]);
        let kernel = made.kernel();
        let layout = PidLayout::of(&kernel).unwrap();
        layout.read(VirtAddr(IMAGE + TASK)).unwrap()
    }

    #[test]
    fn a_task_in_a_container_has_the_id_of_the_innermost_namespace() {
        let inner = InnerPid {
            pid: 17,
            namespace: Some(4_026_532_200),
            level: 1,
        };
        assert_eq!(read(1), Some(inner));
    }

    #[test]
    fn one_in_the_first_namespace_has_none_and_an_impossible_depth_is_not_followed() {
        assert_eq!(read(0), None);
        assert_eq!(read(33), None);
    }
}
