//! What can go wrong, and where.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error as ThisError;

/// Why a symbol, a type or a file could not be read.
///
/// Offsets are in bytes from the start of the named section or table.
/// "There is no such name" is apart from "the bytes are wrong", so that callers
/// can try an older kernel's name after [`Error::NoSuchType`] and
/// [`Error::NoSuchMember`], and only then.
#[derive(Clone, Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A section or table ends before something that should be in it.
    #[error("{place}: ends early: {need} bytes needed at offset {offset:#x}, {have} are there")]
    Truncated {
        /// The section or table.
        place: &'static str,
        /// Where the missing part should start.
        offset: u64,
        /// How long it should be.
        need: u64,
        /// What is left there.
        have: u64,
    },
    /// Bytes do not follow their format.
    #[error("{place}, offset {offset:#x}: expected {expected}, found {found}")]
    Malformed {
        /// The section or table.
        place: &'static str,
        /// Where.
        offset: u64,
        /// What the format asks for.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The format is known, and this crate cannot read it.
    #[error("{what} is not supported: {hint}")]
    Unsupported {
        /// The format or feature.
        what: String,
        /// What would help.
        hint: String,
    },
    /// A section that the question needs is not in the file.
    #[error("no section {name}{}", hint_in_brackets(hint))]
    NoSection {
        /// Its name.
        name: String,
        /// What would help; may be empty.
        hint: &'static str,
    },
    /// No complete definition of this name.
    #[error("no type named {name}")]
    NoSuchType {
        /// The name as asked for.
        name: String,
    },
    /// The structure has no member of this name, also not in its anonymous members.
    #[error("{ty} has no member {member}")]
    NoSuchMember {
        /// The structure, for example `struct task_struct`.
        ty: String,
        /// The member as asked for.
        member: String,
    },
    /// A member or an index was asked of something that has none.
    #[error("{ty} is not a {wanted}")]
    WrongKind {
        /// What the type is.
        ty: String,
        /// What the question needs: structure or union, array.
        wanted: &'static str,
    },
    /// An index past the end of an array.
    #[error("index {index} is outside of an array of {count}")]
    IndexOutOfRange {
        /// The index as asked for.
        index: u64,
        /// How many elements there are.
        count: u64,
    },
    /// A member path that is no path.
    #[error("bad member path {path:?} at character {at}: expected {expected}")]
    BadPath {
        /// The path as asked for.
        path: String,
        /// Which character, from zero.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A handle that is none of this source.
    #[error("type id {id:#x} is outside of this source (limit {limit:#x})")]
    BadTypeId {
        /// The handle.
        id: u64,
        /// The first handle past the end.
        limit: u64,
    },
    /// A type without a size: void, a function, a declaration.
    #[error("{ty} has no size")]
    NoSize {
        /// What it is.
        ty: String,
    },
    /// A chain or tree that goes on beyond any sane length: a cycle, most likely.
    #[error("{what} goes on beyond {limit} steps (at {at:#x}): a cycle, or damaged data")]
    TooDeep {
        /// What was followed.
        what: &'static str,
        /// The bound.
        limit: u64,
        /// The handle or offset where following it stopped.
        at: u64,
    },
    /// What is asked for may be in a file that shares debug info with others, and that is not there.
    #[error(
        "this needs debug info that dwz moved to {} (build-id {id}), which is not at hand: install \
         the package that has it, or put it into a folder given with --debug-dir as \
         .build-id/{}/{}.debug",
        path.display(), id.get(..2).unwrap_or_default(), id.get(2..).unwrap_or_default()
    )]
    NoAlternate {
        /// Where the debug file says it is.
        path: PathBuf,
        /// Its build-id, in lower-case hex.
        id: String,
    },
    /// DWARF that gimli could not read.
    #[error(".debug_info, offset {offset:#x}: {reason}")]
    Dwarf {
        /// Offset in `.debug_info`, as near as is known.
        offset: u64,
        /// gimli's message.
        reason: String,
    },
    /// None of the ways to decode kallsyms addresses gives the known addresses.
    #[error("no kallsyms encoding fits: {tried}")]
    NoEncoding {
        /// Each way that was tried, and what it gave.
        tried: String,
    },
}

fn hint_in_brackets(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!(" ({hint})")
    }
}

impl Error {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn truncated(place: &'static str, bytes: &[u8], offset: usize, need: usize) -> Self {
        let have = bytes.len().saturating_sub(offset);
        Self::Truncated {
            place,
            offset: offset as u64,
            need: need as u64,
            have: have as u64,
        }
    }

    pub(crate) fn malformed(
        place: &'static str,
        offset: usize,
        expected: &'static str,
        found: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            place,
            offset: offset as u64,
            expected,
            found: found.into(),
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unsupported {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Whether this says "no such name" and an older name may be tried.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NoSuchType { .. } | Self::NoSuchMember { .. })
    }
}
