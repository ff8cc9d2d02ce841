//! The build-id of a module's file, as the dump has it.
//!
//! `struct module` has it where stack traces print it (CONFIG_STACKTRACE_BUILD_ID, 5.14). Else the
//! sections of notes are in the module's memory, where `/sys/module/NAME/notes` reads them:
//!
//! ```text
//! mod->notes_attrs ─► kobject *dir,  notes (their number)   │ bin_attribute attrs[]: size, private ─► note
//!              since 6.14: attribute_group grp.bin_attrs[], │
//!                          pointers, then NULL              │
//! ```
//! Source: kernel/module/sysfs.c (kernel/module.c before 5.19).

use virtopsy_debuginfo::VirtAddr;
use virtopsy_debuginfo::elf::{build_id_in_notes, hex};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::module::Module;
use crate::object::Object;

/// More sections of notes than a module has.
const MAX_NOTES: u64 = 64;
/// Longest section of notes that is looked into.
const MAX_NOTE: u64 = 4096;

impl Module {
    /// The build-id of its file, in lower-case hex; `None` where the dump has none.
    pub fn build_id(&self, kernel: &Kernel) -> Option<String> {
        of(kernel, self.address).unwrap_or_else(|e| {
            tracing::debug!("build-id of module {}: {e}", self.name);
            None
        })
    }
}

fn of(kernel: &Kernel, at: VirtAddr) -> Result<Option<String>> {
    let module = kernel.object(at, "struct module")?;
    match printed(&module) {
        Some(id) => Ok(Some(id)),
        None => in_notes(&module),
    }
}

/// `mod->build_id`, zeros where the file has none.
fn printed(module: &Object<'_>) -> Option<String> {
    let bytes = module.field("build_id").ok()?.bytes(64).ok()?;
    bytes.iter().any(|byte| *byte != 0).then(|| hex(&bytes))
}

fn in_notes(module: &Object<'_>) -> Result<Option<String>> {
    let Some(notes) = module.field("notes_attrs")?.deref()? else {
        return Ok(None);
    };
    let count = match notes.field("notes") {
        Err(e) if e.is_absent() => listed(&notes)?,
        count => count?.u64()?,
    };
    if count > MAX_NOTES {
        return Err(Error::Implausible {
            what: "number of the module's notes".into(),
            at: notes.address,
            found: count.to_string(),
        });
    }
    let attributes = notes.field("attrs")?;
    let mut too_long = None;
    for i in 0..count {
        let attribute = attributes.index(i)?;
        let size = attribute.field("size")?.u64()?;
        let note = attribute.field("private")?.pointer()?;
        if size > MAX_NOTE {
            too_long = Some((note, size));
        }
        let note = module.space().bytes(note, size.min(MAX_NOTE) as usize)?;
        if let Some(id) = build_id_in_notes(&note) {
            return Ok(Some(id));
        }
    }
    match too_long {
        None => Ok(None),
        Some((at, size)) => Err(Error::Implausible {
            what: "size of a module's notes, in bytes".into(),
            at,
            found: size.to_string(),
        }),
    }
}

/// How many pointers stand before the NULL.
fn listed(notes: &Object<'_>) -> Result<u64> {
    let list = notes.field("grp.bin_attrs")?.pointer()?;
    let mut count = 0;
    while count <= MAX_NOTES {
        let at = VirtAddr(list.0.wrapping_add(count * 8));
        if notes.space().pointer(at)?.0 == 0 {
            break;
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{IMAGE, MadeKernel};

    const MODULE: u64 = 0x10_0000;
    const TABLE: u64 = 0x10_1000;
    const LIST: u64 = 0x10_2000;
    const NOTE: u64 = 0x10_3000;

    /// The GNU note of a build-id of ten bytes, behind another.
    const NOTES: [&[u8]; 2] = [
        b"\x06\0\0\0\x04\0\0\0\x01\0\0\0Linux\0\0\0\0\0\0\0",
        b"\x04\0\0\0\x0a\0\0\0\x03\0\0\0GNU\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\xab\0\0",
    ];
    const ATTRIBUTE: (&str, u64, &str) = ("bin_attribute", 24, "size@0 u64, private@16 *");

    fn id(types: &'static [(&'static str, u64, &'static str)], words: [u64; 8]) -> Option<String> {
        let mut made = MadeKernel::new().types(types);
        made.words(MODULE, &[IMAGE + TABLE, 0, 0]);
        made.words(TABLE, &words);
        made.words(LIST, &[1, 1, 0]);
        made.bytes(NOTE, NOTES[0]);
        made.bytes(NOTE + 0x100, NOTES[1]);
        of(&made.kernel(), VirtAddr(IMAGE + MODULE)).ok().flatten()
    }

    #[test]
    fn the_build_id_of_a_module_is_read_from_each_layout() {
        let (first, second) = (IMAGE + NOTE, IMAGE + NOTE + 0x100);
        let (len, longer) = (NOTES[0].len() as u64, NOTES[1].len() as u64);
        let expected = Some("010203040506070809ab".to_owned());
        let older: &[_] = &[
            ("module", 16, "notes_attrs@0 module_notes_attrs*"),
            (
                "module_notes_attrs",
                16,
                "dir@0 *, notes@8 u32, attrs@16 bin_attribute[2]",
            ),
            ATTRIBUTE,
        ];
        let words = |count| [0, count, len, 0, first, longer, 0, second];
        assert_eq!(id(older, words(2)), expected);
        assert_eq!(id(older, words(1)), None);
        assert_eq!(id(older, words(65)), None);
        let newer: &[_] = &[
            ("module", 16, "notes_attrs@0 module_notes_attrs*"),
            (
                "module_notes_attrs",
                16,
                "grp@0 attribute_group, attrs@16 bin_attribute[2]",
            ),
            ("attribute_group", 16, "bin_attrs@8 *"),
            ATTRIBUTE,
        ];
        assert_eq!(id(newer, words(IMAGE + LIST)), expected);
        assert_eq!(id(newer, words(IMAGE + LIST + 16)), None);
        assert_eq!(id(newer, words(8)), None);
    }

    #[test]
    fn the_build_id_that_stack_traces_print_comes_first_and_zeros_are_none() {
        let types: &[_] = &[("module", 24, "notes_attrs@0 *, build_id@0 u8[8]")];
        let found = id(types, [0; 8]).unwrap();
        assert_eq!(found.len(), 16);
        let types: &[_] = &[("module", 24, "notes_attrs@8 *, build_id@8 u8[8]")];
        assert_eq!(id(types, [0; 8]), None);
    }
}
