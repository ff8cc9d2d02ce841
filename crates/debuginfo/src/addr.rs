//! Virtual addresses.

use std::fmt;

/// A virtual address of the kernel, in bytes.
///
/// Whether it is an address before or after KASLR depends on where it came
/// from; see the source that gave it. Per-CPU symbols of x86-64 kernels before
/// 6.15 are offsets near zero and carry no KASLR offset at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VirtAddr(pub u64);

impl VirtAddr {
    /// This address plus `bytes`, modulo 2^64.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // the operator would hide that it wraps
    pub fn add(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// This address moved by a signed distance, modulo 2^64 (a KASLR offset).
    #[must_use]
    pub fn offset(self, bytes: i64) -> Self {
        Self(self.0.wrapping_add_signed(bytes))
    }

    /// This address plus `bytes`; `None` past the end of the address space.
    #[must_use]
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }

    /// This address moved by a signed distance; `None` outside the address space.
    #[must_use]
    pub fn checked_offset(self, bytes: i64) -> Option<Self> {
        self.0.checked_add_signed(bytes).map(Self)
    }

    /// The distance in bytes from `start` up to this address; `None` if it lies below.
    #[must_use]
    pub fn distance_from(self, start: Self) -> Option<u64> {
        self.0.checked_sub(start.0)
    }
}

impl fmt::Display for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtAddr({:#x})", self.0)
    }
}

impl fmt::LowerHex for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

impl From<u64> for VirtAddr {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_wraps_or_says_that_it_would() {
        let top = VirtAddr(u64::MAX);
        assert_eq!(top.add(2), VirtAddr(1));
        assert_eq!(top.checked_add(1), None);
        assert_eq!(VirtAddr(0).offset(-1), top);
        assert_eq!(VirtAddr(0).checked_offset(-1), None);
        assert_eq!(VirtAddr(0x10).to_string(), "0x0000000000000010");
    }
}
