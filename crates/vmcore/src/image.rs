//! Memory that stands in a file as it is, range by range: ELF, LiME and raw images.

use std::sync::Arc;

use crate::kdump::lost;
use crate::source::Source;
use crate::span::{Span, find, lay_out};
use crate::{FileOffset, PageError, PageState, PhysAddr};

/// A range of physical memory in a file.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// First physical address.
    pub(crate) start: u64,
    /// Bytes of memory.
    pub(crate) len: u64,
    /// File offset of the first byte; `None`: there is memory, and no data of it.
    pub(crate) offset: Option<u64>,
    /// Which of the image's files.
    pub(crate) file: usize,
}

/// Ranges of physical memory in one or more files.
#[derive(Debug)]
pub(crate) struct Image {
    files: Vec<(Arc<Source>, u64)>,
    spans: Vec<Span>,
}

impl Image {
    /// An image of `files`. Where extents overlap, one with data wins over one without, and the
    /// one given first among those.
    pub(crate) fn new(sources: Vec<Arc<Source>>, extents: &[Extent]) -> Image {
        // The files stand one behind the other in one space of offsets, so that a span's target
        // names both the file and the place in it.
        let mut base = 0_u64;
        let mut files = Vec::with_capacity(sources.len());
        for source in sources {
            files.push((source.clone(), base));
            // Room for an offset that lies past the end of a truncated file.
            base = base.saturating_add(FILE_ROOM);
        }
        let (with, without): (Vec<&Extent>, Vec<&Extent>) =
            extents.iter().partition(|extent| extent.offset.is_some());
        let spans = with
            .into_iter()
            .chain(without)
            .map(|extent| Span {
                start: extent.start,
                end: extent.start.saturating_add(extent.len),
                target: extent.offset.map(|offset| {
                    let base = files.get(extent.file).map_or(0, |(_, base)| *base);
                    base.saturating_add(offset.min(FILE_ROOM.saturating_sub(1)))
                }),
            })
            .collect();
        Image {
            files,
            spans: lay_out(spans),
        }
    }

    /// The described memory, neighbours joined, in order.
    pub(crate) fn ranges(&self) -> Vec<std::ops::Range<PhysAddr>> {
        let mut ranges: Vec<std::ops::Range<PhysAddr>> = Vec::new();
        for span in &self.spans {
            match ranges.last_mut() {
                Some(last) if last.end.0 == span.start => last.end = PhysAddr(span.end),
                _ => ranges.push(PhysAddr(span.start)..PhysAddr(span.end)),
            }
        }
        ranges
    }

    /// One past the last described byte.
    pub(crate) fn end(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.end)
    }

    /// Reads memory from `at`. An error names the first byte that cannot be had.
    pub(crate) fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<(), PageError> {
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let here = PhysAddr(at);
            let span = self.span_at(at)?;
            let len = usize::try_from(span.end.saturating_sub(at))
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (now, later) = rest
                .split_at_mut_checked(len)
                .ok_or(PageError::Hole { at: here })?;
            let place = span.offset_of(at).ok_or(PageError::Excluded { at: here })?;
            self.read_file(place, here, now)?;
            at = at.saturating_add(len as u64);
            rest = later;
        }
        Ok(())
    }

    /// The state of `len` bytes from `at`, without reading them: the first state among their
    /// parts that is not `Data`.
    pub(crate) fn state(&self, at: u64, len: u64) -> PageState {
        let end = at.saturating_add(len);
        let mut at = at;
        while at < end {
            let span = match self.span_at(at) {
                Ok(span) => span,
                Err(error) => return PageState::of(&error),
            };
            let until = span.end.min(end);
            let Some(place) = span.offset_of(at) else {
                return PageState::Excluded;
            };
            let (file, offset) = self.file_of(place);
            let last = offset.saturating_add(until.saturating_sub(at));
            if file.is_none_or(|file| last > file.len()) {
                return PageState::Incomplete;
            }
            at = until;
        }
        PageState::Data
    }

    /// Whether nothing is described in `from..to`.
    pub(crate) fn is_hole(&self, from: u64, to: u64) -> bool {
        find(&self.spans, from).is_none_or(|span| span.start >= to)
    }

    fn span_at(&self, at: u64) -> Result<&Span, PageError> {
        find(&self.spans, at)
            .filter(|span| span.start <= at)
            .ok_or(PageError::Hole { at: PhysAddr(at) })
    }

    /// The file that a target lies in, and the offset there.
    fn file_of(&self, place: u64) -> (Option<&Source>, u64) {
        let index = usize::try_from(place / FILE_ROOM).unwrap_or(usize::MAX);
        let file = self.files.get(index).map(|(source, _)| source.as_ref());
        (file, place % FILE_ROOM)
    }

    fn read_file(&self, place: u64, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let (file, offset) = self.file_of(place);
        let file = file.ok_or_else(|| PageError::Corrupt {
            at,
            offset: Some(FileOffset(offset)),
            what: "it lies in no file".to_owned(),
        })?;
        file.read_at(offset, buf).map_err(|error| lost(at, error))
    }
}

/// The space of offsets that each file has: more than any file system gives.
const FILE_ROOM: u64 = 1 << 56;
