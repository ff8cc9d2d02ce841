//! What a kernel's symbols and types are read from: a vmlinux, or the dump alone.
//!
//! They are opened once, when they are first needed, and what they answer is remembered.

use std::sync::{Arc, OnceLock};

use virtopsy_debuginfo::{
    Btf, Dwarf, ElfFile, RememberedSymbols, RememberedTypes, SymbolSource, TypeSource, VirtAddr,
};
use virtopsy_vmcore::{Dump, VmcoreInfo};

use crate::error::{Error, Result};
use crate::kallsyms;
use crate::options::TypesChoice;
use crate::paging::{AddressSpace, PagingMode};
use crate::symbols::{KernelSymbols, SymbolOrigin};

/// Largest BTF that is believed (vmlinux: 5 to 10 MB).
pub(crate) const MAX_BTF: u64 = 256 << 20;

/// Where structure layouts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypesOrigin {
    /// The `.BTF` section of a vmlinux file, or a file that holds nothing else.
    Btf,
    /// BTF, read from the dump's memory.
    BtfInDump,
    /// DWARF of a vmlinux file.
    Dwarf,
}

impl std::fmt::Display for TypesOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TypesOrigin::Btf => "btf",
            TypesOrigin::BtfInDump => "btf-in-dump",
            TypesOrigin::Dwarf => "dwarf",
        })
    }
}

/// The tables of one kernel.
#[derive(Debug)]
pub(crate) struct Tables {
    space: AddressSpace,
    info: VmcoreInfo,
    choice: TypesChoice,
    vmlinux: Option<ElfFile>,
    /// BTF that the user gave.
    given_btf: Option<Arc<Btf>>,
    table: OnceLock<Result<SymbolTable>>,
    types: OnceLock<Result<Types>>,
    dwarf: OnceLock<Option<Arc<dyn TypeSource>>>,
}

/// The kernel's table of symbols.
#[derive(Clone, Debug)]
pub(crate) struct SymbolTable {
    pub(crate) source: Arc<dyn SymbolSource>,
    pub(crate) origin: SymbolOrigin,
    /// Why it is not the vmlinux's, although there is one.
    pub(crate) note: Option<String>,
}

/// The kernel's types.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    pub(crate) source: Arc<dyn TypeSource>,
    pub(crate) origin: TypesOrigin,
    /// The same where they are BTF: the base of the modules' BTF.
    pub(crate) btf: Option<Arc<Btf>>,
}

/// Types that remember what was asked of them.
pub(crate) fn remembered(source: Arc<dyn TypeSource>) -> Arc<dyn TypeSource> {
    Arc::new(RememberedTypes::of(source))
}

impl Tables {
    pub(crate) fn new(
        dump: Arc<Dump>,
        mode: PagingMode,
        info: &VmcoreInfo,
        choice: TypesChoice,
        vmlinux: Option<ElfFile>,
        given_btf: Option<Arc<Btf>>,
    ) -> Tables {
        Tables {
            space: AddressSpace::new(dump, mode),
            info: info.clone(),
            choice,
            vmlinux,
            given_btf,
            table: OnceLock::new(),
            types: OnceLock::new(),
            dwarf: OnceLock::new(),
        }
    }

    /// Where types may come from.
    pub(crate) fn choice(&self) -> TypesChoice {
        self.choice
    }

    /// The vmlinux.
    pub(crate) fn vmlinux(&self) -> Option<&ElfFile> {
        self.vmlinux.as_ref()
    }

    /// The kernel's BTF where the numbers of its types are those that its modules' BTF in the dump and
    /// in their files refer to: not so for BTF that was given, which anybody may have encoded anew.
    pub(crate) fn own_btf(&self) -> Option<Arc<Btf>> {
        let types = self.types().ok().filter(|_| self.given_btf.is_none());
        types?.btf.clone()
    }

    /// What KASLR added to addresses.
    pub(crate) fn bias(&self) -> u64 {
        self.info.kernel_offset().unwrap_or(0)
    }

    /// The table of symbols: the vmlinux's, else the dump's.
    pub(crate) fn symbol_table(&self) -> Result<&SymbolTable> {
        let opened = self.table.get_or_init(|| self.open_symbol_table());
        opened.as_ref().map_err(Clone::clone)
    }

    /// The types, in the order that was asked for.
    pub(crate) fn types(&self) -> Result<&Types> {
        let opened = self.types.get_or_init(|| self.open_types());
        opened.as_ref().map_err(Clone::clone)
    }

    /// The vmlinux's DWARF beside types that are BTF, for what BTF does not know; `None` where there
    /// is none, or the user wants none.
    pub(crate) fn dwarf(&self) -> Option<&Arc<dyn TypeSource>> {
        let beside = matches!(self.types(), Ok(Types { btf: Some(_), .. }));
        let wanted = self.choice == TypesChoice::Auto && beside;
        let open = || -> Option<Arc<dyn TypeSource>> {
            match Dwarf::load(self.vmlinux.as_ref()?) {
                Ok(dwarf) => Some(remembered(Arc::new(dwarf))),
                Err(e) => {
                    tracing::debug!("DWARF of the vmlinux: {e}");
                    None
                }
            }
        };
        self.dwarf
            .get_or_init(|| open().filter(|_| wanted))
            .as_ref()
    }

    /// The symbols of the table.
    pub(crate) fn symbols(&self) -> Result<KernelSymbols> {
        let table = self.symbol_table()?;
        Ok(match table.origin {
            SymbolOrigin::Vmlinux => KernelSymbols::from_vmlinux(table.source.clone(), self.bias()),
            SymbolOrigin::KallsymsInDump => KernelSymbols::from_kallsyms(table.source.clone()),
        })
    }

    fn open_symbol_table(&self) -> Result<SymbolTable> {
        let in_dump = |note: Option<String>| {
            Ok(SymbolTable {
                source: Arc::new(RememberedSymbols::of(kallsyms::load(
                    &self.space,
                    &self.info,
                )?)),
                origin: SymbolOrigin::KallsymsInDump,
                note,
            })
        };
        let Some(elf) = &self.vmlinux else {
            return in_dump(None);
        };
        match elf.symbols() {
            Ok(Some(table)) if virtopsy_debuginfo::SymbolSource::len(&table) > 0 => {
                Ok(SymbolTable {
                    source: Arc::new(RememberedSymbols::of(Arc::new(table))),
                    origin: SymbolOrigin::Vmlinux,
                    note: None,
                })
            }
            Ok(_) => in_dump(Some(
                "the vmlinux is stripped: symbols are taken from the dump's kallsyms".into(),
            )),
            Err(e) => in_dump(Some(format!(
                "the vmlinux's symbols can't be read ({e}): taken from the dump's kallsyms"
            ))),
        }
    }

    /// Each failure is remembered.
    fn open_types(&self) -> Result<Types> {
        let mut tried = Vec::new();
        if self.choice != TypesChoice::Dwarf {
            match self.open_btf() {
                Ok((btf, origin)) => {
                    return Ok(Types {
                        source: remembered(btf.clone()),
                        origin,
                        btf: Some(btf),
                    });
                }
                Err(why) => tried.extend(why),
            }
        }
        if self.choice != TypesChoice::Btf {
            match self.vmlinux.as_ref().map(Dwarf::load) {
                Some(Ok(dwarf)) => {
                    dwarf.look_first_at(&self.core_code());
                    return Ok(Types {
                        source: remembered(Arc::new(dwarf)),
                        origin: TypesOrigin::Dwarf,
                        btf: None,
                    });
                }
                Some(Err(e)) => tried.push(format!("DWARF of the vmlinux: {e}")),
                None => tried.push("DWARF: no vmlinux (give one with --vmlinux)".into()),
            }
        }
        Err(Error::NoTypes {
            why: tried.join("; "),
        })
    }

    fn open_btf(&self) -> std::result::Result<(Arc<Btf>, TypesOrigin), Vec<String>> {
        if let Some(given) = &self.given_btf {
            return Ok((given.clone(), TypesOrigin::Btf));
        }
        let mut tried = Vec::new();
        if let Some(elf) = &self.vmlinux {
            match elf.section_bytes(".BTF") {
                Ok(Some(bytes)) => match Btf::parse(bytes, None) {
                    Ok(btf) => return Ok((Arc::new(btf), TypesOrigin::Btf)),
                    Err(e) => tried.push(format!("BTF of the vmlinux: {e}")),
                },
                Ok(None) => tried.push("BTF of the vmlinux: it has none".into()),
                Err(e) => tried.push(format!("BTF of the vmlinux: {e}")),
            }
        }
        match self.btf_in_dump() {
            Ok(btf) => Ok((Arc::new(btf), TypesOrigin::BtfInDump)),
            Err(e) if e.is_absent() => {
                tried.push(
                    "BTF in the dump: the kernel has none (CONFIG_DEBUG_INFO_BTF is off)".into(),
                );
                Err(tried)
            }
            Err(e) => {
                tried.push(format!("BTF in the dump: {e}"));
                Err(tried)
            }
        }
    }

    fn btf_in_dump(&self) -> Result<Btf> {
        let symbols = self.symbols()?;
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
        Ok(Btf::parse(self.space.long(start, len)?, None)?)
    }

    /// Functions, at their link-time addresses, whose files know between them nearly every type
    /// that is asked for: scheduler, modules, the way to the crash kernel, the log, lockdep; then
    /// exception stacks, NMI handlers, what switches virtualization off, what else a stack needs,
    /// and modules' notes.
    fn core_code(&self) -> Vec<VirtAddr> {
        const FUNCTIONS: [&str; 11] = [
            "schedule",
            "load_module",
            "native_machine_crash_shutdown",
            "vprintk_emit",
            "lock_acquire",
            "cea_set_pte",
            "__register_nmi_handler",
            "x86_virt_register_emergency_callback",
            "copy_thread",
            "cpu_init",
            "mod_sysfs_setup",
        ];
        let symbols = self.symbols().ok();
        FUNCTIONS
            .iter()
            .filter_map(|name| symbols.as_ref()?.get(name))
            .map(|symbol| VirtAddr(symbol.address.0.wrapping_sub(self.bias())))
            .collect()
    }
}
