//! The evidence on one CPU, told in order of time: what KVM had done there before the crash, how
//! the machine was stopped, how far this CPU came, and what follows.

use virtopsy_kernel::CpuId;

use crate::evidence::{Evidence, Findings, Phase, Usage};
use crate::machine::{Machine, number, positive};
use crate::report::StoryStep;
use crate::report::state::{CpuState, Feature, Origin, Says, Strength};
use crate::verdict::CpuVerdict;

/// Tells the story of `cpu`. `summary`: what follows from it, in one sentence.
pub(crate) fn tell(
    machine: &Machine<'_>,
    cpu: CpuId,
    findings: &Findings,
    verdict: &CpuVerdict,
    summary: &str,
) -> Vec<StoryStep> {
    let mut story = vec![
        step("before", before(machine.feature, findings)),
        step("the stop", stop(machine, cpu)),
    ];
    // What happened earlier, the first two steps tell in their own words.
    let evidence = findings.evidence.iter();
    let here = evidence.filter(|e| e.what.phase() == Phase::ThisCpu);
    story.extend(here.map(|e| step("this CPU", sentence(e))));
    story.push(step("so", conclusion(findings, verdict, summary)));
    story
}

fn step(when: &str, text: String) -> StoryStep {
    StoryStep {
        when: when.into(),
        text,
    }
}

fn name(feature: Feature) -> &'static str {
    match feature {
        Feature::Svm => "SVM",
        Feature::Vmx => "VMX",
        Feature::None | Feature::Unknown => "virtualization",
    }
}

/// What KVM had done on the CPU.
fn before(feature: Feature, findings: &Findings) -> String {
    let name = name(feature);
    if findings.supported == Some(false) {
        return "This CPU has neither VMX nor SVM, or the kernel uses neither.".into();
    }
    let mut text = match findings.usage {
        Usage::Enabled => format!(
            "KVM had switched {name} on here, and never gave it back{}.",
            counters(findings)
        ),
        Usage::Disabled { ever: true } => format!(
            "KVM had used {name} on this machine, and holds it enabled here no longer{}.",
            counters(findings)
        ),
        Usage::Disabled { ever: false } => {
            format!(
                "KVM had never switched {name} on here{}.",
                counters(findings)
            )
        }
        Usage::Unknown => format!(
            "Whether KVM had switched {name} on here can't be told{}.",
            counters(findings)
        ),
    };
    if findings.guests_ran == Some(true) {
        text.push_str(" Guests had run on it.");
    }
    if findings.vmcs_loaded == Some(true) {
        text.push_str(" A VMCS was loaded on it.");
    }
    text
}

/// The counters that were read: ` (virtualization_nr_users is 1)`.
fn counters(findings: &Findings) -> String {
    let counters = findings.counters.iter();
    let read: Vec<String> = counters
        .map(|counter| format!("{} is {}", counter.what, counter.value))
        .collect();
    if read.is_empty() {
        String::new()
    } else {
        format!(" ({})", read.join(", "))
    }
}

/// How the machine was stopped, as far as this CPU is concerned.
fn stop(machine: &Machine<'_>, cpu: CpuId) -> String {
    let sent = number(&machine.stop.crash_ipi_issued) == Some(1);
    let mut text = match machine.crashing_cpu() {
        Some(crashing) if crashing == cpu => {
            "This CPU ran the crash path: it stops the others, then disables virtualization on \
             itself, then saves its registers."
                .to_owned()
        }
        Some(crashing) if sent => format!(
            "CPU {crashing} crashed and sent the crash NMI to all other CPUs that were online. \
             Its handler saves the registers, then disables, then counts the CPU off."
        ),
        Some(crashing) => {
            format!("CPU {crashing} began the crash path, and never sent the crash NMI.")
        }
        None => match (
            positive(&machine.stop.stopping_cpu),
            machine.stop_path_began(),
        ) {
            (Some(by), _) if by == cpu => {
                "This CPU panicked without a crash kernel and stopped the others; nothing stops \
                 it."
                .to_owned()
            }
            (Some(by), _) => format!(
                "CPU {by} panicked without a crash kernel, and stopped the others by the REBOOT \
                 vector, then by NMI."
            ),
            (None, Some(false)) => "No crash, stop or reboot had begun.".to_owned(),
            (None, _) => "How the machine was stopped can't be told.".to_owned(),
        },
    };
    match machine.origin {
        Origin::Kdump => text.push_str(" The crash kernel came up and wrote this dump."),
        Origin::Hypervisor => text.push_str(" A hypervisor took this dump from outside."),
        Origin::Live => text.push_str(" This is the running machine itself."),
        Origin::Unknown => {}
    }
    text
}

/// One statement, with what it stands on.
fn sentence(e: &Evidence) -> String {
    let mut text = capitalised(&e.why);
    match (&e.value, e.address) {
        (Some(value), Some(at)) => text.push_str(&format!(" ({}: {value} at {at})", e.what)),
        (Some(value), None) => text.push_str(&format!(" ({}: {value})", e.what)),
        _ => text.push_str(&format!(" ({})", e.what)),
    }
    text.push('.');
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// What follows, how sure that is, and when it would be wrong.
fn conclusion(findings: &Findings, verdict: &CpuVerdict, summary: &str) -> String {
    let mut text = format!("{}.", capitalised(summary));
    let side = match verdict.state {
        CpuState::Off => Says::Off,
        CpuState::On => Says::On,
        CpuState::Unknown => {
            if verdict.conflict {
                text.push_str(" Statements of equal strength contradict each other.");
            }
            return text;
        }
    };
    let deciding = || {
        findings
            .evidence
            .iter()
            .filter(|e| e.says == side && e.strength == verdict.strength)
    };
    let named: Vec<&str> = deciding().map(|e| e.what.id()).collect();
    let how = match verdict.strength {
        Strength::Proof => "Proven",
        Strength::Strong | Strength::Weak => "Strong, not proven: it rests on what is said",
    };
    text.push_str(&format!(" {how} by {}.", named.join(", ")));
    if verdict.conflict {
        text.push_str(" Weaker evidence says the opposite.");
    }
    let mut lies: Vec<&str> = deciding().filter_map(|e| e.lies_when).collect();
    lies.dedup();
    // Where one of several deciding statements has no known lie, the whole has none.
    if !lies.is_empty() && deciding().all(|e| e.lies_when.is_some()) {
        text.push_str(&format!(" It would be wrong if {}.", lies.join(", or ")));
    }
    text
}
