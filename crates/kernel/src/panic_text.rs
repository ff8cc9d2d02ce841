//! What panic() was told: its message, as it stands in memory.
//!
//! panic() formats its message into a static buffer before it prints anything, so the text is there
//! even where no console and no log ever got it. The buffer is a local variable (`buf`), and there
//! are many of that name: it is the one whose address the text of vpanic() (since 6.17) or panic()
//! takes. Source: kernel/panic.c.

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::private::Private;

/// Size of the buffer, the same since 2.6.
const BUFFER: usize = 1024;
/// The functions that format the message, newest first.
const PANICS: [&str; 2] = ["vpanic", "panic"];
/// Name of the variable, before what the compiler appends.
const VARIABLE: &str = "buf";

/// The message of a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicText {
    /// Where it stands.
    pub address: VirtAddr,
    /// The text, without `Kernel panic - not syncing: `; empty where nothing panicked.
    pub text: Vec<u8>,
}

impl Kernel {
    /// The message that panic() was called with.
    ///
    /// # Errors
    /// Where the text of panic() or its buffer can't be read, or the buffer can't be told from it.
    pub fn panic_text(&self) -> Result<PanicText> {
        let mut failed = None;
        for name in PANICS {
            match self.buffer_of(name) {
                Ok(address) => {
                    let text = self.message(address)?;
                    return Ok(PanicText { address, text });
                }
                // A kernel that has vpanic() formats there, and panic() takes no such address.
                Err(e) => {
                    failed = failed
                        .filter(|first: &Error| !first.is_absent())
                        .or(Some(e));
                }
            }
        }
        Err(failed.unwrap_or_else(|| Error::NoSymbol {
            tried: PANICS.join(" or "),
        }))
    }

    /// The text in the buffer; an older and longer message may stand behind its end.
    fn message(&self, address: VirtAddr) -> Result<Vec<u8>> {
        let space = self.space();
        let mut text = space
            .bytes(address, BUFFER)
            .or_else(|_| space.string(address, BUFFER))?;
        space.note_private(Private::LogText, address, &text);
        text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
        Ok(text)
    }

    fn buffer_of(&self, function: &str) -> Result<VirtAddr> {
        let code = self.function(function)?;
        let is_buffer = |at: &VirtAddr| {
            let symbol = self.locate(*at);
            symbol.is_some_and(|s| s.offset == 0 && s.module.is_none() && s.function() == VARIABLE)
        };
        let mut taken = code.addresses_taken().into_iter();
        taken.find(is_buffer).ok_or_else(|| Error::Implausible {
            what: format!("the text of {function}()"),
            at: code.start,
            found: "it takes the address of no buffer with a name".into(),
        })
    }
}
