//! CPUs, by number, and sets of them.

use std::fmt;

/// The kernel's number of a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub u32);

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// More CPUs than any kernel supports (x86: CONFIG_NR_CPUS <= 8192).
pub const MAX_CPUS: u32 = 8192;

/// A `struct cpumask`: bit N of word N/64 is CPU N.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuMask {
    words: Vec<u64>,
}

impl CpuMask {
    /// From the mask's memory, little-endian words; bits from `nr_cpu_ids` on are ignored.
    pub fn from_bytes(bytes: &[u8], nr_cpu_ids: u32) -> Self {
        let mut words: Vec<u64> = bytes
            .chunks(8)
            .map(|c| {
                c.iter()
                    .rev()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte))
            })
            .collect();
        for (i, word) in words.iter_mut().enumerate() {
            let first = (i as u64).saturating_mul(64);
            let valid = u64::from(nr_cpu_ids).saturating_sub(first).min(64);
            *word &= if valid == 64 {
                u64::MAX
            } else {
                (1 << valid) - 1
            };
        }
        CpuMask { words }
    }

    /// Whether `cpu` is in the set.
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.words
            .get(cpu.0 as usize / 64)
            .is_some_and(|w| w >> (cpu.0 % 64) & 1 == 1)
    }

    /// The CPUs in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = CpuId> + '_ {
        let limit = (self.words.len() as u64)
            .saturating_mul(64)
            .min(u64::from(MAX_CPUS)) as u32;
        (0..limit).map(CpuId).filter(|c| self.contains(*c))
    }

    /// How many CPUs are in the set.
    pub fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_nr_cpu_ids_are_no_cpus() {
        let mask = CpuMask::from_bytes(&[0xff; 16], 66);
        assert_eq!(mask.count(), 66);
        assert!(mask.contains(CpuId(65)) && !mask.contains(CpuId(66)));
        assert_eq!(mask.iter().last(), Some(CpuId(65)));
    }
}
