//! The processor, and whether a CPU was in its NMI handler.
//!
//! Source: arch/x86/include/asm/processor.h (`struct cpuinfo_x86`), arch/x86/kernel/nmi.c.

use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Features, by word and bit of `x86_capability` (arch/x86/include/asm/cpufeatures.h; these have
/// not moved since 5.10, `fred` is of 6.9).
const FEATURES: [(&str, u64, u32); 13] = [
    ("vmx", 4, 5),
    ("svm", 6, 2),
    ("ept", 8, 17),
    ("npt", 15, 0),
    ("nrips", 15, 3),
    ("vgif", 15, 16),
    ("hypervisor", 4, 31),
    ("la57", 16, 16),
    ("fred", 12, 17),
    ("sme", 19, 0),
    ("sev", 19, 1),
    ("sev_es", 19, 3),
    ("sev_snp", 19, 4),
];

/// The processor that the kernel ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// As CPUID names the vendor: `AuthenticAMD`.
    pub vendor: Vec<u8>,
    /// The model's name.
    pub model: Vec<u8>,
    /// Family, model and stepping.
    pub family: [u64; 3],
    /// Of the features that matter to virtualization those that the kernel uses or found.
    pub features: Vec<&'static str>,
}

impl Kernel {
    /// The boot CPU, as `boot_cpu_data` has it.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn processor(&self) -> Result<Processor> {
        let info = self.global("boot_cpu_data", "struct cpuinfo_x86")?;
        let number = |names: &[&str]| -> Result<u64> { info.first_field(names)?.u64() };
        let text = |name: &str| -> Result<Vec<u8>> { info.field(name)?.string() };
        let words = info.field("x86_capability")?;
        let set = |word: u64, bit: u32| {
            words
                .index(word)
                .and_then(|w| w.u64())
                .map(|w| w >> bit & 1)
        };
        let features = FEATURES
            .iter()
            .filter(|(_, word, bit)| set(*word, *bit).is_ok_and(|set| set == 1))
            .map(|(name, ..)| *name)
            .collect();
        Ok(Processor {
            features,
            vendor: text("x86_vendor_id")?,
            model: text("x86_model_id")?,
            family: [
                number(&["x86"])?,
                number(&["x86_model"])?,
                number(&["x86_stepping", "x86_mask"])?,
            ],
        })
    }

    /// Whether a CPU was inside its NMI handler (per-CPU `nmi_state`, static since 3.5): 0 not
    /// running, 1 executing, 2 latched.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn is_in_nmi(&self, cpu: CpuId) -> Result<bool> {
        let at = self.percpu("nmi_state", cpu)?;
        match self.space().u32(at)? {
            state @ 0..=2 => Ok(state != 0),
            other => Err(Error::Implausible {
                what: "nmi_state".into(),
                at,
                found: other.to_string(),
            }),
        }
    }
}
