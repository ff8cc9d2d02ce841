//! SARIF 2.1.0: checks are rules; what failed or is inconclusive is a result.
//!
//! An inconclusive check has the kind `open`, the standard's word for a rule that was evaluated
//! without enough information. What was right is not printed. A dump that could not be examined
//! is a notification of the invocation, and the invocation then was not successful.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use virtopsy::report::{CheckId, CheckReport, CheckVerdict, Summary, Text, escape};

use super::{Render, TOOL, json};
use crate::explain::{self, Explanation};
use crate::judge::Judged;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// All results, printed in the end.
#[derive(Debug, Default)]
pub(crate) struct Log {
    results: Vec<Finding>,
    notifications: Vec<Notification>,
    /// Dumps or checks that could not be examined.
    errors: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Driven,
    invocations: [Invocation<'a>; 1],
    column_kind: &'static str,
    results: &'a [Finding],
}

#[derive(Serialize)]
struct Driven {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message,
    full_description: Message,
    help: Message,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a> {
    execution_successful: bool,
    tool_execution_notifications: &'a [Notification],
}

#[derive(Debug, Serialize)]
struct Message {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    kind: &'static str,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    level: &'static str,
    message: Message,
    descriptor: Descriptor,
    locations: [Location; 1],
}

#[derive(Debug, Serialize)]
struct Descriptor {
    id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
}

#[derive(Debug, Serialize)]
struct Artifact {
    uri: String,
}

impl Render for Log {
    fn dump(&mut self, _out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()> {
        let report = &judged.report;
        if let Some(error) = &report.error {
            self.error(&report.path, &error.kind, &error.message.to_string());
        }
        for did in &judged.policy {
            self.note(&report.path, "policy", &did.to_string());
        }
        let sentence = report.crash.as_ref().and_then(|c| c.sentence.as_ref());
        if let Some(sentence) = sentence {
            self.note(&report.path, "crash", &sentence.to_string());
        }
        for check in &report.checks {
            match (check.verdict, judged.advisory.contains(&check.id)) {
                (CheckVerdict::Fail, false) => self.result(&report.path, check, "fail", "error"),
                (CheckVerdict::Fail, true) => self.result(&report.path, check, "fail", "warning"),
                (CheckVerdict::Inconclusive, _) => self.result(&report.path, check, "open", "none"),
                (CheckVerdict::Error, _) => self.error(&report.path, check.id.id(), &check.summary),
                (CheckVerdict::Pass | CheckVerdict::NotApplicable, _) => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, _summary: &Summary) -> anyhow::Result<()> {
        let invocation = Invocation {
            execution_successful: self.errors == 0,
            tool_execution_notifications: &self.notifications,
        };
        let driver = Driver {
            name: TOOL.name,
            version: TOOL.version,
            semantic_version: TOOL.version,
            rules: CheckId::ALL.iter().copied().map(rule).collect(),
        };
        let run = Run {
            tool: Driven { driver },
            invocations: [invocation],
            column_kind: "utf16CodeUnits",
            results: &self.results,
        };
        json::print(
            out,
            &Document {
                schema: SCHEMA,
                version: "2.1.0",
                runs: [run],
            },
        )
    }
}

impl Log {
    /// Something beside the results.
    fn note(&mut self, path: &Text, id: &str, message: &str) {
        self.notifications.push(Notification {
            level: "note",
            ..notification(path, id, message)
        });
    }

    fn error(&mut self, path: &Text, id: &str, message: &str) {
        self.errors = self.errors.saturating_add(1);
        self.notifications.push(notification(path, id, message));
    }

    fn result(
        &mut self,
        path: &Text,
        check: &CheckReport,
        kind: &'static str,
        level: &'static str,
    ) {
        self.results.push(Finding {
            rule_id: check.id.id(),
            rule_index: CheckId::ALL.iter().position(|id| *id == check.id),
            kind,
            level,
            message: Message {
                text: format!("{path}: {}", visible(&check.summary)),
            },
            locations: [location(path)],
        });
    }
}

fn rule(check: CheckId) -> Rule {
    let Explanation {
        id, title, text, ..
    } = explain::of_check(check);
    Rule {
        id,
        short_description: Message {
            text: title.to_owned(),
        },
        full_description: Message {
            text: text.split("\n\n").next().unwrap_or(text).to_owned(),
        },
        help: Message {
            text: text.to_owned(),
        },
    }
}

fn notification(path: &Text, id: &str, message: &str) -> Notification {
    Notification {
        level: "error",
        message: Message {
            text: format!("{path}: {}", visible(message)),
        },
        descriptor: Descriptor { id: visible(id) },
        locations: [location(path)],
    }
}

fn location(path: &Text) -> Location {
    Location {
        physical_location: Physical {
            artifact_location: Artifact {
                uri: uri(path.as_bytes()),
            },
        },
    }
}

fn visible(text: &str) -> String {
    escape(text.as_bytes())
}

/// A path as a URI reference: absolute ones with a scheme, every odd byte percent-encoded.
fn uri(path: &[u8]) -> String {
    let absolute = std::str::from_utf8(path)
        .map_or(path.starts_with(b"/"), |path| Path::new(path).is_absolute());
    let mut uri = String::from(if absolute { "file://" } else { "" });
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b',' => {
                uri.push(char::from(*byte));
            }
            byte => {
                // Writing to a string cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;
    use serde_json::Value;

    fn printed() -> Value {
        let mut log = Log::default();
        let mut out = Vec::new();
        for one in samples::all() {
            log.dump(&mut out, &one).unwrap();
        }
        log.end(&mut out, &Summary::default()).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    /// What the schema demands of the parts that we print.
    #[test]
    fn the_log_keeps_the_rules_of_sarif_2_1_0() {
        let log = printed();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: Vec<&str> = rules
            .iter()
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, explain::check_ids().collect::<Vec<_>>());
        assert!(rules.iter().all(|rule| {
            !rule["shortDescription"]["text"]
                .as_str()
                .unwrap()
                .is_empty()
        }));
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(result["ruleId"], ids[index]);
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            let level = result["level"].as_str().unwrap();
            match result["kind"].as_str().unwrap() {
                "fail" => assert!(["error", "warning", "note"].contains(&level)),
                "open" => assert_eq!(level, "none"),
                kind => panic!("{kind}"),
            }
            assert_uri(&result["locations"][0]);
        }
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        let told = invocation["toolExecutionNotifications"].as_array().unwrap();
        let ids: Vec<&str> = told
            .iter()
            .map(|one| one["descriptor"]["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["crash", "crash", "not-a-dump"]);
        assert_eq!(
            (&told[0]["level"], &told[2]["level"]),
            (&"note".into(), &"error".into())
        );
        told.iter().for_each(|one| assert_uri(&one["locations"][0]));
    }

    fn assert_uri(location: &Value) {
        let uri = location["physicalLocation"]["artifactLocation"]["uri"]
            .as_str()
            .unwrap();
        assert!(uri.starts_with("file:///"), "{uri}");
        assert!(
            uri.bytes()
                .all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b)),
            "{uri}"
        );
    }

    #[test]
    fn failed_and_inconclusive_checks_are_results_and_others_are_none() {
        let log = printed();
        let results = log["runs"][0]["results"].as_array().unwrap();
        let kinds: Vec<&str> = results
            .iter()
            .map(|result| result["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["fail", "open"]);
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri(b"/a b/\xff"), "file:///a%20b/%FF");
        assert_eq!(uri(b"c:/vm%core"), "c%3A/vm%25core");
    }
}
