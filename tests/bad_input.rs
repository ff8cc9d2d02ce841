//! What bad input gets: a clear message, and everything that can still be said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{check, samples, states, virtopsy};
use virtopsy_testkit::corpus;
use virtopsy_testkit::{Kdump, Memory, Note};

fn message(report: &Value) -> String {
    report["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_file_that_is_no_dump_is_named_with_what_it_begins_with() {
    let dir = tempfile::tempdir().unwrap();
    let (status, got) = check(&write(dir.path(), "note", b"hello, this is a letter"), &[]);
    assert_eq!(status, 2);
    assert_eq!(got["error"]["kind"], "not-a-dump");
    assert!(
        message(&got).contains("note") && message(&got).contains("expected an ELF core"),
        "{got}"
    );
}

#[test]
fn a_truncated_dump_still_says_what_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(samples().join("svm-stuck-cpu2.kdump")).unwrap();
    for keep in [whole.len() / 3, whole.len() / 2, whole.len() - 100_000] {
        let (status, got) = check(&write(dir.path(), "cut", &whole[..keep]), &[]);
        assert!(got["error"].is_null(), "{got}");
        assert_eq!(got["complete"], false);
        assert!(
            got["incomplete_because"][0]
                .as_str()
                .unwrap()
                .contains("truncated")
        );
        assert_eq!(
            got["release"], "7.2.13-virtdbg",
            "the header is still there"
        );
        assert_eq!(status, 1, "dump-complete fails");
        for (cpu, state) in states(&got) {
            let opposite = if cpu == 2 { "off" } else { "on" };
            assert_ne!(state, opposite, "CPU {cpu} after {keep} bytes");
        }
    }
}

#[test]
fn a_dump_cut_inside_its_header_is_an_error_that_names_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(samples().join("svm-stuck-cpu2.kdump")).unwrap();
    let (status, got) = check(&write(dir.path(), "head", &whole[..200]), &[]);
    assert_eq!(status, 2);
    assert!(message(&got).contains("head"), "{got}");
}

#[test]
fn a_dump_without_vmcoreinfo_says_so_and_what_would_help() {
    let dir = tempfile::tempdir().unwrap();
    let note = Note::prstatus(1, &[]);
    let bytes = Kdump::new(Memory::parse("page 0x100 zero; page 0x101 count 3"))
        .note(note)
        .build()
        .bytes;
    let (status, got) = check(&write(dir.path(), "bare", &bytes), &[]);
    assert_eq!(status, 3, "{got}");
    assert_eq!(got["virtualization"]["verdict"], "inconclusive");
    let why = got["virtualization"]["summary"].to_string();
    assert!(why.contains("VMCOREINFO"), "{why}");
}

#[test]
fn a_kernel_without_types_leaves_open_only_what_needs_them() {
    let (_, got) = check(&samples().join("vmx-off.kdump"), &[]);
    assert!(got["types_from"].is_null());
    assert!(
        got["notes"].to_string().contains("--vmlinux"),
        "it says what would help: {}",
        got["notes"]
    );
    assert_eq!(
        got["crash"]["reason"], "sysrq triggered crash",
        "the log is read without types"
    );
    assert!(got["log"]["records"].as_u64().unwrap() > 0);
    assert_eq!(
        got["callback"]["state"], "unknown",
        "modules can't be read without types"
    );
}

#[test]
fn a_vmlinux_of_another_build_is_refused_with_both_ids() {
    let Some(corpus) = corpus("a_vmlinux_of_another_build_is_refused_with_both_ids") else {
        return;
    };
    let dump = samples().join("svm-stuck-cpu2.kdump");
    let (_, fitting) = check(&dump, &[]);
    let build_id = fitting["build_id"].as_str().unwrap();
    let kernels = std::fs::read_dir(corpus.join("kernels"))
        .unwrap()
        .map(|k| k.unwrap().path());
    let mut refused = 0;
    for kernel in kernels {
        let (status, got) = check(&dump, &["--vmlinux", &kernel.display().to_string()]);
        if got["error"].is_null() {
            continue;
        }
        refused += 1;
        assert_eq!(
            (status, &got["error"]["kind"]),
            (2, &Value::from("wrong-vmlinux"))
        );
        assert!(
            message(&got).contains(build_id) && message(&got).contains("--force-vmlinux"),
            "{got}"
        );
    }
    assert!(refused > 0, "the corpus has a kernel of another build");
}

#[test]
fn one_bad_dump_stops_no_batch() {
    let dir = tempfile::tempdir().unwrap();
    let bad = write(
        dir.path(),
        "bad",
        b"no dump at all, but long enough to be looked at",
    );
    let good = samples().join("svm-stuck-cpu2.kdump");
    let out = virtopsy([
        "check",
        "--format",
        "jsonl",
        bad.to_str().unwrap(),
        good.to_str().unwrap(),
    ]);
    let lines: Vec<Value> = String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["virtualization"]["verdict"], "not-all-off");
    assert_eq!(lines[2]["summary"]["error"], 1);
}

#[test]
fn a_path_that_does_not_exist_is_an_input_error() {
    let (status, got) = check(Path::new("/nonexistent/vmcore"), &[]);
    assert_eq!(status, 2);
    assert!(message(&got).contains("/nonexistent/vmcore"), "{got}");
}
