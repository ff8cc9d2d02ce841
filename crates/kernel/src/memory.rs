//! Reading scalars, strings and pointers at virtual addresses.

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::paging::AddressSpace;

/// Longest single read that is not bounded by a type: 16 MiB.
const MAX_READ: usize = 16 << 20;

impl AddressSpace {
    /// A large table, whose length the caller has bounded.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub(crate) fn long(&self, at: VirtAddr, len: u64) -> Result<Vec<u8>> {
        let mut out = vec![0; usize::try_from(len).unwrap_or(0)];
        self.read(at, &mut out)?;
        Ok(out)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn u8(&self, at: VirtAddr) -> Result<u8> {
        let mut b = [0; 1];
        self.read(at, &mut b)?;
        Ok(u8::from_le_bytes(b))
    }

    /// A little-endian 16-bit word.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn u16(&self, at: VirtAddr) -> Result<u16> {
        let mut b = [0; 2];
        self.read(at, &mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// A little-endian 32-bit word.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn u32(&self, at: VirtAddr) -> Result<u32> {
        let mut b = [0; 4];
        self.read(at, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// A little-endian 64-bit word.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn u64(&self, at: VirtAddr) -> Result<u64> {
        let mut b = [0; 8];
        self.read(at, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    /// A pointer.
    ///
    /// # Errors
    /// As [`AddressSpace::read`].
    pub fn pointer(&self, at: VirtAddr) -> Result<VirtAddr> {
        self.u64(at).map(VirtAddr)
    }

    /// `len` bytes; at most 16 MiB at once.
    ///
    /// # Errors
    /// As [`AddressSpace::read`]; [`Error::Implausible`] for a longer read.
    pub fn bytes(&self, at: VirtAddr, len: usize) -> Result<Vec<u8>> {
        if len > MAX_READ {
            return Err(Error::Implausible {
                what: "length".into(),
                at,
                found: format!("{len} bytes"),
            });
        }
        let mut buf = vec![0; len];
        self.read(at, &mut buf)?;
        Ok(buf)
    }

    /// A NUL-terminated string of at most `max` bytes, without the NUL. What ends at a page that
    /// can't be read is cut there, unless nothing could be read at all.
    ///
    /// # Errors
    /// As [`AddressSpace::read`], for the first byte.
    pub fn string(&self, at: VirtAddr, max: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        while out.len() < max {
            let here = VirtAddr(at.0.wrapping_add(out.len() as u64));
            let in_page = (0x1000 - (here.0 & 0xfff)) as usize;
            let mut part = vec![0; in_page.min(max - out.len())];
            match self.read(here, &mut part) {
                Err(e) if out.is_empty() => return Err(e),
                Err(_) => break,
                Ok(()) => {}
            }
            if let Some(end) = part.iter().position(|b| *b == 0) {
                part.truncate(end);
                out.append(&mut part);
                break;
            }
            out.append(&mut part);
        }
        Ok(out)
    }
}
