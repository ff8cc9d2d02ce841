//! Code as it stands in the dump, disassembled: the callback, the functions on the way to it, and
//! the function that an address is in.

use std::collections::BTreeSet;

use iced_x86::{FlowControl, Formatter as _, GasFormatter, Instruction, Mnemonic, Register};
use virtopsy::report::DumpReport;
use virtopsy_kernel::{Function, Kernel, Location, VirtAddr};

use super::short_name;
use crate::source::{CodeRow, Listing};

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
/// Longest function that is disassembled, in bytes.
const LONGEST: u64 = 64 << 10;
/// Bytes that are disassembled where the symbol has no size.
const UNSIZED: u64 = 128;

/// Those of them that nothing else here leads to.
const ENTRIES: [&str; 3] = [
    "native_machine_crash_shutdown",
    "crash_nmi_callback",
    "kdump_nmi_callback",
];

/// The functions on the way to the callback, then the callback itself.
pub(super) fn on_the_way(kernel: &Kernel, report: &DumpReport) -> Vec<Listing> {
    let variable = report.callback.address.map(|a| VirtAddr(a.0));
    let all: Vec<Listing> = PATH
        .iter()
        .filter_map(|name| kernel.function(name).ok())
        .map(|f| listing(kernel, &f, variable, "on the way to the callback"))
        .filter(|listing| listing.rows.iter().any(|row| !row.mark.is_empty()))
        .collect();
    let mut listings = led_to(all);
    if let Some(value) = report.callback.value.filter(|v| v.0 != 0) {
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
            .filter(|l| reached.contains(&l.title))
            .collect::<Vec<_>>()
        {
            let steps = listing.rows.iter().filter(|row| !row.mark.is_empty());
            reached.extend(
                steps
                    .filter_map(|row| row.target.as_ref())
                    .map(|(_, n)| n.clone()),
            );
        }
    }
    let reads = |l: &Listing| l.rows.iter().any(|row| row.mark == READS);
    if all.iter().any(|l| reads(l) && !reached.contains(&l.title)) {
        return all;
    }
    all.into_iter()
        .filter(|l| reached.contains(&l.title))
        .collect()
}

fn callback(kernel: &Kernel, at: VirtAddr) -> Listing {
    let note = "the callback";
    let Some(location) = kernel.locate(at) else {
        return Listing {
            title: format!("{:#x}", at.0),
            note: "the callback: no symbol holds this address".into(),
            rows: Vec::new(),
        };
    };
    match decode(kernel, at, &location) {
        Ok(function) => listing(kernel, &function, None, note),
        Err(e) => Listing {
            title: location.to_string(),
            note: format!("the callback: {e}"),
            rows: Vec::new(),
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

/// The function that holds `at`; `None` where that is no code with a name, or can't be read.
pub(super) fn around(kernel: &Kernel, at: VirtAddr) -> Option<Listing> {
    let location = kernel.locate(at)?;
    let in_kernel = kernel
        .text_range()
        .is_some_and(|(start, end)| (start..end).contains(&at));
    let in_module = kernel.modules().containing(at).is_some_and(|m| {
        m.areas
            .iter()
            .any(|a| a.text && at.0.wrapping_sub(a.base.0) < a.size)
    });
    if !in_kernel && !in_module {
        return None;
    }
    let function = decode(kernel, at, &location).ok()?;
    Some(listing(kernel, &function, None, ""))
}

fn decode(
    kernel: &Kernel,
    at: VirtAddr,
    location: &Location,
) -> Result<Function, virtopsy_kernel::Error> {
    let start = VirtAddr(at.0.wrapping_sub(location.offset));
    let shortest = location.offset.saturating_add(UNSIZED);
    let size = location.size.unwrap_or(shortest).min(LONGEST);
    let bytes = kernel.space().bytes(start, size as usize)?;
    let module = location
        .module
        .as_ref()
        .map_or(String::new(), |m| format!(" [{m}]"));
    let name = format!("{}{module}", location.symbol);
    Ok(Function::decode(&name, start, &bytes))
}

fn listing(
    kernel: &Kernel,
    function: &Function,
    variable: Option<VirtAddr>,
    note: &str,
) -> Listing {
    let reads = variable
        .map(|v| function.references_to(v))
        .unwrap_or_default();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    let mut pointers = Pointers::default();
    let mut row = |i: &Instruction| {
        let mut text = String::new();
        formatter.format(i, &mut text);
        pointers.follow(i);
        let name = |at| short_name(kernel, at).map(|n| (at, inside(&n, &function.name)));
        let mut named = target(i).and_then(name);
        let mut mark = direct_step(i, &reads, named.as_ref());
        let variable = pointers.call(i, named.as_ref());
        if mark.is_empty() && !reads.is_empty() && (variable.is_some() || is_indirect(i)) {
            mark = "calls the callback";
        } else if mark.is_empty()
            && let Some(variable) = variable
        {
            let next = kernel.space().pointer(variable).ok();
            let next = next.and_then(|at| name(at.0));
            if let Some(next) = next.filter(|(_, n)| PATH.contains(&n.as_str())) {
                mark = "calls through a pointer";
                named = Some(next);
            }
        }
        CodeRow {
            address: i.ip(),
            text,
            target: named,
            mark,
        }
    };
    let rows = function.instructions().map(&mut row).collect();
    Listing {
        title: function.name.clone(),
        note: note.into(),
        rows,
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
    fn call(&self, i: &Instruction, target: Option<&(u64, String)>) -> Option<VirtAddr> {
        let indirect = is_indirect(i);
        if indirect && i.is_ip_rel_memory_operand() {
            return Some(VirtAddr(i.ip_rel_memory_address()));
        }
        let (register, variable) = self.loaded?;
        let thunk = target.is_some_and(|(_, name)| {
            let name = name.strip_prefix("__pi_").unwrap_or(name);
            name.starts_with("__x86_indirect")
        });
        (thunk || (indirect && i.op0_register() == register)).then_some(variable)
    }
}

/// A place inside the function itself goes by its offset alone.
fn inside(name: &str, function: &str) -> String {
    match name.strip_prefix(function) {
        Some(offset) if offset.starts_with('+') => offset.to_owned(),
        _ => name.to_owned(),
    }
}

/// Where an instruction goes, or what it touches.
fn target(i: &Instruction) -> Option<u64> {
    match i.flow_control() {
        FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            Some(i.near_branch_target()).filter(|t| *t != 0)
        }
        _ if i.is_ip_rel_memory_operand() => Some(i.ip_rel_memory_address()),
        _ => None,
    }
}

/// What an instruction does that reads the callback.
const READS: &str = "reads the callback";

/// What an instruction does on the way to the callback, unless it goes through a pointer.
fn direct_step(
    i: &Instruction,
    reads: &[VirtAddr],
    target: Option<&(u64, String)>,
) -> &'static str {
    let call = matches!(
        i.flow_control(),
        FlowControl::Call | FlowControl::UnconditionalBranch
    );
    if reads.contains(&VirtAddr(i.ip())) {
        READS
    } else if call && target.is_some_and(|(_, name)| PATH.contains(&name.as_str())) {
        "calls"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let thunk = (0, "__x86_indirect_thunk_array".to_owned());
        let call = decoded(&[0xe8, 0, 0, 0, 0]);
        let through = call.first().and_then(|i| pointers.call(i, Some(&thunk)));
        assert_eq!(through, Some(VirtAddr(0x1017)));
    }

    #[test]
    fn what_no_step_leads_to_is_left_out_unless_a_step_is_missing() {
        let listing = |title: &str, mark: &'static str, next: &str| Listing {
            title: title.into(),
            rows: vec![CodeRow {
                target: Some((1, next.into())),
                mark,
                ..CodeRow::default()
            }],
            ..Listing::default()
        };
        let titles = |all: Vec<Listing>| -> Vec<String> {
            led_to(all).into_iter().map(|l| l.title).collect()
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
