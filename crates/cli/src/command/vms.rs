//! `virtopsy vms`: virtual machines.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use virtopsy::Session;
use virtopsy::facts::{VcpuFacts, VmFacts, VmsFacts};

use super::{ask_session, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::Look;

/// Virtual machines and their virtual CPUs
#[derive(Debug, Args)]
pub(crate) struct VmsArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Prints the virtual machines.
///
/// # Errors
/// When they cannot be printed.
pub(crate) fn run(args: &VmsArgs, common: &Common) -> anyhow::Result<Status> {
    let Some(answer) = ask_session(&args.dump, common, Session::vms) else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&args.dump, &answer)?,
        PageFormat::Text => print(&text(&answer, common.look()))?,
    }
    Ok(Status::Pass)
}

fn text(answer: &VmsFacts, look: Look) -> String {
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

fn vm_text(out: &mut String, vm: &VmFacts) {
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

fn vcpu_text(vcpu: &VcpuFacts) -> String {
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
