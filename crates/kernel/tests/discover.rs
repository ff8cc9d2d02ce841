//! Dumps that do not say where their kernel is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::fs::OpenOptions as FileOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::{Machine, TinyKernel};
use virtopsy_kernel::{Error, Kernel, KernelOptions, SymbolOrigin};
use virtopsy_testkit::corpus;
use virtopsy_testkit::{Elf, Memory, Note, Page, notes_bytes};
use virtopsy_vmcore::{Dump, Format, OpenOptions, PageState, Pfn};

const HERE: u64 = 0xffff_ffff_9d60_0000;

fn open(dump: Arc<Dump>) -> Result<Kernel, Error> {
    Kernel::open(dump, &KernelOptions::default())
}

#[test]
fn the_text_is_found_in_memory_and_the_report_says_so() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    machine.write(0x50_0000, kernel.text("").as_bytes());
    let opened = open(machine.dump(Vec::new())).unwrap();
    assert_eq!(opened.release(), "6.12.1-test");
    assert_eq!(opened.space().root().0, kernel.root);
    assert!(
        opened.notes()[0].contains("physical 0x500000"),
        "{:?}",
        opened.notes()
    );
}

#[test]
fn the_note_s_copy_is_preferred_for_it_has_the_time_of_the_crash() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    machine.write(0x50_0000, kernel.text("").as_bytes());
    let note = notes_bytes(&[Note::vmcoreinfo(&kernel.text("CRASHTIME=1700000000\n"))]);
    machine.write(0x70_0000, &note);
    let opened = open(machine.dump(Vec::new())).unwrap();
    assert_eq!(opened.vmcoreinfo().crash_time(), Some(1_700_000_000));
    assert_eq!(opened.notes().len(), 1, "{:?}", opened.notes());
}

#[test]
fn remains_of_another_kernel_are_not_taken() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    // A kernel from before a warm reboot: its text is left, its tables are not.
    let old = TinyKernel {
        virt: HERE - 0x400_0000,
        phys: 0x300_0000,
        root: 0x300_3000,
        release: "6.1.0-old",
    };
    machine.write(0x10_0000, old.text("CRASHTIME=1\n").as_bytes());
    machine.write(0x50_0000, kernel.text("").as_bytes());
    let opened = open(machine.dump(Vec::new())).unwrap();
    assert_eq!(opened.release(), "6.12.1-test");
}

#[test]
fn of_two_kernels_in_memory_the_crashed_one_is_meant_and_the_other_is_named() {
    let mut machine = Machine::new();
    let crashed = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-crashed");
    let capture = TinyKernel::put(
        &mut machine,
        HERE - 0x400_0000,
        0x800_0000,
        "6.12.1-capture",
    );
    machine.write(0x10_0000, capture.text("").as_bytes());
    machine.write(0x50_0000, crashed.text("CRASHTIME=2\n").as_bytes());
    let opened = open(machine.dump(Vec::new())).unwrap();
    assert_eq!(opened.release(), "6.12.1-crashed");
    assert!(
        opened.notes()[1].contains("6.12.1-capture"),
        "{:?}",
        opened.notes()
    );
}

#[test]
fn a_note_that_the_page_tables_refute_gives_way_to_the_truth_in_memory() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    let elsewhere = TinyKernel {
        phys: 0x300_0000,
        ..TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test")
    };
    machine.write(0x50_0000, kernel.text("").as_bytes());
    machine.write(0x300_3000, &[0; 8]);
    let opened = open(machine.dump(vec![Note::vmcoreinfo(&elsewhere.text(""))])).unwrap();
    assert_eq!(opened.space().root().0, kernel.root);
    assert!(
        opened.notes()[0].contains("is not its kernel's"),
        "{:?}",
        opened.notes()
    );
}

#[test]
fn a_note_that_holds_is_used_without_a_word() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "6.12.1-test");
    let opened = open(machine.dump(vec![Note::vmcoreinfo(&kernel.text(""))])).unwrap();
    assert!(opened.notes().is_empty(), "{:?}", opened.notes());
}

#[test]
fn nothing_at_all_ends_in_an_error_with_a_way_out() {
    let mut machine = Machine::new();
    machine.write(0x10_0000, b"OSRELEASE=%s\n\0PAGESIZE=\0");
    let error = open(machine.dump(Vec::new())).unwrap_err();
    assert!(matches!(error, Error::NoVmcoreinfo));
    assert!(error.to_string().contains("--vmlinux"), "{error}");
}

/// Copies a dump and takes the VMCOREINFO note out of the copy.
fn without_note(path: &Path, dump: &Dump, folder: &Path) -> PathBuf {
    let copy = folder.join("dump");
    std::fs::copy(path, &copy).unwrap();
    let file = FileOptions::new().write(true).open(&copy).unwrap();
    for note in dump.notes().iter().filter(|note| note.name == "VMCOREINFO") {
        let desc = note.offset.unwrap().0;
        file.write_all_at(&vec![0; note.size as usize], desc)
            .unwrap();
        file.write_all_at(b"FORGOTTEN!", desc - 12).unwrap();
    }
    if let Some(header) = dump.kdump_header() {
        // offset_vmcoreinfo and its size in the sub-header.
        file.write_all_at(&[0; 16], header.block_size + 32).unwrap();
    }
    copy
}

#[test]
fn a_real_dump_without_its_note_is_the_same_kernel() {
    let Some(dir) = corpus("dumps without their note") else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.join("dumps")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(dump) = Dump::open(std::slice::from_ref(&path), &OpenOptions::default()) else {
            continue;
        };
        if dump.vmcoreinfo().is_none() || !matches!(dump.format(), Format::Kdump | Format::Elf) {
            continue;
        }
        let copy = without_note(&path, &dump, scratch.path());
        let blank = Dump::open(&[copy], &OpenOptions::default()).unwrap();
        assert!(blank.vmcoreinfo().is_none(), "{}", path.display());
        let (with, without) = (
            open(Arc::new(dump)).unwrap(),
            open(Arc::new(blank)).unwrap(),
        );
        assert_eq!(
            with.vmcoreinfo(),
            without.vmcoreinfo(),
            "{}",
            path.display()
        );
        assert_eq!(
            with.symbol("init_task").unwrap(),
            without.symbol("init_task").unwrap()
        );
        assert_eq!(
            without.notes().len(),
            with.notes().len() + 1,
            "{:?}",
            without.notes()
        );
    }
}

/// The pages of a dump, with every VMCOREINFO text made unreadable.
fn memory_without_texts(dump: &Dump) -> Memory {
    let mut memory = Memory::new(4096);
    for pfn in (0..dump.max_pfn().0).map(Pfn) {
        if dump.page_state(pfn) != PageState::Data {
            continue;
        }
        let mut bytes = dump.page(pfn).unwrap().to_vec();
        for at in 0..bytes.len().saturating_sub(10) {
            if bytes[at..].starts_with(b"OSRELEASE=") {
                bytes[at..at + 10].fill(b'x');
            }
        }
        memory.pages.insert(pfn.0, Page::Data(bytes));
    }
    memory
}

/// A dump of the corpus and its vmlinux, where both are there.
fn with_vmlinux(file: &str, kernel: &str) -> Option<(Dump, KernelOptions)> {
    let dir = corpus("a dump without any text")?;
    let path = dir.join("dumps").join(file);
    let vmlinux = dir.join("kernels").join(kernel).join("vmlinux");
    if !path.exists() || !vmlinux.exists() {
        virtopsy_testkit::skipped(&format!(
            "no {file} or no vmlinux of {kernel} in the corpus"
        ));
        return None;
    }
    let dump = Dump::open(&[path], &OpenOptions::default()).unwrap();
    let mut options = KernelOptions::default();
    options.vmlinux = Some(vmlinux);
    Some((dump, options))
}

fn same_kernel(found: &Kernel, truth: &Kernel) {
    for key in ["swapper_pg_dir", "_stext", "init_uts_ns"] {
        assert_eq!(
            found.vmcoreinfo().symbol(key),
            truth.vmcoreinfo().symbol(key),
            "{key}"
        );
    }
    let number = |kernel: &Kernel, key: &str| kernel.vmcoreinfo().number(key);
    assert_eq!(number(found, "phys_base"), number(truth, "phys_base"));
    assert_eq!(
        found.vmcoreinfo().kernel_offset(),
        truth.vmcoreinfo().kernel_offset()
    );
    assert_eq!(found.release(), truth.release());
    assert_eq!(found.build_id(), truth.build_id());
    assert_eq!(found.symbols().unwrap().origin(), SymbolOrigin::Vmlinux);
    assert_eq!(found.modules().modules.len(), truth.modules().modules.len());
}

#[test]
fn the_registers_of_a_hypervisor_s_dump_lead_to_the_kernel() {
    let Some((dump, options)) = with_vmlinux("hv-running.elf", "virtdbg") else {
        return;
    };
    let notes = dump.notes().iter().filter(|note| note.name == "QEMU");
    let notes: Vec<Note> = notes
        .map(|n| Note::new(&n.name, n.kind, n.desc.clone()))
        .collect();
    let elf = notes
        .into_iter()
        .fold(Elf::of(&memory_without_texts(&dump)), Elf::note)
        .build();
    let truth = Kernel::open(Arc::new(dump), &options).unwrap();
    let found = Kernel::open(Arc::new(Dump::from_bytes(elf).unwrap()), &options).unwrap();
    assert!(found.notes()[0].contains("CR3"), "{:?}", found.notes());
    same_kernel(&found, &truth);
}

#[test]
fn the_banner_leads_to_the_kernel_where_nothing_else_does() {
    let Some((dump, options)) = with_vmlinux("svm-splat.kdump", "virtdbg") else {
        return;
    };
    let elf = Elf::of(&memory_without_texts(&dump)).build();
    let truth = Kernel::open(Arc::new(dump), &options).unwrap();
    let found = Kernel::open(Arc::new(Dump::from_bytes(elf).unwrap()), &options).unwrap();
    assert!(found.notes()[0].contains("banner"), "{:?}", found.notes());
    same_kernel(&found, &truth);
}

#[test]
fn until_5_10_the_release_stands_behind_a_reference_count() {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, HERE, 0x100_0000, "5.10.0-test");
    let mut names = vec![0; 65];
    names[..11].copy_from_slice(b"5.10.0-test");
    machine.write(0x100_0000 + 0x2000 + 130, &[0; 65]);
    machine.write(0x100_0000 + 0x2000 + 4 + 130, &names);
    let text = kernel
        .text("")
        .replace("OFFSET(uts_namespace.name)=0\n", "");
    let dump = machine.dump(vec![Note::vmcoreinfo(&text)]);
    let kernel = open(dump).unwrap();
    assert!(kernel.notes().is_empty(), "{:?}", kernel.notes());
}
