//! A dump whose every text is an attack: log lines, names of tasks, modules, functions, the release
//! and the host. No command shows any of it raw, in no format.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/apart.rs"]
mod apart;
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use apart::take_apart;
use support::{samples, virtopsy};
use virtopsy::report::deceives;
use virtopsy_kernel::{Kernel, KernelOptions, VirtAddr};
use virtopsy_testkit::{Kdump, KdumpBytes, Note};
use virtopsy_vmcore::{Dump, OpenOptions};

/// Clears the screen, turns the direction of writing, is no UTF-8, rings, deletes, and is a C1
/// control; fits a task's name.
const ATTACK: &[u8] = b"\x1b[2J\xe2\x80\xae\xff\x07\x7f\xc2\x9bX";
/// How it is shown.
const SHOWN: &str = "\\x1b[2J\\u{202e}\\xff\\x07\\x7f\\u{9b}X";
const SAMPLE: &str = "svm-stuck-cpu2.kdump";

struct Attacked {
    kernel: Kernel,
    built: KdumpBytes,
}

impl Attacked {
    fn write(&mut self, at: VirtAddr, bytes: &[u8]) {
        let physical = self.kernel.space().translate(at).unwrap();
        let place = &self.built.places[&(physical.0 >> 12)];
        let start = place.data + (physical.0 & 0xfff) as usize;
        self.built.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Puts the attack over the start of every `text` in memory.
    fn replace(&mut self, text: &[u8]) -> usize {
        assert!(text.len() >= ATTACK.len());
        let bytes = &mut self.built.bytes;
        let found: Vec<usize> = memchr_all(bytes, text);
        for at in &found {
            bytes[*at..*at + ATTACK.len()].copy_from_slice(ATTACK);
        }
        found.len()
    }
}

fn memchr_all(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let first = bytes.iter().enumerate().filter(|(_, b)| **b == text[0]);
    let starts = first.map(|(at, _)| at);
    starts.filter(|at| bytes[*at..].starts_with(text)).collect()
}

/// The notes with the attack in the release.
fn attacked_notes(notes: Vec<Note>) -> Vec<Note> {
    let attack = |mut note: Note| {
        let key = b"OSRELEASE=";
        if let Some(at) = memchr_all(&note.desc, key).first() {
            let start = at + key.len();
            note.desc[start..start + ATTACK.len()].copy_from_slice(ATTACK);
        }
        note
    };
    notes.into_iter().map(attack).collect()
}

fn attacked_dump(folder: &Path) -> PathBuf {
    let path = samples().join(SAMPLE);
    let dump = Dump::open(std::slice::from_ref(&path), &OpenOptions::default()).unwrap();
    let kernel = Kernel::open(Arc::new(dump), &KernelOptions::default()).unwrap();
    let (memory, notes) = take_apart(&path);
    let host = String::from_utf8_lossy(ATTACK).into_owned();
    let plain = Kdump::new(memory)
        .codec(None)
        .utsname(["Linux", &host, &host, "#1", "x86_64", "(none)"]);
    let built = attacked_notes(notes)
        .into_iter()
        .fold(plain, Kdump::note)
        .build();
    let mut attacked = Attacked { kernel, built };
    let tasks: Vec<VirtAddr> = attacked
        .kernel
        .tasks()
        .tasks
        .iter()
        .map(|t| t.address)
        .collect();
    assert!(tasks.len() > 10);
    let mut comm = ATTACK.to_vec();
    comm.resize(16, 0);
    for task in tasks {
        let task = attacked.kernel.object(task, "struct task_struct").unwrap();
        let at = task.field("comm").unwrap().address;
        attacked.write(at, &comm);
    }
    let modules = &attacked.kernel.modules().modules;
    let names: Vec<VirtAddr> = modules
        .iter()
        .filter(|m| !m.name.starts_with("kvm"))
        .map(|m| attacked.kernel.object(m.address, "struct module").unwrap())
        .map(|m| m.field("name").unwrap().address)
        .collect();
    assert!(!names.is_empty(), "the sample has other modules than KVM's");
    for at in names {
        attacked.write(at, &comm);
    }
    assert!(attacked.replace(b"svm_emergency_disable_virtualization_cpu\0") > 0);
    assert!(attacked.replace(b"Hardware name: QEMU") > 0);
    assert!(attacked.replace(b"suspicious rcu_dereference_check() usage") > 0);
    let out = folder.join("attacked");
    std::fs::write(&out, &attacked.built.bytes).unwrap();
    out
}

/// Runs a command; its output has nothing that acts on a terminal or deceives. Gives the output.
fn harmless(args: &[&str]) -> String {
    let out = virtopsy(args);
    let status = out.status.code();
    assert!(matches!(status, Some(0..=3)), "{args:?}: {:?}", out.status);
    for stream in [&out.stdout, &out.stderr] {
        let text = std::str::from_utf8(stream).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        let raw = text
            .char_indices()
            .find(|(_, c)| deceives(*c) && *c != '\n');
        assert!(raw.is_none(), "{args:?}: raw {raw:?} in:\n{text}");
    }
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn no_text_of_a_dump_reaches_a_terminal_raw_from_any_command_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let dump = attacked_dump(folder.path());
    let dump = dump.to_str().unwrap();
    for command in ["report", "tasks", "modules", "log", "info", "bt"] {
        let out = harmless(&[command, dump]);
        assert!(
            out.contains(SHOWN) || out.contains("\\x1b[2J"),
            "{command}: {out}"
        );
    }
    for command in [
        "report -v",
        "cpus",
        "cpus --explain 1",
        "callback",
        "splats",
        "vms",
        "locks",
        "locks --all",
        "bt --all",
        "tasks --stacks",
        "info --vmcoreinfo",
        "check",
        "check -v",
        "peek init_task",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.insert(1, dump);
        harmless(&args);
    }
    let peeked = harmless(&["peek", dump, "((struct task_struct *)&init_task)->comm"]);
    assert!(peeked.contains("\\x1b[2J"), "{peeked}");
    // What was tried is told as well.
    harmless(&["check", "-vv", dump]);
}

#[test]
fn formats_for_machines_hold_the_text_and_nothing_raw() {
    let folder = tempfile::tempdir().unwrap();
    let dump = attacked_dump(folder.path());
    let dump = dump.to_str().unwrap();
    for command in [
        "report", "cpus", "callback", "info", "splats", "log", "bt", "tasks", "modules", "vms",
        "locks",
    ] {
        let json = harmless(&[command, "--format", "json", dump]);
        serde_json::from_str::<serde_json::Value>(&json)
            .unwrap_or_else(|e| panic!("{command}: {e}"));
    }
    let json: serde_json::Value =
        serde_json::from_str(&harmless(&["log", "--format", "json", dump])).unwrap();
    let base64 = "G1syS+KAriAH";
    let text = json.to_string();
    assert!(
        text.contains("{\"bytes\":\"") && !text.contains(base64),
        "the bytes are told as they were"
    );
    for format in ["text", "json", "jsonl", "junit", "sarif"] {
        let out = harmless(&["check", "--format", format, dump]);
        match format {
            "json" | "sarif" => drop(serde_json::from_str::<serde_json::Value>(&out).unwrap()),
            "jsonl" => out.lines().for_each(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }),
            "junit" => drop(quick_junit::Report::deserialize_from_str(&out).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_text_log_full_of_attacks_is_shown_visibly() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = b"[    1.000000] WARNING: suspicious RCU usage\n[    1.000001] ".to_vec();
    for _ in 0..4 {
        log.extend(ATTACK);
        log.extend(
            b"\0\n[    1.000002] other info that might help us debug this:\n[    1.000003] ",
        );
    }
    log.extend(b"\n");
    let path = folder.path().join("log");
    std::fs::write(&path, log).unwrap();
    for format in ["text", "json", "jsonl"] {
        harmless(&[
            "splats",
            "--format",
            format,
            "--log",
            path.to_str().unwrap(),
        ]);
    }
}

#[test]
fn a_path_that_is_an_attack_is_shown_visibly() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(ATTACK));
    std::fs::write(&path, b"no dump, but long enough to be looked at").unwrap();
    for format in ["text", "json", "jsonl", "junit", "sarif"] {
        let out = virtopsy([
            "check".as_ref(),
            "--format".as_ref(),
            format.as_ref(),
            path.as_os_str(),
        ]);
        let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        assert!(
            !text.chars().any(|c| deceives(c) && c != '\n'),
            "{format}: {text}"
        );
    }
}
