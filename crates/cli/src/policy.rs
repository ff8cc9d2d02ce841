//! The policy file: which checks matter how much, which known issues are tolerated until when,
//! and which emergency callback is expected.
//!
//! Strict: an unknown key, check or issue is an error that shows its line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::value::{Date, Datetime};
use virtopsy::report::{CallbackState, CheckVerdict, DumpReport};
use virtopsy::{CheckId, KnownIssueId, UnknownId};

/// How much a check matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// As without a policy.
    Error,
    /// Shown, but it does not count for the summary and the exit status.
    Warning,
    /// Not run, as with --ignore.
    Off,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    #[serde(default)]
    checks: BTreeMap<Named<CheckId>, Severity>,
    #[serde(default)]
    severity: Vec<SeverityRule>,
    #[serde(default)]
    tolerate: Vec<Tolerance>,
    #[serde(default)]
    callback: Vec<CallbackRule>,
}

/// What a policy did to one dump's verdicts, or would have done earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The dump has the known issue, and it does not count.
    Tolerated {
        issue: KnownIssueId,
        /// The last day.
        until: Option<Day>,
    },
    /// The dump has the known issue, which was tolerated until then.
    Expired { issue: KnownIssueId, until: Day },
    /// The check did not pass, and does not count.
    Warning { check: CheckId },
    /// The check was not run.
    Off { check: CheckId },
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Applied::Tolerated {
                issue,
                until: Some(until),
            } => write!(f, "{issue} is tolerated until {until}"),
            Applied::Tolerated { issue, until: None } => write!(f, "{issue} is tolerated"),
            Applied::Expired { issue, until } => write!(f, "{issue} was tolerated until {until}"),
            Applied::Warning { check } => write!(f, "{check} does not count"),
            Applied::Off { check } => write!(f, "{check} is off"),
        }
    }
}

/// How much a check matters for some kernels.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeverityRule {
    check: Named<CheckId>,
    is: Severity,
    kernels: Vec<String>,
}

/// An id as the file names it: of one that is not known, those near to it are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named<Id>(Id);

impl<'de, Id: FromStr<Err = UnknownId>> Deserialize<'de> for Named<Id> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let id = String::deserialize(from)?;
        id.parse().map(Named).map_err(D::Error::custom)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tolerance {
    issue: Named<KnownIssueId>,
    until: Option<Day>,
    #[serde(default)]
    kernels: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallbackRule {
    #[serde(default)]
    kernels: Vec<String>,
    expect: Expected,
}

/// Functions, or `none`; at least one.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Expected(Vec<String>);

impl TryFrom<Vec<String>> for Expected {
    type Error = &'static str;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err("a function's name is needed, or \"none\"");
        }
        Ok(Expected(names))
    }
}

/// A day of the calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Datetime")]
pub(crate) struct Day {
    year: u16,
    month: u8,
    day: u8,
}

impl TryFrom<Datetime> for Day {
    type Error = &'static str;

    fn try_from(value: Datetime) -> Result<Self, Self::Error> {
        match value {
            Datetime {
                date: Some(Date { year, month, day }),
                time: None,
                offset: None,
            } => Ok(Day { year, month, day }),
            _ => Err("a day without a time is needed, for example 2027-03-31"),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Day {
    /// Today, by the system's clock.
    pub(crate) fn today() -> Day {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Day::from_days_since_1970(elapsed.as_secs() / 86_400)
    }

    /// The day so many days after 1970-01-01.
    pub(crate) fn from_days_since_1970(days: u64) -> Day {
        let leap =
            |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let (mut year, mut left) = (1970_u64, days.min(3_000_000));
        while left >= 365 + u64::from(leap(year)) {
            left -= 365 + u64::from(leap(year));
            year += 1;
        }
        let lengths = [
            31,
            28 + u64::from(leap(year)),
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        let mut month = 1;
        for length in lengths {
            if left < length {
                break;
            }
            left -= length;
            month += 1;
        }
        let narrow = |n: u64| u8::try_from(n).unwrap_or(u8::MAX);
        Day {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: narrow(month),
            day: narrow(left + 1),
        }
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// When it cannot be read, or at the first line that is not understood.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Policy> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("policy {}", path.display()))?;
        Policy::parse(&text).map_err(|error| anyhow!("policy {}: {error}", path.display()))
    }

    pub(crate) fn parse(text: &str) -> Result<Policy, toml::de::Error> {
        toml::from_str(text)
    }

    /// How much the check `id` matters for the kernel `release`. Of several rules for it, the last
    /// one counts.
    pub(crate) fn severity(&self, id: CheckId, release: Option<&str>) -> Severity {
        let rules = self.severity.iter().rev();
        rules
            .filter(|rule| rule.check.0 == id && applies(&rule.kernels, release))
            .map(|rule| rule.is)
            .chain(self.checks.get(&Named(id)).copied())
            .next()
            .unwrap_or(Severity::Error)
    }

    /// Changes the verdicts that the policy speaks of, and says of which known issues it spoke. What
    /// it changed is in the summaries of the checks.
    pub(crate) fn apply(&self, report: &mut DumpReport, today: Day) -> Vec<Applied> {
        let release = report.release.as_ref().map(ToString::to_string);
        self.expect_callback(report, release.as_deref());
        self.tolerate(report, release.as_deref(), today)
    }

    fn expect_callback(&self, report: &mut DumpReport, release: Option<&str>) {
        let symbol = report.callback.symbol.as_ref().map(ToString::to_string);
        let found = match report.callback.state {
            CallbackState::Unknown => return,
            CallbackState::None => "none".to_owned(),
            _ => symbol.unwrap_or_else(|| "an unknown function".to_owned()),
        };
        for rule in self
            .callback
            .iter()
            .filter(|rule| applies(&rule.kernels, release))
        {
            if rule.expect.0.contains(&found) {
                continue;
            }
            let summary = format!(
                "policy: expected {}, found {found}",
                rule.expect.0.join(" or ")
            );
            set(
                report,
                CheckId::EmergencyCallbackSound,
                |check| match check {
                    CheckVerdict::Error | CheckVerdict::Fail => None,
                    _ => Some((CheckVerdict::Fail, summary.clone())),
                },
            );
        }
    }

    fn tolerate(&self, report: &mut DumpReport, release: Option<&str>, today: Day) -> Vec<Applied> {
        let mut applied = Vec::new();
        let mut tolerated = Vec::new();
        for rule in self
            .tolerate
            .iter()
            .filter(|rule| applies(&rule.kernels, release))
        {
            let Named(id) = rule.issue;
            if !report.known_issues.iter().any(|issue| issue.id == id) {
                continue;
            }
            match rule.until {
                Some(until) if until < today => applied.push(Applied::Expired { issue: id, until }),
                until => {
                    tolerated.push(id);
                    applied.push(Applied::Tolerated { issue: id, until });
                }
            }
        }
        let holds = |id: KnownIssueId| tolerated.contains(&id);
        let ids: Vec<&str> = tolerated.iter().map(|id| id.id()).collect();
        let because = format!("tolerated by policy: {}", ids.join(", "));
        let pass = |verdict| {
            (verdict == CheckVerdict::Fail).then(|| (CheckVerdict::Pass, because.clone()))
        };
        let issues = &report.known_issues;
        if !issues.is_empty() && issues.iter().all(|issue| holds(issue.id)) {
            set(report, CheckId::NoKnownIssues, pass);
        }
        let splats = &report.splats;
        if !splats.is_empty()
            && splats
                .iter()
                .all(|splat| splat.known_issue.is_some_and(|known| holds(known.into())))
        {
            set(report, CheckId::NoLockSplats, pass);
        }
        applied
    }
}

/// Gives the check `id` the verdict and summary that `change` returns for its present verdict.
fn set(
    report: &mut DumpReport,
    id: CheckId,
    change: impl Fn(CheckVerdict) -> Option<(CheckVerdict, String)>,
) {
    for check in report.checks.iter_mut().filter(|check| check.id == id) {
        if let Some((verdict, summary)) = change(check.verdict) {
            check.verdict = verdict;
            check.summary = summary;
        }
    }
}

/// Whether a rule for `kernels` holds for `release`; a rule without kernels holds for all.
fn applies(kernels: &[String], release: Option<&str>) -> bool {
    let matches = |pattern: &String| {
        release.is_some_and(|release| glob(pattern.as_bytes(), release.as_bytes()))
    };
    kernels.is_empty() || kernels.iter().any(matches)
}

/// Whether `pattern`, in which `*` stands for any bytes and `?` for one, describes all of `text`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The last star takes one byte more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtopsy::report::{CheckReport, KnownIssueReport};

    const ISSUE: &str = "rcu-splat-in-emergency-callback";

    fn report() -> DumpReport {
        let check = |id, verdict| CheckReport {
            id,
            verdict,
            summary: "s".to_owned(),
        };
        let mut report = DumpReport {
            release: Some("7.2.13-virtdbg".into()),
            ..DumpReport::default()
        };
        report.checks = vec![
            check(CheckId::NoKnownIssues, CheckVerdict::Fail),
            check(CheckId::EmergencyCallbackSound, CheckVerdict::Pass),
        ];
        report.known_issues.push(KnownIssueReport {
            id: KnownIssueId::RcuSplatInEmergencyCallback,
            title: String::new(),
            fixed_by: None,
            because: String::new(),
        });
        report.callback.state = CallbackState::Registered;
        report.callback.symbol = Some("svm_off".into());
        report
    }

    fn day(year: u16, month: u8, day: u8) -> Day {
        Day { year, month, day }
    }

    fn verdicts(policy: &str, today: Day) -> Vec<CheckVerdict> {
        let mut report = report();
        Policy::parse(policy).unwrap().apply(&mut report, today);
        report.checks.iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn an_issue_is_tolerated_to_the_end_of_its_last_day() {
        let policy =
            format!("[[tolerate]]\nissue = \"{ISSUE}\"\nuntil = 2027-03-31\nkernels = [\"7.2.*\"]");
        assert_eq!(verdicts(&policy, day(2027, 3, 31))[0], CheckVerdict::Pass);
        assert_eq!(verdicts(&policy, day(2027, 4, 1))[0], CheckVerdict::Fail);
        let elsewhere = policy.replace("7.2.*", "6.*");
        assert_eq!(verdicts(&elsewhere, day(2027, 1, 1))[0], CheckVerdict::Fail);
    }

    #[test]
    fn an_unexpected_callback_fails_its_check() {
        let rule = |expect: &str| format!("[[callback]]\nexpect = [{expect}]");
        assert_eq!(
            verdicts(&rule("\"svm_off\", \"none\""), day(2027, 1, 1))[1],
            CheckVerdict::Pass
        );
        assert_eq!(
            verdicts(&rule("\"vmx_off\""), day(2027, 1, 1))[1],
            CheckVerdict::Fail
        );
    }

    #[test]
    fn an_error_shows_the_offending_line() {
        for (policy, line) in [
            (
                "[checks]\nno-lock-splat = \"off\"",
                "no-lock-splat = \"off\"",
            ),
            (
                "[checks]\nno-lock-splats = \"mild\"",
                "no-lock-splats = \"mild\"",
            ),
            ("\n\nchekcs = 1", "chekcs = 1"),
            ("[[tolerate]]\nissue = \"nope\"", "issue = \"nope\""),
            (
                "[[tolerate]]\nissue = \"rcu-splat-in-emergency-callback\"\nuntil = 2027-03-31T10:00:00",
                "until = 2027",
            ),
            (
                "[[callback]]\nexpect = [\"none\"]\nkernel = []",
                "kernel = []",
            ),
            ("[[callback]]\nexpect = []", "expect = []"),
            ("[[callback]]\nexpect = [\"\"]", "expect = [\"\"]"),
            ("[[callback]]\nkernels = [\"6.*\"]", "[[callback]]"),
            (
                "[checks]\ndump-complete = \"off\"\ndump-complete = \"error\"",
                "dump-complete = \"error\"",
            ),
            ("[[tolerate]]\nuntil = 2027-03-31", "[[tolerate]]"),
            ("[checks\n", "[checks"),
            (
                "[[severity]]\ncheck = \"dump-complete\"\nis = \"off\"",
                "[[severity]]",
            ),
        ] {
            let error = Policy::parse(policy).unwrap_err().to_string();
            assert!(
                error.contains(line) && error.contains("line "),
                "{policy}\n{error}"
            );
        }
    }

    #[test]
    fn severities_are_read_by_check() {
        let policy =
            Policy::parse("checks.no-lock-splats = \"warning\"\nchecks.dump-complete = \"off\"")
                .unwrap();
        assert_eq!(
            policy.severity(CheckId::NoLockSplats, None),
            Severity::Warning
        );
        assert_eq!(policy.severity(CheckId::DumpComplete, None), Severity::Off);
        assert_eq!(
            policy.severity(CheckId::NoKnownIssues, None),
            Severity::Error
        );
    }

    #[test]
    fn a_severity_can_hold_for_some_kernels_only() {
        let policy = Policy::parse(
            "checks.no-lock-splats = \"warning\"
            [[severity]]
            check = \"no-lock-splats\"
            is = \"error\"
            kernels = [\"7.*\"]
            [[severity]]
            check = \"no-lock-splats\"
            is = \"off\"
            kernels = [\"*-virtdbg\"]",
        )
        .unwrap();
        for (release, expected) in [
            (Some("7.2.13-amd64"), Severity::Error),
            (Some("7.2.13-virtdbg"), Severity::Off),
            (Some("6.1.0"), Severity::Warning),
            (None, Severity::Warning),
        ] {
            let found = policy.severity(CheckId::NoLockSplats, release);
            assert_eq!(found, expected, "{release:?}");
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(Day::from_days_since_1970(0), day(1970, 1, 1));
        assert_eq!(Day::from_days_since_1970(59), day(1970, 3, 1));
        assert_eq!(Day::from_days_since_1970(11_016), day(2000, 2, 29));
        assert_eq!(Day::from_days_since_1970(20_818), day(2026, 12, 31));
        assert_eq!(day(2027, 3, 1).to_string(), "2027-03-01");
    }

    #[test]
    fn globs_match_whole_releases() {
        for (pattern, text, expected) in [
            ("7.2.*", "7.2.13-virtdbg", true),
            ("*-amd64", "6.12.1-amd64", true),
            ("*-amd64", "6.12.1-amd64-dbg", false),
            ("6.?.1", "6.6.1", true),
            ("", "x", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
