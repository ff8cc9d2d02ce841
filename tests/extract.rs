//! An extract says what its dump says, and nothing that was not asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::{samples, virtopsy};

/// Commands that each kind of extract answers, beside those of the kinds before it.
const CHECK: [&[&str]; 6] = [
    &["check"],
    &["report"],
    &["cpus"],
    &["callback"],
    &["splats"],
    &["crashes"],
];
const REPORT: [&[&str]; 2] = [&["log"], &["bt"]];
const ALL: [&[&str]; 5] = [
    &["tasks"],
    &["modules"],
    &["vms"],
    &["locks"],
    &["bt", "--all"],
];

fn json(command: &[&str], dump: &Path) -> (Option<i32>, Value) {
    let dump = dump.display().to_string();
    let (name, rest) = command.split_first().unwrap();
    let end = ["--format", "json"];
    let out = virtopsy([&[*name, dump.as_str()][..], rest, &end].concat());
    let answer = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
    (out.status.code(), answer)
}

/// Takes out what is an extract's own: its name, its size, what it says of itself.
fn comparable(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            for own in ["path", "files", "extract"] {
                fields.remove(own);
            }
            if fields.get("id").is_some_and(|id| id == "dump-complete") {
                fields.remove("summary");
            }
            fields.values_mut().for_each(comparable);
        }
        Value::Array(items) => items.iter_mut().for_each(comparable),
        _ => {}
    }
}

fn extract(dump: &Path, questions: &str, to: &Path) -> Output {
    let (dump, to) = (dump.display().to_string(), to.display().to_string());
    virtopsy(["extract", "--for", questions, &dump, "-o", &to])
}

fn sample_dumps() -> Vec<PathBuf> {
    let mut dumps: Vec<PathBuf> = fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "kdump"))
        .collect();
    dumps.sort();
    assert!(dumps.len() >= 3, "{dumps:?}");
    dumps
}

#[test]
fn an_extract_gives_the_answers_of_its_dump() {
    let dir = tempfile::tempdir().unwrap();
    for dump in sample_dumps() {
        let mut commands = Vec::new();
        for (questions, more) in [("check", &CHECK[..]), ("report", &REPORT), ("all", &ALL)] {
            commands.extend_from_slice(more);
            let small = dir.path().join(questions);
            let made = extract(&dump, questions, &small);
            assert!(made.status.success(), "{made:?}");
            for command in &commands {
                let (mut want, mut got) = (json(command, &dump), json(command, &small));
                comparable(&mut want.1);
                comparable(&mut got.1);
                // Without types, some listings end in an error that both must give.
                assert!(want.1.is_object() || want.0 == Some(2), "{command:?}");
                assert_eq!(want, got, "{command:?} of {}", dump.display());
            }
            fs::remove_file(&small).unwrap();
        }
    }
}

#[test]
fn what_was_not_asked_for_is_excluded_and_the_extract_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let dump = samples().join("svm-stuck-cpu2.kdump");
    let small = dir.path().join("small");
    assert!(extract(&dump, "check", &small).status.success());
    let (_, answer) = json(&["tasks"], &small);
    let missing = answer["incomplete_because"].to_string();
    assert!(missing.contains("excluded"), "{missing}");
    let (_, info) = json(&["info"], &small);
    let about = &info["container"]["extract"];
    assert_eq!(about["of"], "svm-stuck-cpu2.kdump");
    assert_eq!(about["questions"], "check");
    assert_eq!(about["origin"], "kdump");
    let whole = fs::metadata(&dump).unwrap().len();
    assert!(fs::metadata(&small).unwrap().len() < whole / 4);
}

#[test]
fn an_extract_of_an_extract_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let dump = samples().join("svm-stuck-cpu2.kdump");
    assert!(extract(&dump, "report", &one).status.success());
    assert!(extract(&one, "check", &two).status.success());
    let (mut want, mut got) = (json(&["check"], &dump), json(&["check"], &two));
    comparable(&mut want.1);
    comparable(&mut got.1);
    assert_eq!(want, got);
}

#[test]
fn a_directory_is_extracted_and_nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir_all(from.join("host-1")).unwrap();
    let dump = from.join("host-1/vmcore");
    fs::copy(samples().join("svm-stuck-cpu2.kdump"), &dump).unwrap();
    let name = |path: &Path| path.display().to_string();
    let run =
        |more: &[&str]| virtopsy([&["extract", &name(&from), "-o", &name(&to)][..], more].concat());
    assert!(run(&[]).status.success());
    assert!(to.join("host-1/vmcore").is_file());
    let again = run(&[]);
    assert_eq!(again.status.code(), Some(2));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("--force writes over it"), "{said}");
    assert!(run(&["--force"]).status.success());
    let itself = extract(&dump, "check", &dump);
    assert_eq!(itself.status.code(), Some(2));
    assert!(
        String::from_utf8(itself.stderr)
            .unwrap()
            .contains("is the dump itself")
    );
}

#[test]
fn a_dump_that_fails_leaves_no_file_and_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir(&from).unwrap();
    let dump = samples().join("svm-stuck-cpu2.kdump");
    fs::copy(&dump, from.join("b.kdump")).unwrap();
    let cut = fs::read(&dump).unwrap().into_iter().take(2000);
    fs::write(from.join("a.kdump"), cut.collect::<Vec<u8>>()).unwrap();
    let (from, to_name) = (from.display().to_string(), to.display().to_string());
    let out = virtopsy(["extract", &from, "-o", &to_name]);
    assert_eq!(out.status.code(), Some(2));
    let left: Vec<_> = fs::read_dir(&to)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["b.kdump"]);
}

/// The same command, redacted: of the dump because it was asked for, of the extract by itself.
#[test]
fn a_redacted_extract_gives_the_redacted_answers_and_holds_no_name() {
    let dir = tempfile::tempdir().unwrap();
    for dump in sample_dumps() {
        let small = dir.path().join("small");
        let (from, to) = (dump.display().to_string(), small.display().to_string());
        let made = virtopsy([
            "extract",
            "--redact",
            "--for",
            "check",
            "--compress",
            "none",
            &from,
            "-o",
            &to,
        ]);
        assert!(made.status.success(), "{made:?}");
        for command in CHECK {
            let asked = [command, &["--redact"]].concat();
            let (mut want, mut got) = (json(&asked, &dump), json(command, &small));
            comparable(&mut want.1);
            comparable(&mut got.1);
            assert_eq!(want, got, "{command:?} of {}", dump.display());
        }
        let bytes = fs::read(&small).unwrap();
        for name in names_of(&dump) {
            assert!(!holds(&bytes, &name), "{name} in the extract of {from}");
        }
        let log = virtopsy(["log", &from]);
        let log = String::from_utf8_lossy(&log.stdout);
        for secret in log.lines().filter(|line| line.contains("Command line:")) {
            let text = secret.split("Command line:").nth(1).unwrap().trim();
            assert!(!holds(&bytes, text), "{text}");
        }
        fs::remove_file(&small).unwrap();
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|here| here == text.as_bytes())
}

/// Names of tasks that can't be words of something else, as they lie in memory: ended by a NUL.
fn names_of(dump: &Path) -> Vec<String> {
    let (_, report) = json(&["check"], dump);
    let cpus = report["dumps"][0]["virtualization"]["cpus"]
        .as_array()
        .unwrap()
        .iter();
    let names = cpus.filter_map(|cpu| cpu["task"]["comm"].as_str());
    let mut names: Vec<String> = names.map(|name| format!("{name}\0")).collect();
    names.sort();
    names.dedup();
    names
}
