//! A report that may be given to others: without host names, names of tasks, addresses and text of
//! the log.
//!
//! What stays is listed, field by field; whatever else a report holds, today or in a later version,
//! is left out. Sentences of the program stay, with addresses and names of tasks taken out of them.

// A field that is added later is left out until it is listed here.
#![allow(clippy::needless_update)]

use std::sync::LazyLock;

use regex::{NoExpand, Regex};

use super::{
    CallbackReport, CheckReport, CpuReport, CrashReport, DumpReport, ErrorReport, EvidenceReport,
    KnownIssueReport, StoryStep, TaskReport, Text, VirtualizationReport,
};
use virtopsy_klog::{ChainEntry, Crash, CrashTask, Frame, HeldLock, Lock, Splat, TaskRef, Trace};

/// Stands for what was taken out.
pub const REDACTED: &str = "[redacted]";
/// Stands for an address.
const ADDRESS: &str = "[address]";

/// Numbers that may be addresses: seven digits or more behind `0x`, or a pointer as `%p` prints it.
/// Shorter ones are flags and control registers. A build-id has more digits than a pointer.
static ADDRESSES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)\b0[xX][0-9a-fA-F]{7,}\b|\b[0-9a-fA-F]{16}\b").ok());

/// What is taken out of sentences.
struct Redactor {
    /// Names of tasks, longest first: one may be part of another.
    comms: Vec<String>,
}

impl DumpReport {
    /// The report without host names, names of tasks, addresses and text of the log. Names of
    /// functions, modules, locks and source files stay, and so does the path as the user gave it.
    #[must_use]
    pub fn redacted(&self) -> DumpReport {
        let redactor = Redactor::of(self);
        DumpReport {
            path: self.path.clone(),
            error: self.error.as_ref().map(|e| redactor.error(e)),
            format: self.format.clone(),
            compression: self.compression.clone(),
            complete: self.complete,
            incomplete_because: redactor.sentences(&self.incomplete_because),
            extract: self.extract.clone(),
            origin: self.origin,
            release: self.release.clone(),
            build_id: self.build_id.clone(),
            types_from: self.types_from.clone(),
            symbols_from: self.symbols_from.clone(),
            cpus_possible: self.cpus_possible,
            cpus_online: self.cpus_online,
            crash: self.crash.as_ref().map(|c| CrashReport {
                // Made of redacted reports: the sentence as it is holds words of the log.
                sentence: self
                    .cause()
                    .map(|cause| Text::from(redacted_crash(cause).sentence)),
                signature: self.cause().map(|cause| redacted_crash(cause).signature),
                ..crash(c)
            }),
            virtualization: redactor.virtualization(&self.virtualization),
            callback: redactor.callback(&self.callback),
            log: self.log,
            splats: self.splats.iter().map(|s| redactor.splat(s)).collect(),
            crashes: self.crashes.iter().map(redacted_crash).collect(),
            known_issues: self
                .known_issues
                .iter()
                .map(|k| redactor.issue(k))
                .collect(),
            checks: self.checks.iter().map(|c| redactor.check(c)).collect(),
            notes: self.notes.iter().map(|n| redactor.text(n)).collect(),
            ..DumpReport::default()
        }
    }
}

/// Reports of a text log, without names of tasks, addresses and the log's own words.
#[must_use]
pub fn redacted_splats(splats: &[Splat]) -> Vec<Splat> {
    let report = DumpReport {
        splats: splats.to_vec(),
        ..DumpReport::default()
    };
    report.redacted().splats
}

/// The same for reports of crashes and warnings.
#[must_use]
pub fn redacted_crashes(crashes: &[Crash]) -> Vec<Crash> {
    crashes.iter().map(redacted_crash).collect()
}

fn redacted_crash(crash: &Crash) -> Crash {
    let redacted = |text: &Option<String>| text.as_ref().map(|_| REDACTED.to_owned());
    let mut out = Crash {
        location: crash.location.clone(),
        message: redacted(&crash.message),
        last_line: crash.last_line,
        timestamp: crash.timestamp,
        caller: crash.caller.clone(),
        cpu: crash.cpu,
        task: crash.task.as_ref().map(|task| CrashTask {
            comm: redacted(&task.comm),
            pid: task.pid,
        }),
        release: crash.release.clone(),
        guilty: crash.guilty.clone(),
        module: crash.module.clone(),
        trace: crash.trace.iter().map(frame).collect(),
        fatal: crash.fatal,
        cut: crash.cut,
        at: crash.at.clone().filter(|at| !at.starts_with("0x")),
        modules: crash.modules.clone(),
        taint: crash.taint.clone(),
        oops: crash.oops,
        panic: redacted(&crash.panic),
        seconds: crash.seconds,
        traces: crash
            .traces
            .iter()
            .map(|trace| Trace {
                heading: redacted(&trace.heading),
                cpu: trace.cpu,
                frames: trace.frames.iter().map(frame).collect(),
            })
            .collect(),
        repeats: crash.repeats,
        follows: crash.follows,
        ..Crash::new(crash.kind, crash.first_line)
    };
    out.complete();
    out
}

/// A sentence with `[address]` in the place of each address.
#[must_use]
pub fn without_addresses(text: &str) -> String {
    match &*ADDRESSES {
        Some(addresses) => addresses.replace_all(text, NoExpand(ADDRESS)).into_owned(),
        None => REDACTED.to_owned(),
    }
}

fn crash(crash: &CrashReport) -> CrashReport {
    CrashReport {
        cpu: crash.cpu,
        reason: crash.reason.as_ref().map(|_| Text::from(REDACTED)),
        task: crash.task.as_ref().map(task),
        nmi_shootdown: crash.nmi_shootdown.clone(),
        cause: crash.cause,
        memory: crash.memory.as_ref().map(redacted_crash),
        ..CrashReport::default()
    }
}

fn task(task: &TaskReport) -> TaskReport {
    TaskReport {
        comm: Text::from(REDACTED),
        pid: task.pid,
    }
}

impl Redactor {
    fn of(report: &DumpReport) -> Redactor {
        let cpus = report.virtualization.cpus.iter();
        let tasks = cpus.filter_map(|c| c.task.as_ref());
        let tasks = tasks.chain(report.crash.iter().filter_map(|c| c.task.as_ref()));
        let mut comms: Vec<String> = tasks
            .map(|task| &task.comm)
            .chain(&report.named_in_notes)
            .flat_map(|comm| {
                [
                    comm.to_string(),
                    String::from_utf8_lossy(comm.as_bytes()).into(),
                ]
            })
            .collect();
        comms.extend(report.splats.iter().flat_map(comms_of));
        let crashes = report.crashes.iter().filter_map(|c| c.task.as_ref());
        comms.extend(crashes.filter_map(|task| task.comm.clone()));
        // A name of one letter would be found in every word; it tells nobody anything.
        comms.retain(|comm| comm.len() > 1);
        comms.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        comms.dedup();
        Redactor { comms }
    }

    fn sentence(&self, text: &str) -> String {
        let mut text = without_addresses(text);
        for comm in &self.comms {
            text = without_word(&text, comm);
        }
        text
    }

    fn sentences(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.sentence(text)).collect()
    }

    fn optional(&self, text: Option<&String>) -> Option<String> {
        text.map(|text| self.sentence(text))
    }

    fn text(&self, text: &Text) -> Text {
        Text::from(self.sentence(&String::from_utf8_lossy(text.as_bytes())))
    }

    fn error(&self, error: &ErrorReport) -> ErrorReport {
        ErrorReport {
            kind: error.kind.clone(),
            message: self.text(&error.message),
        }
    }

    fn virtualization(&self, all: &VirtualizationReport) -> VirtualizationReport {
        VirtualizationReport {
            feature: all.feature,
            verdict: all.verdict,
            summary: self.sentence(&all.summary),
            era: all.era.clone(),
            cpus: all.cpus.iter().map(|cpu| self.cpu(cpu)).collect(),
            ..VirtualizationReport::default()
        }
    }

    fn cpu(&self, cpu: &CpuReport) -> CpuReport {
        CpuReport {
            cpu: cpu.cpu,
            state: cpu.state,
            reason: cpu.reason,
            strength: cpu.strength,
            conflict: cpu.conflict,
            online: cpu.online,
            task: cpu.task.as_ref().map(task),
            summary: self.sentence(&cpu.summary),
            story: cpu.story.iter().map(|step| self.step(step)).collect(),
            evidence: cpu.evidence.iter().map(|e| self.evidence(e)).collect(),
            ..CpuReport::default()
        }
    }

    fn step(&self, step: &StoryStep) -> StoryStep {
        StoryStep {
            when: step.when.clone(),
            text: self.sentence(&step.text),
        }
    }

    fn evidence(&self, evidence: &EvidenceReport) -> EvidenceReport {
        EvidenceReport {
            says: evidence.says,
            strength: evidence.strength,
            address: None,
            value: self.optional(evidence.value.as_ref()),
            why: self.sentence(&evidence.why),
            lies_when: self.optional(evidence.lies_when.as_ref()),
            ..EvidenceReport::new(evidence.what)
        }
    }

    fn callback(&self, callback: &CallbackReport) -> CallbackReport {
        CallbackReport {
            state: callback.state,
            variable: callback.variable.clone(),
            symbol: callback.symbol.as_ref().map(|symbol| self.text(symbol)),
            module: callback.module.clone(),
            module_state: callback.module_state.clone(),
            expected: callback.expected,
            summary: self.sentence(&callback.summary),
            ..CallbackReport::default()
        }
    }

    fn issue(&self, issue: &KnownIssueReport) -> KnownIssueReport {
        KnownIssueReport {
            because: self.sentence(&issue.because),
            ..issue.clone()
        }
    }

    fn check(&self, check: &CheckReport) -> CheckReport {
        CheckReport {
            summary: self.sentence(&check.summary),
            ..check.clone()
        }
    }

    fn splat(&self, splat: &Splat) -> Splat {
        let own = |text: &str| self.sentence(&without_message(text, splat));
        Splat {
            title: own(&splat.title),
            location: splat.location.clone(),
            message: splat.message.as_ref().map(|_| REDACTED.to_owned()),
            timestamp: splat.timestamp,
            caller: splat.caller.clone(),
            cpu: splat.cpu,
            task: splat.task.as_ref().map(|task| TaskRef {
                comm: REDACTED.to_owned(),
                pid: task.pid,
            }),
            release: splat.release.clone(),
            rcu_scheduler_active: splat.rcu_scheduler_active,
            debug_locks: splat.debug_locks,
            held_declared: splat.held_declared,
            held: splat.held.iter().map(|held| self.held(held)).collect(),
            trace: splat.trace.iter().map(frame).collect(),
            first_line: splat.first_line,
            last_line: splat.last_line,
            known_issue: splat.known_issue,
            cut: splat.cut,
            missing: splat
                .missing
                .iter()
                .map(|m| self.sentence(&m.to_string()).into())
                .collect(),
            beheaded: splat.beheaded,
            in_progress: splat.in_progress,
            sentence: own(&splat.sentence),
            signature: own(&splat.signature),
            guilty: self.optional(splat.guilty.as_ref()),
            lock: splat.lock.as_ref().map(|lock| self.lock(lock)),
            other_lock: splat.other_lock.as_ref().map(|lock| self.lock(lock)),
            chain: splat.chain.iter().map(|link| self.link(link)).collect(),
            cycle: self.sentences(&splat.cycle),
            ..Splat::new(splat.kind, splat.first_line)
        }
    }

    fn held(&self, held: &HeldLock) -> HeldLock {
        HeldLock {
            lock: self.lock(&held.lock),
            ..held.clone()
        }
    }

    fn lock(&self, lock: &Lock) -> Lock {
        Lock {
            address: None,
            name: self.sentence(&lock.name),
            class: self.sentence(&lock.class),
            at: self.optional(lock.at.as_ref()),
            ..lock.clone()
        }
    }

    fn link(&self, link: &ChainEntry) -> ChainEntry {
        ChainEntry {
            index: link.index,
            lock: self.lock(&link.lock),
            trace: link.trace.iter().map(frame).collect(),
        }
    }
}

fn comms_of(splat: &Splat) -> impl Iterator<Item = String> {
    let attached = splat.attachments.iter().filter_map(|a| a.task.as_ref());
    splat
        .task
        .iter()
        .chain(attached)
        .map(|task| task.comm.clone())
        .collect::<Vec<_>>()
        .into_iter()
}

fn frame(frame: &Frame) -> Frame {
    Frame {
        // Without a symbol it is the address.
        function: without_addresses(&frame.function),
        address: None,
        ..frame.clone()
    }
}

/// What the program says of a report, without the words of the log that it repeats.
fn without_message(text: &str, splat: &Splat) -> String {
    match splat.message.as_deref().map(str::trim) {
        Some(message) if !message.is_empty() => text.replace(message, REDACTED),
        _ => text.to_owned(),
    }
}

/// `text` with `word` replaced where it is not part of a longer word.
fn without_word(text: &str, word: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(word) {
        let inside = before.chars().next_back().is_some_and(part)
            || after.chars().next().is_some_and(part)
            // A lone piece of the text that was passed already may end in a letter, too.
            || (before.is_empty() && out.chars().next_back().is_some_and(part));
        out.push_str(before);
        out.push_str(if inside { word } else { REDACTED });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{CallbackState, EvidenceKind, Hex};
    use virtopsy_klog::Kind;

    fn report() -> DumpReport {
        let task = TaskReport {
            comm: Text::from("secret-vmm"),
            pid: 7,
        };
        let mut splat = Splat::new(Kind::SuspiciousRcu, 1);
        splat.message = Some("host db42.example.org says hello".into());
        splat.sentence = "secret-vmm/7 at ffff888003a80000".into();
        splat.taint = Some("Hardware name: db42".into());
        DumpReport {
            release: Some(Text::from("7.2.13")),
            crash: Some(CrashReport {
                reason: Some(Text::from("panic of db42.example.org")),
                task: Some(task.clone()),
                ..CrashReport::default()
            }),
            virtualization: VirtualizationReport {
                cpus: vec![CpuReport {
                    task: Some(task),
                    summary: "secret-vmm ran here; CR4 0x3526f0, stack 0xffffc90000000000".into(),
                    evidence: vec![EvidenceReport {
                        address: Some(Hex(0xffff_8880_1234_5678)),
                        value: Some("0xffffffff81000000".into()),
                        ..EvidenceReport::new(EvidenceKind::CrashNotes)
                    }],
                    ..CpuReport::default()
                }],
                ..VirtualizationReport::default()
            },
            callback: CallbackReport {
                state: CallbackState::Registered,
                address: Some(Hex(0xffff_ffff_8200_0000)),
                value: Some(Hex(0xffff_ffff_c000_0000)),
                symbol: Some(Text::from("svm_emergency_disable_virtualization_cpu")),
                ..CallbackReport::default()
            },
            splats: vec![splat],
            notes: vec![
                Text::from("the log ends at 0xffff888000001000"),
                Text::from("secret-owner (PID 9) holds it"),
            ],
            named_in_notes: vec![Text::from("secret-owner")],
            ..DumpReport::default()
        }
    }

    #[test]
    fn names_of_tasks_and_hosts_addresses_and_log_text_are_gone() {
        let json = serde_json::to_string(&report().redacted()).unwrap();
        for secret in [
            "secret-vmm",
            "secret-owner",
            "db42",
            "ffff8880",
            "ffffffff8",
            "ffffc9",
        ] {
            assert!(!json.contains(secret), "{secret}: {json}");
        }
    }

    #[test]
    fn what_the_answer_needs_stays() {
        let redacted = report().redacted();
        assert_eq!(redacted.release, Some(Text::from("7.2.13")));
        assert_eq!(redacted.callback.state, CallbackState::Registered);
        let cpu = &redacted.virtualization.cpus[0];
        assert_eq!(
            cpu.summary,
            "[redacted] ran here; CR4 0x3526f0, stack [address]"
        );
        assert_eq!(cpu.task.as_ref().unwrap().pid, 7);
    }

    #[test]
    fn a_short_name_is_not_cut_out_of_longer_words() {
        assert_eq!(
            without_word("sh pushes sh, to bash/sh", "sh"),
            "[redacted] pushes [redacted], to bash/[redacted]"
        );
    }
}
