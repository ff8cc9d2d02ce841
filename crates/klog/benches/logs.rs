//! The scanner of logs on plain and on hostile text: `cargo bench -p virtopsy-klog`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use virtopsy_klog::scan_log;

/// Bytes of the logs that are scanned.
const LOG: usize = 4 << 20;

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
        "lines that wait for their rest" => {
            "BUG: sleeping function called from\ninvalid\n #0: (\na/1 is trying to\n".to_owned()
        }
        "prefixes to learn" => {
            format!("a{line}-b | BUG: x\nc{line} d: Call Trace: [    1.000001] y\n")
        }
        "tags" => format!("WARNING: {}\n", "<a &lt;".repeat(200)),
        "soft line ends" => format!("{}=\n", "=3D".repeat(24)),
        "objects" => format!("{{\"log\":\"{}\n", "msg\":log\":".repeat(100)),
        "entries that never end" => "MESSAGE=BUG: x\n_TRANSPORT=kernel\n".to_owned(),
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
        "lines that wait for their rest",
        "prefixes to learn",
        "tags",
        "soft line ends",
        "objects",
        "entries that never end",
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

criterion_group!(benches, logs, hostile_logs);
criterion_main!(benches);
