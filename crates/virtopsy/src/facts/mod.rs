//! What a kernel's memory says of CPUs, tasks, stacks, locks, modules, virtual machines and its log,
//! as plain data: one shape for the command's JSON, the terminal UI's and Python's.
//!
//! Addresses are [`Hex`](crate::report::Hex), text of the dump is [`Text`], sizes are bytes. What
//! could not be read is `None`. [`Session`](crate::Session) has a method for each listing.

mod backtrace;
mod cpu;
mod layout;
mod lock;
mod log;
mod module;
mod stack;
mod task;
mod value;
mod vm;

pub use backtrace::{BacktraceFacts, BacktracesFacts, StacksOf, TaskName};
pub use cpu::{CpuFacts, CpuTaskFacts, CpusFacts, ProcessorFacts};
pub(crate) use layout::Asked;
pub use layout::{EnumeratorFacts, LayoutFacts, MemberFacts, PlacedFacts, TypeFacts};
pub use lock::{
    HeldLockFacts, HolderFacts, LimitFacts, LockClassFacts, LockdepFacts, LocksFacts, WaitingFacts,
    Who,
};
pub use log::{BootFacts, LogFacts, LogRecord, RecordState};
pub use module::{AreaFacts, ModuleFacts, ModulesFacts};
pub use stack::{EndedFacts, FrameFacts, SourceFacts};
pub use task::{ListedTask, TaskFacts, TasksFacts};
pub use value::ValueFacts;
pub use vm::{VcpuFacts, VmFacts, VmsFacts};

use crate::report::Text;

fn error_text(error: &virtopsy_kernel::Error) -> Text {
    Text::from(error.to_string())
}
