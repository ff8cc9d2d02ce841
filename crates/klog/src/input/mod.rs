//! From a file to the text of a log: what is packed is unpacked, what is encoded is decoded, and what
//! is not a text at all is refused by name.
//!
//! ```text
//!  file ──► head: packed? ──► unpack ──┐  gzip, xz, zstd, lz4, bzip2; one inside the other
//!             │    base64?  ──► decode ─┤
//!             ├── UTF-16?   ──► decode ─┴─► text, counted line by line ([`tally`])
//!             └── a dump, an archive, a program … ──► refused, with what to do
//! ```
//! Nothing is held but a block and what the decoder's window takes.

mod base64;
mod form;
mod tally;
mod unpack;
mod utf16;

use std::cell::RefCell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub(crate) use base64::decode as base64_line;
pub use form::Form;
pub use tally::Medium;
pub use unpack::Packing;

use super::limits;
use tally::Tally;

/// Why a file was not read as a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not a text.
    #[error("this is {0}, not a text log: {advice}", advice = .0.advice())]
    NotText(Form),
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LogFacts {
    /// Lines of the text.
    pub lines: u64,
    /// Lines of a kernel log among them: those with a prefix that only kernel logs have, those that
    /// share the clock of such, and without any those that the kernel alone prints.
    pub kernel_lines: u64,
    /// How most of the kernel's lines came.
    pub carrier: Medium,
    /// How the file was packed, the outermost first.
    pub packed: Vec<Packing>,
    /// Bytes of two (UTF-16), which were turned into UTF-8.
    pub utf16: bool,
    /// The whole file was base64.
    pub base64: bool,
    /// Why unpacking ended early; what had come before was read.
    pub damage: Option<String>,
    /// The text ends in the middle of a report.
    pub ends_in_report: bool,
}

/// The text of a log file, counted while it is read.
pub struct Input<'a> {
    text: Box<dyn Read + 'a>,
    tally: Tally,
    facts: LogFacts,
    damage: Damage,
}

/// Where a decoder leaves the error that ended it.
type Damage = Rc<RefCell<Option<String>>>;

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl<'a> Input<'a> {
    /// Looks at the head of `file` and prepares to read its text.
    ///
    /// # Errors
    ///
    /// [`InputError::NotText`] for what holds no text, and what reading returns.
    pub fn open(file: impl Read + 'a) -> Result<Self, InputError> {
        let mut facts = LogFacts::default();
        let damage = Damage::default();
        let mut bytes: Box<dyn Read + 'a> = Box::new(file);
        for _ in 0..=limits::PACKINGS {
            let mut head = Vec::new();
            (&mut bytes)
                .take(limits::HEAD_BYTES)
                .read_to_end(&mut head)?;
            let packing = Packing::of(&head);
            let form = Form::of(&head);
            let utf16 = utf16::Order::of(&head);
            let base64 = base64::is_text(&head);
            let mark = usize::from(head.starts_with(&[0xef, 0xbb, 0xbf])).saturating_mul(3);
            let mut head = Cursor::new(head);
            head.set_position(mark.try_into().unwrap_or(0));
            let whole = head.chain(bytes);
            if let Some(packing) = packing {
                facts.packed.push(packing);
                bytes = Box::new(unpack::Unpacked::new(packing, whole, Rc::clone(&damage)));
            } else if let Some(order) = utf16 {
                facts.utf16 = true;
                bytes = Box::new(utf16::Decoder::new(order, whole));
            } else if let Some(form) = form {
                return Err(InputError::NotText(form));
            } else if base64 {
                facts.base64 = true;
                bytes = Box::new(base64::Decoder::new(whole));
            } else {
                return Ok(Self {
                    text: Box::new(whole),
                    tally: Tally::default(),
                    facts,
                    damage,
                });
            }
        }
        Err(InputError::NotText(Form::PackedTooDeep))
    }

    /// Takes `text` for what it is.
    pub fn of_text(text: impl Read + 'a) -> Self {
        Self {
            text: Box::new(text),
            tally: Tally::default(),
            facts: LogFacts::default(),
            damage: Damage::default(),
        }
    }

    /// What was read; meant for when all was.
    #[must_use]
    pub fn facts(&self) -> LogFacts {
        let mut facts = self.facts.clone();
        self.tally.tell(&mut facts);
        facts.damage.clone_from(&self.damage.borrow());
        facts
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.text.read(buf)?;
        self.tally.feed(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
