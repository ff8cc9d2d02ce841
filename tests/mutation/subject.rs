//! A dump under test: its pristine copy, its truth, and what the verdict on it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;
use virtopsy::kernel::{CpuId, Kernel, VirtAddr};
use virtopsy::{DumpSpec, Options, Session};
use virtopsy_testkit::{Kdump, KdumpBytes};
use virtopsy_vmcore::PhysAddr;

use crate::apart::take_apart;
use crate::pages::Pages;

const PAGE: u64 = 4096;

/// A stretch of the file, in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Stretch {
    pub(crate) at: u64,
    pub(crate) len: u64,
}

/// A dump and where to hurt it. Every place is an offset in `file`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) name: String,
    /// The pristine copy.
    pub(crate) file: PathBuf,
    /// CPUs that are on in truth.
    pub(crate) on: Vec<u32>,
    /// Whether every CPU is off in truth.
    pub(crate) all_off: bool,
    /// Headers, notes and bitmaps.
    pub(crate) head: u64,
    /// Pages that the verdict reads.
    pub(crate) hot: Vec<u64>,
    /// Their descriptors.
    pub(crate) descriptors: Vec<u64>,
    /// Words that the report names as its proof.
    pub(crate) words: Vec<u64>,
    /// Page-table pages that the verdict walks.
    pub(crate) tables: Vec<u64>,
    /// What the kernel keeps at a name: the log, lists, masks, symbol and type tables, stacks.
    pub(crate) areas: BTreeMap<String, Vec<Stretch>>,
}

/// Truth of one dump.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    on: Vec<u32>,
    all_off: bool,
}

impl Truth {
    /// Reads one entry of a `truth.json`.
    pub(crate) fn of(entry: &Value) -> Truth {
        let cpus = entry["cpus"].as_array().unwrap();
        let on = cpus.iter().filter(|c| c["state"] == "on");
        Truth {
            on: on.map(|c| c["cpu"].as_u64().unwrap() as u32).collect(),
            all_off: entry["verdict"] == "all-off",
        }
    }
}

impl Subject {
    /// The file as it is: compressed, flattened, ELF.
    pub(crate) fn as_it_is(name: &str, dump: &Path, truth: &Truth) -> Subject {
        let len = std::fs::metadata(dump).unwrap().len();
        Subject {
            name: format!("{name} as it is"),
            file: dump.to_path_buf(),
            on: truth.on.clone(),
            all_off: truth.all_off,
            head: len.min(1 << 20),
            ..Subject::default()
        }
    }

    /// A plain copy in `folder`, each page at a known place.
    pub(crate) fn plain(name: &str, dump: &Path, truth: &Truth, folder: &Path) -> Subject {
        let (memory, notes) = take_apart(dump);
        let plain = Kdump::new(memory).codec(None);
        let built = notes.into_iter().fold(plain, Kdump::note).build();
        let file = folder.join(format!("{name}.plain"));
        std::fs::write(&file, &built.bytes).unwrap();
        let mut subject = Subject {
            name: format!("{name} plain"),
            on: truth.on.clone(),
            all_off: truth.all_off,
            head: built.descriptors as u64,
            ..Subject::default()
        };
        let places = Places(&built);
        let pages = Pages::default();
        let subscriber = tracing_subscriber::registry().with(pages.clone());
        let (session, report) = tracing::subscriber::with_default(subscriber, || {
            let session = open(&file).unwrap();
            let report = serde_json::to_value(session.report()).unwrap();
            (session, report)
        });
        for pfn in pages.0.lock().unwrap().iter() {
            if let Some(place) = built.places.get(pfn) {
                subject.hot.push(place.data as u64);
                subject.descriptors.push(place.descriptor as u64);
            }
        }
        if let Ok(kernel) = session.kernel() {
            let mut addresses = BTreeSet::new();
            named_addresses(&report, &mut addresses);
            let offset = |at: &u64| places.of(kernel, VirtAddr(*at));
            subject.words = addresses.iter().filter_map(offset).collect();
            subject.tables = places.tables(kernel, &subject.hot);
            subject.areas = areas(kernel, &places);
        }
        subject.file = file;
        subject
    }
}

/// Opens a dump as the campaign does: by position, as the file changes between runs.
pub(crate) fn open(path: &Path) -> Result<Session, virtopsy::Error> {
    let mut options = Options::default();
    options.dump.mmap = false;
    options.kernel.system_root = None;
    let paths = vec![path.to_path_buf()];
    Session::open(&DumpSpec { paths }, &options)
}

/// Every `"0x…"` under a key `address`.
fn named_addresses(value: &Value, found: &mut BTreeSet<u64>) {
    match value {
        Value::Object(map) => {
            let text = map.get("address").and_then(Value::as_str);
            let number = text.and_then(|t| u64::from_str_radix(t.strip_prefix("0x")?, 16).ok());
            found.extend(number);
            map.values().for_each(|v| named_addresses(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| named_addresses(v, found)),
        _ => {}
    }
}

struct Places<'a>(&'a KdumpBytes);

impl Places<'_> {
    fn of(&self, kernel: &Kernel, at: VirtAddr) -> Option<u64> {
        self.physical(kernel.space().translate(at).ok()?)
    }

    fn physical(&self, at: PhysAddr) -> Option<u64> {
        let place = self.0.places.get(&(at.0 / PAGE))?;
        (place.size as u64 == PAGE).then(|| place.data as u64 + at.0 % PAGE)
    }

    /// The stretches that hold `len` bytes of memory from `at`.
    fn stretches(&self, kernel: &Kernel, at: VirtAddr, len: u64) -> Vec<Stretch> {
        let mut found = Vec::new();
        let mut done = 0;
        while done < len {
            let here = at.0.wrapping_add(done);
            let part = (PAGE - here % PAGE).min(len - done);
            if let Some(offset) = self.of(kernel, VirtAddr(here)) {
                found.push(Stretch {
                    at: offset,
                    len: part,
                });
            }
            done += part;
        }
        found
    }

    /// Page-table pages below the kernel's root, of those that were read.
    fn tables(&self, kernel: &Kernel, read: &[u64]) -> Vec<u64> {
        let read: BTreeSet<u64> = read.iter().copied().collect();
        let mut level = BTreeSet::from([kernel.space().root().0 / PAGE]);
        let mut found = BTreeSet::new();
        for _ in 0..kernel.space().levels() {
            let mut below = BTreeSet::new();
            for pfn in level {
                let Some(at) = self
                    .physical(PhysAddr(pfn * PAGE))
                    .filter(|at| read.contains(at))
                else {
                    continue;
                };
                found.insert(at);
                let table = &self.0.bytes[at as usize..(at + PAGE) as usize];
                let entries = table
                    .chunks(8)
                    .map(|e| u64::from_le_bytes(e.try_into().unwrap()));
                let tables = entries.filter(|e| e & 0x81 == 1);
                below.extend(tables.map(|e| e >> 12 & 0xff_ffff_ffff));
            }
            level = below;
        }
        found.into_iter().collect()
    }
}

/// Symbols whose memory a verdict, the log or the debug information stands on.
const SYMBOLS: [&str; 34] = [
    "prb",
    "printk_rb_static",
    "__log_buf",
    "_printk_rb_static_descs",
    "_printk_rb_static_infos",
    "log_buf",
    "modules",
    "mod_tree",
    "kallsyms_names",
    "kallsyms_num_syms",
    "kallsyms_markers",
    "kallsyms_token_table",
    "kallsyms_token_index",
    "kallsyms_offsets",
    "kallsyms_relative_base",
    "kallsyms_seqs_of_names",
    "__start_BTF",
    "__cpu_possible_mask",
    "__cpu_online_mask",
    "__per_cpu_offset",
    "nr_cpu_ids",
    "crashing_cpu",
    "crash_notes",
    "init_task",
    "init_top_pgt",
    "boot_cpu_data",
    "system_state",
    "panic_cpu",
    "waiting_for_crash_ipi",
    "kvm_emergency_callback",
    "cpu_emergency_virt_callback",
    "crash_nmi_callback",
    "vmcoreinfo_data",
    "linux_banner",
];

const PERCPU: [&str; 8] = [
    "exception_stacks",
    "cpu_tss_rw",
    "virtualization_nr_users",
    "cpu_tlbstate",
    "current_task",
    "pcpu_hot",
    "cpu_info",
    "runqueues",
];

fn areas(kernel: &Kernel, places: &Places<'_>) -> BTreeMap<String, Vec<Stretch>> {
    let mut areas = BTreeMap::new();
    let mut put = |name: String, at: VirtAddr, len: u64| {
        let stretches = places.stretches(kernel, at, len);
        if !stretches.is_empty() {
            areas.insert(name, stretches);
        }
    };
    let symbols = kernel.symbols().unwrap();
    for name in SYMBOLS {
        for symbol in symbols.all(name) {
            let size = symbol.size.unwrap_or(PAGE).clamp(8, 8 << 20);
            put(name.to_owned(), symbol.address, size);
        }
    }
    for cpu in (0..kernel.cpus().map_or(0, |c| c.possible.count())).map(CpuId) {
        for name in PERCPU {
            if let Ok(at) = kernel.percpu(name, cpu) {
                let size = symbols.get(name).and_then(|s| s.size).unwrap_or(64);
                put(format!("{name} of {}", cpu.0), at, size.min(64 << 10));
            }
        }
        if let Ok(note) = kernel.crash_note(cpu) {
            put(format!("crash note of {}", cpu.0), note.address, 424);
        }
        if let Ok(stack) = kernel.nmi_stack(cpu) {
            put(
                format!("NMI stack of {}", cpu.0),
                stack.bottom,
                stack.top.0 - stack.bottom.0,
            );
        }
    }
    for module in &kernel.modules().modules {
        put(format!("module {}", module.name), module.address, 1536);
    }
    if let Ok(vms) = kernel.vms() {
        for (i, vm) in vms.vms.iter().enumerate() {
            put(format!("VM {i}"), vm.address, 4096);
        }
    }
    areas
}
