//! The KVM emergency callback: which function was registered, and was its code alive?
//!
//! `delete_module()` goes: state GOING, the module's exit function (which unregisters the
//! callback), state UNFORMED, off the list, memory freed. So a pointer into a module that is
//! GOING is the window that upstream accepts, and one into no module is a use after free waiting
//! to happen: newer kernels keep freed module text mapped and filled with 0xCC, older ones unmap
//! it.

mod code;
mod dereference;
mod in_flight;
mod ops_table;
mod path;

pub(crate) use path::on_the_way;

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Kernel, Module, ModuleState, ModuleUsers};

use crate::cpu_list::ranges;
use crate::era::{Era, Layout};
use crate::machine::last_unloaded;
use crate::report::{
    CallbackReport, CallbackState, CodeState, Feature, Hex, ModuleUseReport, Text,
};

/// What the callback is judged by, beside its pointer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    /// What the machine has.
    pub(crate) feature: Feature,
    /// Some CPU's counters say that virtualization is in use.
    pub(crate) enabled: bool,
    /// CPUs that may have been executing the callback.
    pub(crate) suspects: Vec<CpuId>,
}

/// Reads and judges the callback.
pub(crate) fn examine(kernel: &Kernel, circumstances: &Circumstances) -> CallbackReport {
    let feature = circumstances.feature;
    let layout = match Era::of(kernel) {
        Ok(era) => era.layout(),
        Err(e) => return unknown(format!("the kernel's symbols are not known: {e}")),
    };
    let Some(variable) = layout.callback_variable else {
        return CallbackReport {
            state: CallbackState::None,
            summary: "this kernel has no emergency callback for KVM".into(),
            ..CallbackReport::default()
        };
    };
    let mut report = CallbackReport {
        variable: Some(variable.into()),
        ..CallbackReport::default()
    };
    let at = match kernel.symbol(variable) {
        Ok(at) => at,
        Err(e) => {
            return CallbackReport {
                summary: e.to_string(),
                ..report
            };
        }
    };
    report.address = Some(Hex(at.0));
    if layout.reads_callback_unlocked {
        report.dereference = Some(dereference::inspect(kernel, at));
    }
    let value = match kernel.space().pointer(at) {
        Ok(value) => value,
        Err(e) => {
            return CallbackReport {
                summary: format!("the pointer can't be read: {e}"),
                ..report
            };
        }
    };
    report.value = Some(Hex(value.0));
    report.ops_table = ops_table::read(kernel, value);
    if value.0 == 0 {
        report.state = CallbackState::None;
        let missing = circumstances.enabled && layout.registers_on(feature);
        report.expected = Some(!missing);
        report.summary = if missing {
            "no callback is registered although virtualization is enabled: nobody would clear KVM's state".into()
        } else {
            "no callback is registered, as it should be here".into()
        };
        return report;
    }
    report.code = Some(code::read(kernel, value));
    report.in_flight = in_flight::find(kernel, layout, value, &circumstances.suspects);
    let mut report = judge_target(kernel, layout, feature, value, report);
    add_what_contradicts(&mut report);
    report
}

/// What stands against a callback that looks sound by its pointer.
fn add_what_contradicts(report: &mut CallbackReport) {
    let poisoned = report
        .code
        .as_ref()
        .is_some_and(|c| matches!(c.state, CodeState::Poisoned | CodeState::Unmapped));
    if report.state == CallbackState::Registered && poisoned {
        report.state = CallbackState::Dangling;
        report
            .summary
            .push_str("; but its code is gone: the memory there is poisoned or not mapped");
    }
    if let Some(table) = report.ops_table.as_ref().filter(|t| !t.agrees) {
        let named = table
            .symbol
            .as_ref()
            .map_or_else(|| table.value.to_string(), ToString::to_string);
        report.summary.push_str(&format!(
            "; KVM's table of operations names another function: {named}"
        ));
        report.expected = Some(false);
    }
    if !report.in_flight.is_empty() {
        let cpus: Vec<u32> = report.in_flight.iter().map(|f| f.cpu).collect();
        report
            .summary
            .push_str(&format!("; CPU {} stands inside it", ranges(&cpus)));
    }
}

fn unknown(summary: String) -> CallbackReport {
    CallbackReport {
        summary,
        ..CallbackReport::default()
    }
}

fn judge_target(
    kernel: &Kernel,
    layout: Layout,
    feature: Feature,
    value: VirtAddr,
    report: CallbackReport,
) -> CallbackReport {
    let modules = kernel.modules();
    if let Some(module) = modules.containing(value) {
        return in_module(kernel, layout, feature, value, module, report);
    }
    if kernel.may_be_code(value) {
        return in_kernel(kernel, layout, feature, value, report);
    }
    if let Some(e) = &modules.broken {
        let summary = format!(
            "it points to {value}, in no module that could be read; the module list is not whole: {e}"
        );
        return CallbackReport { summary, ..report };
    }
    dangling(kernel, value, report)
}

fn in_module(
    kernel: &Kernel,
    layout: Layout,
    feature: Feature,
    value: VirtAddr,
    module: &Module,
    mut report: CallbackReport,
) -> CallbackReport {
    report.module_use = Some(module_use(kernel, module));
    report.module = Some(Text::from(module.name.as_str()));
    report.module_state = Some(module.state.to_string());
    let location = module.locate(kernel, value);
    let (state, tail) = match module.state {
        ModuleState::Live | ModuleState::Coming => (CallbackState::Registered, "its code is alive"),
        ModuleState::Going => (
            CallbackState::Unloading,
            "its module was being removed: its code can vanish under a CPU that runs it",
        ),
        ModuleState::Unformed => (CallbackState::Dangling, "its module has been torn down"),
        ModuleState::Other(_) => (
            CallbackState::Unknown,
            "the state of its module makes no sense",
        ),
    };
    report.state = state;
    let name = match &location {
        Some(l) if l.offset == 0 => {
            report.symbol = Some(Text::from(l.symbol.as_str()));
            l.symbol.clone()
        }
        Some(l) => l.to_string(),
        None => format!("{value}"),
    };
    report.expected = Some(is_expected(layout, feature, &name));
    report.summary = format!("{name} [{}] is registered; {tail}", module.name);
    if report.expected == Some(false) {
        report
            .summary
            .push_str("; it is not the function that KVM registers on this machine");
    }
    report
}

fn module_use(kernel: &Kernel, module: &Module) -> ModuleUseReport {
    let users = kernel.module_users(module).unwrap_or_else(|e| {
        tracing::debug!("users of {}: {e}", module.name);
        ModuleUsers::default()
    });
    ModuleUseReport {
        refcount: module.refcount,
        users: users.names.into_iter().map(Text::from).collect(),
    }
}

fn in_kernel(
    kernel: &Kernel,
    layout: Layout,
    feature: Feature,
    value: VirtAddr,
    mut report: CallbackReport,
) -> CallbackReport {
    let name = kernel.locate(value).map(|l| {
        if l.offset == 0 {
            l.symbol
        } else {
            l.to_string()
        }
    });
    report.state = CallbackState::Registered;
    report.expected = Some(
        name.as_deref()
            .is_some_and(|n| is_expected(layout, feature, n)),
    );
    report.summary = format!(
        "{} of the kernel itself is registered: its code can't go away",
        name.as_deref().unwrap_or("a function")
    );
    report.symbol = name.map(Text::from);
    report
}

/// Points to no module and not into the kernel.
fn dangling(kernel: &Kernel, value: VirtAddr, mut report: CallbackReport) -> CallbackReport {
    let code = report.code.as_ref();
    let what = match code.map_or(CodeState::Unreadable, |c| c.state) {
        CodeState::Poisoned => "the memory there is poisoned (0xcc)".to_owned(),
        CodeState::Present => "the memory there holds other bytes now".to_owned(),
        CodeState::Unmapped => "nothing is mapped there".to_owned(),
        CodeState::Unreadable => {
            let why = code.and_then(|c| c.why.as_deref()).unwrap_or_default();
            format!("the memory there can't be read ({why})")
        }
    };
    report.state = CallbackState::Dangling;
    let last = last_unloaded(kernel).map_or(String::new(), |name| {
        format!("; the last module unloaded was {name}")
    });
    report.summary = format!("it points to {value}, where no module is: {what}{last}");
    report
}

/// Whether a function is what KVM registers in this era for this vendor.
fn is_expected(layout: Layout, feature: Feature, name: &str) -> bool {
    let fits = |vendor| match feature {
        Feature::Svm | Feature::Vmx => vendor == feature,
        Feature::None | Feature::Unknown => true,
    };
    let mut callbacks = layout.callbacks.iter();
    callbacks.any(|c| c.function == name && fits(c.vendor))
}
