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

mod build_id;
mod code;
mod cpu;
mod crash;
mod error;
mod files;
mod kallsyms;
mod kernel;
pub mod list;
mod memory;
mod module;
mod object;
mod open;
mod paging;
mod percpu;
mod printk;
mod stack;
mod symbols;
mod task;

pub use code::{Call, Function};
pub use cpu::{CpuId, CpuMask, MAX_CPUS};
pub use crash::{CrashNote, NoteContent, SavedRegisters};
pub use error::{Error, Result};
pub use kernel::{Kernel, TypesOrigin};
pub use module::{Module, ModuleArea, ModuleList, ModuleState};
pub use object::{Object, TypeRef};
pub use open::{KernelOptions, TypesChoice};
pub use paging::{AddressSpace, KERNEL_IMAGE_BASE, PagingMode};
pub use percpu::Cpus;
pub use printk::{Caller, Log, Record};
pub use stack::{CodeWord, Stack};
pub use symbols::{KernelSymbols, Location, SymbolOrigin};
pub use task::Task;
