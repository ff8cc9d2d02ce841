//! Memory that makedumpfile erased on request: it looks read, and is not.

use std::ops::Range;

use virtopsy_debuginfo::VirtAddr;

/// A range of memory that was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// From the first byte up to and without the last.
    pub range: Range<VirtAddr>,
    /// The line that says so.
    pub line: String,
}
