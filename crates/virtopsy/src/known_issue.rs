//! Known defects of the emergency path, and how their traces look in a dump.

use crate::report::{DumpReport, KnownIssueReport};

/// The id under which [`crate::splat::known_issue_of`] recognises the report.
const RCU_SPLAT: &str = "rcu-splat-in-emergency-callback";

/// A defect that is known upstream.
#[derive(Clone, Copy, Debug)]
pub struct KnownIssue {
    /// Stable id.
    pub id: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// The commit that brought it.
    pub caused_by: Option<&'static str>,
    /// The commit that mends it.
    pub fixed_by: Option<&'static str>,
    /// What it means and what to do.
    pub text: &'static str,
    /// What in a report shows it; `None` where nothing does.
    signature: fn(&DumpReport) -> Option<String>,
}

/// All known issues.
pub const KNOWN_ISSUES: &[KnownIssue] = &[
    KnownIssue {
        id: RCU_SPLAT,
        title: "suspicious RCU usage in the KVM emergency callback, on the way into the crash kernel",
        caused_by: Some("428afac5a8ea"),
        fixed_by: Some("fff82ea9d900"),
        text: "Since 428afac5a8ea (\"KVM: x86: Move bulk of emergency virtualizaton logic to virt subsystem\", \
               7.1) the kernel reads the callback with rcu_dereference() without rcu_read_lock(). A kernel \
               with CONFIG_PROVE_RCU prints a splat for it whenever it crashes with KVM in use. RCU is \
               usually watching; what is missing is the lock. The callback still runs, so the splat does \
               not mean that virtualization stayed on. fff82ea9d900 (\"x86/virt: Silence RCU lockdep splat \
               in emergency virt callback path\") reads it with rcu_dereference_raw(). Take that commit.",
        signature: rcu_splat,
    },
    KnownIssue {
        id: "panic-force-cpu-leaves-virt-on",
        title: "panic_force_cpu= leaves virtualization on on the CPU that redirected its panic",
        caused_by: None,
        fixed_by: None,
        text: "With panic_force_cpu= the CPU that panics hands over to another one, leaves the online mask \
               and stops itself. It is then outside the crash NMI's count, and ignores the NMI: nothing \
               switches VMX or SVM off on it. No fix is known. Do not use panic_force_cpu= on hosts that \
               run KVM guests.",
        signature: panic_redirect,
    },
    KnownIssue {
        id: "callback-outlives-module",
        title: "the emergency callback points to where no module is",
        caused_by: None,
        fixed_by: None,
        text: "The module that registered the callback is gone, and the pointer was left behind. A crash \
               or emergency reboot then jumps to freed memory. Upstream unregisters the callback in the \
               module's exit path; look for an out-of-tree or patched kvm module.",
        signature: dangling,
    },
];

/// The known issue of that id.
pub fn known_issue(id: &str) -> Option<&'static KnownIssue> {
    KNOWN_ISSUES.iter().find(|issue| issue.id == id)
}

/// The known issues whose traces are in a report.
pub(crate) fn recognise(report: &DumpReport) -> Vec<KnownIssueReport> {
    let found = |issue: &KnownIssue| {
        (issue.signature)(report).map(|because| KnownIssueReport {
            id: issue.id.into(),
            title: issue.title.into(),
            fixed_by: issue.fixed_by.map(Into::into),
            because,
        })
    };
    KNOWN_ISSUES.iter().filter_map(found).collect()
}

fn rcu_splat(report: &DumpReport) -> Option<String> {
    let splat = report
        .splats
        .iter()
        .find(|s| s.known_issue.as_deref() == Some(RCU_SPLAT))?;
    let place = splat
        .location
        .as_deref()
        .unwrap_or("the emergency callback");
    Some(format!(
        "the log holds a suspicious-rcu report at {place}, raised on the way into the crash kernel"
    ))
}

fn panic_redirect(report: &DumpReport) -> Option<String> {
    let cpu = report
        .virtualization
        .cpus
        .iter()
        .find(|c| c.evidence.iter().any(|e| e.what == "panic-redirect"))?;
    Some(format!(
        "CPU {} redirected its panic and stopped itself",
        cpu.cpu
    ))
}

fn dangling(report: &DumpReport) -> Option<String> {
    (report.callback.state == crate::report::CallbackState::Dangling)
        .then(|| report.callback.summary.clone())
}
