//! What the lockup detectors keep for each CPU.
//!
//! | what | kernel | says |
//! |---|---|---|
//! | `watchdog_touch_ts` | 2.6.34 | when the CPU last ran the highest-priority thread, in units of 2^30 ns; `ULONG_MAX` (0 before 5.13): just told to begin anew |
//! | `watchdog_report_ts` | 5.13 | when the detector last began to count |
//! | `hrtimer_interrupts` | 2.6.38 | interrupts of the detector's timer; a hard lockup is when they stand still |
//! | `watchdog_hardlockup_warned` (6.5), `hard_watchdog_warn` | 2.6.36 | the hard lockup was reported |
//!
//! Source: kernel/watchdog.c, kernel/watchdog_hld.c.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::error::Result;
use crate::kernel::Kernel;

/// Nanoseconds of a unit of the detector's clock: `running_clock() >> 30`.
const UNIT_NS: u64 = 1 << 30;
/// The names of the flag, newest first.
const WARNED: [&str; 2] = ["watchdog_hardlockup_warned", "hard_watchdog_warn"];

/// What the detectors know of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Where `watchdog_touch_ts` stands.
    pub address: VirtAddr,
    /// Nanoseconds of the CPU's clock at which it last scheduled the detector's thread, to about a
    /// second; `None`: the detector was told to begin anew.
    pub scheduled_ns: Option<u64>,
    /// Whether a hard lockup of it was reported; `None`: the kernel keeps no such flag.
    pub hard_lockup_reported: Option<bool>,
}

impl Kernel {
    /// What the lockup detectors know of a CPU.
    ///
    /// # Errors
    /// Where the kernel has none (CONFIG_SOFTLOCKUP_DETECTOR), or its state can't be read.
    pub fn watched(&self, cpu: CpuId) -> Result<Watched> {
        let address = self.percpu("watchdog_touch_ts", cpu)?;
        let touched = self.space().u64(address)?;
        let warned = WARNED.iter().find_map(|name| self.percpu(name, cpu).ok());
        Ok(Watched {
            address,
            scheduled_ns: (touched != 0 && touched != u64::MAX)
                .then(|| touched.saturating_mul(UNIT_NS)),
            hard_lockup_reported: warned.and_then(|at| Some(self.space().u8(at).ok()? != 0)),
        })
    }
}
