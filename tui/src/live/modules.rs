//! The modules, and what the kernel remembers of those that are gone.

use virtopsy::facts::ModuleFacts;
use virtopsy::report::Text;
use virtopsy_kernel::Kernel;

use crate::source::ModuleTable;

/// Reads the modules.
pub(super) fn read(kernel: &Kernel) -> Result<ModuleTable, String> {
    let list = kernel.modules();
    match &list.broken {
        Some(e) if list.modules.is_empty() => Err(e.to_string()),
        broken => Ok(ModuleTable {
            modules: list
                .modules
                .iter()
                .map(|m| ModuleFacts::read(kernel, m))
                .collect(),
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
