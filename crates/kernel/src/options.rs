//! How to find a kernel's symbols and types.

use std::path::PathBuf;

use virtopsy_debuginfo::Debuginfod;

/// Where types may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypesChoice {
    /// BTF of the vmlinux, else BTF in the dump, else the vmlinux's DWARF.
    #[default]
    Auto,
    /// BTF only.
    Btf,
    /// DWARF only.
    Dwarf,
}

/// How to find a kernel's symbols and types.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KernelOptions {
    /// A vmlinux, or a directory that holds it and its modules.
    pub vmlinux: Option<PathBuf>,
    /// BTF in files of its own: a file, an archive or a folder, of the kernel and perhaps of modules.
    /// It is held against the dump.
    pub btf: Option<PathBuf>,
    /// Trees to search by build-id.
    pub debug_dirs: Vec<PathBuf>,
    /// Where types may come from.
    pub types: TypesChoice,
    /// Take the vmlinux although its build-id is another.
    pub force_vmlinux: bool,
    /// The dump's own path: a vmlinux beside it is tried.
    pub dump: Option<PathBuf>,
    /// Where the places that distributions use are looked for, `/` on a machine; `None`: nowhere.
    pub system_root: Option<PathBuf>,
    /// Servers that are asked for a vmlinux by build-id, where the dump alone does not suffice and
    /// no file is at hand; `None`: none.
    pub debuginfod: Option<Debuginfod>,
}
