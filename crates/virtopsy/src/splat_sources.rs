//! File and line of the frames of reports, where debug info is at hand.
//!
//! A report names its frames as `function+offset/size`; the kernel's symbols give the address back,
//! and the line tables the place and what was inlined there. A name that several functions of that
//! size have stays without.

use virtopsy_kernel::{Kernel, Location, VirtAddr};

use virtopsy_klog::{Frame, Inlined, Splat};

/// Fills in [`Frame::source`] and [`Frame::inlined`] in the traces of `splats`.
pub(crate) fn name(kernel: &Kernel, splats: &mut [Splat]) {
    for splat in splats {
        let own = [
            &mut splat.trace,
            &mut splat.second_trace,
            &mut splat.loose_trace,
        ];
        let answered = own.into_iter().all(|trace| trace_places(kernel, trace))
            && splat
                .stored_traces_mut()
                .all(|trace| trace_places(kernel, trace));
        if !answered {
            return;
        }
    }
}

/// The places of one trace; false where there is nothing to ask.
fn trace_places(kernel: &Kernel, trace: &mut [Frame]) -> bool {
    for frame in trace.iter_mut().filter(|frame| frame.source.is_none()) {
        let Err(virtopsy_kernel::Error::NoSource { why }) = place(kernel, frame) else {
            continue;
        };
        tracing::debug!(%why, "no place for a frame of a lock report");
        // A module's file may be missing alone; without the vmlinux there is nothing to ask.
        if frame.module.is_none() {
            return false;
        }
    }
    true
}

/// One frame; nothing changes where its address or place is not known.
fn place(kernel: &Kernel, frame: &mut Frame) -> virtopsy_kernel::Result<()> {
    let Some(at) = address(kernel, frame) else {
        return Ok(());
    };
    // A return address stands behind the call.
    let found = kernel.source_of(VirtAddr(at.0.wrapping_sub(1)))?;
    let Some((outer, inlined)) = found.split_last() else {
        return Ok(());
    };
    let position =
        |file: &Option<String>, line: Option<u64>| Some(format!("{}:{}", file.as_deref()?, line?));
    frame.source = position(&outer.file, outer.line);
    frame.inlined = inlined
        .iter()
        .filter_map(|inner| {
            Some(Inlined {
                function: inner.function.clone()?,
                source: position(&inner.file, inner.line)?,
            })
        })
        .collect();
    Ok(())
}

/// Where a frame returns to.
fn address(kernel: &Kernel, frame: &Frame) -> Option<VirtAddr> {
    let hex =
        |text: &Option<String>| u64::from_str_radix(text.as_deref()?.strip_prefix("0x")?, 16).ok();
    let mut location = Location {
        symbol: frame.function.clone(),
        offset: hex(&frame.offset)?,
        size: None,
        module: frame.module.clone(),
    };
    // The printed size reaches to the next symbol, a vmlinux states the function's own: the two
    // differ by padding. So the size is asked for only where the name alone is not enough.
    kernel.address_of(&location).or_else(|| {
        location.size = hex(&frame.size);
        kernel.address_of(&location)
    })
}
