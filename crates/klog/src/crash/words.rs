//! Title, sentence and signature.

use super::blame;
use super::kind::{CrashKind, Nature};
use super::model::Crash;
use super::phrases::Phrases;

fn phrases(crash: &Crash) -> Phrases {
    let named = crash.task.as_ref().and_then(|t| match (&t.comm, t.pid) {
        (Some(comm), Some(pid)) => Some(format!("{comm} (PID {pid})")),
        (Some(comm), None) => Some(comm.clone()),
        (None, Some(pid)) => Some(format!("PID {pid}")),
        (None, None) => None,
    });
    let cpu = crash.cpu.map(|n| format!("CPU {n}"));
    Phrases {
        who: named.clone().unwrap_or_else(|| "The kernel".to_owned()),
        who_inside: named.unwrap_or_else(|| "the kernel".to_owned()),
        place: crash
            .guilty
            .as_deref()
            .map_or_else(String::new, |g| format!(" in {g}()")),
        source: crash
            .location
            .as_deref()
            .map_or_else(String::new, |l| format!(" ({l})")),
        at_address: crash
            .address
            .as_deref()
            .map_or_else(String::new, |a| format!(" at {a}")),
        detail: crash
            .message
            .as_deref()
            .filter(|m| !m.is_empty())
            .map_or_else(String::new, |m| format!(" ({m})")),
        duration: crash
            .seconds
            .map_or_else(String::new, |s| format!(" for {s} s")),
        cpu: cpu.clone().unwrap_or_else(|| "a CPU".to_owned()),
        cpu_begin: cpu.unwrap_or_else(|| "A CPU".to_owned()),
    }
}

impl Crash {
    /// Makes title, sentence and signature of the report's parts, after they were read or changed.
    pub fn complete(&mut self) {
        complete(self);
    }
}

/// Fills in what follows from the parts.
fn complete(crash: &mut Crash) {
    let title = crash.kind.title();
    crash.title = match (&crash.guilty, &crash.module) {
        (Some(function), Some(module)) => format!("{title} in {function} [{module}]"),
        (Some(function), None) => format!("{title} in {function}"),
        (None, _) => title.to_owned(),
    };
    let spec = crash.kind.spec();
    crash.sentence = spec.map_or_else(String::new, |s| (s.sentence)(&phrases(crash)));
    crash.signature = signature(crash);
}

/// `kind|what|functions`: no address, offset, counter, line number or CPU in it.
fn signature(crash: &Crash) -> String {
    let what = match crash.kind {
        CrashKind::Warning | CrashKind::KernelBug | CrashKind::Ubsan => crash
            .location
            .as_deref()
            .and_then(|l| l.rsplit_once(':'))
            .map(|(file, _)| in_tree(file).to_owned()),
        CrashKind::Panic | CrashKind::BugText | CrashKind::NoRoot => {
            crash.message.as_deref().map(without_numbers)
        }
        _ => None,
    };
    let functions = match crash.kind.nature() {
        // An event has no trace; the function of a panic is all that its place says.
        Nature::Event => Vec::new(),
        _ => blame::signature_functions(crash),
    };
    let parts = [
        crash.kind.name().to_owned(),
        what.unwrap_or_default(),
        functions.join(","),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    parts.join("|")
}

/// The path from the top of the source tree on: builds outside it print more before.
fn in_tree(path: &str) -> &str {
    const TOP: &[&str] = &[
        "arch/",
        "block/",
        "crypto/",
        "drivers/",
        "fs/",
        "include/",
        "init/",
        "io_uring/",
        "ipc/",
        "kernel/",
        "lib/",
        "mm/",
        "net/",
        "rust/",
        "security/",
        "sound/",
        "virt/",
    ];
    TOP.iter()
        .filter_map(|top| {
            let at = path.find(top)?;
            (at == 0 || path.get(..at)?.ends_with('/')).then_some(at)
        })
        .min()
        .and_then(|at| path.get(at..))
        .unwrap_or(path)
}

/// A text with every word that has a digit in it as `#`.
fn without_numbers(text: &str) -> String {
    let words: Vec<&str> = text
        .split_ascii_whitespace()
        .take(12)
        .map(|w| {
            if w.bytes().any(|b| b.is_ascii_digit()) {
                "#"
            } else {
                w
            }
        })
        .collect();
    words.join(" ")
}
