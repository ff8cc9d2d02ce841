//! AMD: the write to EFER that clears SVME, by the return address that it left.
//!
//! Where the kernel writes MSRs through a function (CONFIG_PARAVIRT_XXL: `native_write_msr()`),
//! the call leaves its return address on the CPU's NMI stack, below the frames that are still in
//! use. The emergency path is the only code in NMI context that writes EFER, and it does so only
//! where SVME was set. The call is recognised in the dump's own text: a call of `…write_msr…` with
//! 0xc0000080 in the register's number. So the word says that SVM was on, and that the CPU came to
//! the write that switches it off. Kernels that write MSRs in line leave no such word. Lies when
//! the CPU hung in that very call.

use virtopsy_kernel::{CodeWord, Function};

use super::{Evidence, EvidenceKind, Findings, Value};
use crate::machine::Machine;
use crate::report::state::{Feature, Strength};

/// `MSR_EFER`.
const MSR_EFER: u32 = 0xc000_0080;
/// Parts of the names of functions that switch SVM off, in all eras.
const DISABLERS: [&str; 3] = ["svm", "emergency", "nmi_callback"];

pub(super) fn examine(machine: &Machine<'_>, findings: &mut Findings) {
    if machine.feature != Feature::Svm {
        return;
    }
    let Some(word) = findings.nmi_words.iter().find(|w| is_write(machine, w)) else {
        return;
    };
    let why = "the CPU came to the write that clears EFER.SVME on the emergency path, \
               which is made only where SVM was on";
    let e = Evidence::off(EvidenceKind::EferWrite, Strength::Strong, why)
        .lies_when("it hung in that very call");
    let e = e.read(word.at, Value::Code(word.location.clone()));
    findings.evidence.push(e);
}

/// Whether a word is the return address of a call that writes EFER.
fn is_write(machine: &Machine<'_>, word: &CodeWord) -> bool {
    if !DISABLERS.iter().any(|d| word.location.symbol.contains(d)) {
        return false;
    }
    let Ok(function) = machine.kernel.function_around(word.value) else {
        return false;
    };
    writes_efer(&function, word, |target| {
        machine.kernel.locate(target).map(|l| l.symbol)
    })
}

fn writes_efer(
    function: &Function,
    word: &CodeWord,
    name: impl Fn(virtopsy_debuginfo::VirtAddr) -> Option<String>,
) -> bool {
    let Some(call) = function.call_returning_to(word.value) else {
        return false;
    };
    let writes = call
        .target
        .and_then(name)
        .is_some_and(|n| n.contains("write_msr"));
    writes && function.msr_at(call.at) == Some(MSR_EFER)
}

#[cfg(test)]
mod tests {
    use virtopsy_debuginfo::VirtAddr;
    use virtopsy_kernel::Location;

    use super::*;

    /// `mov $0xc0000080, %ecx; call 3000; ret` at 0x1000.
    const TEXT: [u8; 11] = [
        0xb9, 0x80, 0x00, 0x00, 0xc0, 0xe8, 0xf6, 0x1f, 0x00, 0x00, 0xc3,
    ];

    fn judge(text: &[u8], target: &str) -> bool {
        let function = Function::decode("f", VirtAddr(0x1000), text);
        let word = CodeWord {
            at: VirtAddr(0x8000),
            value: VirtAddr(0x100a),
            location: Location {
                symbol: "f".into(),
                offset: 10,
                size: Some(11),
                module: None,
            },
        };
        writes_efer(&function, &word, |to| {
            (to == VirtAddr(0x3000)).then(|| target.to_owned())
        })
    }

    #[test]
    fn a_call_that_writes_efer_is_recognised_by_its_target_and_its_register() {
        assert!(judge(&TEXT, "native_write_msr"));
    }

    #[test]
    fn a_call_that_reads_it_or_writes_another_register_is_not() {
        assert!(!judge(&TEXT, "native_read_msr"));
        let mut hsave = TEXT;
        hsave[1..5].copy_from_slice(&0xc001_0117_u32.to_le_bytes());
        assert!(!judge(&hsave, "native_write_msr"));
    }
}
