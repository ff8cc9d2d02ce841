//! Code as it stands in the dump, disassembled.

use iced_x86::{FlowControl, Formatter as _, GasFormatter, Instruction};
use serde::Serialize;
use virtopsy_kernel::{Function, Kernel, Location, VirtAddr};

use crate::report::Hex;

/// Longest function that is disassembled, in bytes.
const LONGEST: u64 = 64 << 10;
/// Bytes that are disassembled where the symbol has no size.
const UNSIZED: u64 = 128;

/// A function, disassembled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Its name, and its module in brackets.
    pub function: String,
    /// What it has to do with the callback; empty where nothing.
    pub note: String,
    /// Its instructions, in order of address.
    pub instructions: Vec<CodeRow>,
}

/// An instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CodeRow {
    /// Where it stands.
    pub address: Hex,
    /// Its text, in the syntax of GNU as.
    pub text: String,
    /// Where it goes or what it touches, where a symbol is there.
    pub target: Option<CodeTarget>,
    /// What it does on the way to the callback.
    pub step: Option<&'static str>,
}

/// A named address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CodeTarget {
    /// The address.
    pub address: Hex,
    /// Its name; of a place inside the same function the offset alone.
    pub name: String,
}

/// The function that holds `at`; `None` where that is no code with a name, or can't be read.
pub(crate) fn around(kernel: &Kernel, at: VirtAddr) -> Option<Listing> {
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
    Some(Listing {
        instructions: rows(kernel, &function, |_, target| (target, None)),
        function: function.name,
        note: String::new(),
    })
}

pub(crate) fn decode(
    kernel: &Kernel,
    at: VirtAddr,
    location: &Location,
) -> Result<Function, virtopsy_kernel::Error> {
    let start = VirtAddr(at.0.wrapping_sub(location.offset));
    let shortest = location.offset.saturating_add(UNSIZED);
    let size = location.size.unwrap_or(shortest).min(LONGEST);
    let bytes = kernel.space().bytes(start, size as usize)?;
    let itself = Location {
        offset: 0,
        ..location.clone()
    };
    Ok(Function::decode(&itself.short(), start, &bytes))
}

/// The instructions of a function; `step` says what each does, given where it goes, and may know
/// better where that is.
pub(crate) fn rows(
    kernel: &Kernel,
    function: &Function,
    mut step: impl FnMut(&Instruction, Option<CodeTarget>) -> (Option<CodeTarget>, Option<&'static str>),
) -> Vec<CodeRow> {
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    let row = |i: &Instruction| {
        let mut text = String::new();
        formatter.format(i, &mut text);
        let named = target(i).and_then(|at| named(kernel, function, at));
        let (target, step) = step(i, named);
        CodeRow {
            address: Hex(i.ip()),
            text,
            target,
            step,
        }
    };
    function.instructions().map(row).collect()
}

/// An address as code of a function speaks of it.
pub(crate) fn named(kernel: &Kernel, function: &Function, at: u64) -> Option<CodeTarget> {
    let name = kernel.locate(VirtAddr(at))?.short();
    Some(CodeTarget {
        address: Hex(at),
        name: inside(&name, &function.name),
    })
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
