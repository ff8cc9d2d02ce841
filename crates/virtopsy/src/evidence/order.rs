//! Where the order of events proves nothing: it is taken back, with the reason.
//!
//! That a CPU came to the end of the emergency path shows that virtualization is off only where
//! that path switches it off. From 6.6 to 7.0 it is the registered callback that does: with none
//! registered, or another function than KVM's, the path runs and disables nothing.
//!
//! And it shows the state when the crash kernel took over only if the CPU came there in time. The
//! crash kernel copies the registers' notes when it sets up /proc/vmcore; a CPU whose slot of
//! `crash_notes` holds registers that no note of the dump has answered after that. Lies where a
//! tool dropped notes from the dump.

use virtopsy_kernel::CpuId;

use super::{Evidence, Usage};
use crate::machine::{Disabler, Machine};
use crate::report::{Says, Strength};

/// Evidence that rests on the order of events.
const BY_ORDER: [&str; 5] = [
    "crash_notes",
    "parked-frame",
    "waiting_for_crash_ipi",
    "kdump-ran",
    "stopped-by-reboot",
];

/// Evidence of the disabling itself: it stands whoever did it, but not if it came too late.
const BY_ACT: [&str; 1] = ["efer-write"];

/// Takes back what can't be said of `cpu`, and says what follows instead.
pub(super) fn qualify(machine: &Machine<'_>, cpu: CpuId, usage: Usage, out: &mut Vec<Evidence>) {
    if machine.late_cpus().contains(&cpu) {
        let but = "but it came there after the crash kernel had taken over";
        take_back(out, &BY_ORDER, but);
        take_back(out, &BY_ACT, but);
        let why = "no note of the dump has the registers that this CPU saved: it answered the crash \
                   NMI only after the crash kernel had set up /proc/vmcore";
        out.push(still_on(
            "late-answer",
            usage,
            why,
            "a tool dropped notes from the dump",
        ));
    }
    match &machine.disabler {
        Disabler::Sound => {}
        Disabler::Missing => {
            take_back(
                out,
                &BY_ORDER,
                "but no callback was registered, and in this kernel only the callback disables",
            );
            let why =
                "no emergency callback was registered, and in this kernel nothing else disables";
            let lies = "the pointer was overwritten after the crash";
            out.push(still_on("no-emergency-callback", usage, why, lies));
        }
        Disabler::Doubtful(why) => {
            take_back(
                out,
                &BY_ORDER,
                &format!("but in this kernel the callback disables, and {why}"),
            );
        }
    }
}

fn take_back(out: &mut [Evidence], what: &[&str], but: &str) {
    let taken = |e: &&mut Evidence| e.says == Says::Off && what.contains(&e.what);
    for e in out.iter_mut().filter(taken) {
        e.says = Says::Neutral;
        e.strength = Strength::Weak;
        e.why = format!("{}; {but}", e.why);
    }
}

/// A statement that what was enabled stayed on.
fn still_on(what: &'static str, usage: Usage, why: &str, lies: &'static str) -> Evidence {
    match usage {
        Usage::Enabled => Evidence::on(what, Strength::Strong, why).lies_when(lies),
        Usage::Unknown => Evidence::on(what, Strength::Weak, why).lies_when(lies),
        Usage::Disabled { .. } => Evidence::neutral(what, why),
    }
}
