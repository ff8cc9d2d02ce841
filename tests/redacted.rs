//! `--redact` on every command that takes it, in every format: no name of a task, no address, no
//! text of the log is left, and the answer is the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use support::{root, samples, virtopsy};

const COMMANDS: [&str; 16] = [
    "check --format text",
    "check --format json",
    "check --format jsonl",
    "check --format junit",
    "check --format sarif",
    "report",
    "report -v",
    "report --format json",
    "cpus",
    "cpus --format json",
    "cpus --explain 0",
    "cpus --explain 0 --format json",
    "callback",
    "callback --format json",
    "splats",
    "splats --format json",
];

/// The message of every report of a key that is not registered.
const UNREGISTERED: &str = "has not been registered!";

fn run(command: &str, options: &[&str]) -> (i32, String) {
    let out = virtopsy(command.split(' ').chain(options.iter().copied()));
    let status = out.status.code().unwrap();
    (status, String::from_utf8(out.stdout).unwrap())
}

/// What a dump's or log's whole results hold under a key that must not be shown.
fn secrets(options: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for command in ["report", "cpus", "tasks", "splats"] {
        let (_, text) = run(command, &[&["--format", "json"], options].concat());
        if let Ok(json) = serde_json::from_str(&text) {
            collect(&json, &mut found);
        }
    }
    found
}

fn collect(json: &Value, into: &mut BTreeSet<String>) {
    match json {
        Value::Array(list) => list.iter().for_each(|entry| collect(entry, into)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let secret = ["comm", "message", "taint"].contains(&key.as_str());
                // The reason of the crash is the log's; that of a verdict is one of ours.
                let secret = secret || key == "reason" && value.as_str().is_some_and(is_prose);
                // Some kinds of report are named by their message.
                let kind = fields.get("kind").and_then(Value::as_str);
                let name = |text: &str| text.to_lowercase().replace(' ', "-");
                let is_kind = |text: &str| {
                    kind.is_some_and(|k| name(text).starts_with(k)) || text == UNREGISTERED
                };
                let secret = secret && !value.as_str().is_some_and(is_kind);
                match value.as_str() {
                    // Shorter ones are found in other words.
                    Some(text) if secret && text.len() > 2 => drop(into.insert(text.to_owned())),
                    _ => collect(value, into),
                }
            }
        }
        _ => {}
    }
}

fn is_prose(text: &str) -> bool {
    text.contains(' ')
}

/// The first word of `text` that has the shape of an address.
fn address(text: &str) -> Option<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| (word, word.strip_prefix("0x").unwrap_or(word)))
        // The number behind `end trace` is 0 today.
        .filter(|(_, digits)| !digits.trim_matches('0').is_empty())
        .filter(|(_, digits)| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .find(|(word, digits)| {
            digits.len() == 16 || (word.len() > digits.len() + 1 && digits.len() > 7)
        })
        .map(|(word, _)| word)
}

/// Whether `secret` stands in `text` as a word of its own.
fn says(text: &str, secret: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(secret).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + secret.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Runs the commands on what the options name; how many secrets it has.
fn assert_redacted(commands: &[&str], options: &[&str], name: &str) -> usize {
    let secrets = secrets(options);
    for command in commands {
        let (expected, whole) = run(command, options);
        let (status, text) = run(command, &[&["--redact"], options].concat());
        assert_eq!(status, expected, "{command} on {name}: another answer");
        assert_eq!(text.is_empty(), whole.is_empty(), "{command} on {name}");
        let text = text.replace(name, "");
        assert_eq!(address(&text), None, "{command} on {name}:\n{text}");
        for secret in &secrets {
            assert!(
                !says(&text, secret),
                "{command} on {name}: {secret:?}:\n{text}"
            );
        }
    }
    secrets.len()
}

#[test]
fn a_dump_keeps_its_secrets_in_every_command_and_format() {
    for sample in ["svm-stuck-cpu2.kdump", "vmx-off.kdump"] {
        let path = samples().join(sample);
        let name = path.to_str().unwrap();
        let secrets = assert_redacted(&COMMANDS, &[name], name);
        assert!(secrets > 1, "{name} has no secret");
    }
}

fn assert_log_redacted(log: &Path) -> usize {
    let name = log.to_str().unwrap();
    let commands = ["splats", "splats --format json", "splats --format jsonl"];
    assert_redacted(&commands, &["--log", name], name)
}

#[test]
fn a_text_log_keeps_its_secrets() {
    let logs = root().join("crates/klog/tests/logs");
    let folder = std::fs::read_dir(logs.join("locks-7.3")).unwrap();
    let of_a_kernel = folder.map(|entry| assert_log_redacted(&entry.unwrap().path()));
    assert!(of_a_kernel.sum::<usize>() > 50);
    assert_log_redacted(&logs.join("interleaved.log"));
}

#[test]
fn the_picture_of_a_cycle_has_its_locks_without_addresses() {
    let log = root().join("crates/klog/tests/logs/locks-7.3/circular.log");
    let options = ["--log", log.to_str().unwrap()];
    let (_, whole) = run("splats --graph dot", &options);
    let (_, redacted) = run(
        "splats --graph dot",
        &[&["--redact"], &options[..]].concat(),
    );
    assert_eq!(address(&redacted), None, "{redacted}");
    let arrows = |picture: &str| picture.matches("->").count();
    assert_eq!(arrows(&redacted), arrows(&whole), "{redacted}");
}
