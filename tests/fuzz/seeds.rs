//! The seeds of the corpora: small inputs of every kind, made by testkit, by a C compiler, or cut out
//! of a sample.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use virtopsy_kernel::{Kernel, KernelOptions, VirtAddr};
use virtopsy_testkit::{Codec, Elf, Kdump, Memory, Note, avml, flatten, lime};
use virtopsy_vmcore::{Dump, OpenOptions};

#[path = "../../crates/debuginfo/src/made/btf.rs"]
#[allow(dead_code)]
mod btf;

/// Longest seed: the fuzzer's inputs stay small.
const LONGEST: usize = 24 << 10;

/// The project's folder.
fn root() -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders
        .map(Path::to_path_buf)
        .find(|f| f.join("samples").is_dir());
    found.expect("a folder with the samples above")
}

/// Target, name, bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Seeds of all targets.
pub fn all() -> Vec<Seed> {
    let mut seeds = Seeds(Vec::new());
    seeds.containers();
    seeds.types();
    seeds.symbols();
    seeds.kernel();
    seeds.ring();
    seeds.tables();
    seeds.texts();
    seeds.0
}

struct Seeds(Vec<Seed>);

impl Seeds {
    fn put(&mut self, target: &'static str, name: &str, bytes: &[u8]) {
        let bytes = bytes[..bytes.len().min(LONGEST)].to_vec();
        self.0.push((target, format!("seed-{name}"), bytes));
    }

    fn containers(&mut self) {
        let memory = Memory::parse("page 0x1 count 1; page 0x2 excluded; page 0x3 zero");
        let info = "OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\nNUMBER(phys_base)=0\n";
        let note = || Note::prstatus(7, &[1, 2, 3]);
        for version in [1, 3, 4, 5, 6] {
            let dump = Kdump::new(memory.clone())
                .version(version)
                .codec(Codec::Zlib);
            let dump = if version >= 4 {
                dump.note(note()).vmcoreinfo(info)
            } else {
                dump
            };
            self.put("dump", &format!("kdump-{version}"), &dump.build().bytes);
        }
        for codec in Codec::ALL {
            let packed = codec.compress(memory.bytes(1).unwrap());
            let flags = match codec {
                Codec::Zlib => 1,
                Codec::Lzo => 2,
                Codec::Snappy => 4,
                Codec::Zstd => 0x20,
            };
            self.put(
                "page",
                &format!("{codec:?}"),
                &[&[flags], packed.as_slice()].concat(),
            );
        }
        let elf = Elf::of(&memory)
            .note(note())
            .note(Note::vmcoreinfo(info))
            .build();
        self.put("dump", "elf", &elf);
        self.put(
            "dump",
            "lime",
            &lime(&[(0x1000, &[1; 512]), (0x8000, &[2; 512])]),
        );
        self.put("dump", "avml", &avml(&[(0x1000, &[1; 4096])]));
        let flat = flatten(&elf, 2048, |_| {});
        self.put("dump", "flattened", &flat);
        self.put("flattened", "elf", &flat[4096..]);
        let kdump = Kdump::new(memory.clone()).build().bytes;
        self.put(
            "flattened",
            "kdump",
            &flatten(&kdump, 4096, |records| records.reverse())[4096..],
        );
        let part = |window| {
            Kdump::new(memory.clone())
                .version(6)
                .split(window)
                .build()
                .bytes
        };
        let (first, second) = (part(0..2), part(2..4));
        let len = u16::try_from(first.len()).unwrap().to_le_bytes();
        self.put("split", "two", &[&len[..], &first, &second].concat());
        let notes = virtopsy_testkit::notes_bytes(&[
            note(),
            Note::vmcoreinfo(info),
            Note::new("QEMU", 0, vec![1; 440]),
        ]);
        self.put("notes", "three", &notes);
        self.put("vmcoreinfo", "some", info.as_bytes());
    }

    fn types(&mut self) {
        let mut base = btf::MadeBtf::new();
        let int = base.int("int", 4, 1);
        let pointer = base.add(2, false, "", int + 2, 0, &[]);
        let list = base.structure(
            4,
            false,
            "list_head",
            16,
            &[("next", pointer, 0), ("prev", pointer, 64)],
        );
        base.add(3, false, "", 0, 0, &[list, int, 4]);
        base.structure(5, false, "kvm", 16, &[("list", list, 0), ("a", int, 0)]);
        base.add(6, false, "state", 4, 2, &[0, 0, 0, 1]);
        base.add(8, false, "u32", int, 0, &[]);
        base.add(9, false, "", int, 0, &[]);
        base.add(7, false, "module", 0, 0, &[]);
        base.add(19, false, "wide", 8, 1, &[0, 1, 2]);
        let whole = base.build();
        self.put("btf", "base", &[&[0; 4], whole.as_slice()].concat());
        let mut split = btf::MadeBtf::split(base.next_id(), base.string_bytes());
        split.structure(
            4,
            false,
            "module",
            24,
            &[("list", list, 0), ("a", int, 128)],
        );
        let len = (whole.len() as u32).to_le_bytes();
        self.put(
            "btf",
            "split",
            &[&len, whole.as_slice(), &split.build()].concat(),
        );
        let folder = std::env::temp_dir().join(format!("virtopsy-seeds-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let c = "struct list_head { struct list_head *next, *prev; };\n\
             struct kvm { struct list_head list; int a[3][2]; enum { X = -1, Y } b : 3; union { long c; char d; }; };\n\
             typedef struct kvm module; module counter; int main(module *m) { return m->a[1][1]; }\n";
        fs::write(folder.join("a.c"), c).unwrap();
        for flags in ["-gdwarf-4", "-gdwarf-5", "-gdwarf-3", "-gdwarf-5 -gz -O2"] {
            let made = folder.join("a.o");
            // No folder of this machine in what is committed.
            let here = std::env::current_dir().unwrap();
            let ran = Command::new("cc")
                .args(flags.split(' '))
                .arg(format!("-fdebug-prefix-map={}=/usr/src", here.display()))
                .arg("-c")
                .arg(folder.join("a.c"))
                .arg("-o")
                .arg(&made)
                .status();
            if ran.is_ok_and(|status| status.success()) {
                let bytes = fs::read(&made).unwrap();
                self.put("elf", &flags.replace(' ', ""), &bytes);
                self.put("dwarf", &flags.replace(' ', ""), &bytes);
                self.put("lines", &flags.replace(' ', ""), &bytes);
            } else {
                println!("SKIPPED {flags}: no C compiler");
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    fn symbols(&mut self) {
        // The letters T, a and b as tokens of their own, three symbols.
        let (mut table, mut index) = (Vec::new(), Vec::new());
        for id in 0..=255_u8 {
            index.extend((table.len() as u16).to_le_bytes());
            if id.is_ascii_graphic() {
                table.push(id);
            }
            table.push(0);
        }
        let names = b"\x03Tab\x02Tb\x02Ta";
        for encoding in 0..4_u8 {
            let mut seed = vec![encoding];
            for number in [3, names.len(), table.len(), index.len()] {
                seed.extend((number as u16).to_le_bytes());
            }
            seed.extend([&names[..], &table, &index].concat());
            for address in 0..3_u64 {
                let word = (0xffff_ffff_8100_0000 + address * 16).to_le_bytes();
                seed.extend(if encoding == 0 { &word[..] } else { &word[..4] });
            }
            self.put("kallsyms", &encoding.to_string(), &seed);
        }
    }

    fn kernel(&mut self) {
        let sample = root().join("samples/svm-stuck-cpu2.kdump");
        let dump = Dump::open(&[sample], &OpenOptions::default()).unwrap();
        let info = dump.vmcoreinfo().unwrap().raw().to_owned();
        self.put("vmcoreinfo", "sample", info.as_bytes());
        let kernel = Kernel::open(Arc::new(dump), &KernelOptions::default()).unwrap();
        for name in [
            "crash_nmi_callback",
            "native_stop_other_cpus",
            "nmi_shootdown_cpus",
        ] {
            if let Ok(function) = kernel.function(name) {
                let len = (function.end.0 - function.start.0) as usize;
                let text = kernel.space().bytes(function.start, len).unwrap();
                self.put("code", name, &[&[16, 0, 8, 0], text.as_slice()].concat());
            }
        }
        if let (Ok(ips), Ok(entries)) = (
            kernel.symbol("__start_orc_unwind_ip"),
            kernel.symbol("__start_orc_unwind"),
        ) {
            let take = |at: VirtAddr, len| kernel.space().bytes(at, len).unwrap();
            let mut seed = 0xffff_ffff_8101_0000_u64.to_le_bytes().to_vec();
            seed.extend(1024_u32.to_le_bytes());
            seed.extend(take(ips, 4096));
            seed.extend(take(entries, 4096));
            self.put("orc", "sample", &seed);
        }
        let log: Vec<u8> = kernel
            .log()
            .unwrap()
            .records
            .iter()
            .rev()
            .take(120)
            .rev()
            .flat_map(|r| {
                [
                    format!(
                        "[{:5}.{:06}] ",
                        r.timestamp_ns / 1_000_000_000,
                        r.timestamp_ns / 1000 % 1_000_000
                    )
                    .as_bytes(),
                    &r.text,
                    b"\n",
                ]
                .concat()
            })
            .collect();
        self.put("splats", "sample", &log);
        self.put("crashes", "sample", &log);
        self.put(
            "crashed",
            "one",
            &[
                1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 16, 0, 0xff, 0, 0, 0, 0, 0, 0, 0,
            ],
        );
    }

    /// A ring of eight descriptors with three records, at the places of `targets/kernel.rs`.
    fn ring(&mut self) {
        let given = 0xffff_ffff_8101_0000_u64;
        let mut page = vec![0; 0x1000];
        let mut word =
            |at: usize, value: u64| page[at..at + 8].copy_from_slice(&value.to_le_bytes());
        word(0, given + 0x100);
        for (i, value) in [3, given + 0x200, given + 0x300, 2, 0].iter().enumerate() {
            word(0x100 + i * 8, *value);
        }
        word(0x130, 7);
        word(0x138, given + 0x400);
        for id in 0..3 {
            for (i, value) in [2 << 62 | id, id * 32, id * 32 + 32].iter().enumerate() {
                word(0x200 + id as usize * 24 + i * 8, *value);
            }
            for (i, value) in [id, id * 1000, 5 | 4 << 29 | 7 << 32].iter().enumerate() {
                word(0x300 + id as usize * 24 + i * 8, *value);
            }
            word(0x400 + id as usize * 32, id);
            word(
                0x408 + id as usize * 32,
                u64::from_le_bytes(*b"hello\0\0\0"),
            );
        }
        self.put("printk", "ring", &[&[0], page.as_slice()].concat());
        let mut page = vec![0; 0x400];
        page[..8].copy_from_slice(&(given + 0x100).to_le_bytes());
        page[8..12].copy_from_slice(&0x200_u32.to_le_bytes());
        page[24..28].copy_from_slice(&0x40_u32.to_le_bytes());
        for at in [0x100, 0x120] {
            page[at + 8..at + 12].copy_from_slice(&[0x20, 0, 5, 0]);
            page[at + 16..at + 21].copy_from_slice(b"hello");
        }
        self.put("printk", "records", &[&[1], page.as_slice()].concat());
        let mut memory = vec![0; 0x100];
        for (at, next) in [(0, 0x20), (0x20, 0x40), (0x40, 0)] {
            memory[at..at + 8].copy_from_slice(&(given + next).to_le_bytes());
        }
        self.put(
            "lists",
            "three",
            &[&[0, 0, 16, 0], memory.as_slice()].concat(),
        );
    }

    fn tables(&mut self) {
        let mut seed = 0xffff_ffff_8100_0123_u64.to_le_bytes().to_vec();
        seed.extend(0xffff_8880_0000_0000_u64.to_le_bytes());
        seed.push(0);
        for (index, entry) in [(511, 0x2063_u64), (510, 0x3063), (8, 0x10_00e3)] {
            let mut page = vec![0; 4096];
            page[index * 8..index * 8 + 8].copy_from_slice(&entry.to_le_bytes());
            seed.extend(page);
        }
        self.put("page_tables", "large", &seed);
    }

    fn texts(&mut self) {
        for (i, text) in [
            "init_task.tasks.next",
            "percpu(cpu_tlbstate, 2).cr4",
            "kvm:vm_list",
            "(struct task_struct *)0xffff888003a80000->comm",
            "boot_cpu_data.x86_capability[0..4]",
            "*init_task.mm",
            "0xffff888003a80000:64",
            "&a[3]->b",
            "((x))",
        ]
        .iter()
        .enumerate()
        {
            self.put("peek", &i.to_string(), text.as_bytes());
        }
        self.put("records", "some", b"\x00WARNING: suspicious RCU usage\n\x00kernel/x.c:1 suspicious rcu_dereference_check() usage!\n\x08 cont\n\x01BUG: sleeping function called");
        for (name, text) in [
            (
                "recursive",
                "[    1.0] ============================================\n[    1.0] WARNING: possible recursive locking detected\n[    1.0] 6.1.0 #1 Not tainted\n[    1.0] --------------------------------------------\n[    1.0] sh/107 is trying to acquire lock:\n[    1.0] ffff888003a80000 (&a){+.+.}-{3:3}, at: f+0x1/0x2\n[    1.0] \n[    1.0] but task is already holding lock:\n[    1.0] ffff888003a80000 (&a){+.+.}-{3:3}, at: g+0x1/0x2\n[    1.0] other info that might help us debug this:\n[    1.0] 1 lock held by sh/107:\n[    1.0]  #0: ffff888003a80000 (&a){+.+.}-{3:3}, at: g+0x1/0x2\n[    1.0] stack backtrace:\n[    1.0] Call Trace:\n[    1.0]  dump_stack+0x1/0x2\n",
            ),
            (
                "json",
                "{\"MESSAGE\":\"WARNING: suspicious RCU usage\",\"PRIORITY\":\"4\",\"__REALTIME_TIMESTAMP\":\"1\"}\n",
            ),
            (
                "kmsg",
                "4,1,100,-,caller=T7;BUG: sleeping function called from invalid context at a.c:1\n SUBSYSTEM=x\n",
            ),
        ] {
            self.put("splats", name, text.as_bytes());
        }
    }
}
