//! Page tables of every shape that x86-64 has.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use support::{LARGE_PAT, Machine, NX, RW};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{AddressSpace, Error, PagingMode};
use virtopsy_vmcore::PhysAddr;

const DIRECT: u64 = 0xffff_8880_0000_0000;
const DIRECT_5: u64 = 0xff11_0000_0000_0000;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// PAT in a 4 KiB entry: the bit that means page size above.
const PAT: u64 = 1 << 7;

fn space(machine: &Machine, root: u64, five_levels: bool, sme_mask: u64) -> AddressSpace {
    let mode = PagingMode {
        root: PhysAddr(root),
        five_levels,
        sme_mask,
        phys_base: 0,
    };
    AddressSpace::new(machine.dump(Vec::new()), mode)
}

fn walk(space: &AddressSpace, at: u64) -> u64 {
    let walked = space.walk_only(VirtAddr(at)).unwrap();
    // The cached way gives the same, cold and warm.
    for _ in 0..2 {
        assert_eq!(space.translate(VirtAddr(at)).unwrap(), walked);
    }
    walked.0
}

#[test]
fn pages_of_all_three_sizes_are_translated() {
    let mut machine = Machine::new();
    let root = machine.page();
    machine.map(root, 4, DIRECT, 0x1234_5000, 1, RW);
    machine.map(root, 4, DIRECT + 4 * MIB, 0x4060_0000, 2, RW);
    machine.map(root, 4, DIRECT + 3 * GIB, 7 * GIB, 3, RW);
    let space = space(&machine, root, false, 0);
    assert_eq!(walk(&space, DIRECT + 0xabc), 0x1234_5abc);
    assert_eq!(walk(&space, DIRECT + 5 * MIB + 7), 0x4060_0000 + MIB + 7);
    assert_eq!(
        walk(&space, DIRECT + 3 * GIB + 0x2345_6789),
        7 * GIB + 0x2345_6789
    );
}

#[test]
fn the_pat_bit_of_a_large_page_is_no_bit_of_its_address() {
    let mut machine = Machine::new();
    let root = machine.page();
    machine.map(root, 4, DIRECT, 0x4060_0000, 2, RW | LARGE_PAT);
    machine.map(root, 4, DIRECT + GIB, 5 * GIB, 3, RW | LARGE_PAT | NX);
    let space = space(&machine, root, false, 0);
    assert_eq!(walk(&space, DIRECT + 0x10_0123), 0x4070_0123);
    assert_eq!(
        walk(&space, DIRECT + GIB + 0x3000_0001),
        5 * GIB + 0x3000_0001
    );
}

#[test]
fn the_pat_bit_of_a_small_page_does_not_make_it_large() {
    let mut machine = Machine::new();
    let root = machine.page();
    machine.map(root, 4, DIRECT + 0x5000, 0x7000, 1, RW | PAT);
    let space = space(&machine, root, false, 0);
    assert_eq!(walk(&space, DIRECT + 0x5018), 0x7018);
}

#[test]
fn bits_that_are_no_address_are_passed_over() {
    let mut machine = Machine::new();
    let root = machine.page();
    // No execution, a protection key, and the bits that are left to software.
    let high = NX | 0xf << 59 | 0x7f << 52;
    machine.map(
        root,
        4,
        DIRECT,
        0xf_ffff_ffff_f000 & !(1 << 12),
        1,
        RW | high | 0xe00 | 1 << 8,
    );
    let space = space(&machine, root, false, 0);
    assert_eq!(walk(&space, DIRECT + 1), 0xf_ffff_ffff_e001);
}

#[test]
fn five_levels_reach_what_four_cannot() {
    let mut machine = Machine::new();
    let root = machine.page();
    machine.map(root, 5, DIRECT_5 + 0x1000, 0x9000, 1, RW);
    machine.map(root, 5, 0xffff_ffff_8100_0000, 0x200_0000, 2, RW);
    let five = space(&machine, root, true, 0);
    assert_eq!(walk(&five, DIRECT_5 + 0x1fff), 0x9fff);
    assert_eq!(walk(&five, 0xffff_ffff_8110_0000), 0x210_0000);
    let four = space(&machine, root, false, 0);
    let error = four.translate(VirtAddr(DIRECT_5 + 0x1000)).unwrap_err();
    assert!(matches!(error, Error::NotCanonical { .. }), "{error}");
    // In the top-level table of five levels a bit 7 is reserved, and no page of 256 TiB.
    assert_eq!(five.levels(), 5);
}

#[test]
fn memory_encryption_is_masked_at_every_level() {
    let mask = 1 << 47;
    let mut machine = Machine::new();
    machine.encryption = mask;
    let root = machine.page();
    machine.map(root, 4, DIRECT, 0x8000, 1, RW);
    machine.map(root, 4, DIRECT + 2 * MIB, 0x40_0000, 2, RW | LARGE_PAT);
    machine.map(root, 4, DIRECT + GIB, GIB, 3, RW);
    let masked = space(&machine, root, false, mask);
    assert_eq!(walk(&masked, DIRECT + 8), 0x8008);
    assert_eq!(walk(&masked, DIRECT + 2 * MIB + 8), 0x40_0008);
    assert_eq!(walk(&masked, DIRECT + GIB + 8), GIB + 8);
    // Without the mask the tables seem to lie where there is no memory.
    let bare = space(&machine, root, false, 0);
    let error = bare.translate(VirtAddr(DIRECT)).unwrap_err();
    assert!(matches!(error, Error::PageTable { .. }), "{error}");
}

#[test]
fn the_user_half_of_split_tables_does_not_map_the_kernel() {
    let mut machine = Machine::new();
    let (kernel, user) = machine.pair();
    machine.map(kernel, 4, 0xffff_ffff_8100_0000, 0x100_0000, 2, RW);
    machine.map(user, 4, 0xffff_ffff_8200_0000, 0x200_0000, 1, RW); // entry code alone
    assert_eq!(user, kernel | 1 << 12);
    let at = 0xffff_ffff_8100_0040;
    assert_eq!(walk(&space(&machine, kernel, false, 0), at), 0x100_0040);
    let error = space(&machine, user, false, 0)
        .walk_only(VirtAddr(at))
        .unwrap_err();
    assert!(matches!(error, Error::NotMapped { .. }), "{error}");
}

#[test]
fn a_walk_that_ends_says_at_which_level() {
    let mut machine = Machine::new();
    let root = machine.page();
    let entry = machine.map(root, 4, DIRECT, 0x8000, 1, RW);
    machine.write(entry, &0x8062_u64.to_le_bytes()); // present no more
    let space = space(&machine, root, false, 0);
    let level_of = |at: u64| match space.translate(VirtAddr(at)).unwrap_err() {
        Error::NotMapped {
            level,
            entry,
            value,
            ..
        } => (level, entry.0, value),
        other => panic!("{other}"),
    };
    assert_eq!(level_of(DIRECT), ("PTE", entry, 0x8062));
    assert_eq!(level_of(DIRECT + 2 * MIB).0, "PMD");
    assert_eq!(level_of(DIRECT + GIB).0, "PUD");
    assert_eq!(level_of(DIRECT + 512 * GIB).0, "P4D");
}

#[test]
fn a_lost_table_is_not_an_absent_mapping_and_the_image_does_without() {
    let mut machine = Machine::new();
    let root = machine.page();
    machine.map(root, 4, DIRECT, 0x8000, 1, RW);
    let lost = machine.map(root, 4, 0xffff_ffff_8100_0000, 0x100_0000, 2, RW);
    machine.memory.pages.remove(&(lost >> 12));
    let mode = PagingMode {
        root: PhysAddr(root),
        five_levels: false,
        sme_mask: 0,
        phys_base: 0x20_0000,
    };
    let space = AddressSpace::new(machine.dump(Vec::new()), mode);
    let at = VirtAddr(0xffff_ffff_8100_0040);
    assert!(matches!(
        space.walk_only(at),
        Err(Error::PageTable { level: "PMD", .. })
    ));
    assert_eq!(space.translate(at).unwrap(), PhysAddr(0x120_0040));
}

#[test]
fn tables_that_lead_to_themselves_end() {
    let mut machine = Machine::new();
    let root = machine.page();
    for index in 0..512 {
        machine.write(root + index * 8, &(root | RW).to_le_bytes());
    }
    let space = space(&machine, root, true, 0);
    assert_eq!(walk(&space, 0xffff_ffff_ffff_f123), root + 0x123);
}

#[test]
fn a_read_goes_on_where_the_next_page_lies() {
    let mut machine = Machine::new();
    let root = machine.page();
    machine.map(root, 4, DIRECT, 0x80_0000, 1, RW);
    machine.map(root, 4, DIRECT + 0x1000, 0x70_0000, 1, RW);
    machine.write(0x80_0ffc, b"over");
    machine.write(0x70_0000, b"flow");
    let space = space(&machine, root, false, 0);
    assert_eq!(
        space.bytes(VirtAddr(DIRECT + 0xffc), 8).unwrap(),
        b"overflow"
    );
    let mut nine = [0; 0x1005];
    let error = space.read(VirtAddr(DIRECT + 0xffc), &mut nine).unwrap_err();
    assert!(matches!(error, Error::NotMapped { .. }), "{error}");
}
