//! The kernel log since 5.10: a lockless ring of three parts (kernel/printk/printk_ringbuffer.h):
//!
//! ```text
//!  desc_ring: descs[1 << count_bits]   { state_var, text_blk_lpos { begin, next } }
//!             infos[1 << count_bits]   { seq, ts_nsec, text_len, facility, flags:5 level:3, caller_id, … }
//!             head_id, tail_id         record id & (count - 1) is its slot
//!  text_data_ring: data[1 << size_bits], lpos & (size - 1) is the place
//!  a data block: unsigned long id, then the text; begin..next are its logical positions
//! ```
//! The top two bits of `state_var` are the state (0 reserved, 1 committed, 2 finalized, 3
//! reusable); the rest is the id. A position with bit 0 set means "no data". A block that would
//! pass the ring's end starts again at its beginning. Offsets come from VMCOREINFO, so the log
//! can be read without any type; level and facility sit in the two bytes behind `text_len`.

use std::cell::{Cell, RefCell};

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::{Dump, VmcoreInfo};

use super::{Caller, Log, Property, Record};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::private::Private;

/// Most records and bytes that a ring may claim to have: CONFIG_LOG_BUF_SHIFT is at most 25, and
/// `log_buf_len=` at most 2 GiB; a ring above 1 GiB is refused.
const MAX_COUNT_BITS: u64 = 25;
const MAX_SIZE_BITS: u64 = 30;
pub(super) fn read(kernel: &Kernel) -> Result<Log> {
    Ring::open(kernel)?.read()
}

/// Layout of the lockless ring, from VMCOREINFO.
struct Layout {
    desc_size: u64,
    desc_state: u64,
    desc_begin: u64,
    desc_next: u64,
    info_size: u64,
    info_seq: u64,
    info_ts: u64,
    info_len: u64,
    info_caller: Option<u64>,
    info_device: Option<u64>,
}

impl Layout {
    fn of(info: &VmcoreInfo) -> Result<Layout> {
        let lpos = offset(info, "prb_desc.text_blk_lpos")?;
        Ok(Layout {
            desc_size: size(info, "prb_desc")?,
            desc_state: offset(info, "prb_desc.state_var")?,
            desc_begin: lpos.saturating_add(offset(info, "prb_data_blk_lpos.begin")?),
            desc_next: lpos.saturating_add(offset(info, "prb_data_blk_lpos.next")?),
            info_size: size(info, "printk_info")?,
            info_seq: offset(info, "printk_info.seq")?,
            info_ts: offset(info, "printk_info.ts_nsec")?,
            info_len: offset(info, "printk_info.text_len")?,
            info_caller: info.offset("printk_info.caller_id"),
            info_device: info.offset("printk_info.dev_info"),
        })
    }
}

fn offset(info: &VmcoreInfo, name: &str) -> Result<u64> {
    let found = info.offset(name).filter(|o| *o < 1 << 16);
    found.ok_or_else(|| Error::VmcoreinfoKey {
        key: format!("OFFSET({name})"),
        purpose: "the log",
    })
}

fn size(info: &VmcoreInfo, name: &str) -> Result<u64> {
    let found = info.size(name).filter(|s| (1..1 << 16).contains(s));
    found.ok_or_else(|| Error::VmcoreinfoKey {
        key: format!("SIZE({name})"),
        purpose: "the log",
    })
}

/// The ring, its control words read.
struct Ring<'k> {
    kernel: &'k Kernel,
    layout: Layout,
    count_bits: u64,
    descs: VirtAddr,
    infos: VirtAddr,
    head_id: u64,
    tail_id: u64,
    size_bits: u64,
    data: VirtAddr,
    /// Bytes of text that may still be kept. Blocks of a ring do not overlap, so their texts fit in
    /// it together; without this bound 65,536 records could each claim the same 64 KiB.
    room: Cell<u64>,
}

/// Bytes of the id in front of a block's text.
const ID_SIZE: u64 = 8;
/// `PRINTK_INFO_SUBSYSTEM_LEN`, `PRINTK_INFO_DEVICE_LEN`.
const SUBSYSTEM_LEN: u64 = 16;
const DEVICE_LEN: u64 = 48;
const STATE_SHIFT: u32 = 62;
const ID_MASK: u64 = (1 << STATE_SHIFT) - 1;
const RESERVED: u64 = 0;
const COMMITTED: u64 = 1;
const FINALIZED: u64 = 2;

impl<'k> Ring<'k> {
    fn open(kernel: &'k Kernel) -> Result<Ring<'k>> {
        let info = kernel.vmcoreinfo();
        let space = kernel.space();
        let symbol = info.symbol("prb").ok_or(Error::VmcoreinfoKey {
            key: "SYMBOL(prb)".into(),
            purpose: "the log",
        })?;
        let prb = space.pointer(VirtAddr(symbol))?;
        let desc_ring = prb
            .0
            .wrapping_add(offset(info, "printk_ringbuffer.desc_ring")?);
        let text_ring = prb
            .0
            .wrapping_add(offset(info, "printk_ringbuffer.text_data_ring")?);
        let in_desc = |name: &str| -> Result<VirtAddr> {
            Ok(VirtAddr(desc_ring.wrapping_add(offset(
                info,
                &format!("prb_desc_ring.{name}"),
            )?)))
        };
        let in_text = |name: &str| -> Result<VirtAddr> {
            Ok(VirtAddr(text_ring.wrapping_add(offset(
                info,
                &format!("prb_data_ring.{name}"),
            )?)))
        };
        let size_bits = u64::from(space.u32(in_text("size_bits")?)?);
        let ring = Ring {
            kernel,
            layout: Layout::of(info)?,
            count_bits: u64::from(space.u32(in_desc("count_bits")?)?),
            descs: space.pointer(in_desc("descs")?)?,
            infos: space.pointer(in_desc("infos")?)?,
            head_id: space.u64(in_desc("head_id")?)?,
            tail_id: space.u64(in_desc("tail_id")?)?,
            size_bits,
            data: space.pointer(in_text("data")?)?,
            room: Cell::new(1u64.checked_shl(size_bits as u32).unwrap_or(0)),
        };
        if ring.count_bits > MAX_COUNT_BITS || ring.size_bits > MAX_SIZE_BITS || ring.size_bits < 4
        {
            return Err(Error::Implausible {
                what: "size of the log".into(),
                at: prb,
                found: format!("2^{} records, 2^{} bytes", ring.count_bits, ring.size_bits),
            });
        }
        Ok(ring)
    }

    /// Reads all records from tail to head.
    fn read(&self) -> Result<Log> {
        let count = 1u64 << self.count_bits;
        let descs = Table::new(self.kernel, self.descs, self.layout.desc_size, count);
        let infos = Table::new(self.kernel, self.infos, self.layout.info_size, count);
        let data = Table::new(self.kernel, self.data, 1, 1 << self.size_bits);
        let mut log = Log {
            first_sequence: u64::MAX,
            ..Log::default()
        };
        let span = self.head_id.wrapping_sub(self.tail_id) & ID_MASK;
        for step in 0..=span.min(count - 1) {
            let id = self.tail_id.wrapping_add(step) & ID_MASK;
            self.read_record(id, &descs, &infos, &data, &mut log);
        }
        log.records.sort_by_key(|r| r.sequence);
        log.first_sequence = log.records.first().map_or(0, |r| r.sequence);
        Ok(log)
    }

    fn read_record(
        &self,
        id: u64,
        descs: &Table<'_>,
        infos: &Table<'_>,
        data: &Table<'_>,
        log: &mut Log,
    ) {
        let slot = id & ((1 << self.count_bits) - 1);
        let layout = &self.layout;
        let (Some(state), Some(begin), Some(next)) = (
            descs.u64(slot, layout.desc_state),
            descs.u64(slot, layout.desc_begin),
            descs.u64(slot, layout.desc_next),
        ) else {
            log.lost += 1;
            return;
        };
        if state & ID_MASK != id {
            return; // the slot was never used for this id, or has been reused
        }
        match state >> STATE_SHIFT {
            COMMITTED | FINALIZED => {}
            RESERVED => {
                log.uncommitted += 1;
                log.unfinished
                    .extend(self.unfinished(id, begin, next, infos, data));
                return;
            }
            _ => return, // reusable: the text is gone
        }
        let Some(mut record) = self.read_info(slot, infos) else {
            log.lost += 1;
            return;
        };
        let text = self.text(begin, next, record.1, data);
        match text.filter(|text| self.claim(text.len() as u64)) {
            Some(text) => {
                record.0.text = text;
                log.records.push(record.0);
            }
            None => log.lost += 1,
        }
    }

    /// Takes `len` bytes of what may still be kept, if there are as many.
    fn claim(&self, len: u64) -> bool {
        let left = self.room.get().checked_sub(len);
        self.room.set(left.unwrap_or(self.room.get()));
        left.is_some()
    }

    /// What stood in the block of a record that was never committed, up to the first NUL, which
    /// ends what `vscnprintf()` has written. `None`: nothing yet.
    fn unfinished(
        &self,
        id: u64,
        begin: u64,
        next: u64,
        infos: &Table<'_>,
        data: &Table<'_>,
    ) -> Option<Record> {
        let slot = id & ((1 << self.count_bits) - 1);
        let (mut record, len) = self.read_info(slot, infos)?;
        let (start, end) = self.block(begin, next)?;
        // The block is given its id first: until then it holds an older record's text.
        let owner = data.bytes(start, ID_SIZE)?;
        if owner != id.to_le_bytes() {
            return None;
        }
        let room = end.checked_sub(start.checked_add(ID_SIZE)?)?;
        let len = if len == 0 { room } else { len.min(room) };
        if !self.claim(len) {
            return None;
        }
        let mut text = data.text(start.checked_add(ID_SIZE)?, len)?;
        text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
        record.text = text;
        (!record.text.is_empty()).then_some(record)
    }

    /// The record without its text, and the text's length.
    fn read_info(&self, slot: u64, infos: &Table<'_>) -> Option<(Record, u64)> {
        let layout = &self.layout;
        let word = infos.u32(slot, layout.info_len)?;
        let (len, facility, flags_level) = (word & 0xffff, (word >> 16) as u8, (word >> 24) as u8);
        let caller = layout
            .info_caller
            .and_then(|at| infos.u32(slot, at))
            .map(Caller::from_id);
        let record = Record {
            sequence: infos.u64(slot, layout.info_seq)?,
            timestamp_ns: infos.u64(slot, layout.info_ts)?,
            // `u8 facility; u8 flags:5, level:3;` follow `u16 text_len` in every release so far.
            level: Some(flags_level >> 5),
            facility: Some(facility),
            continuation: flags_level & 8 != 0,
            newline: flags_level & 2 != 0,
            caller,
            text: Vec::new(),
            dictionary: self.device(slot, infos),
        };
        Some((record, u64::from(len)))
    }

    /// The text of a data block. `None`: lost.
    fn text(&self, begin: u64, next: u64, len: u64, data: &Table<'_>) -> Option<Vec<u8>> {
        if begin & 1 == 1 && next & 1 == 1 {
            // 3 (EMPTY_LINE_LPOS) is a record without text, 1 (FAILED_LPOS) one that found no room.
            return (begin == 3 && next == 3).then(Vec::new);
        }
        let (start, end) = self.block(begin, next)?;
        let text_at = start.checked_add(ID_SIZE)?;
        let len = len.min(end.checked_sub(text_at)?);
        data.text(text_at, len)
    }

    /// Where a block lies in the ring, its id included, end exclusive.
    fn block(&self, begin: u64, next: u64) -> Option<(u64, u64)> {
        let size = 1u64 << self.size_bits;
        // The block wraps where its first and its last byte lie in different rounds; one that ends
        // exactly at the ring's end does not (since 6.18 such blocks exist).
        let wraps = begin >> self.size_bits != next.wrapping_sub(1) >> self.size_bits;
        let (start, end) = if wraps {
            (0, next & (size - 1))
        } else {
            let start = begin & (size - 1);
            (start, start.checked_add(next.wrapping_sub(begin))?)
        };
        (end <= size).then_some((start, end))
    }

    /// `struct dev_printk_info { char subsystem[16]; char device[48]; }` (include/linux/dev_printk.h,
    /// since 5.10).
    fn device(&self, slot: u64, infos: &Table<'_>) -> Vec<Property> {
        let Some(at) = self.layout.info_device else {
            return Vec::new();
        };
        let text = |offset: u64, len: u64| {
            let at = slot
                .checked_mul(self.layout.info_size)?
                .checked_add(offset)?;
            let mut bytes = infos.bytes(at, len)?;
            bytes.truncate(memchr::memchr(0, &bytes).unwrap_or(bytes.len()));
            Some(bytes).filter(|bytes| !bytes.is_empty())
        };
        let subsystem = text(at, SUBSYSTEM_LEN).map(|value| ("SUBSYSTEM".to_owned(), value));
        let device = text(at.saturating_add(SUBSYSTEM_LEN), DEVICE_LEN);
        let device = device.map(|value| ("DEVICE".to_owned(), value));
        subsystem.into_iter().chain(device).collect()
    }
}

/// An array in the dump's memory, read in windows, or piece by piece where pages are missing.
struct Table<'k> {
    kernel: &'k Kernel,
    at: VirtAddr,
    stride: u64,
    /// Bytes of the array.
    len: u64,
    /// The window that was read last: records stand in it one after the other.
    window: RefCell<Window>,
}

/// Bytes of a window: a ring of the usual size is one.
const WINDOW: u64 = 4 << 20;

/// A part of the array.
struct Window {
    start: u64,
    /// `None`: a page is missing in it.
    bytes: Option<Vec<u8>>,
}

impl<'k> Table<'k> {
    fn new(kernel: &'k Kernel, at: VirtAddr, stride: u64, count: u64) -> Table<'k> {
        Table {
            kernel,
            at,
            stride,
            len: stride.saturating_mul(count),
            window: RefCell::new(Window {
                start: u64::MAX,
                bytes: None,
            }),
        }
    }

    /// Fills `buf` from `at` on. `None`: it is not in the array, or can't be read.
    fn read(&self, at: u64, buf: &mut [u8]) -> Option<()> {
        let end = at.checked_add(buf.len() as u64)?;
        if end > self.len {
            return None;
        }
        let start = at - at % WINDOW;
        let mut window = self.window.borrow_mut();
        if window.start != start {
            let len = WINDOW.min(self.len - start) as usize;
            let from = VirtAddr(self.at.0.wrapping_add(start));
            *window = Window {
                start,
                bytes: self.window(from, len),
            };
        }
        let inside = (at - start) as usize;
        let whole = window.bytes.as_ref();
        match whole.and_then(|bytes| bytes.get(inside..inside + buf.len())) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                self.kernel.space().record(self.address(at), buf.len());
            }
            None => self.kernel.space().read(self.address(at), buf).ok()?,
        }
        Some(())
    }

    /// The text at `at`, which is told for text of the log.
    fn text(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        let text = self.bytes(at, len)?;
        let space = self.kernel.space();
        space.note_private(Private::LogText, self.address(at), &text);
        Some(text)
    }

    fn address(&self, at: u64) -> VirtAddr {
        VirtAddr(self.at.0.wrapping_add(at))
    }

    /// More than will be used of it is read at once: what is used is recorded then.
    fn window(&self, from: VirtAddr, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        let space = self.kernel.space();
        space
            .read_by(from, &mut bytes, Dump::read_unrecorded)
            .ok()?;
        Some(bytes)
    }

    fn bytes(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        if len > self.len {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.read(at, &mut bytes)?;
        Some(bytes)
    }

    fn word<const N: usize>(&self, index: u64, offset: u64) -> Option<[u8; N]> {
        let at = index.checked_mul(self.stride)?.checked_add(offset)?;
        let mut word = [0; N];
        self.read(at, &mut word)?;
        Some(word)
    }

    fn u64(&self, index: u64, offset: u64) -> Option<u64> {
        self.word(index, offset).map(u64::from_le_bytes)
    }

    fn u32(&self, index: u64, offset: u64) -> Option<u32> {
        self.word(index, offset).map(u32::from_le_bytes)
    }
}
