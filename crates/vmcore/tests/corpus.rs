//! The real dumps of the corpus, where it is at hand.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use virtopsy_vmcore::{Dump, Error, Format, OpenOptions, PageState, Pfn, PhysAddr};

/// The corpus's dumps, sorted; empty, and said so, where there is none.
fn dumps() -> Vec<PathBuf> {
    let root = std::env::var_os("VIRTOPSY_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/corpus"),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(root.join("dumps")) else {
        eprintln!("skipped: corpus absent ({})", root.display());
        return Vec::new();
    };
    let mut dumps: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    dumps.sort();
    dumps
}

fn open(path: &Path) -> Dump {
    Dump::open(&[path.to_owned()], &OpenOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether makedumpfile is at hand; said so where not.
fn makedumpfile() -> bool {
    let found = Command::new("makedumpfile").arg("-v").output().is_ok();
    if !found {
        eprintln!("skipped: makedumpfile absent");
    }
    found
}

/// Every page of both dumps has the same state and bytes. Where `b` cannot tell a page of zeros
/// from an excluded one, it may have excluded it.
fn same_memory(a: &Dump, b: &Dump, zeros_may_be_excluded: bool) {
    let max = a.max_pfn().0.max(b.max_pfn().0);
    let mut compared = 0_u64;
    for pfn in 0..max {
        let (x, y) = (a.page_state(Pfn(pfn)), b.page_state(Pfn(pfn)));
        match (x, y) {
            (PageState::Data, PageState::Data) => {
                assert_eq!(
                    a.page(Pfn(pfn)).unwrap(),
                    b.page(Pfn(pfn)).unwrap(),
                    "page {pfn:#x}"
                );
                compared += 1;
            }
            (PageState::Data, PageState::Excluded) if zeros_may_be_excluded => {
                assert!(
                    a.page(Pfn(pfn)).unwrap().iter().all(|b| *b == 0),
                    "page {pfn:#x}"
                );
            }
            // ELF has no bit for a hole inside a segment, kdump has.
            (PageState::Hole, PageState::Excluded) | (PageState::Excluded, PageState::Hole) => {}
            (x, y) => assert_eq!(x, y, "page {pfn:#x}"),
        }
    }
    assert!(compared > 1000, "only {compared} pages compared");
}

#[test]
fn every_dump_of_the_corpus_opens_with_its_notes_and_vmcoreinfo() {
    for path in dumps() {
        let dump = open(&path);
        let info = dump.vmcoreinfo().unwrap();
        assert!(info.os_release().is_some(), "{}", path.display());
        assert!(info.symbol("swapper_pg_dir").is_some() || info.symbol("init_top_pgt").is_some());
        let cpus = dump.prstatus().len().max(dump.qemu_cpus().len());
        assert!(cpus > 0, "{}", path.display());
        assert!(dump.completeness().complete, "{:?}", dump.completeness());
        eprintln!(
            "{}: {} {:?}, {} CPUs, {} QEMU CPUs, {} pages",
            path.file_name().unwrap().display(),
            dump.format(),
            dump.compression(),
            dump.prstatus().len(),
            dump.qemu_cpus().len(),
            dump.max_pfn()
        );
    }
}

#[test]
fn the_page_of_vmcoreinfo_is_found_in_memory_and_says_what_the_note_says() {
    for path in dumps() {
        let dump = open(&path);
        let release = dump.vmcoreinfo().unwrap().os_release().unwrap().to_owned();
        let text = format!("OSRELEASE={release}\n");
        let found = (0..dump.max_pfn().0).map(Pfn).find(|pfn| {
            let page = dump.page(*pfn);
            page.is_ok_and(|page| page.starts_with(text.as_bytes()))
        });
        assert!(found.is_some(), "{}", path.display());
    }
}

#[test]
fn every_page_of_every_dump_decodes_and_reads_the_same_with_and_without_a_map() {
    for path in dumps() {
        let mapped = open(&path);
        let options = OpenOptions::default().with_mmap(false).with_cache_pages(8);
        let plain = Dump::open(std::slice::from_ref(&path), &options).unwrap();
        let mut data = 0_u64;
        for pfn in (0..mapped.max_pfn().0).map(Pfn) {
            let state = mapped.page_state(pfn);
            assert_eq!(plain.page_state(pfn), state);
            match mapped.page(pfn) {
                Ok(page) => {
                    assert_eq!(state, PageState::Data);
                    assert_eq!(plain.page(pfn).unwrap(), page);
                    data += 1;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), "hole" | "excluded"), "{error}");
                    assert_ne!(state, PageState::Data, "{pfn} {error}");
                }
            }
        }
        assert!(data > 1000, "{}: {data} pages", path.display());
    }
}

#[test]
fn makedumpfiles_conversions_of_a_dump_hold_the_same_memory() {
    if !makedumpfile() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for path in dumps() {
        let dump = open(&path);
        if dump.format() != Format::Kdump || dump.compression().len() != 1 {
            continue;
        }
        if std::fs::metadata(&path).unwrap().len() > 12 << 20 {
            continue; // one of each kind is enough
        }
        let forms: &[(&[&str], &str)] = &[
            (&["-d", "31"], "kdump"),
            (&["-c", "-d", "31"], "kdump"),
            (&["-l", "-d", "31"], "kdump"),
            (&["-E", "-d", "31"], "elf"),
            (&["-c", "-d", "31", "-F"], "kdump-flattened"),
            (&["-E", "-d", "31", "-F"], "elf-flattened"),
        ];
        for (arguments, format) in forms {
            let out = folder.path().join("converted");
            if !convert(arguments, &path, &[&out]) {
                eprintln!(
                    "skipped: makedumpfile refuses {arguments:?} {}",
                    path.display()
                );
                continue;
            }
            let converted = open(&out);
            assert_eq!(converted.format().to_string(), *format);
            assert_eq!(converted.vmcoreinfo(), dump.vmcoreinfo());
            same_memory(&dump, &converted, true);
            eprintln!(
                "compared: {} {arguments:?}",
                path.file_name().unwrap().display()
            );
            std::fs::remove_file(&out).unwrap();
        }
        split(&dump, &path, folder.path());
    }
}

fn convert(arguments: &[&str], from: &Path, to: &[&Path]) -> bool {
    let mut command = Command::new("makedumpfile");
    command
        .args(arguments)
        .arg("--message-level")
        .arg("0")
        .arg(from);
    if arguments.contains(&"-F") {
        let file = std::fs::File::create(to[0]).unwrap();
        return command.stdout(file).status().unwrap().success();
    }
    command.args(to).output().unwrap().status.success()
}

/// Splits the dump into three, and reads it with its parts in disorder and with one missing.
fn split(dump: &Dump, path: &Path, folder: &Path) {
    let parts: Vec<PathBuf> = (0..3).map(|i| folder.join(format!("part{i}"))).collect();
    let to: Vec<&Path> = parts.iter().map(AsRef::as_ref).collect();
    if !convert(&["-c", "-d", "31", "--split"], path, &to) {
        eprintln!("skipped: makedumpfile does not split {}", path.display());
        return;
    }
    let disorder = [parts[2].clone(), parts[0].clone(), parts[1].clone()];
    let whole = Dump::open(&disorder, &OpenOptions::default()).unwrap();
    assert_eq!(whole.format(), Format::KdumpSplit);
    assert!(whole.completeness().complete, "{:?}", whole.completeness());
    same_memory(dump, &whole, false);
    // makedumpfile may leave parts empty: the one to miss is one that is not.
    let window = |part: &PathBuf| open(part).kdump_header().unwrap().split.clone().unwrap();
    let missing = parts
        .iter()
        .position(|part| !window(part).is_empty())
        .unwrap();
    let window = window(&parts[missing]);
    let mut rest = parts.clone();
    rest.remove(missing);
    let cut = Dump::open(&rest, &OpenOptions::default()).unwrap();
    let completeness = cut.completeness();
    assert!(!completeness.complete);
    assert!(
        completeness.reasons[0].contains("missing"),
        "{completeness:?}"
    );
    for pfn in (0..dump.max_pfn().0).map(Pfn) {
        let state = cut.page_state(pfn);
        if window.contains(&pfn) && dump.page_state(pfn) == PageState::Data {
            assert_eq!(state, PageState::Incomplete);
        } else {
            assert_eq!(state, dump.page_state(pfn));
        }
    }
    let twice = [parts[0].clone(), parts[1].clone(), parts[0].clone()];
    let error = Dump::open(&twice, &OpenOptions::default()).unwrap_err();
    assert!(matches!(error, Error::SplitMismatch { .. }), "{error}");
    eprintln!("compared: {} split", path.file_name().unwrap().display());
}

#[test]
fn reads_across_pages_agree_with_the_pages() {
    for path in dumps() {
        let dump = open(&path);
        let size = dump.page_size();
        let pair = (0..dump.max_pfn().0.saturating_sub(1)).find(|pfn| {
            dump.page(Pfn(*pfn))
                .is_ok_and(|page| page.iter().any(|b| *b != 0))
                && dump.page(Pfn(pfn + 1)).is_ok()
        });
        let first = Pfn(pair.unwrap());
        let mut bytes = vec![0; 64];
        let at = PhysAddr(first.start(size).0 + size - 32);
        dump.read_at(at, &mut bytes).unwrap();
        assert_eq!(bytes[..32], dump.page(first).unwrap()[size as usize - 32..]);
        assert_eq!(bytes[32..], dump.page(Pfn(first.0 + 1)).unwrap()[..32]);
    }
}

/// The dump as an ELF core, excluded pages as memory without data.
fn as_elf(dump: &Dump) -> Vec<u8> {
    let mut memory = virtopsy_testkit::Memory::new(dump.page_size());
    for pfn in (0..dump.max_pfn().0).map(Pfn) {
        let page = match dump.page_state(pfn) {
            PageState::Data => virtopsy_testkit::Page::Data(dump.page(pfn).unwrap().to_vec()),
            PageState::Excluded => virtopsy_testkit::Page::Excluded,
            _ => continue,
        };
        memory.pages.insert(pfn.0, page);
    }
    let info = dump.vmcoreinfo().unwrap().raw();
    let mut elf = virtopsy_testkit::Elf::of(&memory);
    elf = elf.note(virtopsy_testkit::Note::vmcoreinfo(&format!("{info}\n")));
    for note in dump.notes().iter().filter(|note| note.name == "CORE") {
        elf = elf.note(virtopsy_testkit::Note::new(
            "CORE",
            note.kind,
            note.desc.clone(),
        ));
    }
    elf.direct_map(0xffff_8880_0000_0000).build()
}

/// A flattened file as makedumpfile writes it, cut in its middle, gives what comes before. Of ELF
/// files the places of memory come last.
fn cut_opens(path: &Path, elf: bool) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    if elf {
        let cut = Dump::open(&[path.to_owned()], &OpenOptions::default());
        let error = cut.unwrap_err().to_string();
        return assert!(
            error.contains("cut before it says where memory lies"),
            "{error}"
        );
    }
    let cut = open(path);
    assert!(!cut.completeness().complete);
    assert!(cut.vmcoreinfo().is_some());
    let states = (0..cut.max_pfn().0).map(|pfn| cut.page_state(Pfn(pfn)));
    let (mut data, mut lost) = (0, 0);
    for state in states {
        data += u64::from(state == PageState::Data);
        lost += u64::from(state == PageState::Incomplete);
    }
    assert!(data > 100 && lost > 100, "{data} pages, {lost} lost");
}

#[test]
fn makedumpfiles_conversions_of_an_elf_dump_hold_the_same_memory() {
    let smallest = dumps()
        .into_iter()
        .filter(|path| open(path).format() == Format::Kdump)
        .min_by_key(|path| std::fs::metadata(path).unwrap().len());
    let Some(path) = smallest.filter(|_| makedumpfile()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let core = folder.path().join("core");
    std::fs::write(&core, as_elf(&open(&path))).unwrap();
    let dump = open(&core);
    assert_eq!(dump.format(), Format::Elf);
    same_memory(&open(&path), &dump, false);
    let forms: &[(&[&str], &str)] = &[
        (&["-d", "0"], "kdump"),
        (&["-l", "-d", "0"], "kdump"),
        (&["-c", "-d", "0"], "kdump"),
        (&["-E", "-d", "0"], "elf"),
        (&["-E", "-d", "1"], "elf"),
        (&["-c", "-d", "0", "-F"], "kdump-flattened"),
        (&["-E", "-d", "0", "-F"], "elf-flattened"),
    ];
    for (arguments, format) in forms {
        let out = folder.path().join("converted");
        if !convert(arguments, &core, &[&out]) {
            eprintln!("skipped: makedumpfile refuses {arguments:?} of ELF");
            continue;
        }
        let converted = open(&out);
        assert_eq!(converted.format().to_string(), *format);
        same_memory(&dump, &converted, true);
        if arguments.contains(&"-F") {
            cut_opens(&out, format.starts_with("elf"));
        }
        eprintln!("compared: ELF {arguments:?}");
        std::fs::remove_file(&out).unwrap();
    }
    split(&dump, &core, folder.path());
}
