//! The processor, and whether a CPU was in its NMI handler.
//!
//! Source: arch/x86/include/asm/processor.h (`struct cpuinfo_x86`), arch/x86/kernel/nmi.c.

use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// The processor that the kernel ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// As CPUID names the vendor: `AuthenticAMD`.
    pub vendor: Vec<u8>,
    /// The model's name.
    pub model: Vec<u8>,
    /// Family, model and stepping.
    pub family: [u64; 3],
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
        Ok(Processor {
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
