//! What can be asked of an open dump beside its report, a method for each listing.

use virtopsy_kernel::PeekLimits;

use crate::Session;
use crate::error::Result;
use crate::facts::{
    BacktracesFacts, BootFacts, CpusFacts, LocksFacts, LogFacts, ModulesFacts, StacksOf,
    TasksFacts, ValueFacts, VmsFacts,
};

/// Listings. Each fails with [`Error::Kernel`](crate::Error::Kernel) where the kernel's memory can't
/// be read by name at all, or the head of what is listed can't be found; what is missing further
/// on is told in the listing itself (`incomplete_because`).
impl Session {
    /// What each CPU was doing, and what processor it was. Whether virtualization was off there is
    /// in the [report](Session::report).
    ///
    /// # Errors
    /// Where it is not known which CPUs there are.
    pub fn cpus(&self) -> Result<CpusFacts> {
        let facts = CpusFacts::read(self.kernel()?)?;
        Ok(match self.is_redacted() {
            true => facts.redacted(),
            false => facts,
        })
    }

    /// Backtraces, unwound by the kernel's own tables, with what a sleeping task waits for.
    ///
    /// # Errors
    /// [`Error::NoCpu`](crate::Error::NoCpu), [`Error::NoTask`](crate::Error::NoTask) where there is
    /// none of that name; where the possible CPUs or a task that was named by its address can't be
    /// read.
    pub fn backtraces(&self, of: &StacksOf) -> Result<BacktracesFacts> {
        BacktracesFacts::read(self.kernel()?, of)
    }

    /// All tasks.
    ///
    /// # Errors
    /// Where the kernel's memory can't be read by name.
    pub fn tasks(&self) -> Result<TasksFacts> {
        Ok(TasksFacts::read(self.kernel()?))
    }

    /// The loaded modules.
    ///
    /// # Errors
    /// Where the kernel's memory can't be read by name.
    pub fn modules(&self) -> Result<ModulesFacts> {
        Ok(ModulesFacts::read(self.kernel()?))
    }

    /// The virtual machines and their virtual CPUs.
    ///
    /// # Errors
    /// Where KVM's list can't be found, and it is not known that KVM is not loaded.
    pub fn vms(&self) -> Result<VmsFacts> {
        Ok(VmsFacts::read(self.kernel()?)?)
    }

    /// What tasks hold and wait for, and the state of lockdep.
    ///
    /// # Errors
    /// Where the state of lockdep can't be read.
    pub fn locks(&self) -> Result<LocksFacts> {
        Ok(LocksFacts::read(self.kernel()?)?)
    }

    /// [`Session::locks`] with all classes of locks, some thousands.
    ///
    /// # Errors
    /// Where the state of lockdep can't be read.
    pub fn locks_and_classes(&self) -> Result<LocksFacts> {
        let kernel = self.kernel()?;
        let mut locks = LocksFacts::read(kernel)?;
        locks.add_classes(kernel);
        Ok(locks)
    }

    /// The kernel log, and the lines that never got into it.
    ///
    /// # Errors
    /// Where the log's head can't be read.
    pub fn log(&self) -> Result<LogFacts> {
        Ok(LogFacts::from(self.kernel()?.log()?))
    }

    /// When the machine booted, by the wall clock; `log` is its [`Session::log`], whose newest
    /// record was printed when the machine died.
    ///
    /// # Errors
    /// Where neither the timekeeper can be read nor the note tells when the kernel crashed.
    pub fn boot_time(&self, log: &LogFacts) -> Result<BootFacts> {
        Ok(self.kernel()?.boot_time(log.newest_ns())?.into())
    }

    /// Memory by name: `init_task.tasks.next`, `percpu(cpu_tlbstate, 2).cr4`,
    /// `(struct task_struct *)0xffff888003a80000->comm`.
    ///
    /// # Errors
    /// Where the expression makes no sense, names nothing that is known, or what it names can't be
    /// read.
    pub fn peek(&self, expression: &str, limits: PeekLimits) -> Result<ValueFacts> {
        Ok(ValueFacts(self.kernel()?.peek(expression, limits)?))
    }
}
