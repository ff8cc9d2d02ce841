//! One process of the campaign: damages, examines, undoes, and tells on standard output.
//!
//! `@run N` before a run, `@did N WORD` after it, `@found N …` for what must not be.

use std::fs::{self, File};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use virtopsy::report::{CheckId, CheckVerdict, CpuState, DumpReport, Verdict};

use crate::mutation::Damage;
use crate::subject::{Subject, open};

/// Folder with the subjects.
pub(crate) const FOLDER: &str = "VIRTOPSY_MUTATION_FOLDER";
/// `SEED FIRST END STEP`.
pub(crate) const RANGE: &str = "VIRTOPSY_MUTATION_RANGE";

/// CPU time of a run, in clock ticks of 10 ms.
const MOST_TICKS: u64 = 500;
/// Memory of a run, in KiB.
const MOST_KIB: u64 = 512 << 10;
/// Every how many runs the real command is run as well.
const COMMAND_EVERY: u64 = 20;

/// What the last panic said and where.
static PANIC: Mutex<String> = Mutex::new(String::new());

fn tell(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{words}").unwrap();
    out.flush().unwrap();
}

pub(crate) fn run() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let range = std::env::var(RANGE).unwrap();
    let numbers: Vec<u64> = range.split(' ').map(|n| n.parse().unwrap()).collect();
    let [seed, first, end, step] = numbers[..] else {
        panic!("{range}")
    };
    std::panic::set_hook(Box::new(|info| *PANIC.lock().unwrap() = info.to_string()));
    let subjects: Vec<Subject> =
        serde_json::from_slice(&fs::read(folder.join("subjects.json")).unwrap()).unwrap();
    let copies: Vec<PathBuf> = (0..subjects.len())
        .map(|i| folder.join(format!("worker-{}-{i}", std::process::id())))
        .collect();
    for number in (first..end).step_by(usize::try_from(step).unwrap()) {
        // Not by `number % len`, which workers with a step would share out unevenly.
        let index = fastrand::Rng::with_seed(seed ^ number << 20).usize(0..subjects.len());
        if !copies[index].exists() {
            fs::copy(&subjects[index].file, &copies[index]).unwrap();
        }
        one(number, seed, &subjects[index], &copies[index]);
    }
    copies.iter().for_each(|copy| {
        let _ = fs::remove_file(copy);
    });
}

fn one(number: u64, seed: u64, subject: &Subject, copy: &Path) {
    tell(&format!("run {number}"));
    let pristine = File::open(&subject.file).unwrap();
    let file = File::options().read(true).write(true).open(copy).unwrap();
    let damage = Damage::new(subject, &pristine, &file, seed.wrapping_add(number));
    if std::env::var_os("VIRTOPSY_MUTATION_ONLY").is_some() {
        println!("{}: {}\n{}", number, subject.name, damage.said.join("\n"));
    }
    let found = |what: &str| {
        tell(&format!(
            "found {number} {}: {what} [{}]",
            subject.name,
            damage.said.join("; ")
        ));
    };
    let (ticks, resident) = (cpu_ticks(), reset_peak());
    match catch_unwind(AssertUnwindSafe(|| examine(copy))) {
        Ok(report) => {
            wrong(subject, &report).iter().for_each(|w| found(w));
            tell(&format!("did {number} {}", outcome(subject, &report)));
        }
        Err(_) => {
            found(&format!("panic: {}", PANIC.lock().unwrap()));
            tell(&format!("did {number} panic"));
        }
    }
    let (ticks, peak) = (cpu_ticks() - ticks, peak_kib().saturating_sub(resident));
    tell(&format!("cost {number} {ticks} {peak}"));
    if ticks > MOST_TICKS {
        found(&format!("{} ms of CPU time", ticks * 10));
    }
    if peak > MOST_KIB {
        found(&format!("{peak} KiB"));
    }
    if number.is_multiple_of(COMMAND_EVERY)
        && let Err(what) = command(number, copy)
    {
        found(&what);
    }
    if std::env::var_os("VIRTOPSY_MUTATION_ONLY").is_some() {
        fs::copy(copy, copy.with_file_name("only")).unwrap();
    }
    damage.undo();
}

/// What `check --format json` does.
fn examine(path: &Path) -> DumpReport {
    let report = match open(path) {
        Ok(session) => session.report(),
        Err(error) => DumpReport {
            error: Some(error.into()),
            ..DumpReport::default()
        },
    };
    serde_json::to_vec(&report).unwrap();
    report
}

fn wrong(subject: &Subject, report: &DumpReport) -> Vec<String> {
    let cpus = &report.virtualization.cpus;
    let off = cpus
        .iter()
        .filter(|c| c.state == CpuState::Off && subject.on.contains(&c.cpu));
    let mut wrong: Vec<String> = off
        .map(|c| {
            let sides: Vec<&str> = c.evidence.iter().map(|e| e.what.id()).collect();
            format!(
                "WRONG OFF: CPU {} is on; {} ({})",
                c.cpu,
                c.summary,
                sides.join(", ")
            )
        })
        .collect();
    let passes = |id: CheckId| {
        let check = report.checks.iter().find(|c| c.id == id);
        check.is_some_and(|c| matches!(c.verdict, CheckVerdict::Pass | CheckVerdict::NotApplicable))
    };
    let verdict = report.virtualization.verdict;
    if !subject.all_off
        && (passes(CheckId::VirtDisabledAllCpus)
            || matches!(verdict, Verdict::AllOff | Verdict::NotApplicable))
    {
        wrong.push(format!("WRONG VERDICT: {verdict:?} where a CPU is on"));
    }
    wrong
}

/// One word on what became of the verdict.
fn outcome(subject: &Subject, report: &DumpReport) -> &'static str {
    let on = report
        .virtualization
        .cpus
        .iter()
        .any(|c| c.state == CpuState::On && !subject.on.contains(&c.cpu));
    match report.virtualization.verdict {
        _ if report.error.is_some() => "error",
        _ if on => "off-called-on",
        Verdict::AllOff if subject.all_off => "same",
        Verdict::NotAllOff if !subject.all_off => "same",
        _ => "unknown",
    }
}

/// One command of those that a user has, under limits of 5 s of CPU time and 512 MiB.
fn command(number: u64, dump: &Path) -> Result<(), String> {
    const COMMANDS: [&str; 16] = [
        "check --format json",
        "check --format text",
        "check --format junit",
        "check --format sarif",
        "check --format jsonl",
        "report",
        "info",
        "cpus",
        "callback",
        "splats",
        "log",
        "tasks",
        "modules",
        "vms",
        "locks",
        "bt --all",
    ];
    let mut rng = fastrand::Rng::with_seed(number);
    let words = *rng.choice(COMMANDS.iter()).unwrap();
    let binary = std::env::var_os("VIRTOPSY_MUTATION_COMMAND")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_virtopsy").into());
    let script = format!("ulimit -v 524288 -t 5; exec \"$0\" {words} \"$1\"");
    let out = Command::new("bash")
        .args(["-c", &script])
        .arg(binary)
        .arg(dump)
        // glibc reserves 64 MiB of addresses for every thread otherwise.
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    let panicked = stderr.contains("panicked") || stderr.contains("internal error");
    let raw = out.stdout.iter().chain(&out.stderr);
    let raw = raw.filter(|b| (**b < 0x20 && !b"\n\t\r".contains(b)) || **b == 0x7f);
    match out.status.code() {
        None => Err(format!("COMMAND {words}: {} {stderr}", out.status)),
        Some(_) if panicked => Err(format!("COMMAND {words}: {stderr}")),
        Some(0..=3) if raw.count() == 0 => Ok(()),
        Some(0..=3) => Err(format!("COMMAND {words}: control characters in its output")),
        Some(code) => Err(format!("COMMAND {words}: status {code} {stderr}")),
    }
}

/// CPU time of the process, in ticks.
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Starts measuring the peak of resident memory; gives what is resident now, in KiB.
fn reset_peak() -> u64 {
    // Where the kernel refuses, the peak since the start is measured: never too little.
    let _ = fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

fn peak_kib() -> u64 {
    status("VmHWM:")
}
