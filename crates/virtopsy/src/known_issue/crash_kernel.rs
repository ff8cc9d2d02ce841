//! States in which the crash kernel can't start, or can't reach the disk.

use super::{Case, KnownIssue};

pub(super) const SNP_GUESTS: KnownIssue = KnownIssue {
    title: "SEV-SNP guests were running, and the crash kernel can't take over the IOMMU",
    since: Some("6.9"),
    until: Some("6.18"),
    caused_by: None,
    fixed_by: Some("38e5f33ee359"),
    text: "With SNP guests alive the firmware refuses SNP_SHUTDOWN_EX, so that SNP stays enabled through the \
           crash: the IOMMU's registers stay locked, and a crash kernel that sets up a device table of its \
           own writes them in vain. It then finds no disk, or hangs. 38e5f33ee359 (\"iommu/amd: Reuse \
           device table for kdump\") and its series take over what the crashed kernel had set up.\n\n\
           What to do now: use a crash kernel that has the series (6.18 and later, or a backport), or dump \
           to where no device behind the IOMMU is needed.",
    signature: snp_guests,
};

pub(super) const SCALABLE_MODE: KnownIssue = KnownIssue {
    title: "VT-d ran in scalable mode, and the crash kernel can't copy its tables",
    since: None,
    until: Some("6.0"),
    caused_by: None,
    fixed_by: Some("0c5f6c0d8201"),
    text: "A crash kernel copies the crashed kernel's translation tables of VT-d. In scalable mode this kernel \
           marks copied entries with a bit that means something else there, and faults of devices flood the \
           crash kernel, which then hangs. 0c5f6c0d8201 (\"iommu/vt-d: Fix kdump kernels boot failure with \
           scalable mode\", August 2022) keeps the marks apart.\n\n\
           What to do now: take that commit, or boot with intel_iommu=sm_off.",
    signature: scalable_mode,
};

fn snp_guests(case: &Case<'_>) -> Option<String> {
    let guests = case.traces.snp_guests;
    (guests > 0 && case.traces.no_table_reuse).then(|| {
        format!("{guests} SNP guests were alive, and this kernel has no reuse_device_table()")
    })
}

fn scalable_mode(case: &Case<'_>) -> Option<String> {
    case.traces.scalable_mode.then(|| {
        "a VT-d unit translates in scalable mode, and struct intel_iommu has no copied_tables"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::ids;
    use crate::known_issue::Traces;
    use crate::report::DumpReport;

    #[test]
    fn snp_guests_are_recognised_where_the_kernel_takes_no_table_over() {
        let of = |snp_guests, no_table_reuse| {
            let traces = Traces {
                snp_guests,
                no_table_reuse,
                ..Traces::default()
            };
            ids(&DumpReport::default(), &traces, None)
        };
        assert_eq!(of(2, true), ["snp-guests-block-crash-kernel"]);
        assert!(of(2, false).is_empty() && of(0, true).is_empty());
    }

    #[test]
    fn scalable_mode_without_the_marks_is_recognised() {
        let traces = Traces {
            scalable_mode: true,
            ..Traces::default()
        };
        assert_eq!(
            ids(&DumpReport::default(), &traces, None),
            ["vtd-scalable-mode-breaks-kdump"]
        );
    }
}
