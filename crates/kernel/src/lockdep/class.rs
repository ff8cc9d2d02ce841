//! Lock classes: what all locks that were initialised at one place have in common.

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;

/// Most classes that are listed: `MAX_LOCKDEP_KEYS` is 8192.
const MAX_CLASSES: u64 = 1 << 16;

/// A lock class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockClass {
    /// Where its `struct lock_class` is.
    pub address: VirtAddr,
    /// As lockdep prints it: `&mm->mmap_lock`, `key#2/1`.
    pub name: Vec<u8>,
    /// The four letters: hardirq, hardirq read, softirq, softirq read. `.` not there, `-` used in,
    /// `+` used with them enabled, `?` both.
    pub usage: String,
    /// Wait types, outer and inner, as lockdep prints them: an outer one of 0 is the inner one.
    pub wait: Option<(u64, u64)>,
}

impl Kernel {
    /// All lock classes in use, in the order in which they were registered.
    ///
    /// # Errors
    /// Where the kernel is built without lockdep, or its table can't be found. A class that can't be
    /// read is left out, and the first error told.
    pub fn lock_classes(&self) -> Result<(Vec<LockClass>, Option<Error>)> {
        let table = self.symbols()?.first_of(&["lock_classes"])?;
        let probe = self.object(VirtAddr(0), "struct lock_class")?;
        let room = table.size.unwrap_or(0).checked_div(probe.size()?);
        // Since 5.2 classes are freed again: those in use may stand anywhere in the table.
        let room = room.unwrap_or(0);
        let mut classes = Vec::new();
        let mut broken = (room > MAX_CLASSES).then(|| Error::Implausible {
            what: "size of lock_classes".into(),
            at: table.address,
            found: format!("{room} classes; the first {MAX_CLASSES} are read"),
        });
        for index in 0..room.min(MAX_CLASSES) {
            let at = table
                .address
                .0
                .wrapping_add(index.wrapping_mul(probe.size()?));
            let read = self
                .object(VirtAddr(at), "struct lock_class")
                .and_then(|class| match class.field("key")?.u64()? {
                    0 => Ok(None),
                    _ => self.describe_class(&class).map(Some),
                });
            match read {
                Ok(class) => classes.extend(class),
                Err(e) => {
                    broken.get_or_insert(e);
                }
            }
        }
        Ok((classes, broken))
    }

    pub(super) fn lock_class(&self, index: u64) -> Result<LockClass> {
        let table = self.symbol("lock_classes")?;
        let since_5_2 = self.symbol("lock_classes_in_use");
        let index = match &since_5_2 {
            Ok(_) => Some(index),
            Err(_) => index.checked_sub(1),
        };
        let index = index.ok_or_else(|| unused(table, index.unwrap_or(0)))?;
        let probe = self.object(VirtAddr(0), "struct lock_class")?;
        let at = table.0.wrapping_add(index.wrapping_mul(probe.size()?));
        let class = self.object(VirtAddr(at), "struct lock_class")?;
        if class.field("key")?.u64()? == 0 {
            return Err(unused(VirtAddr(at), index));
        }
        self.describe_class(&class)
    }

    pub(super) fn describe_class(&self, class: &Object<'_>) -> Result<LockClass> {
        let number = |name: &str| class.field(name).and_then(|f| f.u64());
        let name = class.field("name")?;
        let mut text = match name.pointer()? {
            // A class without a name is that of a static lock: its key names it.
            VirtAddr(0) => match self.locate(VirtAddr(number("key")?)) {
                Some(location) => location.symbol.into_bytes(),
                None => Vec::new(),
            },
            _ => name.string()?,
        };
        if let Some(version) = number("name_version").ok().filter(|version| *version > 1) {
            text.extend(format!("#{version}").into_bytes());
        }
        if let Some(subclass) = number("subclass").ok().filter(|subclass| *subclass != 0) {
            text.extend(format!("/{subclass}").into_bytes());
        }
        let outer = number("wait_type_outer").ok();
        let wait = outer.zip(number("wait_type_inner").ok());
        let wait = wait.map(|(outer, inner)| (if outer == 0 { inner } else { outer }, inner));
        let usage = usage_letters(number("usage_mask")?);
        Ok(LockClass {
            address: class.address,
            name: text,
            usage,
            wait,
        })
    }
}

fn unused(at: VirtAddr, index: u64) -> Error {
    Error::Implausible {
        what: format!("lock class {index}"),
        at,
        found: "not in use".into(),
    }
}

/// The four letters of a class. Source: `get_usage_char()`, kernel/locking/lockdep.c; bits 0 and 1
/// are "used in a hardirq" (exclusive, shared), 2 and 3 "taken with hardirqs on", 4 to 7 the same
/// for softirqs.
pub fn usage_letters(mask: u64) -> String {
    let letter = |used: u32, enabled: u32| match (mask >> used & 1, mask >> enabled & 1) {
        (0, 0) => '.',
        (1, 0) => '-',
        (0, 1) => '+',
        _ => '?',
    };
    [letter(0, 2), letter(1, 3), letter(4, 6), letter(5, 7)]
        .iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_letters_are_lockdeps_own() {
        assert_eq!(usage_letters(0), "....");
        assert_eq!(usage_letters(1 << 8), "....", "merely used");
        assert_eq!(usage_letters(1 << 2 | 1 << 6), "+.+.");
        assert_eq!(usage_letters(1), "-...");
        assert_eq!(usage_letters(1 | 1 << 2 | 1 << 4), "?.-.");
        assert_eq!(usage_letters(1 << 1 | 1 << 3 | 1 << 7), ".?.+");
    }
}
