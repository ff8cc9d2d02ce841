//! What panic() was told: its message, as it stands in memory.
//!
//! panic() formats its message into a static buffer before it prints anything, so the text is there
//! even where no console and no log ever got it. The buffer is a local variable (`buf`), and there
//! are many of that name: it is found as the first argument of the formatting call in the text of
//! vpanic() (since 6.17), panic() before. Source: kernel/panic.c.

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Size of the buffer, the same since 2.6.
const BUFFER: usize = 1024;
/// The functions that format the message, newest first.
const PANICS: [&str; 2] = ["vpanic", "panic"];
/// What they format with, newest first.
const FORMATTERS: [&str; 2] = ["vscnprintf", "vsnprintf"];

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
                    let text = self.space().string(address, BUFFER)?;
                    return Ok(PanicText { address, text });
                }
                Err(e) => failed = Some(e),
            }
        }
        Err(failed.unwrap_or_else(|| Error::NoSymbol {
            tried: PANICS.join(" or "),
        }))
    }

    fn buffer_of(&self, function: &str) -> Result<VirtAddr> {
        let code = self.function(function)?;
        let formatters: Vec<VirtAddr> = FORMATTERS
            .iter()
            .filter_map(|name| self.symbol(name).ok())
            .collect();
        let mut calls = code.calls().into_iter();
        calls
            .find(|call| call.target.is_some_and(|to| formatters.contains(&to)))
            .and_then(|call| code.first_argument_at(call.at))
            .ok_or_else(|| Error::Implausible {
                what: format!("the buffer of {function}()"),
                at: code.start,
                found: "its text names none".into(),
            })
    }
}
