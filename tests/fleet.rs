//! Journeys through a batch: many dumps, some of them bad, runs that are killed and resumed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{samples, virtopsy};
use virtopsy_testkit::corpus;
use virtopsy_testkit::{Flattened, Kdump, Memory};

const COPIES: usize = 200;

/// A patience that a busy machine does not use up.
const LONG: Duration = Duration::from_secs(300);

/// The dumps that copies are made of: the project's own, and the small ones of the corpus.
fn originals() -> Vec<PathBuf> {
    let below = |dir: PathBuf| {
        let mut files: Vec<PathBuf> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| fs::metadata(path).unwrap().len() < 16 << 20)
            .filter(|path| {
                path.extension()
                    .is_some_and(|e| e == "kdump" || e == "flat")
            })
            .collect();
        files.sort();
        files
    };
    let mut all = below(samples());
    all.extend(
        corpus("the corpus dumps among the copies")
            .map(|dir| below(dir.join("dumps")))
            .into_iter()
            .flatten(),
    );
    all
}

/// Bytes of `whole` with every fault of the kind that `number` chooses.
fn corrupted(whole: &[u8], number: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u64.wrapping_mul(number as u64 + 1);
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from((state >> 33) % below as u64).unwrap()
    };
    let mut bytes = whole.to_vec();
    match number % 3 {
        0 => bytes.truncate(random(whole.len())),
        1 => {
            for _ in 0..500 {
                let at = random(bytes.len());
                bytes[at] ^= 1 << (at % 8);
            }
        }
        _ => {
            for _ in 0..20 {
                let at = random(bytes.len() - 4096);
                bytes[at..at + 4096].fill(0);
            }
        }
    }
    bytes
}

/// A folder of `COPIES` dumps: most are the originals, every fifth is a corruption of one.
fn fill(dir: &Path) {
    let originals = originals();
    for number in 0..COPIES {
        let original = &originals[number % originals.len()];
        let path = dir.join(format!("{number:03}.vmcore"));
        if number % 5 == 4 {
            fs::write(path, corrupted(&fs::read(original).unwrap(), number)).unwrap();
        } else {
            symlink(original, path).unwrap();
        }
    }
}

/// The whole command line; results go to `out`.
fn batch(dir: &Path, out: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtopsy"));
    command
        .args(["check", "--format", "jsonl", "--jobs", "2", "--output"])
        .arg(out)
        .args(options)
        .arg(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count())
}

fn partial(out: &Path) -> PathBuf {
    PathBuf::from(format!("{}.partial", out.display()))
}

/// What a process that has ended said on standard error.
fn said(run: &mut Child) -> String {
    let mut said = String::new();
    let mut stderr = run.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    said
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let parent = |process: &Path| -> Option<u32> {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            (parent(&path)? == pid).then_some(number)
        })
        .collect()
}

/// Whether a process still does something: neither gone nor a zombie.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    })
}

/// Ends a run with a signal when it has printed `after` results, and gives its workers.
fn stop(run: &mut Child, out: &Path, after: usize, signal: &str) -> Vec<u32> {
    wait_for("results", || lines(&partial(out)) >= after);
    let workers = children(run.id());
    let killed = Command::new("kill")
        .args([format!("-{signal}"), run.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    workers
}

#[test]
fn two_hundred_dumps_give_the_same_whether_the_run_was_killed_and_resumed_or_not() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, out) = (
        scratch.path().join("dumps"),
        scratch.path().join("out.jsonl"),
    );
    fs::create_dir(&dir).unwrap();
    fill(&dir);

    let whole = batch(&dir, &out, &[]).output().unwrap();
    let expected = fs::read(&out).unwrap();
    fs::remove_file(&out).unwrap();
    let reports: Vec<Value> = expected
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(
        reports.len(),
        COPIES + 1,
        "{}",
        String::from_utf8_lossy(&whole.stderr)
    );
    for (number, report) in reports.iter().take(COPIES).enumerate() {
        assert!(
            report["path"]
                .as_str()
                .unwrap()
                .ends_with(&format!("/{number:03}.vmcore")),
            "input order"
        );
        assert_ne!(report["error"]["kind"], "internal", "{report}");
    }

    let resume = out.display().to_string();
    let options = ["--resume", resume.as_str()];
    // What the run before has is printed at once, so the second one is let go on for longer.
    for (signal, after) in [("KILL", 15), ("INT", 60)] {
        let mut run = batch(&dir, &out, &options).spawn().unwrap();
        let workers = stop(&mut run, &out, after, signal);
        let ended = run.wait().unwrap();
        assert_eq!(workers.len(), 2, "two jobs, two worker processes");
        wait_for("the workers' end", || {
            !workers.iter().any(|pid| lives(*pid))
        });
        assert!(!out.exists(), "a run that was stopped is not complete");
        if signal == "INT" {
            assert_eq!(ended.code(), Some(2), "stopped by ^C is no success");
            let said = said(&mut run);
            assert!(said.contains("--resume"), "{said}");
        } else {
            assert_eq!(ended.signal(), Some(9));
        }
    }
    let resumed = batch(&dir, &out, &options).output().unwrap();
    assert_eq!(resumed.status.code(), whole.status.code());
    assert!(
        fs::read(&out).unwrap() == expected,
        "the resumed run prints the same bytes"
    );
    let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing is left over");

    // One dump is replaced: it alone is examined again, and its line alone changes.
    fs::remove_file(dir.join("003.vmcore")).unwrap();
    fs::write(dir.join("003.vmcore"), b"no dump any more\0").unwrap();
    batch(&dir, &out, &options).output().unwrap();
    let again = fs::read(&out).unwrap();
    let differ: Vec<usize> = expected
        .split(|b| *b == b'\n')
        .zip(again.split(|b| *b == b'\n'))
        .enumerate()
        .filter(|(_, (before, after))| before != after)
        .map(|(number, _)| number)
        .collect();
    assert_eq!(differ, [3, COPIES], "that dump and the summary");
}

/// Dumps of every sort, by name, in a folder of their own.
struct Sorts {
    dir: tempfile::TempDir,
}

impl Sorts {
    fn new() -> Sorts {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("bad"), b"a letter, and no dump at all\0").unwrap();
        // A link to itself is what no one can read, root included.
        symlink(path("unreadable"), path("unreadable")).unwrap();
        let unknown = Kdump::new(Memory::parse("page 0x100 zero; page 0x101 count 3"))
            .vmcoreinfo("OSRELEASE=99.9.9-unheard-of\nPAGESIZE=4096\n")
            .build();
        fs::write(path("unknown"), unknown.bytes).unwrap();
        Sorts { dir }
    }

    fn path(&self, name: &str) -> String {
        match name {
            "fails" => samples().join("svm-stuck-cpu2.kdump"),
            "off" => samples().join("svm-offline-cpu3.kdump"),
            name => self.dir.path().join(name),
        }
        .display()
        .to_string()
    }

    /// `check` on some sorts: the exit status and the lines.
    fn check(&self, names: &[&str], options: &[&str]) -> (i32, Vec<Value>) {
        let mut args = vec!["check".to_owned(), "--format".into(), "jsonl".into()];
        args.extend(options.iter().map(|option| (*option).to_owned()));
        args.extend(names.iter().map(|name| self.path(name)));
        let out = virtopsy(&args);
        let lines = String::from_utf8(out.stdout).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        (out.status.code().unwrap(), lines.collect())
    }
}

#[test]
fn bad_unreadable_and_unknown_dumps_in_the_middle_cost_the_others_nothing() {
    let sorts = Sorts::new();
    let names = ["off", "bad", "unreadable", "fails", "unknown", "off"];
    let (status, lines) = sorts.check(&names, &["--jobs", "2"]);
    assert_eq!((status, lines.len()), (2, 7));
    let kinds: Vec<&str> = lines
        .iter()
        .take(6)
        .map(|line| line["error"]["kind"].as_str().unwrap_or("none"))
        .collect();
    assert_eq!(kinds[1], "not-a-dump");
    assert_ne!(kinds[2], "none");
    assert_eq!([kinds[0], kinds[3], kinds[4], kinds[5]], ["none"; 4]);
    assert_eq!(lines[3]["virtualization"]["verdict"], "not-all-off");
    assert_eq!(lines[4]["release"], "99.9.9-unheard-of");
    assert_eq!(lines[4]["virtualization"]["verdict"], "inconclusive");
    assert_eq!(lines[0]["virtualization"], lines[5]["virtualization"]);
    let mut first = lines[0].clone();
    let (_, alone) = sorts.check(&["off"], &[]);
    first["path"] = alone[0]["path"].clone();
    assert_eq!(first, alone[0], "neighbours change nothing");
    assert_eq!(lines[6]["summary"]["error"], 2);
}

#[test]
fn a_dump_that_hangs_is_given_up_and_the_others_go_on() {
    let sorts = Sorts::new();
    let mut run = Command::new(env!("CARGO_BIN_EXE_virtopsy"))
        .args([
            "check",
            "--format",
            "jsonl",
            "--jobs",
            "1",
            "--timeout",
            "20",
        ])
        .args(vec![sorts.path("fails"); 12])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    // As it would hang on a disk or a network that answers no more.
    let stopped = children(run.id());
    assert_eq!(stopped.len(), 1);
    let sent = Command::new("kill")
        .args(["-STOP", &stopped[0].to_string()])
        .status();
    assert!(sent.unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let reports: Vec<Value> = [first]
        .iter()
        .chain(&rest)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(run.wait().unwrap().code(), Some(2));
    assert_eq!(reports.len(), 13);
    let given_up = reports
        .iter()
        .filter(|line| line["error"]["kind"] == "timeout");
    assert_eq!(given_up.count(), 1);
    let told = |line: &&Value| line["virtualization"]["verdict"] == "not-all-off";
    assert_eq!(reports.iter().filter(told).count(), 11);
    wait_for("the end of the process that hung", || !lives(stopped[0]));
}

#[test]
fn a_dump_that_needs_more_memory_than_it_may_have_is_an_error_and_the_others_go_on() {
    let sorts = Sorts::new();
    let options = ["--memory-limit", "1G", "--jobs", "1"];
    let (status, lines) = sorts.check(&["off", "fails"], &options);
    assert_eq!(
        (status, lines.len()),
        (1, 3),
        "a gigabyte is plenty: {lines:?}"
    );
    // A flattened dump whose index alone is larger than the ceiling.
    let greedy = sorts.dir.path().join("greedy");
    fs::write(&greedy, greedy_flattened()).unwrap();
    let (status, lines) = sorts.check(&["off", "greedy", "fails"], &["--memory-limit", "64M"]);
    assert_eq!(status, 2);
    assert_eq!(lines[1]["error"]["kind"], "memory-limit", "{}", lines[1]);
    assert!(
        lines[0]["error"].is_null() && lines[2]["error"].is_null(),
        "{lines:?}"
    );
}

/// A flattened file of more records than an index of 64 MiB holds.
fn greedy_flattened() -> Vec<u8> {
    (0..1_200_000)
        .fold(Flattened::new(), |file, number| {
            file.record(number * 2, 1, b"x")
        })
        .end()
}

#[test]
fn every_combination_of_verdicts_has_its_exit_status() {
    let sorts = Sorts::new();
    // By itself each sort ends with one status; together the worst counts: 2, 1, 3, 0.
    let only = ["--select", "virt-disabled-all-cpus"];
    let all = [("off", 0), ("fails", 1), ("bad", 2), ("unknown", 3)];
    let rank = |status: i32| [0, 3, 1, 2].iter().position(|s| *s == status).unwrap();
    for set in 1..16_usize {
        let chosen: Vec<_> = (0..4)
            .filter(|bit| set >> bit & 1 == 1)
            .map(|bit| all[bit])
            .collect();
        let names: Vec<&str> = chosen.iter().map(|(name, _)| *name).collect();
        let worst = chosen
            .iter()
            .map(|(_, s)| *s)
            .max_by_key(|s| rank(*s))
            .unwrap();
        assert_eq!(sorts.check(&names, &only).0, worst, "{names:?}");
    }
    for (options, expected) in [
        (&["--fail-on", "fail"][..], [0, 1, 2, 3]),
        (&["--fail-on", "inconclusive"], [0, 1, 2, 1]),
        (&["--fail-on", "never"], [0, 0, 2, 0]),
        (&["--exit-zero"], [0, 0, 2, 0]),
    ] {
        for ((name, _), expected) in all.iter().zip(expected) {
            let options = [&only[..], options].concat();
            assert_eq!(
                sorts.check(&[name], &options).0,
                expected,
                "{name} {options:?}"
            );
        }
    }
    assert_eq!(
        virtopsy(["check", "--no-such-option"]).status.code(),
        Some(2)
    );
}

#[test]
fn shares_of_a_fleet_are_disjoint_and_together_the_whole() {
    let sorts = Sorts::new();
    let names: Vec<String> = (0..12).map(|n| format!("copy-{n}")).collect();
    for name in &names {
        fs::copy(sorts.path("unknown"), sorts.path(name)).unwrap();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut backwards = names.clone();
    backwards.reverse();
    let mut seen = Vec::new();
    for index in 0..3 {
        let share = format!("hash:{index}/3");
        let paths = |names: &[&str]| {
            let (_, lines) = sorts.check(names, &["--partition", &share]);
            let mut paths: Vec<String> = lines
                .iter()
                .filter_map(|line| Some(line["path"].as_str()?.to_owned()))
                .collect();
            paths.sort();
            paths
        };
        let share = paths(&names);
        assert_eq!(share, paths(&backwards), "order changes no share");
        seen.extend(share);
    }
    seen.sort();
    let mut all: Vec<String> = names.iter().map(|name| sorts.path(name)).collect();
    all.sort();
    assert_eq!(seen, all);
}

#[test]
fn a_closed_pipe_is_no_error_and_leaves_no_process_behind() {
    let sorts = Sorts::new();
    let many = vec![sorts.path("fails"); 40];
    let mut run = Command::new(env!("CARGO_BIN_EXE_virtopsy"))
        .args(["check", "--format", "jsonl", "--exit-zero", "--jobs", "2"])
        .args(&many)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut reader = BufReader::new(run.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    let workers = children(run.id());
    drop(reader);
    let ended = run.wait().unwrap();
    let said = said(&mut run);
    assert_eq!((ended.code(), said.as_str()), (Some(0), ""));
    assert!(first.starts_with('{'));
    wait_for("the workers' end", || {
        !workers.iter().any(|pid| lives(*pid))
    });
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_keeps_what_was_there() {
    let sorts = Sorts::new();
    let out = virtopsy(["check", "--output", "/dev/full", &sorts.path("off")]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2));
    assert!(said.contains("space"), "{said}");
    // A limit on a file's size ends a regular file as a full disk does.
    let file = sorts.dir.path().join("out");
    fs::write(&file, "the last run's results").unwrap();
    let command = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' check --format jsonl --output '{}' '{}' '{}'",
        env!("CARGO_BIN_EXE_virtopsy"),
        file.display(),
        sorts.path("fails"),
        sorts.path("fails"),
    );
    let out = Command::new("bash")
        .args(["-c", &command])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("could not be written"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "the last run's results");
}

#[test]
fn a_summary_of_shares_is_that_of_the_whole_in_every_format() {
    let sorts = Sorts::new();
    let dir = sorts.dir.path();
    let run = |name: &str, options: &[&str]| {
        let out = dir.join(name);
        let mut args: Vec<String> = ["check", "--format", "jsonl", "--output"]
            .map(String::from)
            .into();
        args.push(out.display().to_string());
        args.extend(options.iter().map(|option| (*option).to_owned()));
        args.extend(["off", "fails", "bad", "unknown"].map(|name| sorts.path(name)));
        virtopsy(&args);
        out.display().to_string()
    };
    let whole = run("whole.jsonl", &[]);
    let shares = [
        run("0.jsonl", &["--partition", "hash:0/2"]),
        run("1.jsonl", &["--partition", "hash:1/2"]),
    ];
    let summary = |files: &[String], format: &str| {
        let mut args = vec!["summary".to_owned(), "--format".into(), format.into()];
        args.extend(files.iter().cloned());
        let out = virtopsy(&args);
        assert_eq!(
            out.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    };
    let json =
        |files: &[String]| -> Value { serde_json::from_str(&summary(files, "json")).unwrap() };
    let (one, two) = (json(std::slice::from_ref(&whole)), json(&shares));
    assert_eq!(one["summary"], two["summary"]);
    assert_eq!(one["summary"]["dumps"], 4);
    assert_eq!(
        one["checks"].as_array().unwrap().len(),
        two["checks"].as_array().unwrap().len()
    );
    assert!(summary(&shares, "text").starts_with("4 dumps\n"));
    assert!(summary(&shares, "csv").starts_with("group,name,"));
    assert!(summary(&shares, "html").starts_with("<!DOCTYPE html>"));
    let spoilt = dir.join("spoilt.jsonl");
    fs::write(&spoilt, "{}\n").unwrap();
    let out = virtopsy(["summary", &whole, spoilt.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("spoilt.jsonl:1: "));
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("4 dumps\n"));
}
