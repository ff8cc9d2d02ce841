//! A module.

use serde::{Serialize, Serializer};
use virtopsy_kernel::{Kernel, Module, ModuleState};

use crate::report::{Hex, Text};

use super::error_text;

/// Writes the state's name.
fn shown<S: Serializer>(state: &ModuleState, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(state)
}

/// A loaded module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModuleFacts {
    /// Its name.
    pub name: Text,
    /// Its `struct module`.
    pub address: Hex,
    /// `live`, `coming`, `going` or `unformed`.
    #[serde(serialize_with = "shown")]
    pub state: ModuleState,
    /// References to it.
    pub refcount: Option<i64>,
    /// The modules that use it.
    pub used_by: Vec<Text>,
    /// Why users may be missing.
    pub used_by_incomplete_because: Option<Text>,
    /// Letters of the taints that it brought.
    pub taints: Option<String>,
    /// Bytes of all its memory.
    pub size: u64,
    /// Its memory.
    pub areas: Vec<AreaFacts>,
    /// Base of its per-CPU data; 0 without.
    pub percpu: Hex,
    /// How many symbols its kallsyms have.
    pub symbols: Option<usize>,
}

/// A piece of a module's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AreaFacts {
    /// Its start.
    pub base: Hex,
    /// Bytes.
    pub size: u64,
    /// Whether it holds code.
    pub text: bool,
}

impl ModuleFacts {
    /// Reads what a module's own structures say beyond the list.
    fn read(kernel: &Kernel, module: &Module) -> Self {
        let (users, broken) = match kernel.module_users(module) {
            Ok(users) => (users.names, users.broken),
            Err(e) => (Vec::new(), Some(e)),
        };
        let areas = module.areas.iter().map(|area| AreaFacts {
            base: Hex(area.base.0),
            size: area.size,
            text: area.text,
        });
        let sizes = module.areas.iter().map(|area| area.size);
        Self {
            name: Text::from(module.name.as_str()),
            address: Hex(module.address.0),
            state: module.state,
            refcount: module.refcount,
            used_by: users.into_iter().map(Text::from).collect(),
            used_by_incomplete_because: broken.as_ref().map(error_text),
            taints: kernel.module_taints(module).ok(),
            size: sizes.fold(0, u64::saturating_add),
            areas: areas.collect(),
            percpu: Hex(module.percpu.0),
            symbols: kernel.module_symbol_count(module).ok(),
        }
    }
}

/// The modules of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModulesFacts {
    /// Letters of the kernel's taints, as an oops shows them; empty without.
    pub taints: Option<String>,
    /// Those that are loaded, in the kernel's order.
    pub modules: Vec<ModuleFacts>,
    /// The one that was unloaded last.
    pub last_unloaded: Option<Text>,
    /// Why modules are missing.
    pub incomplete_because: Option<Text>,
}

impl ModulesFacts {
    pub(crate) fn read(kernel: &Kernel) -> ModulesFacts {
        let list = kernel.modules();
        let last = kernel.last_unloaded_module().ok().flatten();
        let facts = |module| ModuleFacts::read(kernel, module);
        ModulesFacts {
            taints: kernel.taints().ok(),
            modules: list.modules.iter().map(facts).collect(),
            last_unloaded: last.map(|module| Text::new(module.name)),
            incomplete_because: list.broken.as_ref().map(error_text),
        }
    }
}
