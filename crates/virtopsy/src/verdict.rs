//! From evidence to a verdict. Pure: it reads nothing, so that every rule can be tested by hand.
//!
//! Proof beats strong beats weak; what is weak alone decides nothing. Where the strongest
//! statements disagree the CPU is unknown and the conflict is shown: a wrong "off" is the worst
//! answer.

use crate::evidence::{Evidence, EvidenceKind, Findings, NoteState, Usage};
use crate::report::state::{CpuState, Feature, Reason, Says, Strength, Verdict};

/// The verdict on one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuVerdict {
    pub(crate) state: CpuState,
    pub(crate) reason: Reason,
    pub(crate) strength: Strength,
    pub(crate) conflict: bool,
}

/// The strongest statement of one side, weak ones left out.
fn strongest(evidence: &[Evidence], side: Says) -> Option<Strength> {
    let on_side = evidence
        .iter()
        .filter(|e| e.says == side && e.strength > Strength::Weak);
    on_side.map(|e| e.strength).max()
}

/// Judges one CPU.
pub(crate) fn judge(findings: &Findings) -> CpuVerdict {
    let off = strongest(&findings.evidence, Says::Off);
    let on = strongest(&findings.evidence, Says::On);
    let (state, strength, conflict) = match (off, on) {
        (None, None) => (CpuState::Unknown, Strength::Weak, false),
        (Some(off), None) => (CpuState::Off, off, false),
        (None, Some(on)) => (CpuState::On, on, false),
        (Some(off), Some(on)) if off > on => (CpuState::Off, off, true),
        (Some(off), Some(on)) if on > off => (CpuState::On, on, true),
        (Some(_), Some(_)) => (CpuState::Unknown, Strength::Weak, true),
    };
    let reason = match state {
        CpuState::Unknown => Reason::NoEvidence,
        CpuState::On => reason_on(findings),
        CpuState::Off => reason_off(findings),
    };
    CpuVerdict {
        state,
        reason,
        strength,
        conflict,
    }
}

fn reason_on(findings: &Findings) -> Reason {
    let silent = findings.note == NoteState::Empty;
    let did_not_answer = |e: &Evidence| match e.what {
        EvidenceKind::LateAnswer | EvidenceKind::NotStopped => true,
        EvidenceKind::WaitingForCrashIpi | EvidenceKind::CrashNotes => silent,
        _ => false,
    };
    let mut on = findings.evidence.iter().filter(|e| e.says == Says::On);
    if on.any(did_not_answer) {
        Reason::DidNotAnswer
    } else {
        Reason::StillEnabled
    }
}

fn reason_off(findings: &Findings) -> Reason {
    if findings.supported == Some(false) {
        return Reason::NotSupported;
    }
    if findings.offline {
        return Reason::Offline;
    }
    match findings.usage {
        Usage::Disabled { ever: true } => Reason::Released,
        Usage::Disabled { ever: false } => Reason::NeverEnabled,
        Usage::Enabled | Usage::Unknown => Reason::EmergencyDisabled,
    }
}

/// The verdict on the machine, from those on its possible CPUs.
pub(crate) fn overall(feature: Feature, cpus: &[CpuVerdict]) -> Verdict {
    // A CPU that is not off where nothing is supported contradicts that.
    if feature == Feature::None && cpus.iter().all(|c| c.state == CpuState::Off) {
        return Verdict::NotApplicable;
    }
    if cpus.iter().any(|c| c.state == CpuState::On) {
        Verdict::NotAllOff
    } else if !cpus.is_empty() && cpus.iter().all(|c| c.state == CpuState::Off) {
        Verdict::AllOff
    } else {
        Verdict::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: EvidenceKind = EvidenceKind::ParkedFrame;
    const B: EvidenceKind = EvidenceKind::Cr4Shadow;

    fn findings(evidence: Vec<Evidence>) -> Findings {
        Findings {
            evidence,
            supported: Some(true),
            usage: Usage::Enabled,
            note: NoteState::Saved,
            ..Findings::default()
        }
    }

    #[test]
    fn no_evidence_is_unknown() {
        assert_eq!(judge(&findings(vec![])).state, CpuState::Unknown);
    }

    #[test]
    fn weak_statements_decide_nothing() {
        let weak = Evidence::off(A, Strength::Weak, "");
        assert_eq!(judge(&findings(vec![weak])).state, CpuState::Unknown);
    }

    #[test]
    fn proof_beats_a_strong_statement_and_shows_the_conflict() {
        let v = judge(&findings(vec![
            Evidence::off(A, Strength::Proof, ""),
            Evidence::on(B, Strength::Strong, ""),
        ]));
        assert_eq!(
            (v.state, v.conflict, v.reason),
            (CpuState::Off, true, Reason::EmergencyDisabled)
        );
    }

    #[test]
    fn two_proofs_that_disagree_are_unknown() {
        let v = judge(&findings(vec![
            Evidence::off(A, Strength::Proof, ""),
            Evidence::on(B, Strength::Proof, ""),
        ]));
        assert_eq!((v.state, v.conflict), (CpuState::Unknown, true));
    }

    #[test]
    fn one_cpu_that_is_on_outweighs_all_that_are_off() {
        let off = judge(&findings(vec![Evidence::off(A, Strength::Proof, "")]));
        let on = judge(&findings(vec![Evidence::on(A, Strength::Strong, "")]));
        let unknown = judge(&findings(vec![]));
        assert_eq!(
            overall(Feature::Svm, &[off.clone(), on.clone(), unknown.clone()]),
            Verdict::NotAllOff
        );
        assert_eq!(
            overall(Feature::Svm, &[off.clone(), unknown]),
            Verdict::Inconclusive
        );
        assert_eq!(overall(Feature::Svm, &[off]), Verdict::AllOff);
        assert_eq!(overall(Feature::Svm, &[]), Verdict::Inconclusive);
    }
}
