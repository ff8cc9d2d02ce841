//! A view as JSON, in the names that `virtopsy ... --format json` uses for the same things.

use serde_json::{Value, json};
use virtopsy::report::{Hex, Text};
use virtopsy_kernel::{Frame, SourceFrame, TaskInfo, Vcpu, Vm};

use crate::model::{MachineRow, Model, Shape, StackRow, Tab};
use crate::place::Pane;
use crate::remote::Remote;
use crate::source::{MemoryPage, ModuleRow, StackText};

/// What a pane shows; `None` where that is not here yet. A log is written by a worker, as it may
/// be long, and what is not of one view alone is the whole report.
pub(crate) fn pane(model: &Model, pane: Pane) -> Option<Value> {
    let tab = model.tab()?;
    let report = tab.report.ready();
    match pane {
        Pane::Overview | Pane::Compare | Pane::Overlay | Pane::Log => None,
        Pane::Cpus => report.map(|r| json!({ "virtualization": r.virtualization })),
        Pane::Cpu => tab.cpu().map(|cpu| json!({ "cpu": cpu })),
        Pane::Callback => {
            report.map(|r| json!({ "callback": r.callback, "code": tab.code.ready().map(|code| code.as_slice()) }))
        }
        Pane::Splats => report.map(|r| json!({ "splats": r.splats })),
        Pane::Splat => {
            let splat = report?.splats.get(tab.list(Pane::Splats).cursor)?;
            Some(json!({ "splats": [splat] }))
        }
        Pane::Stacks => Some(json!({ "stacks": stack_rows(tab) })),
        Pane::Stack => match tab.stacks.get(&tab.stack_of()?)? {
            Remote::Ready(text) => Some(json!({ "backtraces": [stack(text)] })),
            _ => None,
        },
        Pane::Modules => Some(machines(tab)),
        Pane::Module => match tab.machine(tab.list(Pane::Modules).cursor)? {
            MachineRow::Vm(row) => Some(json!({ "vms": [vm(row)] })),
            MachineRow::Module(row) => Some(json!({ "modules": [module(row)] })),
        },
        Pane::Memory => tab.memory.ready().map(|page| memory(tab.shape(), page)),
    }
}

/// The rows of the list, as they are sorted and filtered.
fn stack_rows(tab: &Tab) -> Vec<Value> {
    let row = |row: &StackRow| match (tab.cpu_of(*row), tab.task_of(*row)) {
        (Some(cpu), _) => json!({ "cpu": cpu.cpu, "state": cpu.state, "task": cpu.task }),
        (None, Some(info)) => json!({ "task": task(info) }),
        (None, None) => Value::Null,
    };
    tab.task_rows.iter().map(row).collect()
}

fn task(task: &TaskInfo) -> Value {
    json!({
        "address": Hex(task.address.0),
        "pid": task.pid,
        "tgid": task.tgid,
        "parent": task.parent,
        "comm": Text::new(task.comm.clone()),
        "state": task.state.letter().to_string(),
        "cpu": task.cpu.map(|c| c.0),
        "running_on": task.running_on.map(|c| c.0),
        "kernel_thread": task.kernel_thread,
        "stack": Hex(task.stack.0),
    })
}

fn stack(text: &StackText) -> Value {
    let backtrace = &text.backtrace;
    let sources = text.sources.iter().map(Vec::as_slice);
    let sources = sources.chain(std::iter::repeat(&[][..]));
    let frames: Vec<Value> = backtrace
        .frames
        .iter()
        .zip(sources)
        .map(|(found, sources)| frame(found, sources))
        .collect();
    let ended = &backtrace.ended_because;
    let held = text.held.iter().map(
        |held| json!({ "name": held.name, "lock": Hex(held.lock), "taken_at": held.taken_at }),
    );
    let waits = text.waits.as_ref().map(|waits| {
        let owner = waits.owner.as_ref();
        json!({
            "kind": waits.kind,
            "lock": Hex(waits.lock),
            "owner": owner.map(|(pid, comm)| json!({ "pid": pid, "comm": comm })),
            "known_by": waits.known_by,
        })
    });
    json!({
        "task": text.task.as_ref().map(task),
        "in_nmi": text.in_nmi,
        "registers": backtrace.registers.map(|r| r.source.to_string()),
        "frames": frames,
        "ended_because": { "kind": ended.kind(), "message": ended.to_string() },
        "notes": backtrace.notes,
        "waits_for": waits,
        "held": held.collect::<Vec<_>>(),
    })
}

fn frame(frame: &Frame, sources: &[SourceFrame]) -> Value {
    let at = frame.location.as_ref();
    let source = |source: &SourceFrame| {
        json!({
            "function": source.function,
            "file": source.file,
            "line": source.line,
            "column": source.column,
            "inlined": source.inlined,
        })
    };
    let sources: Vec<Value> = sources.iter().map(source).collect();
    json!({
        "ip": Hex(frame.ip.0),
        "sp": Hex(frame.sp.0),
        "function": at.map(|at| &at.symbol),
        "offset": at.map(|at| Hex(at.offset)),
        "size": at.and_then(|at| at.size).map(Hex),
        "module": at.and_then(|at| at.module.as_ref()),
        "source": sources,
        "stack": frame.stack.as_ref().map(ToString::to_string),
        "found_by": frame.found_by.to_string(),
        "reliable": frame.is_reliable(),
        "interrupted": frame.interrupted,
    })
}

fn machines(tab: &Tab) -> Value {
    let table = tab.modules.ready();
    json!({
        "vms": tab.vm_list().iter().map(vm).collect::<Vec<_>>(),
        "modules": tab.module_list().iter().map(module).collect::<Vec<_>>(),
        "taints": table.and_then(|t| t.taints.as_ref()),
        "last_unloaded": table.and_then(|t| t.last_unloaded.as_ref()),
        "incomplete_because": table.and_then(|t| t.broken.as_ref()),
    })
}

fn vm(vm: &Vm) -> Value {
    json!({
        "address": Hex(vm.address.0),
        "owner": vm.owner,
        "kind": vm.kind.map(|kind| kind.to_string()),
        "online_vcpus": vm.online_vcpus,
        "dead": vm.dead,
        "vcpus": vm.vcpus.iter().map(vcpu).collect::<Vec<_>>(),
        "incomplete_because": vm.broken.as_ref().map(ToString::to_string),
    })
}

fn vcpu(vcpu: &Vcpu) -> Value {
    json!({
        "address": Hex(vcpu.address.0),
        "id": vcpu.id,
        "mode": vcpu.mode.map(|mode| mode.to_string()),
        "last_cpu": vcpu.cpu.map(|c| c.0),
        "loaded_on": vcpu.loaded_on.map(|c| c.0),
        "thread": vcpu.thread,
        "nested": vcpu.nested,
        "rip": vcpu.registers.rip.map(Hex),
        "cr3": vcpu.registers.cr3.map(Hex),
        "registers_hidden_because": vcpu.registers.hidden_because,
    })
}

fn module(module: &ModuleRow) -> Value {
    let areas = module
        .areas
        .iter()
        .map(|(base, size, text)| json!({ "base": Hex(*base), "size": size, "text": text }));
    json!({
        "name": module.name,
        "address": Hex(module.address),
        "state": module.state,
        "refcount": module.refcount,
        "used_by": module.users,
        "taints": module.taints,
        "areas": areas.collect::<Vec<_>>(),
        "percpu": Hex(module.percpu),
    })
}

fn memory(shape: Shape, page: &MemoryPage) -> Value {
    let name = page.name.as_ref();
    let shown = match shape {
        Shape::Typed => {
            let row = |row: &crate::source::TypedRow| {
                json!({
                    "depth": row.depth,
                    "name": row.name,
                    "type": row.type_name,
                    "address": row.address.map(Hex),
                    "value": row.value,
                })
            };
            json!(page.tree.iter().map(row).collect::<Vec<_>>())
        }
        Shape::Code => json!(page.code),
        Shape::Words => {
            let word = |(number, (value, name)): (usize, &(u64, Option<String>))| {
                let at = page.start.wrapping_add((number as u64).wrapping_mul(8));
                json!({ "address": Hex(at), "value": Hex(*value), "name": name })
            };
            json!(page.words.iter().enumerate().map(word).collect::<Vec<_>>())
        }
    };
    let key = match shape {
        Shape::Typed => "values",
        Shape::Code => "code",
        Shape::Words => "words",
    };
    json!({ "address": Hex(page.asked), "name": name, "type": page.type_name, key: shown })
}
