//! kdump-compressed files, versions 0 to 6. Layout: makedumpfile's IMPLEMENTATION file.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use crate::memory::{Memory, Page};
use crate::note::{Note, notes_bytes};
use crate::{Little, lzo, put};

/// A compression of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Codec {
    Zlib,
    Lzo,
    Snappy,
    Zstd,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Codec; 4] = [Codec::Zlib, Codec::Lzo, Codec::Snappy, Codec::Zstd];

    fn bit(self) -> u32 {
        match self {
            Codec::Zlib => 0x1,
            Codec::Lzo => 0x2,
            Codec::Snappy => 0x4,
            Codec::Zstd => 0x20,
        }
    }

    /// The compressed bytes.
    #[must_use]
    pub fn compress(self, page: &[u8]) -> Vec<u8> {
        match self {
            Codec::Zlib => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(page).unwrap();
                encoder.finish().unwrap()
            }
            Codec::Lzo => lzo::compress(page),
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(page).unwrap(),
            Codec::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                ruzstd::encoding::compress_to_vec(page, level)
            }
        }
    }
}

/// A kdump-compressed file to build.
#[derive(Clone, Debug)]
pub struct Kdump {
    memory: Memory,
    version: i32,
    signature: [u8; 8],
    codec: Option<Codec>,
    one_bitmap: bool,
    split: Option<Range<u64>>,
    incomplete: bool,
    max_pfn: Option<u64>,
    notes: Vec<Note>,
    vmcoreinfo: Option<String>,
    erase_info: Option<String>,
    utsname: [String; 6],
    garbage: bool,
}

/// A built file, and where its parts are.
#[derive(Clone, Debug)]
pub struct KdumpBytes {
    /// The file.
    pub bytes: Vec<u8>,
    /// The places of each page that the file has.
    pub places: BTreeMap<u64, Place>,
    /// Offset of the first bitmap.
    pub bitmaps: usize,
    /// Offset of the first page descriptor.
    pub descriptors: usize,
    /// Offset of the first page's data.
    pub data: usize,
}

/// Where a page is in a built file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of its descriptor.
    pub descriptor: usize,
    /// Offset of its data; 0 for an incomplete page.
    pub data: usize,
    /// Bytes of its data.
    pub size: usize,
    /// Whether it is compressed.
    pub packed: bool,
}

impl Kdump {
    /// A file of version 6, two bitmaps, not compressed, without notes.
    #[must_use]
    pub fn new(memory: Memory) -> Kdump {
        Kdump {
            memory,
            version: 6,
            signature: *b"KDUMP   ",
            codec: None,
            one_bitmap: false,
            split: None,
            incomplete: false,
            max_pfn: None,
            notes: Vec::new(),
            vmcoreinfo: None,
            erase_info: None,
            utsname: ["Linux", "node", "7.2.0-test", "#1 SMP", "x86_64", "(none)"]
                .map(str::to_owned),
            garbage: false,
        }
    }

    /// Version of the header, 0 to 6. Fields of later versions are left out.
    #[must_use]
    pub fn version(mut self, version: i32) -> Kdump {
        self.version = version;
        self
    }

    /// Other first bytes: `DISKDUMP`.
    #[must_use]
    pub fn signature(mut self, signature: [u8; 8]) -> Kdump {
        self.signature = signature;
        self
    }

    /// Compresses every page that gets smaller by it.
    #[must_use]
    pub fn codec(mut self, codec: impl Into<Option<Codec>>) -> Kdump {
        self.codec = codec.into();
        self
    }

    /// One bitmap: excluded pages become holes.
    #[must_use]
    pub fn one_bitmap(mut self) -> Kdump {
        self.one_bitmap = true;
        self
    }

    /// A part of a split dump, with the data of these pages. Needs version 2.
    #[must_use]
    pub fn split(mut self, window: Range<u64>) -> Kdump {
        self.split = Some(window);
        self
    }

    /// Sets the flag that says that writing was cut short.
    #[must_use]
    pub fn incomplete(mut self) -> Kdump {
        self.incomplete = true;
        self
    }

    /// Claims pages up to here; by default up to the last one that is described.
    #[must_use]
    pub fn max_pfn(mut self, pfn: u64) -> Kdump {
        self.max_pfn = Some(pfn);
        self
    }

    /// Adds a note. Needs version 4.
    #[must_use]
    pub fn note(mut self, note: Note) -> Kdump {
        self.notes.push(note);
        self
    }

    /// Adds VMCOREINFO: as a note from version 4 on, as text at version 3.
    #[must_use]
    pub fn vmcoreinfo(mut self, text: &str) -> Kdump {
        self.vmcoreinfo = Some(text.to_owned());
        self
    }

    /// Adds erase info. Needs version 5.
    #[must_use]
    pub fn erase_info(mut self, text: &str) -> Kdump {
        self.erase_info = Some(text.to_owned());
        self
    }

    /// sysname, nodename, release, version, machine, domainname.
    #[must_use]
    pub fn utsname(mut self, names: [&str; 6]) -> Kdump {
        self.utsname = names.map(str::to_owned);
        self
    }

    /// Fills the sub-header's fields above the version with garbage.
    #[must_use]
    pub fn garbage_above_version(mut self) -> Kdump {
        self.garbage = true;
        self
    }

    /// Builds the file.
    #[must_use]
    pub fn build(&self) -> KdumpBytes {
        let block = self.memory.page_size as usize;
        let max_pfn = self.max_pfn.unwrap_or_else(|| self.memory.end());
        let one = (max_pfn as usize).div_ceil(8).div_ceil(block) * block;
        let sub = self.sub_header(block, max_pfn);
        let bitmaps = if self.one_bitmap { one } else { 2 * one };
        let mut bytes = self.header(block, max_pfn, sub.len(), bitmaps);
        bytes.extend(sub);
        let bitmaps_at = bytes.len();
        if !self.one_bitmap {
            bytes.extend(bits(one, self.memory.pages.keys().copied()));
        }
        let dumped = |page: &Page| !matches!(page, Page::Excluded);
        let pages = || self.memory.pages.iter().filter(|(_, page)| dumped(page));
        bytes.extend(bits(one, pages().map(|(pfn, _)| *pfn)));
        let window = self.split.clone().unwrap_or(0..u64::MAX);
        let held: Vec<(u64, &Page)> = pages()
            .filter(|(pfn, _)| window.contains(pfn))
            .map(|(pfn, page)| (*pfn, page))
            .collect();
        let descriptors = bytes.len();
        let data = descriptors + held.len() * 24;
        let places = self.pages(&mut bytes, data, &held);
        KdumpBytes {
            bytes,
            places,
            bitmaps: bitmaps_at,
            descriptors,
            data,
        }
    }

    /// Appends descriptors and data.
    fn pages(
        &self,
        bytes: &mut Vec<u8>,
        data_at: usize,
        held: &[(u64, &Page)],
    ) -> BTreeMap<u64, Place> {
        let mut data: Vec<u8> = Vec::new();
        let mut zero: Option<Place> = None;
        let mut places = BTreeMap::new();
        for (pfn, page) in held {
            let mut place = match page {
                Page::Data(page) if page.iter().all(|b| *b == 0) => {
                    *zero.get_or_insert_with(|| self.data(&mut data, data_at, page))
                }
                Page::Data(page) => self.data(&mut data, data_at, page),
                _ => Place {
                    descriptor: 0,
                    data: 0,
                    size: 0,
                    packed: false,
                },
            };
            place.descriptor = bytes.len();
            let flags = self.codec.filter(|_| place.packed).map_or(0, Codec::bit);
            bytes.u64(place.data as u64);
            bytes.u32(place.size as u32);
            bytes.u32(flags);
            bytes.u64(0);
            places.insert(*pfn, place);
        }
        bytes.extend(data);
        places
    }

    fn data(&self, data: &mut Vec<u8>, data_at: usize, page: &[u8]) -> Place {
        let packed = self.codec.map(|codec| codec.compress(page));
        let packed = packed.filter(|packed| packed.len() < page.len());
        let stored = packed.as_deref().unwrap_or(page);
        let place = Place {
            descriptor: 0,
            data: data_at + data.len(),
            size: stored.len(),
            packed: packed.is_some(),
        };
        data.extend(stored);
        place
    }

    fn header(&self, block: usize, max_pfn: u64, sub: usize, bitmaps: usize) -> Vec<u8> {
        let mut header = vec![0; block];
        put(&mut header, 0, &self.signature);
        put(&mut header, 8, &self.version.to_le_bytes());
        for (i, name) in self.utsname.iter().enumerate() {
            put(&mut header, 12 + i * 65, name.as_bytes());
        }
        let incomplete = if self.incomplete { 8 } else { 0 };
        let status = self.codec.map_or(0, Codec::bit) | incomplete;
        let mapnr = if self.version >= 6 {
            max_pfn.min(u64::from(u32::MAX))
        } else {
            max_pfn
        };
        put(&mut header, 424, &status.to_le_bytes());
        let numbers = [block, sub / block, bitmaps / block, mapnr as usize];
        for (i, number) in numbers.iter().enumerate() {
            put(&mut header, 428 + i * 4, &(*number as u32).to_le_bytes());
        }
        put(&mut header, 460, &4_u32.to_le_bytes());
        header
    }

    /// Block 1 and the notes behind it, in whole blocks.
    fn sub_header(&self, block: usize, max_pfn: u64) -> Vec<u8> {
        let mut notes = self.notes.clone();
        notes.extend(self.vmcoreinfo.as_deref().map(Note::vmcoreinfo));
        let mut tail = Vec::new();
        let at = |tail: &[u8]| (block + 104 + tail.len()) as u64;
        let mut place = [(0, 0); 3];
        if self.version >= 4 && !notes.is_empty() {
            let note_bytes = notes_bytes(&notes);
            place[1] = (at(&tail), note_bytes.len() as u64);
            if let Some(text) = &self.vmcoreinfo {
                // The text is the content of the last note.
                let padded = text.len().next_multiple_of(4);
                let start = at(&tail) as usize + note_bytes.len() - padded;
                place[0] = (start as u64, text.len() as u64);
            }
            tail.extend(note_bytes);
        } else if let Some(text) = self.vmcoreinfo.as_ref().filter(|_| self.version >= 3) {
            place[0] = (at(&tail), text.len() as u64);
            tail.extend(text.as_bytes());
        }
        if let Some(text) = self.erase_info.as_ref().filter(|_| self.version >= 5) {
            place[2] = (at(&tail), text.len() as u64);
            tail.extend(text.as_bytes());
        }
        let mut sub = self.sub_fields(place, max_pfn);
        sub.extend(tail);
        sub.resize(sub.len().next_multiple_of(block), 0);
        sub
    }

    fn sub_fields(&self, place: [(u64, u64); 3], max_pfn: u64) -> Vec<u8> {
        let mut sub = Vec::new();
        let window = self.split.clone().unwrap_or(0..0);
        sub.u64(0x0100_0000); // phys_base
        sub.u32(31); // dump_level
        sub.u32(u32::from(self.split.is_some()));
        sub.u64(window.start);
        sub.u64(window.end);
        for (offset, size) in place {
            sub.u64(offset);
            sub.u64(size);
        }
        sub.u64(window.start);
        sub.u64(window.end);
        sub.u64(max_pfn);
        let defined = [8, 16, 32, 48, 64, 80, 104][self.version.clamp(0, 6) as usize];
        if defined < sub.len() {
            let fill = if self.garbage { 0xa5 } else { 0 };
            // At version 1, 12..16 is padding inside what the version defines.
            sub[defined..].fill(fill);
        }
        sub
    }
}

fn bits(len: usize, pfns: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut map = vec![0; len];
    for pfn in pfns {
        map[pfn as usize / 8] |= 1 << (pfn % 8);
    }
    map
}
