//! Symbols as text: `System.map`, and `/proc/kallsyms` with those of modules.
//!
//! ```text
//!  ffffffff81000000 T _text
//!  ffffffffc0401000 t vmx_emergency_disable  [kvm_intel]
//! ```

use std::collections::{HashMap, HashSet};

use crate::SymbolSource;

/// The longest text that is read, in bytes: a kernel with all modules loaded has some 20 MB.
const MAX_TEXT: usize = 512 << 20;

/// The names in such a text.
#[derive(Clone, Debug, Default)]
pub struct SymbolList {
    kernel: HashSet<String>,
    modules: HashMap<String, HashSet<String>>,
}

impl SymbolList {
    /// Reads the text. Lines that are no symbols are passed over.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut list = Self::default();
        let text = text.get(..text.len().min(MAX_TEXT)).unwrap_or_default();
        for line in text.split(|byte| *byte == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if kind.len() != 1 || u64::from_str_radix(address, 16).is_err() {
                continue;
            }
            let module = words
                .next()
                .and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
            match module {
                None => list.kernel.insert(name.to_owned()),
                Some(module) => {
                    let of = list.modules.entry(module.to_owned()).or_default();
                    of.insert(name.to_owned())
                }
            };
        }
        list
    }

    /// The names of a table of the kernel proper.
    #[must_use]
    pub fn of(table: &dyn SymbolSource) -> Self {
        let mut list = Self::default();
        table.for_each(&mut |name, _, _| {
            list.kernel.insert(name.to_owned());
        });
        list
    }

    /// Whether the kernel proper has it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.kernel.contains(name)
    }

    /// Whether a module is loaded, as far as the text tells.
    #[must_use]
    pub fn is_loaded(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// Whether a module has a symbol.
    #[must_use]
    pub fn in_module(&self, module: &str, name: &str) -> bool {
        self.modules.get(module).is_some_and(|of| of.contains(name))
    }

    /// How many the kernel proper has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kernel.len()
    }

    /// Whether it names nothing of the kernel proper.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kernel.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_the_kernels_or_a_modules() {
        let list = SymbolList::parse(
            b"ffffffff81000000 T _text\nnot a symbol\n0000000000000000 t vmx_init\t[kvm_intel]\n",
        );
        assert!(list.has("_text") && !list.has("vmx_init"));
        assert!(list.in_module("kvm_intel", "vmx_init") && list.is_loaded("kvm_intel"));
        assert!(!list.is_loaded("kvm_amd"));
        assert_eq!(list.len(), 1);
    }
}
