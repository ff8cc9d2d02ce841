//! Defects around TDX.

use super::{Case, KnownIssue};

pub(super) const MODULE_LIVE: KnownIssue = KnownIssue {
    title: "the TDX module was left running for the crash kernel",
    since: Some("6.8"),
    until: Some("7.2"),
    caused_by: None,
    fixed_by: Some("5b25f249be32"),
    text: "The TDX module was initialised, and this kernel can't shut it down on the way into a crash \
           kernel: memory that TDX owns stays protected, and writing to it from the crash kernel raises \
           machine checks. 5b25f249be32 (\"x86/tdx: Disable the TDX module during kexec and kdump\", 7.2).",
    signature: tdx_module,
};

fn tdx_module(case: &Case<'_>) -> Option<String> {
    let cpu = case.traces.tdx_left_running?;
    Some(format!(
        "the TDX module was initialised on CPU {cpu}, and this kernel can't disable it for a crash kernel"
    ))
}

#[cfg(test)]
mod tests {
    use virtopsy_kernel::CpuId;

    use super::super::tests::ids;
    use crate::known_issue::Traces;
    use crate::report::DumpReport;

    #[test]
    fn a_tdx_module_that_nothing_can_shut_down_is_recognised() {
        let traces = Traces {
            tdx_left_running: Some(CpuId(3)),
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["tdx-module-live-across-kdump"]
        );
    }
}
