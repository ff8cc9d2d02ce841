//! What signatures need of the kernel's memory beside the report. What a kernel does not have, or
//! can't be read, stays empty: an issue is then not recognised.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Kernel, Result, Start, list};

use super::surroundings;
use crate::era::{DisabledBy, Vmclear};
use crate::evidence::Findings;
use crate::machine::{Machine, number};
use crate::report::state::{Feature, Origin};

/// More VMCSes than a CPU has loaded.
const MAX_VMCS: usize = 4096;
/// More handlers than an NMI has.
const MAX_NMI_HANDLERS: usize = 64;

/// Traces of known defects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    /// The kernel has no code that disables in a crash.
    pub(super) no_emergency_path: bool,
    /// The kernel's restart asks other CPUs only where the restarting one is in VMX operation.
    pub(super) old_vmx_restart: bool,
    /// An emergency restart had begun (`reboot_emergency`).
    pub(super) emergency_restart: Option<bool>,
    /// The crash NMI was sent (`crash_ipi_issued`).
    pub(super) nmi_sent: Option<bool>,
    /// Whether the functions that disable SVM set GIF; `None` where their text can't be read.
    pub(super) disable_sets_gif: Option<bool>,
    /// The kernel never executes VMCLEAR for a crash kernel.
    pub(super) no_vmclear_path: bool,
    /// VMCSes are cleared for a crash kernel, and not for an emergency restart.
    pub(super) vmclear_for_kdump_only: bool,
    /// CPUs with a loaded VMCS.
    pub(super) loaded_vmcs: Vec<u32>,
    /// CPUs whose list of loaded VMCSes is a null pointer.
    pub(super) null_vmcs_list: Vec<u32>,
    /// CPUs with a loaded VMCS for which the crash path was told to skip VMCLEAR.
    pub(super) vmclear_skipped: Vec<u32>,
    /// CPUs with a loaded VMCS that has a shadow.
    pub(super) shadow_vmcs: Vec<u32>,
    /// VMCLEAR instructions in the callback's own text.
    pub(super) callback_vmclears: Option<usize>,
    /// `crash_kexec_post_notifiers` was set.
    pub(super) post_notifiers: Option<bool>,
    /// The kernel has no `crash_smp_send_stop()`.
    pub(super) no_friendly_stop: bool,
    /// An NMI handler that links to itself.
    pub(super) nmi_handlers_loop: Option<VirtAddr>,
    /// The crashing CPU, where it stands in the registration of the crash NMI's handler.
    pub(super) registering_nmi_handler: Option<CpuId>,
    /// A CPU that loops in `nmi_panic_self_stop()`.
    pub(super) loops_in_nmi: Option<CpuId>,
    /// A CPU on which TDX was initialised, where nothing shuts the TDX module down.
    pub(super) tdx_left_running: Option<CpuId>,
    /// A CPU whose caches hold lines that TDX wrote, in a kernel that flushes them only on its way
    /// through an orderly stop.
    pub(super) tdx_cache_dirty: Option<CpuId>,
    /// SNP guests that were alive.
    pub(super) snp_guests: usize,
    /// The kernel takes over no device table of AMD's IOMMU.
    pub(super) no_table_reuse: bool,
    /// VT-d ran in scalable mode, and the kernel can't copy its tables.
    pub(super) scalable_mode: bool,
    /// Only KVM's callback switches virtualization off in a crash.
    pub(super) callback_only: bool,
    /// The module of another hypervisor that is loaded.
    pub(super) foreign_hypervisor: Option<String>,
    /// What says that a hypervisor below owns virtualization.
    pub(super) hypervisor_below: Option<&'static str>,
}

impl Traces {
    /// Reads them.
    pub(crate) fn read(machine: &Machine<'_>, found: &[(CpuId, Findings)]) -> Traces {
        let kernel = machine.kernel;
        let layout = machine.layout;
        let absent = |name: &str| kernel.symbol(name).is_err_and(|e| e.is_absent());
        let flag = |name: &str| -> Option<bool> {
            let at = kernel.symbol(name).ok()?;
            Some(kernel.space().u8(at).ok()? != 0)
        };
        let mut traces = Traces {
            no_emergency_path: layout.disabled_by == DisabledBy::Nobody,
            old_vmx_restart: layout.restart_may_leave_others,
            emergency_restart: flag("reboot_emergency"),
            nmi_sent: number(&machine.stop.crash_ipi_issued).map(|n| n != 0),
            no_vmclear_path: layout.vmclear == Vmclear::Never,
            vmclear_for_kdump_only: layout.vmclear == Vmclear::ForKdump,
            post_notifiers: flag("crash_kexec_post_notifiers"),
            no_friendly_stop: absent("crash_smp_send_stop"),
            nmi_handlers_loop: nmi_handlers_loop(kernel).ok().flatten(),
            registering_nmi_handler: registering(machine),
            loops_in_nmi: loops_in_nmi(found),
            tdx_left_running: tdx_left_running(machine),
            tdx_cache_dirty: tdx_cache_dirty(machine),
            snp_guests: surroundings::snp_guests(kernel),
            no_table_reuse: absent("reuse_device_table") && absent("__reuse_device_table"),
            scalable_mode: surroundings::scalable_mode(kernel).unwrap_or(false),
            callback_only: matches!(
                layout.disabled_by,
                DisabledBy::Callback | DisabledBy::CallbackFor(_)
            ),
            foreign_hypervisor: surroundings::foreign_hypervisor(kernel),
            hypervisor_below: surroundings::hypervisor_below(kernel),
            ..Traces::default()
        };
        match machine.feature {
            Feature::Vmx => traces.read_vmx(machine),
            Feature::Svm => traces.disable_sets_gif = disable_sets_gif(machine),
            Feature::None | Feature::Unknown => {}
        }
        traces
    }

    fn read_vmx(&mut self, machine: &Machine<'_>) {
        for cpu in machine.cpus.possible.iter() {
            match loaded_vmcs(machine, cpu) {
                Ok(Loaded::Null) => self.null_vmcs_list.push(cpu.0),
                Ok(Loaded::Empty) => {}
                Ok(Loaded::Some { shadow }) => {
                    self.loaded_vmcs.push(cpu.0);
                    if shadow {
                        self.shadow_vmcs.push(cpu.0);
                    }
                    if matches!(vmclear_is_enabled(machine, cpu), Ok(Some(false))) {
                        self.vmclear_skipped.push(cpu.0);
                    }
                }
                Err(e) => tracing::debug!("loaded VMCSes of CPU {cpu}: {e}"),
            }
        }
        if !self.shadow_vmcs.is_empty() {
            self.callback_vmclears = callback_vmclears(machine).ok();
        }
    }
}

enum Loaded {
    Null,
    Empty,
    Some { shadow: bool },
}

/// The CPU's list of loaded VMCSes (`struct loaded_vmcs`, linked by `loaded_vmcss_on_cpu_link`).
fn loaded_vmcs(machine: &Machine<'_>, cpu: CpuId) -> Result<Loaded> {
    let base = machine.vendor_symbol("loaded_vmcss_on_cpu")?;
    let head = machine.cpus.address(base, cpu)?;
    let space = machine.kernel.space();
    match space.pointer(head)? {
        VirtAddr(0) => return Ok(Loaded::Null),
        next if next == head => return Ok(Loaded::Empty),
        _ => {}
    }
    let walk = list::walk(space, "loaded VMCSes", head, MAX_VMCS);
    let has_shadow = |link: &VirtAddr| -> Result<bool> {
        let object = |at| match machine.vendor {
            Some(vendor) => vendor.object(machine.kernel, at, "struct loaded_vmcs"),
            None => machine.kernel.object(at, "struct loaded_vmcs"),
        };
        let offset = object(VirtAddr(0))?
            .field("loaded_vmcss_on_cpu_link")?
            .address
            .0;
        let shadow = object(list::container_of(*link, offset))?.field("shadow_vmcs")?;
        Ok(shadow.pointer()?.0 != 0)
    };
    let shadow = walk
        .entries
        .iter()
        .any(|link| has_shadow(link).unwrap_or(false));
    Ok(Loaded::Some { shadow })
}

/// The CPU's bit in kvm_intel's `crash_vmclear_enabled_bitmap` (`cpumask_t`, until 5.6).
fn vmclear_is_enabled(machine: &Machine<'_>, cpu: CpuId) -> Result<Option<bool>> {
    let at = match machine.vendor_symbol("crash_vmclear_enabled_bitmap") {
        Err(e) if e.is_absent() => return Ok(None),
        found => found?,
    };
    let word = VirtAddr(at.0.wrapping_add(u64::from(cpu.0 / 64) * 8));
    let bits = machine.kernel.space().u64(word)?;
    Ok(Some(bits >> (cpu.0 % 64) & 1 == 1))
}

/// VMCLEAR instructions in the function that is registered.
fn callback_vmclears(machine: &Machine<'_>) -> Result<usize> {
    let variable = machine.layout.callback_variable.unwrap_or_default();
    let kernel = machine.kernel;
    let callback = kernel.space().pointer(kernel.symbol(variable)?)?;
    Ok(kernel.function_around(callback)?.vmclears())
}

/// Whether any of the functions that switch SVM off in an emergency executes STGI first.
fn disable_sets_gif(machine: &Machine<'_>) -> Option<bool> {
    /// Where the code is, newest first: 7.1, 6.3, before.
    const PLACES: [&str; 4] = [
        "x86_svm_disable_virtualization_cpu",
        "x86_svm_emergency_disable_virtualization_cpu",
        "cpu_emergency_disable_virtualization",
        "kdump_nmi_callback",
    ];
    let kernel = machine.kernel;
    let named = PLACES.iter().filter_map(|name| kernel.function(name).ok());
    let callback = || {
        let variable = kernel.symbol(machine.layout.callback_variable?).ok()?;
        let to = kernel.space().pointer(variable).ok()?;
        kernel.function_around(to).ok()
    };
    let mut functions: Vec<_> = named.collect();
    functions.extend(callback());
    if functions.iter().any(virtopsy_kernel::Function::sets_gif) {
        return Some(true);
    }
    // Only text that writes an MSR is the text that disables.
    let disables = functions
        .iter()
        .any(virtopsy_kernel::Function::switches_svm);
    disables.then_some(false)
}

/// A handler of ordinary NMIs whose link leads to itself.
fn nmi_handlers_loop(kernel: &Kernel) -> Result<Option<VirtAddr>> {
    let head = kernel
        .global("nmi_desc", "struct nmi_desc")?
        .field("head")?
        .address;
    let walk = list::walk(kernel.space(), "NMI handlers", head, MAX_NMI_HANDLERS);
    let pairs = walk.entries.iter().zip(walk.entries.iter().skip(1));
    let same = pairs.filter(|(a, b)| a == b).map(|(a, _)| *a).next();
    Ok(same)
}

/// The crashing CPU, where it began the shootdown, sent no NMI, and its stack stands in the
/// registration of the handler.
fn registering(machine: &Machine<'_>) -> Option<CpuId> {
    let cpu = machine.crashing_cpu()?;
    let sent = number(&machine.stop.crash_ipi_issued)?;
    if sent != 0 || machine.origin == Origin::Kdump {
        return None;
    }
    let trace = machine.kernel.backtrace(Start::Cpu(cpu));
    let stands = trace.frames.iter().filter(|f| f.is_reliable()).any(|f| {
        f.location
            .as_ref()
            .is_some_and(|l| l.symbol.starts_with("__register_nmi_handler"))
    });
    stands.then_some(cpu)
}

/// A CPU that hangs in the loop of a panic that came second in NMI context.
fn loops_in_nmi(found: &[(CpuId, Findings)]) -> Option<CpuId> {
    let mut hung = found
        .iter()
        .filter_map(|(cpu, f)| Some((cpu, f.hangs_in.as_ref()?)));
    let (cpu, _) = hung.find(|(_, at)| at.function() == "nmi_panic_self_stop")?;
    Some(*cpu)
}

fn tdx_left_running(machine: &Machine<'_>) -> Option<CpuId> {
    let kernel = machine.kernel;
    if kernel.symbol("tdx_lp_initialized").is_err() || kernel.symbol("tdx_sys_disable").is_ok() {
        return None;
    }
    let initialised = |cpu: &CpuId| {
        let at = kernel.percpu("tdx_lp_initialized", *cpu);
        at.and_then(|at| kernel.space().u8(at))
            .is_ok_and(|flag| flag == 1)
    };
    machine.cpus.possible.iter().find(initialised)
}

/// A CPU with lines of TDX's private memory in its caches (`cache_state_incoherent`, 6.18), where the
/// crash path does not shut the TDX module down.
fn tdx_cache_dirty(machine: &Machine<'_>) -> Option<CpuId> {
    let kernel = machine.kernel;
    if kernel.symbol("tdx_sys_disable").is_ok() {
        return None;
    }
    let flag = |name: &str, cpu: CpuId| {
        let at = kernel.percpu(name, cpu);
        at.and_then(|at| kernel.space().u8(at))
            .is_ok_and(|flag| flag == 1)
    };
    // SME sets the flag, too.
    let dirty =
        |cpu: &CpuId| flag("tdx_lp_initialized", *cpu) && flag("cache_state_incoherent", *cpu);
    kernel.symbol("cache_state_incoherent").ok()?;
    machine.cpus.possible.iter().find(dirty)
}
