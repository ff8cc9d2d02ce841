//! Per-CPU variables: a symbol plus the CPU's offset.
//!
//! Until 6.14 the symbols are offsets from 0; since 6.15 they are addresses inside the image's
//! `.data..percpu`, and the CPU's offset is the distance from there. The sum is right in both.
//! Source: arch/x86/kernel/setup_percpu.c, arch/x86/kernel/vmlinux.lds.S.

use std::collections::BTreeMap;

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::{CpuId, CpuMask, MAX_CPUS};
use crate::declared::cpu::POSSIBLE;
use crate::error::{Error, Result};
use crate::paging::AddressSpace;
use crate::symbols::KernelSymbols;

/// Where each CPU's area is, and which CPUs there are.
#[derive(Clone, Debug)]
pub struct Cpus {
    /// `__per_cpu_offset`, by CPU number; possible CPUs only are meaningful.
    offsets: Vec<u64>,
    /// CPUs whose area says that it is another's, and what stands in it.
    strangers: BTreeMap<u32, u64>,
    /// CPUs that can ever exist (`__cpu_possible_mask`).
    pub possible: CpuMask,
    /// CPUs that are plugged in (`__cpu_present_mask`).
    pub present: Option<CpuMask>,
    /// CPUs that the scheduler may use (`__cpu_online_mask`).
    pub online: Result<CpuMask>,
}

impl Cpus {
    pub(crate) fn load(symbols: &KernelSymbols, space: &AddressSpace) -> Result<Cpus> {
        // Without CONFIG_SMP there is one area, the image's own, and nothing to count CPUs with.
        let smp = symbols.get("__per_cpu_offset").is_some();
        let nr_cpu_ids = match symbols.get("nr_cpu_ids") {
            Some(symbol) => space.u32(symbol.address)?,
            None if smp => cpus_that_the_masks_hold(symbols),
            None => 1,
        };
        if !(1..=MAX_CPUS).contains(&nr_cpu_ids) {
            return Err(Error::Implausible {
                what: "nr_cpu_ids".into(),
                at: symbols.get("nr_cpu_ids").map_or(VirtAddr(0), |s| s.address),
                found: nr_cpu_ids.to_string(),
            });
        }
        let mask = |name: &str| -> Result<CpuMask> {
            if !smp && symbols.get(name).is_none() {
                return Ok(CpuMask::from_bytes(&[1, 0, 0, 0, 0, 0, 0, 0], 1));
            }
            let at = symbols.first_of(&[name])?.address;
            let bytes = space.bytes(at, (nr_cpu_ids as usize).div_ceil(64) * 8)?;
            Ok(CpuMask::from_bytes(&bytes, nr_cpu_ids))
        };
        let possible = mask("__cpu_possible_mask")?;
        if possible.count() == 0 {
            return Err(Error::Implausible {
                what: "the mask of possible CPUs".into(),
                at: symbols.declared(&POSSIBLE)?.address,
                found: "empty".into(),
            });
        }
        let online = mask("__cpu_online_mask");
        if let Some(cpu) = online
            .iter()
            .flat_map(CpuMask::iter)
            .find(|cpu| !possible.contains(*cpu))
        {
            return Err(Error::Implausible {
                what: "the mask of possible CPUs".into(),
                at: symbols.declared(&POSSIBLE)?.address,
                found: format!("no CPU {cpu}, which is online"),
            });
        }
        let offsets: Vec<u64> = match symbols.get("__per_cpu_offset") {
            Some(symbol) => space
                .bytes(symbol.address, nr_cpu_ids as usize * 8)?
                .chunks_exact(8)
                .map(|c| {
                    c.iter()
                        .rev()
                        .fold(0, |word, byte| word << 8 | u64::from(*byte))
                })
                .collect(),
            None => vec![0], // !CONFIG_SMP
        };
        let strangers = match symbols.get("this_cpu_off") {
            Some(symbol) => strangers(space, symbol.address, &offsets, &possible),
            None => BTreeMap::new(),
        };
        Ok(Cpus {
            offsets,
            strangers,
            possible,
            present: mask("__cpu_present_mask").ok(),
            online,
        })
    }

    /// Address of a CPU's copy of the per-CPU data whose symbol (or `__percpu` pointer) is `base`.
    ///
    /// # Errors
    /// [`Error::Implausible`] where the CPU has no area.
    pub fn address(&self, base: VirtAddr, cpu: CpuId) -> Result<VirtAddr> {
        let found = match self.offsets.get(cpu.0 as usize) {
            // The areas lie apart from the image's own copy: an offset of 0 is a page that was lost.
            Some(0) if self.possible.count() > 1 => format!("the offset of CPU {cpu} is 0"),
            Some(offset) if self.strangers.contains_key(&cpu.0) => {
                let its = self.strangers.get(&cpu.0).copied().unwrap_or_default();
                format!(
                    "the area of CPU {cpu}, at offset {offset:#x}, says that its offset is {its:#x}"
                )
            }
            Some(offset) if self.possible.contains(cpu) => {
                return Ok(VirtAddr(base.0.wrapping_add(*offset)));
            }
            _ => format!("no area for CPU {cpu}"),
        };
        Err(Error::Implausible {
            what: "per-CPU data".into(),
            at: base,
            found,
        })
    }

    /// Whether the CPU is in the online mask; `None` where the mask can't be read.
    pub fn is_online(&self, cpu: CpuId) -> Option<bool> {
        self.online.as_ref().ok().map(|mask| mask.contains(cpu))
    }
}

/// CPUs for which the kernel's masks have room: the count where it is no variable
/// (CONFIG_FORCE_NR_CPUS, since 6.1).
fn cpus_that_the_masks_hold(symbols: &KernelSymbols) -> u32 {
    let size = symbols.get("__cpu_possible_mask").and_then(|s| s.size);
    let cpus = size.map_or(MAX_CPUS.into(), |size| size.saturating_mul(8));
    u32::try_from(cpus).unwrap_or(MAX_CPUS).clamp(1, MAX_CPUS)
}

/// CPUs whose `this_cpu_off` is not their offset, or whose offset another CPU has too. Every area
/// holds its own offset from the time it is made (setup_per_cpu_areas()), so these are not theirs:
/// `__per_cpu_offset` or a page table was damaged, and one CPU's state would be told as another's.
/// What can't be read says nothing.
fn strangers(
    space: &AddressSpace,
    this_cpu_off: VirtAddr,
    offsets: &[u64],
    possible: &CpuMask,
) -> BTreeMap<u32, u64> {
    let mut found = BTreeMap::new();
    let mut sharers: BTreeMap<u64, u32> = BTreeMap::new();
    let areas = (0..).zip(offsets);
    let areas = areas.filter(|(cpu, offset)| **offset != 0 && possible.contains(CpuId(*cpu)));
    for (_, offset) in areas.clone() {
        let count = sharers.entry(*offset).or_default();
        *count = count.saturating_add(1);
    }
    for (cpu, offset) in areas {
        if sharers.get(offset).is_some_and(|count| *count > 1) {
            tracing::debug!("CPU {cpu} shares its offset {offset:#x}");
            found.insert(cpu, *offset);
            continue;
        }
        let at = VirtAddr(this_cpu_off.0.wrapping_add(*offset));
        match space.u64(at) {
            Ok(its) if its != *offset => {
                tracing::debug!("CPU {cpu}: this_cpu_off is {its:#x}, not {offset:#x}");
                found.insert(cpu, its);
            }
            _ => {}
        }
    }
    found
}
