//! Kernels before 6.0 do not say where kallsyms is: the tables are found by their shape.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;

use support::{Machine, TinyKernel};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Kernel, KernelOptions, SymbolOrigin};
use virtopsy_testkit::Note;
use virtopsy_vmcore::Dump;

const VIRT: u64 = 0xffff_ffff_9d60_0000;
const PHYS: u64 = 0x100_0000;
/// Where the tables are put in the image.
const TABLES: u64 = 0x20_000;
const PER_CPU: u64 = 0x1_f040;

/// The order of the tables, and how wide the markers are.
#[derive(Clone, Copy)]
enum Order {
    /// Until 4.19: addresses first, markers of 64 bits; without relative offsets.
    AbsoluteFirst,
    /// 4.20 to 6.1: offsets first.
    OffsetsFirst,
    /// Since 6.2.
    OffsetsLast,
}

fn symbols() -> Vec<(String, u64)> {
    let mut all = vec![
        ("Acpu_number".to_owned(), PER_CPU),
        ("T_stext".to_owned(), VIRT),
        ("Dinit_uts_ns".to_owned(), VIRT + 0x2000),
    ];
    all.extend((0..900).map(|n| (format!("tfunction_{n}"), VIRT + 0x8000 + n * 16)));
    all
}

/// Tokens of one letter each; the bytes that are no letters stand for longer texts.
fn token(id: u8) -> String {
    match id {
        _ if id.is_ascii_graphic() => char::from(id).to_string(),
        _ => format!("t{id:02x}"),
    }
}

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

fn tables(order: Order) -> Vec<u8> {
    tables_of(order, &symbols())
}

fn tables_of(order: Order, symbols: &[(String, u64)]) -> Vec<u8> {
    let mut names = Vec::new();
    let mut markers = Vec::new();
    for (n, (name, _)) in symbols.iter().enumerate() {
        if n % 256 == 0 {
            let marker = names.len() as u64;
            let width = if matches!(order, Order::AbsoluteFirst) {
                8
            } else {
                4
            };
            markers.extend(&marker.to_le_bytes()[..width]);
        }
        names.push(name.len() as u8);
        names.extend(name.as_bytes());
    }
    let mut texts = Vec::new();
    let mut index = Vec::new();
    for id in 0..=255u8 {
        index.extend((texts.len() as u16).to_le_bytes());
        texts.extend(token(id).as_bytes());
        texts.push(0);
    }
    let absolute: Vec<u8> = symbols.iter().flat_map(|s| s.1.to_le_bytes()).collect();
    let offset = |at: u64| match at {
        PER_CPU => at as u32,
        _ => (-1 - (at - VIRT) as i64) as u32,
    };
    let offsets: Vec<u8> = symbols
        .iter()
        .flat_map(|s| offset(s.1).to_le_bytes())
        .collect();
    let count = (symbols.len() as u64).to_le_bytes().to_vec();
    let base = VIRT.to_le_bytes().to_vec();
    let parts = match order {
        Order::AbsoluteFirst => vec![absolute, count, names, markers, texts, index],
        Order::OffsetsFirst => vec![offsets, base, count, names, markers, texts, index],
        Order::OffsetsLast => vec![count, names, markers, texts, index, offsets, base],
    };
    let mut out = Vec::new();
    for part in parts {
        out.extend(part);
        align(&mut out);
    }
    out
}

fn dump(tables: &[u8]) -> Arc<Dump> {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, VIRT, PHYS, "5.10.0-test");
    // a counting table, as fonts and character maps have: no token index
    let counting: Vec<u8> = (0..300u16).flat_map(u16::to_le_bytes).collect();
    machine.write(PHYS + 0x10_000, &counting);
    put_tables(&mut machine, tables);
    machine.dump(vec![Note::vmcoreinfo(&kernel.text(""))])
}

fn put_tables(machine: &mut Machine, tables: &[u8]) {
    for (n, page) in tables.chunks(4096).enumerate() {
        machine.write(PHYS + TABLES + n as u64 * 4096, page);
    }
}

fn open(dump: Arc<Dump>) -> Kernel {
    Kernel::open(dump, &KernelOptions::default()).unwrap()
}

#[test]
fn kallsyms_that_vmcoreinfo_does_not_name_are_found_in_every_order_of_the_tables() {
    for order in [
        Order::AbsoluteFirst,
        Order::OffsetsFirst,
        Order::OffsetsLast,
    ] {
        let kernel = open(dump(&tables(order)));
        let found = kernel.symbols().unwrap();
        assert_eq!(found.origin(), SymbolOrigin::KallsymsInDump);
        assert_eq!(found.len(), symbols().len());
        assert_eq!(
            kernel.symbol("function_899").unwrap().0,
            VIRT + 0x8000 + 899 * 16
        );
        assert_eq!(found.get("cpu_number").unwrap().address.0, PER_CPU);
    }
}

#[test]
fn tables_that_do_not_fit_each_other_are_not_taken_for_kallsyms() {
    let whole = tables(Order::OffsetsFirst);
    let count = symbols().len() as u64;
    let at = whole
        .windows(8)
        .position(|bytes| bytes == count.to_le_bytes())
        .unwrap();
    let mut wrong_count = whole.clone();
    wrong_count[at] -= 1;
    let mut wrong_token = whole.clone();
    let table = whole.len() - 512;
    wrong_token[table - 24] = 0;
    let mut wrong_base = whole;
    wrong_base[at - 8] ^= 0x10;
    for tables in [wrong_count, wrong_token, wrong_base] {
        let kernel = open(dump(&tables));
        assert!(kernel.symbols().is_err());
    }
}

#[test]
fn a_kernel_without_the_tables_says_that_a_vmlinux_is_needed() {
    let error = open(dump(&[])).symbols().unwrap_err().to_string();
    assert!(error.contains("--vmlinux"), "{error}");
}

#[test]
fn a_kernel_without_smp_has_one_cpu() {
    let kernel = open(dump(&tables(Order::OffsetsFirst)));
    let cpus = kernel.cpus().unwrap();
    assert_eq!(cpus.possible.iter().map(|c| c.0).collect::<Vec<_>>(), [0]);
    assert_eq!(cpus.is_online(CpuId(0)), Some(true));
    assert!(cpus.address(VirtAddr(VIRT), CpuId(0)).is_ok());
}

#[test]
fn where_the_count_of_cpus_is_no_variable_the_masks_bound_it() {
    let mut symbols = symbols();
    let data = VIRT + 0x1_2000;
    for (n, name) in [
        "__cpu_possible_mask",
        "__cpu_online_mask",
        "__per_cpu_offset",
    ]
    .iter()
    .enumerate()
    {
        symbols.push((format!("D{name}"), data + n as u64 * 8));
    }
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, VIRT, PHYS, "5.10.0-test");
    // four CPUs, two of them online; what follows the masks is no mask
    let words = [0b1111u64, 0b0101, u64::MAX, u64::MAX];
    let words: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    machine.write(PHYS + 0x1_2000, &words);
    put_tables(&mut machine, &tables_of(Order::OffsetsFirst, &symbols));
    let cpus = open(machine.dump(vec![Note::vmcoreinfo(&kernel.text(""))]));
    let cpus = cpus.cpus().unwrap();
    assert_eq!(cpus.possible.count(), 4);
    assert_eq!(cpus.online.as_ref().unwrap().count(), 2);
}
