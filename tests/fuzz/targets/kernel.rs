//! A kernel's memory: tables, rings, lists, code.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use virtopsy_kernel::xarray::{self, NodeLayout};
use virtopsy_kernel::{
    AddressSpace, CpuId, Function, Kernel, KernelOptions, OrcTable, OrcVersion, PagingMode, Start,
    VirtAddr, list,
};
use virtopsy_testkit::{Elf, Kdump, KdumpBytes, Memory, Note, Page};
use virtopsy_vmcore::{Dump, OpenOptions, PageState, Pfn, PhysAddr};

use super::{number, rest};

const PAGE: usize = 4096;
/// Where a made kernel's image is.
const VIRT: u64 = 0xffff_ffff_8100_0000;
const PHYS: u64 = 0x100_0000;
/// Where the fuzzer's bytes are in it.
const GIVEN: u64 = 0x10_000;
/// Most pages of the fuzzer's bytes.
const MOST_PAGES: usize = 16;

/// A page whose words are zero but for these.
fn table(entries: &[(usize, u64)]) -> Page {
    let mut page = vec![0; PAGE];
    for (index, entry) in entries {
        if let Some(room) = page.get_mut(index * 8..index * 8 + 8) {
            room.copy_from_slice(&entry.to_le_bytes());
        }
    }
    Page::Data(page)
}

fn whole_pages(data: &[u8]) -> impl Iterator<Item = Page> {
    data.chunks(PAGE).take(MOST_PAGES).map(|chunk| {
        let mut page = chunk.to_vec();
        page.resize(PAGE, 0);
        Page::Data(page)
    })
}

/// Memory with page tables that map 2 MiB at `VIRT`, and `data` in it.
fn image(data: &[u8]) -> Memory {
    let mut memory = Memory::new(PAGE as u64);
    let pfn = PHYS / PAGE as u64;
    memory
        .pages
        .insert(pfn + 3, table(&[(511, 0x10_0000 | 0x63)]));
    memory
        .pages
        .insert(0x100, table(&[(510, 0x10_1000 | 0x63)]));
    memory.pages.insert(0x101, table(&[(8, PHYS | 0xe3)]));
    let mut uts = vec![0; PAGE];
    for (room, byte) in uts.iter_mut().skip(130).zip(b"6.18.0-fuzz") {
        *room = *byte;
    }
    memory.pages.insert(pfn + 2, Page::Data(uts));
    let given = (PHYS + GIVEN) / PAGE as u64;
    memory.pages.extend((given..).zip(whole_pages(data)));
    memory
}

fn space(memory: &Memory, root: u64) -> Option<AddressSpace> {
    let dump = Dump::from_bytes(Elf::of(memory).build()).ok()?;
    let mode = PagingMode {
        root: PhysAddr(root),
        five_levels: false,
        sme_mask: 0,
        phys_base: 0,
    };
    Some(AddressSpace::new(Arc::new(dump), mode))
}

/// Two addresses, flags, then pages of tables from frame 1 on, the first of them the root.
pub fn page_tables(data: &[u8]) {
    let mut memory = Memory::new(PAGE as u64);
    memory.pages.extend((1..).zip(whole_pages(rest(data, 17))));
    let Ok(dump) = Dump::from_bytes(Elf::of(&memory).build()) else {
        return;
    };
    let flags = number(data, 16);
    let mode = PagingMode {
        root: PhysAddr(0x1000),
        five_levels: flags & 1 == 1,
        sme_mask: if flags & 2 == 2 { 1 << 47 } else { 0 },
        phys_base: 0,
    };
    let space = AddressSpace::new(Arc::new(dump), mode);
    for at in [number(data, 0), number(data, 8)].map(VirtAddr) {
        let _ = space.walk_only(at);
        let _ = space.translate(at);
        let _ = space.u64(at);
        let _ = space.bytes(at, 3 * PAGE);
        let _ = space.string(at, 2 * PAGE);
    }
}

/// Lists and an xarray in memory: where they begin, then the memory.
pub fn lists(data: &[u8]) {
    let Some(space) = space(&image(rest(data, 4)), PHYS + 0x3000) else {
        return;
    };
    let head = VIRT + GIVEN + (number(data, 0) & 0xffff);
    list::walk(&space, "fuzzed", VirtAddr(head), 1000);
    list::walk_back(&space, "fuzzed", VirtAddr(head), 1000);
    let layout = NodeLayout {
        shift: 0,
        slots: 40,
        // Up to 64 are believed.
        count: number(data, 2) % 66,
    };
    xarray::walk_from(&space, head | 2, layout, 1000);
}

/// Symbols, sizes and offsets that the log is read by (include/linux/printk_ringbuffer.h, 5.10).
const RING: &str = "SIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\nOFFSET(prb_desc.text_blk_lpos)=8\n\
    OFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)=24\n\
    OFFSET(printk_info.seq)=0\nOFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n\
    OFFSET(printk_info.caller_id)=20\nOFFSET(printk_ringbuffer.desc_ring)=0\n\
    OFFSET(printk_ringbuffer.text_data_ring)=48\nOFFSET(prb_desc_ring.count_bits)=0\n\
    OFFSET(prb_desc_ring.descs)=8\nOFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n\
    OFFSET(prb_desc_ring.tail_id)=32\nOFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n";

/// The older log: records that follow each other (3.5 to 5.9).
const RECORDS: &str = "SIZE(printk_log)=16\nOFFSET(printk_log.ts_nsec)=0\nOFFSET(printk_log.len)=8\n\
    OFFSET(printk_log.text_len)=10\nOFFSET(printk_log.dict_len)=12\n";

/// The log: one byte chooses its kind, the rest is memory whose first word points to the ring.
pub fn printk(data: &[u8]) {
    let memory = image(rest(data, 1));
    let mut text = format!(
        "OSRELEASE=6.18.0-fuzz\nPAGESIZE=4096\nSYMBOL(_stext)={VIRT:x}\nSYMBOL(init_uts_ns)={:x}\n\
         OFFSET(uts_namespace.name)=0\nSYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)=0\nKERNELOFFSET=0\n",
        VIRT + 0x2000,
        VIRT + 0x3000,
    );
    // A kernel that does not name its kallsyms is searched for them: that would be all the time.
    for name in ["names", "num_syms", "token_table", "token_index"] {
        let _ = writeln!(text, "SYMBOL(kallsyms_{name})={:x}", VIRT + 0x3000);
    }
    let given = VIRT + GIVEN;
    if number(data, 0) & 1 == 0 {
        let _ = write!(text, "SYMBOL(prb)={given:x}\n{RING}");
    } else {
        let names = ["log_buf", "log_buf_len", "log_first_idx", "log_next_idx"];
        for (i, name) in names.iter().enumerate() {
            let _ = writeln!(text, "SYMBOL({name})={:x}", given + i as u64 * 8);
        }
        text.push_str(RECORDS);
    }
    let elf = Elf::of(&memory).note(Note::vmcoreinfo(&text));
    let Ok(dump) = Dump::from_bytes(elf.build()) else {
        return;
    };
    if let Ok(kernel) = Kernel::open(Arc::new(dump), &KernelOptions::default()) {
        let _ = kernel.log();
    }
}

/// An ORC table: where to look, how many entries, then ips and entries.
pub fn orc(data: &[u8]) {
    let bytes = rest(data, 12);
    let versions = [
        OrcVersion::V4_14,
        OrcVersion::V6_3,
        OrcVersion::V6_4,
        OrcVersion::V7_1,
    ];
    OrcVersion::of_header(bytes);
    OrcVersion::of_entries(bytes);
    for version in versions {
        for entry in bytes.chunks_exact(6).take(64) {
            if let Ok(raw) = entry.try_into() {
                version.decode(raw);
            }
        }
    }
    let Some(space) = space(&image(bytes), PHYS + 0x3000) else {
        return;
    };
    let table = OrcTable {
        ips: VirtAddr(VIRT + GIVEN),
        entries: VirtAddr(VIRT + GIVEN + 0x1000),
        count: number(data, 8) & 0xffff_ffff,
    };
    let _ = table.find(&space, number(data, 0));
}

/// Machine code as it stands in a dump, and two places in it.
pub fn code(data: &[u8]) {
    let text = rest(data, 4);
    let function = Function::decode("fuzzed", VirtAddr(VIRT), text);
    let place = |at| VirtAddr(VIRT + (number(data, at) & 0xffff));
    let (a, b) = (place(0), place(2));
    function.switches_svm();
    function.calls();
    function.call_returning_to(a);
    function.is_only_reached_through(a, b);
    function.is_reachable(a);
    function.follows(a, b);
    function.references_to(b);
}

/// A real crashed kernel, of which the fuzzer changes memory.
struct Crashed {
    built: KdumpBytes,
    /// Where in the file there is what is walked.
    places: Vec<usize>,
}

fn crashed_kernel() -> Option<&'static Crashed> {
    static CRASHED: OnceLock<Option<Crashed>> = OnceLock::new();
    CRASHED.get_or_init(load).as_ref()
}

/// Pages of the sample that opening and the walks below read, and no others: a small dump.
fn load() -> Option<Crashed> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let sample = samples
        .map(|f| f.join("samples/svm-stuck-cpu2.kdump"))
        .find(|f| f.exists())?;
    let dump = Dump::open(&[sample], &OpenOptions::default()).ok()?;
    let mut memory = Memory::new(PAGE as u64);
    for pfn in (0..dump.max_pfn().0).filter(|p| dump.page_state(Pfn(*p)) == PageState::Data) {
        memory
            .pages
            .insert(pfn, Page::Data(dump.page(Pfn(pfn)).ok()?.to_vec()));
    }
    let notes: Vec<Note> = dump
        .notes()
        .iter()
        .map(|n| Note::new(&n.name, n.kind, n.desc.clone()))
        .collect();
    let kernel = Kernel::open(Arc::new(dump), &KernelOptions::default()).ok()?;
    let mut addresses: Vec<VirtAddr> = Vec::new();
    addresses.extend(kernel.modules().modules.iter().map(|m| m.address));
    addresses.extend(kernel.vms().ok()?.vms.iter().map(|vm| vm.address));
    addresses.extend(kernel.tasks().tasks.iter().take(32).map(|t| t.address));
    for cpu in (0..4).map(CpuId) {
        addresses.extend(
            kernel
                .nmi_stack(cpu)
                .map(|s| VirtAddr(s.top.0 - PAGE as u64)),
        );
        addresses.extend(kernel.crash_note(cpu).map(|n| n.address));
        addresses.extend(kernel.percpu("current_task", cpu));
    }
    let names = [
        "modules",
        "init_task",
        "__cpu_possible_mask",
        "__per_cpu_offset",
        "prb",
    ];
    addresses.extend(names.iter().filter_map(|name| kernel.symbol(name).ok()));
    let frames: Vec<PhysAddr> = addresses
        .iter()
        .filter_map(|at| kernel.space().translate(*at).ok())
        .collect();
    let built = notes
        .into_iter()
        .fold(Kdump::new(memory).codec(None), Kdump::note)
        .build();
    let place = |at: &PhysAddr| {
        let place = built.places.get(&(at.0 / PAGE as u64))?;
        Some(place.data + (at.0 % PAGE as u64) as usize)
    };
    let places = frames.iter().filter_map(place).collect();
    Some(Crashed { built, places })
}

/// Changes to a crashed kernel's memory, twelve bytes each: which object (1), what to do (1), at
/// which offset (2), the new word (8). Then modules, tasks, VMs, stacks and the log are walked.
pub fn crashed(data: &[u8]) {
    let Some(crashed) = crashed_kernel() else {
        return;
    };
    let mut bytes = crashed.built.bytes.clone();
    for change in data.chunks_exact(12).take(16) {
        let index = number(change, 0) as usize & 0xff;
        let Some(place) = crashed.places.get(index % crashed.places.len().max(1)) else {
            return;
        };
        let at = place + (number(change, 2) as usize & 0xfff);
        let Some(room) = bytes.get_mut(at..at + 8) else {
            continue;
        };
        let word = number(change, 4).to_le_bytes();
        match number(change, 1) & 3 {
            0 => room.copy_from_slice(&word),
            1 => room.iter_mut().zip(word).for_each(|(b, w)| *b ^= w),
            2 => room.iter_mut().zip(word).take(4).for_each(|(b, w)| *b = w),
            _ => room.iter_mut().zip(word).take(2).for_each(|(b, w)| *b = w),
        }
    }
    let Ok(dump) = Dump::from_bytes(bytes) else {
        return;
    };
    let Ok(kernel) = Kernel::open(Arc::new(dump), &KernelOptions::default()) else {
        return;
    };
    let _ = kernel.log();
    let _ = kernel.vms();
    for module in &kernel.modules().modules {
        let _ = module.symbols(&kernel);
    }
    let tasks = kernel.tasks();
    let unwinder = kernel.unwinder();
    for task in tasks.tasks.iter().take(8) {
        unwinder.backtrace(Start::Task(task.address));
    }
}
