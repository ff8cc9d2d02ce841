//! Reading an open dump's memory.

use std::cell::RefCell;
use std::sync::PoisonError;

use crate::cache::copy_out;
use crate::dump::{Dump, Memory};
use crate::held::HeldBytes;
use crate::{Page, PageError, PageState, Pfn, PhysAddr, run};

impl Dump {
    /// A whole page, [`Dump::page_size`] bytes.
    ///
    /// # Errors
    /// Why it cannot be had. A page of an ELF dump that only a part is described of is an error
    /// here; [`Dump::read_at`] gives the part.
    pub fn page(&self, pfn: Pfn) -> Result<Page, PageError> {
        if let Some(page) = self.cache.get(pfn.0) {
            return Ok(page);
        }
        let page = self.read_page(pfn)?;
        self.cache.insert(pfn.0, page.clone());
        Ok(page)
    }

    /// Fills `buf` with the memory from `at`, across pages. A long read is decoded in parallel.
    ///
    /// # Errors
    /// Which byte cannot be had first, and why; `buf` then holds the bytes before it.
    pub fn read_at(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        self.record(at, buf.len() as u64);
        self.read_unrecorded(at, buf)
    }

    /// Takes `len` bytes from `at` for read, where that is recorded.
    pub fn record(&self, at: PhysAddr, len: u64) {
        if let Some(recorder) = &self.recorder {
            let mut recorded = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            recorded.insert(at, len);
        }
    }

    /// As [`Dump::read_at`], and what is read is not recorded: for a reader that takes more than it
    /// needs, and says by [`Dump::record`] what it used.
    ///
    /// # Errors
    /// As [`Dump::read_at`].
    pub fn read_unrecorded(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        if let Some(held) = &self.held {
            return self.read_held_bytes(held, at, buf);
        }
        self.read_bytes(at, buf)
    }

    /// Reads from an extract: bytes that it does not hold were left out, whatever their page has.
    fn read_held_bytes(
        &self,
        held: &HeldBytes,
        at: PhysAddr,
        buf: &mut [u8],
    ) -> Result<(), PageError> {
        let Some(missing) = held.first_missing(at, buf.len() as u64) else {
            return self.read_bytes(at, buf);
        };
        let before = usize::try_from(missing.0.saturating_sub(at.0)).unwrap_or(usize::MAX);
        if let Some(before) = buf.get_mut(..before) {
            self.read_bytes(at, before)?;
        }
        Err(match self.page_state(missing.pfn(self.page_size)) {
            PageState::Hole => PageError::Hole { at: missing },
            _ => PageError::Excluded { at: missing },
        })
    }

    fn read_bytes(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let page = usize::try_from(self.page_size).unwrap_or(usize::MAX);
        if buf.len() / page < run::SHORTEST {
            return self.read_by_page(at, buf);
        }
        let before = (at.0.wrapping_neg() & self.page_size.saturating_sub(1)) as usize;
        let whole = buf.len().saturating_sub(before) / page * page;
        let (head, rest) = buf
            .split_at_mut_checked(before)
            .ok_or(PageError::Hole { at })?;
        let (middle, tail) = rest.split_at_mut(whole);
        let moved = |by: usize| at.checked_add(by as u64).ok_or(PageError::Hole { at });
        self.read_by_page(at, head)?;
        self.read_run(moved(before)?, middle)?;
        self.read_by_page(moved(before.saturating_add(whole))?, tail)
    }

    /// Fills `buf` with whole pages.
    fn read_run(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let page = usize::try_from(self.page_size).unwrap_or(usize::MAX);
        match &self.memory {
            Memory::Kdump(parts) => {
                let first = at.pfn(self.page_size).0;
                for pfn in (first..).take(buf.len() / page) {
                    say_decode(pfn);
                }
                run::read(parts, page, first, buf)
            }
            Memory::Image(image) => {
                let chunk = page.saturating_mul(run::CHUNK);
                let mut here = at;
                for piece in buf.chunks_mut(chunk) {
                    // Which page it is that cannot be had, page by page.
                    if image.read_at(here.0, piece).is_err() {
                        self.read_by_page(here, piece)?;
                    }
                    here = here
                        .checked_add(piece.len() as u64)
                        .ok_or(PageError::Hole { at: here })?;
                }
                Ok(())
            }
        }
    }

    fn read_by_page(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let pfn = at.pfn(self.page_size);
            let offset = at.0 & self.page_size.saturating_sub(1);
            let len = usize::try_from(self.page_size.saturating_sub(offset))
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (now, later) = rest
                .split_at_mut_checked(len)
                .ok_or(PageError::Hole { at })?;
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            self.read_in_page(pfn, at, offset, now)?;
            if later.is_empty() {
                return Ok(());
            }
            at = at.checked_add(len as u64).ok_or(PageError::Hole { at })?;
            rest = later;
        }
        Ok(())
    }

    /// Fills `buf` from within one page.
    fn read_in_page(
        &self,
        pfn: Pfn,
        at: PhysAddr,
        offset: usize,
        buf: &mut [u8],
    ) -> Result<(), PageError> {
        if self.cache.copy(pfn.0, offset, buf) {
            return Ok(());
        }
        match (self.page(pfn), &self.memory) {
            (Ok(page), _) if copy_out(&page, offset, buf) => Ok(()),
            // A part of a page may be there where the whole is not.
            (_, Memory::Image(image)) => image.read_at(at.0, buf),
            (Err(error), Memory::Kdump(_)) => Err(error.moved_to(at)),
            (Ok(_), Memory::Kdump(_)) => Err(PageError::Corrupt {
                at,
                offset: None,
                what: "it is shorter than a page".to_owned(),
            }),
        }
    }

    fn read_page(&self, pfn: Pfn) -> Result<Page, PageError> {
        let at = pfn.start(self.page_size);
        say_decode(pfn.0);
        SCRATCH.with_borrow_mut(|(packed, page)| {
            page.resize(usize::try_from(self.page_size).unwrap_or(0), 0);
            match &self.memory {
                Memory::Kdump(parts) => {
                    let (file, data) = parts.find(pfn.0)?;
                    file.decode(data, at, packed, page)?;
                }
                Memory::Image(image) => image.read_at(at.0, page)?,
            }
            Ok(Page::new(page))
        })
    }
}

/// Which pages an answer stands on, for `-vvv` and for tests that take them away.
fn say_decode(pfn: u64) {
    tracing::trace!(target: "virtopsy_vmcore::page", pfn, "decode");
}

thread_local! {
    /// The packed and the decoded bytes of the page at hand.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}
