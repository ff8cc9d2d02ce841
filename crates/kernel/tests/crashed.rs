//! A crashed kernel by name, on the corpus: what must hold of every dump, whatever is in it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use virtopsy_kernel::{
    Backtrace, Kernel, KernelOptions, NoteContent, PeekLimits, RegisterSource, Start, Value,
};
use virtopsy_testkit::corpus;
use virtopsy_vmcore::{Dump, OpenOptions};

/// Every dump of the corpus whose symbols and types can be had.
fn kernels(what: &str) -> Vec<(String, Kernel)> {
    let Some(corpus) = corpus(what) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(corpus.join("dumps"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| Some((path.display().to_string(), open(path, &corpus)?)))
        .collect()
}

fn open(path: &Path, corpus: &Path) -> Option<Kernel> {
    let dump = Arc::new(Dump::open(&[path.to_owned()], &OpenOptions::default()).ok()?);
    let release = dump.vmcoreinfo()?.os_release()?.to_owned();
    let folder = corpus.join("kernels").join(release.rsplit('-').next()?);
    let mut options = KernelOptions::default();
    options.vmlinux = folder.is_dir().then_some(folder);
    let kernel = Kernel::open(dump, &options).ok()?;
    (kernel.symbols().is_ok() && kernel.types().is_ok()).then_some(kernel)
}

/// On one stack the frames rise, and what vouches for a frame names a function.
fn holds_together(name: &str, trace: &Backtrace) {
    for (inner, outer) in trace.frames.iter().zip(trace.frames.iter().skip(1)) {
        if inner.stack == outer.stack && inner.is_reliable() && outer.is_reliable() {
            assert!(inner.sp < outer.sp, "{name}: {inner:?} {outer:?}");
        }
    }
    for frame in trace.frames.iter().filter(|f| f.is_reliable()) {
        assert!(frame.location.is_some(), "{name}: {frame:?}");
    }
}

#[test]
fn every_cpu_that_saved_its_registers_is_unwound_to_the_outermost_frame() {
    for (name, kernel) in kernels("stacks of CPUs") {
        let unwinder = kernel.unwinder();
        assert!(unwinder.orc().is_ok(), "{name}: {:?}", unwinder.orc().err());
        for cpu in kernel.cpus().unwrap().possible.iter() {
            let trace = unwinder.backtrace(Start::Cpu(cpu));
            holds_together(&name, &trace);
            let saved = kernel
                .crash_note(cpu)
                .is_ok_and(|n| matches!(n.content, NoteContent::Saved(_)));
            if saved {
                assert!(
                    trace.ended_because.is_complete(),
                    "{name} CPU {cpu}: {}",
                    trace.ended_because
                );
                assert!(
                    trace.frames.iter().all(virtopsy_kernel::Frame::is_reliable),
                    "{name} CPU {cpu}"
                );
            }
        }
    }
}

#[test]
fn sleeping_tasks_begin_in_the_scheduler() {
    for (name, kernel) in kernels("stacks of tasks") {
        let unwinder = kernel.unwinder();
        let tasks = kernel.tasks();
        assert!(tasks.tasks.len() > 1, "{name}");
        for task in tasks
            .tasks
            .iter()
            .filter(|t| t.running_on.is_none() && t.pid != 0)
        {
            let trace = unwinder.backtrace(Start::Task(task.address));
            holds_together(&name, &trace);
            let sleeps = trace
                .registers
                .is_some_and(|r| r.source == RegisterSource::InactiveTask && !r.exact);
            if let Some(first) = trace.frames.first().filter(|_| sleeps) {
                let function = first
                    .location
                    .as_ref()
                    .map(|l| l.symbol.clone())
                    .unwrap_or_default();
                assert!(
                    function.starts_with("__schedule"),
                    "{name} {}: {function}",
                    task.pid
                );
            }
        }
    }
}

#[test]
fn tasks_that_a_cpu_ran_are_in_the_list_and_know_their_cpu() {
    for (name, kernel) in kernels("tasks") {
        let tasks = kernel.tasks();
        for cpu in kernel.cpus().unwrap().possible.iter() {
            let Ok(current) = kernel.current_task(cpu) else {
                continue;
            };
            let Some(task) = tasks.at(current.address) else {
                assert!(
                    !tasks.broken.is_empty(),
                    "{name}: CPU {cpu}'s task is in no list"
                );
                continue;
            };
            assert_eq!(
                (task.running_on, task.pid),
                (Some(cpu), current.pid),
                "{name}"
            );
            assert_eq!(task.cpu, Some(cpu), "{name}");
        }
    }
}

#[test]
fn virtual_cpus_that_are_loaded_belong_to_the_task_that_ran_there() {
    for (name, kernel) in kernels("virtual machines") {
        let Ok(list) = kernel.vms() else { continue };
        for vcpu in list.vms.iter().flat_map(|vm| &vm.vcpus) {
            let Some(cpu) = vcpu.loaded_on else { continue };
            if let (Ok(task), Some(thread)) = (kernel.current_task(cpu), vcpu.thread) {
                assert_eq!(task.pid, thread, "{name}: {vcpu:?}");
            }
            assert_eq!(vcpu.cpu, Some(cpu), "{name}: {vcpu:?}");
        }
    }
}

#[test]
fn held_locks_name_their_class_and_place() {
    for (name, kernel) in kernels("locks") {
        for task in &kernel.tasks().tasks {
            let Ok(held) = kernel.held_locks(task.address) else {
                continue;
            };
            for lock in &held.locks {
                let class = lock
                    .class
                    .as_ref()
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(
                    !class.name.is_empty() && lock.location.is_some(),
                    "{name}: {lock:?}"
                );
            }
        }
    }
}

#[test]
fn memory_is_read_by_name() {
    for (name, kernel) in kernels("peek") {
        let peek = |text: &str| kernel.peek(text, PeekLimits::default());
        let comm = peek("init_task.comm").unwrap();
        assert!(
            matches!(&comm.value, Value::Text(t) if t.starts_with(b"swapper")),
            "{name}: {comm:?}"
        );
        let by_cast = peek(&format!(
            "(struct task_struct *){:#x}->comm",
            kernel.symbol("init_task").unwrap().0
        ));
        assert!(
            matches!(by_cast.unwrap().value, Value::Text(t) if t.starts_with(b"swapper")),
            "{name}"
        );
        // The first task's page may not be in the dump.
        let next = peek("init_task.tasks.next.prev").unwrap_or_else(|e| panic!("{name}: {e}"));
        let head = peek("init_task.tasks").unwrap().address;
        let is_head = match next.value {
            Value::Pointer { to, .. } => Some(to) == head,
            Value::Unreadable(_) => true,
            _ => false,
        };
        assert!(is_head, "{name}: {next:?}");
        assert!(peek("init_task.no_such_member").is_err());
        assert!(peek("percpu(runqueues, 100000)").is_err());
        let range = peek("init_task.comm[0..4]").unwrap();
        assert!(
            matches!(&range.value, Value::Array { count: 4, .. }),
            "{name}"
        );
        let names = kernel.peek_completions("init_task.tas", 10);
        assert!(names.contains(&"tasks".to_owned()), "{name}: {names:?}");
    }
}
