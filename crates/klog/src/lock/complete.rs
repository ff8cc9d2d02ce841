//! What can be said only when the whole report is known.

use crate::lock::kind::Kind;
use crate::lock::known::known_issue_of;
use crate::lock::parts::{ChainEntry, Lock, PreemptCount, ScenarioStep};
use crate::lock::sentence::sentence;
use crate::lock::splat::Splat;
use crate::lock::title;

impl Splat {
    /// Makes title, sentence, signature and all else that follows from the report's parts, after they
    /// were read or changed.
    pub fn complete(&mut self) {
        locks_of_table(self);
        cycle(self);
        drop_sentinels(self);
        if let Some(atomic) = &mut self.atomic {
            atomic.contexts = atomic.preempt_count.map(PreemptCount::new);
        }
        self.known_issue = known_issue_of(self);
        self.guilty = title::guilty(self);
        self.title = title::title(self);
        self.signature = title::signature(self);
        self.sentence = sentence(self);
    }
}

/// The two locks of a report that has lost its head, from its table: the first row is what the task
/// holds, the last one what it takes (print_circular_lock_scenario).
fn locks_of_table(splat: &mut Splat) {
    if splat.kind != Kind::Circular || !splat.beheaded {
        return;
    }
    let rows = splat.scenario.as_ref().map(|table| table.steps.as_slice());
    let [first, _, _, last] = rows.unwrap_or_default() else {
        return;
    };
    let lock = |step: &ScenarioStep| step.lock.as_deref().map(Lock::named);
    let (holds, takes) = (lock(first), lock(last));
    splat.other_lock = splat.other_lock.take().or(holds);
    splat.lock = splat.lock.take().or(takes);
}

/// The cycle of a circular report. The task holds what the highest entry names and takes what #0
/// names; each other entry was taken while the one with the next lower index was held. So the
/// dependencies run #0, #1, … and from the highest back to #0.
fn cycle(splat: &mut Splat) {
    if splat.kind != Kind::Circular || splat.chain.is_empty() {
        return;
    }
    let mut entries: Vec<&ChainEntry> = splat.chain.iter().collect();
    entries.sort_by_key(|e| e.index);
    if entries.first().is_none_or(|e| e.index != 0) {
        splat.cycle.clear();
        return; // broken off before the end, which is #0
    }
    splat.cycle = entries.iter().map(|e| e.lock.name.clone()).collect();
}

/// Kernels up to 5.1 end a stored trace with ULONG_MAX.
fn drop_sentinels(splat: &mut Splat) {
    for trace in splat.stored_traces_mut() {
        while trace
            .last()
            .is_some_and(|f| matches!(f.function.as_str(), "0xffffffffffffffff" | "0xffffffff"))
        {
            trace.pop();
        }
    }
}
