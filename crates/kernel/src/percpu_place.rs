//! Which per-CPU variable an address is in.

use virtopsy_debuginfo::VirtAddr;

use crate::cpu::CpuId;
use crate::kernel::Kernel;

/// A place in a CPU's copy of one of the kernel's per-CPU variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerCpuPlace {
    /// The variable.
    pub symbol: String,
    /// Whose copy.
    pub cpu: CpuId,
    /// Bytes from the variable's start.
    pub offset: u64,
}

impl std::fmt::Display for PerCpuPlace {
    /// As an expression of [`Kernel::peek`]: `percpu(name, 3)`, with `+0x10` behind it inside.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "percpu({}, {})", self.symbol, self.cpu)?;
        match self.offset {
            0 => Ok(()),
            offset => write!(f, "+{offset:#x}"),
        }
    }
}

impl Kernel {
    /// The kernel's per-CPU variable whose copy an address is in; `None` where it is in none, or
    /// the symbols that tell are not known.
    #[must_use]
    pub fn percpu_place(&self, at: VirtAddr) -> Option<PerCpuPlace> {
        let (cpus, symbols) = (self.cpus().ok()?, self.symbols().ok()?);
        let start = symbols.get("__per_cpu_start")?.address;
        let end = symbols.get("__per_cpu_end")?.address;
        let size = end.0.checked_sub(start.0)?;
        cpus.possible.iter().find_map(|cpu| {
            let first = cpus.address(start, cpu).ok()?;
            let within = at.0.checked_sub(first.0).filter(|within| *within < size)?;
            let found = self.locate(VirtAddr(start.0.checked_add(within)?))?;
            Some(PerCpuPlace {
                symbol: found.symbol,
                cpu,
                offset: found.offset,
            })
        })
    }
}
