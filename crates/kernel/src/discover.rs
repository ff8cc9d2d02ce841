//! A dump that does not say where its kernel is: no VMCOREINFO note, or one that is not true.
//!
//! ```text
//!  VMCOREINFO note ──► holds? ──yes──► done
//!        │ none, or refuted by the page tables
//!        ▼
//!  the kernel's own copies in memory (`OSRELEASE=`) ──► one holds ──► done
//!        │ none
//!        ▼
//!  a vmlinux ──► CR3 of QEMU's notes, or its banner in memory ──► page tables ──► image
//!                                                                             │
//!                                                     a text made of what was found
//! ```
//! A text holds where the page tables that it names map `_stext` to where it says, and the release
//! in `init_uts_ns` is its own. That is asked of every text, for memory keeps remains of kernels
//! from before a warm reboot, and the crash kernel has a text too. Whatever was used instead of the
//! note is said in the kernel's notes.
//!
//! Only the first step is taken where the note is there and true: it reads five pages, which any
//! question reads later.

mod candidate;
mod derive;
mod image;
mod root;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{Dump, FoundVmcoreInfo, VmcoreInfo};

use crate::error::{Error, Result};
use crate::options::KernelOptions;
use crate::paging::{AddressSpace, PagingMode};
use crate::symbols::KernelSymbols;
use candidate::{Fit, fit};

/// The longest command line that is read (`COMMAND_LINE_SIZE` of x86 is 2048).
const COMMAND_LINE: usize = 4096;

/// VMCOREINFO of the crashed kernel, wherever it was found.
///
/// # Errors
/// [`Error::NoVmcoreinfo`] where nothing leads to the kernel.
pub(crate) fn vmcoreinfo(
    dump: &Arc<Dump>,
    options: &KernelOptions,
    notes: &mut Vec<String>,
) -> Result<VmcoreInfo> {
    let refuted = match dump.vmcoreinfo() {
        None => None,
        Some(info) => match fit(dump, info) {
            Fit::Refuted(why) => Some((info, why)),
            Fit::Proven | Fit::Unclear(_) => return Ok(info.clone()),
        },
    };
    tracing::info!("no VMCOREINFO note that holds; searching memory");
    let lack = match &refuted {
        None => "the dump has no VMCOREINFO note".to_owned(),
        Some((_, why)) => format!("the dump's VMCOREINFO note is not its kernel's ({why})"),
    };
    let found = in_memory(dump).or_else(|| derive::from_vmlinux(dump, options));
    match (found, refuted) {
        (Some(found), _) => {
            notes.push(format!("{lack}: {}", found.how));
            notes.extend(found.others);
            Ok(found.info)
        }
        (None, Some((info, why))) => {
            notes.push(format!(
                "the VMCOREINFO note does not fit the memory ({why}); nothing better was found"
            ));
            Ok(info.clone())
        }
        (None, None) => Err(Error::NoVmcoreinfo),
    }
}

/// What stands in for the note.
pub(crate) struct Found {
    info: VmcoreInfo,
    /// Where it comes from and what speaks for it.
    how: String,
    /// What else was found.
    others: Vec<String>,
}

/// The kernel's own texts in memory, the best of those that hold.
fn in_memory(dump: &Arc<Dump>) -> Option<Found> {
    let texts = dump.find_vmcoreinfo(&AtomicBool::new(false));
    let mut ranked: Vec<(u8, FoundVmcoreInfo)> = Vec::new();
    for text in texts {
        let rank = match fit(dump, &text.info) {
            Fit::Proven => 8,
            Fit::Unclear(why) => {
                tracing::debug!(at = %text.at, why, "VMCOREINFO text can't be held against memory");
                0
            }
            Fit::Refuted(why) => {
                tracing::debug!(at = %text.at, why, "VMCOREINFO text of another kernel");
                continue;
            }
        };
        // The copy that was finished when the kernel crashed has one line more. Of several
        // kernels the one that crashed is meant; else the one that a CPU runs.
        let crashed = u8::from(text.info.crash_time().is_some()) * 4;
        let running = u8::from(root::runs(dump, &text.info)) * 2;
        ranked.push((rank | crashed | running, text));
    }
    ranked.sort_by_key(|(rank, text)| (std::cmp::Reverse(*rank), text.at));
    let mut ranked = ranked.into_iter();
    let (rank, best) = ranked.next()?;
    let proof = match rank >= 8 {
        true => "its page tables and its release check out",
        false => "what would show that it is true is not in the dump",
    };
    let how = format!(
        "taken from the kernel's own copy at physical {}; {proof}",
        best.at
    );
    let place = |info: &VmcoreInfo| (info.symbol("swapper_pg_dir"), info.number("phys_base"));
    let here = place(&best.info);
    let others = ranked
        .filter(|(_, other)| place(&other.info) != here)
        .map(|(_, other)| {
            let release = other.info.os_release().unwrap_or_default();
            format!(
                "memory holds another kernel's VMCOREINFO too: {release} at physical {}",
                other.at
            )
        });
    Some(Found {
        others: others.collect(),
        info: best.info,
        how,
    })
}

/// Says so where the kernel of this dump is the crash kernel: kexec gives it `elfcorehdr=`, the
/// place of the crashed kernel's ELF header. Only a hypervisor takes such a dump.
pub(crate) fn crash_kernel_note(space: &AddressSpace, symbols: &KernelSymbols) -> Option<String> {
    let at = symbols.first_of(&["saved_command_line"]).ok()?.address;
    let line = space.string(space.pointer(at).ok()?, COMMAND_LINE).ok()?;
    let line = String::from_utf8_lossy(&line);
    let header = line
        .split_ascii_whitespace()
        .find(|word| word.starts_with("elfcorehdr="))?;
    Some(format!(
        "this is a dump of the crash (kdump) kernel, not of the kernel that crashed: its command \
         line has {header}"
    ))
}

/// The address space that a text describes.
fn space_of(dump: &Arc<Dump>, info: &VmcoreInfo) -> Result<AddressSpace> {
    Ok(AddressSpace::new(dump.clone(), PagingMode::of(info)?))
}

/// A symbol of a text as an address.
fn symbol(info: &VmcoreInfo, name: &str) -> Option<VirtAddr> {
    info.symbol(name).map(VirtAddr)
}

#[cfg(test)]
mod tests;
