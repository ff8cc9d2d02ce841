//! Functions of the crashed kernel, disassembled from the dump's own text: what alternatives and
//! static calls made of them at run time is what the CPUs executed.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Longest function that is disassembled; the ones of interest have some 200 bytes.
const MAX_FUNCTION: u64 = 64 << 10;

/// A function, as instructions by address.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// First byte.
    pub start: VirtAddr,
    /// One past the last byte.
    pub end: VirtAddr,
    instructions: BTreeMap<u64, Instruction>,
}

/// A call in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Address of the call instruction.
    pub at: VirtAddr,
    /// The address that it pushes.
    pub returns_to: VirtAddr,
    /// Where it goes; `None` through a register or memory.
    pub target: Option<VirtAddr>,
    /// Address of the pointer that it goes through (`call *variable(%rip)`).
    pub through: Option<VirtAddr>,
}

impl Kernel {
    /// Disassembles the kernel function of that name, as it stands in the dump.
    ///
    /// # Errors
    /// Where there is no such symbol or its text can't be read.
    pub fn function(&self, name: &str) -> Result<Function> {
        let symbol = self.symbols()?.first_of(&[name])?;
        let size = symbol
            .size
            .filter(|s| (1..=MAX_FUNCTION).contains(s))
            .ok_or_else(|| Error::Implausible {
                what: format!("size of {name}"),
                at: symbol.address,
                found: format!("{:?}", symbol.size),
            })?;
        let text = self.space().bytes(symbol.address, size as usize)?;
        Ok(Function::decode(name, symbol.address, &text))
    }

    /// Disassembles the function of the kernel or of a module that `at` lies in, as it stands in
    /// the dump.
    ///
    /// # Errors
    /// Where no symbol covers the address or the text can't be read.
    pub fn function_around(&self, at: VirtAddr) -> Result<Function> {
        let location = self.locate(at).ok_or_else(|| Error::Implausible {
            what: "an address in code".into(),
            at,
            found: "no symbol covers it".into(),
        })?;
        let start = VirtAddr(at.0.wrapping_sub(location.offset));
        let size = location
            .size
            .filter(|s| (1..=MAX_FUNCTION).contains(s))
            .ok_or_else(|| Error::Implausible {
                what: format!("size of {}", location.symbol),
                at: start,
                found: format!("{:?}", location.size),
            })?;
        let text = self.space().bytes(start, size as usize)?;
        Ok(Function::decode(&location.symbol, start, &text))
    }
}

impl Function {
    /// Decodes `text` that stands at `start`.
    pub fn decode(name: &str, start: VirtAddr, text: &[u8]) -> Function {
        let mut decoder = Decoder::with_ip(64, text, start.0, DecoderOptions::NONE);
        let mut instructions = BTreeMap::new();
        while decoder.can_decode() {
            let instruction = decoder.decode();
            instructions.insert(instruction.ip(), instruction);
        }
        let end = VirtAddr(start.0.wrapping_add(text.len() as u64));
        Function {
            name: name.into(),
            start,
            end,
            instructions,
        }
    }

    /// All instructions, in order of address.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.instructions.values()
    }

    /// Whether the function itself sets GIF or writes an MSR, as code does that switches SVM off.
    pub fn switches_svm(&self) -> bool {
        let does = |i: &Instruction| matches!(i.mnemonic(), Mnemonic::Stgi | Mnemonic::Wrmsr);
        self.instructions.values().any(does)
    }

    /// How often the function executes VMCLEAR in its own text.
    pub fn vmclears(&self) -> usize {
        let is = |i: &&Instruction| i.mnemonic() == Mnemonic::Vmclear;
        self.instructions.values().filter(is).count()
    }

    /// Addresses of the function's own VMXOFF instructions.
    pub fn vmxoffs(&self) -> Vec<VirtAddr> {
        let is = |i: &&Instruction| i.mnemonic() == Mnemonic::Vmxoff;
        let places = self.instructions.values().filter(is);
        places.map(|i| VirtAddr(i.ip())).collect()
    }

    /// Whether the function sets GIF, so that INIT and NMI are no longer held back.
    pub fn sets_gif(&self) -> bool {
        self.instructions
            .values()
            .any(|i| i.mnemonic() == Mnemonic::Stgi)
    }

    /// Addresses of one-byte variables that the function sets to 1.
    pub fn flags_set(&self) -> Vec<VirtAddr> {
        let sets = |i: &&Instruction| {
            i.mnemonic() == Mnemonic::Mov
                && i.op0_kind() == OpKind::Memory
                && i.memory_size().size() == 1
                && is_fixed_place(i)
                && matches!(i.op1_kind(), OpKind::Immediate8)
                && i.immediate8() == 1
        };
        let places = self.instructions.values().filter(sets);
        places
            .map(|i| VirtAddr(i.memory_displacement64()))
            .collect()
    }

    /// Per-CPU places that the function loads a register from (`mov %gs:place, %reg`), as symbols
    /// of per-CPU data name them: the base of no CPU's own copy.
    pub fn percpu_loads(&self) -> Vec<VirtAddr> {
        let loads = |i: &&Instruction| {
            i.mnemonic() == Mnemonic::Mov
                && i.op0_kind() == OpKind::Register
                && i.op1_kind() == OpKind::Memory
                && i.segment_prefix() == Register::GS
                && is_fixed_place(i)
        };
        let places = self.instructions.values().filter(loads);
        places
            .map(|i| VirtAddr(i.memory_displacement64()))
            .collect()
    }

    /// Where the function goes by a jump out of itself: tail calls, its `.cold` part.
    pub fn jumps_out(&self) -> Vec<VirtAddr> {
        let inside = self.start.0..self.end.0;
        let leaves = |i: &&Instruction| {
            matches!(
                i.flow_control(),
                FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
            ) && !inside.contains(&i.near_branch_target())
        };
        let jumps = self.instructions.values().filter(leaves);
        jumps.map(|i| VirtAddr(i.near_branch_target())).collect()
    }

    /// The last number that was put into ECX or EDI before `call`, in order of address: what
    /// `rdmsr` and the functions that stand for it take as the register's number.
    pub fn msr_at(&self, call: VirtAddr) -> Option<u32> {
        let loads = |i: &Instruction| {
            let to = matches!(i.op0_kind(), OpKind::Register)
                && matches!(
                    i.op0_register(),
                    Register::ECX | Register::EDI | Register::RCX | Register::RDI
                );
            let number = matches!(
                i.op1_kind(),
                OpKind::Immediate32 | OpKind::Immediate32to64 | OpKind::Immediate64
            );
            (i.mnemonic() == Mnemonic::Mov && to && number).then(|| i.immediate(1) as u32)
        };
        let before = self.instructions.range(..call.0).rev();
        before.map(|(_, i)| i).find_map(loads)
    }

    /// Addresses that the function puts into a register as they are: of variables whose address it
    /// takes, in order of address of the instruction.
    pub fn addresses_taken(&self) -> Vec<VirtAddr> {
        let taken = |i: &Instruction| match (i.mnemonic(), i.op0_kind(), i.op1_kind()) {
            (Mnemonic::Mov, OpKind::Register, OpKind::Immediate32to64 | OpKind::Immediate64) => {
                Some(VirtAddr(i.immediate(1)))
            }
            (Mnemonic::Lea, ..) if is_fixed_place(i) => Some(VirtAddr(i.memory_displacement64())),
            _ => None,
        };
        self.instructions.values().filter_map(taken).collect()
    }

    /// All calls, in order of address.
    pub fn calls(&self) -> Vec<Call> {
        self.instructions.values().filter_map(call_of).collect()
    }

    /// The call that pushes `address`, if one does.
    pub fn call_returning_to(&self, address: VirtAddr) -> Option<Call> {
        self.calls().into_iter().find(|c| c.returns_to == address)
    }

    /// Whether every way from the function's start to `place` goes through `gate` (the address of
    /// an instruction): then whoever stands at `place` has executed it.
    ///
    /// Indirect jumps inside the function make the answer `false`, as their targets are unknown.
    pub fn is_only_reached_through(&self, place: VirtAddr, gate: VirtAddr) -> bool {
        if !self.instructions.contains_key(&place.0) {
            return false;
        }
        match self.reachable(self.start.0, Some(gate.0)) {
            Some(seen) => !seen.contains(&place.0),
            None => false,
        }
    }

    /// Whether `place` can be reached at all; `None` where an indirect jump hides that.
    pub fn is_reachable(&self, place: VirtAddr) -> Option<bool> {
        self.reachable(self.start.0, None)
            .map(|seen| seen.contains(&place.0))
    }

    /// Whether `to` can be executed after `from`; `None` where an indirect jump hides that.
    pub fn follows(&self, from: VirtAddr, to: VirtAddr) -> Option<bool> {
        self.reachable(from.0, None)
            .map(|seen| seen.contains(&to.0))
    }

    /// Whether the CPU can come from `from` to `gate` and on to a `hlt` of the function's own, and
    /// make no call on the way. Then the stack of a CPU that halts there still holds the return
    /// address of the last call before `from`.
    pub fn halts_without_a_call(&self, from: VirtAddr, gate: VirtAddr) -> bool {
        let until_call = |ip: VirtAddr| {
            let calls = |i: &Instruction| call_of(i).is_some();
            self.reachable_until(ip.0, |ip| self.instructions.get(&ip).is_some_and(calls))
        };
        let halts = |ip: &u64| {
            let at = self.instructions.get(ip);
            at.is_some_and(|i| i.mnemonic() == Mnemonic::Hlt)
        };
        until_call(from).is_some_and(|seen| seen.contains(&gate.0))
            && until_call(gate).is_some_and(|seen| seen.iter().any(halts))
    }

    /// Addresses that can be executed from `from` on, without passing `barrier`.
    fn reachable(&self, from: u64, barrier: Option<u64>) -> Option<BTreeSet<u64>> {
        self.reachable_until(from, |ip| Some(ip) == barrier)
    }

    /// Addresses that can be executed from `from` on, as far as instructions that are `barrier`s.
    fn reachable_until(&self, from: u64, barrier: impl Fn(u64) -> bool) -> Option<BTreeSet<u64>> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![from];
        while let Some(ip) = todo.pop() {
            if barrier(ip) || !seen.insert(ip) {
                continue;
            }
            let Some(instruction) = self.instructions.get(&ip) else {
                continue;
            };
            match instruction.flow_control() {
                FlowControl::UnconditionalBranch => todo.push(instruction.near_branch_target()),
                FlowControl::ConditionalBranch => {
                    todo.push(instruction.near_branch_target());
                    todo.push(instruction.next_ip());
                }
                FlowControl::IndirectBranch => return None,
                FlowControl::Return | FlowControl::Exception => {}
                _ => todo.push(instruction.next_ip()),
            }
        }
        Some(seen)
    }

    /// Addresses of the instructions that refer to memory at `variable` (RIP-relative or absolute).
    pub fn references_to(&self, variable: VirtAddr) -> Vec<VirtAddr> {
        let touches = |i: &&Instruction| -> bool {
            i.op_kinds().any(|k| k == OpKind::Memory)
                && is_fixed_place(i)
                && i.memory_displacement64() == variable.0
        };
        self.instructions
            .values()
            .filter(touches)
            .map(|i| VirtAddr(i.ip()))
            .collect()
    }
}

/// Whether the memory operand names one place: RIP-relative or absolute, without an index.
fn is_fixed_place(instruction: &Instruction) -> bool {
    instruction.memory_index() == Register::None
        && matches!(instruction.memory_base(), Register::RIP | Register::None)
}

fn call_of(instruction: &Instruction) -> Option<Call> {
    let (target, through) = match instruction.flow_control() {
        FlowControl::Call => (Some(VirtAddr(instruction.near_branch_target())), None),
        FlowControl::IndirectCall => {
            let fixed =
                instruction.op0_kind() == OpKind::Memory && instruction.is_ip_rel_memory_operand();
            (
                None,
                fixed.then(|| VirtAddr(instruction.ip_rel_memory_address())),
            )
        }
        _ => return None,
    };
    Some(Call {
        at: VirtAddr(instruction.ip()),
        returns_to: VirtAddr(instruction.next_ip()),
        target,
        through,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `je +5; call 0x2000; call 0x3000; ret`: the first call can be jumped over.
    const TEXT: [u8; 13] = [
        0x74, 0x05, // 1000: je 1007
        0xe8, 0xf9, 0x0f, 0x00, 0x00, // 1002: call 2000
        0xe8, 0xf4, 0x1f, 0x00, 0x00, // 1007: call 3000
        0xc3, // 100c: ret
    ];

    #[test]
    fn calls_know_where_they_go_and_return_to() {
        let function = Function::decode("f", VirtAddr(0x1000), &TEXT);
        let calls = function.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].target, Some(VirtAddr(0x2000)));
        assert_eq!(calls[1].returns_to, VirtAddr(0x100c));
    }

    #[test]
    fn a_call_that_can_be_jumped_over_proves_nothing() {
        let function = Function::decode("f", VirtAddr(0x1000), &TEXT);
        assert!(!function.is_only_reached_through(VirtAddr(0x100c), VirtAddr(0x1002)));
        assert!(function.is_only_reached_through(VirtAddr(0x100c), VirtAddr(0x1007)));
    }

    #[test]
    fn a_flag_that_is_set_and_the_msr_of_a_call_are_read_from_the_text() {
        let text = [
            0xc6, 0x05, 0xf9, 0x0f, 0x00, 0x00, 0x01, // 1000: movb $1, 0x2000(%rip)
            0xbf, 0x80, 0x00, 0x00, 0xc0, // 1007: mov $0xc0000080, %edi
            0xe8, 0xef, 0x1f, 0x00, 0x00, // 100c: call 3000
            0x0f, 0x01, 0xdc, // 1011: stgi
            0xe9, 0xe7, 0x3f, 0x00, 0x00, // 1014: jmp 5000
        ];
        let function = Function::decode("f", VirtAddr(0x1000), &text);
        assert_eq!(function.flags_set(), [VirtAddr(0x2000)]);
        assert_eq!(function.msr_at(VirtAddr(0x100c)), Some(0xc000_0080));
        assert_eq!(function.msr_at(VirtAddr(0x1007)), None);
        assert_eq!(function.jumps_out(), [VirtAddr(0x5000)]);
        assert!(function.sets_gif());
        assert_eq!(function.vmclears(), 0);
    }

    #[test]
    fn a_per_cpu_load_names_its_place() {
        let text = [
            0x65, 0x48, 0x8b, 0x05, 0xf8, 0x0f, 0x00, 0x00, // 1000: mov %gs:0xff8(%rip), %rax
            0x48, 0x8b, 0x05, 0x00, 0x00, 0x00, 0x00, // 1008: mov 0(%rip), %rax
            0xc3,
        ];
        let function = Function::decode("f", VirtAddr(0x1000), &text);
        assert_eq!(function.percpu_loads(), [VirtAddr(0x2000)]);
    }

    #[test]
    fn a_halt_that_is_no_call_leaves_the_stack_as_it_was() {
        let text = |halt: [u8; 5]| {
            let mut text = vec![0xe8, 0xfb, 0x0f, 0x00, 0x00]; // 1000: call 2000
            text.extend([0xf0, 0xff, 0x0d, 0xf4, 0x1f, 0x00, 0x00]); // 1005: lock decl 3000
            text.extend(halt); // 100c
            text.extend([0xf3, 0x90, 0xeb, 0xfc]); // 1011: pause; jmp 1011
            Function::decode("f", VirtAddr(0x1000), &text)
        };
        let (from, gate) = (VirtAddr(0x1005), VirtAddr(0x1005));
        let inline = text([0xf4, 0x90, 0x90, 0x90, 0x90]);
        assert!(inline.halts_without_a_call(from, gate));
        assert!(!inline.halts_without_a_call(VirtAddr(0x1000), gate));
        assert!(!inline.halts_without_a_call(VirtAddr(0x1011), gate));
        let called = text([0xe8, 0xef, 0x2f, 0x00, 0x00]);
        assert!(!called.halts_without_a_call(from, gate));
    }

    #[test]
    fn an_indirect_jump_hides_the_order() {
        let function = Function::decode("f", VirtAddr(0x1000), &[0xff, 0xe0, 0x90, 0xc3]);
        assert!(!function.is_only_reached_through(VirtAddr(0x1003), VirtAddr(0x1002)));
        assert_eq!(function.is_reachable(VirtAddr(0x1003)), None);
    }
}
