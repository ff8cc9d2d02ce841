//! JUnit XML: one suite for each dump, one case for each check.

use std::io::Write;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use regex::Regex;
use virtopsy::report::{CheckReport, CheckVerdict, ErrorReport, Summary, escape};

use super::Render;
use crate::judge::Judged;

/// All suites, printed in the end.
#[derive(Debug)]
pub(crate) struct Suites {
    report: Report,
    inconclusive_fails: bool,
}

impl Suites {
    /// An inconclusive check is `skipped`, or a failure where the user asked for that.
    pub(crate) fn new(inconclusive_fails: bool) -> Suites {
        Suites {
            report: Report::new("virtopsy"),
            inconclusive_fails,
        }
    }

    fn case(&self, suite: &str, check: &CheckReport, advisory: bool) -> TestCase {
        let mut status = match check.verdict {
            CheckVerdict::Pass => TestCaseStatus::success(),
            CheckVerdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
            CheckVerdict::Fail if !advisory => TestCaseStatus::non_success(NonSuccessKind::Failure),
            CheckVerdict::Inconclusive if self.inconclusive_fails && !advisory => {
                TestCaseStatus::non_success(NonSuccessKind::Failure)
            }
            _ => TestCaseStatus::skipped(),
        };
        let word = crate::words::word(&check.verdict);
        if check.verdict != CheckVerdict::Pass {
            status.set_message(format!("{word}: {}", visible(&check.summary)));
            status.set_type(word);
        }
        let mut case = TestCase::new(check.id.id(), status);
        case.set_classname(suite);
        case
    }
}

impl Render for Suites {
    fn dump(&mut self, _out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()> {
        let report = &judged.report;
        let name = visible(&report.path.to_string());
        let mut suite = TestSuite::new(name.as_str());
        if let Some(release) = &report.release {
            suite.add_property(Property::new("release", visible(&release.to_string())));
        }
        if let Some(build_id) = &report.build_id {
            suite.add_property(Property::new("build-id", visible(build_id)));
        }
        if let Some(crash) = &report.crash {
            if let Some(sentence) = &crash.sentence {
                suite.add_property(Property::new("crash", visible(&sentence.to_string())));
            }
            if let Some(signature) = &crash.signature {
                suite.add_property(Property::new("crash-signature", visible(signature)));
            }
        }
        for did in &judged.policy {
            suite.add_property(Property::new("policy", visible(&did.to_string())));
        }
        if !judged.policy.is_empty() {
            let told: Vec<String> = judged
                .policy
                .iter()
                .map(|did| format!("policy: {did}"))
                .collect();
            suite.set_system_out(visible_lines(&told));
        }
        if let Some(error) = &report.error {
            suite.add_test_case(unopened(&name, error));
        }
        for check in &report.checks {
            suite.add_test_case(self.case(&name, check, judged.advisory.contains(&check.id)));
        }
        self.report.add_test_suite(suite);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, _summary: &Summary) -> anyhow::Result<()> {
        let xml = self.report.to_string()?;
        // The schema that Jenkins publishes knows this count in a suite, but not in their root.
        let count = Regex::new(r#"(<testsuites [^<>]*?) skipped="[0-9]+""#)?;
        out.write_all(count.replace(&xml, "$1").as_bytes())?;
        Ok(())
    }
}

/// The case of a dump that could not be examined.
fn unopened(suite: &str, error: &ErrorReport) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(visible(&error.message.to_string()));
    status.set_type(visible(&error.kind));
    let mut case = TestCase::new("examine", status);
    case.set_classname(suite);
    case
}

/// Lines, each of them visible.
fn visible_lines(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| visible(line)).collect();
    lines.join("\n")
}

/// Text in which what XML cannot hold is shown as an escape.
fn visible(text: &str) -> String {
    let escaped = escape(text.as_bytes());
    // The two characters beyond the controls that no XML document may hold.
    escaped
        .replace('\u{fffe}', "\\u{fffe}")
        .replace('\u{ffff}', "\\u{ffff}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    fn printed(inconclusive_fails: bool) -> (String, Report) {
        let mut suites = Suites::new(inconclusive_fails);
        let mut out = Vec::new();
        for one in samples::all() {
            suites.dump(&mut out, &one).unwrap();
        }
        suites.end(&mut out, &Summary::default()).unwrap();
        let xml = String::from_utf8(out).unwrap();
        let report = Report::deserialize_from_str(&xml).unwrap();
        (xml, report)
    }

    #[test]
    fn a_dump_is_a_suite_and_a_check_is_a_case() {
        let (_, report) = printed(false);
        assert_eq!(report.test_suites.len(), samples::all().len());
        let good = &report.test_suites[0];
        assert_eq!(
            (good.name.as_str(), good.tests, good.failures),
            ("/dumps/good", 6, 0)
        );
        let told: Vec<(&str, &str)> = good
            .properties
            .iter()
            .map(|p| (p.name.as_str(), p.value.as_str()))
            .collect();
        assert!(
            told.contains(&("crash", "sh (PID 107) asked for a crash by sysrq.")),
            "{told:?}"
        );
        let bad = &report.test_suites[1];
        assert_eq!((bad.failures, bad.skipped), (1, 1));
        let broken = &report.test_suites[2];
        assert_eq!((broken.tests, broken.errors), (1, 1));
        let (_, strict) = printed(true);
        assert_eq!(
            (
                strict.test_suites[1].failures,
                strict.test_suites[1].skipped
            ),
            (2, 0)
        );
    }

    #[test]
    fn hostile_text_becomes_visible_xml() {
        let (xml, report) = printed(false);
        let legal = |c: char| matches!(c, '\n' | '\t' | ' '..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(xml.chars().all(legal));
        let broken = &report.test_suites[2];
        assert_eq!(broken.name.as_str(), "/dumps/\\xff\\x1b[2J<&\">]]>");
        let message = match &broken.test_cases[0].status {
            TestCaseStatus::NonSuccess { message, .. } => {
                message.as_ref().unwrap().as_str().to_owned()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            message,
            "not a dump: \\x1b]0;owned\\x07 </failure> \\u{202e}"
        );
    }
}
