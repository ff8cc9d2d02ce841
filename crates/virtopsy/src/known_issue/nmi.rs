//! Defects of the NMI that stops the other CPUs.

use super::{Case, KnownIssue};
use crate::cpu_list::ranges;

pub(super) const SHOT_TWICE: KnownIssue = KnownIssue {
    title: "the crash NMI's handler was registered twice, and its list points to itself",
    since: None,
    until: Some("6.3"),
    caused_by: None,
    fixed_by: Some("26044aff37a5"),
    text: "With crash_kexec_post_notifiers and no crash kernel, a panic shot the CPUs down once for the \
           notifiers and once more for the emergency restart. The second registration of the same handler \
           corrupts the list of NMI handlers, and the next NMI never leaves it. 26044aff37a5 (\"x86/crash: \
           Disable virt in core NMI crash handler to avoid double shootdown\") shoots once.",
    signature: shot_twice,
};

pub(super) const REGISTERING_LOCKS: KnownIssue = KnownIssue {
    title: "the crashing CPU hung while it registered the crash NMI's handler",
    since: None,
    until: Some("6.16"),
    caused_by: None,
    fixed_by: Some("fe37c699ae3e"),
    text: "Before it can send the crash NMI, the crashing CPU registers a handler, under a lock. If a CPU that \
           is stuck or dead holds that lock, the crash ends there: no NMI, no crash kernel, and virtualization \
           stays on everywhere. fe37c699ae3e (\"x86/nmi: Add an emergency handler in nmi_desc & use it in \
           nmi_shootdown_cpus()\") needs no lock.",
    signature: registering_locks,
};

pub(super) const LOOP_LOSES_REGISTERS: KnownIssue = KnownIssue {
    title: "a CPU that panicked in NMI context loops there, and its registers are lost",
    since: None,
    until: Some("4.5"),
    caused_by: None,
    fixed_by: Some("58c5661f2144"),
    text: "Two CPUs panicked in NMI context; the one that came second waits in nmi_panic_self_stop() with \
           NMIs blocked, so that the crash NMI never reaches it: no registers, and virtualization stays on. \
           58c5661f2144 (\"panic, x86: Allow CPUs to save registers even if looping in NMI context\") lets \
           it poll for the request.",
    signature: nmi_loop,
};

pub(super) const NO_FRIENDLY_STOP: KnownIssue = KnownIssue {
    title: "with crash_kexec_post_notifiers the other CPUs were stopped without saving their registers",
    since: None,
    until: Some("4.9"),
    caused_by: None,
    fixed_by: Some("0ee59413c967"),
    text: "With crash_kexec_post_notifiers a panic stops the other CPUs before the notifiers run. This kernel \
           stops them as for a halt: they save no registers, and the crash NMI finds them offline. 0ee59413c967 \
           (\"x86/panic: replace smp_send_stop() with kdump friendly version in panic path\") stops them as \
           for a crash kernel.",
    signature: no_friendly_stop,
};

fn shot_twice(case: &Case<'_>) -> Option<String> {
    let at = case.traces.nmi_handlers_loop?;
    Some(format!(
        "the NMI handler at {at} in nmi_desc[NMI_LOCAL] links to itself"
    ))
}

fn registering_locks(case: &Case<'_>) -> Option<String> {
    let cpu = case.traces.registering_nmi_handler?;
    Some(format!(
        "CPU {cpu} had begun the shootdown, stands in __register_nmi_handler(), and never sent the NMI"
    ))
}

fn nmi_loop(case: &Case<'_>) -> Option<String> {
    let cpu = case.traces.loops_in_nmi?;
    Some(format!(
        "CPU {cpu} loops in nmi_panic_self_stop() and left no registers"
    ))
}

fn no_friendly_stop(case: &Case<'_>) -> Option<String> {
    let traces = case.traces;
    let silent = &case.report.crash.as_ref()?.nmi_shootdown.missing_cpus;
    (traces.post_notifiers == Some(true) && traces.no_friendly_stop && !silent.is_empty()).then(
        || {
            format!(
                "crash_kexec_post_notifiers was set, and CPU {} left no registers",
                ranges(silent)
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use virtopsy_debuginfo::VirtAddr;
    use virtopsy_kernel::CpuId;

    use super::super::tests::ids;
    use crate::known_issue::Traces;
    use crate::report::{CrashReport, DumpReport};

    #[test]
    fn a_cpu_that_loops_in_nmi_context_is_recognised() {
        let traces = Traces {
            loops_in_nmi: Some(CpuId(1)),
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["nmi-loop-loses-registers"]
        );
    }

    #[test]
    fn a_handler_that_links_to_itself_is_recognised() {
        let traces = Traces {
            nmi_handlers_loop: Some(VirtAddr(0xffff_8880_0000_1000)),
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["nmi-shootdown-ran-twice"]
        );
    }

    #[test]
    fn a_crashing_cpu_that_hangs_in_the_registration_is_recognised() {
        let traces = Traces {
            registering_nmi_handler: Some(CpuId(1)),
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["nmi-registration-hangs-in-panic"]
        );
    }

    #[test]
    fn registers_lost_to_the_notifiers_are_recognised_where_the_kernel_has_no_friendly_stop() {
        let mut crash = CrashReport::default();
        crash.nmi_shootdown.missing_cpus = vec![1];
        let report = DumpReport {
            crash: Some(crash),
            ..DumpReport::default()
        };
        let traces = |no_friendly_stop| Traces {
            post_notifiers: Some(true),
            no_friendly_stop,
            ..Traces::default()
        };
        assert_eq!(
            ids(&report, &traces(true), None),
            ["panic-stop-loses-registers"]
        );
        assert!(ids(&report, &traces(false), None).is_empty());
    }
}
