//! The function that KVM's own table of operations names as its emergency callback.
//!
//! Reads `kvm_x86_ops.emergency_disable_virtualization_cpu` (kvm.ko; the member since 6.12,
//! commit 590b09b1d88e). KVM registers that pointer, so the two must be the same while a callback
//! is registered. The table outlives the registration: it stays filled while the vendor's module
//! is loaded. Without KVM's types the entry can't be named; that the table holds the registered
//! pointer can still be seen, that it holds another one can't.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{Error, Kernel, Object, Result};

use crate::report::{Hex, OpsTableReport, Text};

const SYMBOL: &str = "kvm_x86_ops";
/// The table has some 1,200 bytes.
const MAX_TABLE: u64 = 16 << 10;
const MEMBER: &str = "emergency_disable_virtualization_cpu";

/// Reads the table's entry; `None` where this kernel has none, or it can't be read.
pub(super) fn read(kernel: &Kernel, registered: VirtAddr) -> Option<OpsTableReport> {
    let (address, value) = match entry(kernel, registered) {
        Ok(found) => found,
        Err(e) => {
            tracing::debug!("kvm_x86_ops.{MEMBER}: {e}");
            return None;
        }
    };
    let code = Some(value).filter(|at| kernel.may_be_code(*at));
    let symbol = code.and_then(|at| kernel.locate(at)).map(|l| {
        Text::from(if l.offset == 0 {
            l.symbol
        } else {
            l.to_string()
        })
    });
    Some(OpsTableReport {
        address: Hex(address.0),
        value: Hex(value.0),
        symbol,
        agrees: value == registered,
    })
}

fn entry(kernel: &Kernel, registered: VirtAddr) -> Result<(VirtAddr, VirtAddr)> {
    match table(kernel).and_then(|table| table.field(MEMBER)) {
        Ok(field) => Ok((field.address, field.pointer()?)),
        Err(e @ Error::NoTypes { .. }) => holder(kernel, registered)?
            .map(|at| (at, registered))
            .ok_or(e),
        Err(e) => Err(e),
    }
}

/// Where the table holds the pointer, whatever that entry is called.
fn holder(kernel: &Kernel, registered: VirtAddr) -> Result<Option<VirtAddr>> {
    let at = match kernel.modules().get("kvm") {
        Some(kvm) => kvm.symbol(kernel, SYMBOL)?,
        None => kernel.symbol(SYMBOL)?,
    };
    let size = kernel.locate(at).and_then(|l| l.size).unwrap_or(0);
    let bytes = kernel.space().bytes(at, size.min(MAX_TABLE) as usize)?;
    let value = registered.0.to_le_bytes();
    let found = bytes.chunks_exact(8).position(|word| word == value);
    Ok(found
        .filter(|_| registered.0 != 0)
        .map(|i| VirtAddr(at.0.wrapping_add(i as u64 * 8))))
}

fn table(kernel: &Kernel) -> Result<Object<'_>> {
    const TYPE: &str = "struct kvm_x86_ops";
    match kernel.modules().get("kvm") {
        Some(kvm) => kvm.object(kernel, kvm.symbol(kernel, SYMBOL)?, TYPE),
        None => kernel.global(SYMBOL, TYPE),
    }
}
