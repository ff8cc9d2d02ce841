//! `virtopsy vms`: virtual machines.

use std::fmt::Write as _;

use serde::Serialize;
use virtopsy::report::{Hex, Text};
use virtopsy_kernel::{CpuId, Error, Kernel, TaskList, Vcpu, Vm, VmKind};

use super::{ask_kernel, error_text, print, print_json};
use crate::args::{Common, PageFormat, VmsArgs};
use crate::exit::Status;
use crate::page::clean;
use crate::terminal::Look;

#[derive(Serialize)]
struct Answer {
    /// Whether KVM is there at all.
    kvm: bool,
    vms: Vec<VmEntry>,
    incomplete_because: Option<Text>,
}

#[derive(Serialize)]
struct VmEntry {
    address: Hex,
    owner: Option<i32>,
    /// Name of the owner's task, where it is in the dump.
    owner_comm: Option<Text>,
    mm: Option<Hex>,
    kind: Option<String>,
    /// Whether the guest's registers can be in the dump at all.
    registers_hidden: bool,
    online_vcpus: Option<u64>,
    dead: Option<bool>,
    vcpus: Vec<VcpuEntry>,
    incomplete_because: Option<Text>,
}

#[derive(Serialize)]
struct VcpuEntry {
    address: Hex,
    id: i64,
    mode: Option<String>,
    last_cpu: Option<u32>,
    loaded_on: Option<u32>,
    thread: Option<i32>,
    nested: Option<bool>,
    /// Registers that KVM had changed and not yet written to the VMCS, a bit each; VMX only.
    dirty_registers: Option<Hex>,
    rip: Option<Hex>,
    cr3: Option<Hex>,
    registers_hidden_because: Option<&'static str>,
    incomplete_because: Vec<Text>,
}

/// Prints the virtual machines.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &VmsArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(answer) = ask_kernel(&args.dump, common, answer) else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, Look::of_stdout(common.color)))?,
    }
    Ok(Status::Pass)
}

fn answer(kernel: &Kernel) -> Result<Answer, Error> {
    let list = match kernel.vms() {
        // No list of VMs: KVM is not loaded. Whether that is so only symbols and modules can tell.
        Err(e @ Error::NoSymbol { .. })
            if kernel.symbols().is_ok() && kernel.modules().broken.is_none() =>
        {
            tracing::debug!("KVM: {e}");
            return Ok(Answer {
                kvm: false,
                vms: Vec::new(),
                incomplete_because: None,
            });
        }
        list => list?,
    };
    let tasks = kernel.tasks();
    Ok(Answer {
        kvm: true,
        vms: list.vms.iter().map(|vm| vm_entry(vm, &tasks)).collect(),
        incomplete_because: list.broken.as_ref().map(error_text),
    })
}

fn vm_entry(vm: &Vm, tasks: &TaskList) -> VmEntry {
    let owner = vm.owner.and_then(|pid| tasks.by_pid(pid));
    VmEntry {
        address: Hex(vm.address.0),
        owner: vm.owner,
        owner_comm: owner.map(|task| Text::new(task.comm.clone())),
        mm: vm.mm.map(|mm| Hex(mm.0)),
        kind: vm.kind.map(|kind| kind.to_string()),
        registers_hidden: vm.kind.is_some_and(VmKind::hides_registers),
        online_vcpus: vm.online_vcpus,
        dead: vm.dead,
        vcpus: vm.vcpus.iter().map(vcpu_entry).collect(),
        incomplete_because: vm.broken.as_ref().map(error_text),
    }
}

fn vcpu_entry(vcpu: &Vcpu) -> VcpuEntry {
    let number = |cpu: CpuId| cpu.0;
    VcpuEntry {
        address: Hex(vcpu.address.0),
        id: vcpu.id,
        mode: vcpu.mode.map(|mode| mode.to_string()),
        last_cpu: vcpu.cpu.map(number),
        loaded_on: vcpu.loaded_on.map(number),
        thread: vcpu.thread,
        nested: vcpu.nested,
        dirty_registers: vcpu.dirty_registers.map(Hex),
        rip: vcpu.registers.rip.map(Hex),
        cr3: vcpu.registers.cr3.map(Hex),
        registers_hidden_because: vcpu.registers.hidden_because,
        incomplete_because: vcpu.missing.iter().map(error_text).collect(),
    }
}

fn text(answer: &Answer, look: Look) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    match (answer.kvm, answer.vms.len()) {
        (false, _) => out.push_str("KVM is not loaded.\n"),
        (true, 0) => out.push_str("KVM is loaded; there is no virtual machine.\n"),
        (true, _) => answer.vms.iter().for_each(|vm| vm_text(&mut out, vm)),
    }
    if let Some(why) = &answer.incomplete_because {
        let _ = writeln!(out, "The list is not whole: {why}");
    }
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}

fn vm_text(out: &mut String, vm: &VmEntry) {
    let comm = vm
        .owner_comm
        .as_ref()
        .map_or_else(|| "?".to_owned(), ToString::to_string);
    let owner = vm
        .owner
        .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    let kind = vm.kind.as_deref().unwrap_or("kind unknown");
    let dead = if vm.dead == Some(true) { ", dead" } else { "" };
    let _ = writeln!(
        out,
        "VM {:#018x}: {comm} (pid {owner}), {kind}{dead}",
        vm.address.0
    );
    for vcpu in &vm.vcpus {
        let _ = writeln!(out, "  vCPU {}: {}", vcpu.id, vcpu_text(vcpu));
    }
    if let Some(why) = &vm.incomplete_because {
        let _ = writeln!(out, "  its vCPUs are not whole: {why}");
    }
}

fn vcpu_text(vcpu: &VcpuEntry) -> String {
    let mut facts = vec![
        vcpu.mode
            .clone()
            .unwrap_or_else(|| "mode unknown".to_owned()),
    ];
    match (vcpu.loaded_on, vcpu.last_cpu) {
        (Some(cpu), _) => facts.push(format!("loaded on CPU {cpu}")),
        (None, Some(cpu)) => facts.push(format!("last on CPU {cpu}")),
        (None, None) => facts.push("on no CPU".to_owned()),
    }
    facts.extend(vcpu.thread.map(|pid| format!("thread {pid}")));
    if vcpu.nested == Some(true) {
        facts.push("running a nested guest".to_owned());
    }
    if let Some(dirty) = vcpu.dirty_registers.filter(|dirty| dirty.0 != 0) {
        facts.push(format!("registers not yet in the VMCS: {dirty}"));
    }
    match vcpu.registers_hidden_because {
        Some(why) => facts.push(why.to_owned()),
        None => {
            facts.push(vcpu.rip.map_or_else(
                || "rip not in memory".to_owned(),
                |rip| format!("rip {rip}"),
            ));
            facts.extend(vcpu.cr3.map(|cr3| format!("cr3 {cr3}")));
        }
    }
    facts.extend(
        vcpu.incomplete_because
            .first()
            .map(|why| format!("not all could be read: {why}")),
    );
    facts.join(", ")
}
