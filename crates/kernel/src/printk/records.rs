//! The kernel log of 3.5 to 5.9: variable-length records in one buffer.
//!
//! ```text
//!  struct printk_log (3.5–3.10: struct log)
//!   u64 ts_nsec | u16 len | u16 text_len | u16 dict_len | u8 facility | u8 flags:5 level:3 | [u32 caller_id]
//!   text, dictionary, padding: `len` bytes in all
//! ```
//! `log_first_idx` is the oldest record, `log_next_idx` where the next one goes; a record of
//! length 0 says that the next one is at the buffer's start. Source: kernel/printk/printk.c.

use virtopsy_debuginfo::VirtAddr;

use super::{Caller, Log, MAX_RECORDS, Property, Record};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::private::Private;

/// Longest buffer that is believed: `log_buf_len=` of 1 GiB.
const MAX_BUFFER: u64 = 1 << 30;

pub(super) fn read(kernel: &Kernel) -> Result<Log> {
    let info = kernel.vmcoreinfo();
    let space = kernel.space();
    let symbol = |name: &str| -> Result<VirtAddr> {
        let key = || Error::VmcoreinfoKey {
            key: format!("SYMBOL({name})"),
            purpose: "the log",
        };
        info.symbol(name).map(VirtAddr).ok_or_else(key)
    };
    let structure = if info.size("printk_log").is_some() {
        "printk_log"
    } else {
        "log"
    };
    let member = |name: &str| -> Result<u64> {
        let key = format!("{structure}.{name}");
        let found = info.offset(&key).filter(|o| *o < 4096);
        found.ok_or_else(|| Error::VmcoreinfoKey {
            key: format!("OFFSET({key})"),
            purpose: "the log",
        })
    };
    let (ts, len, text_len) = (member("ts_nsec")?, member("len")?, member("text_len")?);
    let head = info.size(structure).ok_or(Error::VmcoreinfoKey {
        key: format!("SIZE({structure})"),
        purpose: "the log",
    })?;
    let buffer = space.pointer(symbol("log_buf")?)?;
    let size = u64::from(space.u32(symbol("log_buf_len")?)?);
    if size > MAX_BUFFER {
        return Err(Error::Implausible {
            what: "log_buf_len".into(),
            at: buffer,
            found: size.to_string(),
        });
    }
    let (mut at, end) = (
        space.u32(symbol("log_first_idx")?)?,
        space.u32(symbol("log_next_idx")?)?,
    );
    // facility and flags follow dict_len, which follows text_len.
    let flags_at = member("dict_len").unwrap_or(text_len + 2) + 2;
    let caller_at = (head > flags_at + 2).then_some(flags_at + 2);
    let first = kernel
        .symbol("log_first_seq")
        .and_then(|at| space.u64(at))
        .unwrap_or(0);
    let layout = Layout {
        ts,
        len,
        text_len,
        dict_len: member("dict_len").unwrap_or(text_len + 2),
        head,
        flags_at,
        caller_at,
    };
    let mut log = Log {
        first_sequence: first,
        ..Log::default()
    };
    let mut wrapped = at <= end;
    while at != end && log.records.len() < MAX_RECORDS {
        let here = VirtAddr(buffer.0.wrapping_add(u64::from(at)));
        let sequence = first.wrapping_add(log.records.len() as u64);
        let length = match layout.record(kernel, here, sequence) {
            Ok(Some((length, record))) => {
                log.records.push(record);
                length
            }
            // Length 0: the next record is at the buffer's start.
            Ok(None) if !wrapped => {
                (wrapped, at) = (true, 0);
                continue;
            }
            Ok(None) => break,
            Err(e) => {
                log.broken = Some(e);
                break;
            }
        };
        at = at.saturating_add(length);
        if u64::from(at) >= size {
            if wrapped {
                break;
            }
            (wrapped, at) = (true, 0);
        }
    }
    Ok(log)
}

/// Where the members of a record are.
struct Layout {
    ts: u64,
    len: u64,
    text_len: u64,
    dict_len: u64,
    head: u64,
    flags_at: u64,
    caller_at: Option<u64>,
}

impl Layout {
    /// The record at an address and its length; `None` where the length is 0.
    fn record(
        &self,
        kernel: &Kernel,
        here: VirtAddr,
        sequence: u64,
    ) -> Result<Option<(u32, Record)>> {
        let space = kernel.space();
        let field = |offset: u64| VirtAddr(here.0.wrapping_add(offset));
        let length = space.u16(field(self.len))?;
        if length == 0 {
            return Ok(None);
        }
        if u64::from(length) < self.head {
            // No record is shorter than its head; what follows can't be found.
            return Err(Error::Implausible {
                what: "length of a record of the log".into(),
                at: here,
                found: length.to_string(),
            });
        }
        let room = usize::from(length).saturating_sub(self.head as usize);
        let text = usize::from(space.u16(field(self.text_len))?).min(room);
        let dict = usize::from(space.u16(field(self.dict_len))?).min(room.saturating_sub(text));
        let flags = space.u8(field(self.flags_at + 1))?;
        let text_at = field(self.head);
        let text = space.bytes(text_at, text)?;
        space.note_private(Private::LogText, text_at, &text);
        let record = Record {
            sequence,
            timestamp_ns: space.u64(field(self.ts))?,
            level: Some(flags >> 5),
            facility: Some(space.u8(field(self.flags_at))?),
            caller: self
                .caller_at
                .and_then(|at| space.u32(field(at)).ok())
                .map(Caller::from_id),
            continuation: flags & 8 != 0,
            newline: flags & 2 != 0,
            dictionary: properties(
                &space.bytes(VirtAddr(text_at.0.wrapping_add(text.len() as u64)), dict)?,
            ),
            text,
        };
        Ok(Some((length.into(), record)))
    }
}

/// `KEY=value`, each ended by a NUL but perhaps the last.
fn properties(dictionary: &[u8]) -> Vec<Property> {
    let entries = dictionary.split(|byte| *byte == 0);
    entries
        .filter_map(|entry| {
            let at = memchr::memchr(b'=', entry)?;
            let key = String::from_utf8_lossy(entry.get(..at)?).into_owned();
            Some((key, entry.get(at.checked_add(1)?..)?.to_vec()))
        })
        .collect()
}
