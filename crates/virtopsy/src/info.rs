//! What a dump is made of: container, pages, notes, VMCOREINFO, and where symbols and types come
//! from. No verdict: this is for the question "what is this file, and what does it lack?"

use std::sync::atomic::AtomicBool;

use serde::Serialize;
use virtopsy_kernel::Kernel;
use virtopsy_vmcore::{Dump, ElfHeader, KdumpHeader, Note, PageCounts};

use crate::report::extract::Completeness;
use crate::report::{ErrorReport, ExtractReport, Hex, Text};
use crate::{DumpSpec, Options, Session};

/// Ranges of memory that are listed; a filtered ELF dump can have millions.
const RANGES_LISTED: usize = 256;

/// Everything that is known of a dump as a file.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct DumpInfo {
    /// The path as the user gave it.
    pub path: Text,
    /// Why the file, or a vmlinux that was named for it, can't be used.
    pub error: Option<ErrorReport>,
    /// The container; absent where it did not open.
    pub container: Option<ContainerInfo>,
    /// The kernel, where its memory can be read by virtual address.
    pub kernel: Option<KernelInfo>,
    /// Why there is no kernel.
    pub kernel_error: Option<ErrorReport>,
}

/// The file's format and what it holds.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ContainerInfo {
    /// `elf`, `kdump`, `kdump-flattened`, …
    pub format: String,
    /// How the file is packed as a whole: `gzip`, `xz`, `zstd`, `lz4`; absent where it is not.
    pub packed: Option<String>,
    /// Whether it is the memory of the running machine, which changes while it is read.
    pub live: bool,
    /// Page codecs that the header declares.
    pub compression: Vec<String>,
    /// False when something is known to be lost.
    pub complete: bool,
    /// What is lost.
    pub incomplete_because: Vec<String>,
    /// What the file was made of, where it is an extract of a dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<ExtractReport>,
    /// Header fields, name and value, in the file's order.
    pub header: Vec<Field>,
    /// Bytes in a page.
    pub page_size: u64,
    /// Pages by state.
    pub pages: PagesInfo,
    /// Physical memory that is described: first byte and one past the last. At most 256.
    pub ranges: Vec<[Hex; 2]>,
    /// How many ranges there are.
    pub ranges_total: u64,
    /// Notes, those of one kind together, in the order of their first.
    pub notes: Vec<NoteInfo>,
    /// Device dumps (NT_VMCOREDD) among the notes, by name.
    pub device_dumps: Vec<Text>,
    /// What makedumpfile erased on request, a line each: such values are not the kernel's.
    pub erased: Vec<Text>,
    /// Whether there is a VMCOREINFO note. The kernel's own copy is used where there is none.
    pub vmcoreinfo_note: bool,
}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Field {
    /// The name as the format's documentation has it.
    pub name: String,
    /// The value, readable.
    pub value: Text,
}

/// Pages by what the dump has of them, from bitmaps and descriptors: none was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PagesInfo {
    /// With data.
    pub present: u64,
    /// Sharing the writer's one page of zeros; zeros that stand alone count as present.
    pub zero: u64,
    /// Left out by the writer; in ELF dumps they may have been zeros.
    pub excluded: u64,
    /// Lost: cut short, truncated, or in a part that was not given.
    pub missing: u64,
    /// Damaged.
    pub corrupt: u64,
    /// Without memory.
    pub hole: u64,
}

/// Notes of one owner and type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NoteInfo {
    /// `CORE`, `QEMU`, `VMCOREINFO`.
    pub owner: Text,
    /// Its type; the meaning depends on the owner.
    #[serde(rename = "type")]
    pub kind: u32,
    /// How many.
    pub count: u64,
    /// Bytes of content together.
    pub size: u64,
    /// What such a note is.
    pub meaning: &'static str,
}

/// The kernel in the dump, and what it takes to read it by name.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct KernelInfo {
    /// `uname -r`.
    pub release: Text,
    /// GNU build-id of its vmlinux.
    pub build_id: Option<String>,
    /// How far KASLR moved it, in bytes.
    pub kaslr_offset: Option<Hex>,
    /// Physical address of the top-level page table.
    pub page_table: Hex,
    /// Levels of the page tables.
    pub page_table_levels: u64,
    /// VMCOREINFO as it is used, line by line.
    pub vmcoreinfo: Vec<Field>,
    /// Where symbols come from, or what is missing.
    pub symbols: Finding,
    /// Where types come from, or what is missing.
    pub types: Finding,
    /// What was tried while opening.
    pub notes: Vec<Text>,
}

/// Something that is needed: found somewhere, or missing for a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Where it was found.
    pub from: Option<String>,
    /// How much of it there is, where that is a number.
    pub count: Option<u64>,
    /// Why it was not found.
    pub missing: Option<Text>,
    /// What would help.
    pub needed: Option<Text>,
}

/// Looks at a dump. What went wrong is in the result's `error`; where that is a vmlinux that does not
/// fit, the dump is told of without it. See [`Session::info`] for what it costs.
pub fn inspect(spec: &DumpSpec, options: &Options, cancel: &AtomicBool) -> DumpInfo {
    let error = match Session::open(spec, options) {
        Ok(session) => return session.info(cancel),
        Err(error) => error,
    };
    // A vmlinux that does not fit says nothing against the dump.
    let mut bare = options.clone();
    bare.kernel.vmlinux = None;
    let info = match Session::open(spec, &bare) {
        Ok(session) => session.info(cancel),
        Err(_) => DumpInfo {
            path: spec.label(),
            ..DumpInfo::default()
        },
    };
    DumpInfo {
        error: Some(error.into()),
        ..info
    }
}

impl Session {
    /// What the dump is made of, and where symbols and types come from or what is needed for them.
    /// All bitmaps and descriptors are read to count pages: 1 TiB of memory takes seconds; `cancel`
    /// ends that early, with the counts so far.
    pub fn info(&self, cancel: &AtomicBool) -> DumpInfo {
        let (kernel, kernel_error) = match self.kernel() {
            Ok(found) => (Some(kernel(found)), None),
            Err(error) => (None, Some(error.into())),
        };
        DumpInfo {
            path: self.spec().label(),
            error: None,
            container: Some(container(self.dump(), cancel)),
            kernel,
            kernel_error,
        }
    }
}

fn container(dump: &Dump, cancel: &AtomicBool) -> ContainerInfo {
    let completeness = Completeness::of(dump);
    let ranges = dump.physical_ranges();
    let header = match (dump.kdump_header(), dump.elf_header()) {
        (Some(kdump), _) => kdump_fields(kdump),
        (None, Some(elf)) => elf_fields(elf),
        (None, None) => Vec::new(),
    };
    let erased = dump.erase_info().unwrap_or_default();
    ContainerInfo {
        format: dump.format().to_string(),
        packed: dump.packing().map(|packing| packing.to_string()),
        live: dump.is_live(),
        compression: dump.compression().iter().map(ToString::to_string).collect(),
        complete: completeness.complete,
        incomplete_because: completeness.reasons,
        extract: completeness.extract,
        header,
        page_size: dump.page_size(),
        pages: dump.count_pages(cancel).into(),
        ranges_total: ranges.len() as u64,
        ranges: ranges
            .iter()
            .take(RANGES_LISTED)
            .map(|r| [Hex(r.start.0), Hex(r.end.0)])
            .collect(),
        notes: grouped(dump.notes()),
        device_dumps: dump
            .notes()
            .iter()
            .filter_map(Note::device_dump)
            .map(Text::from)
            .collect(),
        erased: erased.lines().map(Text::from).collect(),
        vmcoreinfo_note: dump.vmcoreinfo().is_some(),
    }
}

impl From<PageCounts> for PagesInfo {
    fn from(counts: PageCounts) -> PagesInfo {
        PagesInfo {
            present: counts.data,
            zero: counts.zero,
            excluded: counts.excluded,
            missing: counts.incomplete,
            corrupt: counts.corrupt,
            hole: counts.hole,
        }
    }
}

fn field(name: &str, value: impl ToString) -> Field {
    Field {
        name: name.to_owned(),
        value: Text::from(value.to_string()),
    }
}

fn kdump_fields(header: &KdumpHeader) -> Vec<Field> {
    let uts = &header.utsname;
    let mut fields = vec![
        field("signature", header.signature.trim_end()),
        field("header_version", header.version),
        field(
            "utsname",
            [
                &uts.sysname,
                &uts.nodename,
                &uts.release,
                &uts.version,
                &uts.machine,
            ]
            .map(String::as_str)
            .join(" ")
            .trim(),
        ),
        field("status", format_args!("{:#x}", header.status)),
        field("block_size", header.block_size),
        field("bitmaps", if header.two_bitmaps { 2 } else { 1 }),
        field("max_mapnr", format_args!("{:#x}", header.max_mapnr)),
        field("nr_cpus", header.nr_cpus),
        field("phys_base", format_args!("{:#x}", header.phys_base)),
    ];
    fields.extend(header.dump_level.map(|level| field("dump_level", level)));
    let window = header.split.as_ref();
    fields.extend(window.map(|w| field("split", format_args!("pages {} to {}", w.start, w.end))));
    fields
}

fn elf_fields(header: &ElfHeader) -> Vec<Field> {
    vec![
        field("class", header.class),
        field("e_machine", header.machine),
        field("e_flags", format_args!("{:#x}", header.flags)),
        field("segments", header.segments),
    ]
}

fn grouped(notes: &[Note]) -> Vec<NoteInfo> {
    let mut groups: Vec<NoteInfo> = Vec::new();
    for note in notes {
        let owner = Text::from(note.name.as_str());
        if let Some(group) = groups
            .iter_mut()
            .find(|g| g.owner == owner && g.kind == note.kind)
        {
            group.count += 1;
            group.size = group.size.saturating_add(note.size);
        } else if groups.len() < RANGES_LISTED {
            let (kind, size, meaning) = (note.kind, note.size, meaning(note));
            groups.push(NoteInfo {
                owner,
                kind,
                count: 1,
                size,
                meaning,
            });
        }
    }
    groups
}

fn meaning(note: &Note) -> &'static str {
    match (note.name.as_str(), note.kind) {
        ("CORE", 1) => "registers of a CPU (NT_PRSTATUS)",
        ("QEMU", _) => "a virtual CPU as QEMU saw it, control registers included",
        ("VMCOREINFO", _) => "what the kernel tells of itself",
        ("ERASEINFO", _) => "what makedumpfile erased",
        ("LINUX", 0x700) => "a device dump (NT_VMCOREDD)",
        ("Xen", 0x100_0001 | 0x100_0002) => "of a Xen host that crashed; not read",
        ("Xen", _) => "of Xen (what a guest's kernel says of itself, or of a host); not read",
        _ => "",
    }
}

fn kernel(kernel: &Kernel) -> KernelInfo {
    let info = kernel.vmcoreinfo();
    KernelInfo {
        release: Text::from(kernel.release()),
        build_id: kernel.build_id().map(str::to_owned),
        kaslr_offset: info.kernel_offset().map(Hex),
        page_table: Hex(kernel.space().root().0),
        page_table_levels: kernel.space().levels() as u64,
        vmcoreinfo: info
            .entries()
            .map(|(key, value)| field(key, value))
            .collect(),
        symbols: symbols(kernel),
        types: types(kernel),
        notes: kernel
            .notes()
            .iter()
            .map(|note| Text::from(note.as_str()))
            .collect(),
    }
}

fn symbols(kernel: &Kernel) -> Finding {
    match kernel.symbols() {
        Ok(found) => Finding {
            from: Some(found.origin().to_string()),
            count: Some(found.len() as u64),
            ..Finding::default()
        },
        Err(e) => Finding {
            missing: Some(Text::from(e.to_string())),
            needed: Some(wanted(kernel, "with its symbol table")),
            ..Finding::default()
        },
    }
}

fn types(kernel: &Kernel) -> Finding {
    match kernel.types_origin() {
        Some(origin) => Finding {
            from: Some(origin.to_string()),
            ..Finding::default()
        },
        None => Finding {
            missing: kernel.types().err().map(|e| Text::from(e.to_string())),
            needed: Some(wanted(kernel, "with BTF or DWARF")),
            ..Finding::default()
        },
    }
}

/// The file that would help.
fn wanted(kernel: &Kernel, what: &str) -> Text {
    let id = kernel
        .build_id()
        .map_or_else(String::new, |id| format!(", build-id {id}"));
    Text::from(format!(
        "the vmlinux of {}{id}, {what} (--vmlinux or --debug-dir)",
        kernel.release()
    ))
}
