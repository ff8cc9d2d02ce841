//! Writing an extract: a kdump-compressed file (version 6) that holds only some bytes of a dump.
//!
//! The layout is that of any kdump-compressed file (see `kdump`). Bytes of a page that are not
//! held are zero in the file, and a note of owner `VIRTOPSY` lists those that are ([`HeldBytes`]):
//! [`crate::Dump::read_at`] gives [`crate::PageError::Excluded`] for all others, never a zero that
//! nobody saw. Programs that don't know the note see a dump that was strongly filtered.

use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use crate::codec::Codec;
use crate::dump::{Dump, Memory};
use crate::held::HeldBytes;
use crate::kdump::{DESC_LEN, SUB_HEADER_LEN, Utsname};
use crate::notes::{EXTRACT_ABOUT, EXTRACT_HELD, EXTRACT_OWNER, Note};
use crate::{PageState, Pfn, PhysAddr};

/// The dump level that is claimed: everything that can be left out was.
const DUMP_LEVEL: i32 = 31;
/// Pages whose bits are written at once.
const CHUNK: u64 = 1 << 18;
/// How the pages of an extract are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PagePacking {
    /// zlib, which every reader knows.
    #[default]
    Zlib,
    /// zstd: makedumpfile 1.7 and crash 8 or later.
    Zstd,
    /// Not at all: for an archive that packs better.
    None,
}

impl PagePacking {
    fn codec(self) -> Option<Codec> {
        match self {
            PagePacking::Zlib => Some(Codec::Zlib),
            PagePacking::Zstd => Some(Codec::Zstd),
            PagePacking::None => None,
        }
    }

    /// Packs a page; `None`: it is taken as it is.
    fn pack(self, page: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            PagePacking::Zlib => {
                let level = flate2::Compression::best();
                let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), level);
                packer.write_all(page)?;
                packer.finish().map(Some)
            }
            PagePacking::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                Ok(Some(ruzstd::encoding::compress_to_vec(page, level)))
            }
            PagePacking::None => Ok(None),
        }
    }
}

/// What an extract says beside its memory.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExtractHead {
    /// The machine's names.
    pub utsname: Utsname,
    /// VMCOREINFO.
    pub vmcoreinfo: String,
    /// Where the kernel was loaded, as in [`crate::KdumpHeader::phys_base`].
    pub phys_base: u64,
    /// The content of the note that says what was extracted, from what.
    pub about: Vec<u8>,
    /// How pages are packed.
    pub packing: PagePacking,
    /// Bytes that stand in the extract in place of the dump's, by their address, sorted.
    pub replaced: Vec<(PhysAddr, Vec<u8>)>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Pages with data.
    pub pages: u64,
    /// Bytes of these pages that are held.
    pub held: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Dump {
    /// Writes the bytes of `held` as a kdump-compressed file from the start of `out`, which is
    /// empty. A page that the dump lost is lost in the extract too.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_extract<W: Write + Seek>(
        &self,
        held: &HeldBytes,
        head: &ExtractHead,
        out: &mut W,
    ) -> io::Result<Written> {
        let mut writer = Writer {
            dump: self,
            head,
            have: HeldBytes::new(held.page_size()),
            page_size: held.page_size(),
            descriptors: Vec::new(),
            pfns: Vec::new(),
        };
        // The list of what is held stands before the pages, and only reading them tells it.
        let pages = writer.pages(held)?;
        writer.file(&pages, out)
    }

    /// Where the machine has RAM: a bit for each page of `pages`, whose start is a multiple of 8.
    fn ram_bits(&self, pages: Range<u64>) -> Vec<u8> {
        let len = usize::try_from(pages.end.saturating_sub(pages.start).div_ceil(8)).unwrap_or(0);
        let mut bits = match &self.memory {
            Memory::Kdump(parts) => parts
                .files()
                .first()
                .and_then(|file| file.ram_bits(pages.start, pages.end).ok())
                .unwrap_or_default(),
            Memory::Image(image) => {
                let mut bits = vec![0; len];
                let start = |pfn: u64| Pfn(pfn).start(self.page_size).0;
                if !image.is_hole(start(pages.start), start(pages.end)) {
                    for pfn in pages.clone() {
                        if image.state(start(pfn), self.page_size) != PageState::Hole {
                            set(&mut bits, pfn.saturating_sub(pages.start));
                        }
                    }
                }
                bits
            }
        };
        bits.resize(len, 0);
        bits
    }
}

/// A page of the extract, packed.
struct Packed {
    data: Vec<u8>,
    flags: u32,
    /// The dump lost this page.
    lost: bool,
}

impl Packed {
    /// Packs a page, or takes it as it is where that is shorter.
    fn new(page: &[u8], packing: PagePacking) -> io::Result<Packed> {
        let packed = packing.pack(page)?;
        let packed = packed.filter(|data| data.len() < page.len());
        let flags = packed.as_ref().and(packing.codec()).map_or(0, Codec::bit);
        Ok(Packed {
            data: packed.unwrap_or_else(|| page.to_vec()),
            flags,
            lost: false,
        })
    }
}

struct Writer<'a> {
    dump: &'a Dump,
    head: &'a ExtractHead,
    /// What could be read of what was asked for.
    have: HeldBytes,
    page_size: u64,
    descriptors: Vec<u8>,
    pfns: Vec<u64>,
}

impl Writer<'_> {
    /// Reads and packs the pages.
    fn pages(&mut self, held: &HeldBytes) -> io::Result<Vec<Packed>> {
        let mut packed = Vec::new();
        let mut page = vec![0; usize::try_from(self.page_size).unwrap_or(0)];
        for (pfn, ranges) in held.each_page() {
            page.fill(0);
            let found = self.page(pfn, ranges, &mut page);
            match (found, self.dump.page_state(pfn)) {
                (true, _) => {
                    packed.push(Packed::new(&page, self.head.packing)?);
                    self.pfns.push(pfn.0);
                }
                // Left out, or never there: the bitmaps say it.
                (false, PageState::Hole | PageState::Excluded) => {}
                (false, _) => {
                    packed.push(Packed {
                        data: Vec::new(),
                        flags: 0,
                        lost: true,
                    });
                    self.pfns.push(pfn.0);
                    // Reading it says that it is lost, not that it was left out.
                    self.have.insert(pfn.start(self.page_size), self.page_size);
                }
            }
        }
        Ok(packed)
    }

    /// Fills `page` with those of its bytes that are wanted and can be had; whether there are any.
    fn page(&mut self, pfn: Pfn, ranges: &[Range<u32>], page: &mut [u8]) -> bool {
        let start = pfn.start(self.page_size);
        let mut any = false;
        for range in ranges {
            let (from, to) = (range.start as usize, range.end as usize);
            let at = PhysAddr(start.0.saturating_add(u64::from(range.start)));
            let Some(part) = page.get_mut(from..to) else {
                continue;
            };
            if self.dump.read_at(at, part).is_ok() {
                self.replace(at, part);
                self.have.insert(at, part.len() as u64);
                any = true;
            } else {
                part.fill(0);
            }
        }
        any
    }

    /// Puts replacements over the bytes from `at`.
    fn replace(&self, at: PhysAddr, part: &mut [u8]) {
        let end = at.0.saturating_add(part.len() as u64);
        for (place, bytes) in &self.head.replaced {
            let place_end = place.0.saturating_add(bytes.len() as u64);
            let (from, to) = (place.0.max(at.0), place_end.min(end));
            if from >= to {
                continue;
            }
            let within = |address: u64, base: u64| {
                usize::try_from(address.saturating_sub(base)).unwrap_or(usize::MAX)
            };
            let target = part.get_mut(within(from, at.0)..within(to, at.0));
            let source = bytes.get(within(from, place.0)..within(to, place.0));
            if let (Some(target), Some(source)) = (target, source) {
                target.copy_from_slice(source);
            }
        }
    }

    fn file<W: Write + Seek>(&mut self, pages: &[Packed], out: &mut W) -> io::Result<Written> {
        let block = self.page_size;
        let max_pfn = self.dump.max_pfn().0;
        let notes = self.notes()?;
        let text = self.head.vmcoreinfo.as_bytes();
        let text_at = block.saturating_add(SUB_HEADER_LEN);
        let notes_at = text_at
            .saturating_add(text.len() as u64)
            .next_multiple_of(4);
        let sub_end = notes_at.saturating_add(notes.len() as u64);
        let bitmaps_at = sub_end.next_multiple_of(block);
        let one = max_pfn.div_ceil(8).next_multiple_of(block);
        let bitmaps = one.saturating_mul(2);
        let blocks = |bytes: u64| bytes.checked_div(block).unwrap_or(0);
        out.write_all(&self.header(blocks(bitmaps_at.saturating_sub(block)), blocks(bitmaps)))?;
        out.seek(SeekFrom::Start(block))?;
        out.write_all(&self.sub_header(text_at, notes_at, notes.len() as u64))?;
        out.write_all(text)?;
        out.seek(SeekFrom::Start(notes_at))?;
        out.write_all(&notes)?;
        self.bitmaps(bitmaps_at, one, out)?;
        let descriptors_at = bitmaps_at.saturating_add(bitmaps);
        let data_at = descriptors_at.saturating_add((pages.len() as u64).saturating_mul(DESC_LEN));
        let mut at = data_at;
        for page in pages {
            self.describe(page, at);
            at = at.saturating_add(page.data.len() as u64);
        }
        out.seek(SeekFrom::Start(descriptors_at))?;
        out.write_all(&self.descriptors)?;
        for page in pages {
            out.write_all(&page.data)?;
        }
        out.flush()?;
        Ok(Written {
            pages: pages.iter().filter(|page| !page.lost).count() as u64,
            held: self.have.bytes(),
            bytes: at,
        })
    }

    /// The notes of the dump, then those of the extract.
    fn notes(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        for note in &self.dump.notes {
            // One extract's notes are not the next one's.
            if note.name != EXTRACT_OWNER && !note.desc.is_empty() {
                put_note(&mut out, note);
            }
        }
        for (kind, desc) in [
            (EXTRACT_ABOUT, self.head.about.clone()),
            (EXTRACT_HELD, self.have.note()?),
        ] {
            put_note(
                &mut out,
                &Note {
                    name: EXTRACT_OWNER.to_owned(),
                    kind,
                    size: desc.len() as u64,
                    desc,
                    offset: None,
                },
            );
        }
        Ok(out)
    }

    /// Block 0.
    fn header(&self, sub_blocks: u64, bitmap_blocks: u64) -> Vec<u8> {
        let head = self.head;
        let mut out = Vec::with_capacity(464);
        out.extend(b"KDUMP   ");
        out.extend(6_i32.to_le_bytes());
        let names = &head.utsname;
        for name in [
            &names.sysname,
            &names.nodename,
            &names.release,
            &names.version,
            &names.machine,
            &names.domainname,
        ] {
            let mut field = [0; 65];
            // The last byte stays NUL.
            field
                .iter_mut()
                .take(64)
                .zip(name.as_bytes())
                .for_each(|(to, from)| *to = *from);
            out.extend(field);
        }
        out.resize(408, 0);
        let crashed = self
            .dump
            .vmcoreinfo()
            .and_then(crate::VmcoreInfo::crash_time);
        out.extend(crashed.unwrap_or(0).to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(head.packing.codec().map_or(0, Codec::bit).to_le_bytes());
        for value in [
            self.page_size,
            sub_blocks,
            bitmap_blocks,
            self.dump.max_pfn().0,
            0, // total_ram_blocks
            0, // device_blocks
            0, // written_blocks
            0, // current_cpu
            self.dump.prstatus().len() as u64,
        ] {
            out.extend(word(value));
        }
        out
    }

    /// The fields of block 1.
    fn sub_header(&self, text_at: u64, notes_at: u64, notes_len: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.head.phys_base.to_le_bytes());
        out.extend(DUMP_LEVEL.to_le_bytes());
        out.extend(0_i32.to_le_bytes()); // not split
        for value in [
            0, // start_pfn
            0, // end_pfn
            text_at,
            self.head.vmcoreinfo.len() as u64,
            notes_at,
            notes_len,
            0, // offset_eraseinfo
            0, // size_eraseinfo
            0, // start_pfn_64
            0, // end_pfn_64
            self.dump.max_pfn().0,
        ] {
            out.extend(value.to_le_bytes());
        }
        out
    }

    /// Both bitmaps. Stretches without a set bit are left out of the file's blocks.
    fn bitmaps<W: Write + Seek>(&self, at: u64, one: u64, out: &mut W) -> io::Result<()> {
        let max_pfn = self.dump.max_pfn().0;
        let mut from = 0;
        while from < max_pfn {
            let to = from.saturating_add(CHUNK).min(max_pfn);
            let mut ram = self.dump.ram_bits(from..to);
            let mut dumped = vec![0; ram.len()];
            let first = self.pfns.partition_point(|pfn| *pfn < from);
            let here = self.pfns.iter().skip(first).take_while(|pfn| **pfn < to);
            for pfn in here {
                set(&mut ram, pfn.saturating_sub(from));
                set(&mut dumped, pfn.saturating_sub(from));
            }
            for (bitmap, bits) in [(0, ram), (one, dumped)] {
                if bits.iter().any(|byte| *byte != 0) {
                    let place = at.saturating_add(bitmap).saturating_add(from / 8);
                    out.seek(SeekFrom::Start(place))?;
                    out.write_all(&bits)?;
                }
            }
            from = to;
        }
        Ok(())
    }

    /// Appends a page's descriptor.
    fn describe(&mut self, page: &Packed, at: u64) {
        let offset = if page.lost { 0 } else { at };
        let size = u32::try_from(page.data.len()).unwrap_or(u32::MAX);
        self.descriptors.extend(offset.to_le_bytes());
        self.descriptors.extend(size.to_le_bytes());
        self.descriptors.extend(page.flags.to_le_bytes());
        self.descriptors.extend(0_u64.to_le_bytes());
    }
}

/// Appends a note in the form of ELF.
fn put_note(out: &mut Vec<u8>, note: &Note) {
    let word = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(word(note.name.len().saturating_add(1)));
    out.extend(word(note.desc.len()));
    out.extend(note.kind.to_le_bytes());
    out.extend(note.name.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(&note.desc);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Sets bit `index`.
fn set(bits: &mut [u8], index: u64) {
    let byte = usize::try_from(index / 8)
        .ok()
        .and_then(|i| bits.get_mut(i));
    if let Some(byte) = byte {
        *byte |= 1 << (index % 8);
    }
}
