//! A real report, its head taken away, against what its dump's memory gives back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

use virtopsy_kernel::{Kernel, KernelOptions};

use super::restore::restore;
use crate::session::splat_record;
use virtopsy_klog::{ChainEntry, Kind, Splat, scan_records};

fn opened(dump: &Path) -> Kernel {
    let options = virtopsy_vmcore::OpenOptions::default();
    let dump = virtopsy_vmcore::Dump::open(&[dump.to_owned()], &options).unwrap();
    Kernel::open(dump.into(), &KernelOptions::default()).unwrap()
}

/// A kernel with lockdep that reported a circular dependency.
fn kernel() -> Option<Kernel> {
    let corpus = virtopsy_testkit::corpus("reports restored from lockdep's memory")?;
    Some(opened(&corpus.join("dumps/splats-rcu-circular.flat")))
}

/// What a link says whoever tells it. A module's own table has other sizes than the log, and no names
/// for its init section, which is gone after the module's start.
fn links(chain: &[ChainEntry]) -> Vec<(u32, String, Vec<String>)> {
    let name = |function: &str| match function {
        "splats_init" => "?".to_owned(),
        unnamed if unnamed.starts_with("0x") => "?".to_owned(),
        named => named.to_owned(),
    };
    let functions = |link: &ChainEntry| link.trace.iter().map(|f| name(&f.function)).collect();
    chain
        .iter()
        .map(|link| (link.index, link.lock.name.clone(), functions(link)))
        .collect()
}

fn circular(splats: Vec<Splat>) -> Option<Splat> {
    splats.into_iter().find(|s| s.kind == Kind::Circular)
}

#[test]
fn a_circular_report_gets_its_chain_back_wherever_the_ring_begins() {
    let Some(kernel) = kernel() else { return };
    let log = kernel.log().unwrap();
    let records = &log.records;
    let whole = circular(scan_records(records.iter().map(splat_record))).unwrap();
    let header = records
        .iter()
        .position(|r| r.text.windows(17).any(|w| w == b"possible circular"))
        .unwrap();
    let mut restored = 0;
    for from in header + 1..records.len() {
        let left = records[from..].iter().map(splat_record);
        let Some(mut splat) = circular(scan_records(left)) else {
            continue; // nothing is left that tells the kind
        };
        assert!(splat.beheaded);
        let lost = splat.chain.len() < whole.chain.len();
        restore(&kernel, &mut splat);
        if splat.from_memory.iter().any(|m| m.contains("chain")) {
            restored += usize::from(lost);
            let (got, want) = (links(&splat.chain), links(&whole.chain));
            // The trace of #0 is the report's own, with what printed it.
            assert_eq!(
                got[..got.len() - 1],
                want[..want.len() - 1],
                "from record {from}"
            );
            assert_eq!(splat.cycle, whole.cycle);
            assert_eq!(
                splat.other_lock.as_ref().unwrap().name,
                whole.other_lock.as_ref().unwrap().name
            );
        }
    }
    assert!(
        restored > 10,
        "{restored} beginnings had their chain restored"
    );
}

#[test]
fn locks_that_are_left_over_make_no_cycle() {
    let Some(corpus) = virtopsy_testkit::corpus("cycles that are not in the log") else {
        return;
    };
    for name in ["svm-splat.kdump", "svm-stuck-cpu2.kdump", "hv-running.elf"] {
        let kernel = opened(&corpus.join("dumps").join(name));
        let held = kernel.tasks().tasks.iter().any(|task| {
            let locks = kernel.held_locks(task.address);
            locks.is_ok_and(|locks| locks.depth > 0 && locks.behind.is_some())
        });
        assert!(held, "{name} has a task that holds a lock");
        assert_eq!(super::lost::cycle(&kernel), None, "{name}");
    }
}
