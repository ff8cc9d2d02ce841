//! Which checks of a report count, and for how much.

use virtopsy::CheckId;
use virtopsy::report::{CheckReport, CheckVerdict, DumpReport, Text};

use crate::policy::{Applied, Day, Policy, Severity};

/// The user's choice of checks.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    select: Vec<CheckId>,
    ignore: Vec<CheckId>,
    policy: Policy,
    today: Day,
}

/// A report that holds only what was selected, and what it counts as.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) report: DumpReport,
    /// The worst verdict of what counts.
    pub(crate) counted: CheckVerdict,
    /// Checks that are shown, but do not count.
    pub(crate) advisory: Vec<CheckId>,
    /// What the policy did. The report's notes tell it too.
    pub(crate) policy: Vec<Applied>,
}

impl Default for Judge {
    /// All checks, each as it is.
    fn default() -> Self {
        Judge::new(&[], &[], Policy::default(), Day::today())
    }
}

impl Judge {
    pub(crate) fn new(select: &[CheckId], ignore: &[CheckId], policy: Policy, today: Day) -> Judge {
        Judge {
            select: select.to_vec(),
            ignore: ignore.to_vec(),
            policy,
            today,
        }
    }

    /// Only the check `id`.
    pub(crate) fn only(id: CheckId) -> Judge {
        Judge::new(&[id], &[], Policy::default(), Day::today())
    }

    /// Whether a check is selected for the kernel `release`.
    pub(crate) fn selects(&self, id: CheckId, release: Option<&str>) -> bool {
        let has = |list: &[CheckId]| list.contains(&id);
        (self.select.is_empty() || has(&self.select))
            && !has(&self.ignore)
            && self.policy.severity(id, release) != Severity::Off
    }

    /// The ids of the checks that are selected for the kernel `release`.
    pub(crate) fn selection(&self, release: Option<&str>) -> impl Iterator<Item = CheckId> {
        let all = CheckId::ALL.iter().copied();
        all.filter(move |id| self.selects(*id, release))
    }

    /// Applies the choice to a report. A selected check that did not run is inconclusive.
    pub(crate) fn judge(&self, mut report: DumpReport) -> Judged {
        let release = report.release.as_ref().map(ToString::to_string);
        let release = release.as_deref();
        report
            .checks
            .retain(|check| self.selects(check.id, release));
        if report.error.is_none() {
            for id in self.selection(release) {
                if !report.checks.iter().any(|check| check.id == id) {
                    report.checks.push(not_run(id));
                }
            }
        }
        let mut policy = self.policy.apply(&mut report, self.today);
        let all = CheckId::ALL.iter().copied();
        let off = all.filter(|id| self.is_switched_off(*id, release));
        policy.extend(off.map(|check| Applied::Off { check }));
        let verdicts = report.checks.iter().map(|check| (check.id, check.verdict));
        let counted = self.count(report.error.is_some(), verdicts, release);
        let advisory: Vec<CheckId> = report
            .checks
            .iter()
            .map(|check| check.id)
            .filter(|id| self.is_advisory(*id, release))
            .collect();
        let missed = report.checks.iter().filter(|check| {
            matches!(
                check.verdict,
                CheckVerdict::Fail | CheckVerdict::Inconclusive
            ) && advisory.contains(&check.id)
        });
        policy.extend(missed.map(|check| Applied::Warning { check: check.id }));
        let told = policy
            .iter()
            .map(|did| Text::from(format!("policy: {did}")));
        report.notes.extend(told);
        Judged {
            advisory,
            counted,
            report,
            policy,
        }
    }

    /// The worst of the verdicts that count.
    pub(crate) fn count(
        &self,
        error: bool,
        checks: impl Iterator<Item = (CheckId, CheckVerdict)>,
        release: Option<&str>,
    ) -> CheckVerdict {
        let counting = checks.filter(|(id, verdict)| {
            *verdict == CheckVerdict::Error || !self.is_advisory(*id, release)
        });
        let worst = CheckVerdict::worst(counting.map(|(_, verdict)| verdict));
        if error { CheckVerdict::Error } else { worst }
    }

    /// Whether the policy alone keeps a check from being run.
    fn is_switched_off(&self, id: CheckId, release: Option<&str>) -> bool {
        let has = |list: &[CheckId]| list.contains(&id);
        (self.select.is_empty() || has(&self.select))
            && !has(&self.ignore)
            && self.policy.severity(id, release) == Severity::Off
    }

    fn is_advisory(&self, id: CheckId, release: Option<&str>) -> bool {
        self.policy.severity(id, release) == Severity::Warning
    }
}

fn not_run(id: CheckId) -> CheckReport {
    CheckReport {
        id,
        verdict: CheckVerdict::Inconclusive,
        summary: "the check did not run on this dump".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtopsy::report::{ErrorReport, Summary};

    const FIRST: [CheckId; 3] = [
        CheckId::VirtDisabledAllCpus,
        CheckId::EmergencyCallbackSound,
        CheckId::CrashShutdownComplete,
    ];

    fn report() -> DumpReport {
        let verdicts = [
            CheckVerdict::Pass,
            CheckVerdict::Fail,
            CheckVerdict::Inconclusive,
        ];
        let checks = CheckId::ALL
            .iter()
            .zip(verdicts.into_iter().chain([CheckVerdict::NotApplicable; 3]));
        let checks = checks.map(|(id, verdict)| CheckReport {
            id: *id,
            verdict,
            summary: String::new(),
        });
        DumpReport {
            checks: checks.collect(),
            ..DumpReport::default()
        }
    }

    fn judge(select: &[CheckId], ignore: &[CheckId]) -> Judge {
        Judge::new(select, ignore, Policy::default(), Day::today())
    }

    #[test]
    fn only_selected_checks_are_shown_and_count() {
        let judged = judge(&[FIRST[0]], &[]).judge(report());
        assert_eq!(
            (judged.report.checks.len(), judged.counted),
            (1, CheckVerdict::Pass)
        );
        let judged = judge(&[], &[FIRST[1]]).judge(report());
        assert_eq!(
            (judged.report.checks.len(), judged.counted),
            (5, CheckVerdict::Inconclusive)
        );
        assert_eq!(judge(&[], &[]).judge(report()).counted, CheckVerdict::Fail);
    }

    #[test]
    fn a_selected_check_that_did_not_run_is_inconclusive_never_a_pass() {
        let judged = judge(&[FIRST[0]], &[]).judge(DumpReport::default());
        assert_eq!(judged.counted, CheckVerdict::Inconclusive);
        assert_eq!(judged.report.checks.len(), 1);
    }

    #[test]
    fn a_dump_with_an_error_counts_as_an_error_whatever_is_selected() {
        let error = ErrorReport {
            kind: "truncated".to_owned(),
            message: Text::default(),
        };
        let judged = judge(&[FIRST[0]], &[]).judge(DumpReport {
            error: Some(error),
            ..report()
        });
        assert_eq!(judged.counted, CheckVerdict::Error);
    }

    #[test]
    fn a_warning_is_shown_but_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.toml");
        std::fs::write(
            &path,
            format!(
                "[checks]\n{} = \"warning\"\n{} = \"off\"",
                FIRST[1], FIRST[2]
            ),
        )
        .unwrap();
        let judged =
            Judge::new(&[], &[], Policy::load(&path).unwrap(), Day::today()).judge(report());
        assert_eq!(judged.counted, CheckVerdict::Pass);
        assert_eq!(
            (judged.report.checks.len(), judged.advisory),
            (5, vec![FIRST[1]])
        );
        assert_eq!(
            judged.policy,
            [
                Applied::Off { check: FIRST[2] },
                Applied::Warning { check: FIRST[1] }
            ]
        );
        let notes: Vec<String> = judged
            .report
            .notes
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            notes,
            [
                format!("policy: {} is off", FIRST[2]),
                format!("policy: {} does not count", FIRST[1])
            ]
        );
    }

    #[test]
    fn each_dump_counts_once() {
        let mut summary = Summary::default();
        for verdict in [
            CheckVerdict::Pass,
            CheckVerdict::Fail,
            CheckVerdict::Inconclusive,
            CheckVerdict::Error,
        ] {
            summary.add(verdict);
        }
        summary.add(CheckVerdict::NotApplicable);
        assert_eq!(
            summary,
            Summary {
                dumps: 5,
                pass: 2,
                fail: 1,
                inconclusive: 1,
                error: 1
            }
        );
    }
}
