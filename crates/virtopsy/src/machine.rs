//! The machine as a whole, read once: the facts that every CPU's evidence stands on.

use std::cell::OnceCell;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::declared::cpu::CAPABILITY;
use virtopsy_kernel::{CpuId, Cpus, Error, Kernel, Module, NoteContent, Result, SavedRegisters};
use virtopsy_vmcore::{Dump, Format, QemuCpu};

use crate::era::{DisabledBy, Era, Layout, RebootingFlag};
use crate::report::extract::ExtractReport;
use crate::report::state::{Feature, Origin};

/// A value and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) address: VirtAddr,
}

/// A fact that can be absent from the kernel (`Ok(None)`), or be unreadable (`Err`).
pub(crate) type Fact<T> = Result<Option<Read<T>>>;

/// `X86_FEATURE_VMX` and `X86_FEATURE_SVM`: word * 32 + bit of `x86_capability`, the same in all
/// kernels from 4.19 to 7.3 (arch/x86/include/asm/cpufeatures.h).
const FEATURE_VMX: u32 = 4 * 32 + 5;
const FEATURE_SVM: u32 = 6 * 32 + 2;

/// What the crash path and the other stop paths left in global variables.
#[derive(Debug)]
pub(crate) struct StopFacts {
    /// The CPU that ran `nmi_shootdown_cpus()`; -1 before.
    pub(crate) crashing_cpu: Fact<i32>,
    /// The CPU that panicked; -1 before.
    pub(crate) panic_cpu: Fact<i32>,
    /// The CPU that handed its panic to another (`panic_force_cpu=`, 7.0+); -1 without.
    pub(crate) panic_redirect_cpu: Fact<i32>,
    /// The NMI has been sent.
    pub(crate) crash_ipi_issued: Fact<i32>,
    /// CPUs that have not finished `crash_nmi_callback()`.
    pub(crate) waiting: Fact<i32>,
    /// The CPU that ran `native_stop_other_cpus()`; -1 before.
    pub(crate) stopping_cpu: Fact<i32>,
    /// The emergency path, or an orderly shutdown, was entered on some CPU.
    pub(crate) rebooting: Fact<u8>,
    /// Held once and for all by the CPU that jumped to the crash kernel.
    pub(crate) kexec_lock: Fact<i32>,
}

/// A machine, its kernel, and what is common to its CPUs.
#[derive(Debug)]
pub(crate) struct Machine<'k> {
    pub(crate) kernel: &'k Kernel,
    pub(crate) cpus: &'k Cpus,
    pub(crate) layout: Layout,
    pub(crate) origin: Origin,
    pub(crate) feature: Feature,
    pub(crate) feature_read: Fact<u32>,
    pub(crate) stop: StopFacts,
    pub(crate) kvm: Option<&'k Module>,
    pub(crate) vendor: Option<&'k Module>,
    pub(crate) qemu: Vec<(QemuCpu, Option<CpuId>)>,
    /// A module from outside the tree, or a proprietary one, had been loaded.
    pub(crate) foreign_code: bool,
    /// Whether the emergency path of this kernel could switch anything off.
    pub(crate) disabler: Disabler,
    unaccounted: OnceCell<Option<i64>>,
    late: OnceCell<Vec<CpuId>>,
}

/// What switches virtualization off on the emergency path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Disabler {
    /// The kernel itself, or KVM's own callback.
    Sound,
    /// Only a callback would, and none was registered.
    Missing,
    /// Only the callback does, and it is not known to be KVM's: why.
    Doubtful(String),
}

impl<'k> Machine<'k> {
    /// Reads the machine.
    ///
    /// # Errors
    /// Where not even the CPUs or the symbols are known.
    pub(crate) fn read(kernel: &'k Kernel) -> Result<Machine<'k>> {
        let era = Era::of(kernel)?;
        let layout = era.layout();
        let cpus = kernel.cpus()?;
        let (feature, feature_read) = feature_of(kernel);
        let modules = kernel.modules();
        let vendor = match feature {
            Feature::Vmx => modules.get("kvm_intel"),
            Feature::Svm => modules.get("kvm_amd"),
            Feature::None | Feature::Unknown => modules.get("kvm_amd").or(modules.get("kvm_intel")),
        };
        let noted = |note: QemuCpu| {
            let cpu = cpu_of_note(kernel, cpus, &note);
            (note, cpu)
        };
        let kvm = modules.get("kvm");
        let stop = StopFacts::read(kernel, layout, kvm);
        Ok(Machine {
            kernel,
            cpus,
            layout,
            origin: origin_of(kernel, &stop),
            feature,
            feature_read,
            stop,
            kvm,
            vendor,
            qemu: kernel.dump().qemu_cpus().into_iter().map(noted).collect(),
            foreign_code: is_tainted_by_foreign_code(kernel),
            disabler: disabler_of(kernel, layout, feature),
            unaccounted: OnceCell::new(),
            late: OnceCell::new(),
        })
    }

    /// A global of KVM: in kvm.ko, or in the kernel where KVM is built in.
    pub(crate) fn kvm_symbol(&self, name: &str) -> Result<VirtAddr> {
        match self.kvm {
            Some(module) => module.symbol(self.kernel, name),
            None => self.kernel.symbol(name),
        }
    }

    /// A global of the vendor's module, or of the kernel where it is built in.
    pub(crate) fn vendor_symbol(&self, name: &str) -> Result<VirtAddr> {
        match self.vendor {
            Some(module) => module.symbol(self.kernel, name),
            None => self.kernel.symbol(name),
        }
    }

    /// Whether KVM's core is there at all, as a module or built in. `None`: the modules could not
    /// all be read.
    pub(crate) fn kvm_present(&self) -> Option<bool> {
        if self.kvm.is_some() || self.kernel.symbol("kvm_usage_count").is_ok() {
            return Some(true);
        }
        self.kernel.modules().broken.is_none().then_some(false)
    }

    /// The CPU that ran the crash path, where one did.
    ///
    /// Only the NMI shootdown writes `crashing_cpu`, and without CONFIG_SMP there is none: the
    /// crash kernel was then entered by the only CPU.
    pub(crate) fn crashing_cpu(&self) -> Option<CpuId> {
        positive(&self.stop.crashing_cpu).or_else(|| {
            let mut possible = self.cpus.possible.iter();
            match (possible.next(), possible.next()) {
                (only, None) if self.origin == Origin::Kdump => only,
                _ => None,
            }
        })
    }

    /// CPUs that entered the crash NMI's callback, by the notes that they left, and did not count
    /// themselves off. `None`: can't be told.
    pub(crate) fn unaccounted_cpus(&self) -> Option<i64> {
        *self.unaccounted.get_or_init(|| {
            let waiting = i64::from(number(&self.stop.waiting)?).max(0);
            if waiting == 0 {
                return Some(0);
            }
            let crashing = self.crashing_cpu();
            let redirected = positive(&self.stop.panic_redirect_cpu);
            let mut silent = 0;
            for cpu in self.cpus.online.as_ref().ok()?.iter() {
                if Some(cpu) == crashing || Some(cpu) == redirected {
                    continue;
                }
                match self.kernel.crash_note(cpu).ok()?.content {
                    NoteContent::Empty => silent += 1,
                    NoteContent::Saved(_) => {}
                    NoteContent::Invalid(_) => return None,
                }
            }
            Some((waiting - silent).max(0))
        })
    }

    /// CPUs that saved their registers after the crash kernel had copied all notes for
    /// /proc/vmcore: their slots hold what no note of the dump does.
    pub(crate) fn late_cpus(&self) -> &[CpuId] {
        self.late.get_or_init(|| {
            let notes = self.kernel.dump().prstatus();
            if self.origin != Origin::Kdump || notes.is_empty() {
                return Vec::new();
            }
            let saved = |cpu: CpuId| match self.kernel.crash_note(cpu).ok()?.content {
                NoteContent::Saved(registers) => Some((cpu, registers)),
                _ => None,
            };
            let saved: Vec<_> = self.cpus.possible.iter().filter_map(saved).collect();
            if saved.len() <= notes.len() {
                return Vec::new();
            }
            let unnoted = |registers: &SavedRegisters| {
                !notes.iter().any(|n| {
                    n.pid as i32 == registers.pid
                        && n.regs.rip == registers.rip
                        && n.regs.rsp == registers.rsp
                })
            };
            saved
                .into_iter()
                .filter(|(_, r)| unnoted(r))
                .map(|(cpu, _)| cpu)
                .collect()
        })
    }

    /// Whether any path that switches virtualization off on other CPUs has begun. `None`: can't
    /// be told.
    pub(crate) fn stop_path_began(&self) -> Option<bool> {
        let sent = number(&self.stop.crash_ipi_issued)?;
        let crashing = number(&self.stop.crashing_cpu)?;
        let stopping = number(&self.stop.stopping_cpu).unwrap_or(-1);
        let rebooting = match &self.stop.rebooting {
            Ok(Some(read)) => read.value != 0,
            Ok(None) => false,
            Err(_) => return None,
        };
        Some(sent != 0 || crashing >= 0 || stopping >= 0 || rebooting)
    }

    /// Registers that the hypervisor recorded for a CPU.
    pub(crate) fn qemu_note(&self, cpu: CpuId) -> Option<&QemuCpu> {
        let by_base = self.qemu.iter().find(|(_, c)| *c == Some(cpu));
        // Registers of a nested guest name no CPU: such a note is the CPU's by its position, if
        // that CPU has no note of its own.
        let by_index = || {
            self.qemu
                .iter()
                .find(|(note, c)| c.is_none() && note.index as u64 == u64::from(cpu.0))
        };
        by_base.or_else(by_index).map(|(note, _)| note)
    }
}

/// `tainted_mask`: bit 0 a proprietary module, bit 12 one from outside the tree
/// (include/linux/panic.h, since 2.6.x). Unreadable counts as tainted.
fn is_tainted_by_foreign_code(kernel: &Kernel) -> bool {
    match kernel
        .symbol("tainted_mask")
        .and_then(|at| kernel.space().u64(at))
    {
        Ok(mask) => mask & (1 << 12 | 1) != 0,
        Err(e) => !e.is_absent(),
    }
}

/// What the emergency path of this kernel switches off with.
fn disabler_of(kernel: &Kernel, layout: Layout, feature: Feature) -> Disabler {
    let by_callback = match layout.disabled_by {
        DisabledBy::Kernel => false,
        DisabledBy::Callback => true,
        DisabledBy::CallbackFor(vendor) => vendor == feature,
        DisabledBy::Nobody => return Disabler::Missing,
    };
    let Some(variable) = layout.callback_variable.filter(|_| by_callback) else {
        return Disabler::Sound;
    };
    match kernel
        .symbol(variable)
        .and_then(|at| kernel.space().pointer(at))
    {
        Ok(VirtAddr(0)) => Disabler::Missing,
        Ok(to) => match kernel.locate(to) {
            Some(l) if l.offset == 0 && layout.is_callback(&l.symbol) => Disabler::Sound,
            Some(l) => Disabler::Doubtful(format!("{l} was registered, which is not KVM's")),
            None => Disabler::Doubtful(format!("what was registered ({to}) is not known")),
        },
        Err(e) => Disabler::Doubtful(format!("the pointer can't be read: {e}")),
    }
}

/// The name in `last_unloaded_module`: `char[]` until 5.18, a struct with a name since 5.19.
pub(crate) fn last_unloaded(kernel: &Kernel) -> Option<String> {
    let at = kernel.symbol("last_unloaded_module").ok()?;
    let bytes = kernel.space().string(at, 56).ok()?;
    let name = String::from_utf8_lossy(&bytes).into_owned();
    (!name.is_empty()).then_some(name)
}

/// A symbol that does not exist is no error.
pub(crate) fn absent(found: Result<VirtAddr>) -> Result<Option<VirtAddr>> {
    match found {
        Ok(address) => Ok(Some(address)),
        Err(e) if e.is_absent() => Ok(None),
        Err(e) => Err(e),
    }
}

/// The number in a fact, where there is one.
pub(crate) fn number(fact: &Fact<i32>) -> Option<i32> {
    fact.as_ref().ok().copied().flatten().map(|read| read.value)
}

/// The CPU in a fact that is -1 before anything happened.
pub(crate) fn positive(fact: &Fact<i32>) -> Option<CpuId> {
    number(fact).and_then(|n| u32::try_from(n).ok()).map(CpuId)
}

impl StopFacts {
    fn read(kernel: &Kernel, layout: Layout, kvm: Option<&Module>) -> StopFacts {
        let word = |name: &str| int_fact(kernel, name);
        StopFacts {
            crashing_cpu: word("crashing_cpu"),
            panic_cpu: word("panic_cpu"),
            panic_redirect_cpu: word("panic_redirect_cpu"),
            crash_ipi_issued: word("crash_ipi_issued"),
            waiting: word("waiting_for_crash_ipi"),
            stopping_cpu: word("stopping_cpu"),
            rebooting: rebooting_flag(kernel, layout, kvm),
            kexec_lock: word("__kexec_lock"),
        }
    }
}

/// An `int` or `atomic_t` of the kernel.
fn int_fact(kernel: &Kernel, name: &str) -> Fact<i32> {
    match kernel.symbol(name) {
        Err(e) if e.is_absent() => Ok(None),
        Err(e) => Err(e),
        Ok(address) => Ok(Some(Read {
            value: kernel.space().u32(address)? as i32,
            address,
        })),
    }
}

fn rebooting_flag(kernel: &Kernel, layout: Layout, kvm: Option<&Module>) -> Fact<u8> {
    let Some(name) = layout.rebooting_flag.map(RebootingFlag::symbol) else {
        return Ok(None);
    };
    let found = match (kernel.symbol(name), kvm) {
        (Err(e), Some(module)) if e.is_absent() => module.symbol(kernel, name),
        (other, _) => other,
    };
    match found {
        Err(e) if e.is_absent() => Ok(None),
        Err(e) => Err(e),
        Ok(address) => Ok(Some(Read {
            value: kernel.space().u8(address)?,
            address,
        })),
    }
}

/// Who wrote the dump. A hypervisor leaves its own notes; the crash kernel, the time of the crash
/// that `crash_save_vmcoreinfo()` appends.
fn origin_of(kernel: &Kernel, stop: &StopFacts) -> Origin {
    let dump = kernel.dump();
    if dump.format() == Format::Kcore {
        return Origin::Live;
    }
    // An extract has the memory of another dump, in a form that says nothing of that one.
    if let Some(about) = ExtractReport::of(dump) {
        return about.map_or(Origin::Unknown, |about| about.origin);
    }
    if dump.notes().iter().any(|note| note.name == "QEMU") {
        return Origin::Hypervisor;
    }
    // The crash path writes CRASHTIME to memory before it stops the other CPUs: memory that somebody
    // else copied has it too. Only a file that a crash kernel can have written says more by it.
    let by_a_crash_kernel = !is_bare_memory(dump) || dump.vmcoreinfo().is_some();
    if by_a_crash_kernel && kernel.vmcoreinfo().get("CRASHTIME").is_some() {
        return Origin::Kdump;
    }
    // Kernels before 4.19 have CRASHTIME too; a note that lost it leaves the locks of the path.
    if number(&stop.kexec_lock) == Some(1) && !dump.prstatus().is_empty() {
        return Origin::Kdump;
    }
    Origin::Unknown
}

/// Memory without the notes that /proc/vmcore always has, in a format that others write as well.
fn is_bare_memory(dump: &Dump) -> bool {
    let anybody = matches!(
        dump.format(),
        Format::Elf | Format::ElfFlattened | Format::Raw | Format::Lime | Format::Avml
    );
    anybody && dump.prstatus().is_empty()
}

/// VMX or SVM, by the boot CPU's capabilities; where the kernel names what it uses, by that.
fn feature_of(kernel: &Kernel) -> (Feature, Fact<u32>) {
    let used = virt_ops_feature(kernel);
    if let Ok(Some(read)) = &used {
        match read.value {
            FEATURE_VMX => return (Feature::Vmx, used),
            FEATURE_SVM => return (Feature::Svm, used),
            0 => return (Feature::None, used),
            _ => {}
        }
    }
    match capabilities(kernel, None) {
        Ok((vmx, svm, address)) => {
            let feature = match (vmx, svm) {
                (true, _) => Feature::Vmx,
                (_, true) => Feature::Svm,
                _ => Feature::None,
            };
            (
                feature,
                Ok(Some(Read {
                    value: u32::from(vmx) | u32::from(svm) << 1,
                    address,
                })),
            )
        }
        Err(e) => (Feature::Unknown, Err(e)),
    }
}

/// `virt_ops.feature` (7.1+): what arch/x86/virt/hw.c switches off. 0: nothing (no VMX and no
/// SVM, an SEV guest, or a kernel without KVM).
///
/// Without types the member is taken to be the first, as it is in all releases so far; only a
/// value that it can have is believed then.
fn virt_ops_feature(kernel: &Kernel) -> Fact<u32> {
    let at = match kernel.symbol("virt_ops") {
        Err(e) if e.is_absent() => return Ok(None),
        found => found?,
    };
    let typed = kernel
        .object(at, "struct x86_virt_ops")
        .and_then(|ops| ops.field("feature"));
    let (value, address) = match typed {
        Ok(field) => (field.u64()? as u32, field.address),
        Err(Error::NoTypes { .. }) => (kernel.space().u32(at)?, at),
        Err(e) if e.is_absent() => return Ok(None),
        Err(e) => return Err(e),
    };
    let believed = kernel.types().is_ok() || matches!(value, FEATURE_VMX | FEATURE_SVM);
    Ok(believed.then_some(Read { value, address }))
}

/// Whether a CPU (`None`: the boot CPU) has VMX and SVM, and where that was read.
pub(crate) fn capabilities(kernel: &Kernel, cpu: Option<CpuId>) -> Result<(bool, bool, VirtAddr)> {
    let info = match cpu {
        None => kernel.global("boot_cpu_data", "struct cpuinfo_x86")?,
        Some(cpu) => kernel.percpu_object("cpu_info", "struct cpuinfo_x86", cpu)?,
    };
    let words = info.declared(&CAPABILITY)?;
    let has = |bit: u32| -> Result<bool> {
        let word = words.index(u64::from(bit / 32))?.u64()?;
        Ok(word >> (bit % 32) & 1 == 1)
    };
    if words.index(0)?.u64()? == 0 {
        return Err(Error::Implausible {
            what: "x86_capability".into(),
            at: words.address,
            found: "no feature at all: this CPU was never set up".into(),
        });
    }
    Ok((has(FEATURE_VMX)?, has(FEATURE_SVM)?, words.address))
}

/// The kernel's number of the CPU whose registers a hypervisor's note holds: its GS base in
/// kernel mode is the CPU's per-CPU offset; in user mode, `swapgs` keeps that aside.
fn cpu_of_note(kernel: &Kernel, cpus: &Cpus, note: &QemuCpu) -> Option<CpuId> {
    let bases = [Some(note.gs.base), note.kernel_gs_base];
    let start = kernel
        .symbols()
        .ok()?
        .get("__per_cpu_start")
        .map_or(0, |s| s.address.0);
    cpus.possible.iter().find(|cpu| {
        // Until 6.14 the symbols start at 0, since 6.15 GS points so that their sum is right.
        let offset = cpus.address(VirtAddr(0), *cpu).map_or(0, |a| a.0);
        let area = cpus.address(VirtAddr(start), *cpu).map_or(0, |a| a.0);
        offset != 0
            && bases
                .iter()
                .flatten()
                .any(|base| *base == offset || *base == area)
    })
}
