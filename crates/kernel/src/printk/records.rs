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

use super::{Caller, Log, MAX_RECORDS, Record};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

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
    let mut log = Log::default();
    let mut wrapped = at <= end;
    while at != end && log.records.len() < MAX_RECORDS {
        let here = VirtAddr(buffer.0.wrapping_add(u64::from(at)));
        let length = u32::from(space.u16(VirtAddr(here.0.wrapping_add(len)))?);
        if length == 0 {
            if wrapped {
                break;
            }
            (wrapped, at) = (true, 0);
            continue;
        }
        let field = |offset: u64| VirtAddr(here.0.wrapping_add(offset));
        let text = usize::from(space.u16(field(text_len))?);
        let facility = space.u8(field(flags_at))?;
        let flags = space.u8(field(flags_at + 1))?;
        log.records.push(Record {
            sequence: log.records.len() as u64,
            timestamp_ns: space.u64(field(ts))?,
            level: Some(flags >> 5),
            facility: Some(facility),
            caller: caller_at
                .and_then(|o| space.u32(field(o)).ok())
                .map(Caller::from_id),
            continuation: flags & 8 != 0,
            newline: flags & 2 != 0,
            text: space.bytes(field(head), text.min(length as usize))?,
        });
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
