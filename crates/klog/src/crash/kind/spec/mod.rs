//! What each kind is, by family; see [`KindSpec`].
//!
//! The order is that of recognition: a text belongs to the first kind that it begins as.

mod fault;
mod hardware;
mod lockup;
mod memory;
mod panic;
mod sanitizer;
mod warning;

use super::KindSpec;

/// Every kind, the more special ones first.
pub(in crate::crash) fn all() -> impl Iterator<Item = &'static KindSpec> {
    [
        sanitizer::SPECS,
        fault::SPECS,
        lockup::SPECS,
        memory::SPECS,
        hardware::SPECS,
        panic::SPECS,
        warning::SPECS,
    ]
    .into_iter()
    .flatten()
}
