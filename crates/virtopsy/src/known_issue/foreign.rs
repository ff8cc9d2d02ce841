//! Hypervisors beside KVM, and below the kernel.

use super::{Case, KnownIssue};
use crate::report::{CallbackState, Verdict};

pub(super) const HELD_BY_MODULE: KnownIssue = KnownIssue {
    title: "another hypervisor's module is loaded, and only KVM's callback would switch virtualization off",
    since: Some("6.6"),
    until: None,
    caused_by: None,
    fixed_by: None,
    text: "VirtualBox (vboxdrv) and VMware (vmmon) enable VMX or SVM themselves. Since 6.6 the emergency path \
           switches it off only through the callback that KVM registers while it uses virtualization; \
           without one nothing does, whatever another module enabled, and a crash kernel can hang when it \
           starts the other CPUs. Earlier kernels looked at the CPU's own state.\n\n\
           What to do now: stop that hypervisor's guests and unload its modules before relying on kdump, \
           or boot the crash kernel with nr_cpus=1. No fix is known upstream.",
    signature: held_by_module,
};

pub(super) const UNDER_HYPERVISOR: KnownIssue = KnownIssue {
    title: "the kernel runs as Xen's domain 0 or as Hyper-V's root partition",
    since: None,
    until: None,
    caused_by: None,
    fixed_by: None,
    text: "Below this kernel runs a hypervisor that owns VMX or SVM on the real CPUs. What the kernel's own \
           registers and variables say is about what that hypervisor shows it: \"off\" here does not mean \
           that virtualization was off on the machine, and nothing in Linux could switch it off.\n\n\
           What to do now: Xen has a crash kernel of its own (crashkernel= on Xen's command line), whose \
           dump holds the hypervisor too. On Hyper-V ask the hypervisor for its dump.",
    signature: under_hypervisor,
};

fn held_by_module(case: &Case<'_>) -> Option<String> {
    let report = case.report;
    let module = case.traces.foreign_hypervisor.as_ref()?;
    let undisabled = case.traces.callback_only
        && report.callback.state == CallbackState::None
        && report.virtualization.verdict != Verdict::AllOff;
    undisabled.then(|| {
        format!("{module} is loaded, no emergency callback was registered, and not all CPUs are known to be off")
    })
}

fn under_hypervisor(case: &Case<'_>) -> Option<String> {
    case.traces.hypervisor_below.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::tests::ids;
    use crate::known_issue::Traces;
    use crate::report::{CallbackState, DumpReport, Verdict};

    #[test]
    fn a_foreign_module_is_recognised_where_nothing_switches_off() {
        let with = |state, verdict, module: Option<&str>| {
            let mut report = DumpReport::default();
            report.callback.state = state;
            report.virtualization.verdict = verdict;
            let traces = Traces {
                foreign_hypervisor: module.map(str::to_owned),
                callback_only: true,
                ..Traces::default()
            };
            ids(&report, &traces, None)
        };
        let none = CallbackState::None;
        assert_eq!(
            with(none, Verdict::NotAllOff, Some("vboxdrv")),
            ["virt-held-by-foreign-module"]
        );
        assert!(with(none, Verdict::AllOff, Some("vboxdrv")).is_empty());
        assert!(with(none, Verdict::NotAllOff, None).is_empty());
        let registered = CallbackState::Registered;
        assert!(with(registered, Verdict::NotAllOff, Some("vmmon")).is_empty());
    }

    #[test]
    fn a_hypervisor_below_is_recognised() {
        let traces = Traces {
            hypervisor_below: Some("xen_domain_type is 1 (PV)"),
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["virt-owned-by-hypervisor-below"]
        );
    }
}
