//! The log's ring, block by block, where readers go wrong: blocks that wrap, blocks that end
//! exactly at the ring's end, records without text.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fmt::Write as _;

use support::{Machine, TinyKernel};
use virtopsy_kernel::{Kernel, KernelOptions, Log};
use virtopsy_testkit::Note;

const VIRT: u64 = 0xffff_ffff_9d60_0000;
const PHYS: u64 = 0x100_0000;
/// Offsets from the start of the image.
const POINTER: u64 = 0x10_000;
const RING: u64 = 0x11_000;
const DESCS: u64 = 0x12_000;
const INFOS: u64 = 0x13_000;
const DATA: u64 = 0x14_000;
const COUNT_BITS: u64 = 3;
const SIZE_BITS: u64 = 7;
const SIZE: u64 = 1 << SIZE_BITS;
const COMMITTED: u64 = 1 << 62;
const FINALIZED: u64 = 2 << 62;

/// `struct prb_desc` {state_var, text_blk_lpos {begin, next}}, `struct printk_info` {seq, ts_nsec,
/// text_len, facility, flags:5 level:3, caller_id}, `struct printk_ringbuffer`, as tight as here.
const LAYOUT: [(&str, u64); 16] = [
    ("SIZE(prb_desc)", 24),
    ("OFFSET(prb_desc.state_var)", 0),
    ("OFFSET(prb_desc.text_blk_lpos)", 8),
    ("OFFSET(prb_data_blk_lpos.begin)", 0),
    ("OFFSET(prb_data_blk_lpos.next)", 8),
    ("SIZE(printk_info)", 24),
    ("OFFSET(printk_info.seq)", 0),
    ("OFFSET(printk_info.ts_nsec)", 8),
    ("OFFSET(printk_info.text_len)", 16),
    ("OFFSET(printk_info.caller_id)", 20),
    ("OFFSET(printk_ringbuffer.desc_ring)", 0),
    ("OFFSET(printk_ringbuffer.text_data_ring)", 48),
    ("OFFSET(prb_desc_ring.count_bits)", 0),
    ("OFFSET(prb_desc_ring.descs)", 8),
    ("OFFSET(prb_desc_ring.infos)", 16),
    ("OFFSET(prb_desc_ring.head_id)", 24),
];

struct Ring {
    machine: Machine,
    records: u64,
}

impl Ring {
    fn new() -> Ring {
        let mut machine = Machine::new();
        TinyKernel::put(&mut machine, VIRT, PHYS, "6.18.0-test");
        Ring {
            machine,
            records: 0,
        }
    }

    fn put(&mut self, at: u64, words: &[u64]) {
        for (i, word) in words.iter().enumerate() {
            self.machine
                .write(PHYS + at + i as u64 * 8, &word.to_le_bytes());
        }
    }

    /// A record at its logical positions.
    fn record(mut self, state: u64, begin: u64, next: u64, text: &str) -> Ring {
        let id = self.records;
        self.records += 1;
        self.put(DESCS + id * 24, &[state | id, begin, next]);
        let info = text.len() as u64 | 4 << 29 | 7 << 32; // level 4, caller T7
        self.put(INFOS + id * 24, &[id, id * 1000, info]);
        if begin & 1 == 0 && !text.is_empty() {
            // Where a block wraps, its id and text stand at the ring's start.
            let wraps = begin / SIZE != (next - 1) / SIZE;
            let at = if wraps { 0 } else { begin % SIZE };
            self.put(DATA + at, &[id]);
            self.machine.write(PHYS + DATA + at + 8, text.as_bytes());
        }
        self
    }

    fn read(mut self) -> Log {
        let (head, tail) = (self.records - 1, 0);
        self.put(POINTER, &[VIRT + RING]);
        self.put(RING, &[COUNT_BITS, VIRT + DESCS, VIRT + INFOS, head, tail]);
        self.put(RING + 48, &[SIZE_BITS, VIRT + DATA]);
        let kernel = TinyKernel {
            virt: VIRT,
            phys: PHYS,
            root: PHYS + 0x3000,
            release: "6.18.0-test",
        };
        let mut more = format!("SYMBOL(prb)={:x}\n", VIRT + POINTER);
        for (key, value) in LAYOUT {
            writeln!(more, "{key}={value}").unwrap();
        }
        for (key, value) in [
            ("prb_desc_ring.tail_id", 32),
            ("prb_data_ring.size_bits", 0),
            ("prb_data_ring.data", 8),
        ] {
            writeln!(more, "OFFSET({key})={value}").unwrap();
        }
        let dump = self
            .machine
            .dump(vec![Note::vmcoreinfo(&kernel.text(&more))]);
        Kernel::open(dump, &KernelOptions::default())
            .unwrap()
            .log()
            .unwrap()
    }
}

fn texts(log: &Log) -> Vec<String> {
    log.records
        .iter()
        .map(|r| String::from_utf8(r.text.clone()).unwrap())
        .collect()
}

#[test]
fn a_block_that_ends_exactly_at_the_rings_end_did_not_wrap() {
    let log = Ring::new()
        .record(FINALIZED, 0, 96, "first")
        .record(FINALIZED, 96, 128, "to the very end.")
        .read();
    assert_eq!(texts(&log), ["first", "to the very end."]);
}

#[test]
fn a_block_that_wraps_has_its_text_at_the_rings_start_behind_its_id() {
    let log = Ring::new()
        .record(FINALIZED, 96, 112, "before")
        .record(FINALIZED, 112, 128 + 32, "around the corner")
        .read();
    assert_eq!(texts(&log), ["before", "around the corner"]);
}

#[test]
fn positions_go_on_counting_round_after_round() {
    let start = 5 * SIZE;
    let log = Ring::new()
        .record(FINALIZED, start + 64, start + 96, "in the fifth")
        .record(COMMITTED, start + 96, start + 128, "ends the fifth")
        .read();
    assert_eq!(texts(&log), ["in the fifth", "ends the fifth"]);
}

#[test]
fn an_empty_line_is_a_record_and_a_lost_text_is_counted() {
    let log = Ring::new()
        .record(FINALIZED, 3, 3, "")
        .record(FINALIZED, 1, 1, "")
        .record(0, 32, 64, "half written")
        .record(FINALIZED, 64, 96, "whole")
        .read();
    assert_eq!(texts(&log), ["", "whole"]);
    assert_eq!((log.lost, log.uncommitted), (1, 1));
    let unfinished = &log.unfinished[0];
    assert_eq!(
        (unfinished.sequence, &unfinished.text[..]),
        (2, &b"half written"[..])
    );
    assert_eq!(log.records[1].level, Some(4));
    assert_eq!(
        log.records[1].caller.map(|c| c.to_string()).as_deref(),
        Some("T7")
    );
}

#[test]
fn a_block_that_claims_more_than_the_ring_is_lost_not_read_elsewhere() {
    let log = Ring::new()
        .record(FINALIZED, 64, 64 + 8 * SIZE, "")
        .record(FINALIZED, 32, 8, "")
        .record(FINALIZED, 0, 32, "whole")
        .read();
    assert_eq!(texts(&log).last().map(String::as_str), Some("whole"));
}

#[test]
fn of_a_record_that_was_never_committed_the_text_up_to_its_nul_is_told() {
    // The block of 32 bytes: its id, 9 bytes of text, a NUL, and an older record's rest.
    let mut ring = Ring::new().record(0, 32, 64, "half of it\0 older text");
    ring.put(INFOS + 16, &[0]); // text_len is set only when the text is whole
    let log = ring.read();
    assert_eq!(log.unfinished[0].text, b"half of it");
    assert!(log.records.is_empty());
}

#[test]
fn a_block_that_was_not_yet_given_to_the_record_holds_none_of_its_text() {
    let mut ring = Ring::new().record(0, 32, 64, "of an older record");
    ring.put(DATA + 32, &[0x77]);
    let log = ring.read();
    assert_eq!((log.unfinished.len(), log.uncommitted), (0, 1));
}

#[test]
fn records_that_share_a_block_do_not_multiply_it() {
    let mut ring = Ring::new();
    for _ in 0..5 {
        ring = ring.record(
            FINALIZED,
            0,
            SIZE,
            "forty bytes of text, and five times that",
        );
    }
    let log = ring.read();
    assert_eq!(
        (log.records.len(), log.lost),
        (3, 2),
        "a ring of 128 bytes holds three"
    );
}
