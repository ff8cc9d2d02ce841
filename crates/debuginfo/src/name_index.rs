//! An index from names to numbers that stores no names.
//!
//! Entries are `hash << 32 | number`, sorted: eight bytes a name, built by one
//! sort, and no input can make it slow. Who looks up compares the name itself.

/// Sorted pairs of a 32-bit hash and a 32-bit number.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    entries: Box<[u64]>,
}

/// Collects entries for a [`NameIndex`].
#[derive(Debug, Default)]
pub(crate) struct NameIndexBuilder {
    entries: Vec<u64>,
}

impl NameIndexBuilder {
    pub(crate) fn with_capacity(names: usize) -> Self {
        Self {
            entries: Vec::with_capacity(names),
        }
    }

    pub(crate) fn insert(&mut self, name: &[u8], number: u32) {
        self.entries
            .push(u64::from(hash32(name)) << 32 | u64::from(number));
    }

    pub(crate) fn build(mut self) -> NameIndex {
        self.entries.sort_unstable();
        self.entries.dedup();
        NameIndex {
            entries: self.entries.into_boxed_slice(),
        }
    }
}

impl NameIndex {
    /// The numbers under the hash of `name`, smallest first: candidates, whose
    /// names the caller compares.
    pub(crate) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> + '_ {
        let hash = hash32(name);
        let start = self
            .entries
            .partition_point(|entry| ((entry >> 32) as u32) < hash);
        let rest = self.entries.get(start..).unwrap_or_default();
        rest.iter()
            .take_while(move |entry| (**entry >> 32) as u32 == hash)
            .map(|entry| *entry as u32)
    }
}

/// The upper half of [`hash64`].
fn hash32(name: &[u8]) -> u32 {
    (hash64(0, name) >> 32) as u32
}

/// A fast 64-bit hash of `name` under `seed` (eight bytes a step, multiply and
/// rotate). It need not resist attacks: collisions only cost comparisons.
pub(crate) fn hash64(seed: u64, name: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(K);
    let mut state = step(seed ^ name.len() as u64, K);
    let mut chunks = name.chunks_exact(8);
    for chunk in chunks.by_ref() {
        let word = chunk.try_into().map(u64::from_le_bytes).unwrap_or_default();
        state = step(state, word);
    }
    let mut tail = [0u8; 8];
    for (to, from) in tail.iter_mut().zip(chunks.remainder()) {
        *to = *from;
    }
    state = step(state, u64::from_le_bytes(tail));
    state ^ (state >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_found_as_few_are() {
        let mut builder = NameIndexBuilder::default();
        for number in 0..100_000u32 {
            builder.insert(format!("name{}", number / 2).as_bytes(), number);
        }
        let index = builder.build();
        assert!(index.entries.is_sorted());
        for number in (0..100_000u32).step_by(997) {
            let even = number & !1;
            let name = format!("name{}", number / 2);
            let found: Vec<_> = index.candidates(name.as_bytes()).collect();
            assert!(
                found.contains(&even) && found.contains(&(even + 1)),
                "{name}: {found:?}"
            );
        }
        assert!(index.candidates(b"name50000").count() <= 1);
    }

    #[test]
    fn a_name_leads_to_its_numbers_in_order() {
        let mut builder = NameIndexBuilder::default();
        for (name, number) in [("b", 7), ("a", 3), ("b", 2), ("a_much_longer_name", 9)] {
            builder.insert(name.as_bytes(), number);
        }
        let index = builder.build();
        assert_eq!(index.candidates(b"b").collect::<Vec<_>>(), [2, 7]);
        assert_eq!(
            index.candidates(b"a_much_longer_name").collect::<Vec<_>>(),
            [9]
        );
        assert_eq!(index.candidates(b"c").count(), 0);
    }
}
