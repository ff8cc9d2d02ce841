//! What answers say where there is little or nothing to say: other machines, names that are not
//! there, a machine that had not crashed, verdicts that a policy changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::{check, samples, virtopsy};
use virtopsy_testkit::{Elf, Kdump, Load, Memory, Note, corpus};

/// All commands that open a dump and print.
const COMMANDS: [&[&str]; 13] = [
    &["check"],
    &["report"],
    &["cpus"],
    &["callback"],
    &["info"],
    &["splats"],
    &["log"],
    &["bt"],
    &["tasks"],
    &["modules"],
    &["vms"],
    &["locks"],
    &["peek", "jiffies"],
];

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Runs a command on a dump.
fn on(command: &[&str], dump: &Path) -> Output {
    let dump = dump.display().to_string();
    let (name, rest) = command.split_first().unwrap();
    virtopsy([&[*name, dump.as_str()][..], rest].concat())
}

fn all_of(out: &Output) -> String {
    let text = [out.stdout.as_slice(), &out.stderr].concat();
    String::from_utf8(text).unwrap().replace("\n", " ")
}

fn stuck() -> PathBuf {
    samples().join("svm-stuck-cpu2.kdump")
}

/// Words one blank apart, as they were before they were wrapped.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refused_by_every_command(dump: &Path, machine: &str) {
    for command in COMMANDS {
        let out = on(command, dump);
        assert_eq!(out.status.code(), Some(2), "{command:?} {machine}");
        let said = unwrapped(&all_of(&out));
        assert!(
            said.contains(machine) && said.contains("x86-64"),
            "{command:?}: {said}"
        );
    }
}

#[test]
fn an_elf_dump_of_another_machine_is_refused_by_name_in_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let info = "OSRELEASE=6.1.0\nPAGESIZE=4096\n";
    for (number, name) in [
        (183_u16, "an arm64 machine"),
        (40, "an arm machine"),
        (3, "an i386 machine"),
        (243, "a riscv machine"),
        (21, "a ppc64 machine"),
        (22, "an s390 machine"),
    ] {
        let elf = Elf::new(vec![Load::new(0x1000, vec![0; 0x1000])])
            .machine(number)
            .note(Note::vmcoreinfo(info));
        refused_by_every_command(&write(dir.path(), "vmcore", &elf.build()), name);
    }
}

#[test]
fn an_elf_dump_of_a_big_endian_machine_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = Elf::new(vec![Load::new(0x1000, vec![0; 0x1000])]).build();
    // EI_DATA, then e_machine.
    bytes[5] = 2;
    bytes[18..20].copy_from_slice(&22_u16.to_be_bytes());
    refused_by_every_command(&write(dir.path(), "vmcore", &bytes), "an s390 machine");
}

#[test]
fn a_kdump_of_another_machine_is_refused_by_name_in_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for (uname, name) in [
        ("aarch64", "an arm64 machine"),
        ("i686", "an i386 machine"),
        ("ppc64le", "a ppc64 machine"),
        ("riscv64", "a riscv machine"),
    ] {
        let dump = Kdump::new(Memory::parse("page 0x100 zero"))
            .utsname(["Linux", "host", "6.1.0", "#1", uname, "(none)"])
            .build()
            .bytes;
        refused_by_every_command(&write(dir.path(), "vmcore", &dump), name);
    }
}

#[test]
fn what_keeps_a_kernel_from_being_read_is_the_reason_of_every_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let elf = Elf::new(vec![Load::new(0x1000, vec![0; 0x1000])])
        .note(Note::vmcoreinfo("OSRELEASE=6.1.0\nPAGESIZE=4096\n"));
    let (status, got) = check(&write(dir.path(), "vmcore", &elf.build()), &[]);
    assert_eq!(status, 3);
    for summary in [
        &got["virtualization"]["summary"],
        &got["callback"]["summary"],
    ] {
        assert!(!summary.as_str().unwrap().is_empty(), "{got}");
    }
    for check in got["checks"].as_array().unwrap() {
        assert!(!check["summary"].as_str().unwrap().is_empty(), "{check}");
    }
}

#[test]
fn a_reason_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(stuck()).unwrap();
    let dump = write(dir.path(), "cut", &whole[..60_000]);
    let out = on(&["report"], &dump);
    let text = unwrapped(&String::from_utf8(out.stdout).unwrap());
    let why = check(&dump, &[]).1["virtualization"]["summary"].clone();
    let (_, page) = why.as_str().unwrap().split_once(": ").unwrap();
    assert_eq!(text.matches(page).count(), 1, "{text}");
}

#[test]
fn a_name_that_is_not_there_is_an_error_that_tells_what_is() {
    for (command, said) in [
        (&["tasks", "--state", "Q"][..], "the states are R, S, D"),
        (
            &["bt", "--cpu", "99"],
            "there is no CPU 99; the CPUs are 0-3",
        ),
        (
            &["bt", "--task", "999999"],
            "there is no task 999999; near to it are",
        ),
        (&["cpus", "--explain", "99"], "there is no CPU 99"),
        (&["peek", "crashing_cp"], "crashing_cpu"),
        (&["peek", "(struct task_strukt)init_task"], "task_struct"),
        (
            &["log", "--caller", "T999999"],
            "no record is of caller T999999",
        ),
    ] {
        let out = on(command, &stuck());
        assert_eq!(out.status.code(), Some(2), "{command:?} {}", all_of(&out));
        assert!(all_of(&out).contains(said), "{command:?}: {}", all_of(&out));
    }
    let out = virtopsy(["explain", "no-lock-splat"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        all_of(&out).contains("near to it are no-lock-splats"),
        "{}",
        all_of(&out)
    );
}

#[test]
fn an_empty_answer_says_that_nothing_fits() {
    let out = on(&["tasks", "--state", "Z"], &stuck());
    assert_eq!(out.status.code(), Some(0));
    assert!(
        all_of(&out).contains("no task is in a state of Z"),
        "{}",
        all_of(&out)
    );
    let out = on(&["log", "--grep", "no such text anywhere"], &stuck());
    assert_eq!(out.status.code(), Some(0));
    assert!(all_of(&out).contains("none of the"), "{}", all_of(&out));
}

#[test]
fn peek_gives_a_variable_its_type_and_no_width_that_nothing_proves() {
    let one = |name: &str| -> Value {
        let out = on(&["peek", name, "--format", "json"], &stuck());
        let got: Value = serde_json::from_slice(&out.stdout).unwrap();
        got["values"][0].clone()
    };
    for (name, type_name) in [
        ("crashing_cpu", "int"),
        ("jiffies", "long unsigned int"),
        ("panic_timeout", "int"),
        ("oops_in_progress", "int"),
    ] {
        let got = one(name);
        assert_eq!(got["type"], type_name, "{got}");
        assert!(got["elements"].is_null(), "{got}");
    }
    // A variable that no table knows: it asks for a cast, and shows no bytes.
    let got = one("printk_time");
    assert_eq!(got["bytes"]["hex"], "", "{got}");
    let why = got["bytes"]["untyped_because"].as_str().unwrap();
    assert!(why.contains("cast"), "{got}");
}

#[test]
fn what_a_policy_did_is_told_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let issue = check(&stuck(), &[]).1["known_issues"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (until, said) in [
        (
            "2100-01-01",
            format!("{issue} is tolerated until 2100-01-01"),
        ),
        (
            "2001-01-01",
            format!("{issue} was tolerated until 2001-01-01"),
        ),
    ] {
        let text = format!(
            "checks.dump-complete = \"off\"\nchecks.crash-shutdown-complete = \"warning\"\n\
             [[tolerate]]\nissue = \"{issue}\"\nuntil = {until}\n"
        );
        let policy = write(dir.path(), "policy.toml", text.as_bytes());
        for format in ["text", "json", "jsonl", "junit", "sarif"] {
            let policy = policy.display().to_string();
            let out = on(
                &["check", "--policy", &policy, "--format", format],
                &stuck(),
            );
            let got = String::from_utf8(out.stdout).unwrap();
            assert!(got.contains(&said), "{format}: {got}");
            assert!(got.contains("dump-complete is off"), "{format}: {got}");
            let warning = if format == "text" {
                "warning: crash-shutdown-complete"
            } else {
                "crash-shutdown-complete does not count"
            };
            assert!(got.contains(warning), "{format}: {got}");
        }
    }
}

#[test]
fn a_good_verdict_does_not_hide_checks_that_failed() {
    let Some(corpus) = corpus("answers") else {
        return;
    };
    let dump = corpus.join("dumps/svm-splat.kdump");
    let both = "virtualization off on all CPUs; 2 checks failed";
    let report = String::from_utf8(on(&["report"], &dump).stdout).unwrap();
    assert!(
        unwrapped(&report).starts_with(&format!("VERDICT ✗ {both}: ")),
        "{report}"
    );
    let line = String::from_utf8(on(&["check"], &dump).stdout).unwrap();
    assert!(line.contains(&format!("✗ fail: {both}: ")), "{line}");
}

#[test]
fn a_machine_that_had_not_crashed_says_so_first() {
    let Some(corpus) = corpus("answers") else {
        return;
    };
    let dump = corpus.join("dumps/hv-running.elf");
    let report = String::from_utf8(on(&["report"], &dump).stdout).unwrap();
    let first = report.lines().next().unwrap();
    assert!(first.contains("the machine had not crashed"), "{first}");
    let checks = check(&dump, &[]).1["checks"].clone();
    let shutdown = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["id"] == "crash-shutdown-complete")
        .unwrap();
    assert_eq!(shutdown["verdict"], "not-applicable");
}
