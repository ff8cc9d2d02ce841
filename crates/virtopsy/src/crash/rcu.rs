//! RCU on a CPU: was it watching, and was the read lock held? Two facts.
//!
//! The RCU-lockdep report of the emergency path is often read as "RCU was not watching". A CPU
//! that panics runs kernel code, so RCU watches it; what is missing is the read lock.
//!
//! **Watching**: since 6.0 `context_tracking.state` (per-CPU; bit 2, and `CT_RCU_WATCHING`
//! since 6.12), before that `rcu_data.dynticks` (odd since 5.15; bit 1 in 5.4 to 5.14, where bit
//! 0 had a use of its own and `rcu_eqs_special_set()` is there), before 5.4 `rcu_dynticks.dynticks`.
//! **Lock**: `task_struct.rcu_read_lock_nesting` with CONFIG_PREEMPT_RCU; else only lockdep knows,
//! by the task's held locks. Sources: include/linux/context_tracking_state.h, kernel/rcu/tree.h,
//! kernel/rcu/update.c.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Error, Kernel, Result};

use crate::report::{Hex, RcuFact, RcuReport};

/// `CT_RCU_WATCHING`, `RCU_DYNTICKS_IDX`: the same number in all releases that have either.
const CT_RCU_WATCHING: u64 = 4;
/// `RCU_DYNTICK_CTRL_CTR`.
const DYNTICK_CTRL_CTR: u64 = 2;
/// What lockdep calls the read lock (kernel/rcu/update.c).
const LOCK_CLASS: &[u8] = b"rcu_read_lock";

/// Both facts of a CPU.
pub(super) fn examine(kernel: &Kernel, cpu: CpuId) -> RcuReport {
    RcuReport {
        watching: watching(kernel, cpu).unwrap_or_else(|e| unknown(&e)),
        lock_held: lock_held(kernel, cpu).unwrap_or_else(|e| unknown(&e)),
    }
}

fn unknown(e: &Error) -> RcuFact {
    RcuFact {
        why: format!("not known: {e}"),
        ..RcuFact::default()
    }
}

fn watching(kernel: &Kernel, cpu: CpuId) -> Result<RcuFact> {
    let (name, at, value, bit) = match context_tracking(kernel, cpu) {
        Err(e) if e.is_absent() => dynticks(kernel, cpu)?,
        found => found?,
    };
    let is = value & bit != 0;
    let what = if is {
        "RCU was watching this CPU"
    } else {
        "RCU was not watching this CPU: it was in an extended quiescent state"
    };
    Ok(RcuFact {
        value: Some(is),
        address: Some(Hex(at.0)),
        why: format!("{what} ({name} is {value:#x}, of which bit {bit:#x} counts)"),
    })
}

type Counter = (&'static str, VirtAddr, u64, u64);

fn context_tracking(kernel: &Kernel, cpu: CpuId) -> Result<Counter> {
    let state = kernel
        .percpu_object("context_tracking", "struct context_tracking", cpu)?
        .field("state.counter")?;
    let value = state.u64()? & 0xffff_ffff;
    Ok((
        "context_tracking.state",
        state.address,
        value,
        CT_RCU_WATCHING,
    ))
}

fn dynticks(kernel: &Kernel, cpu: CpuId) -> Result<Counter> {
    let old = || kernel.percpu_object("rcu_dynticks", "struct rcu_dynticks", cpu);
    let of_data = kernel
        .percpu_object("rcu_data", "struct rcu_data", cpu)
        .and_then(|data| data.field("dynticks.counter"));
    let (name, counter) = match of_data {
        Err(e) if e.is_absent() => ("rcu_dynticks.dynticks", old()?.field("dynticks.counter")?),
        found => ("rcu_data.dynticks", found?),
    };
    let value = counter.u64()? & 0xffff_ffff;
    let has_special_bit = kernel.symbol("rcu_eqs_special_set").is_ok();
    let bit = if has_special_bit { DYNTICK_CTRL_CTR } else { 1 };
    Ok((name, counter.address, value, bit))
}

fn lock_held(kernel: &Kernel, cpu: CpuId) -> Result<RcuFact> {
    let task = kernel.current_task(cpu)?.address;
    let nesting = kernel
        .object(task, "struct task_struct")?
        .field("rcu_read_lock_nesting");
    match nesting {
        Ok(field) => {
            let depth = field.i64()?;
            let what = if depth > 0 { "held" } else { "not held" };
            Ok(RcuFact {
                value: Some(depth > 0),
                address: Some(Hex(field.address.0)),
                why: format!("the RCU read lock was {what} (rcu_read_lock_nesting is {depth})"),
            })
        }
        // Without CONFIG_PREEMPT_RCU the lock leaves a trace in lockdep alone.
        Err(e) if e.is_absent() => by_lockdep(kernel, task),
        Err(e) => Err(e),
    }
}

fn by_lockdep(kernel: &Kernel, task: VirtAddr) -> Result<RcuFact> {
    let held = match kernel.held_locks(task) {
        Ok(held) => held,
        Err(e) if e.is_absent() => {
            return Ok(RcuFact {
                why: "not known: a kernel without CONFIG_PREEMPT_RCU and lockdep keeps no record \
                      of the RCU read lock"
                    .into(),
                ..RcuFact::default()
            });
        }
        Err(e) => return Err(e),
    };
    if let Some(e) = held.broken {
        return Err(e);
    }
    let is_rcu =
        |lock: &&virtopsy_kernel::HeldLock| lock.class.as_ref().is_ok_and(|c| c.name == LOCK_CLASS);
    let lock = held.locks.iter().find(is_rcu);
    let what = if lock.is_some() { "held" } else { "not held" };
    Ok(RcuFact {
        value: Some(lock.is_some()),
        address: lock.map(|l| Hex(l.instance.0)),
        why: format!(
            "the RCU read lock was {what} (lockdep's {} held locks of the task)",
            held.depth
        ),
    })
}
