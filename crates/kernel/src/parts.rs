//! What a kernel is made of: its memory, and where its symbols and types come from.

use std::sync::Arc;

use virtopsy_debuginfo::{BtfFiles, KernelFiles, Search, TypeSource};
use virtopsy_vmcore::VmcoreInfo;

use crate::discover;
use crate::error::Result;
use crate::files::Vmlinux;
use crate::options::TypesChoice;
use crate::paging::{AddressSpace, PagingMode};
use crate::symbols::KernelSymbols;
use crate::tables::{Tables, TypesOrigin};

/// What a [`Kernel`](crate::Kernel) is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) space: AddressSpace,
    pub(crate) vmcoreinfo: VmcoreInfo,
    pub(crate) build_id: Option<String>,
    pub(crate) symbols: Result<KernelSymbols>,
    pub(crate) types: Result<(Arc<dyn TypeSource>, TypesOrigin)>,
    /// What both are read from.
    pub(crate) tables: Arc<Tables>,
    pub(crate) files: Option<KernelFiles>,
    /// BTF that the user gave.
    pub(crate) given_btf: Option<BtfFiles>,
    /// Where the files of modules are looked for.
    pub(crate) search: Search,
    pub(crate) notes: Vec<String>,
}

impl Parts {
    /// Takes symbols and types from a vmlinux, or from the dump alone.
    pub(crate) fn take(&mut self, vmlinux: Option<Vmlinux>, mode: PagingMode, choice: TypesChoice) {
        let (elf, files) = vmlinux.map(|found| (found.elf, found.files)).unzip();
        self.files = files;
        let dump = self.space.dump().clone();
        let btf = self.given_btf.as_ref().map(|given| given.kernel().clone());
        let tables = Tables::new(dump, mode, &self.vmcoreinfo, choice, elf, btf);
        let tables = Arc::new(tables);
        self.notes.extend(
            tables
                .symbol_table()
                .ok()
                .and_then(|table| table.note.clone()),
        );
        self.symbols = tables.symbols();
        self.types = tables
            .types()
            .map(|types| (types.source.clone(), types.origin));
        self.tables = tables;
    }

    /// A kernel that has crashed has CRASHTIME; one that has not may be the crash kernel itself.
    pub(crate) fn say_what_kernel_it_is(&mut self) {
        if self.vmcoreinfo.crash_time().is_none()
            && let Ok(symbols) = &self.symbols
        {
            self.notes
                .extend(discover::crash_kernel_note(&self.space, symbols));
        }
    }
}
