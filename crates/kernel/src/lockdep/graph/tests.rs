//! Graphs made in memory, in the layouts of 5.10 and later, 5.2 and 4.19.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::made::{IMAGE, MadeKernel};

/// Name, size, members: what [`MadeKernel::types`] takes.
type Types = &'static [(&'static str, u64, &'static str)];

const SINCE_5_10: Types = &[
    ("list_head", 16, "next@0 *, prev@8 *"),
    (
        "lock_class",
        160,
        "locks_after@0 list_head, key@16 u64, usage_mask@24 u64, usage_traces@32 lock_trace*[10], name@112 *, name_version@120 u32, subclass@124 u32, wait_type_inner@128 u8, wait_type_outer@129 u8",
    ),
    (
        "lock_list",
        64,
        "entry@0 list_head, class@16 lock_class*, trace@24 lock_trace*, dep@32 u8",
    ),
    ("lock_trace", 24, "nr_entries@20 u32, entries@24 u64[0]"),
];

/// 5.2 and 5.3: an index into the table in place of the pointer, readers not told apart.
const OF_5_2: Types = &[
    ("list_head", 16, "next@0 *, prev@8 *"),
    (
        "lock_class",
        160,
        "locks_after@0 list_head, key@16 u64, usage_mask@24 u64, usage_traces@32 lock_trace[9], name@112 *, name_version@120 u32, subclass@124 u32",
    ),
    (
        "lock_list",
        64,
        "entry@0 list_head, class@16 lock_class*, trace@24 lock_trace",
    ),
    ("lock_trace", 8, "nr_entries@0 u32, offset@4 u32"),
];

/// Up to 5.1: `struct stack_trace`, whose last entry is ULONG_MAX.
const OF_4_19: Types = &[
    ("list_head", 16, "next@0 *, prev@8 *"),
    (
        "lock_class",
        400,
        "locks_after@0 list_head, key@16 u64, usage_mask@24 u64, usage_traces@160 stack_trace[9], name@112 *, name_version@120 u32, subclass@124 u32",
    ),
    (
        "lock_list",
        64,
        "entry@0 list_head, class@16 lock_class*, trace@24 stack_trace",
    ),
    (
        "stack_trace",
        24,
        "nr_entries@0 u32, max_entries@4 u32, entries@8 u64*, skip@16 u32",
    ),
];

const CLASSES: u64 = 0x10_0000;
const LISTS: u64 = 0x12_0000;
const TRACES: u64 = 0x14_0000;
const NAMES: u64 = 0x16_0000;
const EXCLUSIVE: u64 = 1 << 3;

fn class(number: u64) -> u64 {
    CLASSES + number * 0x200
}

fn address(number: u64) -> VirtAddr {
    VirtAddr(IMAGE + class(number))
}

fn list(number: u64) -> u64 {
    LISTS + number * 64
}

/// A graph of classes `a`, `b`, …: the classes taken after each, with the dependency's bits.
fn graph(types: Types, edges: &[(u64, u64, u64)]) -> MadeKernel {
    let mut made = MadeKernel::new().types(types).symbol("stack_trace", TRACES);
    for page in 0..4 {
        for area in [CLASSES, LISTS, TRACES, NAMES] {
            made.bytes(area + page * 4096, &[0; 8]);
        }
    }
    for number in 0..8 {
        let at = class(number);
        made.bytes(NAMES + number * 8, &[b'a' + number as u8, 0]);
        made.words(at + 16, &[1]);
        made.words(at + 112, &[IMAGE + NAMES + number * 8]);
        let mut ring = vec![IMAGE + at];
        let own = edges
            .iter()
            .enumerate()
            .filter(|(_, edge)| edge.0 == number);
        ring.extend(own.map(|(index, _)| IMAGE + list(index as u64)));
        for (place, here) in ring.iter().enumerate() {
            let next = ring[(place + 1) % ring.len()];
            made.words(here - IMAGE, &[next, 0]);
        }
    }
    for (index, (_, to, dep)) in edges.iter().enumerate() {
        let at = list(index as u64);
        made.words(at + 16, &[IMAGE + class(*to)]);
        if types.as_ptr() == SINCE_5_10.as_ptr() {
            made.words(at + 32, &[*dep]);
        }
    }
    made
}

fn names(path: Option<LockPath>) -> Option<String> {
    let links = path?.links.into_iter();
    let names = links.map(|link| String::from_utf8(link.class.name).unwrap());
    Some(names.collect())
}

#[test]
fn the_shortest_way_is_found_whatever_circles_there_are() {
    let edges = [
        (0, 1, EXCLUSIVE),
        (1, 2, EXCLUSIVE),
        (2, 0, EXCLUSIVE),
        (0, 3, EXCLUSIVE),
        (3, 2, EXCLUSIVE),
        (2, 4, EXCLUSIVE),
        (5, 0, EXCLUSIVE),
    ];
    let kernel = graph(SINCE_5_10, &edges).kernel();
    let path = |from, to| names(kernel.lock_path(address(from), address(to), false).unwrap());
    assert_eq!(path(0, 4).as_deref(), Some("bce"));
    assert_eq!(path(0, 2).as_deref(), Some("bc"));
    assert_eq!(path(5, 4).as_deref(), Some("abce"));
    assert_eq!(path(4, 0), None);
    assert_eq!(path(0, 5), None);
}

#[test]
fn a_recursive_reader_waits_for_no_reader() {
    // -(SR)->: shared reader, then recursive reader; -(ER)-> exclusive, then recursive reader.
    let (sr, er, sn) = (1 << 0, 1 << 1, 1 << 2);
    let edges = [(0, 1, er), (1, 2, sn), (0, 3, sr), (3, 2, EXCLUSIVE)];
    let kernel = graph(SINCE_5_10, &edges).kernel();
    let path = |reads| names(kernel.lock_path(address(0), address(2), reads).unwrap());
    // By b it is no way: taken as a recursive reader there, and only read there.
    assert_eq!(path(false).as_deref(), Some("dc"));
    assert_eq!(path(true), None);
}

#[test]
fn stored_traces_are_read_in_the_layout_of_each_release() {
    let mut made = graph(SINCE_5_10, &[(0, 1, EXCLUSIVE)]);
    made.words(list(0) + 24, &[IMAGE + TRACES]);
    made.words(TRACES + 16, &[3 << 32, 0x1111, 0x2222, 0x3333]);
    let kernel = made.kernel();
    let trace = |kernel: &Kernel| {
        let path = kernel.lock_path(address(0), address(1), false).unwrap();
        path.unwrap().links[0]
            .trace
            .iter()
            .map(|at| at.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(trace(&kernel), [0x1111, 0x2222, 0x3333]);

    let mut made = graph(OF_5_2, &[(0, 1, 0)]);
    made.words(list(0) + 24, &[2 | 4 << 32]);
    made.words(TRACES + 4 * 8, &[0x4444, 0x5555]);
    assert_eq!(trace(&made.kernel()), [0x4444, 0x5555]);

    let mut made = graph(OF_4_19, &[(0, 1, 0)]);
    made.words(list(0) + 24, &[3, IMAGE + TRACES + 0x80, 0]);
    made.words(TRACES + 0x80, &[0x6666, 0x7777, u64::MAX]);
    assert_eq!(trace(&made.kernel()), [0x6666, 0x7777]);
}

#[test]
fn the_states_of_a_class_come_with_where_they_began() {
    let mut made = graph(SINCE_5_10, &[]);
    made.words(class(0) + 24, &[1 << 0 | 1 << 8]);
    made.words(class(0) + 32, &[IMAGE + TRACES]);
    made.words(TRACES + 16, &[1 << 32, 0x1111]);
    let kernel = made.kernel();
    let uses = kernel.lock_uses(address(0)).unwrap();
    let states: Vec<_> = uses
        .iter()
        .map(|one| (one.state, one.trace.len()))
        .collect();
    assert_eq!(states, [("IN-HARDIRQ-W", 1), ("INITIAL USE", 0)]);
}

#[test]
fn a_torn_list_is_an_error_only_where_no_way_is_found_beside_it() {
    let mut made = graph(SINCE_5_10, &[(0, 1, EXCLUSIVE), (0, 2, EXCLUSIVE)]);
    made.words(class(1), &[0]); // what comes after b
    let kernel = made.kernel();
    let path = |to| kernel.lock_path(address(0), address(to), false);
    assert_eq!(names(path(2).unwrap()).as_deref(), Some("c"));
    assert!(path(3).is_err());
}
