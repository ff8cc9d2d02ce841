//! Where one can be: views, panes, and the things that a line can lead to.

/// A view, one key each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum View {
    #[default]
    Overview,
    Cpus,
    Callback,
    Splats,
    Log,
    Stacks,
    Modules,
    Memory,
    Compare,
}

impl View {
    /// All views, in the order of their keys.
    pub(crate) const ALL: [View; 9] = [
        View::Overview,
        View::Cpus,
        View::Callback,
        View::Splats,
        View::Log,
        View::Stacks,
        View::Modules,
        View::Memory,
        View::Compare,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            View::Overview => "Overview",
            View::Cpus => "CPUs",
            View::Callback => "Callback",
            View::Splats => "Splats",
            View::Log => "Log",
            View::Stacks => "Stacks",
            View::Modules => "VMs+Mods",
            View::Memory => "Memory",
            View::Compare => "Compare",
        }
    }

    /// Its name where there is little room.
    pub(crate) fn short_name(self) -> &'static str {
        match self {
            View::Overview => "Over",
            View::Callback => "Call",
            View::Splats => "Splat",
            View::Stacks => "Stack",
            View::Modules => "VMs",
            View::Memory => "Mem",
            View::Compare => "Comp",
            View::Cpus | View::Log => self.name(),
        }
    }

    /// Its panes: the first one, and the one that shows what is chosen there.
    pub(crate) fn panes(self) -> (Pane, Option<Pane>) {
        match self {
            View::Overview => (Pane::Overview, None),
            View::Cpus => (Pane::Cpus, Some(Pane::Cpu)),
            View::Callback => (Pane::Callback, None),
            View::Splats => (Pane::Splats, Some(Pane::Splat)),
            View::Log => (Pane::Log, None),
            View::Stacks => (Pane::Stacks, Some(Pane::Stack)),
            View::Modules => (Pane::Modules, Some(Pane::Module)),
            View::Memory => (Pane::Memory, None),
            View::Compare => (Pane::Compare, None),
        }
    }
}

/// A part of the screen with a cursor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Pane {
    Overview,
    Cpus,
    Cpu,
    Callback,
    Splats,
    Splat,
    Log,
    Stacks,
    Stack,
    Modules,
    Module,
    Memory,
    Compare,
    /// The overlay on top: help, an explanation, the bookmarks.
    Overlay,
}

/// What a line leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A view, as it was left.
    View(View),
    /// A CPU's evidence.
    Cpu(u32),
    /// A CPU's stack.
    Stack(u32),
    /// A task's stack, by its thread id.
    Task(i32),
    /// A virtual machine, by the address of its `struct kvm`.
    Vm(u64),
    /// A lock report, by its number from 0.
    Splat(usize),
    /// A line of the log, from 1.
    LogLine(u64),
    /// A module.
    Module(String),
    /// Memory.
    Memory(u64),
    /// Memory behind an expression that the kernel's symbols resolve.
    Expression(String),
    /// What a check or a known issue means.
    Explain(String),
    /// A record of the log, whole; by its line from 0.
    Record(usize),
    /// A section that can be folded.
    Fold(String),
}
