#![allow(missing_docs, clippy::all, clippy::print_stdout, clippy::unwrap_used)]
use std::sync::Arc;
use virtopsy_kernel::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let d =
        Arc::new(virtopsy_vmcore::Dump::open(&[a[1].clone().into()], &Default::default()).unwrap());
    let mut o = KernelOptions::default();
    if let Some(v) = a.get(2).filter(|v| !v.is_empty()) {
        o.vmlinux = Some(v.into());
    }
    let k = Kernel::open(d, &o).unwrap();
    let t0 = std::time::Instant::now();
    let u = k.unwinder();
    println!("orc {:?}", u.orc().map(|o| o.version));
    for c in k.cpus().unwrap().possible.iter() {
        let b = u.backtrace(Start::Cpu(c));
        println!(
            "CPU {c} {:?} cur {:?}",
            b.registers.map(|r| r.source),
            k.current_task(c)
                .map(|t| String::from_utf8_lossy(&t.comm).into_owned())
        );
        for f in &b.frames {
            println!(
                "   {} {:?} {} {} {:?}",
                f.ip,
                f.stack,
                f.found_by,
                f.location
                    .as_ref()
                    .map(|l| l.to_string())
                    .unwrap_or_default(),
                f.interrupted
            );
        }
        println!("   ended {} notes {:?}", b.ended_because, b.notes);
    }
    let t = k.tasks();
    println!(
        "{} tasks, broken {:?} {:?}",
        t.tasks.len(),
        t.broken,
        t0.elapsed()
    );
    let mut n = std::collections::BTreeMap::<String, u32>::new();
    for t in &t.tasks {
        let b = u.backtrace(Start::Task(t.address));
        *n.entry(b.ended_because.kind().to_string()).or_default() += 1;
        if !b.ended_because.is_complete() {
            println!(
                "{} {} {} {:?} {}",
                t.pid,
                String::from_utf8_lossy(&t.comm),
                t.state.letter(),
                t.running_on,
                b.ended_because
            );
        }
        if a.get(3).is_some() {
            println!(
                "{} {} {}",
                t.pid,
                String::from_utf8_lossy(&t.comm),
                t.state.letter()
            );
            for f in &b.frames {
                println!(
                    "   {} {:?} {} {}",
                    f.ip,
                    f.stack,
                    f.found_by,
                    f.location
                        .as_ref()
                        .map(|l| l.to_string())
                        .unwrap_or_default()
                );
            }
        }
    }
    println!("{n:?} {:?}", t0.elapsed());
    println!("{:#?}", k.vms());
    println!("{:?}", k.lockdep());
    for t in &t.tasks {
        match k.held_locks(t.address) {
            Ok(h) if h.depth > 0 => {
                println!("{} {}", t.pid, h.depth);
                for l in h.locks {
                    println!(
                        "   {:?} {:?} {}",
                        l.class.map(|c| format!(
                            "{} {} {:?}",
                            String::from_utf8_lossy(&c.name),
                            c.usage,
                            c.wait
                        )),
                        l.location.map(|l| l.to_string()),
                        l.read
                    );
                }
            }
            Ok(_) => {}
            Err(e) => {
                println!("{e}");
                break;
            }
        }
        let b = u.backtrace(Start::Task(t.address));
        if let Some(w) = k.waiting_for(t.address, &b) {
            println!("{w:?}")
        }
    }
    for e in std::env::args().skip(4) {
        match k.peek(&e, Default::default()) {
            Ok(n) => println!("{n:#?}"),
            Err(e) => println!("{e}"),
        };
        println!("{:?}", k.peek_completions(&e, 5));
    }
}
