//! Whom RCU waits for.
//!
//! `rcu_state` holds the grace period: its low two bits of `gp_seq` say that one is running,
//! `gp_start` and `jiffies_stall` when it began and when it counts as stalled, in jiffies. A leaf
//! `rcu_node` has a bit in `qsmask` for each of its CPUs (from `grplo`) that has not passed a
//! quiescent state yet; `gp_tasks` leads to the first preempted reader that holds it up.
//!
//! Since 4.20 there is one `rcu_state`; before, one for each flavour. Source: kernel/rcu/tree.h.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;
use crate::task::Task;

/// `RCU_SEQ_STATE_MASK`: not 0 while a grace period runs.
const RUNNING: u64 = 3;
/// Nodes of 8,192 CPUs with the smallest fan-out, and their parents.
const MAX_NODES: u64 = 8192;

/// RCU's grace period, and who holds it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcuStall {
    /// Where `rcu_state` stands.
    pub address: VirtAddr,
    /// Whether a grace period is running.
    pub running: bool,
    /// Jiffies since it began.
    pub age: u64,
    /// Whether it is older than RCU allows (`jiffies_stall` is over).
    pub stalled: bool,
    /// CPUs that have not passed a quiescent state, ascending.
    pub cpus: Vec<CpuId>,
    /// Preempted readers that hold it up, the first of each node.
    pub tasks: Vec<Task>,
}

impl Kernel {
    /// RCU's grace period.
    ///
    /// # Errors
    /// Where the kernel has another RCU (tiny, or of before 4.20), or its state can't be read.
    pub fn rcu_stall(&self) -> Result<RcuStall> {
        let state = self.global("rcu_state", "struct rcu_state")?;
        let jiffies = self.space().u64(self.symbol("jiffies")?)?;
        let since =
            |member: &str| -> Result<u64> { Ok(jiffies.wrapping_sub(state.field(member)?.u64()?)) };
        let running = state.field("gp_seq")?.u64()? & RUNNING != 0;
        let mut found = RcuStall {
            address: state.address,
            running,
            age: since("gp_start")?,
            // A distance beyond half of the range is one into the future.
            stalled: running && since("jiffies_stall")? < u64::MAX / 2,
            cpus: Vec::new(),
            tasks: Vec::new(),
        };
        if running {
            self.holders(&state, &mut found)?;
        }
        Ok(found)
    }

    fn holders(&self, state: &Object<'_>, found: &mut RcuStall) -> Result<()> {
        let possible = &self.cpus()?.possible;
        let nodes = state.field("node")?;
        let count = nodes.count()?;
        if count > MAX_NODES {
            return Err(Error::Implausible {
                what: "rcu_state.node".into(),
                at: nodes.address,
                found: format!("{count} nodes"),
            });
        }
        let deepest = self.space().u32(self.symbol("rcu_num_lvls")?)?;
        for index in 0..count {
            let node = nodes.index(index)?;
            if let Some(task) = self.first_reader(&node)? {
                found.tasks.push(task);
            }
            if node.field("level")?.u64()?.wrapping_add(1) != u64::from(deepest) {
                continue; // only leaves have CPUs
            }
            let (waits, first) = (node.field("qsmask")?.u64()?, node.field("grplo")?.u64()?);
            let cpus = (0..64u64)
                .filter(|bit| waits >> bit & 1 == 1)
                .filter_map(|bit| u32::try_from(first.wrapping_add(bit)).ok())
                .map(CpuId)
                .filter(|cpu| possible.contains(*cpu));
            found.cpus.extend(cpus);
        }
        Ok(())
    }

    /// The task at `gp_tasks`, which points to its `rcu_node_entry` (CONFIG_PREEMPT_RCU).
    fn first_reader(&self, node: &Object<'_>) -> Result<Option<Task>> {
        let entry = match node.field("gp_tasks") {
            Ok(member) => member.pointer()?,
            Err(e) if e.is_absent() => return Ok(None),
            Err(e) => return Err(e),
        };
        if entry.0 == 0 {
            return Ok(None);
        }
        let offset = match self
            .object(VirtAddr(0), "struct task_struct")?
            .field("rcu_node_entry")
        {
            Ok(member) => member.address.0,
            Err(e) if e.is_absent() => return Ok(None),
            Err(e) => return Err(e),
        };
        self.task(VirtAddr(entry.0.wrapping_sub(offset))).map(Some)
    }
}
