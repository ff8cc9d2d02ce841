//! Faults of VMX and SVM instructions on the way down.

use virtopsy_kernel::Log;

use super::{Case, KnownIssue};

pub(super) const VMXOFF: KnownIssue = KnownIssue {
    title: "VMXOFF faulted on the emergency path and took the crash path down with it",
    since: None,
    until: Some("5.12"),
    caused_by: None,
    fixed_by: Some("aec511ad1535"),
    text: "The emergency path executes VMXOFF where CR4.VMXE is set. On a CPU that is not in VMX operation \
           (another CPU's NMI came between setting the bit and VMXON) the instruction raises #UD, and a \
           kernel without an exception-table entry for it dies a second time, before the crash kernel \
           starts. aec511ad1535 (\"x86/virt: Eat faults on VMXOFF in reboot flows\") catches the fault.",
    signature: vmxoff,
};

pub(super) const SPURIOUS: KnownIssue = KnownIssue {
    title: "KVM took the fault of an instruction after an emergency disable for a bug",
    since: None,
    until: Some("6.6"),
    caused_by: None,
    fixed_by: Some("6ae44e012f4c"),
    text: "A CPU that still runs KVM code when another one has begun an emergency reboot or crash executes \
           VMX or SVM instructions with virtualization off, and faults. KVM eats such faults only while its \
           rebooting flag is set. 6ae44e012f4c (\"KVM: x86: Force kvm_rebooting=true during emergency \
           reboot/crash\") sets it in the emergency path; a788fbb763b5 is its companion for VMCLEAR.",
    signature: spurious_fault,
};

/// Functions that hold the emergency path's VMXOFF, inlined or not.
const VMXOFF_IN: [&[u8]; 7] = [
    b"cpu_emergency_vmxoff",
    b"cpu_vmxoff",
    b"kdump_nmi_callback",
    b"vmxoff_nmi",
    b"emergency_vmx_disable",
    b"native_machine_crash_shutdown",
    b"native_machine_emergency_restart",
];
/// Lines between an oops's first line and its RIP.
const OOPS_HEAD: usize = 12;

fn lines(log: &Log) -> impl Iterator<Item = (u64, &[u8])> {
    let of = |r: &virtopsy_kernel::Record| r.timestamp_ns / 1_000_000_000;
    log.records
        .iter()
        .flat_map(move |r| r.text.split(|b| *b == b'\n').map(move |l| (of(r), l)))
}

fn holds(line: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(line, what).is_some()
}

/// An invalid opcode whose instruction pointer lies in the emergency path.
fn vmxoff(case: &Case<'_>) -> Option<String> {
    let mut oops: Option<usize> = None;
    for (at, (seconds, line)) in lines(case.log?).enumerate() {
        if holds(line, b"invalid opcode:") {
            oops = Some(at);
        }
        let near = oops.is_some_and(|first| at - first <= OOPS_HEAD);
        if near && holds(line, b"RIP: ") {
            let place = VMXOFF_IN.iter().find(|f| holds(line, f));
            if let Some(place) = place {
                return Some(format!(
                    "the log has an invalid opcode in {} at {seconds} s after boot",
                    String::from_utf8_lossy(place)
                ));
            }
            oops = None;
        }
    }
    None
}

fn spurious_fault(case: &Case<'_>) -> Option<String> {
    let (seconds, _) = lines(case.log?).find(|(_, l)| holds(l, b"kvm_spurious_fault"))?;
    Some(format!(
        "the log names kvm_spurious_fault at {seconds} s after boot"
    ))
}

#[cfg(test)]
mod tests {
    use virtopsy_kernel::Record;

    use super::super::tests::ids;
    use super::*;
    use crate::known_issue::Traces;
    use crate::report::DumpReport;

    fn recognised(lines: &[&str]) -> Vec<&'static str> {
        let record = |line: &&str| Record {
            text: line.as_bytes().to_vec(),
            ..Record::default()
        };
        let log = Log {
            records: lines.iter().map(record).collect(),
            ..Log::default()
        };
        ids(&DumpReport::default(), &Traces::default(), Some(&log))
    }

    #[test]
    fn a_spurious_fault_in_the_log_is_recognised() {
        assert_eq!(
            recognised(&[
                "kernel BUG at arch/x86/kvm/x86.c:400!",
                "RIP: 0010:kvm_spurious_fault+0x5/0x10"
            ]),
            ["spurious-fault-after-emergency"]
        );
    }

    #[test]
    fn a_vmxoff_that_faulted_is_recognised_by_the_oops() {
        let oops = [
            "invalid opcode: 0000 [#1] SMP PTI",
            "CPU: 1 PID: 0 Comm: swapper/1",
            "RIP: 0010:kdump_nmi_callback+0x61/0xd0",
        ];
        assert_eq!(recognised(&oops), ["vmxoff-faults-in-emergency"]);
    }

    #[test]
    fn another_invalid_opcode_before_the_crash_is_not_taken_for_it() {
        let warned = [
            "invalid opcode: 0000 [#1] SMP PTI",
            "RIP: 0010:some_driver+0x61/0xd0",
            "RIP: 0010:kdump_nmi_callback+0x61/0xd0",
        ];
        assert!(recognised(&warned).is_empty());
    }
}
