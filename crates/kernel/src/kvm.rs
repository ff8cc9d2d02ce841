//! Virtual machines: every `struct kvm` on KVM's `vm_list`, and its virtual CPUs.
//!
//! | what | since | before |
//! |---|---|---|
//! | vCPUs: xarray `vcpu_array` | 5.17 | `vcpus[]` |
//! | the vCPU that a CPU has loaded: per-CPU `kvm_running_vcpu` | 5.10 | per vCPU `cpu` only |
//! | nested: bit 0 of `arch.hflags` | 6.4 | bit 5 |
//! | `arch.rip` beside `arch.regs` | 7.2 | in `arch.regs` |
//! | `arch.vm_type` | 6.8 | flags of `kvm_svm`, `kvm_tdx` |
//!
//! Registers of a guest are in `kvm_vcpu_arch` only where `regs_avail` says so: on Intel the rest
//! is in the VMCS, which the CPU keeps in a form of its own; of guests whose state is encrypted
//! (SEV-ES, SEV-SNP, TDX) nothing is to be seen. Source: include/linux/kvm_host.h,
//! arch/x86/include/asm/kvm_host.h.

use std::cell::Cell;
use std::collections::HashMap;

use virtopsy_debuginfo::{TypeSource, VirtAddr};

use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::list;
use crate::module::Module;
use crate::object::Object;
use crate::xarray;

/// More virtual machines than any host runs.
const MAX_VMS: usize = 65536;
/// More virtual CPUs than any host runs in all its machines.
const MAX_TOTAL: usize = 1 << 18;
/// More virtual CPUs than a machine can have (`KVM_MAX_VCPUS`: 4096).
const MAX_VCPUS: usize = 8192;

/// Whether a guest's memory and registers are hidden from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmKind {
    /// The host sees all.
    Plain,
    /// Memory is private to the guest by software (`KVM_X86_SW_PROTECTED_VM`).
    SoftwareProtected,
    /// Memory is encrypted (AMD SEV).
    Sev,
    /// Memory and registers are encrypted (AMD SEV-ES).
    SevEs,
    /// Memory and registers are encrypted and their integrity is kept (AMD SEV-SNP).
    SevSnp,
    /// The same on Intel (TDX): not even `kvm_vcpu` holds a register.
    Tdx,
    /// A number that no kernel so far has.
    Other(u64),
}

impl VmKind {
    /// Whether the guest's registers can be in the dump at all.
    pub fn hides_registers(self) -> bool {
        matches!(self, VmKind::SevEs | VmKind::SevSnp | VmKind::Tdx)
    }
}

impl std::fmt::Display for VmKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VmKind::Plain => f.write_str("plain"),
            VmKind::SoftwareProtected => f.write_str("sw-protected"),
            VmKind::Sev => f.write_str("sev"),
            VmKind::SevEs => f.write_str("sev-es"),
            VmKind::SevSnp => f.write_str("sev-snp"),
            VmKind::Tdx => f.write_str("tdx"),
            VmKind::Other(n) => write!(f, "type-{n}"),
        }
    }
}

/// `vcpu->mode`: where the thread that runs the vCPU was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VcpuMode {
    /// In the host.
    OutsideGuest,
    /// In the guest, or on its way in or out with interrupts off.
    InGuest,
    /// Told to leave the guest.
    Exiting,
    /// Walking its page tables without a lock.
    ReadingShadowPageTables,
    /// A number that no kernel so far has.
    Other(i64),
}

impl std::fmt::Display for VcpuMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VcpuMode::OutsideGuest => f.write_str("outside-guest"),
            VcpuMode::InGuest => f.write_str("in-guest"),
            VcpuMode::Exiting => f.write_str("exiting"),
            VcpuMode::ReadingShadowPageTables => f.write_str("reading-shadow-page-tables"),
            VcpuMode::Other(n) => write!(f, "{n}"),
        }
    }
}

/// A virtual CPU.
#[derive(Clone, Debug)]
pub struct Vcpu {
    /// Where its `struct kvm_vcpu` is.
    pub address: VirtAddr,
    /// `vcpu_id`: the APIC id, as the VMM chose it.
    pub id: i64,
    /// Where the thread that runs it was.
    pub mode: Option<VcpuMode>,
    /// The CPU that it ran on last; `None` where it never ran, or has been put down.
    pub cpu: Option<CpuId>,
    /// The CPU whose `kvm_running_vcpu` it is: it is loaded there.
    pub loaded_on: Option<CpuId>,
    /// Thread id of the thread that runs it.
    pub thread: Option<i32>,
    /// Whether it ran a guest of its own (L2).
    pub nested: Option<bool>,
    /// Guest registers that KVM has changed in its copy and not yet written to the VMCS, a bit each
    /// (`arch.regs_dirty`, by `enum kvm_reg`). VMX only: SVM writes all of them on every entry.
    pub dirty_registers: Option<u64>,
    /// The guest's registers, where they may be shown.
    pub registers: GuestRegisters,
    /// Why members could not be read.
    pub missing: Vec<Error>,
}

/// What is known of a guest's registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestRegisters {
    /// Instruction pointer; `None`: not in memory.
    pub rip: Option<u64>,
    /// Root of the page tables.
    pub cr3: Option<u64>,
    /// Why they are not shown. `None`: what is there is shown.
    pub hidden_because: Option<&'static str>,
}

/// A virtual machine.
#[derive(Clone, Debug)]
pub struct Vm {
    /// Where its `struct kvm` is.
    pub address: VirtAddr,
    /// Process id of its VMM, as `userspace_pid` has it.
    pub owner: Option<i32>,
    /// The owner's `mm_struct`.
    pub mm: Option<VirtAddr>,
    /// What is hidden of it; `None` where that can't be told.
    pub kind: Option<VmKind>,
    /// How many vCPUs it says to have.
    pub online_vcpus: Option<u64>,
    /// The vCPUs, in order of their index.
    pub vcpus: Vec<Vcpu>,
    /// KVM found itself in an impossible state (`vm_bugged`), or the machine was ended (`vm_dead`).
    pub dead: Option<bool>,
    /// Why the vCPUs are not whole.
    pub broken: Option<Error>,
}

/// The virtual machines of a host.
#[derive(Clone, Debug, Default)]
pub struct VmList {
    /// In the order of `vm_list`, newest first.
    pub vms: Vec<Vm>,
    /// Why the list is not whole.
    pub broken: Option<Error>,
}

impl Kernel {
    /// Every virtual machine.
    ///
    /// # Errors
    /// [`Error::NoSymbol`] where KVM is not loaded; where its types or its list can't be had.
    pub fn vms(&self) -> Result<VmList> {
        let kvm = Kvm::open(self)?;
        let walk = list::walk(self.space(), "vm_list", kvm.vm_list, MAX_VMS);
        let vm = |entry| kvm.vm(list::container_of(entry, kvm.link));
        Ok(VmList {
            vms: walk.entries.into_iter().map(vm).collect(),
            broken: walk.broken,
        })
    }
}

/// What of KVM is needed.
struct Kvm<'k> {
    kernel: &'k Kernel,
    /// `None`: KVM is built in.
    module: Option<&'k Module>,
    vm_list: VirtAddr,
    /// Offset of `vm_list` in `struct kvm`.
    link: u64,
    /// Which CPU has which vCPU loaded.
    loaded: HashMap<VirtAddr, CpuId>,
    /// vCPUs that may still be read, of all machines together.
    budget: Cell<usize>,
}

impl<'k> Kvm<'k> {
    fn open(kernel: &'k Kernel) -> Result<Kvm<'k>> {
        let module = kernel.modules().get("kvm");
        let vm_list = match module {
            Some(module) => module.symbol(kernel, "vm_list")?,
            None => kernel.symbol("vm_list")?,
        };
        let mut kvm = Kvm {
            kernel,
            module,
            vm_list,
            link: 0,
            loaded: HashMap::new(),
            budget: Cell::new(MAX_TOTAL),
        };
        kvm.link = kvm
            .object(VirtAddr(0), "struct kvm")?
            .field("vm_list")?
            .address
            .0;
        kvm.loaded = kvm.loaded_vcpus();
        Ok(kvm)
    }

    fn object(&self, at: VirtAddr, name: &str) -> Result<Object<'k>> {
        let Some(module) = self.module else {
            return self.kernel.object(at, name);
        };
        let object = module.object(self.kernel, at, name);
        object.or_else(|e| self.kernel.object(at, name).map_err(|_| e))
    }

    fn loaded_vcpus(&self) -> HashMap<VirtAddr, CpuId> {
        let Ok(cpus) = self.kernel.cpus() else {
            return HashMap::new();
        };
        let running = |cpu: CpuId| -> Result<(VirtAddr, CpuId)> {
            let at = match self.module {
                Some(module) => module.percpu(self.kernel, "kvm_running_vcpu", cpu)?,
                None => self.kernel.percpu("kvm_running_vcpu", cpu)?,
            };
            Ok((self.kernel.space().pointer(at)?, cpu))
        };
        cpus.possible
            .iter()
            .filter_map(|cpu| running(cpu).ok())
            .filter(|(at, _)| at.0 != 0)
            .collect()
    }

    fn vm(&self, address: VirtAddr) -> Vm {
        let mut vm = Vm {
            address,
            owner: None,
            mm: None,
            kind: None,
            online_vcpus: None,
            vcpus: Vec::new(),
            dead: None,
            broken: None,
        };
        let kvm = match self.object(address, "struct kvm") {
            Ok(kvm) => kvm,
            Err(e) => {
                vm.broken = Some(e);
                return vm;
            }
        };
        let number = |path: &str| kvm.field(path).and_then(|f| f.u64()).ok();
        vm.owner = number("userspace_pid").map(|pid| pid as i32);
        vm.mm = number("mm").map(VirtAddr);
        vm.kind = self.kind(&kvm);
        vm.online_vcpus = number("online_vcpus");
        vm.dead = match (number("vm_bugged"), number("vm_dead")) {
            (None, None) => None,
            (bugged, dead) => Some(bugged.unwrap_or(0) != 0 || dead.unwrap_or(0) != 0),
        };
        let (addresses, broken) = self.vcpu_addresses(&kvm, vm.online_vcpus);
        self.budget
            .set(self.budget.get().saturating_sub(addresses.len().max(1)));
        vm.vcpus = addresses
            .into_iter()
            .map(|at| self.vcpu(at, vm.kind))
            .collect();
        vm.broken = broken;
        vm
    }

    /// `arch.vm_type` (6.8; SEV and TDX have their own numbers there since 6.10 and 6.16), else
    /// what `struct kvm_svm` says.
    fn kind(&self, kvm: &Object<'k>) -> Option<VmKind> {
        let typed = kvm.field("arch.vm_type").and_then(|t| t.u64()).ok();
        let of_number = match typed {
            Some(0) | None => None,
            Some(1) => Some(VmKind::SoftwareProtected),
            Some(2) => Some(VmKind::Sev),
            Some(3) => Some(VmKind::SevEs),
            Some(4) => Some(VmKind::SevSnp),
            Some(5) => Some(VmKind::Tdx),
            Some(other) => Some(VmKind::Other(other)),
        };
        of_number
            .or_else(|| self.sev(kvm.address))
            .or(typed.map(|_| VmKind::Plain))
    }

    /// `kvm_svm.sev_info`: `active` (4.16), `es_active` (5.11). `kvm` is its first member.
    fn sev(&self, kvm: VirtAddr) -> Option<VmKind> {
        let amd = self.kernel.modules().get("kvm_amd")?;
        let svm = amd.object(self.kernel, kvm, "struct kvm_svm").ok()?;
        let flag = |path: &str| svm.field(path).and_then(|f| f.u64()).ok();
        Some(
            match (flag("sev_info.active")?, flag("sev_info.es_active")) {
                (0, _) => VmKind::Plain,
                (_, Some(1)) => VmKind::SevEs,
                _ => VmKind::Sev,
            },
        )
    }

    fn vcpu_addresses(
        &self,
        kvm: &Object<'k>,
        online: Option<u64>,
    ) -> (Vec<VirtAddr>, Option<Error>) {
        match kvm.field("vcpu_array") {
            Ok(array) => {
                let walk = xarray::walk(self.kernel, &array, self.budget.get().min(MAX_VCPUS));
                (
                    walk.entries.into_iter().map(|(_, at)| at).collect(),
                    walk.broken,
                )
            }
            Err(e) if !e.is_absent() => (Vec::new(), Some(e)),
            Err(_) => self.vcpu_pointers(kvm, online),
        }
    }

    /// `vcpus[KVM_MAX_VCPUS]`, until 5.16.
    fn vcpu_pointers(
        &self,
        kvm: &Object<'k>,
        online: Option<u64>,
    ) -> (Vec<VirtAddr>, Option<Error>) {
        let array = match kvm.field("vcpus") {
            Ok(array) => array,
            Err(e) => return (Vec::new(), Some(e)),
        };
        let count = array
            .count()
            .unwrap_or(0)
            .min(online.unwrap_or(u64::MAX))
            .min(self.budget.get().min(MAX_VCPUS) as u64);
        let mut out = Vec::new();
        for index in 0..count {
            match array.index(index).and_then(|slot| slot.pointer()) {
                Ok(VirtAddr(0)) => {}
                Ok(at) => out.push(at),
                Err(e) => return (out, Some(e)),
            }
        }
        (out, None)
    }

    fn vcpu(&self, address: VirtAddr, kind: Option<VmKind>) -> Vcpu {
        let mut vcpu = Vcpu {
            address,
            id: -1,
            mode: None,
            cpu: None,
            loaded_on: self.loaded.get(&address).copied(),
            thread: None,
            nested: None,
            dirty_registers: None,
            registers: GuestRegisters::default(),
            missing: Vec::new(),
        };
        let object = match self.object(address, "struct kvm_vcpu") {
            Ok(object) => object,
            Err(e) => {
                vcpu.missing.push(e);
                return vcpu;
            }
        };
        let mut number = |path: &str| match object.field(path).and_then(|f| f.i64()) {
            Ok(value) => Some(value),
            Err(e) => {
                vcpu.missing.push(e);
                None
            }
        };
        vcpu.id = number("vcpu_id").unwrap_or(-1);
        vcpu.mode = number("mode").map(mode);
        // -1 before it is loaded for the first time.
        vcpu.cpu = number("cpu")
            .and_then(|cpu| u32::try_from(cpu).ok())
            .map(CpuId);
        vcpu.nested = number("arch.hflags").and_then(|flags| self.is_nested(flags as u64));
        if self.kernel.modules().get("kvm_intel").is_some() {
            let dirty = object.field("arch.regs_dirty").and_then(|bits| bits.u64());
            vcpu.dirty_registers = dirty.ok();
        }
        vcpu.thread = self.thread(&object).ok();
        vcpu.registers = self.registers(&object, kind);
        vcpu
    }

    /// `HF_GUEST_MASK`: bit 0 since 6.4, bit 5 before, where bit 0 was SVM's GIF. `guest_gif`
    /// came into `struct vcpu_svm` in the same series.
    fn is_nested(&self, hflags: u64) -> Option<bool> {
        let Some(amd) = self.kernel.modules().get("kvm_amd") else {
            return Some(hflags & 0b10_0001 != 0);
        };
        let vcpu = amd
            .object(self.kernel, VirtAddr(0), "struct vcpu_svm")
            .ok()?;
        let bit = if vcpu.has_field("guest_gif") {
            1
        } else {
            1 << 5
        };
        Some(hflags & bit != 0)
    }

    /// `vcpu->pid->numbers[0].nr`: the thread that last loaded it.
    fn thread(&self, vcpu: &Object<'k>) -> Result<i32> {
        let pid = vcpu.field("pid")?.pointer()?;
        // KVM's own types may only declare it.
        let pid = self.kernel.object(pid, "struct pid")?;
        Ok(pid.field("numbers")?.index(0)?.field("nr")?.i64()? as i32)
    }

    fn registers(&self, vcpu: &Object<'k>, kind: Option<VmKind>) -> GuestRegisters {
        let hidden = |why| GuestRegisters {
            hidden_because: Some(why),
            ..GuestRegisters::default()
        };
        if kind.is_some_and(VmKind::hides_registers) {
            return hidden("the guest's registers are encrypted");
        }
        let protected = vcpu
            .field("arch.guest_state_protected")
            .and_then(|f| f.u64());
        if protected.is_ok_and(|flag| flag != 0) {
            return hidden("the guest's registers are encrypted");
        }
        let source: &dyn TypeSource = &*vcpu.ty.source;
        let Ok(available) = availability(vcpu) else {
            return hidden("which registers are valid can't be read");
        };
        let valid = |names: [&str; 2]| {
            let number = names
                .iter()
                .find_map(|name| source.enumerator(name).ok().flatten());
            let number = number
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n < 64)?;
            (available >> number & 1 == 1).then_some(u64::from(number))
        };
        let rip = valid(["VCPU_REG_RIP", "VCPU_REGS_RIP"]).and_then(|index| {
            let rip = vcpu.field("arch.rip");
            let rip = rip.or_else(|_| vcpu.field("arch.regs").and_then(|regs| regs.index(index)));
            rip.and_then(|rip| rip.u64()).ok()
        });
        let cr3 = valid(["VCPU_REG_CR3", "VCPU_EXREG_CR3"])
            .and_then(|_| vcpu.field("arch.cr3").and_then(|cr3| cr3.u64()).ok());
        GuestRegisters {
            rip,
            cr3,
            hidden_because: None,
        }
    }
}

/// `arch.regs_avail`: a bitmap since 7.2, a `u32` before.
fn availability(vcpu: &Object<'_>) -> Result<u64> {
    let avail = vcpu.field("arch.regs_avail")?;
    match avail.count() {
        Ok(_) => avail.index(0)?.u64(),
        Err(_) => avail.u64(),
    }
}

/// Source: `enum`-like numbers of include/linux/kvm_host.h, unchanged since 4.7.
fn mode(number: i64) -> VcpuMode {
    match number {
        0 => VcpuMode::OutsideGuest,
        1 => VcpuMode::InGuest,
        2 => VcpuMode::Exiting,
        3 => VcpuMode::ReadingShadowPageTables,
        other => VcpuMode::Other(other),
    }
}
