//! VMX and SVM off on every CPU?

use super::Check;
use crate::report::{CheckVerdict, DumpReport, Verdict};

pub(super) const CHECK: Check = Check {
    title: "VMX and SVM were off on every CPU at the instant that the dump holds",
    text: "A CPU left in VMX operation, or with SVM on and GIF clear, blocks INIT and NMI: the crash kernel \
           can't start it, and often hangs. pass: each possible CPU is shown to be off. fail: at least one is \
           shown to be on; its reason says why (did-not-answer: it never took the crash NMI, look for what \
           held it with interrupts or GIF off; still-enabled: no path that disables ran on it, as in a dump \
           that a hypervisor took of a running machine). inconclusive: the dump lacks what would decide; the \
           CPU's evidence says what. not-applicable: the machine has neither VMX nor SVM.",
    run,
};

fn run(report: &DumpReport) -> (CheckVerdict, String) {
    let verdict = match report.virtualization.verdict {
        Verdict::AllOff => CheckVerdict::Pass,
        Verdict::NotAllOff => CheckVerdict::Fail,
        Verdict::Inconclusive => CheckVerdict::Inconclusive,
        Verdict::NotApplicable => CheckVerdict::NotApplicable,
    };
    (verdict, report.virtualization.summary.clone())
}
