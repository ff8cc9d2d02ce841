//! The modules, and what the kernel remembers of those that are gone.

use virtopsy::report::Text;
use virtopsy_kernel::{Kernel, Module};

use crate::source::{ModuleRow, ModuleTable};

/// Reads the modules.
pub(super) fn read(kernel: &Kernel) -> Result<ModuleTable, String> {
    let list = kernel.modules();
    match &list.broken {
        Some(e) if list.modules.is_empty() => Err(e.to_string()),
        broken => Ok(ModuleTable {
            modules: list.modules.iter().map(|m| row(kernel, m)).collect(),
            taints: kernel.taints().ok(),
            last_unloaded: kernel
                .last_unloaded_module()
                .ok()
                .flatten()
                .map(|m| Text::new(m.name)),
            broken: broken.as_ref().map(ToString::to_string),
        }),
    }
}

fn row(kernel: &Kernel, module: &Module) -> ModuleRow {
    let users = kernel.module_users(module).unwrap_or_default();
    ModuleRow {
        name: module.name.clone(),
        state: module.state.to_string(),
        refcount: module.refcount,
        address: module.address.0,
        areas: module
            .areas
            .iter()
            .map(|a| (a.base.0, a.size, a.text))
            .collect(),
        percpu: module.percpu.0,
        users: users.into_iter().map(Text::new).collect(),
        taints: kernel.module_taints(module).ok(),
    }
}
