//! What is read of a kernel, declared once: members of structures and variables, each with its
//! alternatives, the newest first.
//!
//! The code reads by these declarations ([`Object::declared`](crate::Object::declared),
//! [`KernelSymbols::declared`](crate::KernelSymbols::declared)), and what a kernel supports is told by
//! them, so that one cannot drift from the other.

/// A member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The structure's name, without `struct`.
    pub structure: &'static str,
    /// Paths of the member, the newest first.
    pub paths: &'static [&'static str],
    /// Which releases have which path, or none; empty where all have it.
    pub releases: &'static str,
    /// Kernels without any of the paths are meant to be: the release or option that decides it.
    /// Empty: every kernel has one.
    pub absent: &'static str,
}

/// A variable or function of the kernel proper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its names, the newest first.
    pub names: &'static [&'static str],
    /// Which releases have which name; empty where all have it.
    pub releases: &'static str,
}

/// A member that every kernel has by one name.
const fn always(structure: &'static str, path: &'static [&'static str]) -> Member {
    Member {
        structure,
        paths: path,
        releases: "",
        absent: "",
    }
}

/// A member that has had several names.
const fn renamed(
    structure: &'static str,
    paths: &'static [&'static str],
    releases: &'static str,
) -> Member {
    Member {
        structure,
        paths,
        releases,
        absent: "",
    }
}

/// A member that not every kernel has.
const fn optional(
    structure: &'static str,
    paths: &'static [&'static str],
    absent: &'static str,
) -> Member {
    Member {
        structure,
        paths,
        releases: "",
        absent,
    }
}

const fn variable(names: &'static [&'static str]) -> Variable {
    Variable {
        names,
        releases: "",
    }
}

/// `task_struct`.
pub mod task {
    use super::{Member, always, optional, renamed};

    /// Thread id.
    pub const PID: Member = always("task_struct", &["pid"]);
    /// Process id.
    pub const TGID: Member = always("task_struct", &["tgid"]);
    /// Name.
    pub const COMM: Member = always("task_struct", &["comm"]);
    /// Who waits for its end.
    pub const PARENT: Member = always("task_struct", &["real_parent"]);
    /// State; a volatile long until 5.13.
    pub const STATE: Member = renamed(
        "task_struct",
        &["__state", "state"],
        "__state since 5.14 (2f064a59a11f)",
    );
    /// How it ended.
    pub const EXIT_STATE: Member = always("task_struct", &["exit_state"]);
    /// Its CPU.
    pub const CPU: Member = renamed(
        "task_struct",
        &["thread_info.cpu", "cpu"],
        "thread_info.cpu since 5.16 (bcf9033e5449)",
    );
    /// `PF_…`.
    pub const FLAGS: Member = always("task_struct", &["flags"]);
    /// The lowest address of its kernel stack.
    pub const STACK: Member = always("task_struct", &["stack"]);
    /// Its link in the list of processes.
    pub const TASKS: Member = always("task_struct", &["tasks"]);
    /// What its threads share.
    pub const SIGNAL: Member = always("task_struct", &["signal"]);
    /// Its link in the list of its process's threads.
    pub const THREAD_NODE: Member = optional("task_struct", &["thread_node"], "since 3.14");
    /// The list of a process's threads.
    pub const THREAD_HEAD: Member = optional("signal_struct", &["thread_head"], "since 3.14");
    /// The stack pointer of a task that does not run.
    pub const THREAD_SP: Member = always("task_struct", &["thread.sp"]);
    /// Locks that it holds.
    pub const HELD_LOCKS: Member =
        optional("task_struct", &["held_locks"], "only with CONFIG_LOCKDEP");
    /// How many those are.
    pub const LOCKDEP_DEPTH: Member = optional(
        "task_struct",
        &["lockdep_depth"],
        "only with CONFIG_LOCKDEP",
    );

    /// All of them.
    pub const ALL: &[&Member] = &[
        &PID,
        &TGID,
        &COMM,
        &PARENT,
        &STATE,
        &EXIT_STATE,
        &CPU,
        &FLAGS,
        &STACK,
        &TASKS,
        &SIGNAL,
        &THREAD_NODE,
        &THREAD_HEAD,
        &THREAD_SP,
        &HELD_LOCKS,
        &LOCKDEP_DEPTH,
    ];
}

/// `module`.
pub mod module {
    use super::{Member, always, optional, renamed};

    /// Its link in the list of modules.
    pub const LIST: Member = always("module", &["list"]);
    /// Live, coming, going.
    pub const STATE: Member = always("module", &["state"]);
    /// Name.
    pub const NAME: Member = always("module", &["name"]);
    /// References, one more than users.
    pub const REFCNT: Member = optional("module", &["refcnt"], "only with CONFIG_MODULE_UNLOAD");
    /// Its per-CPU data.
    pub const PERCPU: Member = always("module", &["percpu"]);
    /// Where its code and data are.
    pub const AREAS: Member = renamed(
        "module",
        &["mem", "core_layout", "module_core"],
        "mem since 6.4 (ac3b43283923), core_layout since 4.5 (7523e4dc5057)",
    );
    /// Its symbols.
    pub const KALLSYMS: Member = always("module", &["kallsyms"]);

    /// All of them.
    pub const ALL: &[&Member] = &[&LIST, &STATE, &NAME, &REFCNT, &PERCPU, &AREAS, &KALLSYMS];
}

/// What a CPU has.
pub mod cpu {
    use super::{Member, Variable, always, optional, renamed, variable};

    /// The CPUs that there may be.
    pub const POSSIBLE: Variable = variable(&["__cpu_possible_mask"]);
    /// The CPUs that were online.
    pub const ONLINE: Variable = variable(&["__cpu_online_mask"]);
    /// Where each CPU's data is.
    pub const OFFSETS: Variable = variable(&["__per_cpu_offset"]);
    /// The boot CPU's features.
    pub const BOOT_CPU: Variable = variable(&["boot_cpu_data"]);
    /// Feature words of CPUID.
    pub const CAPABILITY: Member = always("cpuinfo_x86", &["x86_capability"]);
    /// The shadow of CR4.
    pub const CR4: Member = renamed("tlb_state", &["cr4"], "since 4.0 (1e02ce4cccdc)");
    /// The TLB's state, which holds the shadow of CR4.
    pub const TLB_STATE: Variable = variable(&["cpu_tlbstate"]);
    /// How far a CPU is up.
    pub const HOTPLUG: Variable = variable(&["cpuhp_state"]);
    /// The state in it.
    pub const HOTPLUG_STATE: Member = always("cpuhp_cpu_state", &["state"]);
    /// Stacks of exceptions.
    pub const EXCEPTION_STACKS: Variable = variable(&["exception_stacks"]);
    /// The NMI's; before, it is told by the variable's size.
    pub const NMI_STACK: Member = optional("exception_stacks", &["NMI_stack"], "since 5.1");
    /// Registers that a CPU saved when it took the crash NMI.
    pub const CRASH_NOTES: Variable = variable(&["crash_notes"]);

    /// All members.
    pub const ALL: &[&Member] = &[&CAPABILITY, &CR4, &HOTPLUG_STATE, &NMI_STACK];
}

/// The kernel log.
pub mod log {
    use super::Variable;

    /// Its buffer; VMCOREINFO names it and its layout.
    pub const BUFFER: Variable = Variable {
        names: &["prb", "log_buf"],
        releases: "prb since 5.10 (896fbe20b4e2)",
    };
}

/// KVM; its types may be those of the module kvm.
pub mod kvm {
    use super::{Member, always};

    /// The link in the list of virtual machines.
    pub const VM_LIST: Member = always("kvm", &["vm_list"]);

    /// All of them.
    pub const ALL: &[&Member] = &[&VM_LIST];
}

/// Every member that is declared of structures of the kernel proper.
pub fn members() -> impl Iterator<Item = &'static Member> {
    [task::ALL, module::ALL, cpu::ALL]
        .into_iter()
        .flatten()
        .copied()
}
