//! Decoded pages, shared by all readers of a dump.
//!
//! Pages are spread over shards by their number; each shard has its own lock, held for a look-up
//! or an insertion, never while a page is read or decoded. A shard gives up pages by the clock
//! rule: the hand passes over a page that was used since it last came by, and takes the first one
//! that was not.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// One page of physical memory, whole. Cloning shares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(Arc<[u8]>);

impl Page {
    pub(crate) fn new(bytes: &[u8]) -> Page {
        Page(Arc::from(bytes))
    }
}

impl Deref for Page {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

const SHARDS: usize = 8;

/// The cache of one dump.
#[derive(Debug)]
pub(crate) struct PageCache {
    shards: [Mutex<Shard>; SHARDS],
    /// Pages a shard holds at most.
    room: usize,
}

#[derive(Debug, Default)]
struct Shard {
    places: HashMap<u64, usize>,
    slots: Vec<Slot>,
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    pfn: u64,
    page: Page,
    used: bool,
}

impl PageCache {
    /// A cache of about `pages` pages; at least one a shard.
    pub(crate) fn new(pages: usize) -> PageCache {
        PageCache {
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
            room: pages.div_ceil(SHARDS).max(1),
        }
    }

    pub(crate) fn get(&self, pfn: u64) -> Option<Page> {
        let mut shard = self.shard(pfn)?;
        let place = *shard.places.get(&pfn)?;
        let slot = shard.slots.get_mut(place)?;
        slot.used = true;
        Some(slot.page.clone())
    }

    /// Copies from the page at `offset` if it is here; false otherwise.
    pub(crate) fn copy(&self, pfn: u64, offset: usize, buf: &mut [u8]) -> bool {
        let Some(page) = self.get(pfn) else {
            return false;
        };
        copy_out(&page, offset, buf)
    }

    pub(crate) fn insert(&self, pfn: u64, page: Page) {
        if let Some(mut shard) = self.shard(pfn) {
            shard.insert(pfn, page, self.room);
        }
    }

    fn shard(&self, pfn: u64) -> Option<std::sync::MutexGuard<'_, Shard>> {
        let index = usize::try_from(pfn % SHARDS as u64).ok()?;
        let shard = self.shards.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Copies `buf.len()` bytes of `page` from `offset`; false if it has not so many.
pub(crate) fn copy_out(page: &[u8], offset: usize, buf: &mut [u8]) -> bool {
    let bytes = offset
        .checked_add(buf.len())
        .and_then(|end| page.get(offset..end));
    if let Some(bytes) = bytes {
        buf.copy_from_slice(bytes);
    }
    bytes.is_some()
}

impl Shard {
    fn insert(&mut self, pfn: u64, page: Page, room: usize) {
        if self.places.contains_key(&pfn) {
            return;
        }
        let slot = Slot {
            pfn,
            page,
            used: false,
        };
        if self.slots.len() < room {
            self.places.insert(pfn, self.slots.len());
            self.slots.push(slot);
            return;
        }
        let place = self.victim();
        if let Some(old) = self.slots.get_mut(place) {
            self.places.remove(&old.pfn);
            *old = slot;
            self.places.insert(pfn, place);
        }
    }

    /// The next slot that was not used since the hand last came by; two rounds at most.
    fn victim(&mut self) -> usize {
        for _ in 0..self.slots.len().saturating_mul(2) {
            let here = self.hand;
            self.hand = if here.saturating_add(1) >= self.slots.len() {
                0
            } else {
                here.saturating_add(1)
            };
            match self.slots.get_mut(here) {
                Some(slot) if slot.used => slot.used = false,
                _ => return here,
            }
        }
        self.hand
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_gives_up_pages_that_were_not_used_again() {
        let cache = PageCache::new(16);
        for round in 0..100u64 {
            cache.insert(8, Page::new(b"kept"));
            assert!(cache.get(8).is_some());
            cache.insert(16 + round * 8, Page::new(&round.to_le_bytes()));
        }
        assert_eq!(&*cache.get(8).unwrap(), b"kept");
        assert!(cache.get(16).is_none());
        assert!(cache.get(16 + 99 * 8).is_some());
        let held: usize = cache
            .shards
            .iter()
            .map(|s| s.lock().unwrap().slots.len())
            .sum();
        assert_eq!(held, 2);
    }
}
