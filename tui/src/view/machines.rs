//! Virtual machines, and the modules: their state, and where they lie.

use virtopsy::facts::{ModuleFacts, ModulesFacts};
use virtopsy::kernel::{ModuleState, Vcpu, Vm};
use virtopsy::report::Text;

use crate::cells;
use crate::doc::{Doc, DocLine, piece, safe, shown};
use crate::model::{MachineRow, Model, Tab};
use crate::place::{Pane, Place};
use crate::remote::Remote;
use crate::theme::Role;

use super::{status, words};

/// The list's heading: how many there are, and why some are not.
pub(super) fn title(tab: &Tab) -> String {
    if !status::is_open(tab) {
        return "Virtual machines and modules".into();
    }
    let vms = match &tab.vms {
        Remote::Ready(list) => match list.as_ref() {
            None => "KVM not loaded".into(),
            Some(list) if list.vms.is_empty() && list.broken.is_none() => "no VM".into(),
            Some(list) => {
                let torn = if list.broken.is_some() { "+" } else { "" };
                format!("{}{torn}", words::count(list.vms.len(), "VM"))
            }
        },
        Remote::Failed(_) => "VMs not readable".into(),
        Remote::Idle | Remote::Waiting(_) => "VMs to come".into(),
    };
    let modules = match &tab.modules {
        Remote::Ready(list) => {
            let torn = if list.incomplete_because.is_some() {
                "+"
            } else {
                ""
            };
            format!("{}{torn}", words::count(list.modules.len(), "module"))
        }
        Remote::Failed(_) => "modules not readable".into(),
        Remote::Idle | Remote::Waiting(_) => "modules to come".into(),
    };
    format!("{vms}, {modules}")
}

/// The heading of what is chosen.
pub(super) fn detail_title(tab: &Tab) -> String {
    match tab.machine(tab.list(Pane::Modules).cursor) {
        Some(MachineRow::Vm(_)) => "Virtual machine".into(),
        Some(MachineRow::Module(_)) => "Module".into(),
        None => "Details".into(),
    }
}

/// A row of the list.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let mark = model.theme.glyphs().ellipsis;
    let pieces = match tab.machine(row)? {
        MachineRow::Vm(vm) => {
            let loaded = vm.vcpus.iter().filter(|v| v.loaded_on.is_some()).count();
            let on = if loaded > 0 {
                format!(", {loaded} loaded")
            } else {
                String::new()
            };
            let vcpus = words::count(vm.vcpus.len(), "vCPU");
            let text = format!(" VM {} {vcpus}{on}", owner(tab, vm));
            vec![piece(Role::Heading, cells::cut(&text, width, mark))]
        }
        MachineRow::Module(module) => {
            let name = cells::column(
                &module.name.to_string(),
                width.saturating_sub(28).clamp(10, 32),
                mark,
            );
            let role = if module.state == ModuleState::Live {
                Role::Plain
            } else {
                Role::Unsure
            };
            let users = module.refcount.map_or("?".into(), |n| n.to_string());
            vec![
                piece(Role::Plain, format!(" {name} ")),
                piece(role, format!("{:<9}", module.state.to_string())),
                piece(Role::Muted, format!("{users:>4} {:>8}", size(module))),
            ]
        }
    };
    Some(DocLine { pieces, link: None })
}

/// The process that made a virtual machine: name and pid, as far as they are known.
fn owner(tab: &Tab, vm: &Vm) -> String {
    let Some(pid) = vm.owner else {
        return "of an unknown process:".into();
    };
    let known = tab.tasks.ready().and_then(|tasks| tasks.by_pid(pid));
    match known {
        Some(task) => format!("of {} ({pid}):", Text::new(task.comm.clone())),
        None => format!("of pid {pid}:"),
    }
}

fn size(module: &ModuleFacts) -> String {
    format!("{}K", module.size.div_ceil(1024))
}

/// What is chosen.
pub(crate) fn detail(tab: &Tab, mut doc: Doc) -> Doc {
    match tab.machine(tab.list(Pane::Modules).cursor) {
        Some(MachineRow::Vm(vm)) => machine(tab, vm, &mut doc),
        Some(MachineRow::Module(row)) => {
            module(tab, row, &mut doc);
            if let Some(table) = tab.modules.ready() {
                all_modules(table, &mut doc);
            }
        }
        None => doc.para(Role::Muted, 1, "nothing is chosen"),
    }
    if let (Remote::Failed(why), Some(_)) = (&tab.vms, tab.machine(0)) {
        doc.gap();
        doc.field("VMs", Role::Unsure, &safe(why));
    }
    doc
}

fn machine(tab: &Tab, vm: &Vm, doc: &mut Doc) {
    let to = vm.owner.map(Place::Task);
    doc.field_to(
        "machine",
        Role::Heading,
        &owner(tab, vm).replace(':', ""),
        to,
    );
    doc.field_to(
        "struct kvm",
        Role::Plain,
        &vm.address.to_string(),
        Some(Place::Expression(format!(
            "*(struct kvm *){:#x}",
            vm.address.0
        ))),
    );
    let kind = vm.kind.map_or("not known".into(), |kind| kind.to_string());
    doc.field("kind", Role::Plain, &kind);
    if vm.dead == Some(true) {
        doc.field(
            "dead",
            Role::Bad,
            "KVM had given it up (vm_bugged or vm_dead)",
        );
    }
    if let Some(why) = &vm.broken {
        doc.field("missing", Role::Unsure, &safe(&why.to_string()));
    }
    doc.heading(&format!("vCPUs ({})", vm.vcpus.len()));
    if vm.vcpus.is_empty() {
        doc.para(Role::Muted, 1, "none was made, or none can be read");
    }
    for vcpu in &vm.vcpus {
        virtual_cpu(vcpu, doc);
    }
}

fn virtual_cpu(vcpu: &Vcpu, doc: &mut Doc) {
    let mode = vcpu.mode.map_or("mode not known".into(), |m| m.to_string());
    let nested = if vcpu.nested == Some(true) {
        ", running a guest of its own"
    } else {
        ""
    };
    doc.link(
        vec![
            piece(Role::Heading, format!(" vCPU {}", vcpu.id)),
            piece(Role::Plain, format!("  {mode}{nested}")),
        ],
        Place::Expression(format!("*(struct kvm_vcpu *){:#x}", vcpu.address.0)),
    );
    match (vcpu.loaded_on, vcpu.cpu) {
        (Some(cpu), _) => doc.field_to(
            "  loaded on",
            Role::Plain,
            &format!("CPU {cpu}"),
            Some(Place::Cpu(cpu.0)),
        ),
        (None, Some(cpu)) => doc.field_to(
            "  last on",
            Role::Plain,
            &format!("CPU {cpu}"),
            Some(Place::Cpu(cpu.0)),
        ),
        (None, None) => doc.field("  loaded on", Role::Plain, "no CPU"),
    }
    if let Some(pid) = vcpu.thread {
        doc.field_to(
            "  thread",
            Role::Plain,
            &format!("pid {pid}"),
            Some(Place::Task(pid)),
        );
    }
    let registers = match (vcpu.registers.hidden_because, vcpu.registers.rip) {
        (Some(why), _) => why.to_owned(),
        (None, None) => "not in memory".into(),
        (None, Some(rip)) => {
            let cr3 = vcpu.registers.cr3;
            let cr3 = cr3.map_or(String::new(), |cr3| format!(", cr3 {cr3:#x}"));
            format!("rip {rip:#x}{cr3}")
        }
    };
    doc.field("  guest", Role::Plain, &registers);
    if let Some(why) = vcpu.missing.first() {
        doc.field("  missing", Role::Unsure, &safe(&why.to_string()));
    }
}

fn module(tab: &Tab, module: &ModuleFacts, doc: &mut Doc) {
    doc.field("name", Role::Heading, &module.name.to_string());
    let role = if module.state == ModuleState::Live {
        Role::Plain
    } else {
        Role::Unsure
    };
    doc.field("state", role, &module.state.to_string());
    let references = module
        .refcount
        .map_or("not known".into(), |n| n.to_string());
    doc.field("references", Role::Plain, &references);
    let users: Vec<String> = module.used_by.iter().map(ToString::to_string).collect();
    doc.field("used by", Role::Plain, &users.join(", "));
    doc.field(
        "taints",
        Role::Plain,
        &safe(module.taints.as_deref().unwrap_or_default()),
    );
    doc.field_to(
        "module at",
        Role::Plain,
        &module.address.to_string(),
        Some(Place::Expression(format!(
            "*(struct module *){}",
            module.address
        ))),
    );
    if module.percpu.0 != 0 {
        doc.field("per-CPU", Role::Plain, &module.percpu.to_string());
    }
    doc.heading("Memory");
    for area in &module.areas {
        let (base, size) = (area.base.0, area.size);
        let kind = if area.text { "code" } else { "data" };
        let end = base.wrapping_add(size);
        let callback = callback_in(tab, base, end);
        let pieces = vec![
            piece(Role::Link, format!(" {base:016x}-{end:016x}")),
            piece(Role::Plain, format!(" {kind} {size:>8} bytes")),
        ];
        doc.link(pieces, Place::Memory(base));
        if let Some(at) = callback {
            doc.para_to(
                Role::Heading,
                3,
                "the emergency callback points in here",
                Some(&Place::Memory(at)),
            );
        }
    }
}

/// The emergency callback, where it points in between.
fn callback_in(tab: &Tab, base: u64, end: u64) -> Option<u64> {
    let value = tab.report.ready()?.callback.value?.0;
    (base..end).contains(&value).then_some(value)
}

fn all_modules(table: &ModulesFacts, doc: &mut Doc) {
    doc.heading("Of all modules");
    let taints = table.taints.as_deref().unwrap_or("not known");
    let taints = if taints.is_empty() { "none" } else { taints };
    doc.field("tainted", Role::Plain, &safe(taints));
    doc.field(
        "last gone",
        Role::Plain,
        &shown(table.last_unloaded.as_ref()),
    );
    doc.field(
        "missing",
        Role::Unsure,
        &shown(table.incomplete_because.as_ref()),
    );
}
