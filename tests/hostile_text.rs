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
use virtopsy::kernel::{Kernel, KernelOptions, VirtAddr};
use virtopsy::klog::deceives;
use virtopsy_testkit::{Kdump, KdumpBytes, Note};
use virtopsy_vmcore::{Dump, OpenOptions};

/// Clears the screen, turns the direction of writing, is no UTF-8, rings, deletes, and is a C1
/// control; fits a task's name.
const ATTACK: &[u8] = b"\x1b[2J\xe2\x80\xae\xff\x07\x7f\xc2\x9bX";
/// How it is shown.
const SHOWN: &str = "\\x1b[2J\\u{202e}\\xff\\x07\\x7f\\u{9b}X";
/// Ends an attribute and begins an element in HTML and XML; as long as a task's name can be.
const MARKUP: &[u8] = b"\"'><script>a&b";
const SAMPLE: &str = "svm-stuck-cpu2.kdump";

struct Attacked {
    attack: &'static [u8],
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
        assert!(text.len() >= self.attack.len());
        let bytes = &mut self.built.bytes;
        let found: Vec<usize> = memchr_all(bytes, text);
        for at in &found {
            bytes[*at..*at + self.attack.len()].copy_from_slice(self.attack);
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
fn attacked_notes(notes: Vec<Note>, attack: &[u8]) -> Vec<Note> {
    let attack = |mut note: Note| {
        let key = b"OSRELEASE=";
        if let Some(at) = memchr_all(&note.desc, key).first() {
            let start = at + key.len();
            note.desc[start..start + attack.len()].copy_from_slice(attack);
        }
        note
    };
    notes.into_iter().map(attack).collect()
}

fn attacked_dump(folder: &Path, attack: &'static [u8]) -> PathBuf {
    let path = samples().join(SAMPLE);
    let dump = Dump::open(std::slice::from_ref(&path), &OpenOptions::default()).unwrap();
    let kernel = Kernel::open(Arc::new(dump), &KernelOptions::default()).unwrap();
    let (memory, notes) = take_apart(&path);
    let host = String::from_utf8_lossy(attack).into_owned();
    let plain = Kdump::new(memory)
        .codec(None)
        .utsname(["Linux", &host, &host, "#1", "x86_64", "(none)"]);
    let built = attacked_notes(notes, attack)
        .into_iter()
        .fold(plain, Kdump::note)
        .build();
    let mut attacked = Attacked {
        attack,
        kernel,
        built,
    };
    let tasks: Vec<VirtAddr> = attacked
        .kernel
        .tasks()
        .tasks
        .iter()
        .map(|t| t.address)
        .collect();
    assert!(tasks.len() > 10);
    let mut comm = attack.to_vec();
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
    let dump = attacked_dump(folder.path(), ATTACK);
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
    let dump = attacked_dump(folder.path(), ATTACK);
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

/// A batch's records and what a fleet's summary makes of them.
fn summaries(folder: &Path, dump: &Path) -> Vec<(&'static str, String)> {
    let records = folder.join("records.jsonl");
    let jsonl = harmless(&["check", "--format", "jsonl", dump.to_str().unwrap()]);
    std::fs::write(&records, jsonl).unwrap();
    let records = records.to_str().unwrap();
    let formats = ["text", "json", "csv", "html"];
    let summary = |format| harmless(&["summary", "--format", format, records]);
    formats.map(|format| (format, summary(format))).into()
}

#[test]
fn no_text_of_a_dump_is_taken_for_markup() {
    let folder = tempfile::tempdir().unwrap();
    let dump = attacked_dump(folder.path(), MARKUP);
    let mut pages = summaries(folder.path(), &dump);
    let (_, html) = pages.pop().unwrap();
    assert!(html.contains("&lt;script&gt;a&amp;b"), "{html}");
    let dump = dump.to_str().unwrap();
    let junit = harmless(&["check", "--format", "junit", dump]);
    quick_junit::Report::deserialize_from_str(&junit).unwrap();
    let log = folder.path().join("circular.log");
    std::fs::write(&log, circular_report(&String::from_utf8_lossy(MARKUP))).unwrap();
    let dot = harmless(&["splats", "--graph", "dot", "--log", log.to_str().unwrap()]);
    for xml in [&html, &junit] {
        assert!(!xml.contains("<script>a"), "{xml}");
    }
    assert!(dot.contains("\\\"'><script>a"), "{dot}");
}

#[test]
fn what_is_made_of_hostile_records_and_reports_is_shown_visibly() {
    let folder = tempfile::tempdir().unwrap();
    let dump = attacked_dump(folder.path(), ATTACK);
    for (format, text) in summaries(folder.path(), &dump) {
        assert!(
            text.contains("x1b[2J") || text.contains("u001b[2J"),
            "{format}: {text}"
        );
    }
    let log = folder.path().join("circular.log");
    std::fs::write(&log, circular_report("\x1b[2J\u{202e}")).unwrap();
    let picture = harmless(&["splats", "--graph", "dot", "--log", log.to_str().unwrap()]);
    assert!(picture.contains("u{202e}"), "{picture}");
}

/// Two locks, the name of one of which is an attack.
fn circular_report(attack: &str) -> String {
    let text = "\
======================================================
WARNING: possible circular locking dependency detected
6.12.0 #1 Not tainted
------------------------------------------------------
task/10 is trying to acquire lock:
ffff888000000010 (ATTACK){+.+.}-{3:3}, at: first+0x10/0x20

but task is already holding lock:
ffff888000000020 (other){+.+.}-{3:3}, at: second+0x10/0x20

which lock already depends on the new lock.


the existing dependency chain (in reverse order) is:

-> #1 (other){+.+.}-{3:3}:
       second+0x10/0x20

-> #0 (ATTACK){+.+.}-{3:3}:
       first+0x10/0x20

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(other);
                               lock(ATTACK);
                               lock(other);
  lock(ATTACK);

 *** DEADLOCK ***

1 lock held by task/10:
 #0: ffff888000000020 (other){+.+.}-{3:3}, at: second+0x10/0x20

stack backtrace:
Call Trace:
 <TASK>
 first+0x10/0x20
 </TASK>
";
    let lines = text.replace("ATTACK", attack);
    let stamped = lines.lines().map(|line| format!("[    1.000000] {line}\n"));
    stamped.collect()
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
