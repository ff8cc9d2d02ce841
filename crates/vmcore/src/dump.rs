//! An open dump, whatever its format.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::cache::{PageCache, copy_out};
use crate::elfcore::{ElfCore, ElfHeader, Segment as ElfSegment};
use crate::flattened::Flattened;
use crate::image::Image;
use crate::kdump::{KdumpFile, KdumpHeader};
use crate::notes::{self, Note, PrStatus, QemuCpu};
use crate::packed::{self, Packing, Unpack};
use crate::signature::{Signature, recognise};
use crate::source::{Source, is_procfs};
use crate::split::Parts;
use crate::{Codec, Error, Page, PageError, Pfn, PhysAddr, VmcoreInfo, avml, lime, raw, run};

/// The page size of a dump that does not say: that of x86.
const PAGE_SIZE: u64 = 4096;
/// The longest text that is taken for VMCOREINFO or erase info, in bytes. A page in practice.
const TEXT_READ: u64 = 1 << 20;

/// How to open a dump.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Map the files into memory instead of reading them by position (the default). A file that
    /// is truncated while it is open ends in an error either way, but only without mapping is
    /// this certain to the microsecond, and only then does a failing disk or network end in an
    /// error and not in SIGBUS. Mapping was not measured to be faster. Files with holes and files
    /// in /proc are never mapped.
    pub mmap: bool,
    /// Decoded pages that are kept, 256 by default.
    pub cache_pages: usize,
    /// Where to unpack a file that is packed whole (gzip, xz, zstd, lz4). `None`, the default: such
    /// a file is refused, with the command that unpacks it.
    pub unpack: Option<Unpack>,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            mmap: false,
            cache_pages: 256,
            unpack: None,
        }
    }
}

impl OpenOptions {
    /// The same options with `mmap` set.
    #[must_use]
    pub fn with_mmap(mut self, mmap: bool) -> OpenOptions {
        self.mmap = mmap;
        self
    }

    /// The same options with `unpack` set.
    #[must_use]
    pub fn with_unpack(mut self, unpack: Unpack) -> OpenOptions {
        self.unpack = Some(unpack);
        self
    }

    /// The same options with `cache_pages` set.
    #[must_use]
    pub fn with_cache_pages(mut self, pages: usize) -> OpenOptions {
        self.cache_pages = pages;
        self
    }
}

/// The format of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// ELF: /proc/vmcore, makedumpfile `-E`, QEMU.
    Elf,
    /// ELF in flattened form.
    ElfFlattened,
    /// kdump-compressed (or the older diskdump).
    Kdump,
    /// kdump-compressed in flattened form.
    KdumpFlattened,
    /// kdump-compressed in several files, or some of them.
    KdumpSplit,
    /// Raw memory.
    Raw,
    /// LiME.
    Lime,
    /// AVML's compressed form.
    Avml,
    /// /proc/kcore: the running machine, which changes while it is read.
    Kcore,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Elf => "elf",
            Format::ElfFlattened => "elf-flattened",
            Format::Kdump => "kdump",
            Format::KdumpFlattened => "kdump-flattened",
            Format::KdumpSplit => "kdump-split",
            Format::Raw => "raw",
            Format::Lime => "lime",
            Format::Avml => "avml",
            Format::Kcore => "kcore",
        })
    }
}

/// Whether a dump has all that its maker meant to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completeness {
    /// True if nothing is known to be lost.
    pub complete: bool,
    /// What is lost, a sentence each; empty if complete.
    pub reasons: Vec<String>,
}

/// What a dump has of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageState {
    /// Its bytes, as far as can be said without decoding them.
    Data,
    /// Known to be all zero, without data. No format that is read tells this of a page.
    Zero,
    /// Nothing: no RAM is described there.
    Hole,
    /// Nothing: it was left out.
    Excluded,
    /// Nothing: it is lost.
    Incomplete,
    /// Nothing: what the file holds for it cannot be right, or cannot be read.
    Corrupt,
}

impl PageState {
    pub(crate) fn of(error: &PageError) -> PageState {
        match error {
            PageError::Hole { .. } => PageState::Hole,
            PageError::Excluded { .. } => PageState::Excluded,
            PageError::Incomplete { .. } => PageState::Incomplete,
            PageError::Corrupt { .. } | PageError::Io { .. } => PageState::Corrupt,
        }
    }
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
    memory: Memory,
    page_size: u64,
    notes: Vec<Note>,
    vmcoreinfo: Option<VmcoreInfo>,
    erase_info: Option<String>,
    elf: Option<(ElfHeader, Vec<ElfSegment>)>,
    /// How the file is packed as a whole.
    packing: Option<Packing>,
    /// What opening found to be lost already.
    reasons: Vec<String>,
    completeness: OnceLock<Completeness>,
    cache: PageCache,
}

/// A file that was opened and recognised.
struct Opened {
    source: Arc<Source>,
    signature: Signature,
    /// Its bytes are those of a flattened file's records.
    flattened: bool,
    kcore: bool,
    packing: Option<Packing>,
    /// What unpacking found to be lost.
    damage: Option<String>,
}

impl Dump {
    /// Opens a dump. Several paths are the parts of one split dump, in any order, or raw images,
    /// each as `FILE@ADDRESS`.
    ///
    /// # Errors
    /// The file cannot be read, is no dump, is of a format that is not read, or ends or is
    /// damaged before its memory begins. Whatever is lost behind that is an error of the pages
    /// concerned, and told by [`Dump::completeness`].
    pub fn open(paths: &[PathBuf], options: &OpenOptions) -> Result<Dump, Error> {
        if let Some(images) = raw_images(paths, options) {
            return Ok(Dump::raw(images?, options));
        }
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let (source, packing, damage) =
                unpacked(path, options, |head| recognise(head).map(drop))?;
            files.push(Opened {
                packing,
                damage,
                ..opened(source, is_kcore(path))?
            });
        }
        Dump::from_files(files, options)
    }

    /// Opens a dump that is a buffer.
    ///
    /// # Errors
    /// As for [`Dump::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Dump, Error> {
        let file = opened(Source::from_bytes(bytes), false)?;
        Dump::from_files(vec![file], &OpenOptions::default())
    }

    /// Opens the parts of a split dump that are buffers, in any order.
    ///
    /// # Errors
    /// As for [`Dump::open`].
    pub fn from_parts(parts: Vec<Vec<u8>>) -> Result<Dump, Error> {
        let files: Result<Vec<Opened>, Error> = parts
            .into_iter()
            .map(|bytes| opened(Source::from_bytes(bytes), false))
            .collect();
        Dump::from_files(files?, &OpenOptions::default())
    }

    fn from_files(mut files: Vec<Opened>, options: &OpenOptions) -> Result<Dump, Error> {
        let first = files.first().ok_or(Error::NoInput)?;
        let packing = first.packing;
        let mut reasons: Vec<String> = files.iter().filter_map(flattened_damage).collect();
        reasons.extend(files.iter().filter_map(|file| file.damage.clone()));
        let same = |file: &&Opened| file.signature != Signature::Kdump;
        if let (true, Some(other)) = (files.len() > 1, files.iter().find(same)) {
            return Err(Error::SplitMismatch {
                file: other.source.name().to_owned(),
                other: first.source.name().to_owned(),
                what: "only kdump-compressed dumps are split".to_owned(),
            });
        }
        let mut dump = match first.signature {
            Signature::Kdump => Dump::kdump(files, options)?,
            _ => Dump::image(files.swap_remove(0), options)?,
        };
        dump.packing = packing;
        // The cause before what follows from it.
        reasons.append(&mut dump.reasons);
        dump.reasons = reasons;
        dump.read_vmcoreinfo();
        Ok(dump)
    }

    fn new(format: Format, memory: Memory, options: &OpenOptions) -> Dump {
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
            cache: PageCache::new(options.cache_pages),
        }
    }

    fn raw(images: RawImages, options: &OpenOptions) -> Dump {
        let memory = Memory::Image(raw::open(images.files));
        let mut dump = Dump::new(Format::Raw, memory, options);
        dump.packing = images.packing;
        dump.reasons = images.reasons;
        dump
    }

    fn kdump(files: Vec<Opened>, options: &OpenOptions) -> Result<Dump, Error> {
        let flattened = files.iter().any(|file| file.flattened);
        let parts: Result<Vec<KdumpFile>, Error> = files
            .into_iter()
            .map(|file| KdumpFile::open(file.source))
            .collect();
        let parts = Parts::new(parts?)?;
        let format = match (parts.is_split(), flattened) {
            (true, _) => Format::KdumpSplit,
            (false, true) => Format::KdumpFlattened,
            (false, false) => Format::Kdump,
        };
        let mut dump = Dump::new(format, Memory::Kdump(parts), options);
        dump.read_kdump_notes();
        Ok(dump)
    }

    fn image(file: Opened, options: &OpenOptions) -> Result<Dump, Error> {
        let (format, (image, reasons)) = match file.signature {
            Signature::Lime => (Format::Lime, lime::open(file.source)?),
            Signature::Avml => (Format::Avml, avml::open(file.source)?),
            _ => return Dump::elf(file, options),
        };
        let mut dump = Dump::new(format, Memory::Image(image), options);
        dump.reasons = reasons;
        Ok(dump)
    }

    fn elf(file: Opened, options: &OpenOptions) -> Result<Dump, Error> {
        let elf = ElfCore::open(file.source)?;
        let format = match (file.kcore, file.flattened) {
            (true, _) => Format::Kcore,
            (false, true) => Format::ElfFlattened,
            (false, false) => Format::Elf,
        };
        let mut dump = Dump::new(format, Memory::Image(elf.image), options);
        dump.notes = elf.notes;
        dump.reasons = elf.reasons;
        dump.elf = Some((elf.header, elf.segments));
        Ok(dump)
    }

    /// Reads the notes and texts that the sub-header points to, from the first part that has them.
    fn read_kdump_notes(&mut self) {
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
    fn read_vmcoreinfo(&mut self) {
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

    /// A whole page, [`Dump::page_size`] bytes.
    ///
    /// # Errors
    /// Why it cannot be had. A page of an ELF dump that only a part is described of is an error
    /// here; [`Dump::read_at`] gives the part.
    pub fn page(&self, pfn: Pfn) -> Result<Page, PageError> {
        if let Some(page) = self.cache.get(pfn.0) {
            return Ok(page);
        }
        let page = self.read_page(pfn)?;
        self.cache.insert(pfn.0, page.clone());
        Ok(page)
    }

    /// Fills `buf` with the memory from `at`, across pages. A long read is decoded in parallel.
    ///
    /// # Errors
    /// Which byte cannot be had first, and why; `buf` then holds the bytes before it.
    pub fn read_at(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let page = usize::try_from(self.page_size).unwrap_or(usize::MAX);
        if buf.len() / page < run::SHORTEST {
            return self.read_by_page(at, buf);
        }
        let before = (at.0.wrapping_neg() & self.page_size.saturating_sub(1)) as usize;
        let whole = buf.len().saturating_sub(before) / page * page;
        let (head, rest) = buf
            .split_at_mut_checked(before)
            .ok_or(PageError::Hole { at })?;
        let (middle, tail) = rest.split_at_mut(whole);
        let moved = |by: usize| at.checked_add(by as u64).ok_or(PageError::Hole { at });
        self.read_by_page(at, head)?;
        self.read_run(moved(before)?, middle)?;
        self.read_by_page(moved(before.saturating_add(whole))?, tail)
    }

    /// Fills `buf` with whole pages.
    fn read_run(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let page = usize::try_from(self.page_size).unwrap_or(usize::MAX);
        match &self.memory {
            Memory::Kdump(parts) => {
                let first = at.pfn(self.page_size).0;
                for pfn in (first..).take(buf.len() / page) {
                    say_decode(pfn);
                }
                run::read(parts, page, first, buf)
            }
            Memory::Image(image) => {
                let chunk = page.saturating_mul(run::CHUNK);
                let mut here = at;
                for piece in buf.chunks_mut(chunk) {
                    // Which page it is that cannot be had, page by page.
                    if image.read_at(here.0, piece).is_err() {
                        self.read_by_page(here, piece)?;
                    }
                    here = here
                        .checked_add(piece.len() as u64)
                        .ok_or(PageError::Hole { at: here })?;
                }
                Ok(())
            }
        }
    }

    fn read_by_page(&self, at: PhysAddr, buf: &mut [u8]) -> Result<(), PageError> {
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let pfn = at.pfn(self.page_size);
            let offset = at.0 & self.page_size.saturating_sub(1);
            let len = usize::try_from(self.page_size.saturating_sub(offset))
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (now, later) = rest
                .split_at_mut_checked(len)
                .ok_or(PageError::Hole { at })?;
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            self.read_in_page(pfn, at, offset, now)?;
            if later.is_empty() {
                return Ok(());
            }
            at = at.checked_add(len as u64).ok_or(PageError::Hole { at })?;
            rest = later;
        }
        Ok(())
    }

    /// Fills `buf` from within one page.
    fn read_in_page(
        &self,
        pfn: Pfn,
        at: PhysAddr,
        offset: usize,
        buf: &mut [u8],
    ) -> Result<(), PageError> {
        if self.cache.copy(pfn.0, offset, buf) {
            return Ok(());
        }
        match (self.page(pfn), &self.memory) {
            (Ok(page), _) if copy_out(&page, offset, buf) => Ok(()),
            // A part of a page may be there where the whole is not.
            (_, Memory::Image(image)) => image.read_at(at.0, buf),
            (Err(error), Memory::Kdump(_)) => Err(error.moved_to(at)),
            (Ok(_), Memory::Kdump(_)) => Err(PageError::Corrupt {
                at,
                offset: None,
                what: "it is shorter than a page".to_owned(),
            }),
        }
    }

    fn read_page(&self, pfn: Pfn) -> Result<Page, PageError> {
        let at = pfn.start(self.page_size);
        say_decode(pfn.0);
        SCRATCH.with_borrow_mut(|(packed, page)| {
            page.resize(usize::try_from(self.page_size).unwrap_or(0), 0);
            match &self.memory {
                Memory::Kdump(parts) => {
                    let (file, data) = parts.find(pfn.0)?;
                    file.decode(data, at, packed, page)?;
                }
                Memory::Image(image) => image.read_at(at.0, page)?,
            }
            Ok(Page::new(page))
        })
    }

    /// Where the memory is, for scans.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// Which pages an answer stands on, for `-vvv` and for tests that take them away.
fn say_decode(pfn: u64) {
    tracing::trace!(target: "virtopsy_vmcore::page", pfn, "decode");
}

thread_local! {
    /// The packed and the decoded bytes of the page at hand.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// The files of a raw dump, each with the address of its first byte.
#[derive(Default)]
struct RawImages {
    files: Vec<(Arc<Source>, PhysAddr)>,
    packing: Option<Packing>,
    reasons: Vec<String>,
}

/// The raw images that the paths name; `None`: they name no raw images.
fn raw_images(paths: &[PathBuf], options: &OpenOptions) -> Option<Result<RawImages, Error>> {
    let named: Option<Vec<(PathBuf, PhysAddr)>> =
        paths.iter().map(|path| raw::split_name(path)).collect();
    let named = named.filter(|named| !named.is_empty())?;
    let mut images = RawImages::default();
    for (path, at) in named {
        match unpacked(&path, options, |_| Ok(())) {
            Ok((source, packing, damage)) => {
                images.files.push((Arc::new(source), at));
                images.packing = images.packing.or(packing);
                images.reasons.extend(damage);
            }
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(images))
}

/// Opens a file; where it is packed, and may be, unpacks it if `accept` takes its first bytes.
fn unpacked(
    path: &Path,
    options: &OpenOptions,
    accept: impl Fn(&Source) -> Result<(), Error>,
) -> Result<(Source, Option<Packing>, Option<String>), Error> {
    let source = Source::open(path, options.mmap)?;
    let Some(how) = &options.unpack else {
        return Ok((source, None, None));
    };
    Ok(match packed::unpack(source, how, accept)? {
        Ok(file) => (file.source, Some(file.packing), file.damage),
        Err(source) => (source, None, None),
    })
}

fn is_kcore(path: &Path) -> bool {
    is_procfs(path) && path.file_name().is_some_and(|name| name == "kcore")
}

/// Recognises a file, and looks inside if it is flattened.
fn opened(source: Source, kcore: bool) -> Result<Opened, Error> {
    let source = Arc::new(source);
    let signature = recognise(&source)?;
    if signature != Signature::Flattened {
        return Ok(Opened {
            source,
            signature,
            flattened: false,
            kcore,
            packing: None,
            damage: None,
        });
    }
    let name = source.name().to_owned();
    let inner = Source::from_flattened(name, Flattened::open(source)?);
    let signature = recognise(&inner)?;
    if signature == Signature::Flattened {
        return Err(inner.corrupt("flattened content", 0, "a dump", "a flattened file again"));
    }
    Ok(Opened {
        source: Arc::new(inner),
        signature,
        flattened: true,
        kcore,
        packing: None,
        damage: None,
    })
}

fn flattened_damage(file: &Opened) -> Option<String> {
    let damage = file.source.flattened()?.damage()?;
    Some(format!(
        "{}: the flattened file has no end: {} (offset {}); what comes before is read",
        file.source.name(),
        damage.what,
        damage.at
    ))
}
