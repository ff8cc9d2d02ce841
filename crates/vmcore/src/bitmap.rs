//! A page bitmap in a dump file, and the rank of its set bits.
//!
//! ```text
//! byte    0               1                        bit of pfn p: byte p/8, bit p%8, lowest first
//! bits    0 1 2 3 4 5 6 7 8 9 …
//!         └──── granule 0: 8192 pages, 1 KiB ────┘└── granule 1 ──┘ …
//! counts  [0]                                      [1]: set bits before granule 1 …
//! ```
//!
//! The page descriptors of a kdump-compressed file stand in one array, one for each set bit, so
//! that a page's descriptor is found by counting the set bits before it. The counts are taken as
//! far as somebody asked, granule by granule, and kept: 8 bytes for 32 MiB of memory with 4 KiB
//! pages, 256 KiB for 1 TiB. The bits themselves stay in the file.

use std::sync::{Arc, PoisonError, RwLock};

use crate::source::{ReadError, Source};

/// Bytes of bitmap between two kept counts, unless that makes too many counts.
const GRANULE_BYTES: u64 = 1024;
/// Counts that are kept at most, 8 MiB of them; reached with 32 TiB of memory.
const COUNTS: u64 = 1 << 20;
/// Bytes read at once while counting.
const STRIDE: u64 = 256 << 10;

/// One bit a page, in a file.
#[derive(Debug)]
pub(crate) struct Bitmap {
    source: Arc<Source>,
    /// File offset of the byte that holds page 0's bit.
    offset: u64,
    /// Number of pages it tells of.
    bits: u64,
    /// The first page that is counted.
    first: u64,
    /// Bytes of bitmap between two counts, a power of two.
    granule: u64,
    /// Set bits from `first` to the beginning of each granule, from `first`'s own granule on.
    counts: RwLock<Vec<u64>>,
}

impl Bitmap {
    /// The bitmap of `bits` pages at `offset`; ranks count from page `first`.
    pub(crate) fn new(source: Arc<Source>, offset: u64, bits: u64, first: u64) -> Bitmap {
        Bitmap {
            source,
            offset,
            bits,
            first,
            granule: granule(bits),
            counts: RwLock::new(vec![0]),
        }
    }

    /// Number of pages it tells of.
    pub(crate) fn bits(&self) -> u64 {
        self.bits
    }

    /// The bit of `pfn`; false past the end.
    pub(crate) fn get(&self, pfn: u64) -> Result<bool, ReadError> {
        if pfn >= self.bits {
            return Ok(false);
        }
        let [byte] = self.source.array::<1>(self.place(pfn / 8)?)?;
        Ok(byte >> (pfn % 8) & 1 == 1)
    }

    /// The number of set bits from `first` up to and without `pfn`, if the bit of `pfn` is set.
    /// One read of at most a granule, once the granules before it are counted.
    pub(crate) fn rank(&self, pfn: u64) -> Result<Option<u64>, ReadError> {
        if pfn >= self.bits || pfn < self.first {
            return Ok(None);
        }
        let granule = pfn / self.granule_pages();
        let start = granule.saturating_mul(self.granule_pages());
        let len = (pfn.saturating_sub(start) / 8).saturating_add(1);
        let mut small = [0; GRANULE_BYTES as usize];
        let mut large = Vec::new();
        let bytes = match usize::try_from(len) {
            Ok(len) if len <= small.len() => small.get_mut(..len).unwrap_or_default(),
            Ok(len) => {
                large.resize(len, 0);
                &mut large
            }
            Err(_) => return Err(ReadError::PastEnd),
        };
        self.source.read_at(self.place(start / 8)?, bytes)?;
        let last = bytes.last().copied().unwrap_or(0);
        if last >> (pfn % 8) & 1 == 0 {
            return Ok(None);
        }
        let skipped = first_bits(bytes, self.first.saturating_sub(start));
        let below = first_bits(bytes, pfn.saturating_sub(start));
        let before = self.count_before_granule(granule)?;
        Ok(Some(before.saturating_add(below.saturating_sub(skipped))))
    }

    /// The number of set bits from `first` up to and without `pfn`, whatever the bit of `pfn`.
    pub(crate) fn count_below(&self, pfn: u64) -> Result<u64, ReadError> {
        let pfn = pfn.min(self.bits);
        if pfn <= self.first {
            return Ok(0);
        }
        let granule = pfn / self.granule_pages();
        let before = self.count_before_granule(granule)?;
        let from = granule.saturating_mul(self.granule_pages()).max(self.first);
        Ok(before.saturating_add(self.count(from, pfn)?))
    }

    /// The bits of `from..to` as bytes, the first bit that of page `from` rounded down to 8.
    pub(crate) fn bytes(&self, from: u64, to: u64) -> Result<Vec<u8>, ReadError> {
        let (start, end) = (from / 8, to.min(self.bits).div_ceil(8));
        self.source
            .vec(self.place(start)?, end.saturating_sub(start))
    }

    /// Set bits in `from..to`, read from the file.
    fn count(&self, from: u64, to: u64) -> Result<u64, ReadError> {
        if from >= to {
            return Ok(0);
        }
        let bytes = self.bytes(from, to)?;
        let below_from = first_bits(&bytes, from % 8);
        let whole = ones(&bytes);
        let last = bytes.last().copied().unwrap_or(0);
        let beyond = if to.is_multiple_of(8) {
            0
        } else {
            last >> (to % 8)
        };
        Ok(whole
            .saturating_sub(below_from)
            .saturating_sub(u64::from(beyond.count_ones())))
    }

    fn count_before_granule(&self, granule: u64) -> Result<u64, ReadError> {
        let base = self.first / self.granule_pages();
        let index =
            usize::try_from(granule.saturating_sub(base)).map_err(|_| ReadError::PastEnd)?;
        if let Some(count) = self
            .counts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(index)
        {
            return Ok(*count);
        }
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = Vec::new();
        while counts.len() <= index {
            self.extend(&mut counts, base, index, &mut buffer)?;
        }
        counts.get(index).copied().ok_or(ReadError::PastEnd)
    }

    /// Counts on from the last kept granule, at most one stride and not past `index`.
    fn extend(
        &self,
        counts: &mut Vec<u64>,
        base: u64,
        index: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let last = counts.len().saturating_sub(1);
        let mut total = counts.last().copied().unwrap_or(0);
        let granule = base.saturating_add(last as u64);
        let wanted = (index.saturating_sub(last) as u64).saturating_mul(self.granule);
        let start = granule.saturating_mul(self.granule);
        let len = wanted
            .min(STRIDE.max(self.granule))
            .min(self.bits.div_ceil(8).saturating_sub(start));
        if len == 0 {
            return Err(ReadError::PastEnd);
        }
        let len = usize::try_from(len).map_err(|_| ReadError::PastEnd)?;
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let bytes = buffer.get_mut(..len).unwrap_or_default();
        self.source.read_at(self.place(start)?, bytes)?;
        let chunk = usize::try_from(self.granule).map_err(|_| ReadError::PastEnd)?;
        for (i, chunk) in bytes.chunks(chunk).enumerate() {
            let mut set = ones(chunk);
            if last == 0 && i == 0 {
                set = set.saturating_sub(first_bits(chunk, self.first % self.granule_pages()));
            }
            total = total.saturating_add(set);
            counts.push(total);
        }
        Ok(())
    }

    /// Pages between two counts.
    fn granule_pages(&self) -> u64 {
        self.granule.saturating_mul(8)
    }

    /// File offset of byte `index`.
    fn place(&self, index: u64) -> Result<u64, ReadError> {
        self.offset.checked_add(index).ok_or(ReadError::PastEnd)
    }
}

/// Bytes between two counts of a bitmap of so many bits.
fn granule(bits: u64) -> u64 {
    (bits / 8 / COUNTS)
        .max(GRANULE_BYTES)
        .checked_next_power_of_two()
        .unwrap_or(1 << 63)
}

/// Number of set bits. Most of a large bitmap is all clear or all set, which is seen at once; the
/// compiler may not assume that the processor can count bits.
fn ones(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let in_blocks: u64 = blocks.iter().map(ones_of_block).sum();
    let in_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    in_blocks.saturating_add(in_rest)
}

fn ones_of_block(block: &[u8; 64]) -> u64 {
    let words = block.as_chunks::<8>().0;
    let (any, all) = words.iter().fold((0, u64::MAX), |(any, all), word| {
        let word = u64::from_le_bytes(*word);
        (any | word, all & word)
    });
    match (any, all) {
        (0, _) => 0,
        (_, u64::MAX) => 512,
        _ => words
            .iter()
            .map(|word| u64::from(u64::from_le_bytes(*word).count_ones()))
            .sum(),
    }
}

/// Number of set bits among the first `bits`.
fn first_bits(bytes: &[u8], bits: u64) -> u64 {
    let whole = usize::try_from(bits / 8).unwrap_or(usize::MAX);
    let in_whole = ones(bytes.get(..whole).unwrap_or(bytes));
    let partial = bytes.get(whole).copied().unwrap_or(0) & !(0xff_u8 << (bits % 8));
    in_whole.saturating_add(u64::from(partial.count_ones()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bits(bytes: &[u8], pfn: u64) -> bool {
        bytes
            .get((pfn / 8) as usize)
            .is_some_and(|b| b >> (pfn % 8) & 1 == 1)
    }

    #[test]
    fn the_rank_is_the_number_of_set_bits_before_a_page_in_any_order_of_asking() {
        let mut seed = 3u64;
        let bytes: Vec<u8> = (0..5000)
            .map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(11);
                (seed >> 40) as u8
            })
            .collect();
        let total = 5000 * 8 - 3;
        for first in [0, 1, 7, 8, 8191, 8192, 8193, 20_001] {
            let source = Arc::new(Source::from_bytes(bytes.clone()));
            let map = Bitmap::new(source, 0, total, first);
            for step in 0..2000u64 {
                let pfn = (step * 7919 * 13) % (total + 5);
                let set = pfn < total && bits(&bytes, pfn) && pfn >= first;
                let count = (first..pfn.min(total)).filter(|p| bits(&bytes, *p)).count() as u64;
                assert_eq!(
                    map.rank(pfn).unwrap(),
                    set.then_some(count),
                    "{first} {pfn}"
                );
                assert_eq!(map.count_below(pfn).unwrap(), count, "{first} {pfn}");
                if step > 60 && first != 0 {
                    break;
                }
            }
        }
    }

    #[test]
    fn the_bitmap_of_the_largest_machine_keeps_few_counts() {
        assert_eq!(granule(1 << 28), GRANULE_BYTES);
        let granule = granule(1 << 40);
        assert!((1_u64 << 40) / 8 / granule <= COUNTS);
    }

    #[test]
    fn ranks_with_large_granules_are_those_with_small_ones() {
        let bytes: Vec<u8> = (0..70_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let source = Arc::new(Source::from_bytes(bytes));
        let small = Bitmap::new(source.clone(), 0, 70_000 * 8, 9000);
        let mut large = Bitmap::new(source, 0, 70_000 * 8, 9000);
        large.granule = 16 << 10;
        for pfn in (0..70_000 * 8).step_by(1013) {
            assert_eq!(small.rank(pfn).unwrap(), large.rank(pfn).unwrap(), "{pfn}");
            assert_eq!(
                small.count_below(pfn).unwrap(),
                large.count_below(pfn).unwrap()
            );
        }
    }

    #[test]
    fn a_bitmap_cut_by_the_end_of_the_file_fails_behind_the_cut_only() {
        let source = Arc::new(Source::from_bytes(vec![0xff; 3000]));
        let map = Bitmap::new(source, 0, 80_000, 0);
        assert_eq!(map.rank(20_000).unwrap(), Some(20_000));
        assert_eq!(map.rank(24_000), Err(ReadError::PastEnd));
        assert_eq!(map.rank(79_000), Err(ReadError::PastEnd));
        assert_eq!(map.rank(100).unwrap(), Some(100));
    }
}
