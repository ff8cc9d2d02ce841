//! Defects around the callback's pointer.

use virtopsy_klog::KnownSplat;

use super::{Case, KnownIssue};
use crate::report::CallbackState;

pub(super) const RCU_SPLAT: KnownIssue = KnownIssue {
    title: "suspicious RCU usage in the KVM emergency callback, on the way into the crash kernel",
    since: Some("7.1-rc1"),
    until: Some("7.1"),
    caused_by: Some("428afac5a8ea"),
    fixed_by: Some("fff82ea9d900"),
    text: "Since 428afac5a8ea (\"KVM: x86: Move bulk of emergency virtualizaton logic to virt subsystem\", \
           7.1) the kernel reads the callback with rcu_dereference() without rcu_read_lock(). A kernel \
           with CONFIG_PROVE_RCU prints a splat for it whenever it crashes with KVM in use. RCU is \
           usually watching; what is missing is the lock. The callback still runs, so the splat does \
           not mean that virtualization stayed on. fff82ea9d900 (\"x86/virt: Silence RCU lockdep splat \
           in emergency virt callback path\") reads it with rcu_dereference_raw(). It came in the same cycle: \
           only release candidates of 7.1, and kernels that took the one commit without the other, lack \
           it (7.1.3 has it; the first release candidate with it was not determined). Take that commit.",
    signature: rcu_splat,
};

pub(super) const OUTLIVES_MODULE: KnownIssue = KnownIssue {
    title: "the emergency callback points to where no module is",
    since: None,
    until: None,
    caused_by: None,
    fixed_by: None,
    text: "The module that registered the callback is gone, and the pointer was left behind. A crash \
           or emergency reboot then jumps to freed memory. Upstream unregisters the callback in the \
           module's exit path; look for an out-of-tree or patched kvm module.",
    signature: dangling,
};

/// The report in the log, or where the log has lost it, the flag that its check sets.
fn rcu_splat(case: &Case<'_>) -> Option<String> {
    let splat = case
        .report
        .splats
        .iter()
        .find(|s| s.known_issue == Some(KnownSplat::RcuInEmergencyCallback));
    if let Some(splat) = splat {
        let place = splat
            .location
            .as_deref()
            .unwrap_or("the emergency callback");
        return Some(format!(
            "the log holds a suspicious-rcu report at {place}, raised on the way into the crash kernel"
        ));
    }
    let dereference = case.report.callback.dereference.as_ref()?;
    (dereference.warned == Some(true)).then(|| {
        format!(
            "the log no longer holds the report, but {}",
            dereference.why
        )
    })
}

fn dangling(case: &Case<'_>) -> Option<String> {
    let callback = &case.report.callback;
    (callback.state == CallbackState::Dangling).then(|| callback.summary.clone())
}

#[cfg(test)]
mod tests {
    use super::super::tests::ids;
    use super::*;
    use crate::known_issue::Traces;
    use crate::report::{DereferenceReport, DumpReport};

    #[test]
    fn a_check_that_fired_is_recognised_without_its_report_in_the_log() {
        let mut report = DumpReport::default();
        report.callback.dereference = Some(DereferenceReport {
            warned: Some(true),
            ..DereferenceReport::default()
        });
        assert_eq!(
            ids(&report, &Traces::default(), None),
            ["rcu-splat-in-emergency-callback"]
        );
        report.callback.dereference = Some(DereferenceReport {
            warned: Some(false),
            ..DereferenceReport::default()
        });
        assert!(ids(&report, &Traces::default(), None).is_empty());
    }

    #[test]
    fn a_dangling_pointer_is_recognised() {
        let mut report = DumpReport::default();
        report.callback.state = CallbackState::Dangling;
        assert_eq!(
            ids(&report, &Traces::default(), None),
            ["callback-outlives-module"]
        );
    }
}
