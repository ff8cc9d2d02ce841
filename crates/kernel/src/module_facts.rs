//! What `lsmod` and an oops's last lines say of modules: who uses whom, taints, and which was
//! unloaded last.
//!
//! Source: include/linux/module.h (`struct module_use`, 2.6.36), kernel/module/main.c.

use virtopsy_debuginfo::{SymbolSource as _, VirtAddr};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::list;
use crate::module::Module;

/// More users than a module has.
const MAX_USERS: usize = 512;
/// Letters of the taint flags by bit, as since 6.15. Source: `taint_flags`, kernel/panic.c.
const TAINTS: &str = "PFSRMBUDAWCIOELKXTNJ";

/// The module that was unloaded last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnloadedModule {
    /// Its name; what follows a space are its taints (until 5.18).
    pub name: Vec<u8>,
    /// Its taints, letters with a sign (5.19).
    pub taints: Option<Vec<u8>>,
}

/// The modules that use a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleUsers {
    /// Their names.
    pub names: Vec<String>,
    /// Why there may be more. `None`: there are none.
    pub broken: Option<Error>,
}

impl Kernel {
    /// The modules that use `module`.
    ///
    /// # Errors
    /// Where the list can't be read at all; a torn one gives what it has.
    pub fn module_users(&self, module: &Module) -> Result<ModuleUsers> {
        let head = self
            .object(module.address, "struct module")?
            .field("source_list")?;
        let link = self
            .object(VirtAddr(0), "struct module_use")?
            .field("source_list")?;
        let walk = list::walk(self.space(), "users of a module", head.address, MAX_USERS);
        let mut users = ModuleUsers {
            names: Vec::new(),
            broken: walk.broken,
        };
        for entry in walk.entries {
            let at = list::container_of(entry, link.address.0);
            let user = self
                .object(at, "struct module_use")?
                .field("source")?
                .pointer()?;
            let known = self.modules().modules.iter().find(|m| m.address == user);
            let Some(known) = known else {
                // A list that leads elsewhere gives any number of such users.
                users.broken.get_or_insert(Error::Implausible {
                    what: "a user of a module".into(),
                    at,
                    found: format!("{user}, where no module is"),
                });
                break;
            };
            users.names.push(known.name.clone());
        }
        Ok(users)
    }

    /// How many symbols the module's kallsyms have.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn module_symbol_count(&self, module: &Module) -> Result<usize> {
        Ok(module.symbols(self)?.len())
    }

    /// Letters of the taints that a module brings.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn module_taints(&self, module: &Module) -> Result<String> {
        let taints = self
            .object(module.address, "struct module")?
            .field("taints")?
            .u64()?;
        Ok(letters(taints))
    }

    /// The module that was unloaded last; `Ok(None)`: none was. A structure since 5.19, a text
    /// before, told apart by the size of the symbol's first word: both begin with the name.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn last_unloaded_module(&self) -> Result<Option<UnloadedModule>> {
        let symbol = self.symbols()?.first_of(&["last_unloaded_module"])?;
        let text = self.space().string(symbol.address, 128)?;
        if text.is_empty() {
            return Ok(None);
        }
        // struct { char name[MODULE_NAME_LEN]; char taints[MODULE_FLAGS_BUF_SIZE]; }: the name's
        // room is that of struct module's.
        let name = self
            .object(VirtAddr(0), "struct module")?
            .field("name")?
            .size()?;
        let beyond = symbol.size.is_some_and(|size| size > name);
        let taints = if beyond && !text.contains(&b' ') {
            let at = VirtAddr(symbol.address.0.wrapping_add(name));
            self.space().string(at, 32).ok().filter(|t| t.is_ascii())
        } else {
            None
        };
        Ok(Some(UnloadedModule { name: text, taints }))
    }

    /// Letters of the kernel's own taints (`tainted_mask`).
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn taints(&self) -> Result<String> {
        Ok(letters(self.space().u64(self.symbol("tainted_mask")?)?))
    }
}

fn letters(mask: u64) -> String {
    let known = TAINTS.chars().enumerate();
    let mut out: String = known
        .filter(|(bit, _)| mask >> bit & 1 == 1)
        .map(|(_, c)| c)
        .collect();
    let beyond = mask >> TAINTS.len();
    if beyond != 0 {
        out.push('?');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_the_letters_of_an_oops() {
        assert_eq!(letters(0), "");
        assert_eq!(letters(1 << 12 | 1 << 13 | 1), "POE");
        assert_eq!(letters(1 << 40), "?");
    }
}
