//! From a dump to a kernel: address space, then symbols, then types.
//!
//! The address space is VMCOREINFO's, the note's or another (`discover`). Then symbols and types:
//! what the user named comes first (`--vmlinux`), then what can be found by build-id, then what
//! the dump holds itself: kallsyms, whose tables VMCOREINFO names since 6.0, and BTF, between
//! `__start_BTF` and `__stop_BTF`.

use std::path::PathBuf;
use std::sync::Arc;

use virtopsy_debuginfo::{
    Btf, Dwarf, ElfFile, KernelFiles, SymbolSource as _, TypeSource, VirtAddr,
};
use virtopsy_vmcore::{Dump, PhysAddr, VmcoreInfo};

use crate::discover;
use crate::error::{Error, Result};
use crate::files::{self, Vmlinux};
use crate::kallsyms;
use crate::kernel::{Kernel, TypesOrigin};
use crate::module::Module;
use crate::module_btf;
use crate::paging::{AddressSpace, KERNEL_IMAGE_BASE, PagingMode};
use crate::symbols::KernelSymbols;

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
}

/// What a [`Kernel`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) space: AddressSpace,
    pub(crate) vmcoreinfo: VmcoreInfo,
    pub(crate) build_id: Option<String>,
    pub(crate) symbols: Result<KernelSymbols>,
    pub(crate) types: Result<(Arc<dyn TypeSource>, TypesOrigin)>,
    /// BTF of the kernel, the base of its modules' BTF.
    pub(crate) btf: Option<Arc<Btf>>,
    pub(crate) types_choice: TypesChoice,
    pub(crate) files: Option<KernelFiles>,
    /// The vmlinux that symbols or types were taken from.
    pub(crate) vmlinux: Option<ElfFile>,
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
        let mut parts = Parts {
            space: AddressSpace::new(dump, paging_mode(&info)?),
            build_id: info.build_id().map(str::to_lowercase),
            vmcoreinfo: info,
            symbols: Err(Error::NoSymbols { why: String::new() }),
            types: Err(Error::NoTypes { why: String::new() }),
            btf: None,
            types_choice: options.types,
            files: None,
            vmlinux: None,
            notes,
        };
        let named = given.is_some();
        parts.take(given);
        let lacks =
            parts.symbols.is_err() || parts.types.is_err() || !options.debug_dirs.is_empty();
        if !named && lacks {
            let found = files::find(&parts.vmcoreinfo, options);
            if found.is_some() {
                parts.take(found);
            }
        }
        parts.say_what_kernel_it_is();
        Ok(Kernel::from_parts(parts))
    }
}

impl Parts {
    /// Takes symbols and types from a vmlinux, or from the dump alone.
    fn take(&mut self, vmlinux: Option<Vmlinux>) {
        let bias = self.vmcoreinfo.kernel_offset().unwrap_or(0);
        let from_file = vmlinux
            .as_ref()
            .map(|found| vmlinux_symbols(&found.elf, bias, &mut self.notes));
        self.symbols = match from_file {
            Some(Ok(symbols)) => Ok(symbols),
            _ => kallsyms::load(&self.space, &self.vmcoreinfo),
        };
        self.types = kernel_types(self, vmlinux.as_ref().map(|v| &v.elf));
        if let Some(found) = vmlinux {
            self.files = Some(found.files);
            self.vmlinux = Some(found.elf);
        }
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

fn vmlinux_symbols(elf: &ElfFile, bias: u64, notes: &mut Vec<String>) -> Result<KernelSymbols> {
    match elf.symbols() {
        Ok(Some(table)) if !table.is_empty() => {
            Ok(KernelSymbols::from_vmlinux(Arc::new(table), bias))
        }
        Ok(_) => {
            notes
                .push("the vmlinux is stripped: symbols are taken from the dump's kallsyms".into());
            Err(Error::NoSymbols {
                why: "the vmlinux is stripped".into(),
            })
        }
        Err(e) => {
            notes.push(format!(
                "the vmlinux's symbols can't be read ({e}): taken from the dump's kallsyms"
            ));
            Err(e.into())
        }
    }
}

/// Types in the order that was asked for, each failure remembered.
fn kernel_types(
    parts: &mut Parts,
    vmlinux: Option<&ElfFile>,
) -> Result<(Arc<dyn TypeSource>, TypesOrigin)> {
    let mut tried = Vec::new();
    let btf_allowed = parts.types_choice != TypesChoice::Dwarf;
    let dwarf_allowed = parts.types_choice != TypesChoice::Btf;
    if btf_allowed {
        match kernel_btf(parts, vmlinux) {
            Ok((btf, origin)) => {
                parts.btf = Some(btf.clone());
                return Ok((btf, origin));
            }
            Err(why) => tried.extend(why),
        }
    }
    if dwarf_allowed {
        match vmlinux.map(Dwarf::load) {
            Some(Ok(dwarf)) => {
                dwarf.look_first_at(&core_code(parts));
                return Ok((Arc::new(dwarf), TypesOrigin::Dwarf));
            }
            Some(Err(e)) => tried.push(format!("DWARF of the vmlinux: {e}")),
            None => tried.push("DWARF: no vmlinux (give one with --vmlinux)".into()),
        }
    }
    Err(Error::NoTypes {
        why: tried.join("; "),
    })
}

/// Functions, at their link-time addresses, whose files know between them nearly every type that
/// is asked for: scheduler, modules, the way to the crash kernel, the log, lockdep.
fn core_code(parts: &Parts) -> Vec<VirtAddr> {
    const FUNCTIONS: [&str; 5] = [
        "schedule",
        "load_module",
        "native_machine_crash_shutdown",
        "vprintk_emit",
        "lock_acquire",
    ];
    let bias = parts.vmcoreinfo.kernel_offset().unwrap_or(0);
    let symbols = parts.symbols.as_ref().ok();
    FUNCTIONS
        .iter()
        .filter_map(|name| symbols?.get(name))
        .map(|symbol| VirtAddr(symbol.address.0.wrapping_sub(bias)))
        .collect()
}

fn kernel_btf(
    parts: &Parts,
    vmlinux: Option<&ElfFile>,
) -> std::result::Result<(Arc<Btf>, TypesOrigin), Vec<String>> {
    let mut tried = Vec::new();
    if let Some(elf) = vmlinux {
        match elf.section_bytes(".BTF") {
            Ok(Some(bytes)) => match Btf::parse(bytes, None) {
                Ok(btf) => return Ok((Arc::new(btf), TypesOrigin::Btf)),
                Err(e) => tried.push(format!("BTF of the vmlinux: {e}")),
            },
            Ok(None) => tried.push("BTF of the vmlinux: it has none".into()),
            Err(e) => tried.push(format!("BTF of the vmlinux: {e}")),
        }
    }
    match btf_in_dump(parts) {
        Ok(btf) => Ok((Arc::new(btf), TypesOrigin::BtfInDump)),
        Err(e) if e.is_absent() => {
            tried
                .push("BTF in the dump: the kernel has none (CONFIG_DEBUG_INFO_BTF is off)".into());
            Err(tried)
        }
        Err(e) => {
            tried.push(format!("BTF in the dump: {e}"));
            Err(tried)
        }
    }
}

fn btf_in_dump(parts: &Parts) -> Result<Btf> {
    let symbols = parts.symbols.as_ref().map_err(Clone::clone)?;
    let start = symbols.first_of(&["__start_BTF"])?.address;
    let stop = symbols.first_of(&["__stop_BTF"])?.address;
    let len = stop.0.wrapping_sub(start.0);
    if len == 0 || len > MAX_BTF {
        return Err(Error::Implausible {
            what: "size of the BTF".into(),
            at: start,
            found: format!("{len} bytes"),
        });
    }
    Ok(Btf::parse(read_long(&parts.space, start, len)?, None)?)
}

/// Reads a large table in pieces.
pub(crate) fn read_long(space: &AddressSpace, at: VirtAddr, len: u64) -> Result<Vec<u8>> {
    let mut out = vec![0; usize::try_from(len).unwrap_or(0)];
    space.read(at, &mut out)?;
    Ok(out)
}

/// Types of a module: DWARF or BTF of its file where one is at hand, else its BTF in the dump.
pub(crate) fn module_types(kernel: &Kernel, module: &Module) -> Result<Arc<dyn TypeSource>> {
    let parts = &kernel.parts;
    let mut tried = Vec::new();
    if let Some(path) = parts
        .files
        .as_ref()
        .and_then(|f| f.modules.get(&module.name))
    {
        match files::module_types(path, parts) {
            Ok(types) => return Ok(types),
            Err(e) => tried.push(e.to_string()),
        }
    }
    match module_btf::load(kernel, module) {
        Ok(btf) => Ok(Arc::new(btf)),
        Err(e) => {
            tried.push(format!("its BTF in the dump: {e}"));
            Err(Error::NoTypes {
                why: format!("module {}: {}", module.name, tried.join("; ")),
            })
        }
    }
}

/// Shared by [`files`] for a module's file.
pub(crate) fn file_types(elf: &ElfFile, parts: &Parts) -> Result<Arc<dyn TypeSource>> {
    let btf = parts
        .btf
        .as_ref()
        .filter(|_| parts.types_choice != TypesChoice::Dwarf);
    if let Some(base) = btf
        && let Some(bytes) = elf.section_bytes(".BTF")?
    {
        return Ok(Arc::new(Btf::parse(bytes, Some(base.clone()))?));
    }
    Ok(Arc::new(Dwarf::load(elf)?))
}
