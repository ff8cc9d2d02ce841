//! An open dump, whatever its format.

use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cache::PageCache;
use crate::elfcore::{ElfHeader, Segment as ElfSegment};
use crate::format::Format;
use crate::held::HeldBytes;
use crate::image::Image;
use crate::kdump::KdumpHeader;
use crate::notes::{self, EXTRACT_ABOUT, EXTRACT_HELD, EXTRACT_OWNER, Note, PrStatus, QemuCpu};
use crate::packed::Packing;
use crate::split::Parts;
use crate::{Codec, PageState, Pfn, PhysAddr, VmcoreInfo};

/// The page size of a dump that does not say: that of x86.
const PAGE_SIZE: u64 = 4096;
/// The longest text that is taken for VMCOREINFO or erase info, in bytes. A page in practice.
const TEXT_READ: u64 = 1 << 20;

/// Whether a dump has all that its maker meant to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completeness {
    /// True if nothing is known to be lost.
    pub complete: bool,
    /// What is lost, a sentence each; empty if complete.
    pub reasons: Vec<String>,
}

/// Where the memory is.
#[derive(Debug)]
pub(crate) enum Memory {
    Kdump(Parts),
    Image(Image),
}

/// An open dump: physical memory, notes, headers.
#[derive(Debug)]
pub struct Dump {
    format: Format,
    pub(crate) memory: Memory,
    pub(crate) page_size: u64,
    pub(crate) notes: Vec<Note>,
    vmcoreinfo: Option<VmcoreInfo>,
    erase_info: Option<String>,
    pub(crate) elf: Option<(ElfHeader, Vec<ElfSegment>)>,
    /// How the file is packed as a whole.
    pub(crate) packing: Option<Packing>,
    /// What opening found to be lost already.
    pub(crate) reasons: Vec<String>,
    completeness: OnceLock<Completeness>,
    pub(crate) cache: PageCache,
    /// Of an extract, the bytes that it has.
    pub(crate) held: Option<HeldBytes>,
    /// The bytes that were read, where that is recorded.
    pub(crate) recorder: Option<Mutex<HeldBytes>>,
}

impl Dump {
    /// A dump of which no more is known than where its memory is.
    pub(crate) fn new(format: Format, memory: Memory, cache_pages: usize) -> Dump {
        Dump {
            format,
            memory,
            page_size: PAGE_SIZE,
            notes: Vec::new(),
            vmcoreinfo: None,
            erase_info: None,
            elf: None,
            packing: None,
            reasons: Vec::new(),
            completeness: OnceLock::new(),
            cache: PageCache::new(cache_pages),
            held: None,
            recorder: None,
        }
    }

    /// The same dump, which records from now on what is read, or does not.
    pub(crate) fn recording(mut self, record: bool) -> Dump {
        self.recorder = record.then(|| Mutex::new(HeldBytes::new(self.page_size)));
        self
    }

    /// Takes the list of what an extract holds from its notes. An error says why it can't be read:
    /// without it, zeros that nobody saw would be taken for the machine's.
    pub(crate) fn read_held(&mut self) -> Result<(), String> {
        let mut notes = self.notes.iter().filter(|note| note.name == EXTRACT_OWNER);
        let Some(note) = notes.clone().find(|note| note.kind == EXTRACT_HELD) else {
            return notes
                .next()
                .map_or(Ok(()), |_| Err("no such note".to_owned()));
        };
        let held = HeldBytes::parse(&note.desc)?;
        if held.page_size() != self.page_size {
            return Err(format!("pages of {} bytes", held.page_size()));
        }
        self.held = Some(held);
        Ok(())
    }

    /// The bytes of physical memory that were read since the dump was opened with
    /// [`crate::OpenOptions::record`]; none without it. What a scan of all pages went over is not
    /// among them.
    #[must_use]
    pub fn recorded(&self) -> HeldBytes {
        self.recorder.as_ref().map_or_else(
            || HeldBytes::new(self.page_size),
            |recorder| {
                recorder
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone()
            },
        )
    }

    /// Whether reads are recorded ([`crate::OpenOptions::record`]).
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    /// The content of the note that says what this extract was made of; `None`: it is none.
    #[must_use]
    pub fn extract_note(&self) -> Option<&[u8]> {
        let mut notes = self.notes.iter();
        notes
            .find(|note| note.name == EXTRACT_OWNER && note.kind == EXTRACT_ABOUT)
            .map(|note| note.desc.as_slice())
    }

    /// Reads the notes and texts that the sub-header points to, from the first part that has them.
    pub(crate) fn read_kdump_notes(&mut self) {
        let Memory::Kdump(parts) = &self.memory else {
            return;
        };
        if let Some(header) = parts.header() {
            self.page_size = header.block_size;
        }
        for file in parts.files() {
            let (source, header) = (&file.source, &file.header);
            let text = |place: Option<(crate::FileOffset, u64)>| {
                let (offset, len) = place?;
                let bytes = source.vec(offset.0, len.min(TEXT_READ));
                bytes
                    .inspect_err(|e| tracing::debug!(?offset, len, ?e, "no text"))
                    .ok()
            };
            if let (true, Some((offset, len))) = (self.notes.is_empty(), header.notes) {
                let damage = notes::read(source, offset.0, len, &mut self.notes);
                self.reasons
                    .extend(damage.map(|what| format!("{}: {what}", source.name())));
            }
            if self.vmcoreinfo.is_none() {
                self.vmcoreinfo = text(header.vmcoreinfo)
                    .map(|text| VmcoreInfo::parse(&text))
                    .filter(|info| info.os_release().is_some());
            }
            if self.erase_info.is_none() {
                self.erase_info =
                    text(header.erase_info).map(|text| String::from_utf8_lossy(&text).into_owned());
            }
        }
    }

    /// Takes VMCOREINFO and erase info from the notes where they came from nowhere else, and the
    /// page size of an ELF dump from VMCOREINFO.
    pub(crate) fn read_vmcoreinfo(&mut self) {
        let note = |name: &str| {
            let note = self
                .notes
                .iter()
                .find(|n| n.name == name && !n.desc.is_empty());
            note.map(|note| note.desc.as_slice())
        };
        if self.vmcoreinfo.is_none() {
            self.vmcoreinfo = note("VMCOREINFO").map(VmcoreInfo::parse);
        }
        if self.erase_info.is_none() {
            self.erase_info =
                note("ERASEINFO").map(|text| String::from_utf8_lossy(text).into_owned());
        }
        if let Memory::Image(_) = self.memory
            && let Some(size) = self.vmcoreinfo.as_ref().and_then(VmcoreInfo::page_size)
            && size.is_power_of_two()
            && (PAGE_SIZE..=1 << 16).contains(&size)
        {
            self.page_size = size;
        }
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// How the file is packed as a whole, of several the first; `None`: it is not.
    #[must_use]
    pub fn packing(&self) -> Option<Packing> {
        self.packing
    }

    /// Whether this is the memory of the running machine, which changes while it is read.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.format == Format::Kcore
    }

    /// The compressions that the header declares; empty: none. Each page says for itself which
    /// one it has.
    #[must_use]
    pub fn compression(&self) -> Vec<Codec> {
        self.kdump_header()
            .map_or_else(Vec::new, KdumpHeader::compression)
    }

    /// Whether anything is known to be lost. The first call of a kdump-compressed dump reads its
    /// page bitmap, 32 MiB for 1 TiB of memory; the answer is kept.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let found = self.completeness.get_or_init(|| {
            let mut reasons = self.reasons.clone();
            if let Memory::Kdump(parts) = &self.memory {
                parts.damage(&mut reasons);
            }
            Completeness {
                complete: reasons.is_empty(),
                reasons,
            }
        });
        found.clone()
    }

    /// The page size in bytes, a power of two.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// The ELF notes in their order; empty: the format has none, or they are lost.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The registers of the CPUs that wrote a note when the kernel crashed, in the order of the
    /// notes. Notes in the layout of 32-bit machines are passed over: QEMU writes such ones for
    /// all CPUs, cut to 32 bits, where its first CPU was not in long mode; [`Dump::qemu_cpus`] has
    /// the whole registers then.
    #[must_use]
    pub fn prstatus(&self) -> Vec<PrStatus> {
        let notes = self.notes.iter().enumerate();
        notes
            .filter_map(|(index, note)| notes::prstatus(index, note))
            .collect()
    }

    /// The CPUs as QEMU saw them; empty: the dump is not QEMU's.
    #[must_use]
    pub fn qemu_cpus(&self) -> Vec<QemuCpu> {
        let notes = self.notes.iter().enumerate();
        notes
            .filter(|(_, note)| note.name == "QEMU")
            .enumerate()
            .filter_map(|(cpu, (index, note))| notes::qemu_cpu(cpu, index, note))
            .collect()
    }

    /// VMCOREINFO; `None`: the dump has none.
    #[must_use]
    pub fn vmcoreinfo(&self) -> Option<&VmcoreInfo> {
        self.vmcoreinfo.as_ref()
    }

    /// What makedumpfile erased on request, a line each: `erase symbol.member size N`. `None`:
    /// nothing.
    #[must_use]
    pub fn erase_info(&self) -> Option<String> {
        self.erase_info.clone()
    }

    /// The header of a kdump-compressed dump, of a split one that of the part which comes first.
    #[must_use]
    pub fn kdump_header(&self) -> Option<&KdumpHeader> {
        match &self.memory {
            Memory::Kdump(parts) => parts.header(),
            Memory::Image(_) => None,
        }
    }

    /// The header of an ELF dump.
    #[must_use]
    pub fn elf_header(&self) -> Option<&ElfHeader> {
        self.elf.as_ref().map(|(header, _)| header)
    }

    /// The program headers of an ELF dump in their order; empty for other formats.
    #[must_use]
    pub fn elf_segments(&self) -> &[ElfSegment] {
        self.elf.as_ref().map_or(&[], |(_, segments)| segments)
    }

    /// The ranges of physical memory that the dump describes, sorted, without overlaps. For a
    /// kdump-compressed dump it is one range from 0 to [`Dump::max_pfn`], holes included.
    #[must_use]
    pub fn physical_ranges(&self) -> Vec<Range<PhysAddr>> {
        match &self.memory {
            Memory::Kdump(parts) => {
                let end = Pfn(parts.max_pfn()).start(self.page_size);
                vec![PhysAddr(0)..end]
            }
            Memory::Image(image) => image.ranges(),
        }
    }

    /// One past the last page frame that the dump tells of.
    #[must_use]
    pub fn max_pfn(&self) -> Pfn {
        match &self.memory {
            Memory::Kdump(parts) => Pfn(parts.max_pfn()),
            Memory::Image(image) => Pfn(image.end().div_ceil(self.page_size)),
        }
    }

    /// What the dump has of a page, from its bitmaps, descriptors and headers; the page itself is
    /// not decoded, so `Data` may still turn out corrupt. A page of which the dump describes only
    /// a part has the state of the first part that is not `Data`.
    #[must_use]
    pub fn page_state(&self, pfn: Pfn) -> PageState {
        match &self.memory {
            Memory::Kdump(parts) => parts.state(pfn.0),
            Memory::Image(image) => image.state(pfn.start(self.page_size).0, self.page_size),
        }
    }
}
