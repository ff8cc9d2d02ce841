//! A crashed Linux kernel, by name.
//!
//! ```text
//!  Dump ──► AddressSpace ──► KernelSymbols, types ──► Kernel
//!  (pages)  (page tables)    (vmlinux or the dump)      │
//!              ┌──────────┬───────────┬─────────────────┼───────────┬──────────┐
//!            Cpus      modules      tasks       crash notes       log     text, stacks
//! ```
//! [`Kernel::open`] finds the page tables by VMCOREINFO, then symbols and types. Values are read
//! by name: [`Kernel::symbol`], [`Kernel::percpu`], [`Kernel::object`], [`Object::field`]. Every
//! question has its own error: one page that is missing hides nothing else. This crate judges
//! nothing.

mod blocked;
mod build_id;
mod code;
mod cpu;
mod cpu_state;
mod crash;
pub mod declared;
mod discover;
mod erase_info;
mod erased;
mod error;
mod fault;
mod file_types;
mod files;
mod given_btf;
mod kallsyms;
mod kernel;
mod kvm;
pub mod list;
mod lockdep;
#[cfg(test)]
mod made;
mod memory;
mod module;
mod module_btf;
mod module_build_id;
mod module_facts;
mod module_file;
mod module_types;
mod modules;
mod nearest;
mod object;
mod open;
mod options;
mod orc;
mod paging;
mod panic_text;
mod parts;
mod peek;
mod percpu;
mod percpu_place;
mod pid_namespace;
mod printk;
mod private;
mod processor;
mod rcu_stall;
mod regs;
mod run_time;
mod source;
mod stack;
mod stacks;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod symbols;
mod tables;
mod task;
mod tasks;
mod unwind;
mod wall_clock;
mod watchdog;
pub mod xarray;

pub use blocked::{LockKind, OwnerSource, Waiting, wait_cycles};
pub use code::{Call, Function};
pub use cpu::{CpuId, CpuMask, MAX_CPUS};
pub use cpu_state::{CpuState, Doing};
pub use crash::{CrashNote, NoteContent, SavedRegisters};
pub use erased::Erased;
pub use error::{Error, Result};
pub use fault::{Access, Fault, TrapRecord};
pub use file_types::FileTypes;
pub use kernel::Kernel;
pub use kvm::{GuestRegisters, Vcpu, VcpuMode, Vm, VmKind, VmList};
pub use lockdep::{
    HeldLock, HeldLocks, Limit, LockClass, LockLink, LockPath, LockUse, Lockdep, usage_letters,
};
pub use module::{Module, ModuleArea, ModuleList, ModuleState};
pub use module_facts::{ModuleUsers, UnloadedModule};
pub use nearest::nearest;
pub use object::{Object, TypeRef};
pub use options::{KernelOptions, TypesChoice};
pub use orc::{Orc, OrcEntry, OrcReg, OrcTable, OrcType, OrcVersion};
pub use paging::{AddressSpace, KERNEL_IMAGE_BASE, PagingMode};
pub use panic_text::PanicText;
pub use peek::{Expression, Node, ParseError, PeekLimits, Value, parse as parse_expression};
pub use percpu::Cpus;
pub use percpu_place::PerCpuPlace;
pub use pid_namespace::InnerPid;
pub use printk::{Caller, Console, Leftover, Log, Property, Record};
pub use private::Private;
pub use processor::Processor;
pub use rcu_stall::RcuStall;
pub use regs::{RegisterSource, Registers};
pub use run_time::RunTime;
pub use stack::{CodeWord, Stack};
pub use stacks::{StackKind, StackRange};
pub use symbols::{KernelSymbols, Location, SymbolOrigin};
pub use tables::TypesOrigin;
pub use task::Task;
pub use tasks::{TaskInfo, TaskList, TaskState};
pub use unwind::{Backtrace, Ended, FoundBy, Frame, Start, Unwinder};
pub use virtopsy_debuginfo::{Debuginfod, SourceFrame, SymbolSource, VirtAddr};
pub use wall_clock::{BootTime, BootTimeSource};
pub use watchdog::Watched;
