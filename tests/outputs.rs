//! Every format of `check` on the project's dumps and on bad ones, held against its schema.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;
use support::{root, samples, virtopsy};

/// The samples, a file that is no dump, and one with a hostile name that does not exist.
fn check(format: &str, options: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let letter = dir.path().join("letter");
    std::fs::write(&letter, "hello, this is a letter\0\u{1}").unwrap();
    let mut args = vec!["check".to_owned(), "--format".to_owned(), format.to_owned()];
    args.extend(options.iter().map(|option| (*option).to_owned()));
    args.push(samples().display().to_string());
    args.push(letter.display().to_string());
    args.push("/nowhere/\u{1b}[31m<&\">'%\u{202e}".to_owned());
    let out = virtopsy(&args);
    assert_eq!(out.status.code(), Some(2));
    out.stdout
}

fn schema_of(text: &[u8]) -> Validator {
    jsonschema::validator_for(&serde_json::from_slice(text).unwrap()).unwrap()
}

fn assert_valid(validator: &Validator, text: &[u8]) -> Value {
    let value = serde_json::from_slice(text).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value}");
    value
}

#[test]
fn json_and_jsonl_keep_the_schema_that_the_command_prints() {
    let schema = schema_of(&virtopsy(["schema"]).stdout);
    let document = assert_valid(&schema, &check("json", &[]));
    let dumps = std::fs::read_dir(samples()).unwrap();
    let dumps = dumps.filter(|e| e.as_ref().unwrap().path().extension() == Some("kdump".as_ref()));
    let dumps = dumps.count();
    assert_eq!(document["dumps"].as_array().unwrap().len(), dumps + 2);
    let lines = check("jsonl", &[]);
    let lines = lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
    let lines: Vec<Value> = lines.map(|line| assert_valid(&schema, line)).collect();
    assert_eq!(lines.len(), dumps + 3);
    assert!(lines.iter().take(dumps).all(|line| {
        line["error"].is_null()
            && line["files"][0]["size"].as_u64() > Some(0)
            && !line["virtualization"]["cpus"]
                .as_array()
                .unwrap()
                .is_empty()
    }));
    assert_eq!(lines[dumps + 2]["summary"]["error"], 2);
    let log = root().join("crates/klog/tests/logs/interleaved.log");
    for format in ["json", "jsonl"] {
        let splats = virtopsy(["splats", "--log", log.to_str().unwrap(), "--format", format]);
        for text in splats.stdout.split(|byte| *byte == b'\n') {
            if !text.is_empty() {
                assert_valid(&schema, text);
            }
        }
    }
}

#[test]
fn sarif_keeps_the_schema_of_oasis() {
    let text = std::fs::read_to_string(root().join("tests/schemas/sarif-2.1.0.json")).unwrap();
    // A bracket too many in the standard's own pattern for languages is no regular expression.
    let schema = schema_of(text.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$").as_bytes());
    let log = assert_valid(&schema, &check("sarif", &[]));
    let run = &log["runs"][0];
    assert!(!run["results"].as_array().unwrap().is_empty());
    let told = &run["invocations"][0]["toolExecutionNotifications"];
    let told = told.as_array().unwrap();
    let of = |level: &str| {
        told.iter()
            .filter(|one| one["level"] == level)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("error").len(), 2);
    // Why each machine died that is in the samples.
    let notes = of("note");
    assert!(!notes.is_empty() && notes.len() + 2 == told.len());
    assert!(notes.iter().all(|one| one["descriptor"]["id"] == "crash"));
    let empty = check("sarif", &["--select", "emergency-callback-sound"]);
    assert_valid(&schema, &empty);
}

/// Where Debian's `libxml2-utils` is installed.
fn xmllint() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join("xmllint"))
        .find(|tool| tool.is_file())
}

fn assert_valid_xml(tool: &Path, schema: &Path, xml: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.xml");
    std::fs::write(&file, xml).unwrap();
    let out = Command::new(tool)
        .args(["--noout", "--nonet", "--schema"])
        .args([schema, &file])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&out.stderr),
        String::from_utf8_lossy(xml)
    );
}

#[test]
fn junit_keeps_the_schema_of_jenkins() {
    let Some(tool) = xmllint() else {
        virtopsy_testkit::skipped(
            "JUnit against the schema of Jenkins: there is no xmllint (libxml2-utils)",
        );
        return;
    };
    let schema = root().join("tests/schemas/junit-10.xsd");
    for options in [&[][..], &["--fail-on", "inconclusive"]] {
        let xml = check("junit", options);
        assert!(
            xml.windows(12).any(|w| w == b"<testsuites "),
            "it is no JUnit"
        );
        assert_valid_xml(&tool, &schema, &xml);
    }
}
