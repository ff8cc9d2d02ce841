//! A stack.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use virtopsy_kernel::{Ended, Frame, SourceFrame, StackKind};

use crate::report::{Hex, Text};

/// Writes what is shown, or null.
fn shown<S: Serializer>(what: &Option<impl Display>, to: S) -> Result<S::Ok, S::Error> {
    what.as_ref().map(ToString::to_string).serialize(to)
}

/// A frame of a backtrace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FrameFacts {
    /// The instruction pointer: a return address, but for the innermost and for interrupted ones.
    pub ip: Hex,
    /// The stack pointer.
    pub sp: Hex,
    /// The function.
    pub function: Option<Text>,
    /// Bytes from its start.
    pub offset: Option<Hex>,
    /// Its length in bytes.
    pub size: Option<Hex>,
    /// The module that it belongs to; `None` for the kernel.
    pub module: Option<Text>,
    /// The functions at this address, innermost first, where DWARF is at hand.
    pub source: Vec<SourceFacts>,
    /// Which stack it is on.
    #[serde(serialize_with = "shown")]
    pub stack: Option<StackKind>,
    /// What it was found by.
    pub found_by: String,
    /// Whether that can be relied on; a scan can't.
    pub reliable: bool,
    /// Whether an interrupt or exception came here.
    pub interrupted: bool,
}

impl FrameFacts {
    /// A frame, with the source places of its address.
    #[must_use]
    pub fn new(frame: &Frame, source: &[SourceFrame]) -> Self {
        let at = frame.location.as_ref();
        Self {
            ip: Hex(frame.ip.0),
            sp: Hex(frame.sp.0),
            function: at.map(|at| Text::from(at.symbol.as_str())),
            offset: at.map(|at| Hex(at.offset)),
            size: at.and_then(|at| at.size).map(Hex),
            module: at.and_then(|at| at.module.as_deref()).map(Text::from),
            source: source.iter().map(SourceFacts::from).collect(),
            stack: frame.stack.clone(),
            found_by: frame.found_by.to_string(),
            reliable: frame.is_reliable(),
            interrupted: frame.interrupted,
        }
    }
}

/// A place in the sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceFacts {
    /// The function.
    pub function: Option<Text>,
    /// The file, relative to the kernel's sources.
    pub file: Option<Text>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, from 1.
    pub column: Option<u64>,
    /// Whether the function was inlined there.
    pub inlined: bool,
}

impl From<&SourceFrame> for SourceFacts {
    fn from(source: &SourceFrame) -> Self {
        Self {
            function: source.function.as_deref().map(Text::from),
            file: source.file.as_deref().map(Text::from),
            line: source.line,
            column: source.column,
            inlined: source.inlined,
        }
    }
}

/// Why a backtrace ends where it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EndedFacts {
    /// A word for programs.
    pub kind: &'static str,
    /// A sentence.
    pub message: Text,
    /// Whether that is where a stack ends, and no frame is missing.
    #[serde(skip)]
    pub whole: bool,
}

impl From<&Ended> for EndedFacts {
    fn from(why: &Ended) -> Self {
        Self {
            kind: why.kind(),
            message: Text::from(why.to_string()),
            whole: matches!(why, Ended::EndOfStack | Ended::UserMode(_)),
        }
    }
}
