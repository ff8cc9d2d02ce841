//! What follows when the log is read: names, order, repeats, and which report is the consequence of
//! which.

use super::blame;
use super::kind::Nature;
use super::model::Crash;
use super::open::Open;
use crate::Splat;
use crate::limits;

/// The reports in the order of their heads.
pub(super) fn crashes(found: Vec<Open>, splats: &[Splat]) -> Vec<Crash> {
    let mut crashes: Vec<Crash> = found
        .into_iter()
        .filter(|open| open.head.firm && !open.head.of_locks && !is_lock_report(open, splats))
        .map(complete)
        .collect();
    crashes.sort_by_key(|c| c.first_line);
    let mut crashes = without_repeats(crashes);
    follow(&mut crashes);
    crashes
}

/// A WARN that the other family has as a report of its own.
fn is_lock_report(open: &Open, splats: &[Splat]) -> bool {
    matches!(open.crash.kind.nature(), Nature::Warn | Nature::Report)
        && splats.iter().any(|s| {
            let from = s.first_line.saturating_sub(3);
            (from..=s.first_line.saturating_add(3)).contains(&open.crash.first_line)
        })
}

impl Crash {
    /// Finds the function to look at first in trace and instruction pointer, then what follows from
    /// all parts: for a report that was put together from a crashed kernel's memory.
    pub fn blame(&mut self) {
        if let Some((function, module)) = blame::guilty(self, None, None) {
            self.guilty = Some(function);
            self.module = module;
        }
        self.complete();
    }
}

fn complete(open: Open) -> Crash {
    let mut crash = open.crash;
    // A function inlined into nothing that follows: the trace was cut.
    crash.trace.retain(|f| !f.function.is_empty());
    for trace in &mut crash.traces {
        trace.frames.retain(|f| !f.function.is_empty());
    }
    crash.traces.retain(|t| !t.frames.is_empty());
    crash.fatal |= open.head.died || open.head.bug || crash.kind.nature() == Nature::Oops;
    let ends = match crash.kind.nature() {
        Nature::Event => true,
        Nature::Oops | Nature::Warn => open.pace.ended || crash.panic.is_some(),
        Nature::Report => open.pace.ended || !crash.trace.is_empty(),
        Nature::Panic => !crash.trace.is_empty(),
    };
    crash.cut = !ends;
    if let Some((function, module)) = blame::guilty(
        &crash,
        open.head.named.as_deref(),
        open.dump.interrupted.as_deref(),
    ) {
        crash.guilty = Some(function);
        crash.module = module;
    }
    crash.complete();
    crash
}

/// Of many reports of the same problem the first ones are kept, and the others counted.
fn without_repeats(crashes: Vec<Crash>) -> Vec<Crash> {
    let mut kept: Vec<Crash> = Vec::new();
    for crash in crashes {
        let same = |k: &&mut Crash| k.signature == crash.signature;
        let seen = kept
            .iter()
            .filter(|k| k.signature == crash.signature)
            .count();
        match kept.iter_mut().find(same) {
            Some(first) if seen >= limits::SAME_REPORTS && !crash.fatal => {
                first.repeats = first
                    .repeats
                    .saturating_add(1)
                    .saturating_add(crash.repeats);
            }
            _ => kept.push(crash),
        }
    }
    kept
}

/// After an oops the kernel is not itself: what comes behind it in the same boot is a consequence.
fn follow(crashes: &mut [Crash]) {
    let mut first: Option<(u32, Option<f64>)> = None;
    for (index, crash) in (0u32..).zip(crashes.iter_mut()) {
        // The clock begins again at a boot, and so do the counts of die().
        let rebooted = match (first, crash.timestamp) {
            (Some((_, Some(before))), Some(now)) => now < before,
            _ => false,
        } || crash.oops == Some(1);
        if rebooted {
            first = None;
        }
        match first {
            Some((cause, _)) => crash.follows = Some(cause),
            None if crash.fatal => first = Some((index, crash.timestamp)),
            None => {}
        }
    }
}
