//! One function for each parser of bytes that nobody vouches for. A panic, an overflow, memory or
//! time without a bound is a finding; an error is an answer.

// What a parser returns is of no matter here, only that it returns.
#![allow(unused_must_use)]

mod container;
mod debuginfo;
mod kernel;
mod text;

pub use container::{dump, flattened, notes, page, split, vmcoreinfo};
pub use debuginfo::{btf, dwarf, elf, kallsyms, lines};
pub use kernel::{code, crashed, lists, orc, page_tables, printk};
pub use text::{crashes, peek, records, splats};

/// A fuzz target by its name, which is that of its corpus too.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("dump", dump),
    ("flattened", flattened),
    ("split", split),
    ("notes", notes),
    ("page", page),
    ("vmcoreinfo", vmcoreinfo),
    ("elf", elf),
    ("dwarf", dwarf),
    ("lines", lines),
    ("btf", btf),
    ("kallsyms", kallsyms),
    ("page_tables", page_tables),
    ("lists", lists),
    ("printk", printk),
    ("orc", orc),
    ("code", code),
    ("splats", splats),
    ("crashes", crashes),
    ("records", records),
    ("peek", peek),
    ("crashed", crashed),
];

/// The number at `at`; missing bytes are zero.
fn number(data: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    for (byte, given) in bytes.iter_mut().zip(data.iter().skip(at)) {
        *byte = *given;
    }
    u64::from_le_bytes(bytes)
}

/// The bytes from `at` on.
fn rest(data: &[u8], at: usize) -> &[u8] {
    data.get(at..).unwrap_or_default()
}
