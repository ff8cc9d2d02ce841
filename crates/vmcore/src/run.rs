//! Many pages at once: BTF, kallsyms and a large log take hundreds of pages that lie one behind
//! the other.
//!
//! ```text
//! pages        p      p+1    p+2    …            bits and descriptors: one read a chunk
//! in the file  ┌─────┐┌───┐┌──────┐ …            packed data: one read a row of neighbours
//! ```
//! makedumpfile writes pages in their order, so that the packed data of neighbours is one piece of
//! the file. Chunks are decoded in parallel, straight to where they are wanted; the cache keeps
//! none of these pages, since nobody asks for one of them again.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::kdump::{KdumpFile, PageData};
use crate::split::Parts;
use crate::{PageError, Pfn};

/// A read of fewer pages goes page by page, through the cache.
pub(crate) const SHORTEST: usize = 16;
/// Pages that are read and decoded in one piece.
pub(crate) const CHUNK: usize = 64;

/// Fills `out`, a number of whole pages, with the pages from `first` on.
///
/// An error is that of the first page that cannot be had; what stands before it is filled.
pub(crate) fn read(
    parts: &Parts,
    page_size: usize,
    first: u64,
    out: &mut [u8],
) -> Result<(), PageError> {
    let chunk = page_size.saturating_mul(CHUNK).max(1);
    let results: Vec<_> = out
        .par_chunks_mut(chunk)
        .enumerate()
        .map(|(index, chunk)| {
            let skipped = (index as u64).saturating_mul(CHUNK as u64);
            read_chunk(parts, page_size, first.saturating_add(skipped), chunk)
        })
        .collect();
    results.into_iter().collect()
}

fn read_chunk(
    parts: &Parts,
    page_size: usize,
    first: u64,
    out: &mut [u8],
) -> Result<(), PageError> {
    let mut at = first;
    let mut rest = out;
    while !rest.is_empty() {
        let pages = (rest.len() / page_size.max(1)) as u64;
        let Some((file, until)) = parts.part_until(at) else {
            let at = Pfn(at).start(page_size as u64);
            return Err(PageError::Hole { at });
        };
        let here = until.saturating_sub(at).clamp(1, pages.max(1));
        let len = usize::try_from(here)
            .unwrap_or(usize::MAX)
            .saturating_mul(page_size)
            .min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        read_from_part(file, page_size, at, now)?;
        at = at.saturating_add(here);
        rest = later;
    }
    Ok(())
}

/// Pages of one file.
fn read_from_part(
    file: &KdumpFile,
    page_size: usize,
    first: u64,
    out: &mut [u8],
) -> Result<(), PageError> {
    let mut found = Vec::with_capacity(CHUNK);
    let count = (out.len() / page_size.max(1)) as u64;
    file.each(first, first.saturating_add(count), &mut |_, data| {
        found.push(data);
    });
    let mut pages = out.chunks_mut(page_size.max(1));
    let mut packed = Vec::new();
    let mut at = first;
    let mut rest = found.as_slice();
    while let Some(result) = rest.first() {
        // The error of a page comes behind those before it.
        let row = match result {
            Ok(start) => row_of(start, rest),
            Err(error) => return Err(error.clone()),
        };
        let (now, later) = rest.split_at(row);
        read_row(file, (page_size, at), now, &mut packed, &mut pages)?;
        at = at.saturating_add(row as u64);
        rest = later;
    }
    Ok(())
}

/// How many of `found` have their data one behind the other.
fn row_of(start: &PageData, found: &[Result<PageData, PageError>]) -> usize {
    let mut end = start.offset;
    found
        .iter()
        .take_while(|next| match next {
            Ok(next) if next.offset == end => {
                end = next.offset.saturating_add(next.size.into());
                true
            }
            _ => false,
        })
        .count()
        .max(1)
}

fn read_row<'o>(
    file: &KdumpFile,
    (page_size, first): (usize, u64),
    row: &[Result<PageData, PageError>],
    packed: &mut Vec<u8>,
    pages: &mut impl Iterator<Item = &'o mut [u8]>,
) -> Result<(), PageError> {
    let data = || row.iter().filter_map(|data| data.as_ref().ok());
    let Some(start) = data().next().map(|data| data.offset) else {
        return Ok(());
    };
    let len: usize = data().map(|data| data.size as usize).sum();
    packed.clear();
    packed.resize(len, 0);
    let whole = file.source.read_at(start, packed).is_ok();
    let mut rest = packed.as_slice();
    for ((data, page), pfn) in data().zip(pages).zip(first..) {
        let at = Pfn(pfn).start(page_size as u64);
        let (now, later) = rest
            .split_at_checked(data.size as usize)
            .unwrap_or_default();
        if whole {
            file.unpack(*data, at, now, page)?;
        } else {
            // Which page it is that cannot be read.
            file.decode(*data, at, &mut Vec::new(), page)?;
        }
        rest = later;
    }
    Ok(())
}
