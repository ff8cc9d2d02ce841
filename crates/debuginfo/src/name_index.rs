//! An index from names to numbers that stores no names.
//!
//! Entries are `hash << 32 | number`, sorted: eight bytes a name. They are dealt
//! out by the hash's upper bits, and what lies together then is sorted: no input
//! can make it slow. Who looks up compares the name itself.

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

    pub(crate) fn build(self) -> NameIndex {
        let mut entries = dealt_out(self.entries);
        for hand in entries.chunk_by_mut(|one, other| hand_of(*one) == hand_of(*other)) {
            hand.sort_unstable();
        }
        entries.dedup();
        NameIndex {
            entries: entries.into_boxed_slice(),
        }
    }
}

/// Entries are dealt out to as many hands as these bits of the hash tell apart.
const HAND_BITS: u32 = 14;
/// Fewer entries are sorted at once.
const FEW: usize = 1 << HAND_BITS;

fn hand_of(entry: u64) -> usize {
    (entry >> (u64::BITS - HAND_BITS)) as usize
}

/// Entries in the order of their hands: one step of a radix sort.
fn dealt_out(mut entries: Vec<u64>) -> Vec<u64> {
    if entries.len() < FEW {
        entries.sort_unstable();
        return entries;
    }
    let mut next = vec![0usize; 1 << HAND_BITS];
    for entry in &entries {
        if let Some(count) = next.get_mut(hand_of(*entry)) {
            *count += 1;
        }
    }
    let mut start = 0;
    for hand in &mut next {
        start += std::mem::replace(hand, start);
    }
    let mut dealt = vec![0; entries.len()];
    for entry in entries {
        let place = next.get_mut(hand_of(entry)).and_then(|place| {
            *place += 1;
            dealt.get_mut(*place - 1)
        });
        if let Some(place) = place {
            *place = entry;
        }
    }
    dealt
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
