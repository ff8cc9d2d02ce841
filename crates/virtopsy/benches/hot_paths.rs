//! What a check spends its time on, on the samples: decoding pages, opening the kernel, the whole
//! report; and the scanner of logs on plain and on hostile text.
//!
//! `cargo bench -p virtopsy`; the floor of a check is `pages/…` times the pages that it reads.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use virtopsy::splat::scan_log;
use virtopsy::{DumpSpec, Options, examine};
use virtopsy_kernel::{Kernel, KernelOptions};
use virtopsy_testkit::{Codec, Kdump, Memory, Page};
use virtopsy_vmcore::{Dump, OpenOptions, Pfn};

/// Bytes of the logs that are scanned.
const LOG: usize = 4 << 20;
/// Pages of the dumps that codecs are measured on.
const PAGES: usize = 512;

fn samples() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "kdump"))
        .collect();
    found.sort();
    found
}

fn open(path: &PathBuf) -> Dump {
    Dump::open(std::slice::from_ref(path), &OpenOptions::default()).unwrap()
}

/// Every page of a dump in each codec, on all processors.
fn pages(criterion: &mut Criterion) {
    // Pages of a real kernel pack as pages of a dump do.
    let sample = open(samples().first().unwrap());
    let mut memory = Memory::new(sample.page_size());
    let found = (0..sample.max_pfn().0).filter_map(|pfn| sample.page(Pfn(pfn)).ok());
    for (pfn, page) in (0..).zip(found.take(PAGES)) {
        memory.pages.insert(pfn, Page::Data(page.to_vec()));
    }
    let pages = Pfn(0)..Pfn(memory.end());
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("pages");
    group.throughput(Throughput::Bytes((PAGES * 4096) as u64));
    for codec in Codec::ALL.map(Some).into_iter().chain([None]) {
        let name = codec.map_or("raw".to_owned(), |codec| format!("{codec:?}"));
        let path = folder.path().join(&name);
        let built = Kdump::new(memory.clone()).codec(codec).build();
        std::fs::write(&path, built.bytes).unwrap();
        let dump = open(&path);
        let cancel = AtomicBool::new(false);
        group.bench_function(&name, |b| {
            b.iter(|| {
                dump.scan(pages.clone(), &cancel, |_, bytes| {
                    black_box(bytes);
                })
            });
        });
    }
}

/// Symbols and types of each sample's kernel, then all that a check says.
fn checks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    group.sample_size(20);
    for path in samples() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        group.bench_function(format!("open/{name}"), |b| {
            b.iter(|| {
                let dump = Arc::new(open(&path));
                Kernel::open(dump, &KernelOptions::default()).unwrap()
            });
        });
        let spec = DumpSpec {
            paths: vec![path.clone()],
        };
        let options = Options::default();
        group.bench_function(format!("report/{name}"), |b| {
            b.iter(|| examine(&spec, &options));
        });
    }
}

fn logs(criterion: &mut Criterion) {
    let mut plain = String::with_capacity(LOG);
    let mut headers = String::with_capacity(LOG);
    for line in 0_u32.. {
        if plain.len() >= LOG {
            break;
        }
        let _ = writeln!(
            plain,
            "[{line:5}.000001] eth0: link becomes ready, queue {line} of 64"
        );
        let _ = writeln!(
            headers,
            "[{line:5}.000001] WARNING: possible recursive locking detected"
        );
    }
    let mut group = criterion.benchmark_group("log");
    for (name, text) in [("plain", &plain), ("every line a header", &headers)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| scan_log(text.as_bytes()).unwrap()));
    }
}

/// Lines that aim at the places where a parser may do the same work again: pieces that wait for
/// others, reports that stay open, names whose end is looked for backwards, prefixes inside lines,
/// records cut into parts, lines without end.
fn hostile_lines(name: &str, line: usize) -> String {
    match name {
        "open fragments" => format!("[    1.000001]  #{}: (\n", line % 40),
        "reports without end" => format!(
            "[    1.000001][ T{line}] WARNING: possible circular locking dependency detected\n[    1.000001][ T{line}]  f+0x1/0x2\n"
        ),
        "names with many ends" => format!(
            "1 lock held by a/1:\n #0: ({}, at: f+0x1/0x2\n",
            "x){+".repeat(200)
        ),
        "times in lines" => format!("WARNING: {}\n", "[    1.000001]".repeat(60)),
        "anchors without reports" => "BUG: INFO: WARNING: BUG: sleeping WARNING: at \n".to_owned(),
        "escapes" => {
            "Dec 14 06:35:48 h kernel: WARNING: #012#012#012#012#012#012#012#012\n".to_owned()
        }
        "parts that run backwards" => format!(
            "Panic#1 Part{}\n<4>[    1.000001] WARNING: x\n",
            100_000_000 - line
        ),
        "pieces of records" => format!("6,{line},1,-,ncfrag=0/99999999;WARNING: x\n"),
        "held locks without end" => {
            format!("4294967295 locks held by a/1:\n #{line}: (a){{+.+.}}, at: f+0x1/0x2\n")
        }
        _ => "WARNING: ".repeat(100), // one line
    }
}

/// Time grows with the length and no faster: the throughput of a text is the same at each size.
fn hostile_logs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hostile log");
    group.sample_size(10);
    for name in [
        "open fragments",
        "reports without end",
        "names with many ends",
        "times in lines",
        "anchors without reports",
        "escapes",
        "parts that run backwards",
        "pieces of records",
        "held locks without end",
        "one line",
    ] {
        for mib in [1_usize, 4, 16] {
            let mut text = String::with_capacity(mib << 20);
            for line in 0.. {
                if text.len() >= mib << 20 {
                    break;
                }
                if line % 256 == 0 {
                    // so that there is a report that the lines might belong to
                    text.push_str("BUG: scheduling while atomic: a/1/0x2\n");
                }
                text.push_str(&hostile_lines(name, line));
            }
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(format!("{name}/{mib}MiB"), |b| {
                b.iter(|| scan_log(text.as_bytes()).unwrap());
            });
        }
    }
}

criterion_group!(benches, pages, checks, logs, hostile_logs);
criterion_main!(benches);
