//! A view as JSON, in the names that `virtopsy ... --format json` uses for the same things.

use serde_json::{Value, json};
use virtopsy::facts::{EndedFacts, FrameFacts, TaskFacts, VmFacts};
use virtopsy::kernel::Vm;
use virtopsy::report::Hex;

use crate::model::{MachineRow, Model, Shape, StackRow, Tab};
use crate::place::Pane;
use crate::remote::Remote;
use crate::source::{MemoryPage, StackText};

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
            MachineRow::Vm(row) => Some(json!({ "vms": [vm(tab, row)] })),
            MachineRow::Module(row) => Some(json!({ "modules": [row] })),
        },
        Pane::Memory => tab.memory.ready().map(|page| memory(tab.shape(), page)),
    }
}

/// The rows of the list, as they are sorted and filtered.
fn stack_rows(tab: &Tab) -> Vec<Value> {
    let row = |row: &StackRow| match (tab.cpu_of(*row), tab.task_of(*row)) {
        (Some(cpu), _) => json!({ "cpu": cpu.cpu, "state": cpu.state, "task": cpu.task }),
        (None, Some(info)) => json!({ "task": TaskFacts::from(info) }),
        (None, None) => Value::Null,
    };
    tab.task_rows.iter().map(row).collect()
}

fn stack(text: &StackText) -> Value {
    let backtrace = &text.backtrace;
    let sources = text.sources.iter().map(Vec::as_slice);
    let sources = sources.chain(std::iter::repeat(&[][..]));
    let frames: Vec<FrameFacts> = backtrace
        .frames
        .iter()
        .zip(sources)
        .map(|(found, sources)| FrameFacts::new(found, sources))
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
        "task": text.task.as_ref().map(TaskFacts::from),
        "in_nmi": text.in_nmi,
        "registers": backtrace.registers.map(|r| r.source.to_string()),
        "frames": frames,
        "ended_because": EndedFacts::from(ended),
        "notes": backtrace.notes,
        "waits_for": waits,
        "held": held.collect::<Vec<_>>(),
    })
}

fn machines(tab: &Tab) -> Value {
    let table = tab.modules.ready();
    json!({
        "vms": tab.vm_list().iter().map(|row| vm(tab, row)).collect::<Vec<_>>(),
        "modules": tab.module_list(),
        "taints": table.and_then(|t| t.taints.as_ref()),
        "last_unloaded": table.and_then(|t| t.last_unloaded.as_ref()),
        "incomplete_because": table.and_then(|t| t.incomplete_because.as_ref()),
    })
}

/// With the name of its owner, if the tasks are known by now.
fn vm(tab: &Tab, vm: &Vm) -> VmFacts {
    let tasks = tab.tasks.ready();
    let owner = tasks
        .zip(vm.owner)
        .and_then(|(tasks, pid)| tasks.by_pid(pid));
    VmFacts::new(vm, owner)
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
