//! What CPUs printed where the log's lock could not be taken, and never got into the log.
//!
//! ```text
//!  struct printk_safe_seq_buf (4.10 to 5.14; 4.7 to 4.9: nmi_seq_buf)
//!   atomic_t len │ atomic_t message_lost │ struct irq_work work │ unsigned char buffer[]
//! ```
//! Each CPU has `nmi_print_seq` for NMIs (4.7), and `safe_print_seq` for a printk inside of printk
//! (4.10). A line begins with SOH and its level. Flushed text stays in the buffer, but `len` is 0.
//! Source: kernel/printk/printk_safe.c, before commit 93d102f094be.

use crate::cpu::CpuId;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::private::Private;

/// Most bytes of one buffer that are read (`SAFE_LOG_BUF_LEN` is at most 128 KiB).
const MAX_LEN: u64 = 1 << 17;
/// Starts a level in a message (`KERN_SOH`).
const SOH: u8 = 1;

/// A line that stands in a CPU's own buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Whose buffer.
    pub cpu: CpuId,
    /// It was printed in an NMI; else inside of printk itself.
    pub in_nmi: bool,
    /// Syslog level, where the line states one.
    pub level: Option<u8>,
    /// The line.
    pub text: Vec<u8>,
}

pub(super) fn read(kernel: &Kernel) -> Vec<Leftover> {
    let mut out = Vec::new();
    for (symbol, in_nmi) in [("safe_print_seq", false), ("nmi_print_seq", true)] {
        let (Ok(_), Ok(cpus)) = (kernel.symbol(symbol), kernel.cpus()) else {
            continue;
        };
        for cpu in cpus.possible.iter() {
            match buffer(kernel, symbol, cpu) {
                Ok(bytes) => out.extend(lines(&bytes, cpu, in_nmi)),
                Err(e) => tracing::debug!("{symbol} of CPU {cpu}: {e}"),
            }
        }
    }
    out
}

fn buffer(kernel: &Kernel, symbol: &str, cpu: CpuId) -> Result<Vec<u8>> {
    let name = ["struct printk_safe_seq_buf", "struct nmi_seq_buf"]
        .into_iter()
        .find(|name| kernel.type_named(name).is_ok())
        .unwrap_or("struct printk_safe_seq_buf");
    let found = kernel.percpu_object(symbol, name, cpu)?;
    let buffer = found.field("buffer")?;
    let len = found.field("len.counter")?.u64()?;
    let len = len.min(buffer.size()?).min(MAX_LEN);
    let text = kernel.space().bytes(buffer.address, len as usize)?;
    kernel
        .space()
        .note_private(Private::LogText, buffer.address, &text);
    Ok(text)
}

fn lines(bytes: &[u8], cpu: CpuId, in_nmi: bool) -> Vec<Leftover> {
    let line = |line: &[u8]| {
        let (level, text) = match line {
            [SOH, level @ b'0'..=b'7', text @ ..] => (Some(level - b'0'), text),
            [SOH, _, text @ ..] => (None, text), // KERN_CONT, KERN_DEFAULT
            text => (None, text),
        };
        Leftover {
            cpu,
            in_nmi,
            level,
            text: text.to_vec(),
        }
    };
    let split = bytes.split(|byte| *byte == b'\n');
    split.filter(|text| !text.is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;
    use crate::made::MadeKernel;

    #[test]
    fn the_buffers_of_each_cpu_are_read_up_to_their_length() {
        let mut made = MadeKernel::new()
            .types(&[
                ("atomic_t", 4, "counter@0 i32"),
                (
                    "printk_safe_seq_buf",
                    64,
                    "len@0 atomic_t, message_lost@4 atomic_t, buffer@16 u8[48]",
                ),
            ])
            .symbol("nr_cpu_ids", 0x1_0000)
            .symbol("__cpu_possible_mask", 0x1_0008)
            .symbol("__per_cpu_offset", 0x1_0010)
            .symbol("nmi_print_seq", 0x1_1000);
        made.words(0x1_0000, &[2, 0b11, 0x1000, 0x2000]);
        made.words(0x1_2000, &[8]);
        made.bytes(0x1_2010, b"\x013in NMI\x01flushed before");
        made.words(0x1_3000, &[u64::from(u32::MAX)]); // more than the buffer holds
        let found = read(&made.kernel());
        let first: Vec<_> = found.iter().filter(|line| line.cpu == CpuId(0)).collect();
        assert_eq!(first.len(), 1, "{found:?}");
        let line = first[0];
        assert_eq!((line.level, line.in_nmi), (Some(3), true));
        assert_eq!(line.text, b"in NMI");
    }

    #[test]
    fn lines_of_a_cpus_buffer_carry_their_level() {
        let found = lines(
            b"\x014NMI backtrace for cpu 2\n\x01cmore\n\nplain",
            CpuId(2),
            true,
        );
        let seen: Vec<_> = found
            .iter()
            .map(|line| (line.level, line.text.as_slice()))
            .collect();
        let expected: [(Option<u8>, &[u8]); 3] = [
            (Some(4), b"NMI backtrace for cpu 2"),
            (None, b"more"),
            (None, b"plain"),
        ];
        assert_eq!(seen, expected);
    }
}
