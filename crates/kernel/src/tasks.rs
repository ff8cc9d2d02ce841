//! All tasks: processes by `init_task.tasks`, and the threads of each.
//!
//! | what | since | before |
//! |---|---|---|
//! | threads: `signal->thread_head`, `thread_node` | 3.14 | `thread_group` (gone in 6.7) |
//! | state: `__state` | 5.14 | `state` |
//! | CPU: `thread_info.cpu` | 5.16 | `cpu` |
//!
//! Where a list is torn, the kernel's table of pids (`init_pid_ns.idr`, a radix tree since 4.15, an
//! xarray since 4.20) leads to those behind the tear.
//!
//! Source: include/linux/sched.h, include/linux/sched/signal.h, include/linux/pid.h. The idle tasks
//! (pid 0) are in no list: they are each run queue's `idle`.

use std::collections::{HashMap, HashSet};

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::declared::{Member, task as declared};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::list;
use crate::object::Object;
use crate::pid_namespace::{InnerPid, PidLayout};
use crate::{task, xarray};

/// More tasks than a kernel can have (`PID_MAX_LIMIT`).
const MAX_TASKS: usize = 4 << 20;
/// `PF_KTHREAD`, include/linux/sched.h.
const PF_KTHREAD: u64 = 0x0020_0000;

/// A task: a thread of a process, or of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// Where its `task_struct` is.
    pub address: VirtAddr,
    /// Thread id, in the first pid namespace.
    pub pid: i32,
    /// Its thread id in the innermost pid namespace, of a task that is in more than the first.
    pub inner: Option<InnerPid>,
    /// Process id: the thread id of its leader.
    pub tgid: i32,
    /// Process id of its parent; `None` where the parent can't be read.
    pub parent: Option<i32>,
    /// Name, at most 15 bytes of any kind.
    pub comm: Vec<u8>,
    /// What it was doing.
    pub state: TaskState,
    /// The CPU that it runs on, or ran on last.
    pub cpu: Option<CpuId>,
    /// The CPU whose current task it was.
    pub running_on: Option<CpuId>,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Where its stack begins, 0 where it has none any more.
    pub stack: VirtAddr,
}

/// `task->__state` and `task->exit_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskState {
    /// `__state`.
    pub state: u64,
    /// `exit_state`.
    pub exit: u64,
}

impl TaskState {
    /// The letter that ps(1) shows. Source: `task_state_index()`, fs/proc/array.c, values as they
    /// are since 4.14.
    pub fn letter(self) -> char {
        const IDLE: u64 = 0x402; // TASK_UNINTERRUPTIBLE | TASK_NOLOAD
        const RTLOCK: u64 = 0x1000;
        if self.state & IDLE == IDLE {
            return 'I';
        }
        if self.state & RTLOCK != 0 {
            return 'D';
        }
        // TASK_REPORT: state and exit_state share one space of bits.
        match (self.state | self.exit) & 0x7f {
            0 => 'R',
            bits => match 63 - bits.leading_zeros() {
                0 => 'S',
                1 => 'D',
                2 => 'T',
                3 => 't',
                4 => 'X',
                5 => 'Z',
                _ => 'P',
            },
        }
    }

    /// Whether it sleeps and no signal wakes it.
    pub fn is_blocked(self) -> bool {
        self.letter() == 'D'
    }
}

/// The tasks of a kernel.
#[derive(Clone, Debug, Default)]
pub struct TaskList {
    /// Idle tasks by CPU, then processes in the order of the kernel's list, each with its threads.
    pub tasks: Vec<TaskInfo>,
    /// Why the list is not whole. The tasks before a break stand.
    pub broken: Vec<Error>,
}

impl TaskList {
    /// The task with that thread id; of the idle tasks (0), CPU 0's.
    pub fn by_pid(&self, pid: i32) -> Option<&TaskInfo> {
        self.tasks.iter().find(|t| t.pid == pid)
    }

    /// The task at that address.
    pub fn at(&self, address: VirtAddr) -> Option<&TaskInfo> {
        self.tasks.iter().find(|t| t.address == address)
    }
}

/// Members of `task_struct`, found once: each object's address is its offset.
pub(crate) struct Layout<'k> {
    pid: Object<'k>,
    tgid: Object<'k>,
    comm: Object<'k>,
    parent: Option<Object<'k>>,
    state: Object<'k>,
    exit_state: Option<Object<'k>>,
    cpu: Option<Object<'k>>,
    flags: Object<'k>,
    stack: Object<'k>,
    inner: Option<PidLayout<'k>>,
    tasks: u64,
    threads: Threads,
}

/// How the threads of a process are linked.
enum Threads {
    /// From `signal->thread_head` through `thread_node`: offsets of `signal`, head and node.
    Head { signal: u64, head: u64, node: u64 },
    /// Around `thread_group`, the leader included.
    Group { node: u64 },
}

impl<'k> Layout<'k> {
    fn of(kernel: &'k Kernel) -> Result<Layout<'k>> {
        let task = kernel.object(VirtAddr(0), "struct task_struct")?;
        let offset = |member: &Member| -> Result<u64> { Ok(task.declared(member)?.address.0) };
        let threads = match (offset(&declared::SIGNAL), offset(&declared::THREAD_NODE)) {
            (Ok(signal), Ok(node)) => {
                let signals = kernel.object(VirtAddr(0), "struct signal_struct")?;
                Threads::Head {
                    signal,
                    head: signals.declared(&declared::THREAD_HEAD)?.address.0,
                    node,
                }
            }
            _ => Threads::Group {
                node: task.field("thread_group")?.address.0,
            },
        };
        Ok(Layout {
            pid: task.declared(&declared::PID)?,
            tgid: task.declared(&declared::TGID)?,
            comm: task.declared(&declared::COMM)?,
            parent: task.declared(&declared::PARENT).ok(),
            state: task.declared(&declared::STATE)?,
            exit_state: task.declared(&declared::EXIT_STATE).ok(),
            cpu: task.declared(&declared::CPU).ok(),
            flags: task.declared(&declared::FLAGS)?,
            stack: task.declared(&declared::STACK)?,
            inner: PidLayout::of(kernel).ok(),
            tasks: offset(&declared::TASKS)?,
            threads,
        })
    }

    fn read(&self, at: VirtAddr, current: &HashMap<VirtAddr, CpuId>) -> Result<TaskInfo> {
        let number = |member: &Object<'k>| member.of(at).i64();
        let parent = || -> Result<i32> {
            let parent = self.parent.as_ref().ok_or(Error::NoSymbol {
                tried: "parent".into(),
            })?;
            let parent = parent.of(at).pointer()?;
            Ok(self.tgid.of(parent).i64()? as i32)
        };
        let exit = self.exit_state.as_ref().map_or(Ok(0), &number)? as u64;
        Ok(TaskInfo {
            address: at,
            pid: number(&self.pid)? as i32,
            inner: self.inner.as_ref().and_then(|of| of.read(at).ok()?),
            tgid: number(&self.tgid)? as i32,
            parent: parent().ok(),
            comm: task::name(&self.comm.of(at))?,
            state: TaskState {
                state: number(&self.state)? as u64,
                exit,
            },
            cpu: self
                .cpu
                .as_ref()
                .and_then(|c| number(c).ok())
                .map(|c| CpuId(c as u32)),
            running_on: current.get(&at).copied(),
            kernel_thread: number(&self.flags)? as u64 & PF_KTHREAD != 0,
            stack: self.stack.of(at).pointer()?,
        })
    }
}

impl Kernel {
    /// All tasks. What can't be followed or read is in [`TaskList::broken`], beside what was.
    pub fn tasks(&self) -> TaskList {
        let mut out = TaskList::default();
        match Layout::of(self) {
            Ok(layout) => Walk::new(self, layout).run(&mut out),
            Err(e) => out.broken.push(e),
        }
        out
    }

    /// One task, by the address that a user typed.
    ///
    /// # Errors
    /// As [`Kernel::task_info`].
    pub fn task_at(&self, address: u64) -> Result<TaskInfo> {
        self.task_info(VirtAddr(address))
    }

    /// One task, by the address of its `task_struct`.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn task_info(&self, task: VirtAddr) -> Result<TaskInfo> {
        Layout::of(self)?.read(task, current_tasks(self))
    }
}

/// Which task each CPU ran.
fn current_tasks(kernel: &Kernel) -> &HashMap<VirtAddr, CpuId> {
    kernel.current_tasks.get_or_init(|| {
        let Ok(cpus) = kernel.cpus() else {
            return HashMap::new();
        };
        let current = |cpu| Some((kernel.current_task(cpu).ok()?.address, cpu));
        cpus.possible.iter().filter_map(current).collect()
    })
}

struct Walk<'k> {
    kernel: &'k Kernel,
    layout: Layout<'k>,
    current: &'k HashMap<VirtAddr, CpuId>,
    seen: HashSet<VirtAddr>,
    limit: usize,
    /// Links between threads that may still be followed: lists that loop must not each cost all.
    budget: usize,
}

impl<'k> Walk<'k> {
    fn new(kernel: &'k Kernel, layout: Layout<'k>) -> Walk<'k> {
        // `nr_threads` counts them; it may be off by those that come and go.
        let count = kernel
            .symbol("nr_threads")
            .and_then(|at| kernel.space().u32(at));
        let limit = count.map_or(MAX_TASKS, |n| {
            (n as usize).saturating_mul(2).saturating_add(1024)
        });
        Walk {
            kernel,
            layout,
            current: current_tasks(kernel),
            seen: HashSet::new(),
            limit: limit.min(MAX_TASKS),
            budget: limit.min(MAX_TASKS).saturating_mul(2),
        }
    }

    fn run(&mut self, out: &mut TaskList) {
        self.idle_tasks(out);
        let head = match self.kernel.symbol("init_task") {
            Ok(init) => VirtAddr(init.0.wrapping_add(self.layout.tasks)),
            Err(e) => return out.broken.push(e),
        };
        let mut walk = list::walk(self.kernel.space(), "init_task.tasks", head, self.limit);
        if let Some(broken) = walk.broken {
            out.broken.push(broken);
            // What lies behind the break is reached from the other end.
            let mut rest =
                list::walk_back(self.kernel.space(), "init_task.tasks", head, self.limit);
            rest.entries.reverse();
            walk.entries.extend(rest.entries);
            out.broken.extend(rest.broken);
        }
        for entry in walk.entries {
            if out.tasks.len() >= self.limit {
                break;
            }
            self.process(list::container_of(entry, self.layout.tasks), out);
        }
        if !out.broken.is_empty()
            && let Err(e) = self.by_pids(out)
        {
            out.broken.push(e);
        }
        // Where the list is torn, what CPUs ran may stand in no part of it.
        let mut current: Vec<_> = self
            .current
            .iter()
            .map(|(task, cpu)| (*cpu, *task))
            .collect();
        current.sort();
        for (_, task) in current {
            self.task(task, out);
        }
    }

    /// Tasks of the table of pids that no list led to. An entry leads to the task whose thread id is
    /// the entry's number; one that does not is stale, or lost.
    fn by_pids(&mut self, out: &mut TaskList) -> Result<()> {
        let kernel = self.kernel;
        let namespace = kernel.object(kernel.symbol("init_pid_ns")?, "struct pid_namespace")?;
        let pids = xarray::walk(kernel, &namespace.field("idr.idr_rt")?, self.limit);
        let of = |name: &str, member: &str| -> Result<u64> {
            let object = kernel.object(VirtAddr(0), name)?;
            Ok(object.field(member)?.address.0)
        };
        // The first of each array is that of PIDTYPE_PID.
        let tasks = of("struct pid", "tasks")?;
        let links = of("struct task_struct", "pid_links")?;
        for (number, pid) in pids.entries {
            let first = VirtAddr(pid.0.wrapping_add(tasks));
            let at = match kernel.space().pointer(first) {
                Ok(VirtAddr(0)) => continue, // the task has gone, somebody still holds its pid
                Ok(link) => list::container_of(link, links),
                Err(e) => {
                    out.broken.push(e);
                    continue;
                }
            };
            if out.tasks.len() < self.limit {
                self.task_if(at, |task| u64::try_from(task.pid) == Ok(number), out);
            }
        }
        pids.broken.map_or(Ok(()), Err)
    }

    /// Every run queue's idle task: `init_task` on CPU 0.
    fn idle_tasks(&mut self, out: &mut TaskList) {
        let Ok(cpus) = self.kernel.cpus() else { return };
        for cpu in cpus.possible.iter() {
            let idle = self.kernel.percpu_object("runqueues", "struct rq", cpu);
            let idle = idle
                .and_then(|rq| rq.field("idle"))
                .and_then(|idle| idle.pointer());
            match idle {
                Ok(VirtAddr(0)) => {} // the CPU never came up
                Ok(at) => self.task(at, out),
                Err(e) => out.broken.push(e),
            }
        }
    }

    fn task(&mut self, at: VirtAddr, out: &mut TaskList) {
        self.task_if(at, |_| true, out);
    }

    /// The task at `at`, unless it was met before or is not the one that is looked for.
    fn task_if(&mut self, at: VirtAddr, wanted: impl Fn(&TaskInfo) -> bool, out: &mut TaskList) {
        if !self.seen.insert(at) {
            return;
        }
        match self.layout.read(at, self.current) {
            Ok(task) if !wanted(&task) => {}
            Ok(task) => out.tasks.push(task),
            Err(e) => out.broken.push(e),
        }
    }

    /// The process whose leader is at `leader`, and its threads.
    fn process(&mut self, leader: VirtAddr, out: &mut TaskList) {
        if self.seen.contains(&leader) {
            return; // the list came back to where it was
        }
        self.task(leader, out);
        let (head, node) = match self.layout.threads {
            Threads::Group { node } => (VirtAddr(leader.0.wrapping_add(node)), node),
            Threads::Head { signal, head, node } => {
                let at = VirtAddr(leader.0.wrapping_add(signal));
                match self.kernel.space().pointer(at) {
                    Ok(VirtAddr(0)) => return, // reaped
                    Ok(signal) => (VirtAddr(signal.0.wrapping_add(head)), node),
                    Err(e) => return out.broken.push(e),
                }
            }
        };
        if self.budget == 0 {
            return; // the lists of other processes were longer than all tasks together
        }
        let room = self.budget;
        let threads = list::walk(self.kernel.space(), "threads of a process", head, room);
        self.budget = room.saturating_sub(threads.entries.len().max(1));
        out.broken.extend(threads.broken);
        for entry in threads.entries {
            self.task(list::container_of(entry, node), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_letters_of_ps() {
        for (state, exit, letter) in [
            (0, 0, 'R'),
            (1, 0, 'S'),
            (2, 0, 'D'),
            (0x402, 0, 'I'),
            (4, 0, 'T'),
            (8, 0, 't'),
            (0x40, 0, 'P'),
            (0x80, 0x20, 'Z'),
            (0x80, 0x10, 'X'),
            (0x102, 0, 'D'), // killable
            (0x1000, 0, 'D'),
            (0x2001, 0, 'S'), // freezable
        ] {
            assert_eq!(
                TaskState { state, exit }.letter(),
                letter,
                "{state:#x} {exit:#x}"
            );
        }
    }
}
