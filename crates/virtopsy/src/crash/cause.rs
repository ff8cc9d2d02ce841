//! Why the kernel died: the report of the log that did it, tied to what its memory says.
//!
//! The log's last fatal report is the cause only if it is of the CPU, the task and the stack that
//! took the kernel down. Where it is not, or there is none, memory alone is asked.

use virtopsy_kernel::CpuId;
use virtopsy_klog::{Crash, CrashKind};

use super::memory::Dying;
use crate::machine::Machine;
use crate::report::{CrashReport, DumpReport, ProofReport, Text};

/// Kinds whose reports may be of another CPU or task than the one that printed them.
const ABOUT_OTHERS: [CrashKind; 12] = [
    CrashKind::HardLockup,
    CrashKind::RcuStall,
    CrashKind::HungTask,
    CrashKind::WorkqueueLockup,
    CrashKind::Mce,
    CrashKind::Edac,
    CrashKind::Ghes,
    CrashKind::IommuFault,
    CrashKind::Kmemleak,
    CrashKind::Kcsan,
    CrashKind::IrqNobodyCared,
    CrashKind::BadPage,
];

/// Kinds whose text is free, and may name any CPU.
const OF_FREE_TEXT: [CrashKind; 3] = [CrashKind::Panic, CrashKind::BugText, CrashKind::Warning];

/// Fills in the cause of a crash from the reports in the log and from memory. The stack of the CPU
/// that died is asked where panic()'s own text does not tie a report to the death, and with
/// `in_full`.
pub(crate) fn settle(machine: &Machine<'_>, report: &mut DumpReport, in_full: bool) {
    let Some(crash) = &report.crash else {
        return; // the machine had not crashed
    };
    let mut dying = Dying::by_variables(machine);
    let last = cause(&report.crashes).and_then(|at| report.crashes.get(at));
    let tied = last.is_some_and(|found| is_its_text(found, &dying) == Some(true));
    if let Some(cpu) = crash.cpu.filter(|_| in_full || !tied) {
        dying.ask_the_stack(machine, CpuId(cpu), crash.task.as_ref());
    }
    conclude(report, dying);
}

fn conclude(report: &mut DumpReport, dying: Dying) {
    let lock_report = report.splats.last().map(|s| s.title.clone());
    let Some(crash) = &mut report.crash else {
        return; // the machine had not crashed
    };
    crash.proof = dying.proof.clone();
    if crash.reason.is_none() {
        let told = dying.panic_text.as_ref().filter(|text| !text.is_empty());
        crash.reason = told.map(|text| Text::new(text.clone()));
    }
    let last = cause(&report.crashes).and_then(|at| Some((at, report.crashes.get(at)?)));
    let strange = last.and_then(|(_, found)| stranger(found, crash, &dying));
    let tied = last.filter(|_| strange.is_none());
    crash.cause = tied.and_then(|(at, _)| u32::try_from(at).ok());
    crash.signature = match (tied, &dying.cause) {
        (Some((_, found)), _) => Some(found.signature.clone()),
        (None, Some(found)) => Some(found.signature.clone()),
        (None, None) => None,
    };
    let sentence = match (tied, &dying.cause, &strange) {
        (Some((_, found)), ..) => of_the_log(found, &report.crashes),
        (None, Some(found), Some(why)) => format!(
            "{} That is what memory says: the last fatal report in the log is not the cause, as {why}.",
            found.sentence
        ),
        (None, Some(found), None) => match &lock_report {
            Some(title) if found.kind == CrashKind::Warning => format!(
                "The kernel was set to panic on a warning, and a lock report came: {title}."
            ),
            _ => found.sentence.clone(),
        },
        (None, None, Some(why)) => format!(
            "Why the kernel died is not known: the last fatal report in the log is not the cause, as {why}; {}.",
            looked_at(&dying.proof)
        ),
        (None, None, None) => match (&crash.reason, report.log.is_some()) {
            (Some(reason), _) => {
                format!("The kernel panicked ({reason}); neither its log nor its memory says more.")
            }
            (None, true) => format!(
                "Why the kernel died is not known: its log holds no report of it; {}.",
                looked_at(&dying.proof)
            ),
            (None, false) => format!(
                "Why the kernel died is not known: its log could not be read; {}.",
                looked_at(&dying.proof)
            ),
        },
    };
    crash.sentence = Some(Text::from(sentence));
    crash.memory = dying.cause;
}

/// The sentence of a report, and of the one that it is a consequence of.
fn of_the_log(found: &Crash, crashes: &[Crash]) -> String {
    let first = found
        .follows
        .and_then(|at| crashes.get(usize::try_from(at).ok()?));
    match first {
        Some(first) => format!("{} Before it: {}", found.sentence, first.sentence),
        None => found.sentence.clone(),
    }
}

/// What was asked of memory in vain.
fn looked_at(proof: &[ProofReport]) -> String {
    let names: Vec<String> = proof.iter().map(|p| p.what.to_string()).collect();
    match names.is_empty() {
        true => "memory does not say which CPU died".to_owned(),
        false => format!("memory says no more ({})", names.join(", ")),
    }
}

/// The last report that ended in a panic; where the crash kernel was started before panic() printed,
/// the last one that is fatal.
fn cause(crashes: &[Crash]) -> Option<usize> {
    crashes
        .iter()
        .rposition(|c| c.panic.is_some())
        .into_iter()
        .chain(crashes.iter().rposition(|c| c.fatal))
        .max()
}

/// Why a report is of another death than the kernel's; `None`: nothing speaks against it.
fn stranger(found: &Crash, crash: &CrashReport, dying: &Dying) -> Option<String> {
    match is_its_text(found, dying) {
        Some(true) => None,
        Some(false) => Some("panic() was called with another message".to_owned()),
        None => other_cpu(found, crash, dying).or_else(|| other_stack(found, dying)),
    }
}

/// Whether a report ends in the panic whose message stands in panic()'s buffer. A line of the log
/// may be cut. `None`: one of both has none, or the buffer can't be read.
fn is_its_text(found: &Crash, dying: &Dying) -> Option<bool> {
    let printed = found.panic.as_deref()?.trim_end();
    let buffer = dying.panic_text.as_ref().filter(|text| !text.is_empty())?;
    let buffer = Text::new(buffer.clone()).to_string();
    let buffer = buffer.trim_end();
    Some(buffer.starts_with(printed) || printed.starts_with(buffer))
}

fn other_cpu(found: &Crash, crash: &CrashReport, dying: &Dying) -> Option<String> {
    if ABOUT_OTHERS.contains(&found.kind) {
        return None;
    }
    let died = dying.handed_over_by.map(|cpu| cpu.0).or(crash.cpu);
    if let (Some(of), Some(died)) = (found.cpu, died)
        && of != died
        && !OF_FREE_TEXT.contains(&found.kind)
    {
        return Some(format!("it is of CPU {of}, and CPU {died} died"));
    }
    // The task of a panic that was handed over is not the one that stands on the CPU.
    if dying.handed_over_by.is_some() {
        return None;
    }
    let (of, died) = (found.task.as_ref()?.pid?, crash.task.as_ref()?);
    (of != i64::from(died.pid)).then(|| {
        format!(
            "it is of PID {of}, and {} (PID {}) was on the CPU that died",
            died.comm, died.pid
        )
    })
}

/// A stack that was followed to its end and shares no function with the report's.
fn other_stack(found: &Crash, dying: &Dying) -> Option<String> {
    if ABOUT_OTHERS.contains(&found.kind) || dying.handed_over_by.is_some() {
        return None;
    }
    let functions = dying.functions.as_ref()?;
    let mut trace = found.trace.iter().filter(|f| f.reliable).peekable();
    trace.peek()?;
    let stands = |name: &str| functions.iter().any(|f| f == name);
    let bare = |name: &str| name.split_once('.').map_or(name.len(), |(n, _)| n.len());
    let shared = trace.any(|f| f.function.get(..bare(&f.function)).is_some_and(stands));
    (!shared).then(|| "none of its functions stands on the stack of the CPU that died".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::TaskReport;

    fn oops(cpu: u32, pid: i64) -> Crash {
        let mut crash = Crash::new(CrashKind::NullDeref, 1);
        crash.fatal = true;
        crash.cpu = Some(cpu);
        crash.task = Some(virtopsy_klog::CrashTask {
            comm: Some("sh".into()),
            pid: Some(pid),
        });
        crash.trace = vec![virtopsy_klog::Frame {
            function: "probe.isra.0".into(),
            reliable: true,
            ..virtopsy_klog::Frame::default()
        }];
        crash.complete();
        crash
    }

    fn died(crashes: Vec<Crash>, dying: Dying) -> CrashReport {
        let mut report = DumpReport {
            crash: Some(CrashReport {
                cpu: Some(1),
                task: Some(TaskReport {
                    comm: "sh".into(),
                    pid: 7,
                }),
                ..CrashReport::default()
            }),
            crashes,
            ..DumpReport::default()
        };
        conclude(&mut report, dying);
        report.crash.unwrap_or_default()
    }

    #[test]
    fn the_report_of_the_cpu_that_died_is_the_cause() {
        let crash = died(vec![oops(1, 7)], Dying::default());
        assert_eq!(crash.cause, Some(0));
        assert_eq!(crash.signature.as_deref(), Some("null-deref|probe"));
    }

    #[test]
    fn a_report_of_another_cpu_or_task_is_not() {
        for other in [oops(0, 7), oops(1, 8)] {
            let crash = died(vec![other], Dying::default());
            let sentence = crash.sentence.unwrap_or_default().to_string();
            assert_eq!(crash.cause, None);
            assert!(sentence.contains("is not known"), "{sentence}");
        }
    }

    #[test]
    fn a_panic_that_was_handed_over_is_the_cause_on_the_cpu_that_gave_it() {
        let dying = || Dying {
            handed_over_by: Some(virtopsy_kernel::CpuId(0)),
            ..Dying::default()
        };
        assert_eq!(died(vec![oops(0, 8)], dying()).cause, Some(0));
        assert_eq!(died(vec![oops(1, 7)], dying()).cause, None);
    }

    #[test]
    fn a_stack_without_the_reports_functions_is_another_death() {
        let on = |function: &str| Dying {
            functions: Some(vec![function.to_owned()]),
            ..Dying::default()
        };
        assert_eq!(died(vec![oops(1, 7)], on("probe")).cause, Some(0));
        assert_eq!(died(vec![oops(1, 7)], on("other")).cause, None);
    }

    #[test]
    fn a_panic_with_another_text_is_another_death() {
        let printed = |text: &str| {
            let mut crash = oops(1, 7);
            crash.panic = Some(text.to_owned());
            crash
        };
        let told = || Dying {
            panic_text: Some(b"Fatal exception in interrupt".to_vec()),
            ..Dying::default()
        };
        assert_eq!(
            died(vec![printed("Fatal exception")], told()).cause,
            Some(0)
        );
        assert_eq!(
            died(vec![printed("sysrq triggered crash")], told()).cause,
            None
        );
    }

    #[test]
    fn memory_names_the_cause_where_the_log_does_not() {
        let mut found = Crash::new(CrashKind::SysrqCrash, 0);
        found.complete();
        let dying = Dying {
            cause: Some(found),
            ..Dying::default()
        };
        let crash = died(vec![oops(0, 7)], dying);
        let sentence = crash.sentence.unwrap_or_default().to_string();
        assert_eq!(crash.cause, None);
        assert_eq!(crash.signature.as_deref(), Some("sysrq-crash"));
        assert!(
            sentence.contains("it is of CPU 0, and CPU 1 died"),
            "{sentence}"
        );
    }
}
