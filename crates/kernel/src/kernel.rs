//! A crashed Linux kernel: a dump, its symbols and its types.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use virtopsy_debuginfo::{Btf, CallFrames, SourceLines, TypeSource, TypeSourceExt as _, VirtAddr};
use virtopsy_vmcore::{Dump, VmcoreInfo};

use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::module::ModuleList;
use crate::object::{Object, TypeRef};
use crate::paging::AddressSpace;
use crate::parts::Parts;
use crate::percpu::Cpus;
use crate::symbols::{KernelSymbols, Location};
use crate::tables::TypesOrigin;

/// A crashed kernel.
///
/// Opening it reads VMCOREINFO and finds symbols and types; everything else is read when asked
/// for. What could not be found is an error of the questions that need it, not of the kernel.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) parts: Parts,
    pub(crate) modules: OnceLock<ModuleList>,
    pub(crate) text_range: OnceLock<Option<(VirtAddr, VirtAddr)>>,
    pub(crate) current_tasks: OnceLock<HashMap<VirtAddr, CpuId>>,
    cpus: OnceLock<Result<Cpus>>,
    pub(crate) lines: OnceLock<Result<SourceLines>>,
    pub(crate) frames: OnceLock<Result<CallFrames>>,
}

impl Kernel {
    pub(crate) fn from_parts(parts: Parts) -> Kernel {
        Kernel {
            parts,
            modules: OnceLock::new(),
            text_range: OnceLock::new(),
            current_tasks: OnceLock::new(),
            cpus: OnceLock::new(),
            lines: OnceLock::new(),
            frames: OnceLock::new(),
        }
    }

    /// The dump below.
    pub fn dump(&self) -> &Arc<Dump> {
        self.parts.space.dump()
    }

    /// Its memory, by virtual address.
    pub fn space(&self) -> &AddressSpace {
        &self.parts.space
    }

    /// The dump's VMCOREINFO.
    pub fn vmcoreinfo(&self) -> &VmcoreInfo {
        &self.parts.vmcoreinfo
    }

    /// `uname -r`.
    pub fn release(&self) -> &str {
        self.vmcoreinfo().os_release().unwrap_or_default()
    }

    /// GNU build-id of the kernel, lower-case hex.
    pub fn build_id(&self) -> Option<&str> {
        self.parts.build_id.as_deref()
    }

    /// The kernel's own symbols.
    ///
    /// # Errors
    /// Why there are none.
    pub fn symbols(&self) -> Result<&KernelSymbols> {
        self.parts.symbols.as_ref().map_err(Clone::clone)
    }

    /// The kernel's types.
    ///
    /// # Errors
    /// Why there are none.
    pub fn types(&self) -> Result<&Arc<dyn TypeSource>> {
        self.parts
            .types
            .as_ref()
            .map(|(source, _)| source)
            .map_err(Clone::clone)
    }

    /// DWARF that is at hand beside [`Kernel::types`], for what those do not know.
    pub(crate) fn dwarf(&self) -> Option<&Arc<dyn TypeSource>> {
        self.parts.tables.dwarf()
    }

    /// The types, where they are BTF.
    pub(crate) fn btf(&self) -> Option<&Arc<Btf>> {
        self.parts.tables.types().ok()?.btf.as_ref()
    }

    /// Where the types come from.
    pub fn types_origin(&self) -> Option<TypesOrigin> {
        self.parts.types.as_ref().ok().map(|(_, origin)| *origin)
    }

    /// What was tried while opening, for the report's notes.
    pub fn notes(&self) -> &[String] {
        &self.parts.notes
    }

    /// The CPUs, read once.
    ///
    /// # Errors
    /// Where the masks or the per-CPU offsets can't be read.
    pub fn cpus(&self) -> Result<&Cpus> {
        self.cpus
            .get_or_init(|| self.read_cpus())
            .as_ref()
            .map_err(Clone::clone)
    }

    fn read_cpus(&self) -> Result<Cpus> {
        Cpus::load(self.symbols()?, self.space())
    }

    /// Address of a kernel symbol.
    ///
    /// # Errors
    /// [`Error::NoSymbol`] where there is none of that name.
    pub fn symbol(&self, name: &str) -> Result<VirtAddr> {
        self.symbols()?.first_of(&[name]).map(|s| s.address)
    }

    /// Address of a CPU's copy of a per-CPU variable of the kernel.
    ///
    /// # Errors
    /// Where there is no such symbol or CPU.
    pub fn percpu(&self, name: &str, cpu: CpuId) -> Result<VirtAddr> {
        self.cpus()?.address(self.symbol(name)?, cpu)
    }

    /// A type by its name in C: `struct task_struct`, `union …`, `enum …`, or a typedef.
    ///
    /// # Errors
    /// [`Error::NoTypes`], or [`Error::DebugInfo`] with `NoSuchType`.
    pub fn type_named(&self, name: &str) -> Result<TypeRef> {
        let source = self.types()?;
        let bare = name
            .strip_prefix("struct ")
            .or_else(|| name.strip_prefix("union "))
            .unwrap_or(name);
        Ok(TypeRef {
            source: source.clone(),
            id: source.struct_named(bare)?,
        })
    }

    /// The object of a named type at `address`.
    ///
    /// # Errors
    /// As [`Kernel::type_named`].
    pub fn object(&self, address: VirtAddr, type_name: &str) -> Result<Object<'_>> {
        Ok(Object::new(
            self.space(),
            address,
            self.type_named(type_name)?,
        ))
    }

    /// A global variable as an object of the named type.
    ///
    /// # Errors
    /// As [`Kernel::symbol`] and [`Kernel::type_named`].
    pub fn global(&self, symbol: &str, type_name: &str) -> Result<Object<'_>> {
        self.object(self.symbol(symbol)?, type_name)
    }

    /// A CPU's copy of a per-CPU variable as an object of the named type.
    ///
    /// # Errors
    /// As [`Kernel::percpu`] and [`Kernel::type_named`].
    pub fn percpu_object(&self, symbol: &str, type_name: &str, cpu: CpuId) -> Result<Object<'_>> {
        self.object(self.percpu(symbol, cpu)?, type_name)
    }

    /// Value of an enumerator.
    ///
    /// # Errors
    /// [`Error::NoTypes`]; [`Error::NoSymbol`] where no enum has it.
    pub fn enumerator(&self, name: &str) -> Result<i64> {
        self.types()?
            .enumerator(name)?
            .ok_or_else(|| Error::NoSymbol {
                tried: format!("enumerator {name}"),
            })
    }

    /// Names an address: symbol, offset and module.
    pub fn locate(&self, at: VirtAddr) -> Option<Location> {
        if let Some(module) = self.modules().containing(at) {
            return module.locate(self, at);
        }
        let (symbol, offset) = self.symbols().ok()?.at(at)?;
        Some(Location {
            symbol: symbol.name,
            offset,
            size: symbol.size,
            module: None,
        })
    }
}
