//! Modules: where they are, in which state, and what their symbols are called.
//!
//! `struct module` has changed its layout twice: one `module_core` until 4.4, `core_layout` and
//! `init_layout` until 6.3, `mem[]` since 6.4 (commit ac3b43283923). Members are found by name.
//! A module's own kallsyms (`mod->kallsyms`) name its functions and data, static ones included
//! where CONFIG_KALLSYMS_ALL is set; its per-CPU symbols are already relocated to `mod->percpu`.

use std::sync::{Arc, OnceLock};

use virtopsy_debuginfo::{
    ModuleSymbols, Symbol, SymbolSource as _, TypeSource, TypeSourceExt as _, VirtAddr,
};

use crate::cpu::CpuId;
use crate::declared::module as declared;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::list;
use crate::module::{Module, ModuleArea, ModuleList, ModuleState};
use crate::module_types::module_types;
use crate::object::{Object, TypeRef};
use crate::symbols::Location;

/// More modules than any machine loads.
const MAX_MODULES: usize = 16384;
/// More symbols than any module has (amdgpu: some 50,000).
const MAX_SYMBOLS: u64 = 1 << 20;
/// Bytes of an `Elf64_Sym`.
const SYM_SIZE: u64 = 24;
/// Longest string table of a module's kallsyms.
const MAX_STRTAB: usize = 16 << 20;

impl Kernel {
    /// The modules, read once.
    pub fn modules(&self) -> &ModuleList {
        self.modules.get_or_init(|| load(self))
    }
}

impl Module {
    /// Its symbols, from its kallsyms in the dump.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn symbols(&self, kernel: &Kernel) -> Result<&ModuleSymbols> {
        self.symbols
            .get_or_init(|| load_symbols(kernel, self.address))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Its types: its BTF in the dump, else BTF or DWARF of its file.
    ///
    /// # Errors
    /// Where it has none.
    pub fn types(&self, kernel: &Kernel) -> Result<&Arc<dyn TypeSource>> {
        self.types
            .get_or_init(|| module_types(kernel, self, true))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The same, where no server has to be asked for them: for who asks all modules.
    pub(crate) fn types_at_hand(&self, kernel: &Kernel) -> Option<&Arc<dyn TypeSource>> {
        if self.types.get().is_none() {
            let types = module_types(kernel, self, false).ok()?;
            // Another thread may have been first, with the same.
            let _ = self.types.set(Ok(types));
        }
        self.types.get()?.as_ref().ok()
    }

    /// Address of one of its symbols; for per-CPU data, the `__percpu` base.
    ///
    /// # Errors
    /// [`Error::NoSymbol`] where it has none of that name.
    pub fn symbol(&self, kernel: &Kernel, name: &str) -> Result<VirtAddr> {
        let found = self.symbols(kernel)?.lookup(name);
        let symbol: Option<&Symbol> = found.first();
        symbol.map(|s| s.address).ok_or_else(|| Error::NoSymbol {
            tried: format!("{name} in {}", self.name),
        })
    }

    /// Address of a CPU's copy of one of its per-CPU variables.
    ///
    /// # Errors
    /// Where there is no such symbol or CPU.
    pub fn percpu(&self, kernel: &Kernel, name: &str, cpu: CpuId) -> Result<VirtAddr> {
        kernel.cpus()?.address(self.symbol(kernel, name)?, cpu)
    }

    /// An object of a type that the module (or the kernel) knows.
    ///
    /// # Errors
    /// Where there is no such type.
    pub fn object<'k>(
        &self,
        kernel: &'k Kernel,
        at: VirtAddr,
        type_name: &str,
    ) -> Result<Object<'k>> {
        let bare = type_name.strip_prefix("struct ").unwrap_or(type_name);
        let source = self.types(kernel)?;
        let id = source.struct_named(bare)?;
        Ok(Object::new(
            kernel.space(),
            at,
            TypeRef {
                source: source.clone(),
                id,
            },
        ))
    }

    /// Names an address inside the module.
    pub fn locate(&self, kernel: &Kernel, at: VirtAddr) -> Option<Location> {
        let (symbol, offset) = self.symbols(kernel).ok()?.at(at)?;
        Some(Location {
            symbol: symbol.name,
            offset,
            size: symbol.size,
            module: Some(self.name.clone()),
        })
    }
}

fn load(kernel: &Kernel) -> ModuleList {
    match ModuleLayout::of(kernel) {
        Err(e) if is_without_modules(kernel, &e) => ModuleList::default(),
        Err(e) => ModuleList::of(Vec::new(), Some(e)),
        Ok(layout) => layout.walk(kernel),
    }
}

/// Whether the kernel was built without modules (CONFIG_MODULES). In a damaged table of symbols the
/// list's name can be lost, or be looked for in the wrong place; then others of kernel/module are
/// still there, and the list is one that can't be read.
fn is_without_modules(kernel: &Kernel, error: &Error) -> bool {
    const OTHERS: [&str; 5] = [
        "load_module",
        "__module_address",
        "module_mutex",
        "modprobe_path",
        "find_module",
    ];
    let absent = matches!(error, Error::NoSymbol { tried } if tried == "modules");
    absent && OTHERS.iter().all(|name| kernel.symbol(name).is_err())
}

/// What is needed to walk `modules`.
struct ModuleLayout {
    head: VirtAddr,
    list_offset: u64,
}

impl ModuleLayout {
    fn of(kernel: &Kernel) -> Result<ModuleLayout> {
        let head = kernel.symbol("modules")?;
        let ty = kernel.type_named("struct module")?;
        let probe = Object::new(kernel.space(), VirtAddr(0), ty);
        Ok(ModuleLayout {
            head,
            list_offset: probe.declared(&declared::LIST)?.address.0,
        })
    }

    fn walk(&self, kernel: &Kernel) -> ModuleList {
        let walk = list::walk(kernel.space(), "modules", self.head, MAX_MODULES);
        let (mut modules, mut broken) = (Vec::new(), walk.broken);
        for entry in walk.entries {
            match read_module(kernel, list::container_of(entry, self.list_offset)) {
                Ok(module) => modules.push(module),
                Err(e) => {
                    broken.get_or_insert(e);
                }
            }
        }
        ModuleList::of(modules, broken)
    }
}

fn read_module(kernel: &Kernel, address: VirtAddr) -> Result<Module> {
    let object = kernel.object(address, "struct module")?;
    let state = match object.declared(&declared::STATE)?.i64()? {
        0 => ModuleState::Live,
        1 => ModuleState::Coming,
        2 => ModuleState::Going,
        3 => ModuleState::Unformed,
        other => ModuleState::Other(other),
    };
    let name = String::from_utf8_lossy(&object.declared(&declared::NAME)?.string()?).into_owned();
    // MODULE_REF_BASE is 1: the module's reference to itself.
    let refcount = object
        .declared(&declared::REFCNT)
        .and_then(|r| r.i64())
        .ok()
        .map(|n| n.saturating_sub(1));
    let percpu = object
        .declared(&declared::PERCPU)
        .and_then(|p| p.pointer())
        .unwrap_or(VirtAddr(0));
    Ok(Module {
        address,
        name,
        state,
        areas: module_areas(&object)?,
        percpu,
        refcount,
        symbols: OnceLock::new(),
        types: OnceLock::new(),
        file: OnceLock::new(),
    })
}

/// Alternatives, newest first: `mem[]` (6.4), `core_layout` (4.5), `module_core` (before).
fn module_areas(object: &Object<'_>) -> Result<Vec<ModuleArea>> {
    let mut areas = Vec::new();
    match object.field("mem") {
        Ok(mem) => {
            // enum mod_mem_type: MOD_TEXT is 0, MOD_INIT_TEXT the first of the init types.
            for i in 0..mem.count()?.min(16) {
                let area = mem.index(i)?;
                areas.push(area_of(&area, "base", "size", i == 0 || i == 4)?);
            }
        }
        Err(e) if !e.is_absent() => return Err(e),
        Err(_) if object.has_field("core_layout") => {
            for name in ["core_layout", "init_layout"] {
                areas.push(area_of(&object.field(name)?, "base", "size", true)?);
            }
        }
        Err(_) => {
            areas.push(area_of(object, "module_core", "core_size", true)?);
            areas.push(area_of(object, "module_init", "init_size", true)?);
        }
    }
    areas.retain(|a| a.size > 0 && a.base.0 != 0);
    Ok(areas)
}

fn area_of(object: &Object<'_>, base: &str, size: &str, text: bool) -> Result<ModuleArea> {
    Ok(ModuleArea {
        base: object.field(base)?.pointer()?,
        size: object.field(size)?.u64()?,
        text,
    })
}

/// Reads `mod->kallsyms`: the symbol table that the module keeps after init.
fn load_symbols(kernel: &Kernel, address: VirtAddr) -> Result<ModuleSymbols> {
    let module = kernel.object(address, "struct module")?;
    let Some(kallsyms) = module.declared(&declared::KALLSYMS)?.deref()? else {
        return Err(Error::NoSymbols {
            why: "the module has no kallsyms".into(),
        });
    };
    let count = kallsyms.field("num_symtab")?.u64()?;
    if count > MAX_SYMBOLS {
        return Err(Error::Implausible {
            what: "number of the module's symbols".into(),
            at: kallsyms.address,
            found: count.to_string(),
        });
    }
    let space = kernel.space();
    let symtab = space.bytes(
        kallsyms.field("symtab")?.pointer()?,
        (count * SYM_SIZE) as usize,
    )?;
    let strtab_at = kallsyms.field("strtab")?.pointer()?;
    let strtab = read_strtab(kernel, strtab_at, &symtab)?;
    let typetab = match kallsyms.field("typetab") {
        Ok(pointer) => space.bytes(pointer.pointer()?, count as usize).ok(), // since 5.2
        Err(_) => None,
    };
    Ok(ModuleSymbols::from_elf_syms(
        &symtab,
        &strtab,
        typetab.as_deref(),
    )?)
}

/// The string table carries no length: it ends with the name that starts last.
fn read_strtab(kernel: &Kernel, at: VirtAddr, symtab: &[u8]) -> Result<Vec<u8>> {
    let last = symtab
        .chunks_exact(SYM_SIZE as usize)
        .filter_map(|sym| sym.get(..4))
        .map(|name| {
            name.iter()
                .rev()
                .fold(0usize, |w, b| w << 8 | usize::from(*b))
        })
        .max()
        .unwrap_or(0);
    if last > MAX_STRTAB {
        return Err(Error::Implausible {
            what: "a name's offset in the module's string table".into(),
            at,
            found: last.to_string(),
        });
    }
    let mut strtab = kernel.space().bytes(at, last)?;
    strtab.extend(
        kernel
            .space()
            .string(VirtAddr(at.0.wrapping_add(last as u64)), 512)?,
    );
    strtab.push(0);
    Ok(strtab)
}
