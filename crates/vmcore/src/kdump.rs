//! One file of a kdump-compressed dump (diskdump's format, versions 0 to 6).
//!
//! ```text
//! block 0        disk_dump_header      "KDUMP   " or "DISKDUMP", version, utsname, sizes
//! block 1        kdump_sub_header      phys_base, dump level, split window, notes, VMCOREINFO
//!   …            notes                 makedumpfile: right behind the sub-header
//! 1 + sub        1st bitmap            a bit for each page: the machine has RAM there
//!                2nd bitmap            a bit for each page: the page is in this dump
//!                                      (an old full dump has one bitmap for both)
//! 1 + sub + bm   page_desc[]           24 bytes for each set bit of the 2nd bitmap, in its order
//!                page data             anywhere behind; pages of zeros share one place
//! ```
//! Blocks are `block_size` bytes, the page size. Source: makedumpfile's IMPLEMENTATION file and
//! diskdump_mod.h; offsets are those of a 64-bit little-endian machine.

use std::ops::Range;
use std::sync::Arc;

use crate::architecture;
use crate::bitmap::Bitmap;
use crate::codec::Codec;
use crate::fields::Fields;
use crate::source::{ReadError, Source};
use crate::{Error, FileOffset, PageError, Pfn, PhysAddr};

/// The bytes of block 0 that carry fields.
const HEADER_LEN: u64 = 464;
/// The bytes of block 1 that carry fields, in version 6.
pub(crate) const SUB_HEADER_LEN: u64 = 104;
/// Bytes of one page descriptor.
pub(crate) const DESC_LEN: u64 = 24;

/// Bytes of physical memory that an x86-64 machine can address.
const PHYSICAL_SPACE: u64 = 1 << 52;

/// Bit of `status`: the dump was cut short when it was written.
const STATUS_INCOMPLETE: u32 = 0x08;
/// Bit of `status`: the pages of the vmemmap were excluded.
const STATUS_EXCLUDED_VMEMMAP: u32 = 0x10;

/// A machine's `uname`, as the dump's header has it. makedumpfile is known to have written it
/// shifted or empty, so nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of uname(2)
pub struct Utsname {
    pub sysname: String,
    pub nodename: String,
    pub release: String,
    pub version: String,
    pub machine: String,
    pub domainname: String,
}

/// The headers of a kdump-compressed file.
///
/// A field that came with a later version than the file's is `None`, whatever bytes stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KdumpHeader {
    /// `KDUMP   ` or `DISKDUMP`.
    pub signature: String,
    /// Version of the format, 0 to 6.
    pub version: i32,
    /// The crashed machine's names.
    pub utsname: Utsname,
    /// When the dump was made, seconds since 1970; 0 where makedumpfile did not write it.
    pub timestamp: u64,
    /// Flags: 0x1 zlib, 0x2 lzo, 0x4 snappy, 0x8 incomplete, 0x10 vmemmap excluded, 0x20 zstd.
    pub status: u32,
    /// Bytes in a block and in a page.
    pub block_size: u64,
    /// Blocks from block 1 to the bitmaps.
    pub sub_header_blocks: u64,
    /// Blocks of all bitmaps together.
    pub bitmap_blocks: u64,
    /// Whether there are two bitmaps; with one, absent pages are holes.
    pub two_bitmaps: bool,
    /// One past the last page the dump tells of: the 64-bit field since version 6, the 32-bit one
    /// before.
    pub max_mapnr: u64,
    /// Number of CPUs the header claims; makedumpfile counts the CPU notes.
    pub nr_cpus: u32,
    /// Where the kernel was loaded, in bytes, relative to its link address: a two's complement,
    /// negative on most machines with KASLR; 0 in `DISKDUMP` files.
    pub phys_base: u64,
    /// What makedumpfile was asked to leave out (`-d`): 1 zero, 2 cache, 4 private cache, 8 user,
    /// 16 free; since version 1.
    pub dump_level: Option<i32>,
    /// The pages whose data this part of a split dump holds; `None`: not split, or older than
    /// version 2.
    pub split: Option<Range<Pfn>>,
    /// File offset and length in bytes of the VMCOREINFO text; since version 3.
    pub vmcoreinfo: Option<(FileOffset, u64)>,
    /// File offset and length in bytes of the ELF notes; since version 4.
    pub notes: Option<(FileOffset, u64)>,
    /// File offset and length in bytes of the list of erased data; since version 5.
    pub erase_info: Option<(FileOffset, u64)>,
}

/// A field of the `utsname` in the header, by its number. It is at the same place for machines of
/// every width and byte order.
fn uname_field(f: Fields<'_>, index: usize) -> Option<String> {
    f.text(12_usize.saturating_add(index.saturating_mul(65)), 65)
}

/// `uname -m`, as far as the header has it.
fn uname_machine(f: Fields<'_>) -> Option<String> {
    uname_field(f, 4)
}

impl KdumpHeader {
    /// The compressions that `status` declares.
    #[must_use]
    pub fn compression(&self) -> Vec<Codec> {
        Codec::BITS
            .iter()
            .filter(|(bit, _)| self.status & bit != 0)
            .map(|(_, codec)| *codec)
            .collect()
    }

    /// Whether the writer marked the dump as cut short.
    #[must_use]
    pub fn incomplete(&self) -> bool {
        self.status & STATUS_INCOMPLETE != 0
    }

    /// Whether the writer left out the pages of the vmemmap (makedumpfile `-e`).
    #[must_use]
    pub fn excluded_vmemmap(&self) -> bool {
        self.status & STATUS_EXCLUDED_VMEMMAP != 0
    }

    /// Reads blocks 0 and 1.
    pub(crate) fn read(source: &Source) -> Result<KdumpHeader, Error> {
        let bytes = source.header("kdump header", 0, HEADER_LEN)?;
        let mut header = Self::main(source, Fields(&bytes))?;
        let at = header.block_size;
        let sub_len = match header.version {
            // The older DISKDUMP has registers there.
            _ if header.sub_header_blocks == 0 || header.signature == "DISKDUMP" => 0,
            ..=0 => 8,
            1 => 16,
            2 => 32,
            3 => 48,
            4 => 64,
            5 => 80,
            _ => SUB_HEADER_LEN,
        };
        let sub = source.header("kdump sub-header", at, sub_len)?;
        if sub_len > 0 {
            header.sub(Fields(&sub));
        }
        header.two_bitmaps = header.bitmap_blocks
            >= bitmap_blocks(header.max_mapnr, header.block_size).saturating_mul(2);
        Ok(header)
    }

    fn main(source: &Source, f: Fields<'_>) -> Result<KdumpHeader, Error> {
        let short = || source.corrupt("kdump header", 0, "464 bytes", "less");
        let version = f.i32(8).ok_or_else(short)?;
        if f.bytes(8, 4).is_some_and(|b| b.starts_with(&[0, 0, 0])) && version != 0 {
            let machine = uname_machine(f).and_then(|name| architecture::by_uname(&name));
            return Err(architecture::refused(
                source,
                machine.unwrap_or("a big-endian"),
            ));
        }
        if !(0..=1000).contains(&version) {
            return Err(source.corrupt("kdump header_version", 8, "0 to 6", version));
        }
        let name = |index: usize| uname_field(f, index);
        if let Some(machine) = uname_machine(f).and_then(|name| architecture::by_uname(&name)) {
            return Err(architecture::refused(source, machine));
        }
        let number = |at: usize| f.u32(at).map(u64::from).ok_or_else(short);
        let header = KdumpHeader {
            signature: f.text(0, 8).ok_or_else(short)?,
            version,
            utsname: Utsname {
                sysname: name(0).ok_or_else(short)?,
                nodename: name(1).ok_or_else(short)?,
                release: name(2).ok_or_else(short)?,
                version: name(3).ok_or_else(short)?,
                machine: name(4).ok_or_else(short)?,
                domainname: name(5).ok_or_else(short)?,
            },
            timestamp: f.u64(408).ok_or_else(short)?,
            status: f.u32(424).ok_or_else(short)?,
            block_size: number(428)?,
            sub_header_blocks: number(432)?,
            bitmap_blocks: number(436)?,
            max_mapnr: number(440)?,
            nr_cpus: f.u32(460).ok_or_else(short)?,
            ..KdumpHeader::default()
        };
        header.check(source, f)?;
        Ok(header)
    }

    fn check(&self, source: &Source, f: Fields<'_>) -> Result<(), Error> {
        let plausible = |size: u32| size.is_power_of_two() && (512..=1 << 20).contains(&size);
        if !u32::try_from(self.block_size).is_ok_and(plausible) {
            // The same field in the header that a 32-bit machine writes.
            if f.u32(416).is_some_and(plausible) {
                return Err(architecture::refused(source, "a 32-bit"));
            }
            let expected = "a power of two from 512 to 1048576";
            return Err(source.corrupt("kdump block_size", 428, expected, self.block_size));
        }
        // A sub-header holds the notes: a few hundred bytes a CPU.
        if self.sub_header_blocks > 1 << 20 {
            let expected = "at most 1048576";
            return Err(source.corrupt(
                "kdump sub_hdr_size",
                432,
                expected,
                self.sub_header_blocks,
            ));
        }
        Ok(())
    }

    /// Takes over what the file's version defines, and no field above.
    fn sub(&mut self, f: Fields<'_>) {
        let place = |at: usize| -> Option<(FileOffset, u64)> {
            let (offset, size) = (f.u64(at)?, f.u64(at.checked_add(8)?)?);
            (offset != 0 && size != 0).then_some((FileOffset(offset), size))
        };
        self.phys_base = f.u64(0).unwrap_or(0);
        self.dump_level = f.i32(8);
        self.vmcoreinfo = place(32);
        self.notes = place(48);
        self.erase_info = place(64);
        let (mut start, mut end) = (f.u64(16).unwrap_or(0), f.u64(24).unwrap_or(0));
        if let (Some(start64), Some(end64), Some(max)) = (f.u64(80), f.u64(88), f.u64(96)) {
            (start, end) = (start64, end64);
            if max != 0 {
                self.max_mapnr = max;
            }
        }
        if f.i32(12).unwrap_or(0) != 0 {
            self.split = Some(Pfn(start)..Pfn(end));
        }
    }
}

/// Blocks that the bits of `pages` pages fill.
fn bitmap_blocks(pages: u64, block_size: u64) -> u64 {
    pages.div_ceil(8).div_ceil(block_size.max(1))
}

/// The bytes of one page descriptor.
type Descriptor = [u8; DESC_LEN as usize];

/// Bit `index` of a bitmap; false past its end.
fn bit(bits: &[u8], index: u64) -> bool {
    let byte = usize::try_from(index / 8).ok().and_then(|i| bits.get(i));
    byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// One kdump-compressed file: a whole dump, or one part of a split one.
#[derive(Debug)]
pub(crate) struct KdumpFile {
    pub(crate) source: Arc<Source>,
    pub(crate) header: KdumpHeader,
    /// RAM or hole; `None`: the file has one bitmap.
    ram: Option<Bitmap>,
    /// In this dump or not.
    dumped: Bitmap,
    /// File offset of the first page descriptor.
    descriptors: u64,
    /// No page's data ends behind this, or its descriptor is damaged.
    data_limit: u64,
}

/// Where a page's data stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageData {
    pub(crate) offset: u64,
    pub(crate) size: u32,
    pub(crate) codec: Option<Codec>,
}

impl KdumpFile {
    /// Reads the headers; the bitmaps stay in the file.
    pub(crate) fn open(source: Arc<Source>) -> Result<KdumpFile, Error> {
        let header = KdumpHeader::read(&source)?;
        let bs = header.block_size;
        let bitmaps = header
            .sub_header_blocks
            .saturating_add(1)
            .saturating_mul(bs);
        let len = header.bitmap_blocks.saturating_mul(bs);
        let one = if header.two_bitmaps { len / 2 } else { len };
        let bits = one
            .saturating_mul(8)
            .min(header.max_mapnr)
            .min(PHYSICAL_SPACE / bs.max(1));
        if bits == 0 {
            let expected = "a bitmap of at least one page";
            return Err(source.corrupt("kdump max_mapnr", 440, expected, header.max_mapnr));
        }
        let first = header.split.as_ref().map_or(0, |window| window.start.0);
        let descriptors = bitmaps.saturating_add(len);
        if source.len() <= bitmaps {
            return Err(source.header_error("page bitmaps", bitmaps, len, ReadError::PastEnd));
        }
        tracing::debug!(
            file = source.name(),
            version = header.version,
            bits,
            "kdump-compressed"
        );
        let ram = header
            .two_bitmaps
            .then(|| Bitmap::new(source.clone(), bitmaps, bits, 0));
        let second = if header.two_bitmaps {
            bitmaps.saturating_add(one)
        } else {
            bitmaps
        };
        Ok(KdumpFile {
            ram,
            dumped: Bitmap::new(source.clone(), second, bits, first),
            descriptors,
            data_limit: data_limit(&header, descriptors, bits),
            source,
            header,
        })
    }

    /// One past the last page the bitmaps tell of.
    pub(crate) fn max_pfn(&self) -> u64 {
        self.dumped.bits()
    }

    /// The pages whose data this file holds.
    pub(crate) fn window(&self) -> Range<u64> {
        match &self.header.split {
            Some(window) => window.start.0..window.end.0.min(self.max_pfn()),
            None => 0..self.max_pfn(),
        }
    }

    /// Finds a page's data: its bit, the rank of the bit, the descriptor.
    pub(crate) fn find(&self, pfn: u64) -> Result<PageData, PageError> {
        let at = Pfn(pfn).start(self.header.block_size);
        if !self.window().contains(&pfn) {
            return Err(self.absent(pfn));
        }
        let Some(rank) = self.dumped.rank(pfn).map_err(|e| lost(at, e))? else {
            return Err(self.absent(pfn));
        };
        let place = self.descriptor_place(rank);
        let desc = self.source.array(place).map_err(|e| lost(at, e))?;
        self.descriptor(&desc, place, at)
    }

    /// Why a page has no data here, by its bits: another part has it, it was left out, or there
    /// is no RAM.
    fn absent(&self, pfn: u64) -> PageError {
        let at = Pfn(pfn).start(self.header.block_size);
        match (self.dumped.get(pfn), &self.ram) {
            (Err(error), _) => lost(at, error),
            (Ok(true), _) => PageError::Incomplete { at },
            (Ok(false), None) => PageError::Hole { at },
            (Ok(false), Some(ram)) => match ram.get(pfn) {
                Ok(true) => PageError::Excluded { at },
                Ok(false) => PageError::Hole { at },
                Err(error) => lost(at, error),
            },
        }
    }

    /// Where the machine has RAM: the bits of `from..to`, the first that of `from` rounded down to 8.
    pub(crate) fn ram_bits(&self, from: u64, to: u64) -> Result<Vec<u8>, ReadError> {
        self.ram.as_ref().unwrap_or(&self.dumped).bytes(from, to)
    }

    /// Tells `visit` what there is of each page in `from..to`, a few thousand pages: reads their
    /// bits and descriptors at once.
    pub(crate) fn each(
        &self,
        from: u64,
        to: u64,
        visit: &mut dyn FnMut(u64, Result<PageData, PageError>),
    ) {
        let Ok((dumped, ram, descriptors)) = self.bits_and_descriptors(from, to) else {
            (from..to).for_each(|pfn| visit(pfn, self.find(pfn)));
            return;
        };
        let window = self.window();
        let base = from & !7;
        let mut descriptors = descriptors.iter();
        let first = self.dumped.count_below(from).unwrap_or(0);
        let mut place = self.descriptor_place(first);
        for pfn in from..to {
            let at = Pfn(pfn).start(self.header.block_size);
            let index = pfn.saturating_sub(base);
            let found = if !bit(&dumped, index) {
                match &ram {
                    Some(ram) if bit(ram, index) => Err(PageError::Excluded { at }),
                    _ => Err(PageError::Hole { at }),
                }
            } else if window.contains(&pfn) {
                let desc = descriptors.next();
                let found = desc.map(|desc| self.descriptor(desc, place, at));
                place = place.saturating_add(DESC_LEN);
                found.unwrap_or(Err(PageError::Incomplete { at }))
            } else {
                Err(PageError::Incomplete { at })
            };
            visit(pfn, found);
        }
    }

    /// The bits of `from..to` in both bitmaps, from `from` rounded down to 8, and the descriptors
    /// of the pages there that lie in the window.
    #[allow(clippy::type_complexity)]
    fn bits_and_descriptors(
        &self,
        from: u64,
        to: u64,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>, Vec<Descriptor>), ReadError> {
        let dumped = self.dumped.bytes(from, to)?;
        let ram = self.ram.as_ref().map(|ram| ram.bytes(from, to));
        let window = self.window();
        let first = self.dumped.count_below(from)?;
        let last = self.dumped.count_below(to.min(window.end))?;
        let len = last.saturating_sub(first).saturating_mul(DESC_LEN);
        let bytes = self.source.vec(self.descriptor_place(first), len)?;
        let (descriptors, _) = bytes.as_chunks::<{ DESC_LEN as usize }>();
        Ok((dumped, ram.transpose()?, descriptors.to_vec()))
    }

    /// The file offset of the page of zeros that pages share: the first place that a descriptor
    /// goes back to, if zeros are there. `None`: no descriptor goes back.
    pub(crate) fn shared_zeros(&self) -> Option<u64> {
        const STEP: u64 = 4096;
        let window = self.window();
        let mut highest = 0;
        let mut back = None;
        let mut from = window.start;
        while from < window.end && back.is_none() {
            let to = from.saturating_add(STEP).min(window.end);
            self.each(from, to, &mut |pfn, data| {
                if let (None, Ok(data)) = (back, data) {
                    if data.offset < highest {
                        back = Some((pfn, data));
                    }
                    highest = highest.max(data.offset);
                }
            });
            from = to;
        }
        let (pfn, data) = back?;
        let mut page = vec![1; usize::try_from(self.header.block_size).ok()?];
        let at = Pfn(pfn).start(self.header.block_size);
        self.decode(data, at, &mut Vec::new(), &mut page).ok()?;
        page.iter().all(|byte| *byte == 0).then_some(data.offset)
    }

    /// File offset of the descriptor of that rank.
    pub(crate) fn descriptor_place(&self, rank: u64) -> u64 {
        self.descriptors
            .saturating_add(rank.saturating_mul(DESC_LEN))
    }

    /// Reads a descriptor: `u64 offset, u32 size, u32 flags, u64 page_flags`.
    pub(crate) fn descriptor(
        &self,
        desc: &Descriptor,
        place: u64,
        at: PhysAddr,
    ) -> Result<PageData, PageError> {
        let f = Fields(desc);
        let (offset, size) = (f.u64(0).unwrap_or(0), f.u32(8).unwrap_or(0));
        let corrupt = |what: String| PageError::Corrupt {
            at,
            offset: Some(FileOffset(place)),
            what,
        };
        if offset == 0 {
            return Err(PageError::Incomplete { at });
        }
        let codec = Codec::of_page(f.u32(12).unwrap_or(0)).map_err(corrupt)?;
        let block_size = self.header.block_size;
        if size == 0 || u64::from(size) > block_size {
            return Err(corrupt(format!(
                "its descriptor claims {size} bytes of data, a page has {block_size}"
            )));
        }
        if codec.is_none() && u64::from(size) != block_size {
            return Err(corrupt(format!(
                "it is not compressed, and has {size} bytes of {block_size}"
            )));
        }
        let end = offset.saturating_add(u64::from(size));
        if offset < self.descriptors || end > self.data_limit {
            return Err(corrupt(format!(
                "its descriptor points to file offset {offset:#x}, where no data can be"
            )));
        }
        if end > self.source.len() {
            return Err(PageError::Incomplete { at });
        }
        Ok(PageData {
            offset,
            size,
            codec,
        })
    }

    /// Reads and decodes a page's data into `page`, which is one block long. `packed` is scratch.
    pub(crate) fn decode(
        &self,
        data: PageData,
        at: PhysAddr,
        packed: &mut Vec<u8>,
        page: &mut [u8],
    ) -> Result<(), PageError> {
        if data.codec.is_none() {
            return self
                .source
                .read_at(data.offset, page)
                .map_err(|e| lost(at, e));
        }
        packed.clear();
        packed.resize(data.size as usize, 0);
        self.source
            .read_at(data.offset, packed)
            .map_err(|e| lost(at, e))?;
        self.unpack(data, at, packed, page)
    }

    /// Decodes a page's data, as it stands in the file, into `page`.
    pub(crate) fn unpack(
        &self,
        data: PageData,
        at: PhysAddr,
        packed: &[u8],
        page: &mut [u8],
    ) -> Result<(), PageError> {
        let unpacked = match data.codec {
            Some(codec) => codec.decode(packed, page),
            None if packed.len() == page.len() => {
                page.copy_from_slice(packed);
                Ok(())
            }
            None => Err("it is shorter than a page".to_owned()),
        };
        unpacked.map_err(|what| PageError::Corrupt {
            at,
            offset: Some(FileOffset(data.offset)),
            what,
        })
    }

    /// Adds to `reasons` why this file is not whole. Reads the second bitmap once.
    pub(crate) fn damage(&self, reasons: &mut Vec<String>) {
        let name = self.source.name();
        if self.header.incomplete() {
            reasons.push(format!(
                "{name}: its header says that writing it was cut short (status bit 0x8)"
            ));
        }
        let window = self.window();
        let len = self.source.len();
        match self.dumped.count_below(window.end) {
            Err(ReadError::Io(what)) => reasons.push(format!("{name}: {what}")),
            Err(_) => reasons.push(format!(
                "{name}: truncated at {len:#x}: the page bitmaps end at {:#x}",
                self.descriptors
            )),
            Ok(pages) => {
                let end = self.descriptor_place(pages);
                if end > len {
                    reasons.push(format!(
                        "{name}: truncated at {len:#x}: the page descriptors end at {end:#x}"
                    ));
                } else if let Some(end) = self.last_data(pages).filter(|end| *end > len) {
                    reasons.push(format!(
                        "{name}: truncated at {len:#x}: page data ends at {end:#x} or later"
                    ));
                }
            }
        }
    }

    /// Where the data of the last pages ends. Data is written in the order of descriptors, so this
    /// is the end of the file or near it; but all pages of zeros share one place near its start. So
    /// descriptors are read backwards until two places differ: the higher is the last one written.
    /// `None` where none has data.
    ///
    /// At most 4 Mi descriptors (96 MiB) are read. A dump whose last 16 GiB of pages are all zero
    /// and share one place can be cut behind that place without being noticed here; the pages that
    /// are lost then are still errors when they are read.
    fn last_data(&self, pages: u64) -> Option<u64> {
        const STEP: u64 = 4096;
        const LOOKED_AT: u64 = 4 << 20;
        let lowest = pages.saturating_sub(LOOKED_AT);
        let (mut to, mut seen) = (pages, None);
        while to > lowest {
            let from = to.saturating_sub(STEP).max(lowest);
            let len = to.saturating_sub(from).saturating_mul(DESC_LEN);
            let bytes = self.source.vec(self.descriptor_place(from), len).ok()?;
            let (descs, _) = bytes.as_chunks::<{ DESC_LEN as usize }>();
            for end in descs.iter().filter_map(|desc| self.data_end(desc)) {
                let (low, high) = seen.unwrap_or((end, end));
                seen = Some((end.min(low), end.max(high)));
            }
            if seen.is_some_and(|(low, high)| low < high) {
                break;
            }
            to = from;
        }
        seen.map(|(_, high)| high)
    }

    /// Where the data of a descriptor ends; `None`: the page is lost, or the descriptor damaged.
    fn data_end(&self, desc: &Descriptor) -> Option<u64> {
        let f = Fields(desc);
        let (offset, size) = (f.u64(0)?, f.u32(8)?);
        let end = offset.checked_add(u64::from(size))?;
        (offset != 0 && end <= self.data_limit).then_some(end)
    }
}

/// The end of the data if every page had its own block: more is no truncated file but a damaged
/// descriptor. Other things than pages may stand between, so there is room for as much again.
fn data_limit(header: &KdumpHeader, descriptors: u64, bits: u64) -> u64 {
    let each = header.block_size.saturating_add(DESC_LEN);
    descriptors
        .saturating_add(bits.saturating_mul(each))
        .saturating_mul(2)
        .saturating_add(1 << 30)
}

/// What a failed read of the file means for a page.
pub(crate) fn lost(at: PhysAddr, error: ReadError) -> PageError {
    match error {
        ReadError::PastEnd | ReadError::Missing => PageError::Incomplete { at },
        ReadError::Corrupt(offset, what) => PageError::Corrupt {
            at,
            offset: Some(FileOffset(offset)),
            what,
        },
        ReadError::Io(what) => PageError::Io { at, what },
    }
}
