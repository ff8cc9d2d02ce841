//! Builders of hand-made input for tests.

pub(crate) mod btf;
pub(crate) mod dwarf;
pub(crate) mod elf;
pub(crate) mod kallsyms;

/// A small generator of numbers that are the same in every run (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}
