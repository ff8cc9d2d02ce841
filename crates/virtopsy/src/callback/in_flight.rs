//! CPUs that were executing the callback.
//!
//! Reads each CPU's NMI stack: below the frame in which `crash_nmi_callback()` waits for the
//! emergency disable stands the return address into the function that called the callback, and
//! below that words of the callback's own module. Only there: elsewhere such a word is a leftover
//! of a call that is over. And the crashing CPU's own stack, by its frames: it calls the callback
//! last, and a fault inside it leads to a second panic on the same stack.
//!
//! With a callback whose module is not live, a CPU found here is a use after free caught in the
//! act.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Kernel, Location, Start};

use crate::era::Layout;
use crate::report::{Hex, InFlightReport, Text};

const HANDLER: &str = "crash_nmi_callback";

/// The CPUs among `suspects` on whose stacks the function at `callback` stands.
pub(super) fn find(
    kernel: &Kernel,
    layout: Layout,
    callback: VirtAddr,
    suspects: &[CpuId],
) -> Vec<InFlightReport> {
    if suspects.is_empty() {
        return Vec::new();
    }
    let target = Target {
        kernel,
        callback,
        disable: layout.disable,
        inside: inside_disable(kernel, layout),
    };
    let found = |cpu: &CpuId| target.on_nmi_stack(*cpu).or_else(|| target.in_frames(*cpu));
    suspects.iter().filter_map(found).collect()
}

/// The return address of the handler's call that disables: a CPU on whose NMI stack it stands has
/// not come out of it. `None` where the disable is inlined.
fn inside_disable(kernel: &Kernel, layout: Layout) -> Option<VirtAddr> {
    let target = kernel.symbol(layout.disable?).ok()?;
    let handler = kernel.function(HANDLER).ok()?;
    let call = handler
        .calls()
        .into_iter()
        .find(|c| c.target == Some(target))?;
    Some(call.returns_to)
}

struct Target<'k> {
    kernel: &'k Kernel,
    callback: VirtAddr,
    disable: Option<&'static str>,
    inside: Option<VirtAddr>,
}

impl Target<'_> {
    /// Whether a code address lies in the callback, or in its module.
    fn holds(&self, at: VirtAddr) -> bool {
        match self.kernel.modules().containing(self.callback) {
            Some(module) => module.contains(at),
            None => self
                .kernel
                .locate(at)
                .is_some_and(|l| VirtAddr(at.0.wrapping_sub(l.offset)) == self.callback),
        }
    }

    fn on_nmi_stack(&self, cpu: CpuId) -> Option<InFlightReport> {
        let inside = self.inside?;
        let words = self.kernel.code_words(&self.kernel.nmi_stack(cpu).ok()?);
        let gate = words.iter().position(|w| w.value == inside)?;
        let below = words.get(gate + 1..)?;
        let word = below.iter().find(|w| self.holds(w.value))?;
        Some(InFlightReport {
            cpu: cpu.0,
            address: Hex(word.at.0),
            at: Text::from(word.location.to_string()),
            why: "its NMI stack stands inside the emergency disable, and below that in the \
                  callback, which it may just have left"
                .into(),
        })
    }

    /// A frame of the callback and one of the emergency path, on whatever stack the CPU is.
    fn in_frames(&self, cpu: CpuId) -> Option<InFlightReport> {
        let trace = self.kernel.backtrace(Start::Cpu(cpu));
        let frames: Vec<_> = trace.frames.iter().filter(|f| f.is_reliable()).collect();
        let is_disable =
            |l: &Location| l.module.is_none() && Some(l.symbol.as_str()) == self.disable;
        let path = frames
            .iter()
            .any(|f| f.location.as_ref().is_some_and(is_disable));
        let frame = frames.iter().find(|f| path && self.holds(f.ip))?;
        let at = frame
            .location
            .as_ref()
            .map_or_else(|| frame.ip.to_string(), ToString::to_string);
        Some(InFlightReport {
            cpu: cpu.0,
            address: Hex(frame.sp.0),
            at: Text::from(at),
            why: "its stack, unwound, stands in the callback on the emergency path".into(),
        })
    }
}
