//! The parts of a split dump, and a whole dump as one part.
//!
//! ```text
//! part      bitmaps            descriptors and data
//! 1         all pages          pages    0 ..  a
//! 2         all pages          pages    a ..  b
//! 3         all pages          pages    b ..  max_mapnr
//! ```
//!
//! makedumpfile `--split`. No field says how many parts there are: a part is missing where the
//! windows leave pages out. Since the bitmaps tell of all pages, a page of a missing part is known
//! to be lost, and a hole or an excluded page is known for what it is.

use std::sync::Arc;

use crate::kdump::{KdumpFile, KdumpHeader, PageData};
use crate::{Error, PageError, PageState, Pfn};

/// Takes the part that tells of a page, the page's number, and what there is of it.
pub(crate) type VisitPart<'a> = dyn FnMut(&KdumpFile, u64, Result<PageData, PageError>) + 'a;

/// The parts of one dump, sorted by their windows.
#[derive(Debug)]
pub(crate) struct Parts {
    files: Vec<Arc<KdumpFile>>,
    block_size: u64,
    max_pfn: u64,
}

impl Parts {
    /// Puts parts together, given in any order.
    pub(crate) fn new(mut files: Vec<KdumpFile>) -> Result<Parts, Error> {
        files.sort_by_key(|file| file.window().start);
        for pair in files.windows(2) {
            if let [a, b] = pair {
                fits(a, b)?;
            }
        }
        let first = files.first().ok_or(Error::NoInput)?;
        Ok(Parts {
            block_size: first.header.block_size,
            max_pfn: first.max_pfn(),
            files: files.into_iter().map(Arc::new).collect(),
        })
    }

    /// The parts in the order of their windows.
    pub(crate) fn files(&self) -> &[Arc<KdumpFile>] {
        &self.files
    }

    /// The header of the part that comes first.
    pub(crate) fn header(&self) -> Option<&KdumpHeader> {
        self.files.first().map(|file| &file.header)
    }

    pub(crate) fn max_pfn(&self) -> u64 {
        self.max_pfn
    }

    /// Whether this is a split dump, or a part of one.
    pub(crate) fn is_split(&self) -> bool {
        self.header().is_some_and(|header| header.split.is_some())
    }

    /// The part whose window holds `pfn`; where none does, any part, for its bitmaps.
    fn part(&self, pfn: u64) -> Option<&KdumpFile> {
        let after = self
            .files
            .partition_point(|file| file.window().start <= pfn);
        let last = after.saturating_sub(1);
        self.files.get(last).map(AsRef::as_ref)
    }

    /// The part whose window holds `pfn`, as for [`Parts::find`], and the page that the next
    /// part begins with.
    pub(crate) fn part_until(&self, pfn: u64) -> Option<(&KdumpFile, u64)> {
        let after = self
            .files
            .partition_point(|file| file.window().start <= pfn);
        let next = self.files.get(after);
        let until = next.map_or(u64::MAX, |file| file.window().start);
        Some((self.part(pfn)?, until))
    }

    /// The part and the place of a page's data.
    pub(crate) fn find(&self, pfn: u64) -> Result<(&KdumpFile, PageData), PageError> {
        let at = Pfn(pfn).start(self.block_size);
        let part = self.part(pfn).ok_or(PageError::Hole { at })?;
        part.find(pfn).map(|data| (part, data))
    }

    /// The state of a page by its bits and its descriptor; its data is not decoded.
    pub(crate) fn state(&self, pfn: u64) -> PageState {
        match self.find(pfn) {
            Ok(_) => PageState::Data,
            Err(error) => PageState::of(&error),
        }
    }

    /// Tells `visit` what there is of each page in `from..to`, a few thousand pages, and in which
    /// part.
    pub(crate) fn each(&self, from: u64, to: u64, visit: &mut VisitPart<'_>) {
        let mut at = from;
        while at < to {
            let after = self.files.partition_point(|file| file.window().start <= at);
            let next = self
                .files
                .get(after)
                .map_or(to, |file| file.window().start.min(to));
            let Some(file) = self.part(at) else { return };
            file.each(at, next, &mut |pfn, data| visit(file, pfn, data));
            at = next.max(at.saturating_add(1));
        }
    }

    /// Adds to `reasons` why the dump is not whole.
    pub(crate) fn damage(&self, reasons: &mut Vec<String>) {
        for file in &self.files {
            file.damage(reasons);
        }
        if !self.is_split() {
            return;
        }
        let mut covered = 0;
        let ends = std::iter::once(self.max_pfn..self.max_pfn);
        for window in self.files.iter().map(|file| file.window()).chain(ends) {
            if window.start > covered {
                reasons.push(format!(
                    "a part of the split dump is missing: pages {covered:#x} to {:#x}",
                    window.start
                ));
            }
            covered = covered.max(window.end);
        }
    }
}

/// Whether `b`, whose window comes next after `a`'s, is of the same dump.
fn fits(a: &KdumpFile, b: &KdumpFile) -> Result<(), Error> {
    let differ = |what: String| {
        Err(Error::SplitMismatch {
            file: b.source.name().to_owned(),
            other: a.source.name().to_owned(),
            what,
        })
    };
    for file in [a, b] {
        if file.header.split.is_none() {
            return differ(format!("{} is no part of a split dump", file.source.name()));
        }
    }
    let (x, y) = (&a.header, &b.header);
    if x.block_size != y.block_size || x.max_mapnr != y.max_mapnr {
        return differ(format!(
            "{} pages of {} bytes, the other has {} of {}",
            y.max_mapnr, y.block_size, x.max_mapnr, x.block_size
        ));
    }
    if x.phys_base != y.phys_base || x.utsname != y.utsname {
        return differ("phys_base or utsname differ".to_owned());
    }
    if a.window().end > b.window().start {
        return differ(format!(
            "both hold page {:#x}; is it the same part twice?",
            b.window().start
        ));
    }
    Ok(())
}
