//! Was the emergency callback there, and alive?

use super::Check;
use crate::report::{CallbackState, CheckVerdict, DumpReport};

pub(super) const CHECK: Check = Check {
    title: "the registered KVM emergency callback is the right one, and its code is alive",
    text: "On a crash the kernel calls this pointer on every CPU. pass: it is null, or KVM's own function in \
           a live module. fail: its module was being removed (unloading) or is gone (dangling), which makes \
           the crash path jump to freed memory; or it is another function than KVM registers; or it is null \
           although virtualization is in use. inconclusive: the pointer or the modules can't be read.",
    run,
};

fn run(report: &DumpReport) -> (CheckVerdict, String) {
    let callback = &report.callback;
    let verdict = match callback.state {
        CallbackState::None | CallbackState::Registered if callback.expected == Some(false) => {
            CheckVerdict::Fail
        }
        CallbackState::None | CallbackState::Registered => CheckVerdict::Pass,
        CallbackState::Unloading | CallbackState::Dangling => CheckVerdict::Fail,
        CallbackState::Unknown => CheckVerdict::Inconclusive,
    };
    (verdict, callback.summary.clone())
}
