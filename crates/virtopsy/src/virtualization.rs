//! The verdict of every CPU, put into words.

use virtopsy_kernel::CpuId;

use crate::cpu_list::ranges;
use crate::evidence::{self, Circumstances, Evidence, Findings};
use crate::machine::Machine;
use crate::report::{
    CpuReport, CpuState, EvidenceReport, Feature, Hex, Reason, Strength, TaskReport, Text, Verdict,
    VirtualizationReport,
};
use crate::story;
use crate::verdict::{self, CpuVerdict};

/// Judges every possible CPU; gives what was found of each beside the report.
pub(crate) fn examine(machine: &Machine<'_>) -> (VirtualizationReport, Vec<(CpuId, Findings)>) {
    let mut cpus = Vec::new();
    let mut verdicts = Vec::new();
    let mut found = Vec::new();
    for cpu in machine.cpus.possible.iter() {
        let mut findings = evidence::gather(machine, cpu);
        let circumstances = Circumstances {
            origin: machine.origin,
            late: machine.late_cpus().contains(&cpu),
            disabler: &machine.disabler,
        };
        evidence::qualify(&mut findings, &circumstances);
        let verdict = verdict::judge(&findings);
        cpus.push(cpu_report(machine, cpu, &findings, &verdict));
        verdicts.push(verdict);
        found.push((cpu, findings));
    }
    let verdict = verdict::overall(machine.feature, &verdicts);
    let report = VirtualizationReport {
        feature: machine.feature,
        verdict,
        summary: summary(machine.feature, verdict, &cpus),
        era: Some(machine.layout.description.into()),
        cpus,
    };
    (report, found)
}

fn cpu_report(
    machine: &Machine<'_>,
    cpu: CpuId,
    findings: &Findings,
    verdict: &CpuVerdict,
) -> CpuReport {
    let task = machine.kernel.current_task(cpu).ok();
    let summary = cpu_summary(machine.feature, cpu, verdict);
    CpuReport {
        cpu: cpu.0,
        state: verdict.state,
        reason: verdict.reason,
        strength: verdict.strength,
        conflict: verdict.conflict,
        online: machine.cpus.is_online(cpu),
        task: task.map(|t| TaskReport {
            comm: Text::new(t.comm),
            pid: t.pid,
        }),
        story: story::tell(machine, cpu, findings, verdict, &summary),
        summary,
        evidence: findings.evidence.iter().map(evidence_report).collect(),
    }
}

/// Values and sentences become text here, once.
fn evidence_report(e: &Evidence) -> EvidenceReport {
    EvidenceReport {
        what: e.what,
        says: e.says,
        strength: e.strength,
        address: e.address.map(|a| Hex(a.0)),
        value: e.value.as_ref().map(ToString::to_string),
        why: e.why.clone(),
        lies_when: e.lies_when.map(Into::into),
    }
}

fn feature_name(feature: Feature) -> &'static str {
    match feature {
        Feature::Svm => "SVM",
        Feature::Vmx => "VMX",
        Feature::None | Feature::Unknown => "VMX/SVM",
    }
}

fn cpu_summary(feature: Feature, cpu: CpuId, verdict: &CpuVerdict) -> String {
    let name = feature_name(feature);
    let why = match verdict.reason {
        Reason::NeverEnabled => "KVM never switched it on here",
        Reason::Released => "KVM had given it back before the crash",
        Reason::EmergencyDisabled => "the emergency path switched it off",
        Reason::Offline => "the CPU was offline",
        Reason::StillEnabled => "it was on, and nothing switched it off",
        Reason::DidNotAnswer => "it was on, and the CPU never answered the crash NMI",
        Reason::NotSupported => "the CPU does not have it",
        Reason::NoEvidence if verdict.conflict => "the evidence contradicts itself",
        Reason::NoEvidence => "the dump does not hold what would decide",
    };
    match verdict.state {
        CpuState::Off => format!("{name} was off on CPU {cpu}: {why}"),
        CpuState::On => format!("{name} was ON on CPU {cpu}: {why}"),
        CpuState::Unknown => format!("{name} on CPU {cpu} is not known: {why}"),
    }
}

fn summary(feature: Feature, verdict: Verdict, cpus: &[CpuReport]) -> String {
    let name = feature_name(feature);
    let of = |state: CpuState| -> Vec<u32> {
        cpus.iter()
            .filter(|c| c.state == state)
            .map(|c| c.cpu)
            .collect()
    };
    match verdict {
        Verdict::NotApplicable => "the machine has neither VMX nor SVM in use".into(),
        Verdict::AllOff => {
            let proven = cpus
                .iter()
                .filter(|c| c.strength == Strength::Proof)
                .count();
            let how = if proven == cpus.len() {
                "proven for each".into()
            } else {
                format!("proof for {proven} of them, strong evidence for the others")
            };
            format!("{name} was off on all {} CPUs ({how})", cpus.len())
        }
        Verdict::NotAllOff => {
            let on = of(CpuState::On);
            let unknown = of(CpuState::Unknown).len();
            let rest = if unknown > 0 {
                format!("; not known on {unknown} more")
            } else {
                String::new()
            };
            format!(
                "{name} was ON on {} of {} CPUs: {}{rest}",
                on.len(),
                cpus.len(),
                ranges(&on)
            )
        }
        Verdict::Inconclusive => {
            let unknown = of(CpuState::Unknown);
            if cpus.is_empty() {
                return "nothing is known of the CPUs".into();
            }
            format!(
                "{name} is not known on {} of {} CPUs: {}",
                unknown.len(),
                cpus.len(),
                ranges(&unknown)
            )
        }
    }
}
