//! The registers that a hypervisor recorded when it took the dump.
//!
//! Reads the CPU's QEMU note. CR4.VMXE is hardware truth on Intel; EFER is not in the note, so on
//! AMD it says nothing, with one exception: registers that can't be this kernel's are those of a
//! nested guest, and a CPU inside a guest has virtualization on. They can't be the kernel's when
//! protection or paging is off, or when the page tables behind CR3 do not map the kernel's entry
//! code where the kernel's own do. Lies where the hypervisor can't see the registers (SEV-ES).

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{AddressSpace, CpuId, PagingMode};
use virtopsy_vmcore::{PhysAddr, QemuCpu};

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::Machine;
use crate::report::state::{Feature, Strength};

const WHAT: EvidenceKind = EvidenceKind::QemuNote;
const CR0_PE_PG: u64 = 1 << 31 | 1;
const CR4_PAE: u64 = 1 << 5;
const CR4_LA57: u64 = 1 << 12;
const CR4_VMXE: u64 = 1 << 13;

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let Some(note) = machine.qemu_note(cpu) else {
        return;
    };
    let [cr0, _, _, cr3, cr4] = note.cr;
    let value = Value::ControlRegisters {
        cr0,
        cr3,
        cr4,
        rip: note.regs.rip,
    };
    let mut e = match is_this_kernel(machine, note) {
        Some(false) if machine.crashing_cpu() == Some(cpu) => {
            let why = "this CPU had jumped to the crash kernel, whose registers these can be";
            Evidence::neutral(WHAT, why)
        }
        Some(false) => {
            let why = "the CPU's registers are not this kernel's: it was inside a nested guest, which needs virtualization on";
            Evidence::on(WHAT, Strength::Proof, why)
                .lies_when("the CPU was in firmware (SMM) or had not been started")
        }
        Some(true) if machine.feature == Feature::Vmx && cr4 & CR4_VMXE == 0 => Evidence::off(
            WHAT,
            Strength::Proof,
            "CR4.VMXE was clear in the CPU itself when the dump was taken",
        ),
        Some(true) if machine.feature == Feature::Vmx => Evidence::on(
            WHAT,
            Strength::Proof,
            "CR4.VMXE was set in the CPU itself when the dump was taken",
        ),
        Some(true) => Evidence::neutral(WHAT, "the note holds no EFER, so it says nothing of SVM"),
        None => Evidence::neutral(WHAT, "whose registers these are can't be told"),
    };
    e.value = Some(value);
    findings.evidence.push(e);
}

/// Whether the registers are those of this kernel (or of its user processes).
fn is_this_kernel(machine: &Machine<'_>, note: &QemuCpu) -> Option<bool> {
    let [cr0, _, _, cr3, cr4] = note.cr;
    if cr0 == 0 && cr3 == 0 && cr4 == 0 {
        return None; // an offline CPU, or registers that could not be had
    }
    if cr0 & CR0_PE_PG != CR0_PE_PG || cr4 & CR4_PAE == 0 {
        return Some(false);
    }
    let kernel = machine.kernel;
    let entry = kernel
        .symbols()
        .ok()?
        .first_of(&["__entry_text_start", "entry_SYSCALL_64"])
        .ok()?
        .address;
    let expected = kernel.space().translate(entry).ok()?;
    let mode = PagingMode {
        root: PhysAddr(cr3 & 0x000f_ffff_ffff_f000),
        five_levels: cr4 & CR4_LA57 != 0,
        sme_mask: 0,
        phys_base: 0,
    };
    let seen = AddressSpace::new(kernel.dump().clone(), mode).walk_only(VirtAddr(entry.0));
    match seen {
        Ok(physical) => Some(physical == expected),
        Err(
            virtopsy_kernel::Error::NotMapped { .. } | virtopsy_kernel::Error::NotCanonical { .. },
        ) => Some(false),
        Err(_) => None,
    }
}
