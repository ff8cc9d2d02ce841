//! Whether a VMCOREINFO text is true of a dump's memory.

use std::sync::Arc;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{Dump, PhysAddr, VmcoreInfo};

use super::{space_of, symbol};
use crate::error::Error;
use crate::paging::{AddressSpace, KERNEL_IMAGE_BASE};

/// Bytes of one name in `struct new_utsname`; `release` is the third.
const UTS_NAME: u64 = 65;
/// Where `name` stands in `struct uts_namespace` until 5.10.
const UTS_AFTER_KREF: u64 = 4;

/// How a text fits the memory.
#[derive(Debug)]
pub(super) enum Fit {
    /// Its page tables map `_stext` as it says, and the kernel there has its release.
    Proven,
    /// Nothing speaks against it, but the pages that would show it are not in the dump.
    Unclear(String),
    /// It is another kernel's.
    Refuted(String),
}

/// Holds a text against memory.
pub(super) fn fit(dump: &Arc<Dump>, info: &VmcoreInfo) -> Fit {
    let space = match space_of(dump, info) {
        Ok(space) => space,
        Err(e) => return Fit::Refuted(e.to_string()),
    };
    match page_tables(&space, info) {
        Fit::Refuted(why) => Fit::Refuted(why),
        Fit::Proven => release(&space, info),
        // Without page tables the linear mapping still leads to the release.
        Fit::Unclear(why) => match release(&space, info) {
            Fit::Refuted(why) => Fit::Refuted(why),
            _ => Fit::Unclear(why),
        },
    }
}

/// Whether the page tables that the text names map `_stext` to where it says.
fn page_tables(space: &AddressSpace, info: &VmcoreInfo) -> Fit {
    let (Some(at), Some(phys_base)) = (symbol(info, "_stext"), info.number("phys_base")) else {
        return Fit::Unclear("it has no SYMBOL(_stext) or NUMBER(phys_base)".into());
    };
    let expected =
        at.0.wrapping_sub(KERNEL_IMAGE_BASE)
            .wrapping_add_signed(phys_base);
    match space.walk_only(at) {
        Ok(found) if found == PhysAddr(expected) => Fit::Proven,
        Ok(found) => Fit::Refuted(format!(
            "the page tables map _stext to {found}, phys_base says {}",
            PhysAddr(expected)
        )),
        Err(e @ Error::PageTable { .. }) => Fit::Unclear(e.to_string()),
        Err(e) => Fit::Refuted(format!("_stext: {e}")),
    }
}

/// Whether `init_uts_ns` has the text's release.
fn release(space: &AddressSpace, info: &VmcoreInfo) -> Fit {
    let (Some(at), Some(stated)) = (symbol(info, "init_uts_ns"), info.os_release()) else {
        return Fit::Unclear("it has no SYMBOL(init_uts_ns) or OSRELEASE".into());
    };
    let stated = stated.to_owned();
    let read = |offset: u64| {
        let at = VirtAddr(at.0.wrapping_add(offset).wrapping_add(2 * UTS_NAME));
        space.string(at, UTS_NAME as usize)
    };
    let found = match info.offset("uts_namespace.name") {
        Some(offset) => read(offset),
        // Until 5.10, whose VMCOREINFO does not give the offset, a `struct kref` comes first.
        None => match read(UTS_AFTER_KREF) {
            Ok(found) if found == stated.as_bytes() => Ok(found),
            _ => read(0),
        },
    };
    match found {
        Ok(found) if found == stated.as_bytes() => Fit::Proven,
        Ok(found) => Fit::Refuted(format!(
            "it is of release {stated}, init_uts_ns holds {:?}",
            String::from_utf8_lossy(&found)
        )),
        Err(e) => Fit::Unclear(e.to_string()),
    }
}
