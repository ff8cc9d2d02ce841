//! What a kernel's memory says of tasks, stacks, modules and virtual machines, as plain data: one
//! shape for the command's JSON, the terminal UI's and Python's.
//!
//! Addresses are [`Hex`](crate::report::Hex), text of the dump is [`Text`], sizes are bytes. What
//! could not be read is `None`.

mod module;
mod stack;
mod task;
mod vm;

pub use module::{AreaFacts, ModuleFacts};
pub use stack::{EndedFacts, FrameFacts, SourceFacts};
pub use task::TaskFacts;
pub use vm::{VcpuFacts, VmFacts};

use crate::report::Text;

fn error_text(error: &virtopsy_kernel::Error) -> Text {
    Text::from(error.to_string())
}
