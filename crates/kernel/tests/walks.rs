//! Walks over structures that lie: lists and trees that loop, end nowhere, or are too long.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Machine, RW};
use virtopsy_kernel::xarray::{NodeLayout, walk_from};
use virtopsy_kernel::{AddressSpace, Error, OrcTable, OrcVersion, PagingMode, VirtAddr, list};
use virtopsy_vmcore::PhysAddr;

const BASE: u64 = 0xffff_8880_0000_0000;
const NODE: NodeLayout = NodeLayout {
    shift: 0,
    slots: 8,
    count: 4,
};
/// What makes a pointer to a node of an entry.
const INTERNAL: u64 = 2;

/// Four pages at [`BASE`].
struct Pages {
    machine: Machine,
    root: u64,
}

impl Pages {
    fn new() -> Pages {
        let mut machine = Machine::new();
        let root = machine.page();
        for page in 0..4 {
            machine.map(root, 4, BASE + page * 4096, 0x50_0000 + page * 4096, 1, RW);
            machine.write(0x50_0000 + page * 4096, &[0]);
        }
        Pages { machine, root }
    }

    fn words(mut self, at: u64, words: &[u64]) -> Pages {
        for (i, word) in words.iter().enumerate() {
            self.machine
                .write(0x50_0000 + at + i as u64 * 8, &word.to_le_bytes());
        }
        self
    }

    fn space(&self) -> AddressSpace {
        let root = PhysAddr(self.root);
        let mode = PagingMode {
            root,
            five_levels: false,
            sme_mask: 0,
            phys_base: 0,
        };
        AddressSpace::new(self.machine.dump(Vec::new()), mode)
    }
}

fn entries(pages: &Pages, head: u64, limit: usize) -> (Vec<(u64, u64)>, Option<Error>) {
    let walk = walk_from(&pages.space(), head, NODE, limit);
    (
        walk.entries
            .into_iter()
            .map(|(index, at)| (index, at.0))
            .collect(),
        walk.broken,
    )
}

#[test]
fn an_xarray_gives_its_pointers_by_index() {
    // A root that stands for 64 indices a slot, below it a leaf node; a value and a mark between.
    let leaf = BASE + 0x100;
    let pages = Pages::new()
        .words(0, &[6, leaf | INTERNAL, 0x13, 0xdead_0000, 0x402])
        .words(0x100, &[0, 0xaaa0, 0, 0xbbb0, 0]);
    let (found, broken) = entries(&pages, BASE | INTERNAL, 100);
    assert!(broken.is_none());
    assert_eq!(found, [(0, 0xaaa0), (2, 0xbbb0), (128, 0xdead_0000)]);
}

#[test]
fn an_xarray_of_one_entry_has_no_node() {
    let pages = Pages::new();
    assert_eq!(entries(&pages, 0xaaa0, 100).0, [(0, 0xaaa0)]);
    assert_eq!(entries(&pages, 0, 100).0, []);
}

#[test]
fn a_node_below_itself_ends_the_walk_and_what_was_found_stays() {
    let pages = Pages::new().words(0, &[6, 0xaaa0, BASE | INTERNAL, 0xbbb0, 0]);
    let (found, broken) = entries(&pages, BASE | INTERNAL, 100);
    assert_eq!(found, [(0, 0xaaa0), (128, 0xbbb0)]);
    assert!(matches!(broken, Some(Error::Implausible { .. })));
}

#[test]
fn nodes_with_more_slots_than_any_kernel_s_are_not_read() {
    let pages = Pages::new().words(0, &[0, 0xaaa0]);
    let layout = NodeLayout { count: 65, ..NODE };
    let walk = walk_from(&pages.space(), BASE | INTERNAL, layout, 100);
    assert!(walk.entries.is_empty());
    assert!(matches!(walk.broken, Some(Error::Implausible { .. })));
}

#[test]
fn a_node_outside_of_memory_ends_the_walk() {
    let (found, broken) = entries(&Pages::new(), 0xffff_8999_0000_0002, 100);
    assert!(found.is_empty() && broken.is_some());
}

#[test]
fn slots_that_all_lead_to_one_node_do_not_multiply() {
    // Ten levels of four slots each, all of them the node below: a million ways to the last.
    let mut pages = Pages::new();
    for level in 0..10u64 {
        let below = (BASE + (level + 1) * 0x100) | INTERNAL;
        pages = pages.words(level * 0x100, &[60 - level * 6, below, below, below, below]);
    }
    let (found, broken) = entries(&pages, BASE | INTERNAL, 100);
    assert!(found.is_empty());
    assert!(
        matches!(broken, Some(Error::EndlessList { .. })),
        "{broken:?}"
    );
}

#[test]
fn an_xarray_is_cut_at_the_limit() {
    let pages = Pages::new().words(0, &[0, 0xaaa0, 0xbbb0, 0xccc0, 0xddd0]);
    let (found, broken) = entries(&pages, BASE | INTERNAL, 2);
    assert_eq!(found.len(), 2);
    assert!(matches!(broken, Some(Error::EndlessList { .. })));
}

#[test]
fn a_torn_list_is_read_from_both_ends() {
    // head -> a -> nowhere; head <- c <- nowhere.
    let (a, c) = (BASE + 0x100, BASE + 0x300);
    let pages = Pages::new()
        .words(0, &[a, c])
        .words(0x100, &[0xffff_8999_0000_0000, BASE])
        .words(0x300, &[BASE, 0xffff_8999_0000_0000]);
    let space = pages.space();
    let ahead = list::walk(&space, "test", VirtAddr(BASE), 100);
    let back = list::walk_back(&space, "test", VirtAddr(BASE), 100);
    assert_eq!(ahead.entries.first(), Some(&VirtAddr(a)));
    assert_eq!(back.entries.first(), Some(&VirtAddr(c)));
    assert!(ahead.broken.is_some() && back.broken.is_some());
}

#[test]
fn a_list_that_loops_beside_its_head_ends_at_the_limit() {
    let (a, b) = (BASE + 0x100, BASE + 0x200);
    let pages = Pages::new()
        .words(0, &[a])
        .words(0x100, &[b])
        .words(0x200, &[a]);
    let walk = list::walk(&pages.space(), "test", VirtAddr(BASE), 10);
    assert_eq!(walk.entries.len(), 10);
    assert!(matches!(walk.broken, Some(Error::EndlessList { .. })));
}

#[test]
fn an_orc_table_gives_the_last_entry_that_does_not_begin_above() {
    // Entries at text + 0, + 0x10 and + 0x40; each word counts from its own place.
    let (ips, text) = (BASE, BASE + 0x2000);
    let mut machine = Pages::new();
    for (i, offset) in [0u64, 0x10, 0x40].into_iter().enumerate() {
        let at = ips + i as u64 * 4;
        let distance = (text + offset).wrapping_sub(at) as u32;
        machine
            .machine
            .write(0x50_0000 + i as u64 * 4, &distance.to_le_bytes());
        let entry = [8 + 8 * i as u8, 0, 0, 0, 0x03, 0x02];
        machine.machine.write(0x50_1000 + i as u64 * 6, &entry);
    }
    let table = OrcTable {
        ips: VirtAddr(ips),
        entries: VirtAddr(BASE + 0x1000),
        count: 3,
    };
    let space = machine.space();
    let sp_offset = |ip: u64| {
        table
            .find(&space, ip)
            .unwrap()
            .map(|raw| OrcVersion::V7_1.decode(raw).sp_offset)
    };
    assert_eq!(sp_offset(text - 1), None);
    assert_eq!(sp_offset(text), Some(8));
    assert_eq!(sp_offset(text + 0xf), Some(8));
    assert_eq!(sp_offset(text + 0x10), Some(16));
    assert_eq!(sp_offset(text + 0x1000), Some(24));
    let beyond = OrcTable {
        count: 1 << 20,
        ..table
    };
    assert!(
        beyond.find(&space, text).is_err(),
        "a table that leaves memory is an error"
    );
}
