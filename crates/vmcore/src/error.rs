//! Why a dump does not open, and why a page of an open dump cannot be had.

use crate::{FileOffset, PhysAddr};

/// Why a file cannot be opened as a dump.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No file was named.
    #[error("no dump file was given")]
    NoInput,
    /// The operating system refused.
    #[error("{file}: cannot {doing}: {what}")]
    Io {
        /// The file as the user named it.
        file: String,
        /// What was tried: "open", "read at 0x1000".
        doing: String,
        /// The system's words.
        what: String,
    },
    /// The file begins like no dump that is known.
    #[error(
        "{file}: this is no dump: it begins with {found}; expected an ELF core, a kdump-compressed \
         file (KDUMP or DISKDUMP), a flattened one (makedumpfile) or a LiME image. A raw memory \
         image is given as FILE@ADDRESS, the physical address of its first byte"
    )]
    NotADump {
        /// The file as the user named it.
        file: String,
        /// What the file begins with.
        found: String,
    },
    /// The file ends before the headers do, so that nothing can be read from it.
    #[error(
        "{file}: truncated: {what} should end at offset {expected:#x}, the file ends at {found:#x}; \
         copy the dump again in full"
    )]
    Truncated {
        /// The file as the user named it.
        file: String,
        /// The header that is cut.
        what: String,
        /// Where it begins.
        offset: FileOffset,
        /// Where it should end, in bytes from the file's start, exclusive.
        expected: u64,
        /// The length of the file in bytes.
        found: u64,
    },
    /// The format is known by name, and not read.
    #[error("{file}: this is {format}, which virtopsy does not read: {hint}")]
    UnsupportedFormat {
        /// The file as the user named it.
        file: String,
        /// The format's name, with its article.
        format: String,
        /// What to do instead.
        hint: String,
    },
    /// A dump that was packed whole could not be unpacked.
    #[error(
        "{file}: a {packing} file, and it cannot be unpacked into {folder}: {what}; name a folder \
         with room for the whole dump (--unpack-dir), or unpack it yourself"
    )]
    Unpack {
        /// The file as the user named it.
        file: String,
        /// How it is packed.
        packing: String,
        /// Where it was to go.
        folder: String,
        /// What went wrong.
        what: String,
    },
    /// A header field has a value that no dump can have.
    #[error("{file}: corrupt header: {what} at offset {offset} is {found}, expected {expected}")]
    CorruptHeader {
        /// The file as the user named it.
        file: String,
        /// The field.
        what: String,
        /// Where it stands.
        offset: FileOffset,
        /// What it can be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Several files were given that are not the parts of one split dump.
    #[error("{file}: not a part of the same split dump as {other}: {what}")]
    SplitMismatch {
        /// The file that does not fit.
        file: String,
        /// The file it was held against.
        other: String,
        /// The difference.
        what: String,
    },
}

impl Error {
    /// A stable name of the variant for machines: `no-input`, `io`, `not-a-dump`, `truncated`,
    /// `unsupported-format`, `unpack`, `corrupt-header` or `split-mismatch`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Error::NoInput => "no-input",
            Error::Io { .. } => "io",
            Error::NotADump { .. } => "not-a-dump",
            Error::Truncated { .. } => "truncated",
            Error::UnsupportedFormat { .. } => "unsupported-format",
            Error::Unpack { .. } => "unpack",
            Error::CorruptHeader { .. } => "corrupt-header",
            Error::SplitMismatch { .. } => "split-mismatch",
        }
    }
}

/// Why bytes of physical memory cannot be had from an open dump.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The dump describes no memory at this address: the machine has no RAM there, or the dump's
    /// maker was not told of it.
    #[error("no memory at physical address {at}: the dump describes no RAM there")]
    Hole {
        /// The first byte that is missing.
        at: PhysAddr,
    },
    /// There was memory, and the dump's maker left it out (makedumpfile's dump level).
    ///
    /// In an ELF dump the tail of a segment without file data (`p_filesz < p_memsz`) is reported
    /// so too, though makedumpfile also drops pages that are all zero that way: the file does not
    /// tell the two apart, and a zero that nobody saw is no evidence.
    #[error("page at physical address {at} was excluded from the dump when it was made")]
    Excluded {
        /// The first byte that is missing.
        at: PhysAddr,
    },
    /// The page should be in the dump, and is lost: writing was cut short, the file is truncated,
    /// or its part of a split dump was not given.
    #[error("page at physical address {at} is lost: the dump is incomplete")]
    Incomplete {
        /// The first byte that is missing.
        at: PhysAddr,
    },
    /// The page is in the dump, and what the file holds for it cannot be right.
    #[error("page at physical address {at} is corrupt in the dump{}: {what}", place(*.offset))]
    Corrupt {
        /// The first byte that was wanted.
        at: PhysAddr,
        /// Where in the file the damage is, where that is known.
        offset: Option<FileOffset>,
        /// What is wrong.
        what: String,
    },
    /// The operating system failed to read the file.
    #[error("page at physical address {at} cannot be read: {what}")]
    Io {
        /// The first byte that was wanted.
        at: PhysAddr,
        /// The system's words.
        what: String,
    },
}

fn place(offset: Option<FileOffset>) -> String {
    offset.map_or_else(String::new, |offset| format!(" (file offset {offset})"))
}

impl PageError {
    /// The first byte that could not be had.
    #[must_use]
    pub fn at(&self) -> PhysAddr {
        match self {
            PageError::Hole { at }
            | PageError::Excluded { at }
            | PageError::Incomplete { at }
            | PageError::Corrupt { at, .. }
            | PageError::Io { at, .. } => *at,
        }
    }

    /// A stable name of the variant for machines: `hole`, `excluded`, `incomplete`, `corrupt`
    /// or `io`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            PageError::Hole { .. } => "hole",
            PageError::Excluded { .. } => "excluded",
            PageError::Incomplete { .. } => "incomplete",
            PageError::Corrupt { .. } => "corrupt",
            PageError::Io { .. } => "io",
        }
    }

    /// The same reason, told of another address.
    #[must_use]
    pub(crate) fn moved_to(mut self, place: PhysAddr) -> PageError {
        match &mut self {
            PageError::Hole { at }
            | PageError::Excluded { at }
            | PageError::Incomplete { at }
            | PageError::Corrupt { at, .. }
            | PageError::Io { at, .. } => *at = place,
        }
        self
    }
}

/// What a dump has of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageState {
    /// Its bytes, as far as can be said without decoding them.
    Data,
    /// Known to be all zero, without data. No format that is read tells this of a page.
    Zero,
    /// Nothing: no RAM is described there.
    Hole,
    /// Nothing: it was left out.
    Excluded,
    /// Nothing: it is lost.
    Incomplete,
    /// Nothing: what the file holds for it cannot be right, or cannot be read.
    Corrupt,
}

impl PageState {
    pub(crate) fn of(error: &PageError) -> PageState {
        match error {
            PageError::Hole { .. } => PageState::Hole,
            PageError::Excluded { .. } => PageState::Excluded,
            PageError::Incomplete { .. } => PageState::Incomplete,
            PageError::Corrupt { .. } | PageError::Io { .. } => PageState::Corrupt,
        }
    }
}
