//! All pages of a dump, on all processors: counting them, searching them.
//!
//! A scan reads bits and descriptors by the thousand, keeps nothing in the page cache, and can be
//! cancelled. Chunks are visited in no particular order.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::dump::Memory;
use crate::kdump::{KdumpFile, PageData};
use crate::{Dump, PageError, PageState, Pfn, PhysAddr, VmcoreInfo};

/// Pages that one task visits.
const CHUNK: u64 = 4096;

/// Takes a page's number, and its bytes or why it has none.
type VisitPage<'a> = dyn FnMut(u64, Result<&[u8], PageError>) + 'a;

/// How a VMCOREINFO text begins (since 2.6.24). The kernel has it twice: alone, in a page of its
/// own since 4.13, and behind the header of the note, which is complete once it has crashed.
const VMCOREINFO_HEAD: &[u8] = b"OSRELEASE=";
/// The longest text, in bytes: the kernel gives it a page.
const VMCOREINFO_LEN: usize = 4096;
/// Texts that are kept.
const VMCOREINFO_FOUND: usize = 64;

/// Pages by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageCounts {
    /// With data, those of zeros not included.
    pub data: u64,
    /// Of zeros.
    pub zero: u64,
    /// Without RAM.
    pub hole: u64,
    /// Left out.
    pub excluded: u64,
    /// Lost.
    pub incomplete: u64,
    /// Damaged or unreadable.
    pub corrupt: u64,
}

impl PageCounts {
    /// Pages that were looked at.
    #[must_use]
    pub fn total(&self) -> u64 {
        [
            self.data,
            self.zero,
            self.hole,
            self.excluded,
            self.incomplete,
            self.corrupt,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    fn add(&mut self, state: PageState) {
        let count = match state {
            PageState::Data => &mut self.data,
            PageState::Zero => &mut self.zero,
            PageState::Hole => &mut self.hole,
            PageState::Excluded => &mut self.excluded,
            PageState::Incomplete => &mut self.incomplete,
            PageState::Corrupt => &mut self.corrupt,
        };
        *count = count.saturating_add(1);
    }

    fn join(self, other: PageCounts) -> PageCounts {
        PageCounts {
            data: self.data.saturating_add(other.data),
            zero: self.zero.saturating_add(other.zero),
            hole: self.hole.saturating_add(other.hole),
            excluded: self.excluded.saturating_add(other.excluded),
            incomplete: self.incomplete.saturating_add(other.incomplete),
            corrupt: self.corrupt.saturating_add(other.corrupt),
        }
    }
}

/// A VMCOREINFO text that was found in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundVmcoreInfo {
    /// The physical address of its first byte.
    pub at: PhysAddr,
    /// The text.
    pub info: VmcoreInfo,
}

impl Dump {
    /// Decodes all pages in `pages`, on all processors, and hands each to `visit`, from several
    /// threads and in no order. Gives the number of pages by what became of them; `zero` are those
    /// whose bytes are all zero, and they are visited too. Ends early, with what was counted so
    /// far, once `cancel` is true.
    pub fn scan(
        &self,
        pages: Range<Pfn>,
        cancel: &AtomicBool,
        visit: impl Fn(Pfn, &[u8]) + Sync,
    ) -> PageCounts {
        self.chunks(pages, cancel, |from, to| {
            let mut counts = PageCounts::default();
            let mut page = vec![0; usize::try_from(self.page_size()).unwrap_or(0)];
            let mut packed = Vec::new();
            self.decode_each(from, to, &mut packed, &mut page, &mut |pfn, found| {
                counts.add(match found {
                    Ok(bytes) => {
                        visit(Pfn(pfn), bytes);
                        match bytes.iter().all(|byte| *byte == 0) {
                            true => PageState::Zero,
                            false => PageState::Data,
                        }
                    }
                    Err(error) => PageState::of(&error),
                });
            });
            counts
        })
    }

    /// Counts the pages by their state, from bitmaps, descriptors and headers; no page is decoded
    /// but one. `zero` are the pages that share the writer's one page of zeros; a page of zeros
    /// that stands alone counts as data, and in an ELF dump or an image all do.
    #[must_use]
    pub fn count_pages(&self, cancel: &AtomicBool) -> PageCounts {
        let all = Pfn(0)..self.max_pfn();
        let Memory::Kdump(parts) = &self.memory else {
            return self.chunks(all, cancel, |from, to| {
                let mut counts = PageCounts::default();
                (from..to).for_each(|pfn| counts.add(self.page_state(Pfn(pfn))));
                counts
            });
        };
        let shared: Vec<Option<u64>> = parts.files().iter().map(|f| f.shared_zeros()).collect();
        let zero_of = |file: &KdumpFile| {
            let mut both = parts.files().iter().zip(&shared);
            both.find(|(f, _)| std::ptr::eq(f.as_ref(), file))
                .and_then(|(_, zero)| *zero)
        };
        self.chunks(all, cancel, |from, to| {
            let mut counts = PageCounts::default();
            parts.each(from, to, &mut |file, _, data| {
                counts.add(match data {
                    Ok(data) if Some(data.offset) == zero_of(file) => PageState::Zero,
                    Ok(_) => PageState::Data,
                    Err(error) => PageState::of(&error),
                });
            });
            counts
        })
    }

    /// Searches memory for VMCOREINFO texts, which begin with `OSRELEASE=`. Several may be found,
    /// sorted by address: the kernel's two copies, those of a kexec'd kernel, or of one from before
    /// a warm reboot. For a dump that has no such note, or not the right one.
    #[must_use]
    pub fn find_vmcoreinfo(&self, cancel: &AtomicBool) -> Vec<FoundVmcoreInfo> {
        let (found, cut) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        let head = memchr::memmem::Finder::new(VMCOREINFO_HEAD);
        self.scan(Pfn(0)..self.max_pfn(), cancel, |pfn, page| {
            for offset in head.find_iter(page) {
                let at = pfn.start(self.page_size());
                let Some(at) = at.checked_add(offset as u64) else {
                    continue;
                };
                let info = VmcoreInfo::parse(&self.text(at));
                // Kernels contain the format string of this line as well.
                if info.page_size().is_none() {
                    continue;
                }
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                if found.len() >= VMCOREINFO_FOUND {
                    cut.store(true, Ordering::Relaxed);
                    return;
                }
                found.push(FoundVmcoreInfo { at, info });
            }
        });
        if cut.into_inner() {
            tracing::warn!(
                "more than {VMCOREINFO_FOUND} texts in memory look like VMCOREINFO: the others are not looked at"
            );
        }
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|found| found.at);
        found
    }

    /// The text at `at` up to its NUL, or as far as it can be read.
    fn text(&self, at: PhysAddr) -> Vec<u8> {
        let mut text = vec![0; VMCOREINFO_LEN];
        // What can't be read stays NUL; what was read before it counts.
        let _ = self.read_at(at, &mut text);
        text.truncate(memchr::memchr(0, &text).unwrap_or(VMCOREINFO_LEN));
        text
    }

    /// Runs `task` on each chunk of `pages`, on all processors.
    fn chunks(
        &self,
        pages: Range<Pfn>,
        cancel: &AtomicBool,
        task: impl Fn(u64, u64) -> PageCounts + Sync,
    ) -> PageCounts {
        let end = pages.end.0.min(self.max_pfn().0);
        let (first, last) = (pages.start.0 / CHUNK, end.div_ceil(CHUNK));
        (first..last.max(first))
            .into_par_iter()
            .map(|chunk| {
                if cancel.load(Ordering::Relaxed) {
                    return PageCounts::default();
                }
                let start = chunk.saturating_mul(CHUNK);
                let from = start.max(pages.start.0);
                let to = start.saturating_add(CHUNK).min(end);
                self.hole(from, to).unwrap_or_else(|| task(from, to))
            })
            .reduce(PageCounts::default, PageCounts::join)
    }

    /// The count of a chunk of which an image describes nothing.
    fn hole(&self, from: u64, to: u64) -> Option<PageCounts> {
        let Memory::Image(image) = &self.memory else {
            return None;
        };
        let address = |pfn: u64| Pfn(pfn).start(self.page_size()).0;
        image
            .is_hole(address(from), address(to))
            .then(|| PageCounts {
                hole: to.saturating_sub(from),
                ..PageCounts::default()
            })
    }

    /// Decodes each page of `from..to` into `page`.
    fn decode_each(
        &self,
        from: u64,
        to: u64,
        packed: &mut Vec<u8>,
        page: &mut [u8],
        visit: &mut VisitPage<'_>,
    ) {
        match &self.memory {
            Memory::Kdump(parts) => {
                let mut one = |file: &KdumpFile, pfn: u64, data: Result<PageData, PageError>| {
                    let at = Pfn(pfn).start(self.page_size());
                    let decoded = data.and_then(|data| file.decode(data, at, packed, page));
                    visit(pfn, decoded.map(|()| &*page));
                };
                parts.each(from, to, &mut one);
            }
            Memory::Image(image) => {
                for pfn in from..to {
                    let at = Pfn(pfn).start(self.page_size());
                    let read = image.read_at(at.0, page);
                    visit(pfn, read.map(|()| &*page));
                }
            }
        }
    }
}
