//! The kernel's own counters: did KVM (or TDX) ask for virtualization on this CPU, and give it back?
//!
//! Reads, as the era has them: `virtualization_nr_users` (7.1+, kernel), `virtualization_enabled`
//! (6.12+, kvm.ko), `hardware_enabled` (6.3+), `cpus_hardware_enabled` (until 6.2), and SVM's
//! `svm_data.max_asid`. The count is taken back before the hardware is switched off in order, so
//! zero means off. No emergency path touches any of them: a count that stands says "was on", and
//! nothing of what happened since. Lies when enabling failed with -EBUSY because something before
//! this kernel had left the hardware on, and on a CPU that was between the count and the hardware.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, CpuMask, Error, Result};

use super::{Counter, Evidence, EvidenceKind, Findings, Usage, Value, svm_data};
use crate::machine::{Machine, Read, absent, last_unloaded};
use crate::report::state::{Feature, Says, Strength};

/// One counter, and whether it says "enabled".
struct Entry {
    what: EvidenceKind,
    read: Read<u64>,
    enabled: bool,
}

const LIES: &str = "enabling failed with -EBUSY because a predecessor had left the hardware on; \
                    something other than KVM enabled it; \
                    the CPU was just enabling or disabling";

pub(super) fn examine(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) {
    let out = &mut findings.evidence;
    let mut entries = Vec::new();
    let mut unreadable = false;
    for (what, read) in [
        (EvidenceKind::NrUsers, nr_users(machine, cpu)),
        (
            EvidenceKind::VirtualizationEnabled,
            kvm_flag(machine, cpu, "virtualization_enabled"),
        ),
        (
            EvidenceKind::HardwareEnabled,
            kvm_flag(machine, cpu, "hardware_enabled"),
        ),
        (
            EvidenceKind::CpusHardwareEnabled,
            hardware_mask(machine, cpu),
        ),
    ] {
        match read.and_then(|read| believe(machine, what, read)) {
            Ok(Some(read)) => entries.push(Entry {
                what,
                read,
                enabled: read.value != 0,
            }),
            Ok(None) => {}
            Err(e) => {
                unreadable = true;
                out.push(Evidence::unreadable(what, &e));
            }
        }
    }
    if machine.kvm_present().is_none() {
        unreadable = true;
        let why =
            "the module list is not whole: whether KVM keeps a book of its own here is not known";
        out.push(Evidence::neutral(EvidenceKind::KvmCounters, why));
    }
    let ever = max_asid(machine, cpu, out) || was_used_before(machine);
    let usage = weigh(machine, &entries, unreadable, ever, out);
    for entry in &entries {
        let mut e = statement(entry);
        if e.says == Says::Off && usage == Usage::Enabled {
            // TDX counts in the kernel's book and not in KVM's: a zero here says nothing then.
            e.says = Says::Neutral;
            e.strength = Strength::Weak;
            e.why = "KVM holds nothing enabled here; but the kernel's own count says that somebody does".into();
        } else if e.says == Says::Off {
            e.strength = strength_of_none(machine);
        }
        if usage == Usage::Unknown {
            e.strength = Strength::Weak;
            e.why
                .push_str("; but the books are not whole, or contradict each other");
        }
        out.push(e);
    }
    let counter = |entry: &Entry| Counter {
        what: entry.what,
        value: entry.read.value,
    };
    findings.counters = entries.iter().map(counter).collect();
    findings.usage = usage;
}

/// A zero on a page that holds nothing but zeros is more likely a page that was lost (a filter, a
/// broken disk) than a count: per-CPU pages are full of pointers.
fn believe(
    machine: &Machine<'_>,
    what: EvidenceKind,
    read: Option<Read<u64>>,
) -> Result<Option<Read<u64>>> {
    let Some(found) = read.filter(|read| read.value == 0) else {
        return Ok(read);
    };
    let page = VirtAddr(found.address.0 & !0xfff);
    if machine
        .kernel
        .space()
        .bytes(page, 0x1000)?
        .iter()
        .any(|byte| *byte != 0)
    {
        return Ok(read);
    }
    let what = format!("{what} = 0");
    Err(Error::Implausible {
        what,
        at: found.address,
        found: "a page of nothing but zeros".into(),
    })
}

/// What the entries amount to together.
fn weigh(
    machine: &Machine<'_>,
    entries: &[Entry],
    unreadable: bool,
    ever: bool,
    out: &mut Vec<Evidence>,
) -> Usage {
    if entries.iter().any(|e| e.enabled) {
        if entries.iter().all(|e| e.enabled) {
            return Usage::Enabled;
        }
        // TDX holds a count of its own; KVM's flag then says nothing against it.
        let counted = entries
            .iter()
            .any(|e| e.what == EvidenceKind::NrUsers && e.enabled);
        return if counted {
            Usage::Enabled
        } else {
            Usage::Unknown
        };
    }
    if unreadable {
        return Usage::Unknown;
    }
    if !entries.is_empty() {
        return Usage::Disabled { ever };
    }
    match machine.kvm_present() {
        Some(false) => {
            let why = "KVM is not loaded, and nothing else in this kernel enables virtualization";
            let strength = strength_of_none(machine);
            out.push(Evidence::off(EvidenceKind::KvmNotLoaded, strength, why).lies_when(LIES));
            Usage::Disabled { ever }
        }
        _ => {
            let why = "KVM is loaded, but none of its known counters was found";
            out.push(Evidence::neutral(EvidenceKind::KvmCounters, why));
            Usage::Unknown
        }
    }
}

/// How far "nobody enabled it" can be trusted: KVM's counters say nothing of another hypervisor, and
/// a module from outside the kernel's tree, or a proprietary one, can be one.
fn strength_of_none(machine: &Machine<'_>) -> Strength {
    if machine.foreign_code {
        Strength::Weak
    } else {
        Strength::Strong
    }
}

fn statement(entry: &Entry) -> Evidence {
    let e = if entry.enabled {
        Evidence::on(entry.what, Strength::Weak, "virtualization was enabled here and never given back in order; an emergency does not reset this")
            .lies_when("the emergency path ran after that")
    } else {
        Evidence::off(entry.what, Strength::Strong, "nobody holds virtualization enabled here; the count drops before the hardware is switched off")
            .lies_when(LIES)
    };
    e.read(entry.read.address, number(entry.read.value))
}

fn number(value: u64) -> Value {
    Value::Number(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The kernel's own count (7.1+): KVM 1, TDX +1.
fn nr_users(machine: &Machine<'_>, cpu: CpuId) -> Result<Option<Read<u64>>> {
    let kernel = machine.kernel;
    absent(kernel.percpu("virtualization_nr_users", cpu))?
        .map(|address| {
            let value = u64::from(kernel.space().u32(address)?);
            plausible("virtualization_nr_users", address, value, 16)
        })
        .transpose()
}

/// A per-CPU `bool` of KVM's.
fn kvm_flag(machine: &Machine<'_>, cpu: CpuId, name: &str) -> Result<Option<Read<u64>>> {
    let base = absent(machine.kvm_symbol(name))?;
    base.map(|base| {
        let address = machine.cpus.address(base, cpu)?;
        plausible(
            name,
            address,
            u64::from(machine.kernel.space().u8(address)?),
            1,
        )
    })
    .transpose()
}

/// The cpumask of before 6.3: a pointer with CONFIG_CPUMASK_OFFSTACK, else the mask itself.
fn hardware_mask(machine: &Machine<'_>, cpu: CpuId) -> Result<Option<Read<u64>>> {
    let Some(base) = absent(machine.kvm_symbol("cpus_hardware_enabled"))? else {
        return Ok(None);
    };
    let space = machine.kernel.space();
    let first = space.pointer(base)?;
    let off_stack = space.is_kernel_address(first) && space.translate(first).is_ok();
    let address = if off_stack { first } else { base };
    let word = VirtAddr(address.0.wrapping_add(u64::from(cpu.0 / 64) * 8));
    let mask = CpuMask::from_bytes(&space.bytes(word, 8)?, 64);
    Ok(Some(Read {
        value: u64::from(mask.contains(CpuId(cpu.0 % 64))),
        address: word,
    }))
}

/// `svm_data.max_asid` is written whenever SVM is enabled, and never cleared: non-zero means that
/// it once was.
fn max_asid(machine: &Machine<'_>, cpu: CpuId, out: &mut Vec<Evidence>) -> bool {
    if machine.feature != Feature::Svm {
        return false;
    }
    match read_max_asid(machine, cpu) {
        Ok(Some(read)) if read.value != 0 => {
            let e = Evidence::neutral(
                EvidenceKind::SvmMaxAsid,
                "SVM has been enabled on this CPU since kvm_amd was loaded",
            );
            out.push(e.read(read.address, number(read.value)));
            true
        }
        Ok(_) => false,
        Err(e) => {
            tracing::debug!("svm_data of CPU {cpu}: {e}");
            false
        }
    }
}

/// Whether KVM had been in use on this machine: a kvm module was the last to be unloaded, or a VM
/// was created (`kvm_createvm_count`).
fn was_used_before(machine: &Machine<'_>) -> bool {
    if last_unloaded(machine.kernel).is_some_and(|name| name.starts_with("kvm")) {
        return true;
    }
    let created = machine.kvm_symbol("kvm_createvm_count");
    created
        .and_then(|at| machine.kernel.space().u64(at))
        .is_ok_and(|count| count > 0)
}

fn read_max_asid(machine: &Machine<'_>, cpu: CpuId) -> Result<Option<Read<u64>>> {
    let Some(data) = svm_data::of(machine, cpu)? else {
        return Ok(None);
    };
    let field = data.field("max_asid")?;
    Ok(Some(Read {
        value: field.u64()?,
        address: field.address,
    }))
}

fn plausible(what: &str, at: VirtAddr, value: u64, most: u64) -> Result<Read<u64>> {
    if value > most {
        return Err(Error::Implausible {
            what: what.into(),
            at,
            found: format!("{value:#x}"),
        });
    }
    Ok(Read { value, address: at })
}
