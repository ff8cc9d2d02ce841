//! What was read of the crashed kernel, in the form in which a report has it.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::Frame;

use crate::report::{Hex, ProofReport, Text};

/// A fact that was read.
pub(super) fn proof(what: &str, at: VirtAddr, value: &[u8], why: &str) -> ProofReport {
    ProofReport {
        what: what.into(),
        address: Some(Hex(at.0)),
        value: Some(Text::new(value.to_vec())),
        why: why.into(),
    }
}

/// A fact that could not be.
pub(super) fn unread(what: &str, why: &str) -> ProofReport {
    ProofReport {
        what: what.into(),
        why: Text::from(format!("not known: {why}")),
        ..ProofReport::default()
    }
}

/// A frame as a report of the log has it.
pub(super) fn frame_of(frame: &Frame) -> virtopsy_klog::Frame {
    let named = |function: String| virtopsy_klog::Frame {
        function,
        reliable: true,
        ..virtopsy_klog::Frame::default()
    };
    match &frame.location {
        Some(location) => virtopsy_klog::Frame {
            offset: Some(format!("{:#x}", location.offset)),
            size: location.size.map(|size| format!("{size:#x}")),
            module: location.module.clone(),
            ..named(location.symbol.clone())
        },
        None => named(format!("{:#x}", frame.ip.0)),
    }
}
