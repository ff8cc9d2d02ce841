//! Intel: VMCSes that the emergency path does not flush.
//!
//! VMCLEAR itself leaves no trace in memory; what does is the list of loaded VMCSes, which the
//! emergency path walks and does not change.

use super::{Case, KnownIssue};
use crate::cpu_list::ranges;

pub(super) const NOT_CLEARED: KnownIssue = KnownIssue {
    title: "VMCSes were still loaded when the crash kernel started",
    since: None,
    until: Some("3.8"),
    caused_by: None,
    fixed_by: Some("f23d1f4a1160"),
    text: "A VMCS that is loaded lives partly in the CPU; what is in memory, and so in the dump, can be stale, \
           and the CPU can write to that memory later. This kernel executes no VMCLEAR before it starts the \
           crash kernel. f23d1f4a1160 (\"x86/kexec: VMCLEAR VMCSs loaded on all cpus if necessary\") does.",
    signature: not_cleared,
};

pub(super) const CLEAR_SKIPPED: KnownIssue = KnownIssue {
    title: "VMCLEAR was switched off on a CPU while VMCSes were loaded there",
    since: Some("3.8"),
    until: Some("5.7"),
    caused_by: None,
    fixed_by: Some("31603d4fc2bb"),
    text: "kvm_intel of these kernels keeps a mask of CPUs (crash_vmclear_enabled_bitmap) on which the crash \
           path may walk the list of loaded VMCSes, and clears the bit around every change of the list. A \
           crash in between skips VMCLEAR there. 31603d4fc2bb (\"KVM: VMX: Always VMCLEAR in-use VMCSes \
           during crash with kexec support\") orders the list instead.",
    signature: clear_skipped,
};

pub(super) const LIST_UNINITIALISED: KnownIssue = KnownIssue {
    title: "the callback was registered before the lists that it walks were set up",
    since: None,
    until: Some("5.7"),
    caused_by: Some("31603d4fc2bb"),
    fixed_by: Some("dbef2808af6c"),
    text: "kvm_intel registered its crash callback when it was loaded, and set up the per-CPU list of loaded \
           VMCSes only when the first VM started: a crash before that follows a null pointer in the crash \
           path. dbef2808af6c (\"KVM: VMX: fix crash cleanup when KVM wasn't used\") sets the lists up at load.",
    signature: list_uninitialised,
};

pub(super) const NOT_CLEARED_ON_RESTART: KnownIssue = KnownIssue {
    title: "an emergency restart switched VMX off without VMCLEAR",
    since: None,
    until: Some("6.6"),
    caused_by: None,
    fixed_by: Some("b23c83ad2c63"),
    text: "Only the crash path cleared active VMCSes; an emergency restart executed VMXOFF alone, and a CPU may \
           write a cached VMCS back into memory that the next kernel uses. b23c83ad2c63 (\"x86/reboot: VMCLEAR \
           active VMCSes before emergency reboot\") calls the callback there too.",
    signature: not_cleared_on_restart,
};

pub(super) const SHADOW_NOT_CLEARED: KnownIssue = KnownIssue {
    title: "shadow VMCSes were in use, and the emergency callback does not flush them",
    since: None,
    until: Some("6.16"),
    caused_by: None,
    fixed_by: Some("a0ee1d5faff1"),
    text: "With nested guests KVM uses shadow VMCSes, which a CPU caches like any other. The callback of this \
           kernel executes VMCLEAR for the ordinary ones only; a shadow VMCS can be written back over memory \
           of the next kernel. a0ee1d5faff1 (\"KVM: VMX: Flush shadow VMCS on emergency reboot\").",
    signature: shadow_not_cleared,
};

fn not_cleared(case: &Case<'_>) -> Option<String> {
    let loaded = &case.traces.loaded_vmcs;
    (case.traces.no_vmclear_path && !loaded.is_empty()).then(|| {
        format!(
            "VMCSes were loaded on CPU {}, and this kernel has no callback that clears them",
            ranges(loaded)
        )
    })
}

fn clear_skipped(case: &Case<'_>) -> Option<String> {
    let skipped = &case.traces.vmclear_skipped;
    (!skipped.is_empty()).then(|| {
        format!(
            "crash_vmclear_enabled_bitmap is clear for CPU {}, on which VMCSes were loaded",
            ranges(skipped)
        )
    })
}

fn list_uninitialised(case: &Case<'_>) -> Option<String> {
    let null = &case.traces.null_vmcs_list;
    let registered = case.report.callback.value.is_some_and(|v| v.0 != 0);
    (registered && !null.is_empty()).then(|| {
        format!(
            "loaded_vmcss_on_cpu of CPU {} is a null pointer, and the callback that walks it was registered",
            ranges(null)
        )
    })
}

fn not_cleared_on_restart(case: &Case<'_>) -> Option<String> {
    let traces = case.traces;
    (traces.vmclear_for_kdump_only
        && traces.emergency_restart == Some(true)
        && !traces.loaded_vmcs.is_empty())
    .then(|| {
        format!(
            "an emergency restart had begun, which does not clear the VMCSes loaded on CPU {}",
            ranges(&traces.loaded_vmcs)
        )
    })
}

/// A callback with one VMCLEAR in its text clears the ordinary VMCS; one that clears the shadow
/// too has a second.
fn shadow_not_cleared(case: &Case<'_>) -> Option<String> {
    let shadows = &case.traces.shadow_vmcs;
    (case.traces.callback_vmclears == Some(1) && !shadows.is_empty()).then(|| {
        format!(
            "shadow VMCSes were loaded on CPU {}, and the callback has one VMCLEAR, for the ordinary ones",
            ranges(shadows)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::ids;
    use crate::known_issue::Traces;
    use crate::report::{DumpReport, Hex};

    fn with(traces: Traces) -> Vec<&'static str> {
        let mut report = DumpReport::default();
        report.callback.value = Some(Hex(0xffff_ffff_c000_0000));
        ids(&report, &traces, None)
    }

    #[test]
    fn loaded_vmcses_of_a_kernel_without_vmclear_are_recognised() {
        let loaded = Traces {
            no_vmclear_path: true,
            loaded_vmcs: vec![0, 1],
            ..Traces::default()
        };
        assert_eq!(with(loaded), ["vmcs-not-cleared-for-kdump"]);
        let none = Traces {
            no_vmclear_path: true,
            ..Traces::default()
        };
        assert!(with(none).is_empty());
    }

    #[test]
    fn a_skipped_vmclear_is_recognised() {
        let traces = Traces {
            vmclear_skipped: vec![2],
            ..Traces::default()
        };
        assert_eq!(with(traces), ["vmclear-skipped-by-bitmap"]);
    }

    #[test]
    fn a_null_list_is_a_defect_only_with_a_callback_that_walks_it() {
        let traces = || Traces {
            null_vmcs_list: vec![0],
            ..Traces::default()
        };
        assert_eq!(with(traces()), ["loaded-vmcs-list-uninitialised"]);
        assert!(ids(&DumpReport::default(), &traces(), None).is_empty());
    }

    #[test]
    fn a_restart_that_clears_nothing_is_recognised() {
        let traces = |restart| Traces {
            vmclear_for_kdump_only: true,
            emergency_restart: restart,
            loaded_vmcs: vec![1],
            ..Traces::default()
        };
        assert_eq!(
            with(traces(Some(true))),
            ["vmcs-not-cleared-on-emergency-restart"]
        );
        assert!(with(traces(Some(false))).is_empty());
    }

    #[test]
    fn a_shadow_vmcs_needs_a_second_vmclear() {
        let traces = |vmclears| Traces {
            shadow_vmcs: vec![1],
            callback_vmclears: vmclears,
            ..Traces::default()
        };
        assert_eq!(with(traces(Some(1))), ["shadow-vmcs-not-cleared"]);
        assert!(with(traces(Some(2))).is_empty());
        assert!(with(traces(Some(0))).is_empty(), "not inlined: not known");
        assert!(with(traces(None)).is_empty());
    }
}
