//! The verdict of every CPU, put into words.

use virtopsy_kernel::CpuId;

use crate::evidence::{self, Testimony, Usage};
use crate::machine::Machine;
use crate::report::{
    CpuReport, CpuState, Feature, Reason, Strength, TaskReport, Text, Verdict, VirtualizationReport,
};
use crate::story;
use crate::verdict::{self, CpuVerdict};

/// Judges every possible CPU; also whether any CPU's books say that virtualization is in use.
pub(crate) fn examine(machine: &Machine<'_>) -> (VirtualizationReport, bool) {
    let mut cpus = Vec::new();
    let mut verdicts = Vec::new();
    let mut in_use = false;
    for cpu in machine.cpus.possible.iter() {
        let testimony = evidence::gather(machine, cpu);
        in_use |= testimony.usage == Usage::Enabled;
        let verdict = verdict::judge(&testimony);
        cpus.push(cpu_report(machine, cpu, testimony, &verdict));
        verdicts.push(verdict);
    }
    let verdict = verdict::overall(machine.feature, &verdicts);
    let report = VirtualizationReport {
        feature: machine.feature,
        verdict,
        summary: summary(machine.feature, verdict, &cpus),
        era: Some(machine.layout.era.describe().into()),
        cpus,
    };
    (report, in_use)
}

fn cpu_report(
    machine: &Machine<'_>,
    cpu: CpuId,
    testimony: Testimony,
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
        story: story::tell(machine, cpu, &testimony, verdict, &summary),
        summary,
        evidence: testimony.evidence.into_iter().map(Into::into).collect(),
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

/// CPU numbers as the kernel lists them: `0-3,8`.
pub(crate) fn ranges(cpus: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let part = |(first, last): &(u32, u32)| {
        if first == last {
            format!("{first}")
        } else {
            format!("{first}-{last}")
        }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #[test]
    fn cpu_lists_are_written_as_the_kernel_writes_them() {
        assert_eq!(super::ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(super::ranges(&[]), "");
    }
}
