//! What stands in memory where the callback's pointer leads.
//!
//! Freed module text stays mapped in kernels with a cache of executable pages (EXECMEM_ROX_CACHE,
//! 6.13 and later) and is filled with trapping instructions, 0xcc; elsewhere it is unmapped.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{Error, Kernel};

use crate::report::{CodeReport, CodeState};

/// Bytes that are looked at: more than padding between functions (also 0xcc) would fill.
const LENGTH: usize = 16;

/// Reads the code at `at`.
pub(super) fn read(kernel: &Kernel, at: VirtAddr) -> CodeReport {
    match kernel.space().bytes(at, LENGTH) {
        Ok(bytes) => CodeReport {
            state: if bytes.iter().all(|b| *b == 0xcc) {
                CodeState::Poisoned
            } else {
                CodeState::Present
            },
            bytes: Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
            why: None,
        },
        Err(e) => CodeReport {
            state: match e {
                Error::NotMapped { .. } | Error::NotCanonical { .. } => CodeState::Unmapped,
                _ => CodeState::Unreadable,
            },
            bytes: None,
            why: Some(e.to_string()),
        },
    }
}
