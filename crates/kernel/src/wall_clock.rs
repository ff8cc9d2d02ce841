//! When the machine booted: what the log's times are added to.
//!
//! The timekeeper keeps the distance from the wall clock to the monotonic one, which starts at boot
//! and stands still while the machine sleeps. The log's own clock (`local_clock()`) runs apart from
//! it by little, but also over a suspend: times after one are too early.

use virtopsy_debuginfo::{TypeSourceExt as _, VirtAddr};

use crate::error::{Error, Result};
use crate::kernel::Kernel;

const NANOS: i64 = 1_000_000_000;
/// By so many seconds the timekeeper and VMCOREINFO's time of the crash may differ, as a machine may
/// have slept; by more only where the timekeeper was not read right.
const MAX_APART: u64 = 4 * 366 * 86_400;

/// The wall clock's time at boot, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootTime {
    /// Nanoseconds since 1970, UTC.
    pub nanoseconds: i64,
    /// The source.
    pub known_by: BootTimeSource,
}

/// How the time of boot is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootTimeSource {
    /// The timekeeper's `wall_to_monotonic`.
    Timekeeper,
    /// VMCOREINFO's time of the crash, less the time of the log's last record: exact to a second or
    /// so.
    CrashTime,
}

impl Kernel {
    /// When the machine booted. `last` is the time of the log's last record, in nanoseconds.
    ///
    /// # Errors
    /// Where neither the timekeeper nor the time of the crash is known.
    pub fn boot_time(&self, last: u64) -> Result<BootTime> {
        let crash = self.vmcoreinfo().crash_time().and_then(|seconds| {
            let crash = i64::try_from(seconds).ok()?.checked_mul(NANOS)?;
            crash.checked_sub(i64::try_from(last).ok()?)
        });
        let kept = self.wall_at_boot();
        if let Ok(nanoseconds) = kept
            && crash
                .is_none_or(|by_crash| by_crash.abs_diff(nanoseconds) / NANOS as u64 <= MAX_APART)
        {
            return Ok(BootTime {
                nanoseconds,
                known_by: BootTimeSource::Timekeeper,
            });
        }
        match crash {
            Some(nanoseconds) => Ok(BootTime {
                nanoseconds,
                known_by: BootTimeSource::CrashTime,
            }),
            None => kept.and(Err(Error::VmcoreinfoKey {
                key: "CRASHTIME".into(),
                purpose: "the time of boot",
            })),
        }
    }

    /// `timekeeper_data[0]` (6.18), `tk_core` (3.17) of type `struct tk_data` (6.13), before that an
    /// anonymous struct of a sequence counter and the timekeeper.
    fn wall_at_boot(&self) -> Result<i64> {
        let at = self
            .symbols()?
            .first_of(&["timekeeper_data", "tk_core"])?
            .address;
        let keeper = match self.object(at, "struct tk_data") {
            Ok(data) => data.field("timekeeper")?,
            Err(e) if e.is_absent() => {
                let counter = ["seqcount_raw_spinlock_t", "seqcount_t"];
                let size = counter.iter().find_map(|name| {
                    let ty = self.type_named(name).ok()?;
                    ty.source.size_of(ty.id).ok()
                });
                let offset = size.unwrap_or(4).checked_next_multiple_of(8).unwrap_or(8);
                self.object(VirtAddr(at.0.wrapping_add(offset)), "struct timekeeper")?
            }
            Err(e) => return Err(e),
        };
        let number = |path: &str| keeper.field(path)?.i64();
        let (seconds, nanos) = (
            number("wall_to_monotonic.tv_sec")?,
            number("wall_to_monotonic.tv_nsec")?,
        );
        let total = seconds
            .checked_mul(NANOS)
            .and_then(|s| s.checked_add(nanos));
        let boot = total.and_then(i64::checked_neg).filter(|boot| *boot > 0);
        boot.ok_or_else(|| Error::Implausible {
            what: "the timekeeper's wall_to_monotonic".into(),
            at: keeper.address,
            found: format!("{seconds} s {nanos} ns"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::made::MadeKernel;

    const KEEPER: &str = "wall_to_monotonic@8 timespec64";
    const AT: u64 = 0x1_0000;
    const BOOT: i64 = 1_700_000_000;

    /// `wall_to_monotonic` at this distance from the symbol, and the crash so long after boot.
    fn boot_time(
        types: &'static [(&'static str, u64, &'static str)],
        distance: u64,
        seconds: i64,
    ) -> Result<BootTime> {
        let mut made = MadeKernel::new().types(types).symbol("tk_core", AT);
        made.words(AT + distance, &[seconds as u64, 500_000_000]);
        let kernel = made.kernel_with(&format!("CRASHTIME={}\n", BOOT + 100));
        kernel.boot_time(100 * NANOS as u64)
    }

    const OLD: &[(&str, u64, &str)] = &[
        ("timespec64", 16, "tv_sec@0 i64, tv_nsec@8 i64"),
        ("timekeeper", 64, KEEPER),
    ];
    const NEW: &[(&str, u64, &str)] = &[
        ("timespec64", 16, "tv_sec@0 i64, tv_nsec@8 i64"),
        ("timekeeper", 64, KEEPER),
        ("tk_data", 128, "seq@0 u32, timekeeper@32 timekeeper"),
    ];

    #[test]
    fn the_time_of_boot_is_the_timekeepers_in_old_and_new_layouts() {
        for (types, distance) in [(OLD, 8 + 8), (NEW, 32 + 8)] {
            let found = boot_time(types, distance, -BOOT - 1).unwrap();
            assert_eq!(found.known_by, BootTimeSource::Timekeeper);
            assert_eq!(found.nanoseconds, BOOT * NANOS + 500_000_000);
        }
    }

    #[test]
    fn a_timekeeper_that_makes_no_sense_is_not_believed() {
        for nonsense in [0, 77, -1, i64::MIN] {
            let found = boot_time(OLD, 16, nonsense).unwrap();
            assert_eq!(found.known_by, BootTimeSource::CrashTime, "{nonsense}");
            assert_eq!(found.nanoseconds, BOOT * NANOS);
        }
    }
}
