//! From a dump to a kernel: address space, then symbols, then types.
//!
//! The address space is VMCOREINFO's, the note's or another (`discover`). Then symbols and types:
//! what the user named comes first (`--vmlinux`), then what can be found by build-id, then what
//! the dump holds itself: kallsyms, whose tables VMCOREINFO names since 6.0, and BTF, between
//! `__start_BTF` and `__stop_BTF`.

use std::path::PathBuf;
use std::sync::Arc;

use virtopsy_debuginfo::{
    Btf, Debuginfod, Dwarf, ElfFile, KernelFiles, Search, TypeSource, VirtAddr,
};
use virtopsy_vmcore::{Dump, PhysAddr, VmcoreInfo};

use crate::discover;
use crate::erased;
use crate::error::{Error, Result};
use crate::files::{self, Vmlinux};
use crate::kernel::{Kernel, TypesOrigin};
use crate::module::Module;
use crate::module_btf;
use crate::paging::{AddressSpace, KERNEL_IMAGE_BASE, PagingMode};
use crate::symbols::KernelSymbols;
use crate::tables::{Tables, remembered};

/// Largest BTF that is believed (vmlinux: 5 to 10 MB).
pub(crate) const MAX_BTF: u64 = 256 << 20;

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
pub struct KernelOptions {
    /// A vmlinux, or a directory that holds it and its modules.
    pub vmlinux: Option<PathBuf>,
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

/// What a [`Kernel`] is made of.
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
    /// Where the files of modules are looked for.
    pub(crate) search: Search,
    pub(crate) notes: Vec<String>,
}

impl Kernel {
    /// Opens the kernel of a dump.
    ///
    /// A vmlinux that is named comes first. Without one the dump itself is asked; files are looked
    /// for by build-id only where it lacks something, or where debug folders were named.
    ///
    /// # Errors
    /// [`Error::NoVmcoreinfo`] and [`Error::VmcoreinfoKey`] where no address can be known;
    /// [`Error::WrongVmlinux`] and [`Error::File`] where a file that was named can't be used.
    pub fn open(dump: Arc<Dump>, options: &KernelOptions) -> Result<Kernel> {
        let mut notes = Vec::new();
        let info = discover::vmcoreinfo(&dump, options, &mut notes)?;
        let given = files::given(&info, options, &mut notes)?;
        let mode = paging_mode(&info)?;
        let tables = Tables::new(dump.clone(), mode, &info, options.types, None);
        let mut parts = Parts {
            space: AddressSpace::new(dump, mode),
            build_id: info.build_id().map(str::to_lowercase),
            search: files::search(&info, options),
            vmcoreinfo: info,
            symbols: Err(Error::NoSymbols { why: String::new() }),
            types: Err(Error::NoTypes { why: String::new() }),
            tables: Arc::new(tables),
            files: None,
            notes,
        };
        let named = given.is_some();
        parts.take(given, mode, options.types);
        let lacks = parts.symbols.is_err() || parts.types.is_err();
        if !named && (lacks || !options.debug_dirs.is_empty()) {
            // Nothing is fetched that could be done without.
            let servers = options.debuginfod.as_ref().filter(|_| lacks);
            let found = files::find(&parts.vmcoreinfo, options, servers);
            if found.is_some() {
                parts.take(found, mode, options.types);
            }
        }
        parts.say_what_kernel_it_is();
        Ok(Kernel::without_erased(parts))
    }

    /// The kernel, with what makedumpfile erased taken out of what can be read.
    fn without_erased(parts: Parts) -> Kernel {
        let text = parts.space.dump().erase_info();
        let mut kernel = Kernel::from_parts(parts);
        let Some(text) = text else {
            return kernel;
        };
        let (erased, notes) = erased::find(&kernel, &text);
        for erased in &erased {
            tracing::debug!(range = ?erased.range, line = erased.line, "erased");
        }
        kernel.parts.space.set_erased(erased);
        kernel.parts.notes.extend(notes);
        // What was read to find the places may have been read from them.
        Kernel::from_parts(kernel.parts)
    }
}

impl Parts {
    /// Takes symbols and types from a vmlinux, or from the dump alone.
    fn take(&mut self, vmlinux: Option<Vmlinux>, mode: PagingMode, choice: TypesChoice) {
        let (elf, files) = vmlinux.map(|found| (found.elf, found.files)).unzip();
        self.files = files;
        let dump = self.space.dump().clone();
        let tables = Arc::new(Tables::new(dump, mode, &self.vmcoreinfo, choice, elf));
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
    fn say_what_kernel_it_is(&mut self) {
        if self.vmcoreinfo.crash_time().is_none()
            && let Ok(symbols) = &self.symbols
        {
            self.notes
                .extend(discover::crash_kernel_note(&self.space, symbols));
        }
    }
}

/// Page tables as VMCOREINFO describes them (arch/x86/kernel/vmcore_info_64.c).
pub(crate) fn paging_mode(info: &VmcoreInfo) -> Result<PagingMode> {
    let missing = |key: &str| Error::VmcoreinfoKey {
        key: key.into(),
        purpose: "the page tables",
    };
    let table = info
        .symbol("swapper_pg_dir")
        .or_else(|| info.symbol("init_top_pgt"))
        .or_else(|| info.symbol("init_level4_pgt"))
        .ok_or_else(|| missing("SYMBOL(swapper_pg_dir)"))?;
    let phys_base = info
        .number("phys_base")
        .ok_or_else(|| missing("NUMBER(phys_base)"))? as u64;
    let root = table
        .wrapping_sub(KERNEL_IMAGE_BASE)
        .wrapping_add(phys_base);
    Ok(PagingMode {
        root: PhysAddr(root),
        five_levels: info.number("pgtable_l5_enabled") == Some(1),
        sme_mask: info.number("sme_mask").unwrap_or(0) as u64,
        phys_base,
    })
}

/// Reads a large table in pieces.
pub(crate) fn read_long(space: &AddressSpace, at: VirtAddr, len: u64) -> Result<Vec<u8>> {
    let mut out = vec![0; usize::try_from(len).unwrap_or(0)];
    space.read(at, &mut out)?;
    Ok(out)
}

/// Types of a module. Where the kernel's are BTF, so are they: the dump's copy comes first, for a
/// module's file is often packed. Where they are DWARF, only the file can have them.
pub(crate) fn module_types(
    kernel: &Kernel,
    module: &Module,
    fetch: bool,
) -> Result<Arc<dyn TypeSource>> {
    let mut tried = Vec::new();
    match module_btf::load(kernel, module) {
        Ok(types) => return Ok(types),
        Err(e) => tried.push(format!("its BTF in the dump: {e}")),
    }
    // Nothing is fetched for a kernel that has its own types: most of a report does without.
    let needed = matches!(kernel.types_origin(), Some(TypesOrigin::Dwarf));
    match files::module_types(kernel, module, fetch && needed) {
        Ok(types) => return Ok(types),
        Err(e) => tried.push(e.to_string()),
    }
    Err(Error::NoTypes {
        why: format!("module {}: {}", module.name, tried.join("; ")),
    })
}

/// Types of a module's file: BTF if the kernel's own are, else DWARF.
pub(crate) fn file_types(elf: &ElfFile, tables: &Tables) -> Result<Arc<dyn TypeSource>> {
    let btf = tables
        .types()
        .ok()
        .and_then(|types| types.btf.clone())
        .filter(|_| tables.choice() != TypesChoice::Dwarf);
    if let Some(base) = btf
        && let Some(bytes) = elf.section_bytes(".BTF")?
    {
        return Ok(remembered(Arc::new(Btf::parse(bytes, Some(base))?)));
    }
    Ok(remembered(Arc::new(Dwarf::load(elf)?)))
}
