//! The CPU's NMI stack: how far it came in `crash_nmi_callback()`.
//!
//! A CPU that was shot down never leaves that function: it halts inside a call, whose return
//! address stands on the NMI stack, below those of `default_do_nmi()` or `nmi_handle()` and
//! `exc_nmi()` or `do_nmi()`. The function is disassembled as it stands in the dump. The CPU counts
//! itself off (`waiting_for_crash_ipi`) after the emergency disable: a return address that can
//! only be reached through that instruction is proof that the disable is over. The return address
//! of the disable call itself says that the CPU is still inside it. `nmi_state` says whether an
//! NMI is being handled at all; by itself it proves nothing, as a CPU can be stuck in another
//! handler. Where `halt()` is no call (kernels without paravirtual operations) a parked CPU leaves
//! the return address of the last call before it, as a CPU inside that call does: then the stack
//! says only that the CPU came that far. Lies when the stack is stale (`nmi_state` 0).

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CodeWord, CpuId, Error, Function, Kernel, Location, Result};

use super::value::Callers;
use super::{Evidence, EvidenceKind, Findings, Place, Value};
use crate::machine::Machine;
use crate::report::state::Strength;

const WHAT: EvidenceKind = EvidenceKind::ParkedFrame;
const HANDLER: &str = "crash_nmi_callback";
/// `NMI_EXECUTING` (arch/x86/kernel/nmi.c).
const NMI_EXECUTING: u32 = 1;
/// Callers of the handler, innermost first; `*_nmi` entries since 5.8, `do_nmi` before.
const DISPATCHERS: [&str; 2] = ["nmi_handle", "default_do_nmi"];
const ENTRIES: [&str; 4] = ["exc_nmi", "do_nmi", "asm_exc_nmi", "end_repeat_nmi"];

/// The handler, and the places in it that matter.
struct Handler {
    function: Function,
    /// The instruction that counts the CPU off, once the emergency disable has returned.
    counted_off: VirtAddr,
    /// Return address of the call that disables; `None` where it is inlined (era A).
    inside_disable: Option<VirtAddr>,
}

/// What the stack says: how far the CPU came, and the statement that follows.
struct Stack {
    place: Place,
    evidence: Option<Evidence>,
}

impl Stack {
    /// The stack says nothing of the handler, but perhaps why.
    fn silent(evidence: Option<Evidence>) -> Stack {
        Stack {
            place: Place::Unknown,
            evidence,
        }
    }
}

/// Reads where the CPU is, and the words of its NMI stack; gives the statement.
pub(super) fn examine(
    machine: &Machine<'_>,
    cpu: CpuId,
    findings: &mut Findings,
) -> Option<Evidence> {
    if machine
        .crashing_cpu()
        .is_none_or(|crashing| crashing == cpu)
    {
        return None;
    }
    let unreadable = |e: &Error| {
        if e.is_absent() {
            tracing::debug!("NMI stack of CPU {cpu}: {e}");
            return None;
        }
        Some(Evidence::unreadable(WHAT, e))
    };
    findings.nmi_words = match machine.kernel.nmi_stack(cpu) {
        Ok(stack) => machine.kernel.code_words(&stack),
        Err(e) => return unreadable(&e),
    };
    match read(machine, cpu, findings) {
        Ok(stack) => {
            findings.place = stack.place;
            stack.evidence
        }
        Err(e) => unreadable(&e),
    }
}

fn read(machine: &Machine<'_>, cpu: CpuId, findings: &mut Findings) -> Result<Stack> {
    let state = nmi_state(machine.kernel, cpu)?;
    let words = &findings.nmi_words;
    let Some(frame) = words
        .iter()
        .position(|w| w.location.symbol == HANDLER && w.location.module.is_none())
    else {
        let (hangs_in, e) = elsewhere(state, words);
        findings.hangs_in = hangs_in;
        return Ok(Stack::silent(e));
    };
    let handler = Handler::of(machine)?;
    let Some((above, rest)) = words.split_at_checked(frame) else {
        return Ok(Stack::silent(None));
    };
    let Some((word, below)) = rest.split_first() else {
        return Ok(Stack::silent(None));
    };
    let value = Value::Frame(word.location.clone(), callers(above));
    let alive = state == NMI_EXECUTING && has_callers(above);
    let (place, e) = handler.judge(word, alive, below);
    Ok(Stack {
        place,
        evidence: Some(e.read(word.at, value)),
    })
}

impl Handler {
    fn of(machine: &Machine<'_>) -> Result<Handler> {
        let kernel = machine.kernel;
        let function = kernel.function(HANDLER)?;
        let waiting = kernel.symbol("waiting_for_crash_ipi")?;
        let counted_off = function
            .references_to(waiting)
            .into_iter()
            .next()
            .ok_or_else(|| Error::Implausible {
                what: format!("the text of {HANDLER}"),
                at: function.start,
                found: "no instruction that counts waiting_for_crash_ipi down".into(),
            })?;
        let inside_disable = match machine.layout.disable {
            None => None,
            Some(name) => {
                let target = kernel.symbol(name)?;
                function
                    .calls()
                    .into_iter()
                    .find(|c| c.target == Some(target))
                    .map(|c| c.returns_to)
            }
        };
        Ok(Handler {
            function,
            counted_off,
            inside_disable,
        })
    }

    /// Whether the disable always comes before the counting in this kernel's own code.
    fn order_holds(&self) -> bool {
        self.inside_disable.is_none_or(|gate| {
            let call = self.function.call_returning_to(gate).map(|c| c.at);
            call.is_some_and(|call| {
                self.function
                    .is_only_reached_through(self.counted_off, call)
            })
        })
    }

    fn judge(&self, word: &CodeWord, alive: bool, below: &[CodeWord]) -> (Place, Evidence) {
        if self
            .function
            .halts_without_a_call(word.value, self.counted_off)
        {
            let why = "the CPU is in the crash NMI's callback: in the call that returns there, or halted \
                       behind it, which in this kernel is no call and leaves no word";
            return (Place::Unknown, Evidence::neutral(WHAT, why));
        }
        if self.inside_disable == Some(word.value) {
            let inner = callers(below.get(..3).unwrap_or(below));
            let why = format!(
                "the CPU is still inside the emergency disable; below: {}",
                Callers(&inner)
            );
            let e = Evidence::on(WHAT, Strength::Strong, why);
            let e = e.lies_when("it hung there after the hardware was already off");
            return (Place::Inside, e);
        }
        // A CPU that hangs in another callback's memory access, or was interrupted there, leaves the
        // address of the counting itself: that instruction has not run.
        let past = self.order_holds()
            && word.value != self.counted_off
            && self
                .function
                .is_only_reached_through(word.value, self.counted_off);
        if !past {
            let why =
                "the CPU is in the crash NMI's callback, before its emergency disable has returned";
            return (Place::Inside, Evidence::on(WHAT, Strength::Weak, why));
        }
        let e = if alive {
            let why = "the CPU halts in crash_nmi_callback behind the point where it counts itself off, \
                       which it reaches only after its emergency disable";
            Evidence::off(WHAT, Strength::Proof, why)
                .lies_when("the CPU answered only after the crash kernel had started")
        } else {
            let why = "a return address behind the emergency disable stands on the NMI stack, \
                       but the CPU is not marked as handling an NMI";
            Evidence::off(WHAT, Strength::Strong, why).lies_when("the stack is stale")
        };
        (Place::Past, e)
    }
}

/// No frame of the crash handler: is the CPU held up in another one?
fn elsewhere(state: u32, words: &[CodeWord]) -> (Option<Location>, Option<Evidence>) {
    if state != NMI_EXECUTING || !has_callers(words) {
        return (None, None);
    }
    let dispatches = |w: &CodeWord| DISPATCHERS.contains(&w.location.function());
    let Some(last) = words.iter().rposition(dispatches) else {
        return (None, None);
    };
    let hangs_in = words.get(last + 1).map(|w| w.location.clone());
    let stuck = hangs_in.as_ref().map_or_else(
        || "a handler that leaves no name".into(),
        Location::to_string,
    );
    let why = format!(
        "the CPU is handling another NMI and never came to the crash handler; it is in {stuck}"
    );
    let e = words.get(last).map(|dispatcher| {
        let value = Value::Code(dispatcher.location.clone());
        Evidence::neutral(EvidenceKind::NmiHandler, why).read(dispatcher.at, value)
    });
    (hangs_in, e)
}

/// `nmi_state` of the CPU: 0 not running, 1 executing, 2 latched.
fn nmi_state(kernel: &Kernel, cpu: CpuId) -> Result<u32> {
    let at = kernel.percpu("nmi_state", cpu)?;
    kernel.space().u32(at)
}

/// Whether the words above a frame are the way into an NMI handler: an entry, then a dispatcher,
/// with anything between them (return thunks leave words of their own).
fn has_callers(above: &[CodeWord]) -> bool {
    let named = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        move |w: &CodeWord| names.iter().any(|n| n == w.location.function())
    };
    let Some(entry) = above.iter().position(named(&ENTRIES)) else {
        return false;
    };
    above
        .get(entry + 1..)
        .unwrap_or_default()
        .iter()
        .any(named(&DISPATCHERS))
}

/// The last few callers, innermost first.
fn callers(words: &[CodeWord]) -> Vec<Location> {
    let innermost = words.iter().rev().take(3);
    innermost.map(|w| w.location.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::state::Says;

    /// `call 2000 (the disable); lock decl 3000; HALT; pause; jmp` at 0x1000.
    fn handler(halt: [u8; 5]) -> Handler {
        let mut text = vec![0xe8, 0xfb, 0x0f, 0x00, 0x00];
        text.extend([0xf0, 0xff, 0x0d, 0xf4, 0x1f, 0x00, 0x00]);
        text.extend(halt);
        text.extend([0xf3, 0x90, 0xeb, 0xfc]);
        Handler {
            function: Function::decode(HANDLER, VirtAddr(0x1000), &text),
            counted_off: VirtAddr(0x1005),
            inside_disable: Some(VirtAddr(0x1005)),
        }
    }

    fn word(value: u64) -> CodeWord {
        CodeWord {
            at: VirtAddr(0x8000),
            value: VirtAddr(value),
            location: Location {
                symbol: HANDLER.into(),
                offset: value - 0x1000,
                size: Some(0x15),
                module: None,
            },
        }
    }

    const CALL: [u8; 5] = [0xe8, 0xef, 0x2f, 0x00, 0x00];
    const INLINE: [u8; 5] = [0xf4, 0x90, 0x90, 0x90, 0x90];

    #[test]
    fn the_disables_own_return_address_says_inside_where_halting_is_a_call() {
        let judged = handler(CALL).judge(&word(0x1005), true, &[]);
        assert_eq!(judged.0, Place::Inside);
        let judged = handler(CALL).judge(&word(0x1011), true, &[]);
        assert_eq!(judged.0, Place::Past);
    }

    #[test]
    fn the_address_of_the_counting_itself_is_before_it() {
        let mut inlined = handler(CALL);
        inlined.inside_disable = None;
        let (place, e) = inlined.judge(&word(0x1005), true, &[]);
        assert_eq!(place, Place::Inside);
        assert_eq!((e.says, e.strength), (Says::On, Strength::Weak));
        assert_eq!(inlined.judge(&word(0x1011), true, &[]).0, Place::Past);
    }

    #[test]
    fn it_says_nothing_where_a_parked_cpu_leaves_the_same_word() {
        let (place, e) = handler(INLINE).judge(&word(0x1005), true, &[]);
        assert_eq!((place, e.says), (Place::Unknown, Says::Neutral));
    }
}
