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

pub(super) const CACHE_NOT_FLUSHED: KnownIssue = KnownIssue {
    title: "TDX had written to memory, and the crash NMI stopped the CPU without flushing its caches",
    since: Some("6.18"),
    until: Some("7.2"),
    caused_by: None,
    fixed_by: None,
    text: "Calls of the TDX module leave lines in a CPU's caches that belong to TDX's private memory. The \
           kernel notes that for each CPU and writes them back when a CPU is stopped in order, but not on \
           the way into a crash kernel, where an NMI stops it: a line that is written back later corrupts \
           the crash kernel's memory. Since 7.2 the crash path shuts the TDX module down first.\n\n\
           What to do now: treat corruption inside the crash kernel, and in this dump's pages that TDX \
           guests had, as a consequence; move to 7.2 or later on hosts of TDX guests.",
    signature: cache_not_flushed,
};

fn cache_not_flushed(case: &Case<'_>) -> Option<String> {
    let cpu = case.traces.tdx_cache_dirty?;
    Some(format!(
        "cache_state_incoherent is set on CPU {cpu}, which had initialised TDX, and this kernel can't shut TDX down for a crash kernel"
    ))
}

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
    fn a_cache_that_tdx_left_dirty_is_recognised() {
        let traces = Traces {
            tdx_cache_dirty: Some(CpuId(1)),
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["tdx-cache-not-flushed-for-kdump"]
        );
    }

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
