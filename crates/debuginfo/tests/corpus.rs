//! BTF, DWARF and symbol tables of real kernels, against each other.
//!
//! The kernels are in `target/corpus` of the project, or where `VIRTOPSY_CORPUS`
//! says; without them these tests say so and pass.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use virtopsy_debuginfo::{
    Btf, Dwarf, ElfFile, FileBytes, Kallsyms, KallsymsAddresses, KallsymsNames, SymbolSource, Tag,
    Type, TypeId, TypeSource, TypeSourceExt, VirtAddr, guess_encoding,
};

/// Structures that the checks and the kernel's readers use, and some odd ones.
const STRUCTS: [&str; 48] = [
    "task_struct",
    "module",
    "module_memory",
    "kvm_vcpu",
    "kvm",
    "kvm_vcpu_arch",
    "list_head",
    "page",
    "mm_struct",
    "printk_ringbuffer",
    "prb_desc_ring",
    "prb_data_ring",
    "printk_info",
    "dev_printk_info",
    "rq",
    "cpumask",
    "thread_struct",
    "pt_regs",
    "desc_ptr",
    "tss_struct",
    "cpuinfo_x86",
    "vm_area_struct",
    "file",
    "inode",
    "dentry",
    "super_block",
    "device",
    "kobject",
    "work_struct",
    "timer_list",
    "hrtimer",
    "lock_class",
    "held_lock",
    "lockdep_map",
    "rcu_data",
    "rcu_head",
    "raw_spinlock",
    "mutex",
    "rw_semaphore",
    "sk_buff",
    "net_device",
    "cgroup",
    "signal_struct",
    "cred",
    "nsproxy",
    "irq_desc",
    "mod_kallsyms",
    "load_info",
];

fn kernel(name: &str) -> Option<PathBuf> {
    let corpus = std::env::var_os("VIRTOPSY_CORPUS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/corpus"),
        PathBuf::from,
    );
    let folder = corpus.join("kernels").join(name);
    if folder.join("vmlinux").exists() {
        return Some(folder);
    }
    eprintln!("skipped: corpus absent ({} not there)", folder.display());
    None
}

/// Milliseconds since `start`.
fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn elf(path: &std::path::Path) -> ElfFile {
    ElfFile::parse(FileBytes::read(path).unwrap()).unwrap()
}

/// All members, anonymous ones flattened: name, bit offset, bit size, size.
fn layout(source: &dyn TypeSource, id: TypeId) -> Vec<(String, u64, Option<u32>, Option<u64>)> {
    let mut rows = Vec::new();
    let mut todo = vec![(id, 0u64)];
    while let Some((id, start)) = todo.pop() {
        let (_, Type::Struct { members, .. }) = source.resolve(id).unwrap() else {
            continue;
        };
        for member in members.iter() {
            let at = start + member.bit_offset;
            if member.name.is_empty() {
                todo.push((member.type_id, at));
            } else {
                rows.push((
                    member.name.clone(),
                    at,
                    member.bit_size,
                    source.size_of(member.type_id).ok(),
                ));
            }
        }
    }
    rows.sort();
    rows
}

struct Virtdbg {
    btf: Arc<Btf>,
    dwarf: Dwarf,
    elf: ElfFile,
}

fn virtdbg() -> Option<&'static Virtdbg> {
    static LOADED: OnceLock<Option<Virtdbg>> = OnceLock::new();
    let load = || {
        let elf = elf(&kernel("virtdbg")?.join("vmlinux"));
        let btf = Btf::parse(elf.section_bytes(".BTF").unwrap().unwrap(), None).unwrap();
        let dwarf = Dwarf::load(&elf).unwrap();
        Some(Virtdbg {
            btf: Arc::new(btf),
            dwarf,
            elf,
        })
    };
    LOADED.get_or_init(load).as_ref()
}

#[test]
fn btf_and_dwarf_agree_on_every_member_of_many_structures() {
    let Some(Virtdbg { btf, dwarf, .. }) = virtdbg() else {
        return;
    };
    let mut compared = 0;
    for name in STRUCTS {
        let (left, right) = (
            btf.find(Tag::Struct, name).unwrap(),
            dwarf.find(Tag::Struct, name).unwrap(),
        );
        let (Some(left), Some(right)) = (left, right) else {
            assert_eq!(
                left.is_some(),
                right.is_some(),
                "struct {name} is only in one"
            );
            continue;
        };
        assert_eq!(
            btf.size_of(left).unwrap(),
            dwarf.size_of(right).unwrap(),
            "size of {name}"
        );
        assert_eq!(
            layout(btf.as_ref(), left),
            layout(dwarf, right),
            "members of {name}"
        );
        compared += 1;
    }
    println!("{compared} structures agree");
    assert!(compared >= 36, "only {compared} were there to compare");
}

#[test]
fn btf_and_dwarf_agree_on_enumerators_and_typedefs() {
    let Some(Virtdbg { btf, dwarf, .. }) = virtdbg() else {
        return;
    };
    for name in [
        "MODULE_STATE_LIVE",
        "MODULE_STATE_COMING",
        "desc_reusable",
        "CPUHP_ONLINE",
        "HRTIMER_RESTART",
        "PIDTYPE_PID",
    ] {
        let value = btf.enumerator(name).unwrap();
        assert!(value.is_some(), "{name}");
        assert_eq!(value, dwarf.enumerator(name).unwrap(), "{name}");
    }
    for name in ["atomic_t", "cpumask_t", "u64", "pid_t"] {
        let (left, right) = (
            btf.find(Tag::Typedef, name).unwrap(),
            dwarf.find(Tag::Typedef, name).unwrap(),
        );
        assert_eq!(
            btf.size_of(left.unwrap()).unwrap(),
            dwarf.size_of(right.unwrap()).unwrap(),
            "{name}"
        );
    }
    assert_eq!(
        dwarf.find(Tag::Struct, "no_such_struct_at_all").unwrap(),
        None
    );
    assert_eq!(
        btf.find(Tag::Struct, "no_such_struct_at_all").unwrap(),
        None
    );
}

#[test]
fn a_variable_in_dwarf_is_where_the_symbol_table_has_it() {
    let Some(Virtdbg {
        dwarf, elf, btf, ..
    }) = virtdbg()
    else {
        return;
    };
    let symbols = elf.symbols().unwrap().unwrap();
    for name in [
        "init_task",
        "modules",
        "crashing_cpu",
        "waiting_for_crash_ipi",
        "nr_cpu_ids",
        "__cpu_online_mask",
        "prb",
    ] {
        let found = dwarf.variable(name).unwrap();
        let symbol = symbols.unique(name);
        let (Some(variable), Some(symbol)) = (found, symbol) else {
            println!("{name} is not in both");
            continue;
        };
        assert_eq!(variable.address, Some(symbol.address), "{name}");
        if let Some(size) = symbol.size {
            assert_eq!(
                dwarf.size_of(variable.type_id).unwrap(),
                size,
                "size of {name}"
            );
        }
    }
    let per_cpu = btf.variable("runqueues").unwrap().unwrap();
    assert_eq!(
        btf.size_of(per_cpu.type_id).unwrap(),
        btf.size_of(btf.struct_named("rq").unwrap()).unwrap()
    );
    println!("{:?}", btf.section_of_variable("runqueues").unwrap());
}

#[test]
fn the_symbol_table_agrees_with_goblin() {
    let Some(folder) = kernel("virtdbg") else {
        return;
    };
    for file in ["vmlinux", "kvm.ko"] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let theirs = goblin::elf::Elf::parse(&bytes).unwrap();
        let ours = ElfFile::parse(bytes.clone()).unwrap();
        let symbols = ours.symbols().unwrap().unwrap();
        let mut expected = 0;
        for symbol in theirs.syms.iter() {
            let kind = symbol.st_info & 15;
            let name = theirs.strtab.get_at(symbol.st_name).unwrap_or_default();
            if symbol.st_shndx == 0 || kind == 3 || kind == 4 || name.is_empty() {
                continue;
            }
            expected += 1;
        }
        let mut found = 0;
        symbols.for_each(&mut |_, _, _| found += 1);
        assert_eq!(found, expected, "{file}");
    }
}

#[test]
fn an_address_in_a_function_leads_to_its_name() {
    let Some(Virtdbg { elf, .. }) = virtdbg() else {
        return;
    };
    let symbols = elf.symbols().unwrap().unwrap();
    for name in [
        "schedule",
        "panic",
        "do_idle",
        "crash_save_cpu",
        "nmi_shootdown_cpus",
    ] {
        let Some(symbol) = symbols.unique(name) else {
            continue;
        };
        let (found, offset) = symbols.at(symbol.address.add(5)).unwrap();
        assert_eq!((found.name.as_str(), offset), (name, 5));
        assert_eq!(found.kind.to_ascii_lowercase(), 't');
    }
}

#[test]
fn a_module_has_its_name_build_id_types_and_variables() {
    for kernel_name in ["virtdbg", "virtrel"] {
        let Some(folder) = kernel(kernel_name) else {
            return;
        };
        let elf = elf(&folder.join("kvm.ko"));
        assert_eq!(elf.module_name().as_deref(), Some("kvm"));
        println!(
            "{kernel_name} kvm.ko build-id {:?}, BTF {}",
            elf.build_id(),
            elf.has_btf()
        );
        let start = Instant::now();
        let dwarf = Dwarf::load(&elf).unwrap();
        let vcpu = dwarf.struct_named("kvm_vcpu").unwrap();
        println!(
            "kvm.ko: {} units, kvm_vcpu {} bytes, {:.0} ms",
            dwarf.unit_count(),
            dwarf.size_of(vcpu).unwrap(),
            ms(start)
        );
        assert!(
            dwarf.member_path(vcpu, "arch.regs[4]").is_ok()
                || dwarf.member_path(vcpu, "arch").is_ok()
        );
        let symbols = elf.symbols().unwrap().unwrap();
        let variable = dwarf.variable("vm_list").unwrap().unwrap();
        let address = variable.address.unwrap();
        assert_eq!(symbols.unique("vm_list").unwrap().address, address);
        let (section, offset) = elf.section_at(address).unwrap();
        println!("vm_list in {} at {offset:#x}", section.name);
        assert!(section.name.starts_with('.') && offset < section.size);
    }
}

#[test]
fn dwarf_4_has_the_same_model() {
    let Some(folder) = kernel("virtrel") else {
        return;
    };
    let elf = elf(&folder.join("vmlinux"));
    assert!(!elf.has_btf());
    let start = Instant::now();
    let dwarf = Dwarf::load(&elf).unwrap();
    let task = dwarf.struct_named("task_struct").unwrap();
    println!(
        "virtrel: first lookup {:.0} ms, index {} bytes",
        ms(start),
        dwarf.index_bytes()
    );
    for path in [
        "pid",
        "comm",
        "comm[3]",
        "tasks.next",
        "thread.sp",
        "sched_reset_on_fork",
        "mm",
    ] {
        let place = dwarf.member_path(task, path).unwrap();
        println!("task_struct.{path}: {place:?}");
    }
    // Bitfields of DWARF 4 may count from either end: neighbours must not overlap.
    let mut bits: Vec<_> = layout(&dwarf, task)
        .into_iter()
        .filter_map(|(_, at, width, _)| Some((at, width?)))
        .collect();
    bits.sort_unstable();
    assert!(bits.len() > 4);
    for pair in bits.windows(2) {
        assert!(pair[0].0 + u64::from(pair[0].1) <= pair[1].0, "{pair:?}");
    }
    let symbols = elf.symbols().unwrap().unwrap();
    assert_eq!(
        dwarf.variable("init_task").unwrap().unwrap().address,
        Some(symbols.unique("init_task").unwrap().address)
    );
}

#[test]
fn reading_is_fast_enough_to_do_it_anew_each_time() {
    let Some(folder) = kernel("virtdbg") else {
        return;
    };
    let elf = elf(&folder.join("vmlinux"));
    let bytes = elf.section_bytes(".BTF").unwrap().unwrap();
    let start = Instant::now();
    let btf = Btf::parse(bytes, None).unwrap();
    let parsed = ms(start);
    btf.struct_named("task_struct").unwrap();
    println!(
        "BTF: {} types in {parsed:.2} ms, first name {:.2} ms",
        btf.len(),
        ms(start)
    );
    let start = Instant::now();
    btf.enumerator("MODULE_STATE_LIVE").unwrap();
    println!("BTF: first enumerator {:.2} ms", ms(start));
    let start = Instant::now();
    let dwarf = Dwarf::load(&elf).unwrap();
    println!("DWARF: {} units in {:.2} ms", dwarf.unit_count(), ms(start));
    dwarf.struct_named("task_struct").unwrap();
    println!(
        "DWARF: first name {:.0} ms, index {} bytes",
        ms(start),
        dwarf.index_bytes()
    );
    let start = Instant::now();
    dwarf.enumerator("MODULE_STATE_LIVE").unwrap();
    println!(
        "DWARF: first enumerator {:.0} ms, indices {} bytes",
        ms(start),
        dwarf.index_bytes()
    );
    let start = Instant::now();
    let symbols = elf.symbols().unwrap().unwrap();
    symbols.unique("panic").unwrap();
    println!(
        "symtab: first name {:.2} ms of {}",
        ms(start),
        symbols.len()
    );
}

/// The bytes of a linked file from an address to the end of its section.
fn bytes_from(elf: &ElfFile, address: VirtAddr) -> Vec<u8> {
    let (section, offset) = elf.section_at(address).unwrap();
    elf.section_bytes(&section.name).unwrap().unwrap()[offset as usize..].to_vec()
}

/// The tables of kallsyms as they lie in a vmlinux, read as from a dump: only
/// addresses and one known symbol are given.
fn kallsyms_of(elf: &ElfFile) -> Kallsyms {
    let symbols = elf.symbols().unwrap().unwrap();
    let address = |name: &str| symbols.unique(name).map(|symbol| symbol.address);
    let table = |name: &str| bytes_from(elf, address(name).unwrap());
    let num_syms = u32::from_le_bytes(table("kallsyms_num_syms")[..4].try_into().unwrap());
    let names = table("kallsyms_names");
    let start = Instant::now();
    let tokens = (
        table("kallsyms_token_table").into(),
        table("kallsyms_token_index").into(),
    );
    let names = KallsymsNames::parse(num_syms, names.into(), tokens.0, tokens.1).unwrap();
    let offsets = || FileBytes::from(table("kallsyms_offsets"));
    let mut candidates = vec![KallsymsAddresses::PlaceRelative {
        offsets: offsets(),
        table_address: address("kallsyms_offsets").unwrap(),
    }];
    if let Some(place) = address("kallsyms_relative_base") {
        let base = VirtAddr(u64::from_le_bytes(
            bytes_from(elf, place)[..8].try_into().unwrap(),
        ));
        candidates.push(KallsymsAddresses::BaseRelative {
            offsets: offsets(),
            base,
        });
        candidates.push(KallsymsAddresses::AbsolutePercpu {
            offsets: offsets(),
            base,
        });
    }
    let known = [
        ("_stext", address("_stext").unwrap()),
        ("init_uts_ns", address("init_uts_ns").unwrap()),
    ];
    let addresses = guess_encoding(&names, &candidates, &known).unwrap();
    let table = Kallsyms::new(names, addresses).unwrap();
    println!(
        "kallsyms: {} symbols, {}, read in {:.2} ms",
        table.len(),
        table.addresses().label(),
        ms(start)
    );
    table
}

#[test]
fn kallsyms_in_a_vmlinux_agrees_with_its_symbol_table() {
    for name in ["virtdbg", "virtrel"] {
        let Some(folder) = kernel(name) else { return };
        let elf = elf(&folder.join("vmlinux"));
        let kallsyms = kallsyms_of(&elf);
        let symbols = elf.symbols().unwrap().unwrap();
        let (mut same, mut wrong) = (0, Vec::new());
        kallsyms.for_each(&mut |name, address, _| {
            if symbols
                .lookup(name)
                .iter()
                .any(|symbol| symbol.address == address)
            {
                same += 1;
            } else {
                wrong.push(format!("{name} {address}"));
            }
        });
        println!(
            "{name}: {same} symbols agree, {} do not: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        // Symbols that moved between the link of kallsyms and the last one do not exist.
        assert!(wrong.is_empty());
        for wanted in ["panic", "init_task", "crashing_cpu"] {
            let start = Instant::now();
            let found = kallsyms.lookup(wanted);
            println!("{name}: {wanted} found in {:.2} ms: {found:?}", ms(start));
        }
        let panic = kallsyms.unique("panic").unwrap();
        let start = Instant::now();
        assert_eq!(kallsyms.at(panic.address.add(9)).unwrap().0.name, "panic");
        println!("{name}: an address named in {:.3} ms", ms(start));
        let start = Instant::now();
        for _ in 0..3 {
            kallsyms.lookup("schedule");
        }
        println!(
            "{name}: three lookups, one of which builds the index, {:.2} ms",
            ms(start)
        );
    }
}
