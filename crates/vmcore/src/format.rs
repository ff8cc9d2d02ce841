//! The formats of dumps, and those whose memory lies in the file range by range.

mod avml;
mod lime;

use std::fmt;
use std::sync::Arc;

use crate::Error;
use crate::image::Image;
use crate::source::Source;

/// The format of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// ELF: /proc/vmcore, makedumpfile `-E`, QEMU.
    Elf,
    /// ELF in flattened form.
    ElfFlattened,
    /// kdump-compressed (or the older diskdump).
    Kdump,
    /// kdump-compressed in flattened form.
    KdumpFlattened,
    /// kdump-compressed in several files, or some of them.
    KdumpSplit,
    /// Raw memory.
    Raw,
    /// LiME.
    Lime,
    /// AVML's compressed form.
    Avml,
    /// /proc/kcore: the running machine, which changes while it is read.
    Kcore,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Elf => "elf",
            Format::ElfFlattened => "elf-flattened",
            Format::Kdump => "kdump",
            Format::KdumpFlattened => "kdump-flattened",
            Format::KdumpSplit => "kdump-split",
            Format::Raw => "raw",
            Format::Lime => "lime",
            Format::Avml => "avml",
            Format::Kcore => "kcore",
        })
    }
}

/// What was read, and what is lost, a sentence each.
type Read = (Image, Vec<String>);

/// A format whose memory lies in the file range by range, and that is known by its first bytes.
#[derive(Debug)]
pub(crate) struct ImageFormat {
    /// What it is called.
    pub(crate) format: Format,
    /// The first bytes of such a file.
    pub(crate) magic: &'static [u8],
    /// Reads where the ranges are; with what is lost, a sentence each.
    pub(crate) open: fn(Arc<Source>) -> Result<Read, Error>,
}

/// The formats that are known by their first bytes.
pub(crate) const IMAGES: [&ImageFormat; 2] = [&lime::LIME, &avml::AVML];
