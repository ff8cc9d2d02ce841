//! Loaded modules: where they are and in which state.

use std::sync::{Arc, OnceLock};

use virtopsy_debuginfo::{ModuleSymbols, TypeSource, VirtAddr};

use crate::error::{Error, Result};
use crate::module_file::ModuleFile;

/// `enum module_state`. Source: include/linux/module.h, unchanged since 3.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModuleState {
    /// Normal.
    Live,
    /// Its init function has not returned.
    Coming,
    /// Being removed.
    Going,
    /// Being set up, or torn down so far that nothing may look at it.
    #[default]
    Unformed,
    /// No value that the enum has.
    Other(i64),
}

impl std::fmt::Display for ModuleState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ModuleState::Live => f.write_str("live"),
            ModuleState::Coming => f.write_str("coming"),
            ModuleState::Going => f.write_str("going"),
            ModuleState::Unformed => f.write_str("unformed"),
            ModuleState::Other(value) => write!(f, "{value}"),
        }
    }
}

/// One memory area of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleArea {
    /// First byte.
    pub base: VirtAddr,
    /// Length in bytes.
    pub size: u64,
    /// Whether it holds code (also code that only init used).
    pub text: bool,
}

impl ModuleArea {
    fn contains(&self, at: VirtAddr) -> bool {
        at.0.wrapping_sub(self.base.0) < self.size
    }
}

/// A loaded module.
#[derive(Debug)]
pub struct Module {
    /// Where its `struct module` is.
    pub address: VirtAddr,
    /// Its name; bytes that are no UTF-8 are replaced.
    pub name: String,
    /// Its state.
    pub state: ModuleState,
    /// Its memory.
    pub areas: Vec<ModuleArea>,
    /// Base of its per-CPU data, 0 without.
    pub percpu: VirtAddr,
    /// Reference count as `lsmod` shows it (the module's own reference taken off).
    pub refcount: Option<i64>,
    pub(crate) symbols: OnceLock<Result<ModuleSymbols>>,
    pub(crate) types: OnceLock<Result<Arc<dyn TypeSource>>>,
    pub(crate) file: OnceLock<Result<ModuleFile>>,
}

impl Module {
    /// Whether `at` lies in one of its areas.
    pub fn contains(&self, at: VirtAddr) -> bool {
        self.areas.iter().any(|area| area.contains(at))
    }
}

/// The modules of a kernel.
#[derive(Debug, Default)]
pub struct ModuleList {
    /// In the list's order, newest first.
    pub modules: Vec<Module>,
    /// Why the list is not whole. `None`: it is.
    pub broken: Option<Error>,
    by_address: OnceLock<ByAddress>,
}

/// Areas of modules by their first byte, with the module's place in the list. Those of a sound
/// kernel lie apart; where some do not, the list decides.
#[derive(Debug)]
struct ByAddress {
    areas: Vec<(ModuleArea, usize)>,
    apart: bool,
}

impl ByAddress {
    fn of(modules: &[Module]) -> ByAddress {
        let each = modules.iter().enumerate();
        let mut areas: Vec<_> = each
            .flat_map(|(place, module)| module.areas.iter().map(move |area| (*area, place)))
            .collect();
        areas.sort_by_key(|(area, _)| area.base);
        let apart = areas.windows(2).all(|pair| match pair {
            [(one, _), (next, _)] => next.base.0.wrapping_sub(one.base.0) >= one.size,
            _ => true,
        });
        ByAddress { areas, apart }
    }
}

impl ModuleList {
    /// These modules; `broken`: why they are not all.
    pub(crate) fn of(modules: Vec<Module>, broken: Option<Error>) -> ModuleList {
        ModuleList {
            modules,
            broken,
            by_address: OnceLock::new(),
        }
    }

    /// The module of that name.
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|m| m.name == name)
    }

    /// The module whose memory holds `at`.
    pub fn containing(&self, at: VirtAddr) -> Option<&Module> {
        let known = self.by_address.get_or_init(|| ByAddress::of(&self.modules));
        if !known.apart {
            return self.modules.iter().find(|m| m.contains(at));
        }
        let after = known.areas.partition_point(|(area, _)| area.base <= at);
        let (area, place) = known.areas.get(after.checked_sub(1)?)?;
        self.modules.get(*place).filter(|_| area.contains(at))
    }
}
