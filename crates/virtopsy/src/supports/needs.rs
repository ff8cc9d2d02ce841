//! What the answers need of a kernel.

use virtopsy_kernel::declared::{Member, Variable, cpu, kvm, log, module, task};

use crate::era::Layout;

/// What hangs on a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Without it there is no verdict.
    Verdict,
    /// Without it some CPUs may stay unknown.
    EachCpu,
    /// The verdict does without it.
    Other,
}

/// Where a fact is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// A variable of the kernel proper.
    Variable(&'static Variable),
    /// A function or variable that the era names.
    Name(&'static str),
    /// A member of one of the kernel's structures.
    Member(&'static Member),
    /// A symbol of a module.
    Module(&'static str, &'static str),
    /// A member of a module's structure.
    ModuleMember(&'static str, &'static Member),
}

/// A fact, and where it is read: one of the sources suffices.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) needed_for: &'static str,
    pub(super) fact: &'static str,
    pub(super) sources: Vec<Source>,
    pub(super) weight: Weight,
    pub(super) consequence: &'static str,
}

const fn need(
    needed_for: &'static str,
    fact: &'static str,
    sources: Vec<Source>,
    weight: Weight,
    consequence: &'static str,
) -> Need {
    Need {
        needed_for,
        fact,
        sources,
        weight,
        consequence,
    }
}

/// All of them, for a kernel of that layout.
pub(super) fn all(layout: &Layout) -> Vec<Need> {
    let mut all = verdict(layout);
    all.extend(callback(layout));
    all.extend(rest());
    all
}

fn verdict(layout: &Layout) -> Vec<Need> {
    use Source::{Member, Module, Name, Variable};
    use Weight::{EachCpu, Verdict};
    let of = "verdict";
    // What the kernel switches off, by its own word (7.1): it is believed without types, too.
    const USED: Source = Name("virt_ops");
    let variable = |variable| vec![Variable(variable)];
    let mut all = vec![
        need(
            of,
            "which CPUs there are",
            variable(&cpu::POSSIBLE),
            Verdict,
            "no CPU is known: there is no verdict",
        ),
        need(
            of,
            "where each CPU's data is",
            variable(&cpu::OFFSETS),
            EachCpu,
            "only a kernel for one CPU does without; of others no CPU can be told",
        ),
        need(
            of,
            "the boot CPU's features",
            vec![Variable(&cpu::BOOT_CPU), USED],
            Verdict,
            "whether the machine has VMX or SVM is unknown: there is no verdict",
        ),
        need(
            of,
            "feature words",
            vec![Member(&cpu::CAPABILITY), USED],
            Verdict,
            "whether the machine has VMX or SVM is unknown: there is no verdict",
        ),
        need(
            of,
            "which CPUs were online",
            variable(&cpu::ONLINE),
            EachCpu,
            "CPUs that were offline will be unknown",
        ),
        need(
            of,
            "how far a CPU was up",
            variable(&cpu::HOTPLUG),
            Weight::Other,
            "a CPU that was going offline is told by the mask alone",
        ),
        need(
            of,
            "the state of a CPU's way up",
            vec![Member(&cpu::HOTPLUG_STATE)],
            Weight::Other,
            "a CPU that was going offline is told by the mask alone",
        ),
        need(
            of,
            "registers that CPUs saved",
            variable(&cpu::CRASH_NOTES),
            EachCpu,
            "who answered the crash NMI is unknown: CPUs with virtualization in use will be unknown",
        ),
        need(
            of,
            "Intel: the shadow of CR4",
            variable(&cpu::TLB_STATE),
            EachCpu,
            "on Intel the state itself is not seen: CPUs are judged by the order of events alone",
        ),
        need(
            of,
            "Intel: CR4 in it",
            vec![Member(&cpu::CR4)],
            EachCpu,
            "on Intel the shadow of CR4 has to be found by the kernel's own text",
        ),
        need(
            of,
            "the NMI stack",
            variable(&cpu::EXCEPTION_STACKS),
            EachCpu,
            "on AMD, CPUs that were parked by the crash NMI are told by counters alone",
        ),
        need(
            of,
            "its place",
            vec![Member(&cpu::NMI_STACK)],
            Weight::Other,
            "the place is told by the size of the storage",
        ),
        need(
            of,
            "the crash NMI's handler",
            vec![Name("crash_nmi_callback")],
            EachCpu,
            "the handler is inlined or has no name: parked CPUs are told by counters alone",
        ),
        need(
            of,
            "the list of modules",
            vec![Name("modules")],
            EachCpu,
            "KVM's own facts can't be found",
        ),
        need(
            of,
            "a module's place in it",
            vec![Member(&module::LIST)],
            EachCpu,
            "KVM's own facts can't be found",
        ),
        need(
            of,
            "a module's name",
            vec![Member(&module::NAME)],
            EachCpu,
            "KVM's own facts can't be found",
        ),
        need(
            of,
            "a module's code",
            vec![Member(&module::AREAS)],
            EachCpu,
            "addresses in KVM have no name: what stands on a stack is not understood",
        ),
        need(
            of,
            "AMD: KVM's data of a CPU",
            vec![Module("kvm_amd", "svm_data")],
            Weight::Other,
            "that a CPU never enabled SVM can't be told by KVM's own data",
        ),
    ];
    if let Some(disable) = layout.disable {
        all.push(need(
            of,
            "the function that switches off",
            vec![Name(disable)],
            EachCpu,
            "the write to EFER or VMXOFF cannot be shown: the function is inlined or has no name; \
             CPUs that do not answer will be unknown",
        ));
    }
    all
}

fn callback(layout: &Layout) -> Vec<Need> {
    let of = "callback";
    let mut all = Vec::new();
    if let Some(variable) = layout.callback_variable {
        all.push(need(
            of,
            "the callback's pointer",
            vec![Source::Name(variable)],
            Weight::Other,
            "which callback was registered is unknown",
        ));
    }
    all.push(need(
        of,
        "a module's symbols",
        vec![Source::Member(&module::KALLSYMS)],
        Weight::Other,
        "the callback's address has no name: only its module is told",
    ));
    all.push(need(
        of,
        "a module's state",
        vec![Source::Member(&module::STATE)],
        Weight::Other,
        "whether the callback's module was going away is unknown",
    ));
    all.push(need(
        of,
        "KVM's table of operations",
        vec![Source::Module("kvm", "kvm_x86_ops")],
        Weight::Other,
        "the pointer can't be held against KVM's own table",
    ));
    all
}

fn rest() -> Vec<Need> {
    use Source::{Member, Module, ModuleMember, Name, Variable};
    let other =
        |of, fact, sources, consequence| need(of, fact, sources, Weight::Other, consequence);
    let task = |of, fact, member, consequence| other(of, fact, vec![Member(member)], consequence);
    vec![
        other(
            "log",
            "the buffer",
            vec![Variable(&log::BUFFER)],
            "the log can't be read",
        ),
        task(
            "stacks",
            "a task's stack",
            &task::STACK,
            "stacks of tasks can't be read",
        ),
        task(
            "stacks",
            "a sleeping task's stack pointer",
            &task::THREAD_SP,
            "backtraces of sleeping tasks start by a scan",
        ),
        other(
            "stacks",
            "ORC",
            vec![Name("__start_orc_unwind_ip")],
            "stacks are unwound by frame pointers and a scan",
        ),
        other(
            "stacks",
            "the IRQ stack",
            vec![
                Name("hardirq_stack_ptr"),
                Name("irq_stack_ptr"),
                Name("pcpu_hot"),
                Name("irq_stack_union"),
            ],
            "frames on the IRQ stack are not found",
        ),
        other(
            "tasks",
            "the first task",
            vec![Name("init_task")],
            "there is no list of tasks",
        ),
        task(
            "tasks",
            "the list of processes",
            &task::TASKS,
            "there is no list of tasks",
        ),
        task("tasks", "thread ids", &task::PID, "tasks have no ids"),
        task("tasks", "process ids", &task::TGID, "tasks have no process"),
        task("tasks", "names", &task::COMM, "tasks have no names"),
        task("tasks", "states", &task::STATE, "what tasks did is unknown"),
        task(
            "tasks",
            "flags",
            &task::FLAGS,
            "kernel threads are not told from others",
        ),
        task(
            "tasks",
            "threads of a process",
            &task::THREAD_NODE,
            "threads are found by thread_group",
        ),
        task(
            "tasks",
            "a task's CPU",
            &task::CPU,
            "the CPU of a task is unknown",
        ),
        other(
            "vms",
            "the list of virtual machines",
            vec![Module("kvm", "vm_list")],
            "virtual machines are not listed",
        ),
        other(
            "vms",
            "a machine's place in it",
            vec![ModuleMember("kvm", &kvm::VM_LIST)],
            "virtual machines are not listed",
        ),
        task(
            "locks",
            "locks that a task holds",
            &task::HELD_LOCKS,
            "held locks are not known; who waits for which lock is",
        ),
        task(
            "locks",
            "how many those are",
            &task::LOCKDEP_DEPTH,
            "held locks are not known; who waits for which lock is",
        ),
    ]
}
