//! Builds small dumps for tests, from text.
//!
//! ```
//! use virtopsy_testkit::{Codec, Kdump, Memory};
//!
//! let memory = Memory::parse("page 0x100 data 41; page 0x101 zero; page 0x102 excluded");
//! let dump = Kdump::new(memory).version(6).codec(Codec::Lzo).build();
//! assert!(dump.bytes.starts_with(b"KDUMP   "));
//! ```
//!
//! The bytes are written here and nowhere else: this crate does not know the one that reads them.
//! It is for tests only, and panics where a description makes no sense.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod absent;
mod elf;
mod flattened;
mod image;
mod kdump;
mod lzo;
mod memory;
mod note;

pub use absent::{corpus, skipped};
pub use elf::{Elf, Load};
pub use flattened::{Flattened, flatten};
pub use image::{avml, lime, raw};
pub use kdump::{Codec, Kdump, KdumpBytes, Place};
pub use memory::{Memory, Page};
pub use note::{Note, notes_bytes};

/// Appends numbers in little-endian order.
pub(crate) trait Little {
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
}

impl Little for Vec<u8> {
    fn u16(&mut self, value: u16) {
        self.extend(value.to_le_bytes());
    }
    fn u32(&mut self, value: u32) {
        self.extend(value.to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.extend(value.to_le_bytes());
    }
}

/// Writes `bytes` over `at..` of a block.
pub(crate) fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}
