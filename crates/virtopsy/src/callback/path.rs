//! The way from the crash NMI to the callback, through the dump's own code: which function calls
//! which, where the callback is read, and where it is called.

use std::collections::BTreeSet;

use iced_x86::{FlowControl, Instruction, Mnemonic, Register};
use virtopsy_kernel::{Function, Kernel, VirtAddr};

use crate::listing::{self, CodeTarget, Listing};
use crate::report::CallbackReport;

/// The functions on the way from the crash NMI to the callback, by their names in all eras.
const PATH: [&str; 10] = [
    "native_machine_crash_shutdown",
    "crash_nmi_callback",
    "kdump_nmi_callback",
    "cpu_crash_vmclear_loaded_vmcss",
    "x86_virt_emergency_disable_virtualization_cpu",
    "x86_svm_emergency_disable_virtualization_cpu",
    "x86_vmx_emergency_disable_virtualization_cpu",
    "x86_virt_invoke_kvm_emergency_callback",
    "cpu_emergency_disable_virtualization",
    "kvm_crash_vmclear_local_loaded_vmcss",
];
/// Those of them that nothing else here leads to.
const ENTRIES: [&str; 3] = [
    "native_machine_crash_shutdown",
    "crash_nmi_callback",
    "kdump_nmi_callback",
];

/// The functions on the way to the callback, then the callback itself.
pub(crate) fn on_the_way(kernel: &Kernel, report: &CallbackReport) -> Vec<Listing> {
    let variable = report.address.map(|a| VirtAddr(a.0));
    let all: Vec<Listing> = PATH
        .iter()
        .filter_map(|name| kernel.function(name).ok())
        .map(|f| listing(kernel, f, variable, "on the way to the callback"))
        .filter(|listing| listing.instructions.iter().any(|row| row.step.is_some()))
        .collect();
    let mut listings = led_to(all);
    if let Some(value) = report.value.filter(|v| v.0 != 0) {
        listings.push(callback(kernel, VirtAddr(value.0)));
    }
    listings
}

/// Leaves out what no step leads to, such as Intel's functions on AMD; nothing, where a step is
/// missing on the way to the function that reads the callback.
fn led_to(all: Vec<Listing>) -> Vec<Listing> {
    let mut reached: BTreeSet<String> = ENTRIES.iter().map(|name| (*name).to_owned()).collect();
    // Functions stand in the order in which they call each other, but for a few: as many turns as
    // there are functions find all.
    for _ in 0..all.len() {
        for listing in all
            .iter()
            .filter(|l| reached.contains(&l.function))
            .collect::<Vec<_>>()
        {
            let steps = listing.instructions.iter().filter(|row| row.step.is_some());
            reached.extend(
                steps
                    .filter_map(|row| row.target.as_ref())
                    .map(|target| target.name.clone()),
            );
        }
    }
    let reads = |l: &Listing| l.instructions.iter().any(|row| row.step == Some(READS));
    if all
        .iter()
        .any(|l| reads(l) && !reached.contains(&l.function))
    {
        return all;
    }
    all.into_iter()
        .filter(|l| reached.contains(&l.function))
        .collect()
}

fn callback(kernel: &Kernel, at: VirtAddr) -> Listing {
    let note = "the callback";
    let Some(location) = kernel.locate(at) else {
        return Listing {
            function: format!("{:#x}", at.0),
            note: "the callback: no symbol holds this address".into(),
            instructions: Vec::new(),
        };
    };
    match listing::decode(kernel, at, &location) {
        Ok(function) => listing(kernel, function, None, note),
        Err(e) => Listing {
            function: location.to_string(),
            note: format!("the callback: {e}"),
            instructions: Vec::new(),
        },
    }
}

/// Whether an instruction goes where a register or memory says.
fn is_indirect(i: &Instruction) -> bool {
    matches!(
        i.flow_control(),
        FlowControl::IndirectCall | FlowControl::IndirectBranch
    )
}

fn listing(kernel: &Kernel, function: Function, variable: Option<VirtAddr>, note: &str) -> Listing {
    let reads = variable
        .map(|v| function.references_to(v))
        .unwrap_or_default();
    let mut pointers = Pointers::default();
    let step = |i: &Instruction, target: Option<CodeTarget>| {
        pointers.follow(i);
        let direct = direct_step(i, &reads, target.as_ref());
        let variable = pointers.call(i, target.as_ref());
        if direct.is_some() {
            return (target, direct);
        }
        if !reads.is_empty() && (variable.is_some() || is_indirect(i)) {
            return (target, Some("calls the callback"));
        }
        let next = variable
            .and_then(|variable| kernel.space().pointer(variable).ok())
            .and_then(|at| listing::named(kernel, &function, at.0))
            .filter(|next| PATH.contains(&next.name.as_str()));
        match next {
            Some(next) => (Some(next), Some("calls through a pointer")),
            None => (target, None),
        }
    };
    Listing {
        instructions: listing::rows(kernel, &function, step),
        function: function.name,
        note: note.into(),
    }
}

/// Which register holds the value of which variable, as far as the code says so just before.
#[derive(Debug, Default)]
struct Pointers {
    loaded: Option<(Register, VirtAddr)>,
}

impl Pointers {
    /// Takes an instruction in, in order of address.
    fn follow(&mut self, i: &Instruction) {
        if i.mnemonic() == Mnemonic::Mov
            && i.is_ip_rel_memory_operand()
            && i.op0_register() != Register::None
        {
            self.loaded = Some((i.op0_register(), VirtAddr(i.ip_rel_memory_address())));
        }
    }

    /// The variable whose value an instruction calls or jumps to.
    fn call(&self, i: &Instruction, target: Option<&CodeTarget>) -> Option<VirtAddr> {
        let indirect = is_indirect(i);
        if indirect && i.is_ip_rel_memory_operand() {
            return Some(VirtAddr(i.ip_rel_memory_address()));
        }
        let (register, variable) = self.loaded?;
        let thunk = target.is_some_and(|target| {
            let name = target.name.as_str();
            let name = name.strip_prefix("__pi_").unwrap_or(name);
            name.starts_with("__x86_indirect")
        });
        (thunk || (indirect && i.op0_register() == register)).then_some(variable)
    }
}

/// What an instruction does that reads the callback.
const READS: &str = "reads the callback";

/// What an instruction does on the way to the callback, unless it goes through a pointer.
fn direct_step(
    i: &Instruction,
    reads: &[VirtAddr],
    target: Option<&CodeTarget>,
) -> Option<&'static str> {
    let call = matches!(
        i.flow_control(),
        FlowControl::Call | FlowControl::UnconditionalBranch
    );
    if reads.contains(&VirtAddr(i.ip())) {
        Some(READS)
    } else if call && target.is_some_and(|target| PATH.contains(&target.name.as_str())) {
        Some("calls")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::CodeRow;

    fn decoded(code: &[u8]) -> Vec<Instruction> {
        let function = Function::decode("f", VirtAddr(0x1000), code);
        function.instructions().copied().collect()
    }

    #[test]
    fn a_call_through_a_register_is_traced_to_the_variable_that_it_was_loaded_from() {
        // mov 0x10(%rip),%rax; call *%rcx; call *%rax; call *0x20(%rip)
        let code = [
            0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0xff, 0xd1, 0xff, 0xd0, 0xff, 0x15, 0x20, 0, 0, 0,
        ];
        let mut pointers = Pointers::default();
        let mut called = Vec::new();
        for i in decoded(&code) {
            pointers.follow(&i);
            called.push(pointers.call(&i, None));
        }
        let expected = [None, None, Some(VirtAddr(0x1017)), Some(VirtAddr(0x1031))];
        assert_eq!(called, expected);
        let thunk = CodeTarget {
            name: "__x86_indirect_thunk_array".to_owned(),
            ..CodeTarget::default()
        };
        let call = decoded(&[0xe8, 0, 0, 0, 0]);
        let through = call.first().and_then(|i| pointers.call(i, Some(&thunk)));
        assert_eq!(through, Some(VirtAddr(0x1017)));
    }

    #[test]
    fn what_no_step_leads_to_is_left_out_unless_a_step_is_missing() {
        let listing = |title: &str, mark: &'static str, next: &str| Listing {
            function: title.into(),
            instructions: vec![CodeRow {
                target: Some(CodeTarget {
                    name: next.into(),
                    ..CodeTarget::default()
                }),
                step: Some(mark),
                ..CodeRow::default()
            }],
            ..Listing::default()
        };
        let titles = |all: Vec<Listing>| -> Vec<String> {
            led_to(all).into_iter().map(|l| l.function).collect()
        };
        let entry = listing("crash_nmi_callback", "calls", "svm");
        let whole = vec![
            entry.clone(),
            listing("vmx", "calls", "last"),
            listing("svm", "calls", "last"),
            listing("last", READS, "variable"),
        ];
        assert_eq!(titles(whole), ["crash_nmi_callback", "svm", "last"]);
        let torn = vec![
            entry,
            listing("vmx", "calls", "last"),
            listing("last", READS, "variable"),
        ];
        assert_eq!(titles(torn), ["crash_nmi_callback", "vmx", "last"]);
    }
}
