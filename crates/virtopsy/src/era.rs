//! Where x86 virtualization state lives, release by release.
//!
//! An era is told by the symbols that are present, never by a version: stable releases carry
//! backports (5.15.135 has the shape of 6.3), and one of them (6.1.y) has a shape of its own.

use virtopsy_kernel::Kernel;

use crate::report::state::Feature;

/// A layout of the kernel's emergency path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 3.8 to 6.2: kvm_intel registers a VMCLEAR callback; the NMI handler of kdump itself
    /// switches VMX and SVM off (`cpu_emergency_vmxoff()`, inlined).
    A,
    /// 6.3 to 6.5, 5.15.y: the same callback; `cpu_emergency_disable_virtualization()` switches
    /// off, called by the core NMI handler (commit 26044aff37a5).
    B,
    /// 6.1.y: a common callback that kvm_intel alone registers; SVM is switched off by the core.
    Hybrid,
    /// 6.6 to 6.11: the vendor module registers a callback that does all (5e408396c60c).
    C,
    /// 6.12 to 7.0: as C, registered only while KVM has virtualization enabled (590b09b1d88e).
    D,
    /// C or D: no vendor module is loaded that would tell which.
    CommonCallback,
    /// 7.1 and later: arch/x86/virt/hw.c switches off, KVM's callback only cleans up
    /// (428afac5a8ea).
    E,
    /// A kernel without any emergency path (before 2.6.29, or without KVM for Intel and AMD).
    NoEmergencyPath,
}

/// What an era means. All that tells eras apart is here: who needs to know of an era asks its
/// layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// What the era is, for a reader.
    pub(crate) description: &'static str,
    /// The variable that holds the callback.
    pub(crate) callback_variable: Option<&'static str>,
    /// The functions that KVM registers there.
    pub(crate) callbacks: &'static [Callback],
    /// The pointer is read without `rcu_read_lock()` (428afac5a8ea), with or without RCU's check.
    pub(crate) reads_callback_unlocked: bool,
    /// The function that switches virtualization off on its own CPU, called by the NMI handler.
    pub(crate) disable: Option<&'static str>,
    /// Who switches virtualization off on the emergency path.
    pub(crate) disabled_by: DisabledBy,
    /// For whom VMCSes are cleared.
    pub(crate) vmclear: Vmclear,
    /// The flag that the emergency path sets first.
    pub(crate) rebooting_flag: Option<RebootingFlag>,
    /// Whether the emergency path switches SVM off when CPUs are stopped by the REBOOT vector.
    pub(crate) reboot_vector_disables_svm: bool,
    /// An emergency restart may leave other CPUs in VMX operation: some kernels of the era ask
    /// them only where the restarting CPU is in it itself (before ed72736183c4).
    pub(crate) restart_may_leave_others: bool,
    /// CPUs that were taken offline may take the crash NMI too, and count down: 4.19's `do_nmi()`
    /// does not ask whether the CPU is online.
    pub(crate) offlined_cpus_count_down: bool,
}

/// A function that KVM registers as its callback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callback {
    /// The vendor whose module registers it.
    pub(crate) vendor: Feature,
    /// Its name.
    pub(crate) function: &'static str,
}

/// Who switches virtualization off on the emergency path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DisabledBy {
    /// The kernel itself, whatever is registered.
    Kernel,
    /// The registered callback, and nothing else.
    Callback,
    /// The registered callback for that vendor, the kernel itself for the other.
    CallbackFor(Feature),
    /// Nobody.
    Nobody,
}

/// For whom the kernel executes VMCLEAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vmclear {
    /// For nobody.
    Never,
    /// For a crash kernel, and not for an emergency restart.
    ForKdump,
    /// For both.
    Always,
}

/// The flag that the emergency path sets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RebootingFlag {
    /// `virt_rebooting`, the kernel's.
    Virt,
    /// `kvm_rebooting`, KVM's.
    Kvm,
}

impl RebootingFlag {
    /// Its symbol.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            RebootingFlag::Virt => "virt_rebooting",
            RebootingFlag::Kvm => "kvm_rebooting",
        }
    }
}

const VMX_CB: &str = "vmx_emergency_disable_virtualization_cpu";
const SVM_CB: &str = "svm_emergency_disable_virtualization_cpu";
const OLD_VMX_CB: &str = "vmx_emergency_disable";
const OLD_SVM_CB: &str = "svm_emergency_disable";

const fn vmx(function: &'static str) -> Callback {
    Callback {
        vendor: Feature::Vmx,
        function,
    }
}

const fn svm(function: &'static str) -> Callback {
    Callback {
        vendor: Feature::Svm,
        function,
    }
}

const A: Layout = Layout {
    description: "A (3.8-6.2: kdump's NMI handler switches off, crash_vmclear_loaded_vmcss)",
    callback_variable: Some("crash_vmclear_loaded_vmcss"),
    callbacks: &[vmx("crash_vmclear_local_loaded_vmcss")],
    reads_callback_unlocked: false,
    disable: None,
    disabled_by: DisabledBy::Kernel,
    vmclear: Vmclear::ForKdump,
    rebooting_flag: Some(RebootingFlag::Kvm),
    reboot_vector_disables_svm: false,
    restart_may_leave_others: true,
    offlined_cpus_count_down: true,
};

const B: Layout = Layout {
    description: "B (6.3-6.5, 5.15.y: core NMI handler switches off, crash_vmclear_loaded_vmcss)",
    disable: Some("cpu_emergency_disable_virtualization"),
    reboot_vector_disables_svm: true,
    restart_may_leave_others: false,
    offlined_cpus_count_down: false,
    ..A
};

const COMMON_CALLBACK: Layout = Layout {
    description: "C or D (6.6-7.0: cpu_emergency_virt_callback, no vendor module to tell which)",
    callback_variable: Some("cpu_emergency_virt_callback"),
    callbacks: &[vmx(VMX_CB), svm(SVM_CB), vmx(OLD_VMX_CB), svm(OLD_SVM_CB)],
    disabled_by: DisabledBy::Callback,
    vmclear: Vmclear::Always,
    ..B
};

const HYBRID: Layout = Layout {
    description: "hybrid (6.1.y: common callback for VMX, core switches SVM off)",
    callbacks: &[vmx(OLD_VMX_CB)],
    disabled_by: DisabledBy::CallbackFor(Feature::Vmx),
    ..COMMON_CALLBACK
};

const C: Layout = Layout {
    description: "C (6.6-6.11: cpu_emergency_virt_callback, registered with the vendor module)",
    callbacks: &[vmx(OLD_VMX_CB), svm(OLD_SVM_CB)],
    ..COMMON_CALLBACK
};

const D: Layout = Layout {
    description: "D (6.12-7.0: cpu_emergency_virt_callback, registered while KVM is enabled)",
    callbacks: &[vmx(VMX_CB), svm(SVM_CB)],
    ..COMMON_CALLBACK
};

const E: Layout = Layout {
    description: "E (7.1+: arch/x86/virt/hw.c, kvm_emergency_callback)",
    callback_variable: Some("kvm_emergency_callback"),
    reads_callback_unlocked: true,
    disable: Some("x86_virt_emergency_disable_virtualization_cpu"),
    disabled_by: DisabledBy::Kernel,
    rebooting_flag: Some(RebootingFlag::Virt),
    ..D
};

const NO_EMERGENCY_PATH: Layout = Layout {
    description: "none (no emergency path for virtualization in this kernel)",
    callback_variable: None,
    callbacks: &[],
    disabled_by: DisabledBy::Nobody,
    vmclear: Vmclear::Never,
    rebooting_flag: None,
    restart_may_leave_others: false,
    offlined_cpus_count_down: false,
    ..A
};

impl Layout {
    /// Whether KVM of this vendor registers a callback at all in this era.
    pub(crate) fn registers_on(&self, feature: Feature) -> bool {
        let by = |vendor| self.callbacks.iter().any(|c| c.vendor == vendor);
        match feature {
            Feature::Vmx | Feature::Svm => by(feature),
            Feature::None | Feature::Unknown => by(Feature::Vmx) && by(Feature::Svm),
        }
    }

    /// Whether a function is one that KVM of either vendor registers.
    pub(crate) fn is_callback(&self, name: &str) -> bool {
        self.callbacks.iter().any(|c| c.function == name)
    }
}

impl Era {
    /// The era of a kernel.
    pub(crate) fn of(kernel: &Kernel) -> virtopsy_kernel::Result<Era> {
        let symbols = kernel.symbols()?;
        let module = |name: &str| kernel.modules().get(name);
        Ok(Era::told_by(&Names {
            kernel: &|name| symbols.get(name).is_some(),
            loaded: &|name| module(name).is_some(),
            in_module: &|of, name| module(of).is_some_and(|m| m.symbol(kernel, name).is_ok()),
            core_switches_svm: &|| core_switches_svm(kernel),
        }))
    }

    pub(crate) fn told_by(names: &Names<'_>) -> Era {
        let has = names.kernel;
        if has("kvm_emergency_callback") || has("x86_virt_emergency_disable_virtualization_cpu") {
            return Era::E;
        }
        if has("cpu_emergency_virt_callback") {
            return names.common_callback_era();
        }
        match (
            has("crash_vmclear_loaded_vmcss"),
            has("cpu_emergency_disable_virtualization"),
        ) {
            (true, true) => Era::B,
            (true, false) => Era::A,
            (false, true) => Era::CommonCallback,
            (false, false) => Era::NoEmergencyPath,
        }
    }

    /// What this era means.
    pub(crate) fn layout(self) -> Layout {
        match self {
            Era::A => A,
            Era::B => B,
            Era::Hybrid => HYBRID,
            Era::C => C,
            Era::D => D,
            Era::CommonCallback => COMMON_CALLBACK,
            Era::E => E,
            Era::NoEmergencyPath => NO_EMERGENCY_PATH,
        }
    }
}

/// What is asked of a kernel to tell its era.
pub(crate) struct Names<'a> {
    /// Whether the kernel proper has a symbol.
    pub(crate) kernel: &'a dyn Fn(&str) -> bool,
    /// Whether a module is loaded.
    pub(crate) loaded: &'a dyn Fn(&str) -> bool,
    /// Whether a loaded module has a symbol.
    pub(crate) in_module: &'a dyn Fn(&str, &str) -> bool,
    pub(crate) core_switches_svm: &'a dyn Fn() -> bool,
}

impl Names<'_> {
    /// C, D and the hybrid share the pointer; the vendor module's functions tell them apart.
    fn common_callback_era(&self) -> Era {
        let any_has = |modules: &[&str], name: &str| {
            (self.kernel)(name) || modules.iter().any(|module| (self.in_module)(module, name))
        };
        let has = |name: &str| any_has(&["kvm_intel", "kvm_amd"], name);
        if has(VMX_CB) || has(SVM_CB) {
            Era::D
        } else if has(OLD_SVM_CB) {
            Era::C
        } else if (self.core_switches_svm)() {
            Era::Hybrid
        } else if has(OLD_VMX_CB) {
            // 6.6 moved Intel's and AMD's at once; only 6.1.y has Intel's alone. Both modules are
            // rarely loaded, so ask for the counter that 6.3 renamed.
            if any_has(&["kvm"], "cpus_hardware_enabled") {
                Era::Hybrid
            } else {
                Era::C
            }
        } else if (self.loaded)("kvm_amd") {
            // kvm_amd without a callback of its own.
            Era::Hybrid
        } else {
            Era::CommonCallback
        }
    }
}

/// In the hybrid the core switches SVM off itself; in C and D it only calls the callback.
pub(crate) fn core_switches_svm(kernel: &Kernel) -> bool {
    let function = kernel.function("cpu_emergency_disable_virtualization");
    function.is_ok_and(|f| f.switches_svm())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols of the kernel, then those of each module as `module:symbol`; `module:` alone is
    /// loaded without one that counts.
    fn told(symbols: &[&str], core_switches_svm: bool) -> Era {
        let in_module = |of: &str, name: &str| symbols.contains(&format!("{of}:{name}").as_str());
        Era::told_by(&Names {
            kernel: &|name| symbols.contains(&name),
            loaded: &|name| symbols.iter().any(|s| s.starts_with(&format!("{name}:"))),
            in_module: &in_module,
            core_switches_svm: &|| core_switches_svm,
        })
    }

    /// The symbols are those of kernels of these releases, as their sources have them.
    #[test]
    fn each_release_has_its_era() {
        let (vmclear, disable) = (
            "crash_vmclear_loaded_vmcss",
            "cpu_emergency_disable_virtualization",
        );
        let common = "cpu_emergency_virt_callback";
        let counter = "kvm:cpus_hardware_enabled";
        for (release, symbols, core, era) in [
            (
                "4.19.13",
                &[vmclear, "kvm_amd:", counter][..],
                false,
                Era::A,
            ),
            ("5.4.18", &[vmclear, "kvm_intel:", counter], false, Era::A),
            ("5.10.7", &[vmclear], false, Era::A),
            (
                "5.10.262",
                &[vmclear, disable, "kvm_intel:", counter],
                true,
                Era::B,
            ),
            ("5.15.135", &[vmclear, disable], true, Era::B),
            ("6.4, AMD", &[vmclear, disable, "kvm_amd:"], true, Era::B),
            (
                "6.1.192, Intel",
                &[common, disable, "kvm_intel:vmx_emergency_disable", counter],
                true,
                Era::Hybrid,
            ),
            (
                "6.1.192, AMD",
                &[common, disable, "kvm_amd:", counter],
                true,
                Era::Hybrid,
            ),
            (
                "6.1.192, text lost",
                &[common, disable, "kvm_amd:"],
                false,
                Era::Hybrid,
            ),
            (
                "6.1.192, Intel, text lost",
                &[common, disable, "kvm_intel:vmx_emergency_disable", counter],
                false,
                Era::Hybrid,
            ),
            (
                "6.8, AMD",
                &[common, disable, "kvm_amd:svm_emergency_disable"],
                false,
                Era::C,
            ),
            (
                "6.8, Intel",
                &[common, disable, "kvm_intel:vmx_emergency_disable"],
                false,
                Era::C,
            ),
            (
                "6.8, KVM built in",
                &[common, disable, "svm_emergency_disable"],
                false,
                Era::C,
            ),
            (
                "6.12.107, AMD",
                &[
                    common,
                    disable,
                    "kvm_amd:svm_emergency_disable_virtualization_cpu",
                ],
                false,
                Era::D,
            ),
            (
                "7.0.0, Intel",
                &[
                    common,
                    disable,
                    "kvm_intel:vmx_emergency_disable_virtualization_cpu",
                ],
                false,
                Era::D,
            ),
            (
                "6.6 to 7.0, no KVM",
                &[common, disable],
                false,
                Era::CommonCallback,
            ),
            (
                "7.2.13",
                &["kvm_emergency_callback", "virt_ops"],
                false,
                Era::E,
            ),
            (
                "7.2.13, the static variable left out",
                &["x86_virt_emergency_disable_virtualization_cpu"],
                false,
                Era::E,
            ),
            (
                "without KVM for Intel and AMD",
                &["machine_crash_shutdown"],
                false,
                Era::NoEmergencyPath,
            ),
        ] {
            assert_eq!(told(symbols, core), era, "{release}");
        }
    }
}
