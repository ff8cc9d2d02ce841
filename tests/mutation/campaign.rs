//! Prepares the dumps, runs the workers, adds up.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::subject::{Subject, Truth};
use crate::support::{root, samples};
use crate::worker;
use virtopsy_testkit::corpus;

const DEFAULT_SEED: u64 = 0x7669_7274_6f70_7379;
const DEFAULT_RUNS: u64 = 150;
/// A run that tells nothing for this long hangs: it has 5 s of CPU time, on a machine that may be
/// busy.
const PATIENCE: Duration = Duration::from_secs(120);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(format!("VIRTOPSY_MUTATION_{name}")).map_or(default, |v| v.parse().unwrap())
}

/// What the workers told.
#[derive(Default)]
struct Tally {
    runs: u64,
    outcomes: BTreeMap<String, u64>,
    most_ticks: (u64, u64),
    most_kib: (u64, u64),
    findings: Vec<String>,
}

pub(crate) fn run() {
    let seed = setting("SEED", DEFAULT_SEED);
    let runs = setting("RUNS", DEFAULT_RUNS);
    let jobs = setting("JOBS", 1).max(1);
    let started = Instant::now();
    let folder = tempfile::Builder::new()
        .prefix("mutation-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let subjects = subjects(folder.path());
    let json = serde_json::to_vec(&subjects).unwrap();
    fs::write(folder.path().join("subjects.json"), json).unwrap();
    let (first, end) = match std::env::var("VIRTOPSY_MUTATION_ONLY") {
        Ok(number) => (number.parse().unwrap(), number.parse::<u64>().unwrap() + 1),
        Err(_) => (setting("FIRST", 0), setting("FIRST", 0) + runs),
    };
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for job in 0..jobs {
            let (tally, folder) = (&tally, folder.path());
            scope.spawn(move || work(folder, seed, first + job, end, jobs, tally));
        }
    });
    let tally = tally.into_inner().unwrap();
    println!(
        "seed {seed}, {} runs on {} files in {:.0} s: {:?}",
        tally.runs,
        subjects.len(),
        started.elapsed().as_secs_f64(),
        tally.outcomes
    );
    println!(
        "most CPU time {} ms (run {}), most memory {} KiB (run {}), {} findings",
        tally.most_ticks.0 * 10,
        tally.most_ticks.1,
        tally.most_kib.0,
        tally.most_kib.1,
        tally.findings.len()
    );
    if std::env::var_os("VIRTOPSY_MUTATION_ONLY").is_some() {
        println!("the damaged file: {}", folder.keep().join("only").display());
    }
    assert!(tally.findings.is_empty(), "{}", tally.findings.join("\n"));
    assert_eq!(tally.runs, end - first, "not every run was made");
}

/// The samples always, the corpus where it is there.
fn subjects(folder: &Path) -> Vec<Subject> {
    let mut dumps: BTreeMap<String, (PathBuf, Truth)> = BTreeMap::new();
    // Which file a run damages hangs on how many there are: a run is repeated with the same RUNS.
    if let Some(corpus) = corpus("the corpus part of the campaign")
        && setting("RUNS", DEFAULT_RUNS) > DEFAULT_RUNS
    {
        let truth = root().join("../shared/corpus/dumps/truth.json");
        add(&mut dumps, &corpus.join("dumps"), &truth);
    }
    add(&mut dumps, &samples(), &samples().join("truth.json"));
    let wanted = std::env::var("VIRTOPSY_MUTATION_DUMPS").unwrap_or_default();
    dumps.retain(|name, _| wanted.split(',').any(|word| name.contains(word)));
    let mut subjects = Vec::new();
    for (name, (path, truth)) in &dumps {
        let plain = Subject::plain(name, path, truth, folder);
        // Proof stands in pages: two runs of three go there.
        subjects.extend([plain.clone(), plain, Subject::as_it_is(name, path, truth)]);
    }
    subjects
}

fn add(dumps: &mut BTreeMap<String, (PathBuf, Truth)>, folder: &Path, truth: &Path) {
    let Ok(text) = fs::read(truth) else {
        virtopsy_testkit::skipped(&format!("{}: no {}", folder.display(), truth.display()));
        return;
    };
    let truth: Vec<Value> = serde_json::from_slice(&text).unwrap();
    for entry in &truth {
        let name = entry["file"].as_str().unwrap();
        let path = folder.join(name);
        if path.exists() {
            dumps.insert(name.to_owned(), (path, Truth::of(entry)));
        }
    }
}

/// Runs workers from `next` on until `end` is reached; one that dies is followed by another.
fn work(folder: &Path, seed: u64, mut next: u64, end: u64, step: u64, tally: &Mutex<Tally>) {
    while next < end {
        let range = format!("{seed} {next} {end} {step}");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "worker_of_the_campaign",
                "--nocapture",
            ])
            .env(worker::FOLDER, folder)
            .env(worker::RANGE, range)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let heard = AtomicU64::new(0);
        let current = AtomicU64::new(next);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let status = std::thread::scope(|scope| {
            let listen = scope.spawn(|| {
                for line in stdout.lines().map_while(Result::ok) {
                    heard.fetch_add(1, Ordering::Relaxed);
                    listen_to(&line, &current, tally);
                }
            });
            let (mut last, mut since) = (0, Instant::now());
            let mut patient = true;
            while !listen.is_finished() {
                std::thread::sleep(Duration::from_millis(50));
                let now = heard.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if patient && since.elapsed() > PATIENCE {
                    patient = false;
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap()
        });
        let number = current.load(Ordering::Relaxed);
        next = if status.success() { end } else { number + step };
        if !status.success() {
            let mut tally = tally.lock().unwrap();
            tally.runs += 1;
            tally
                .findings
                .push(format!("run {number} ended its process: {status}"));
            println!("run {number} ended its process: {status}");
        }
    }
}

fn listen_to(line: &str, current: &AtomicU64, tally: &Mutex<Tally>) {
    let Some(line) = line.strip_prefix('@') else {
        if std::env::var_os("VIRTOPSY_MUTATION_ONLY").is_some() {
            println!("{line}");
        }
        return;
    };
    let (verb, rest) = line.split_once(' ').unwrap();
    let mut tally = tally.lock().unwrap();
    match verb {
        "run" => current.store(rest.parse().unwrap(), Ordering::Relaxed),
        "did" => {
            let (_, outcome) = rest.split_once(' ').unwrap();
            *tally.outcomes.entry(outcome.to_owned()).or_default() += 1;
            tally.runs += 1;
            if tally.runs.is_multiple_of(1000) {
                println!("{} runs, {} findings", tally.runs, tally.findings.len());
            }
        }
        "cost" => {
            let numbers: Vec<u64> = rest.split(' ').map(|n| n.parse().unwrap()).collect();
            let [number, ticks, kib] = numbers[..] else {
                panic!("{rest}")
            };
            tally.most_ticks = tally.most_ticks.max((ticks, number));
            tally.most_kib = tally.most_kib.max((kib, number));
        }
        "found" => {
            println!("found in run {rest}");
            tally.findings.push(format!("run {rest}"));
        }
        _ => panic!("{line}"),
    }
}
