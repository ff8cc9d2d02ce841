//! How far each console had come with the log when the machine died.
//!
//! | kernel | consoles | what each printed last |
//! |---|---|---|
//! | up to 5.17 | `console_drivers`, by `next` | `console_seq`, one for all |
//! | 5.18 and later | the same; since 6.2 `console_list`, by `node` | `seq` |
//! | 6.4 and later | with the flag CON_NBCON | `nbcon_seq` |
//!
//! Source: include/linux/console.h, kernel/printk/printk.c, kernel/printk/nbcon.c.

use virtopsy_debuginfo::VirtAddr;

use crate::error::Result;
use crate::kernel::Kernel;
use crate::list::container_of;
use crate::object::Object;

/// Most consoles of a machine.
const MAX_CONSOLES: usize = 64;
/// `CON_NBCON`: it has a position and a lock of its own.
const NBCON: u64 = 1 << 8;

/// A console, and the record that it would have printed next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// As on the command line: `ttyS0`.
    pub name: Vec<u8>,
    /// All records below this sequence number were printed, or dropped by their level.
    pub next: u64,
}

impl Kernel {
    /// The registered consoles.
    ///
    /// # Errors
    /// Where their list can't be found. One that can't be read ends the list.
    pub fn consoles(&self) -> Result<Vec<Console>> {
        let probe = self.object(VirtAddr(0), "struct console")?;
        // An hlist's links stand inside, those before lead to the structure itself.
        let (head, inside, next) = match self.symbol("console_list") {
            Ok(head) => (head, probe.field("node")?.address.0, 0),
            Err(_) => (
                self.symbol("console_drivers")?,
                0,
                probe.field("next")?.address.0,
            ),
        };
        let mut found = Vec::new();
        let mut link = self.space().pointer(head)?;
        while link.0 != 0 && found.len() < MAX_CONSOLES {
            let at = container_of(link, inside);
            match self.console(&self.object(at, "struct console")?) {
                Ok(console) => found.push(console),
                Err(e) => {
                    tracing::debug!("console at {:#x}: {e}", at.0);
                    break;
                }
            }
            match self.space().pointer(VirtAddr(link.0.wrapping_add(next))) {
                Ok(following) => link = following,
                Err(_) => break,
            }
        }
        Ok(found)
    }

    fn console(&self, console: &Object<'_>) -> Result<Console> {
        let mut name = console.field("name")?.string()?;
        name.extend(console.field("index")?.i64()?.to_string().into_bytes());
        let own = match console.field("flags")?.u64()? & NBCON {
            0 => console.field("seq"),
            _ => console.field("nbcon_seq"),
        };
        let next = match own {
            Ok(seq) => seq.u64()?,
            Err(e) if e.is_absent() => self.space().u64(self.symbol("console_seq")?)?,
            Err(e) => return Err(e),
        };
        Ok(Console { name, next })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::made::{IMAGE, MadeKernel};

    fn names(kernel: &Kernel) -> Vec<(String, u64)> {
        let consoles = kernel.consoles().unwrap().into_iter();
        let text = |c: Console| (String::from_utf8(c.name).unwrap(), c.next);
        consoles.map(text).collect()
    }

    #[test]
    fn consoles_of_today_have_a_position_each() {
        let mut made = MadeKernel::new()
            .types(&[(
                "console",
                64,
                "name@0 u8[16], flags@16 u16, index@18 i16, seq@24 u64, node@32 u64, nbcon_seq@40 u64",
            )])
            .symbol("console_list", 0x1000);
        made.words(0x1000, &[IMAGE + 0x2000 + 32]);
        made.bytes(0x2000, b"ttyS\0");
        made.words(0x2000 + 16, &[0x100, 7, IMAGE + 0x2100 + 32, 41]);
        made.bytes(0x2100, b"tty\0");
        made.words(0x2100 + 16, &[0, 9, 0, 0]);
        assert_eq!(
            names(&made.kernel()),
            [("ttyS0".to_owned(), 41), ("tty0".to_owned(), 9)]
        );
    }

    #[test]
    fn older_consoles_share_one_position() {
        let mut made = MadeKernel::new()
            .types(&[(
                "console",
                64,
                "name@0 u8[16], flags@16 u16, index@18 i16, next@24 console*",
            )])
            .symbol("console_drivers", 0x1000)
            .symbol("console_seq", 0x1008);
        made.words(0x1000, &[IMAGE + 0x2000, 5]);
        made.bytes(0x2000, b"hvc\0");
        made.words(0x2000 + 16, &[0x2_0000, IMAGE + 0x2000]); // a ring
        let found = names(&made.kernel());
        assert_eq!(found.first(), Some(&("hvc2".to_owned(), 5)));
        assert_eq!(found.len(), MAX_CONSOLES);
    }
}
