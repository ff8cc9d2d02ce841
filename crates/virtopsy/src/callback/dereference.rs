//! How the kernel reads the callback's pointer: with RCU's check, or without.
//!
//! Since 7.1 (428afac5a8ea) the pointer is read without `rcu_read_lock()`. With CONFIG_PROVE_RCU,
//! `rcu_dereference()` then asks lockdep whether the lock is held, and prints a report on every
//! crash; fff82ea9d900 reads the pointer by `rcu_dereference_raw()`, which asks nothing. The two
//! differ in the text alone: the function that loads the pointer calls one of lockdep's questions.
//! That function is `x86_virt_invoke_kvm_emergency_callback()`, or where the compiler inlined it,
//! one of its callers. A check that fired has set a flag of its own (`__warned`), which outlives
//! the report in the log.
//!
//! Before 7.1 the pointer is read under `rcu_read_lock()`: checked, and rightly so.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{Function, Kernel, Result};

use crate::report::{Dereference, DereferenceReport, Hex};

/// The function that loads the pointer, and those that it can be inlined into.
const READERS: [&str; 4] = [
    "x86_virt_invoke_kvm_emergency_callback",
    "x86_svm_emergency_disable_virtualization_cpu",
    "x86_vmx_emergency_disable_virtualization_cpu",
    "x86_virt_emergency_disable_virtualization_cpu",
];
/// What the check calls, whatever the compiler moved where.
const QUESTIONS: [&str; 3] = [
    "lockdep_rcu_suspicious",
    "rcu_read_lock_held",
    "debug_lockdep_rcu_enabled",
];

/// Looks at the text of the kernel in the dump. `variable`: the callback's pointer.
pub(super) fn inspect(kernel: &Kernel, variable: VirtAddr) -> DereferenceReport {
    if kernel
        .symbol("lockdep_rcu_suspicious")
        .is_err_and(|e| e.is_absent())
    {
        return DereferenceReport {
            state: Dereference::NotApplicable,
            why: "the kernel has no CONFIG_PROVE_RCU: with and without the check it is one load"
                .into(),
            ..DereferenceReport::default()
        };
    }
    match readers(kernel, variable) {
        Ok(readers) if readers.is_empty() => unknown(
            "no known function of the emergency path loads the pointer in this kernel".into(),
        ),
        Ok(readers) => judge(kernel, &readers),
        Err(e) => unknown(format!("the text of the emergency path can't be read: {e}")),
    }
}

fn unknown(why: String) -> DereferenceReport {
    DereferenceReport {
        why,
        ..DereferenceReport::default()
    }
}

/// The functions that load the pointer.
fn readers(kernel: &Kernel, variable: VirtAddr) -> Result<Vec<Function>> {
    let mut found = Vec::new();
    for name in READERS {
        match kernel.function(name) {
            Ok(function) if !function.references_to(variable).is_empty() => found.push(function),
            Ok(_) => {}
            Err(e) if e.is_absent() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

fn judge(kernel: &Kernel, readers: &[Function]) -> DereferenceReport {
    let questions: Vec<VirtAddr> = QUESTIONS
        .iter()
        .filter_map(|name| kernel.symbol(name).ok())
        .collect();
    for reader in readers {
        let mut parts = vec![reader.clone()];
        parts.extend(cold_part(kernel, reader));
        let asks = |part: &Function| {
            part.calls()
                .iter()
                .any(|c| c.target.is_some_and(|t| questions.contains(&t)))
        };
        if !parts.iter().any(asks) {
            continue;
        }
        let flag = parts.iter().find_map(|part| warned_flag(kernel, part));
        let warned = flag.and_then(|at| kernel.space().u8(at).ok());
        let fired = match warned {
            Some(0) => ", which has not fired in this boot",
            Some(_) => ", which fired in this boot",
            None => "",
        };
        return DereferenceReport {
            state: Dereference::Checked,
            function: Some(reader.name.clone()),
            warned: warned.map(|w| w != 0),
            warned_address: flag.map(|at| Hex(at.0)),
            why: format!(
                "{} loads the pointer and asks lockdep whether the RCU lock is held{fired}",
                reader.name
            ),
        };
    }
    let names: Vec<&str> = readers.iter().map(|f| f.name.as_str()).collect();
    DereferenceReport {
        state: Dereference::Unchecked,
        function: names.first().map(|n| (*n).to_owned()),
        why: format!(
            "{} loads the pointer and asks lockdep nothing",
            names.join(", ")
        ),
        ..DereferenceReport::default()
    }
}

/// What the compiler moved out of a function's way (`name.cold`).
fn cold_part(kernel: &Kernel, function: &Function) -> Option<Function> {
    let name = format!("{}.cold", function.name);
    let at = kernel.symbol(&name).ok()?;
    let jumps_there = function
        .jumps_out()
        .into_iter()
        .any(|to| kernel.locate(to).is_some_and(|l| l.symbol == name));
    jumps_there
        .then(|| kernel.function_around(at).ok())
        .flatten()
}

/// The flag that the check sets so that it prints once: `__warned`, a static of the macro.
fn warned_flag(kernel: &Kernel, part: &Function) -> Option<VirtAddr> {
    let flags = part.flags_set();
    let named = |at: &VirtAddr| {
        let symbol = kernel.locate(*at);
        symbol.is_some_and(|l| l.offset == 0 && l.symbol.starts_with("__warned"))
    };
    let by_name = flags.iter().copied().find(named);
    // Without data symbols (KALLSYMS_ALL off) it is the only flag that this text sets.
    by_name.or(match flags.as_slice() {
        [only] => Some(*only),
        _ => None,
    })
}
