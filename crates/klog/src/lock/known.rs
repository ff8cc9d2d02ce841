//! Reports that are known bugs.

use crate::frame::base;
use crate::lock::kind::Kind;
use crate::lock::parts::KnownSplat;
use crate::lock::splat::Splat;

/// Frames between the crash path and the dereference, which inlining may leave as the nearest.
const EMERGENCY: &[&str] = &[
    "x86_svm_emergency_disable_virtualization_cpu",
    "x86_vmx_emergency_disable_virtualization_cpu",
    "cpu_emergency_disable_virtualization",
    "x86_virt_emergency_disable_virtualization_cpu",
];

/// The known bug that a report is, if it is one.
#[must_use]
pub fn known_issue_of(splat: &Splat) -> Option<KnownSplat> {
    if splat.kind != Kind::SuspiciousRcu {
        return None;
    }
    let reliable = || {
        splat
            .trace
            .iter()
            .filter(|f| f.reliable)
            .map(|f| base(&f.function))
    };
    let callback = |f: &str| f == "x86_virt_invoke_kvm_emergency_callback";
    let in_file = splat
        .location
        .as_deref()
        .and_then(|l| l.rsplit_once(':'))
        .is_some_and(|(file, _)| file.ends_with("arch/x86/virt/hw.c"));
    let nearest = reliable()
        .find(|f| !is_printing(f))
        .is_some_and(|f| EMERGENCY.contains(&f));
    // An unwinder that guesses marks every frame with `?`; then the file must agree.
    let direct = reliable().any(callback)
        || in_file && splat.trace.iter().any(|f| callback(base(&f.function)));
    (direct || in_file && nearest).then_some(KnownSplat::RcuInEmergencyCallback)
}

/// The frames that print the report.
fn is_printing(function: &str) -> bool {
    function.starts_with("dump_stack")
        || function.starts_with("__dump_stack")
        || function == "lockdep_rcu_suspicious"
        || function == "show_stack"
        || function == "dump_backtrace"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Frame;

    fn splat(location: &str, functions: &[(&str, bool)]) -> Splat {
        let mut s = Splat::new(Kind::SuspiciousRcu, 1);
        s.location = Some(location.into());
        s.trace = functions
            .iter()
            .map(|(f, reliable)| Frame {
                function: (*f).into(),
                reliable: *reliable,
                ..Frame::default()
            })
            .collect();
        s
    }

    #[test]
    fn the_emergency_callback_is_known_by_its_own_trace() {
        let known = |s: &Splat| known_issue_of(s).is_some();
        assert!(known(&splat(
            "arch/x86/virt/hw.c:65",
            &[
                ("lockdep_rcu_suspicious.cold", true),
                ("x86_virt_invoke_kvm_emergency_callback", true)
            ]
        )));
        assert!(known(&splat(
            "arch/x86/virt/hw.c:65",
            &[
                ("lockdep_rcu_suspicious", true),
                ("x86_svm_emergency_disable_virtualization_cpu", true)
            ]
        )));
        assert!(!known(&splat(
            "net/core/dev.c:1",
            &[
                ("f", true),
                ("x86_svm_emergency_disable_virtualization_cpu", true)
            ]
        )));
        assert!(!known(&splat(
            "a.c:1",
            &[("x86_virt_invoke_kvm_emergency_callback", false)]
        )));
        let mut other = splat(
            "arch/x86/virt/hw.c:65",
            &[("x86_virt_invoke_kvm_emergency_callback", true)],
        );
        other.kind = Kind::AtomicSleep;
        assert!(!known(&other));
    }
}
