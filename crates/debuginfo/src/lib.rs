//! Symbols and types of one Linux kernel or one of its modules.
//!
//! ```text
//!   vmlinux, *.ko ──► ElfFile ─┬─► Btf    ─┐
//!                              ├─► Dwarf  ─┴─► TypeSource   + TypeSourceExt (sizes, member paths)
//!                              ├─► SourceLines   (file, line, inlined functions of an address)
//!                              ├─► CallFrames    (where the caller's registers are)
//!                              └─► SymbolTable ─┐
//!   bytes of a dump ──► Btf                     ├─► SymbolSource
//!                   ──► Kallsyms ───────────────┤
//!                   ──► ModuleSymbols ──────────┘
//! ```
//!
//! The crate reads no dump: it is handed bytes ([`FileBytes`]) and files that it
//! reads pieces of ([`DebugFile`]), and answers questions about them. Which files belong to a kernel is [`find`]'s matter.
//! Every address is as the source states it: for files that is the address
//! before KASLR, for tables read from a dump the address at run time.
//!
//! Input is hostile. Counts and offsets are checked before they are used,
//! chains of types end after [`model::MAX_CHAIN`] links, and names after
//! [`model::MAX_NAME`] bytes.

mod addr;
pub mod btf;
mod btf_file;
mod bytes;
mod bzimage;
mod cfi;
mod declaration;
pub mod dwarf;
pub mod elf;
mod error;
pub mod find;
mod inflate;
pub mod kallsyms;
mod layout;
mod limit;
mod lines;
pub mod model;
mod module_symbols;
mod name_index;
mod path;
mod read;
mod remembered;
mod symbol_list;
pub mod symbols;
mod symtab;

pub use addr::VirtAddr;
pub use btf::Btf;
pub use btf_file::BtfFiles;
pub use bytes::{DebugFile, FileBytes, Files, ReadFiles};
pub use cfi::{CallFrames, Cfa, FrameRule, SavedAt};
pub use declaration::Declaration;
pub use dwarf::Dwarf;
pub use elf::{ElfFile, ElfType};
pub use error::Error;
pub use find::{Debuginfod, KernelFiles, Rejected, Search};
pub use kallsyms::{Kallsyms, KallsymsAddresses, KallsymsNames, KallsymsParts, guess_encoding};
pub use layout::{Layout, LayoutKind, LayoutMember, LayoutSums};
pub use lines::{SourceFrame, SourceLines};
pub use model::{Member, Param, Place, Tag, Type, TypeId, TypeOrigin, TypeSource, Variable};
pub use module_symbols::ModuleSymbols;
pub use path::TypeSourceExt;
pub use remembered::{RememberedSymbols, RememberedTypes};
pub use symbol_list::SymbolList;
pub use symbols::{Symbol, SymbolOrigin, SymbolSource};
pub use symtab::SymbolTable;

/// What most tests of a reader share: builders of hand-made input.
#[cfg(test)]
mod made;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_shared_between_threads_may_be() {
        fn shared<T: Send + Sync>() {}
        shared::<FileBytes>();
        shared::<DebugFile>();
        shared::<ElfFile>();
        shared::<Btf>();
        shared::<Dwarf>();
        shared::<SourceLines>();
        shared::<CallFrames>();
        shared::<SymbolTable>();
        shared::<Kallsyms>();
        shared::<ModuleSymbols>();
        shared::<Error>();
        shared::<KernelFiles>();
    }
}
