#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::discover::root::Root;
use crate::paging::{KERNEL_IMAGE_BASE, PagingMode};
use crate::support::{Machine, RW, TinyKernel};
use virtopsy_debuginfo::{Symbol, SymbolOrigin, SymbolSource};
use virtopsy_testkit::Note;
use virtopsy_vmcore::PhysAddr;

const HERE: u64 = 0xffff_ffff_9d60_0000;
const PG: u64 = 1 << 31 | 1;
const PAE: u64 = 1 << 5;

/// A virtual CPU with these control registers.
fn cpu(cr0: u64, cr3: u64, cr4: u64) -> Note {
    Note::qemu(&[0; 18], &[(0, 0, 0, 0); 10], &[cr0, 0, 0, cr3, cr4], None)
}

fn root(table: u64, five_levels: bool) -> Root {
    Root {
        table: PhysAddr(table),
        five_levels,
    }
}

#[test]
fn the_process_context_and_the_split_are_no_part_of_a_table_s_address() {
    let mut machine = Machine::new();
    let (kernel, user) = machine.pair();
    let pcid = user | 0x803 | 1 << 63;
    let dump = machine.dump(vec![cpu(PG, pcid, PAE), cpu(PG, kernel | 0x3, PAE)]);
    assert_eq!(
        root::of_cpus(&dump),
        [root(kernel, false), root(user, false)]
    );
}

#[test]
fn a_cpu_that_does_not_page_names_no_table_and_la57_means_five_levels() {
    let mut machine = Machine::new();
    let table = machine.pair().0;
    let dump = machine.dump(vec![cpu(0x10, table, 0), cpu(PG, table, PAE | 1 << 12)]);
    assert_eq!(root::of_cpus(&dump)[0], root(table, true));
}

#[test]
fn the_first_mapping_shows_where_the_image_is() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    let dump = machine.dump(Vec::new());
    let image = image::behind(&dump, root(kernel.root, false)).unwrap();
    assert_eq!((image.start.0, image.physical.0), (HERE, 0x100_0000));
    assert_eq!(
        image.phys_base(),
        0x100_0000_u64.wrapping_sub(HERE - KERNEL_IMAGE_BASE)
    );
    // The user half of split tables, and memory that is no table, have none.
    let empty = machine.page();
    let dump = machine.dump(Vec::new());
    assert_eq!(image::behind(&dump, root(empty, false)), None);
    assert_eq!(image::behind(&dump, root(kernel.phys, false)), None);
    assert_eq!(image::behind(&dump, root(1 << 51, false)), None);
}

#[test]
fn the_encryption_bit_is_told_by_the_entries() {
    let mut machine = Machine::new();
    machine.encryption = 1 << 51;
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    let dump = machine.dump(Vec::new());
    let image = image::behind(&dump, root(kernel.root, false)).unwrap();
    assert_eq!(image.sme_mask, 1 << 51);
    assert_eq!(image.physical.0, 0x100_0000);
}

#[test]
fn five_levels_lead_to_the_image_too() {
    let mut machine = Machine::new();
    let table = machine.page();
    machine.map(table, 5, HERE, 0x40_0000, 2, RW);
    machine.write(0x40_0000, b"text");
    let dump = machine.dump(Vec::new());
    let image = image::behind(&dump, root(table, true)).unwrap();
    assert_eq!((image.start.0, image.physical.0), (HERE, 0x40_0000));
}

#[test]
fn of_kernels_that_did_not_crash_the_one_that_runs_is_meant() {
    let mut machine = Machine::new();
    let idle = TinyKernel::put(&mut machine, HERE - 0x400_0000, 0x80_0000, "6.1.0-idle");
    let runs = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-runs");
    machine.write(0x10_0000, idle.text("").as_bytes());
    machine.write(0x50_0000, runs.text("").as_bytes());
    // A process has its own table; the last entry is the kernel's.
    let process = machine.pair().0;
    let last = machine.word(runs.root + 511 * 8);
    machine.write(process + 511 * 8, &last.to_le_bytes());
    let dump = machine.dump(vec![cpu(PG, process, PAE)]);
    assert_eq!(
        in_memory(&dump).unwrap().info.os_release(),
        Some("6.12.1-runs")
    );
}

#[derive(Debug)]
struct One(&'static str, u64);

impl SymbolSource for One {
    fn origin(&self) -> SymbolOrigin {
        SymbolOrigin::Kallsyms
    }
    fn lookup(&self, name: &str) -> Vec<Symbol> {
        let one = Symbol {
            name: self.0.into(),
            address: VirtAddr(self.1),
            size: None,
            kind: 'D',
        };
        if name == self.0 {
            vec![one]
        } else {
            Vec::new()
        }
    }
    fn at(&self, _: VirtAddr) -> Option<(Symbol, u64)> {
        None
    }
    fn len(&self) -> usize {
        1
    }
    fn for_each(&self, _: &mut dyn FnMut(&str, VirtAddr, char)) {}
}

#[test]
fn the_crash_kernel_is_known_by_its_command_line() {
    let said = |line: &[u8]| {
        let mut machine = Machine::new();
        let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
        machine.write(0x100_4000, &(HERE + 0x5000).to_le_bytes());
        machine.write(0x100_5000, line);
        let mode = PagingMode {
            root: PhysAddr(kernel.root),
            five_levels: false,
            sme_mask: 0,
            phys_base: 0,
        };
        let space = AddressSpace::new(machine.dump(Vec::new()), mode);
        let symbols =
            KernelSymbols::from_kallsyms(Arc::new(One("saved_command_line", HERE + 0x4000)));
        crash_kernel_note(&space, &symbols)
    };
    let note = said(b"ro quiet elfcorehdr=0x2e000000 irqpoll nr_cpus=1\0").unwrap();
    assert!(note.contains("elfcorehdr=0x2e000000"), "{note}");
    assert_eq!(said(b"ro quiet crashkernel=256M\0"), None);
}
