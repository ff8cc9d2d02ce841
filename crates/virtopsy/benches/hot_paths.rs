//! What a check spends its time on, on the samples: decoding pages, opening the kernel, the whole
//! report.
//!
//! `cargo bench -p virtopsy`; the floor of a check is `pages/…` times the pages that it reads.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use virtopsy::{DumpSpec, Options, examine};
use virtopsy_kernel::{Kernel, KernelOptions};
use virtopsy_testkit::{Codec, Kdump, Memory, Page};
use virtopsy_vmcore::{Dump, OpenOptions, Pfn};

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

criterion_group!(benches, pages, checks);
criterion_main!(benches);
